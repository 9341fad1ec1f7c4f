/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of a batch: admission, write log, memtable, acknowledgement. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/engine.h"

enum {
    GROUP_RECORDS_MAX = 4096,
    GROUP_BYTES_MAX = 16 << 20, /* one fsync's worth */
    BUSY_RETRY_MS = 300,
    FULL_RETRY_MS = 5000,
};
static const int64_t tick_ns = WEIR_NS_PER_S;
static const int64_t memory_retry_ns = 100 * WEIR_NS_PER_MS;

WEIR_COUNTER(rows_traces, "weir_store_rows_total", "Records stored.", "signal=\"traces\"");
WEIR_COUNTER(rows_metrics, "weir_store_rows_total", "Records stored.", "signal=\"metrics\"");
WEIR_COUNTER(rows_logs, "weir_store_rows_total", "Records stored.", "signal=\"logs\"");
WEIR_COUNTER(refused_busy, "weir_store_refused_total", "Batches refused, to be sent again.",
             "reason=\"memory\"");
WEIR_COUNTER(refused_disk, "weir_store_refused_total", "Batches refused, to be sent again.",
             "reason=\"disk\"");
WEIR_COUNTER(refused_big, "weir_store_refused_total", "Batches refused, to be sent again.",
             "reason=\"size\"");
WEIR_COUNTER(refused_closed, "weir_store_refused_total", "Batches refused, to be sent again.",
             "reason=\"closing\"");

static struct weir_metric *const rows_stored[] = {
    [WEIR_SIGNAL_TRACE] = &rows_traces,
    [WEIR_SIGNAL_METRIC] = &rows_metrics,
    [WEIR_SIGNAL_LOG] = &rows_logs,
};

/* ---- queues --------------------------------------------------------------------------------- */

static void put(struct weir_store_queue *queue, struct weir_store_push *push) {
    push->next = NULL;
    if (queue->last)
        queue->last->next = push;
    else
        queue->first = push;
    queue->last = push;
}

static struct weir_store_push *take(struct weir_store_queue *queue) {
    struct weir_store_push *push = queue->first;
    if (!push) return NULL;
    queue->first = push->next;
    if (!queue->first) queue->last = NULL;
    return push;
}

void weir_store_wait(struct weir_store *store, pthread_cond_t *cond, int64_t timeout_ns) {
    int64_t until_ns = weir_clock_mono_ns() + timeout_ns;
    struct timespec until = {until_ns / WEIR_NS_PER_S, until_ns % WEIR_NS_PER_S};
    pthread_cond_timedwait(cond, &store->lock, &until);
}

/* ---- push ----------------------------------------------------------------------------------- */

static void refuse(struct weir_otlp_batch *batch, weir_sink_done *done, void *arg, int code,
                   int64_t retry_after_ms, const char *message) {
    weir_otlp_batch_unref(batch);
    done(arg, &(struct weir_sink_answer){
                  .code = code, .retry_after_ms = retry_after_ms, .message = message});
}

/* Heap that the batch holds until it is applied. */
static size_t batch_bytes(const struct weir_otlp_batch *batch) {
    return batch->arena.size_bytes + (batch->owned ? batch->bytes.len : 0) +
           sizeof(struct weir_store_push);
}

/* Room for it in its table's share and in the queue? Anything is taken when nothing else is there.
 */
static bool has_room(struct weir_store *store, const struct weir_otlp_batch *batch, size_t bytes) {
    struct weir_store_table *table = store->tables[batch->signal];
    struct weir_store_table_load load = {0};
    if (table) table->load(table, &load);
    if (load.active_bytes + load.frozen_bytes >= store->table_bytes_max) return false;
    return store->pending_bytes == 0 || store->pending_bytes + bytes <= store->pending_bytes_max;
}

