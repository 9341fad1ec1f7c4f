/* SPDX-License-Identifier: Apache-2.0 */
/* A memtable of series: label sets and their samples in the order of arrival.
 *
 *     key ──▶ series ──▶ block of 8 ──▶ block of 16 ──▶ … ──▶ block of 256 samples
 *
 * Threads: one writer (append), many readers; `lock` guards everything, taken inside.
 * Memory: an arena of its own; reference-counted.
 */
#ifndef WEIR_STORE_SERIES_MEM_H
#define WEIR_STORE_SERIES_MEM_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/map.h"
#include "store/series_exemplar.h"
#include "store/series_key.h"

struct weir_series_block {
    struct weir_series_block *next;
    uint32_t count, room;
    struct weir_series_sample {
        int64_t time_ms;
        double value;
    } samples[];
};

struct weir_series_mem_entry {
    struct weir_view key;
    struct weir_series_block *first, *last;
    uint32_t samples_count;
    int64_t min_ms, max_ms;
    struct weir_series_exemplars exemplars;
    struct weir_series_mem_entry *next_of_name; /* series of the same __name__ */
};

struct weir_series_mem {
    atomic_uint refs;
    pthread_rwlock_t lock;
    struct weir_arena arena;
    struct weir_map map;   /* key → struct weir_series_mem_entry * */
    struct weir_map names; /* __name__ → first entry of that name */
    uint64_t samples_count, exemplars_count, first_seq, last_seq;
    int64_t since_ns; /* wall time of the first append */
    int64_t min_ms, max_ms;
};

/* NULL: out of memory. One reference. */
struct weir_series_mem *weir_series_mem_new(void);
struct weir_series_mem *weir_series_mem_ref(struct weir_series_mem *mem);
void weir_series_mem_unref(struct weir_series_mem *mem);
/* The writer, with the lock held for writing: adds a sample. `name` is the value of __name__ inside
 * the key. False: out of memory. */
bool weir_series_mem_add(struct weir_series_mem *mem, struct weir_view key, struct weir_view name,
                         int64_t time_ms, double value);
/* The same for an exemplar of a series that is there; the labels' bytes are copied. */
enum weir_series_exemplar_fate weir_series_mem_add_exemplar(
    struct weir_series_mem *mem, struct weir_view key, const struct weir_series_exemplar *exemplar);
/* Entries that match, sorted by key, into the arena; NULL with *ret_count 0 when there is none,
 * false when out of memory. Takes the lock for reading. */
bool weir_series_mem_find(struct weir_series_mem *mem, const struct weir_matcher *matchers,
                          uint32_t matchers_count, int64_t from_ms, int64_t until_ms,
                          struct weir_arena *arena, struct weir_series_mem_entry ***ret,
                          uint32_t *ret_count);

#endif
