/* SPDX-License-Identifier: Apache-2.0 */
/* One table of the store, as the store drives it: rows (spans, logs) and series (metrics) stand
 * behind the same calls.
 *
 *     write log ──append──▶ active memtable ──freeze──▶ frozen ──flush──▶ parts ──merge──▶ parts
 *       seq 1 2 3 …                                            manifest: flushed_seq    drop
 *
 * Every acknowledged batch has a sequence number `seq` in the write log. A table promises: what its
 * manifest calls flushed (seq ≤ flushed_seq) is in durable parts, all else is replayed from the log
 * at the next start. So that a batch is never there twice, the parts that a flush makes and its
 * new flushed_seq enter the manifest in one atomic step (store/manifest.h).
 *
 * Threads: append, freeze: the apply thread (the opener during replay). flush: the flush thread.
 * merge, drop_*: the merge thread. All the others, and reads: any thread. Each call may run beside
 * the calls of the other threads; a table guards its lists itself and never does I/O under the lock
 * that append or readers need.
 */
#ifndef WEIR_STORE_TABLE_H
#define WEIR_STORE_TABLE_H

#include "otlp/batch.h"
#include "query/source.h"
#include "store/disk.h"

struct weir_store_table_options {
    struct weir_disk *disk;  /* all I/O goes through it; kept */
    const char *path;        /* the table's own folder, already there; copied */
    size_t memory_bytes_max; /* what active and frozen memtables may hold together (the store
                                freezes at half of it and refuses pushes past all of it) */
};

struct weir_store_table_load {
    size_t active_bytes, frozen_bytes; /* heap bytes of the memtables */
    int64_t active_since_ns; /* wall time of the oldest append in the active one; 0 = empty */
    uint64_t pending_seq;    /* smallest seq that lives in memory only; UINT64_MAX = none */
    uint64_t flushed_seq;    /* largest seq that needs no replay */
};

struct weir_store_table_stats {
    uint64_t rows_count;   /* rows or samples, on disk and in memory */
    uint64_t series_count; /* series tables; else 0 */
    uint64_t disk_bytes, parts_count;
    int64_t oldest_ns, newest_ns; /* 0 when empty */
};

struct weir_store_table {
    const char *name;        /* "spans", "logs", "metrics": also the folder */
    enum weir_signal signal; /* which batches it takes */

    /* Copies the batch (borrowed) into the active memtable, all or nothing. Readers see it when
     * this returns. `seq` only grows. Errors: WEIR_ENOMEMORY (the store flushes and tries again).
     */
    int (*append)(struct weir_store_table *table, const struct weir_otlp_batch *batch, uint64_t seq,
                  struct weir_error *reterr);
    /* Sets the active memtable aside for flush and starts an empty one; quick. Does nothing when
     * the active one is empty. Readers go on seeing what is frozen. */
    int (*freeze)(struct weir_store_table *table, struct weir_error *reterr);
    /* Writes what is frozen to parts, fsyncs, commits the manifest, releases the memory. 0 when
     * there is nothing to do. On an error (disk full, …) what is frozen stays and flush is called
     * again later. */
    int (*flush)(struct weir_store_table *table, struct weir_error *reterr);
    /* At most one merge; *ret_did tells whether there was something worth merging. `stop`: give up
     * (WEIR_ECANCELED) soon after it turns true. */
    int (*merge)(struct weir_store_table *table, const atomic_bool *stop, bool *ret_did,
                 struct weir_error *reterr);
    /* Drops parts whose newest row is older than `before_ns`. */
    int (*drop_before)(struct weir_store_table *table, int64_t before_ns, uint64_t *ret_parts_count,
                       struct weir_error *reterr);
    /* Time of the newest row in the part that retention by size would drop first: the smallest such
     * time of all parts; INT64_MAX when there is none. */
    int64_t (*oldest_part_ns)(struct weir_store_table *table);
    /* Drops that part. Files still read vanish when their last reader leaves. */
    int (*drop_oldest)(struct weir_store_table *table, uint64_t *ret_bytes,
                       struct weir_error *reterr);
    void (*load)(struct weir_store_table *table, struct weir_store_table_load *ret);
    void (*stats)(struct weir_store_table *table, struct weir_store_table_stats *ret);
    /* Frees everything, without flushing (the store did). No reader may be left. */
    void (*close)(struct weir_store_table *table);
};

/* ---- what the metrics side gives (store/series.c) ------------------------------------------- */

/* Opens the folder, loads its parts, removes what a crash left behind. Gives the table. */
int weir_store_series_open(const struct weir_store_table_options *options,
                           struct weir_store_table **ret, struct weir_error *reterr);
/* As in struct weir_source. */
int weir_store_series_select(struct weir_store_table *table, struct weir_query *query,
                             const struct weir_series_select *select,
                             struct weir_series_cursor **ret, struct weir_error *reterr);
int weir_store_series_exemplars(struct weir_store_table *table, struct weir_query *query,
                                const struct weir_series_select *select,
                                weir_visit_exemplars *visit, void *arg, struct weir_error *reterr);
int weir_store_series_metadata(struct weir_store_table *table, struct weir_query *query,
                               weir_visit_meta *visit, void *arg, struct weir_error *reterr);

#endif