void weir_store_push_batch(struct weir_sink *sink, struct weir_otlp_batch *batch,
                           weir_sink_done *done, void *arg) {
    struct weir_store *store = (struct weir_store *)sink;
    if (batch->bytes.len > WEIR_WAL_RECORD_MAX) {
        weir_metric_add(&refused_big, 1);
        refuse(batch, done, arg, WEIR_ETOOBIG, 0, "the batch is larger than the write log takes");
        return;
    }
    struct weir_store_push *push = malloc(sizeof *push);
    if (!push) {
        weir_metric_add(&refused_busy, 1);
        refuse(batch, done, arg, WEIR_EBUSY, BUSY_RETRY_MS, "the store is out of memory");
        return;
    }
    *push = (struct weir_store_push){
        .batch = batch, .done = done, .arg = arg, .bytes = batch_bytes(batch)};
    pthread_mutex_lock(&store->lock);
    bool closing = store->closing, room = !closing && has_room(store, batch, push->bytes);
    if (room) {
        store->pending_bytes += push->bytes;
        put(&store->waiting, push);
        pthread_cond_signal(&store->wal_wake);
    }
    pthread_mutex_unlock(&store->lock);
    if (room) return;
    free(push);
    weir_metric_add(closing ? &refused_closed : &refused_busy, 1);
    if (closing)
        refuse(batch, done, arg, WEIR_ECLOSED, BUSY_RETRY_MS, "the store is closing");
    else
        refuse(batch, done, arg, WEIR_EBUSY, BUSY_RETRY_MS,
               "the store's memory is full, it is flushing");
}

/* ---- the wal thread ------------------------------------------------------------------------- */

struct group {
    struct weir_store_push *pushes[GROUP_RECORDS_MAX];
    struct weir_wal_record records[GROUP_RECORDS_MAX];
    uint32_t count;
};

/* Waits for pushes and takes as many as one write should hold. False: closing, and none is left. */
static bool next_group(struct weir_store *store, struct group *group) {
    size_t bytes = 0;
    group->count = 0;
    pthread_mutex_lock(&store->lock);
    while (!store->waiting.first && !store->closing)
        pthread_cond_wait(&store->wal_wake, &store->lock);
    while (
        store->waiting.first && group->count < GROUP_RECORDS_MAX &&
        (group->count == 0 || bytes + store->waiting.first->batch->bytes.len <= GROUP_BYTES_MAX)) {
        struct weir_store_push *push = take(&store->waiting);
        push->seq = store->next_seq++;
        bytes += push->batch->bytes.len;
        group->records[group->count] =
            (struct weir_wal_record){push->seq, push->batch->signal, push->batch->bytes};
        group->pushes[group->count++] = push;
    }
    pthread_mutex_unlock(&store->lock);
    return group->count > 0;
}

/* Numbers of a failed group are not used again: parts of it may be read back after a crash. */
static void fail_group(struct weir_store *store, struct group *group,
                       const struct weir_error *err) {
    int code = err->code == WEIR_EFULL ? WEIR_EFULL : WEIR_EUNAVAILABLE;
    size_t bytes = 0;
    for (uint32_t i = 0; i < group->count; i++) bytes += group->pushes[i]->bytes;
    pthread_mutex_lock(&store->lock);
    store->pending_bytes -= bytes;
    bool first = !store->disk_failed;
    store->disk_failed = true;
    pthread_mutex_unlock(&store->lock);
    weir_metric_add(&refused_disk, group->count);
    weir_state_set_error(store->state, "%s", err->message);
    if (first) {
        weir_log_error("store", "%s; pushes are refused until it works again", err->message);
        weir_state_set_ready(store->state, false, "%s", err->message);
    }
    for (uint32_t i = 0; i < group->count; i++) {
        struct weir_store_push *push = group->pushes[i];
        refuse(push->batch, push->done, push->arg, code, FULL_RETRY_MS, err->message);
        free(push);
    }
}

static void pass_group(struct weir_store *store, struct group *group) {
    pthread_mutex_lock(&store->lock);
    for (uint32_t i = 0; i < group->count; i++) put(&store->logged, group->pushes[i]);
    bool recovered = store->disk_failed;
    store->disk_failed = false;
    pthread_cond_signal(&store->apply_wake);
    pthread_mutex_unlock(&store->lock);
    if (!recovered) return;
    weir_log_info("store", "the disk takes writes again");
    weir_state_set_ready(store->state, true, "%s", store->path);
}

