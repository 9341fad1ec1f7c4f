/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "store/engine.h"
#include "store/rows.h"

static const size_t memory_default = 512u << 20;
static const int64_t retention_age_default_ns = INT64_C(7) * 86400 * WEIR_NS_PER_S;
static const int64_t flush_age_default_ns = 60 * WEIR_NS_PER_S;
static const int64_t upkeep_default_ns = 5 * WEIR_NS_PER_S;

/* Of the memory: one eighth for the memtables of each table, one eighth for batches on their way;
 * the rest is for merges, open parts and questions. */
enum { SHARES = 8 };

/* How much of the log may wait for the flush of one memtable: it bounds the log on disk, and what a
 * start after a crash reads. */
enum { WAL_SEGMENTS_MAX = 4 };
static const uint64_t wal_segment_default = UINT64_C(64) << 20;

struct weir_sink *weir_store_sink(struct weir_store *store) {
    return &store->sink;
}

struct weir_source *weir_store_source(struct weir_store *store) {
    return &store->source;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void set_options(struct weir_store *store, const struct weir_store_options *options) {
    store->options = *options;
    struct weir_store_options *own = &store->options;
    if (!own->memory_bytes_max) own->memory_bytes_max = memory_default;
    if (!own->retention_age_ns) own->retention_age_ns = retention_age_default_ns;
    if (!own->flush_age_ns) own->flush_age_ns = flush_age_default_ns;
    if (!own->upkeep_interval_ns) own->upkeep_interval_ns = upkeep_default_ns;
    store->table_bytes_max = own->memory_bytes_max / SHARES;
    store->pending_bytes_max = own->memory_bytes_max / SHARES;
    store->wal_bytes_max =
        WAL_SEGMENTS_MAX * (own->wal_segment_bytes ? own->wal_segment_bytes : wal_segment_default);
    weir_disk_init(&store->disk_real, !own->sync_off);
    store->disk = own->disk ? own->disk : &store->disk_real;
}

static void init_locks(struct weir_store *store) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->wal_wake, &attr);
    pthread_cond_init(&store->apply_wake, &attr);
    pthread_cond_init(&store->flush_wake, &attr);
    pthread_cond_init(&store->merge_wake, &attr);
    pthread_cond_init(&store->done_wake, &attr);
    pthread_condattr_destroy(&attr);
}

static int open_table(struct weir_store *store, enum weir_signal signal, const char *name,
                      struct weir_error *reterr) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", store->path, name) >= (int)sizeof path)
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", store->path);
    struct weir_store_table_options options = {store->disk, path, store->table_bytes_max};
    uint32_t bad_count = 0;
    if (signal == WEIR_SIGNAL_TRACE)
        return weir_rows_open(&options, WEIR_TABLE_SPANS, &store->tables[signal], &bad_count,
                              reterr);
    if (signal == WEIR_SIGNAL_LOG)
        return weir_rows_open(&options, WEIR_TABLE_LOGS, &store->tables[signal], &bad_count,
                              reterr);
#ifdef WEIR_STORE_SERIES
    return weir_store_series_open(&options, &store->tables[signal], reterr);
#else
    return WEIR_OK;
#endif
}

static uint64_t flushed_seq(struct weir_store_table *table) {
    struct weir_store_table_load load = {0};
    if (table) table->load(table, &load);
    return load.flushed_seq;
}

/* A record that its table's parts do not hold yet goes back into memory. */
static int replay(void *arg, const struct weir_wal_record *record, struct weir_error *reterr) {
    struct weir_store *store = arg;
    struct weir_store_table *table = store->tables[record->signal];
    store->applied_seq = record->seq;
    if (!table || record->seq <= flushed_seq(table)) return WEIR_OK;
    char *body = malloc(record->bytes.len + 1);
    if (!body) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read the log back");
    memcpy(body, record->bytes.ptr, record->bytes.len);
    struct weir_otlp_batch *batch;
    struct weir_error err;
    int rc = weir_otlp_batch_decode(record->signal, body, record->bytes.len, 0, &batch, &err);
    if (rc != WEIR_OK) { /* it was decoded before it was written: told, not swallowed */
        weir_log_error("store", "record %" PRIu64 " of the log cannot be decoded any more: %s",
                       record->seq, err.message);
        return WEIR_OK;
    }
    rc = table->append(table, batch, record->seq, reterr);
    weir_otlp_batch_unref(batch);
    struct weir_store_table_load load;
    table->load(table, &load);
    if (rc != WEIR_OK || load.active_bytes < store->table_bytes_max / 2) return rc;
    rc = table->freeze(table, reterr);
    return rc == WEIR_OK ? table->flush(table, reterr) : rc;
}

static int open_wal(struct weir_store *store, struct weir_error *reterr) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/wal", store->path) >= (int)sizeof path)
        return weir_error_set(reterr, WEIR_EINVALID, "path too long: %s", store->path);
    struct weir_wal_options options = {store->disk, path, store->options.wal_segment_bytes};
    struct weir_wal_report report;
    int rc = weir_wal_open(&options, replay, store, &store->wal, &report, reterr);
    if (rc != WEIR_OK) return rc;
    uint64_t last_seq = weir_wal_last_seq(store->wal);
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        uint64_t seq = flushed_seq(store->tables[i]);
        if (seq > last_seq) last_seq = seq;
    }
    store->applied_seq = last_seq;
    store->next_seq = last_seq + 1;
    return WEIR_OK;
}

