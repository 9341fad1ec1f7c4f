/* SPDX-License-Identifier: Apache-2.0 */
/* What goes on behind the acknowledgements: flush, log cut, merge, retention. */
#include <stdio.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/engine.h"

static const int64_t flush_tick_ns = WEIR_NS_PER_S;
static const int64_t flush_retry_ns = 2 * WEIR_NS_PER_S;

WEIR_COUNTER(flushes, "weir_store_flushes_total", "Times that memtables were written to parts.",
             "");
WEIR_COUNTER(flush_failures, "weir_store_flush_failed_total",
             "Flushes that failed and are tried again.", "");
WEIR_COUNTER(merges, "weir_store_merges_total", "Merges of parts.", "");
WEIR_COUNTER(merge_failures, "weir_store_merge_failed_total", "Merges that failed.", "");
WEIR_COUNTER(dropped_age, "weir_store_dropped_parts_total", "Parts dropped by retention.",
             "reason=\"age\"");
WEIR_COUNTER(dropped_size, "weir_store_dropped_parts_total", "Parts dropped by retention.",
             "reason=\"size\"");
WEIR_GAUGE(parts_now, "weir_store_parts", "Parts on disk.", "");
WEIR_GAUGE(disk_now, "weir_store_disk_bytes", "Bytes of parts on disk.", "");
WEIR_GAUGE(memory_now, "weir_store_memory_bytes", "Bytes of memtables and of batches on their way.",
           "");

/* ---- flush ---------------------------------------------------------------------------------- */

/* Smallest seq that no part holds yet; UINT64_MAX = none. */
static uint64_t pending_seq(struct weir_store *store) {
    uint64_t seq = UINT64_MAX;
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table_load load;
        if (!store->tables[i]) continue;
        store->tables[i]->load(store->tables[i], &load);
        if (load.pending_seq < seq) seq = load.pending_seq;
    }
    return seq;
}

int weir_store_flush_tables(struct weir_store *store, bool all, struct weir_error *reterr) {
    int rc = WEIR_OK;
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table *table = store->tables[i];
        struct weir_error err;
        int code = table ? table->flush(table, &err) : WEIR_OK;
        if (code == WEIR_OK) continue;
        if (rc == WEIR_OK && reterr) *reterr = err; /* the first failure; the other tables go on */
        rc = code;
    }
    /* applied_seq first: what is applied later cannot be missed in the loads. */
    uint64_t cut_seq = atomic_load(&store->applied_seq), pending = pending_seq(store);
    if (pending <= cut_seq) cut_seq = pending - 1;
    int code = weir_wal_cut(store->wal, cut_seq, all, rc == WEIR_OK ? reterr : NULL);
    return rc == WEIR_OK ? code : rc;
}

static bool has_frozen(struct weir_store *store) {
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table_load load = {0};
        if (store->tables[i]) store->tables[i]->load(store->tables[i], &load);
        if (load.frozen_bytes) return true;
    }
    return false;
}

static void answer(struct weir_store_request *request, uint64_t wanted, int code,
                   const struct weir_error *err) {
    request->done = wanted;
    request->code = code;
    snprintf(request->message, sizeof request->message, "%s", code == WEIR_OK ? "" : err->message);
}

/* One pass; tells the log about a failure when the pass before was fine. */
static int flush_once(struct weir_store *store, bool *was_failing, struct weir_error *reterr) {
    int rc = weir_store_flush_tables(store, false, reterr);
    weir_metric_add(rc == WEIR_OK ? &flushes : &flush_failures, 1);
    if (rc != WEIR_OK && !*was_failing)
        weir_log_error("store", "%s; trying again", reterr->message);
    if (rc == WEIR_OK && *was_failing) weir_log_info("store", "flushing works again");
    *was_failing = rc != WEIR_OK;
    weir_store_update_metrics(store);
    return rc;
}

/* Where the apply thread could not set everything aside (too much waited already), asks it again:
 * now there is room. The lock is held. */
static void answer_flush(struct weir_store *store, uint64_t wanted, int code,
                         const struct weir_error *err) {
    if (code == WEIR_OK && pending_seq(store) <= store->frozen_seq && !store->apply_ended) {
        store->freeze.done = store->flush.done;
        pthread_cond_signal(&store->apply_wake);
    } else {
        answer(&store->flush, wanted, code, err);
    }
}

void *weir_store_run_flush(void *arg) {
    struct weir_store *store = arg;
    bool failing = false;
    for (;;) {
        pthread_mutex_lock(&store->lock);
        if (!store->apply_ended && store->freeze.done == store->flush.done)
            weir_store_wait(store, &store->flush_wake, failing ? flush_retry_ns : flush_tick_ns);
        uint64_t wanted = store->freeze.done;
        bool asked = wanted != store->flush.done, ended = store->apply_ended;
        pthread_mutex_unlock(&store->lock);
        struct weir_error err = {0};
        int rc = asked || ended || has_frozen(store) ? flush_once(store, &failing, &err) : WEIR_OK;
        pthread_mutex_lock(&store->lock);
        if (asked) answer_flush(store, wanted, rc, &err);
        pthread_cond_broadcast(&store->done_wake);
        pthread_mutex_unlock(&store->lock);
        if (ended) return NULL;
    }
}

