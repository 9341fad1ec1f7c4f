/* SPDX-License-Identifier: Apache-2.0 */
#include "store/series_mem.h"

#include <stdlib.h>

enum { BLOCK_SAMPLES_MIN = 4, BLOCK_SAMPLES_MAX = 256 };

struct weir_series_mem *weir_series_mem_new(void) {
    struct weir_series_mem *mem = calloc(1, sizeof *mem);
    if (!mem) return NULL;
    atomic_init(&mem->refs, 1);
    pthread_rwlockattr_t attr; /* a stream of readers must not hold the writer up */
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&mem->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    weir_arena_init(&mem->arena, 0);
    weir_map_init(&mem->map);
    weir_map_init(&mem->names);
    mem->min_ms = INT64_MAX;
    mem->max_ms = INT64_MIN;
    mem->first_seq = UINT64_MAX;
    return mem;
}

struct weir_series_mem *weir_series_mem_ref(struct weir_series_mem *mem) {
    atomic_fetch_add_explicit(&mem->refs, 1, memory_order_relaxed);
    return mem;
}

void weir_series_mem_unref(struct weir_series_mem *mem) {
    if (!mem || atomic_fetch_sub_explicit(&mem->refs, 1, memory_order_acq_rel) != 1) return;
    weir_map_done(&mem->map);
    weir_map_done(&mem->names);
    weir_arena_done(&mem->arena);
    pthread_rwlock_destroy(&mem->lock);
    free(mem);
}

static uint64_t number_of(void *ptr) {
    return (uint64_t)(uintptr_t)ptr;
}

static struct weir_series_mem_entry *entry_of(uint64_t number) {
    return (struct weir_series_mem_entry *)(uintptr_t)number;
}

static struct weir_series_mem_entry *entry_new(struct weir_series_mem *mem, struct weir_view key,
                                               struct weir_view name) {
    struct weir_series_mem_entry *entry = WEIR_NEW(&mem->arena, struct weir_series_mem_entry);
    struct weir_view own = weir_arena_copy(&mem->arena, key);
    if (!entry || !own.ptr) return NULL;
    entry->key = own;
    entry->min_ms = INT64_MAX;
    entry->max_ms = INT64_MIN;
    /* The name inside our own copy of the key lives as long as the map. */
    struct weir_view own_name = weir_view(own.ptr + (name.ptr - key.ptr), name.len);
    if (!weir_map_put(&mem->map, own, number_of(entry), NULL)) return NULL;
    uint64_t *first = weir_map_put(&mem->names, own_name, 0, NULL);
    if (!first) return NULL;
    entry->next_of_name = entry_of(*first);
    *first = number_of(entry);
    return entry;
}

static struct weir_series_block *block_new(struct weir_series_mem *mem,
                                           struct weir_series_mem_entry *entry) {
    uint32_t room = entry->last ? entry->last->room * 2 : BLOCK_SAMPLES_MIN;
    if (room > BLOCK_SAMPLES_MAX) room = BLOCK_SAMPLES_MAX;
    struct weir_series_block *block =
        weir_arena_alloc(&mem->arena, sizeof *block + room * sizeof *block->samples);
    if (!block) return NULL;
    block->next = NULL;
    block->count = 0;
    block->room = room;
    if (entry->last)
        entry->last->next = block;
    else
        entry->first = block;
    entry->last = block;
    return block;
}

bool weir_series_mem_add(struct weir_series_mem *mem, struct weir_view key, struct weir_view name,
                         int64_t time_ms, double value) {
    uint64_t *found = weir_map_get(&mem->map, key);
    struct weir_series_mem_entry *entry = found ? entry_of(*found) : entry_new(mem, key, name);
    if (!entry) return false;
    struct weir_series_block *block = entry->last;
    if (!block || block->count == block->room) block = block_new(mem, entry);
    if (!block) return false;
    block->samples[block->count++] = (struct weir_series_sample){time_ms, value};
    entry->samples_count++;
    if (time_ms < entry->min_ms) entry->min_ms = time_ms;
    if (time_ms > entry->max_ms) entry->max_ms = time_ms;
    if (time_ms < mem->min_ms) mem->min_ms = time_ms;
    if (time_ms > mem->max_ms) mem->max_ms = time_ms;
    mem->samples_count++;
    return true;
}

enum weir_series_exemplar_fate weir_series_mem_add_exemplar(
    struct weir_series_mem *mem, struct weir_view key,
    const struct weir_series_exemplar *exemplar) {
    const uint64_t *found = weir_map_get(&mem->map, key);
    if (!found) return WEIR_SERIES_EXEMPLAR_DROPPED;
    enum weir_series_exemplar_fate fate =
        weir_series_exemplars_add(&entry_of(*found)->exemplars, &mem->arena, exemplar);
    mem->exemplars_count += fate == WEIR_SERIES_EXEMPLAR_KEPT;
    return fate;
}

static int by_key(const void *a, const void *b) {
    const struct weir_series_mem_entry *x = *(struct weir_series_mem_entry *const *)a;
    const struct weir_series_mem_entry *y = *(struct weir_series_mem_entry *const *)b;
    return weir_view_cmp(x->key, y->key);
}

/* The value that an equality on __name__ asks for, or NULL. */
static const struct weir_view *wanted_name(const struct weir_matcher *matchers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (matchers[i].op == WEIR_OP_EQ && matchers[i].value.len &&
            weir_view_is(matchers[i].name, "__name__"))
            return &matchers[i].value;
    return NULL;
}

struct finder {
    const struct weir_matcher *matchers;
    uint32_t matchers_count;
    int64_t from_ms, until_ms;
    struct weir_arena *arena;
    struct weir_series_mem_entry **items;
    uint32_t count, room;
    bool failed;
};

static void consider(struct finder *f, struct weir_series_mem_entry *entry) {
    struct weir_label labels[WEIR_SERIES_LABELS_MAX];
    if (entry->max_ms < f->from_ms || entry->min_ms > f->until_ms) return;
    int n = weir_series_key_labels(entry->key, labels, WEIR_SERIES_LABELS_MAX);
    if (n < 0 || !weir_series_labels_match(labels, (uint32_t)n, f->matchers, f->matchers_count))
        return;
    struct weir_series_mem_entry **place = WEIR_PUSH(f->arena, f->items, f->count, f->room);
    if (place)
        *place = entry;
    else
        f->failed = true;
}

bool weir_series_mem_find(struct weir_series_mem *mem, const struct weir_matcher *matchers,
                          uint32_t matchers_count, int64_t from_ms, int64_t until_ms,
                          struct weir_arena *arena, struct weir_series_mem_entry ***ret,
                          uint32_t *ret_count) {
    struct finder f = {.matchers = matchers,
                       .matchers_count = matchers_count,
                       .from_ms = from_ms,
                       .until_ms = until_ms,
                       .arena = arena};
    const struct weir_view *name = wanted_name(matchers, matchers_count);
    pthread_rwlock_rdlock(&mem->lock);
    uint64_t *first = name ? weir_map_get(&mem->names, *name) : NULL;
    for (struct weir_series_mem_entry *e = first ? entry_of(*first) : NULL; e; e = e->next_of_name)
        consider(&f, e);
    for (uint32_t i = 0; i < mem->map.count && !name; i++)
        consider(&f, entry_of(mem->map.entries[i].value));
    pthread_rwlock_unlock(&mem->lock);
    if (f.count) qsort(f.items, f.count, sizeof(struct weir_series_mem_entry *), by_key);
    *ret = f.items;
    *ret_count = f.count;
    return !f.failed;
}
