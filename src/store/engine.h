/* SPDX-License-Identifier: Apache-2.0 */
/* The store's inside, shared by store.c, ingest.c, upkeep.c and folder.c.
 *
 *     pushers ─waiting─▶ wal thread ─logged─▶ apply thread ─freeze─▶ flush thread ─▶ wal cut
 *                                                                  merge thread: merge, retention
 *
 * One mutex guards the queues and requests; each thread has its condition. No I/O under the mutex.
 */
#ifndef WEIR_STORE_ENGINE_H
#define WEIR_STORE_ENGINE_H

#include <pthread.h>

#include "base/state.h"
#include "store/store.h"
#include "store/table.h"
#include "store/wal.h"

enum { WEIR_STORE_TABLES_COUNT = 3 };

/* A batch on its way to its acknowledgement. */
struct weir_store_push {
    struct weir_store_push *next;
    struct weir_otlp_batch *batch;
    weir_sink_done *done;
    void *arg;
    uint64_t seq;
    size_t bytes; /* counted in pending_bytes */
};

struct weir_store_queue {
    struct weir_store_push *first, *last;
};

/* A thing that callers can ask a thread to do, and wait for. */
struct weir_store_request {
    uint64_t wanted, done; /* counts; all up to `done` are fulfilled */
    int code;              /* of the last one */
    char message[500];
};

struct weir_store {
    struct weir_sink sink; /* must be first */
    struct weir_source source;
    struct weir_store_options options;
    struct weir_disk disk_real;
    struct weir_disk *disk;
    char *path;
    int lock_fd;
    struct weir_state *state;
    struct weir_store_table
        *tables[WEIR_STORE_TABLES_COUNT]; /* by enum weir_signal; metrics may lack */
    size_t table_bytes_max;               /* memtables of one table */
    size_t pending_bytes_max;
    uint64_t wal_bytes_max; /* a memtable that keeps so much of the log is flushed */
    struct weir_wal *wal;

    pthread_t wal_thread, apply_thread, flush_thread, merge_thread;
    uint32_t threads_count; /* started, in that order */

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t wal_wake, apply_wake, flush_wake, merge_wake, done_wake;
    struct weir_store_queue waiting, logged;
    size_t pending_bytes; /* of batches not yet applied */
    uint64_t next_seq;
    bool closing; /* no push is taken any more */
    bool wal_ended, apply_ended;
    bool disk_failed; /* the last write failed: told once */
    struct weir_store_request freeze, flush, merge, retain;
    uint64_t frozen_seq; /* freeze.done covers all up to here */

    _Atomic uint64_t applied_seq; /* all up to here are in memtables or parts */
    atomic_bool merge_stop;
};

/* ingest.c */
void weir_store_push_batch(struct weir_sink *sink, struct weir_otlp_batch *batch,
                           weir_sink_done *done, void *arg);
void *weir_store_run_wal(void *arg);
void *weir_store_run_apply(void *arg);

/* upkeep.c */
void *weir_store_run_flush(void *arg);
void *weir_store_run_merge(void *arg);
/* Flushes every frozen memtable, then cuts the log. */
int weir_store_flush_tables(struct weir_store *store, bool all, struct weir_error *reterr);
void weir_store_update_metrics(struct weir_store *store);

/* folder.c: makes, checks and locks the data folder; gives the lock's descriptor. */
int weir_store_folder_open(struct weir_disk *disk, const char *path, int *ret_fd,
                           struct weir_error *reterr);

/* source.c */
void weir_store_source_init(struct weir_store *store);

/* Waits on a condition for at most so long; the lock is held. */
void weir_store_wait(struct weir_store *store, pthread_cond_t *cond, int64_t timeout_ns);

#endif