static int start_threads(struct weir_store *store, struct weir_error *reterr) {
    const struct {
        pthread_t *thread;
        const char *name;
        void *(*run)(void *);
    } threads[] = {
        {&store->wal_thread, "store-wal", weir_store_run_wal},
        {&store->apply_thread, "store-apply", weir_store_run_apply},
        {&store->flush_thread, "store-flush", weir_store_run_flush},
        {&store->merge_thread, "store-merge", weir_store_run_merge},
    };
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        int rc = weir_thread_start(threads[i].thread, threads[i].name, threads[i].run, store);
        if (rc != WEIR_OK)
            return weir_error_set(reterr, rc, "cannot start the thread %s", threads[i].name);
        store->threads_count++;
    }
    return WEIR_OK;
}

int weir_store_open(const struct weir_store_options *options, struct weir_store **ret,
                    struct weir_error *reterr) {
    struct weir_store *store = calloc(1, sizeof *store);
    if (!store)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", options->path);
    set_options(store, options);
    init_locks(store);
    store->sink.push = weir_store_push_batch;
    weir_store_source_init(store);
    store->lock_fd = -1;
    store->state = weir_state_new("store");
    store->path = strdup(options->path);
    int rc = store->path
                 ? weir_store_folder_open(store->disk, store->path, &store->lock_fd, reterr)
                 : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to open %s", options->path);
    if (rc == WEIR_OK) rc = open_table(store, WEIR_SIGNAL_TRACE, "spans", reterr);
    if (rc == WEIR_OK) rc = open_table(store, WEIR_SIGNAL_METRIC, "metrics", reterr);
    if (rc == WEIR_OK) rc = open_table(store, WEIR_SIGNAL_LOG, "logs", reterr);
    if (rc == WEIR_OK) rc = open_wal(store, reterr);
    if (rc == WEIR_OK) rc = start_threads(store, reterr);
    if (rc != WEIR_OK) {
        weir_store_close(store);
        return rc;
    }
    weir_state_set_ready(store->state, true, "%s", store->path);
    weir_store_update_metrics(store);
    *ret = store;
    return WEIR_OK;
}

/* ---- closing -------------------------------------------------------------------------------- */

static void stop_threads(struct weir_store *store) {
    pthread_mutex_lock(&store->lock);
    store->closing = true;
    if (store->threads_count < 1) store->wal_ended = true;
    if (store->threads_count < 2) store->apply_ended = true;
    pthread_cond_broadcast(&store->wal_wake);
    pthread_cond_broadcast(&store->apply_wake);
    pthread_cond_broadcast(&store->flush_wake);
    pthread_cond_broadcast(&store->merge_wake);
    pthread_mutex_unlock(&store->lock);
    atomic_store(&store->merge_stop, true);
    if (store->threads_count > 0) pthread_join(store->wal_thread, NULL);
    if (store->threads_count > 1) pthread_join(store->apply_thread, NULL);
    if (store->threads_count > 2) pthread_join(store->flush_thread, NULL);
    if (store->threads_count > 3) pthread_join(store->merge_thread, NULL);
}

void weir_store_close(struct weir_store *store) {
    if (!store) return;
    stop_threads(store);
    weir_state_set_ready(store->state, false, "closed");
    struct weir_error err;
    if (store->threads_count == 4 && weir_store_flush_tables(store, true, &err) != WEIR_OK)
        weir_log_warn("store", "%s; the log keeps the rest until the next start", err.message);
    weir_wal_close(store->wal);
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++)
        if (store->tables[i]) store->tables[i]->close(store->tables[i]);
    if (store->lock_fd >= 0) close(store->lock_fd);
    pthread_mutex_destroy(&store->lock);
    pthread_cond_destroy(&store->wal_wake);
    pthread_cond_destroy(&store->apply_wake);
    pthread_cond_destroy(&store->flush_wake);
    pthread_cond_destroy(&store->merge_wake);
    pthread_cond_destroy(&store->done_wake);
    free(store->path);
    free(store);
}

/* ---- asking for upkeep ---------------------------------------------------------------------- */

/* Raises `asked`, then waits until `answered` has caught up with it. */
static int ask(struct weir_store *store, struct weir_store_request *asked,
               struct weir_store_request *answered, pthread_cond_t *wake,
               struct weir_error *reterr) {
    pthread_mutex_lock(&store->lock);
    uint64_t wanted = ++asked->wanted;
    pthread_cond_signal(wake);
    while (answered->done < wanted && !store->closing)
        pthread_cond_wait(&store->done_wake, &store->lock);
    int code = answered->done >= wanted ? answered->code : WEIR_ECLOSED;
    if (code != WEIR_OK)
        weir_error_set(reterr, code, "%s",
                       code == WEIR_ECLOSED ? "the store is closing" : answered->message);
    pthread_mutex_unlock(&store->lock);
    return code;
}

int weir_store_flush(struct weir_store *store, struct weir_error *reterr) {
    return ask(store, &store->freeze, &store->flush, &store->apply_wake, reterr);
}

int weir_store_merge(struct weir_store *store, struct weir_error *reterr) {
    return ask(store, &store->merge, &store->merge, &store->merge_wake, reterr);
}

int weir_store_retain(struct weir_store *store, struct weir_error *reterr) {
    return ask(store, &store->retain, &store->retain, &store->merge_wake, reterr);
}