void *weir_store_run_wal(void *arg) {
    struct weir_store *store = arg;
    struct group *group = malloc(sizeof *group);
    if (!group) weir_bug("no memory for the write log's thread");
    while (group && next_group(store, group)) {
        struct weir_error err = {0};
        if (weir_wal_append(store->wal, group->records, group->count, &err) == WEIR_OK)
            pass_group(store, group);
        else
            fail_group(store, group, &err);
    }
    free(group);
    pthread_mutex_lock(&store->lock);
    store->wal_ended = true;
    pthread_cond_signal(&store->apply_wake);
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

/* ---- the apply thread ----------------------------------------------------------------------- */

static void wake_flush(struct weir_store *store) {
    pthread_mutex_lock(&store->lock);
    pthread_cond_signal(&store->flush_wake);
    pthread_mutex_unlock(&store->lock);
}

static void freeze_table(struct weir_store *store, struct weir_store_table *table) {
    struct weir_error err;
    if (table->freeze(table, &err) != WEIR_OK) weir_log_warn("store", "%s", err.message);
    wake_flush(store);
}

/* It is in the log and acknowledged soon: there is no way but to wait until memory comes. */
static void append(struct weir_store *store, const struct weir_store_push *push) {
    struct weir_store_table *table = store->tables[push->batch->signal];
    struct weir_error err;
    while (table && table->append(table, push->batch, push->seq, &err) != WEIR_OK) {
        weir_log_warn("store", "%s; flushing", err.message);
        freeze_table(store, table);
        weir_clock_sleep_ns(memory_retry_ns);
    }
}

static void apply(struct weir_store *store, struct weir_store_push *push) {
    append(store, push);
    atomic_store(&store->applied_seq, push->seq);
    weir_metric_add(rows_stored[push->batch->signal], weir_otlp_batch_records_count(push->batch));
    weir_otlp_batch_unref(push->batch);
    pthread_mutex_lock(&store->lock);
    store->pending_bytes -= push->bytes;
    pthread_mutex_unlock(&store->lock);
    push->done(push->arg, &(struct weir_sink_answer){.code = WEIR_OK, .message = ""});
    free(push);
}

/* Large enough; or, while nothing waits for flush already, old enough or in the way of cutting the
 * log (a table that gets little would else keep all that the others got since)? */
static bool is_due(struct weir_store *store, const struct weir_store_table_load *load) {
    int64_t age_ns = weir_clock_wall_ns() - load->active_since_ns;
    if (load->active_bytes >= store->table_bytes_max / 2) return true;
    if (load->frozen_bytes) return false;
    return age_ns >= store->options.flush_age_ns || age_ns < 0 ||
           weir_wal_bytes_from(store->wal, load->pending_seq) >= store->wal_bytes_max;
}

/* Sets memtables aside that are due, or all when asked. */
static void freeze_some(struct weir_store *store, bool all) {
    for (int i = 0; i < WEIR_STORE_TABLES_COUNT; i++) {
        struct weir_store_table *table = store->tables[i];
        struct weir_store_table_load load;
        if (!table) continue;
        table->load(table, &load);
        if (load.active_since_ns && (all || is_due(store, &load))) freeze_table(store, table);
    }
}

static void answer_freeze(struct weir_store *store, uint64_t wanted) {
    freeze_some(store, true);
    pthread_mutex_lock(&store->lock);
    store->freeze.done = wanted;
    store->frozen_seq = atomic_load(&store->applied_seq);
    pthread_cond_signal(&store->flush_wake);
    pthread_mutex_unlock(&store->lock);
}

void *weir_store_run_apply(void *arg) {
    struct weir_store *store = arg;
    int64_t next_look_ns = 0;
    for (;;) {
        pthread_mutex_lock(&store->lock);
        if (!store->logged.first && !store->wal_ended && store->freeze.wanted == store->freeze.done)
            weir_store_wait(store, &store->apply_wake, tick_ns);
        struct weir_store_push *push = take(&store->logged);
        uint64_t wanted = store->freeze.wanted;
        bool asked = !push && wanted != store->freeze.done, ended = !push && store->wal_ended;
        pthread_mutex_unlock(&store->lock);
        if (push) apply(store, push);
        if (asked) answer_freeze(store, wanted);
        if (ended) break;
        /* Sizes are looked at after every batch, ages at most once a tick. */
        if (push || weir_clock_mono_ns() >= next_look_ns) {
            freeze_some(store, false);
            next_look_ns = weir_clock_mono_ns() + tick_ns;
        }
    }
    freeze_some(store, true);
    pthread_mutex_lock(&store->lock);
    store->apply_ended = true;
    pthread_cond_signal(&store->flush_wake);
    pthread_mutex_unlock(&store->lock);
    return NULL;
}
