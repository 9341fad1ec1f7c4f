/* SPDX-License-Identifier: Apache-2.0 */
/* One embedded store for spans, metrics and logs, behind a sink and a source.
 *
 *     push ─▶ [admission] ─▶ write log, one fsync per group ─▶ memtable ─▶ done(WEIR_OK)
 *                  │ busy: done(WEIR_EBUSY)                       │
 *                                                   parts ◀─ flush, merge, retention
 *
 * A batch whose `done` said WEIR_OK is on disk and can be queried. After a crash each of its
 * records is there once. A full disk refuses pushes (retryable) and goes on answering questions; it
 * recovers by itself.
 *
 * Folder: lock, version, wal/, spans/, logs/, metrics/ (docs/formats/README.md).
 *
 * Threads: any, for all calls but open and close. Memory: everything within memory_bytes_max, of
 * which pushes get a share.
 */
#ifndef WEIR_STORE_STORE_H
#define WEIR_STORE_STORE_H

#include "otlp/sink.h"
#include "query/source.h"
#include "store/disk.h"

struct weir_store_options {
    const char *path;             /* the data folder; made if it is not there */
    size_t memory_bytes_max;      /* 0 = 512 MiB */
    int64_t retention_age_ns;     /* 0 = 7 days; negative = for ever */
    uint64_t retention_bytes_max; /* 0 = half of what is free plus what is already ours */
    bool sync_off;                /* no fsync: for tests and throw-away data */
    int64_t flush_age_ns;         /* rows wait in memory at most so long; 0 = 60 s */
    int64_t upkeep_interval_ns;   /* merge and retention look as often; 0 = 5 s */
    uint64_t wal_segment_bytes;   /* 0 = 64 MiB */
    struct weir_disk *disk;       /* NULL = the real one; tests bring one that fails; kept */
};

struct weir_store;

/* Errors, each with words: the folder cannot be made or written (WEIR_EFORBIDDEN, …), another
 * server has it (WEIR_ECONFLICT), it was written by a newer version (WEIR_EVERSION), its manifest
 * is damaged (WEIR_ECORRUPT). Damaged parts and log records are set aside, told in the log and
 * counted. */
int weir_store_open(const struct weir_store_options *options, struct weir_store **ret,
                    struct weir_error *reterr);
/* Refuses new pushes, completes those under way, flushes, frees. No cursor, tail or other call may
 * be left. Takes NULL. */
void weir_store_close(struct weir_store *store);

/* Both live as long as the store. */
struct weir_sink *weir_store_sink(struct weir_store *store);
struct weir_source *weir_store_source(struct weir_store *store);

/* Waits until everything acknowledged before is in parts. */
int weir_store_flush(struct weir_store *store, struct weir_error *reterr);
/* Waits until nothing is left that is worth merging. */
int weir_store_merge(struct weir_store *store, struct weir_error *reterr);
/* Applies retention now. */
int weir_store_retain(struct weir_store *store, struct weir_error *reterr);

#endif
