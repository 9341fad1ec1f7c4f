/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/number.h"

#if defined(__has_feature) /* clang's way to say it */
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(ptr, size)   __asan_poison_memory_region(ptr, size)
#define UNPOISON(ptr, size) __asan_unpoison_memory_region(ptr, size)
enum { RED_ZONE = 8 };
#else
#define POISON(ptr, size)   ((void)(ptr), (void)(size))
#define UNPOISON(ptr, size) ((void)(ptr), (void)(size))
enum { RED_ZONE = 0 };
#endif

enum { CHUNK_MIN = 4096, CHUNK_MAX = 1 << 20 };

struct weir_arena_chunk {
    struct weir_arena_chunk *older;
    size_t size; /* bytes behind this header */
    _Alignas(64) char bytes[];
};

void weir_arena_init(struct weir_arena *arena, size_t size_bytes_max) {
    *arena = (struct weir_arena){.size_bytes_max = size_bytes_max};
}

static void free_chunks(struct weir_arena_chunk *chunk) {
    while (chunk) {
        struct weir_arena_chunk *older = chunk->older;
        UNPOISON(chunk->bytes, chunk->size);
        free(chunk);
        chunk = older;
    }
}

void weir_arena_done(struct weir_arena *arena) {
    if (!arena) return;
    free_chunks(arena->chunks);
    weir_arena_init(arena, arena->size_bytes_max);
}

void weir_arena_reset(struct weir_arena *arena) {
    struct weir_arena_chunk *chunk = arena->chunks;
    arena->failed = false;
    if (!chunk) return;
    free_chunks(chunk->older);
    chunk->older = NULL;
    arena->size_bytes = chunk->size + sizeof *chunk;
    arena->next = chunk->bytes;
    arena->end = chunk->bytes + chunk->size;
    POISON(chunk->bytes, chunk->size);
}

static bool add_chunk(struct weir_arena *arena, size_t size) {
    size_t wanted = arena->chunks ? arena->chunks->size * 2 : CHUNK_MIN;
    if (wanted > CHUNK_MAX) wanted = CHUNK_MAX;
    if (wanted < size) wanted = size;
    size_t total = wanted + sizeof(struct weir_arena_chunk);
    if (arena->size_bytes_max && arena->size_bytes + total > arena->size_bytes_max) {
        total = size + sizeof(struct weir_arena_chunk);
        if (arena->size_bytes + total > arena->size_bytes_max) return false;
    }
    total = (total + 63) & ~(size_t)63;
    struct weir_arena_chunk *chunk = aligned_alloc(64, total);
    if (!chunk) return false;
    chunk->size = total - sizeof *chunk;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->size_bytes += total;
    arena->next = chunk->bytes;
    arena->end = chunk->bytes + chunk->size;
    POISON(chunk->bytes, chunk->size);
    return true;
}

void *weir_arena_alloc_aligned(struct weir_arena *arena, size_t size, size_t align) {
    if (arena->failed || size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    if (size == 0) size = 1; /* NULL means refused, nothing else */
    size_t pad = (size_t)(-(uintptr_t)arena->next) & (align - 1);
    size_t needed = size + RED_ZONE;
    if (!arena->next || (size_t)(arena->end - arena->next) < pad + needed) {
        if (!add_chunk(arena, needed + align)) {
            arena->failed = true;
            return NULL;
        }
        pad = (size_t)(-(uintptr_t)arena->next) & (align - 1);
    }
    char *ptr = arena->next + pad;
    arena->next = ptr + needed;
    UNPOISON(ptr, size);
    return ptr;
}

void *weir_arena_alloc(struct weir_arena *arena, size_t size) {
    return weir_arena_alloc_aligned(arena, size, 8);
}

void *weir_arena_calloc(struct weir_arena *arena, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        arena->failed = true;
        return NULL;
    }
    void *ptr = weir_arena_alloc(arena, total);
    return ptr ? memset(ptr, 0, total) : NULL;
}

void *weir_arena_grow(struct weir_arena *arena, void *old, size_t old_size, size_t new_size) {
    const char *tail = old ? (char *)old + old_size + RED_ZONE : NULL;
    if (old && tail == arena->next && new_size >= old_size &&
        (size_t)(arena->end - arena->next) >= new_size - old_size) {
        arena->next += new_size - old_size;
        UNPOISON(old, new_size);
        return old;
    }
    void *ptr = weir_arena_alloc(arena, new_size);
    if (ptr && old && old_size) memcpy(ptr, old, old_size < new_size ? old_size : new_size);
    return ptr;
}

bool weir_arena_push_room(struct weir_arena *arena, void **items, size_t item_size,
                          uint32_t *room) {
    uint32_t wanted = *room ? *room * 2 : 8;
    if (wanted <= *room) return false;
    void *grown = weir_arena_grow(arena, *items, *room * item_size, wanted * item_size);
    if (!grown) return false;
    *items = grown;
    *room = wanted;
    return true;
}

char *weir_arena_strdup(struct weir_arena *arena, struct weir_view v) {
    char *ptr = weir_arena_alloc_aligned(arena, v.len + 1, 1);
    if (!ptr) return NULL;
    if (v.len) memcpy(ptr, v.ptr, v.len);
    ptr[v.len] = 0;
    return ptr;
}

struct weir_view weir_arena_copy(struct weir_arena *arena, struct weir_view v) {
    char *ptr = weir_arena_strdup(arena, v);
    return ptr ? weir_view(ptr, v.len) : weir_view(NULL, 0);
}

struct weir_view weir_arena_printf(struct weir_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = weir_number_vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *ptr = len < 0 ? NULL : weir_arena_alloc_aligned(arena, (size_t)len + 1, 1);
    if (!ptr) return weir_view(NULL, 0);
    va_start(args, format);
    weir_number_vsnprintf(ptr, (size_t)len + 1, format, args);
    va_end(args);
    return weir_view(ptr, (size_t)len);
}