/* ---- retention ------------------------------------------------------------------------------ */

static uint64_t disk_bytes(struct weir_store *store) {
    uint64_t bytes = weir_wal_bytes(store->wal);
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table_stats stats = {0};
        if (store->tables[i]) store->tables[i]->stats(store->tables[i], &stats);
        bytes += stats.disk_bytes;
    }
    return bytes;
}

static uint64_t bytes_allowed(struct weir_store *store, uint64_t ours) {
    uint64_t free_bytes, size_bytes;
    if (store->options.retention_bytes_max) return store->options.retention_bytes_max;
    if (weir_fs_space(store->path, &free_bytes, &size_bytes) != WEIR_OK) return UINT64_MAX;
    return (free_bytes + ours) / 2;
}

/* The table whose oldest part is the oldest of all; NULL when there is no part. */
static struct weir_store_table *oldest_table(struct weir_store *store) {
    struct weir_store_table *oldest = NULL;
    int64_t oldest_ns = INT64_MAX;
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table *table = store->tables[i];
        int64_t ns = table ? table->oldest_part_ns(table) : INT64_MAX;
        if (ns >= oldest_ns) continue;
        oldest = table;
        oldest_ns = ns;
    }
    return oldest;
}

static int retain_by_age(struct weir_store *store, struct weir_error *reterr) {
    if (store->options.retention_age_ns < 0) return WEIR_OK;
    int64_t before_ns = weir_clock_wall_ns() - store->options.retention_age_ns;
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table *table = store->tables[i];
        uint64_t parts_count = 0;
        if (!table) continue;
        int rc = table->drop_before(table, before_ns, &parts_count, reterr);
        weir_metric_add(&dropped_age, (int64_t)parts_count);
        if (rc != WEIR_OK) return rc;
    }
    return WEIR_OK;
}

static int retain_by_size(struct weir_store *store, struct weir_error *reterr) {
    uint64_t ours = disk_bytes(store), allowed = bytes_allowed(store, ours);
    for (struct weir_store_table *table; ours > allowed && (table = oldest_table(store));) {
        uint64_t bytes = 0;
        int rc = table->drop_oldest(table, &bytes, reterr);
        if (rc != WEIR_OK) return rc;
        weir_metric_add(&dropped_size, 1);
        ours -= bytes < ours ? bytes : ours;
    }
    return WEIR_OK;
}

static int retain(struct weir_store *store, struct weir_error *reterr) {
    int rc = retain_by_age(store, reterr);
    return rc == WEIR_OK ? retain_by_size(store, reterr) : rc;
}

/* ---- merge ---------------------------------------------------------------------------------- */

static int merge_all(struct weir_store *store, struct weir_error *reterr) {
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table *table = store->tables[i];
        for (bool did = table; did;) {
            did = false;
            int rc = table->merge(table, &store->merge_stop, &did, reterr);
            if (rc == WEIR_ECANCELED) return rc;
            if (did) weir_metric_add(&merges, 1);
            if (rc != WEIR_OK) {
                weir_metric_add(&merge_failures, 1);
                return rc;
            }
        }
    }
    return WEIR_OK;
}

static void tell_once(bool *was_failing, int rc, const struct weir_error *err) {
    if (rc != WEIR_OK && rc != WEIR_ECANCELED && !*was_failing)
        weir_log_error("store", "%s; trying again", err->message);
    *was_failing = rc != WEIR_OK;
}

void *weir_store_run_merge(void *arg) {
    struct weir_store *store = arg;
    bool merge_failing = false, retain_failing = false;
    for (;;) {
        pthread_mutex_lock(&store->lock);
        if (!store->closing && store->merge.wanted == store->merge.done &&
            store->retain.wanted == store->retain.done)
            weir_store_wait(store, &store->merge_wake, store->options.upkeep_interval_ns);
        uint64_t merge_wanted = store->merge.wanted, retain_wanted = store->retain.wanted;
        bool closing = store->closing;
        pthread_mutex_unlock(&store->lock);
        if (closing) break;
        struct weir_error merge_err = {0}, retain_err = {0};
        int retain_rc = retain(store, &retain_err); /* first: it makes room */
        int merge_rc = merge_all(store, &merge_err);
        tell_once(&merge_failing, merge_rc, &merge_err);
        tell_once(&retain_failing, retain_rc, &retain_err);
        weir_store_update_metrics(store);
        pthread_mutex_lock(&store->lock);
        answer(&store->merge, merge_wanted, merge_rc, &merge_err);
        answer(&store->retain, retain_wanted, retain_rc, &retain_err);
        pthread_cond_broadcast(&store->done_wake);
        pthread_mutex_unlock(&store->lock);
    }
    return NULL;
}

void weir_store_update_metrics(struct weir_store *store) {
    struct weir_source_stats stats;
    store->source.stats(&store->source, &stats);
    weir_metric_set(&parts_now, (int64_t)stats.parts_count);
    weir_metric_set(&disk_now,
                    (int64_t)(stats.disk_bytes[0] + stats.disk_bytes[1] + stats.disk_bytes[2]));
    weir_metric_set(&memory_now, (int64_t)stats.memory_bytes);
}
