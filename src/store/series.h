/* SPDX-License-Identifier: Apache-2.0 */
/* The table of series: memtables, parts and how one becomes the other; inside of the store only.
 *
 *     append ─▶ active ─freeze─▶ frozen ─flush─▶ part ─merge─▶ fewer, larger parts
 *
 * A series is known by its labels alone; its id is their hash. What arrives later wins where two
 * samples of a series have the same time: memtables are newer than parts, parts have ranks.
 *
 * Threads: as store/table.h tells.
 */
#ifndef WEIR_STORE_SERIES_H
#define WEIR_STORE_SERIES_H

#include "base/map.h"
#include "store/manifest.h"
#include "store/series_mem.h"
#include "store/series_part.h"
#include "store/table.h"

enum {
    WEIR_SERIES_FROZEN_MAX = 16,
    WEIR_SERIES_ACTIVE_MAX =
        1000000, /* series in one memtable; points of further ones are refused */
    WEIR_SERIES_DELTAS_MAX = 1000000, /* series with delta temporality whose sums are remembered */
    WEIR_SERIES_METAS_MAX = 20000,    /* metric families whose metadata is remembered */
};

struct weir_series_table {
    struct weir_store_table base; /* must be first */
    struct weir_disk *disk;
    char *path;
    uint32_t active_series_max; /* WEIR_SERIES_ACTIVE_MAX, less in tests */

    pthread_mutex_t lock; /* active, frozen*, parts*: pointer work only */
    struct weir_series_mem *active;
    struct weir_series_mem *frozen[WEIR_SERIES_FROZEN_MAX]; /* oldest first */
    uint32_t frozen_count;
    struct weir_series_part **parts; /* heap; ascending rank */
    uint32_t parts_count;

    pthread_mutex_t commit; /* manifest; held while it is written */
    struct weir_manifest manifest;
    _Atomic uint64_t flushed_seq;

    pthread_mutex_t metas_lock; /* metas, metas_arena */
    struct weir_map metas;      /* name → struct weir_metric_meta * */
    struct weir_arena metas_arena;

    /* The apply thread's. Running sums start anew with the server: rates see a counter reset. */
    struct weir_map deltas; /* key → bits of the running sum (a double) */
    struct weir_arena deltas_arena, scratch;
    struct weir_buf key, labels;
};

static inline struct weir_series_table *weir_series_table_of(struct weir_store_table *table) {
    return (struct weir_series_table *)table;
}

/* What a reader holds on to. */
struct weir_series_snapshot {
    struct weir_series_mem *mems[WEIR_SERIES_FROZEN_MAX + 1]; /* oldest first */
    uint32_t mems_count;
    struct weir_series_part **parts; /* heap; ascending rank */
    uint32_t parts_count, parts_skipped;
};
int weir_series_snapshot_init(struct weir_series_table *table, int64_t from_ms, int64_t until_ms,
                              struct weir_series_snapshot *ret, struct weir_error *reterr);
void weir_series_snapshot_done(struct weir_series_snapshot *snapshot);

/* Replaces parts in manifest and table in one step, raises flushed_seq (0 = as it is), takes `mem`
 * (or NULL) off the frozen list. `fresh` (or NULL) becomes the table's. */
int weir_series_commit(struct weir_series_table *table, struct weir_series_part **old_parts,
                       uint32_t old_count, struct weir_series_part *fresh, uint64_t flushed_seq,
                       struct weir_series_mem *mem, struct weir_error *reterr);
uint64_t weir_series_next_id(struct weir_series_table *table);
/* Adds a family's metadata; false when memory is out. */
bool weir_series_meta_put(struct weir_series_table *table, const struct weir_metric_meta *meta);

/* struct weir_store_table's append (series_append.c), flush and merge (series_flush.c). */
int weir_series_append(struct weir_store_table *table, const struct weir_otlp_batch *batch,
                       uint64_t seq, struct weir_error *reterr);
int weir_series_flush(struct weir_store_table *table, struct weir_error *reterr);
int weir_series_parts_merge(struct weir_store_table *table, const atomic_bool *stop, bool *ret_did,
                            struct weir_error *reterr);

#endif
