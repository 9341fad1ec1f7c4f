/* SPDX-License-Identifier: Apache-2.0 */
/* An arena hands out memory that lives until the arena is freed, all at once.
 *
 *   [chunk 4k] -> [chunk 8k] -> [chunk 16k] ...   newest chunk serves; big requests get their own
 *
 * One arena per batch, one per query: nothing between is freed singly. Under AddressSanitizer what
 * has not been handed out is poisoned. An arena has a byte limit; past it (or when memory is out)
 * allocation gives NULL, and every later one too (`failed`), so a decoder may check once at its
 * end.
 *
 * Threads: owner only.
 * Memory: the struct is the caller's; chunks are the heap's.
 */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/view.h"

struct weir_arena_chunk;

struct weir_arena {
    struct weir_arena_chunk *chunks; /* newest first */
    char *next, *end;                /* the free run of the newest chunk */
    size_t size_bytes;               /* heap bytes held by all chunks */
    size_t size_bytes_max;           /* limit for size_bytes; 0 = none */
    bool failed;                     /* an allocation was refused */
};

/* Caller's memory; allocates nothing yet. `size_bytes_max` 0 means no limit. */
void weir_arena_init(struct weir_arena *arena, size_t size_bytes_max);
/* Frees every chunk; the struct may be initialised again. Takes NULL and zeroed structs. */
void weir_arena_done(struct weir_arena *arena);
/* Forgets all allocations but keeps the newest chunk for re-use. */
void weir_arena_reset(struct weir_arena *arena);

/* `size` bytes, aligned to 8 (`_alloc`) or to `align` (a power of two ≤ 64). Not zeroed. NULL when
 * refused. */
void *weir_arena_alloc(struct weir_arena *arena, size_t size);
void *weir_arena_alloc_aligned(struct weir_arena *arena, size_t size, size_t align);
/* `count` × `size` zeroed bytes; NULL when refused or when the product overflows. */
void *weir_arena_calloc(struct weir_arena *arena, size_t count, size_t size);
/* A larger array with the old content copied; in place when `old` was the latest allocation. */
void *weir_arena_grow(struct weir_arena *arena, void *old, size_t old_size, size_t new_size);
/* Copies bytes in; the copy is followed by a NUL that the view does not count. */
struct weir_view weir_arena_copy(struct weir_arena *arena, struct weir_view v);
char *weir_arena_strdup(struct weir_arena *arena, struct weir_view v);
/* Numbers come out as in the C locale (base/number.h). Followed by a NUL, too. */
struct weir_view weir_arena_printf(struct weir_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Typed forms: WEIR_NEW(arena, struct x), WEIR_NEW_ARRAY(arena, struct x, n); zeroed. */
#define WEIR_NEW(arena, type)              ((type *)weir_arena_calloc(arena, 1, sizeof(type)))
#define WEIR_NEW_ARRAY(arena, type, count) ((type *)weir_arena_calloc(arena, count, sizeof(type)))

/* Appends one zeroed element to an arena-held array, doubling its room when full; evaluates to a
 * pointer to it or NULL. `items`, `count`, `room` are lvalues (pointer, count, capacity). */
#define WEIR_PUSH(arena, items, count, room)                                                       \
    ((count) < (room) || weir_arena_push_room(arena, (void **)&(items), sizeof *(items), &(room))  \
         ? memset(&(items)[(count)++], 0, sizeof *(items))                                         \
         : NULL)
/* Helper of WEIR_PUSH: doubles the room (at least 8). */
bool weir_arena_push_room(struct weir_arena *arena, void **items, size_t item_size, uint32_t *room);

#endif
