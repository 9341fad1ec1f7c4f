/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/exporter.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/text.h"
#include "base/thread.h"
#include "sdk/attr.h"
#include "sdk/cell.h"
#include "sdk/instrumentation.h"
#include "sdk/lane.h"
#include "sdk/line.h"
#include "sdk/log_file.h"
#include "sdk/metric.h"
#include "sdk/now.h"
#include "sdk/sdk.h"
#include "sdk/self.h"
#include "wire/pb.h"

enum {
    TICK_MS = 1000,         /* the thread looks at least so often */
    TICK_LOCAL_MS = 100,    /* when logs go to a file or the console */
    REQUEST_SIZE = 3 << 20, /* a batch ends here: receivers refuse messages over 4 MiB */
    REQUEST_SIZE_MAX = 64 << 20,
    LINES_SIZE_MAX = 16 << 20,
    BACKOFF_MS = 250,       /* doubles with each attempt … */
    BACKOFF_MAX_MS = 30000, /* … up to this; jitter takes up to half away */
    FLUSH_ATTEMPTS = 2,     /* a flush does not wait for a receiver that is away … */
    FLUSH_PAUSE_MS = 200,   /* … longer than this, unless the receiver asked for it */
    JOIN_GRACE_MS = 1000,
};

struct queue { /* the rings of all lanes, for one kind of records, and what was taken from them */
    bool is_log;
    const struct weir_config_queue *limits;
    struct weir_lane_record **batch; /* batch_max; those in [from, count) wait for a request */
    uint32_t from, count;
    int64_t exported_ns; /* when it was last found empty, or a batch left */
};

struct group {      /* a batch's records of one scope, as a list of their indices */
    uint64_t batch; /* the number of the batch that the rest is about */
    uint32_t first, last, next_group;
};

struct stream {                      /* one signal's request under way */
    struct weir_outbound *transport; /* NULL: not exported by OTLP */
    enum weir_sdk_signal signal;
    struct queue *queue;                         /* NULL: metrics */
    struct weir_buf request;                     /* empty: none under way */
    uint64_t records;                            /* in the request */
    uint64_t held;                               /* those, and what was taken for the next one */
    int64_t timeout_ms;                          /* for all attempts together */
    int64_t started_ns, give_up_ns, next_try_ns; /* monotonic */
    unsigned attempts;
    bool asked; /* the receiver said when */
};

struct weir_exporter {
    const struct weir_config *config;
    pthread_t thread;
    struct stream streams[WEIR_SDK_SIGNALS_COUNT];
    struct queue spans, logs;
    struct group *groups; /* by the scope's number */
    uint32_t *following;  /* by index in the batch: the next record of its scope */
    uint64_t batches;
    struct weir_buf resource; /* encoded Resource, as field 1 of Resource… */
    struct weir_buf lines;    /* console and file output */
    struct weir_log_file *log_file;
    int64_t metrics_next_ns;
    pthread_mutex_t lock; /* guards records on their way against fork, and the fields below */
    pthread_cond_t changed;
    uint64_t flush_wanted, flush_done; /* numbers of flushes */
    int64_t flush_deadline_ns;
    int flush_code;
    char last_message[300]; /* of the latest failed attempt */
    bool stopping, stopped;
    bool abandoned; /* the rings are no longer this exporter's */
};

static weir_sdk_transport_open_fn *open_transport = weir_sdk_transport_open;

void weir_exporter_transport_set(weir_sdk_transport_open_fn *open) {
    open_transport = open ? open : weir_sdk_transport_open;
}

static void (*_Atomic tick)(void);

void weir_exporter_tick_set(void (*also)(void)) {
    atomic_store_explicit(&tick, also, memory_order_release);
}

/* ── waking ──────────────────────────────────────────────────────────────────────────────────── */

/* Process-wide and never destroyed: a thread may post while an exporter goes away. */
static sem_t bell;
static pthread_once_t bell_once = PTHREAD_ONCE_INIT;
static atomic_bool rung;
/* By is_log: a full ring is no reason to wake up while its stream waits to try again. */
static atomic_bool deaf[2];

static void make_bell(void) {
    sem_init(&bell, 0, 0);
}

static void ring(void) {
    if (!atomic_load_explicit(&rung, memory_order_relaxed) &&
        !atomic_exchange_explicit(&rung, true, memory_order_acq_rel))
        sem_post(&bell);
}

static void ring_for(bool is_log) {
    if (!atomic_load_explicit(&deaf[is_log], memory_order_relaxed)) ring();
}

void weir_exporter_wake(struct weir_exporter *exporter) {
    (void)exporter;
    ring();
}

static void wait_for_bell(int64_t timeout_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * WEIR_NS_PER_MS;
    if (until.tv_nsec >= WEIR_NS_PER_S) until.tv_nsec -= WEIR_NS_PER_S, until.tv_sec++;
    while (sem_clockwait(&bell, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
    }
    atomic_store_explicit(&rung, false, memory_order_release);
}

/* ── queues ──────────────────────────────────────────────────────────────────────────────────── */

/* Records that wait, in the rings or taken from them. */
static uint64_t waiting(const struct queue *queue) {
    return queue->count - queue->from + weir_lanes_waiting(queue->is_log);
}

/* Makes [from, from + the result) the next request's records: no more than a request should hold.
 * `marked`: only what a flush is about. Call with the lock held. */
static uint32_t take(const struct weir_exporter *ex, struct queue *queue, bool marked,
                     size_t *ret_size) {
    if (queue->from == queue->count && !ex->abandoned) {
        queue->from = 0;
        queue->count =
            weir_lanes_drain(queue->is_log, marked, queue->batch, queue->limits->batch_max);
    }
    uint32_t taken = 0;
    *ret_size = 0;
    while (queue->from + taken < queue->count && *ret_size < REQUEST_SIZE) {
        const struct weir_lane_record *record = queue->batch[queue->from + taken++];
        *ret_size += record->class->encoded_size(record);
    }
    return taken;
}

/* The next request's records are done with. Call with the lock held. */
static void release(struct queue *queue, uint32_t count) {
    weir_lanes_give_back(queue->batch + queue->from, count);
    queue->from += count;
}

/* ── encoding ────────────────────────────────────────────────────────────────────────────────── */

/* Sorts a batch by scope, in one pass; gives the first group. */
static struct group *group(struct weir_exporter *ex, struct weir_lane_record *const *batch,
                           uint32_t count) {
    struct group *first = NULL, *newest = NULL;
    ex->batches++;
    for (uint32_t i = 0; i < count; i++) {
        struct group *it = &ex->groups[batch[i]->scope->number];
        if (it->batch == ex->batches) {
            ex->following[it->last] = i;
        } else {
            *it = (struct group){.batch = ex->batches, .first = i, .next_group = UINT32_MAX};
            if (newest)
                newest->next_group = batch[i]->scope->number;
            else
                first = it;
            newest = it;
        }
        it->last = i;
        ex->following[i] = UINT32_MAX;
    }
    return first;
}

/* The records were written on another processor: fetched ahead of the one that is read. */
static void fetch(const struct weir_lane_record *record) {
    for (int line = 0; line < 6; line++) __builtin_prefetch((const char *)record + line * 64);
}

/* Request { Resource… { resource, Scope… { scope, records } … } }. */
static void encode_batch(struct weir_exporter *ex, struct weir_lane_record *const *batch,
                         uint32_t count, struct weir_buf *buf) {
    enum { AHEAD = 4 };
    size_t outer = weir_pb_begin(buf, 1);
    weir_buf_add_view(buf, weir_buf_view(&ex->resource));
    for (struct group *it = group(ex, batch, count); it;
         it = it->next_group == UINT32_MAX ? NULL : &ex->groups[it->next_group]) {
        size_t inner = weir_pb_begin(buf, 2);
        weir_buf_add_view(buf, batch[it->first]->scope->encoded);
        for (uint32_t i = it->first; i != UINT32_MAX; i = ex->following[i]) {
            if (i + AHEAD < count) fetch(batch[i + AHEAD]);
            batch[i]->class->encode(batch[i], buf);
        }
        weir_pb_end(buf, inner);
    }
    weir_pb_end(buf, outer);
}

/* Process-wide attributes are added here, since a forked child is another process. */
static bool build_resource(struct weir_exporter *ex) {
    uint8_t random[16];
    char id[33];
    weir_rand_fill(random, sizeof random);
    *weir_text_hex_put(id, random, sizeof random) = 0;
    struct weir_attribute pid = WEIR_INT("process.pid", getpid());
    struct weir_attribute instance = WEIR_STR("service.instance.id", id);
    weir_buf_init(&ex->resource, 1 << 20);
    size_t mark = weir_pb_begin(&ex->resource, 1);
    weir_buf_add_view(&ex->resource, ex->config->resource);
    weir_attr_add(&ex->resource, WEIR_ATTR_TAG_RESOURCE, &pid, 0);
    if (!ex->config->has_instance_id)
        weir_attr_add(&ex->resource, WEIR_ATTR_TAG_RESOURCE, &instance, 0);
    weir_pb_end(&ex->resource, mark);
    return !ex->resource.failed;
}

/* ── sending ─────────────────────────────────────────────────────────────────────────────────── */

static bool under_way(const struct stream *stream) {
    return stream->request.len > 0;
}

/* Also tells how many records this stream holds, as a difference: an abandoned exporter may hold
 * some, too. */
static void set_records(struct stream *stream, uint64_t records) {
    const struct queue *queue = stream->queue;
    uint64_t held = records + (queue ? queue->count - queue->from : 0);
    weir_sdk_count(&weir_sdk_counters.in_flight[stream->signal], held - stream->held);
    stream->records = records;
    stream->held = held;
}

static void finish(struct stream *stream) {
    weir_buf_clear(&stream->request);
    set_records(stream, 0);
    stream->attempts = 0;
}

static void give_up(struct stream *stream, int code) {
    if (stream->attempts)
        weir_self_exported(stream->signal, weir_clock_mono_ns() - stream->started_ns, code);
    weir_sdk_count(&weir_sdk_counters.dropped_export[stream->signal], stream->records);
    finish(stream);
}

static int64_t pause_ms(const struct stream *stream, const struct weir_outbound_answer *answer) {
    if (answer->retry_after_ms >= 0) return answer->retry_after_ms;
    unsigned doublings = stream->attempts < 8 ? stream->attempts : 8;
    int64_t pause = (int64_t)BACKOFF_MS << doublings;
    if (pause > BACKOFF_MAX_MS) pause = BACKOFF_MAX_MS;
    return pause - (int64_t)(weir_rand_u64() % (uint64_t)(pause / 2));
}

static void failed(struct weir_exporter *ex, const struct stream *stream,
                   const struct weir_outbound_answer *answer) {
    struct weir_error err = {.code = 0};
    weir_sdk_count(&weir_sdk_counters.export_failures[stream->signal], 1);
    pthread_mutex_lock(&ex->lock);
    memcpy(ex->last_message, answer->message, sizeof ex->last_message);
    pthread_mutex_unlock(&ex->lock);
    weir_error_set(&err, answer->code, "%s to %.*s: %s", weir_sdk_signal_names[stream->signal],
                   WEIR_VIEW_ARG(ex->config->otlp[stream->signal].url), answer->message);
    weir_sdk_report(&err);
}

/* A partial success: what was refused is lost, the rest has arrived. */
static void succeeded(struct weir_exporter *ex, struct stream *stream,
                      const struct weir_outbound_answer *answer) {
    uint64_t rejected = answer->rejected < stream->records ? answer->rejected : stream->records;
    weir_sdk_count(&weir_sdk_counters.exported[stream->signal], stream->records - rejected);
    weir_sdk_count(&weir_sdk_counters.dropped_export[stream->signal], rejected);
    weir_sdk_count(&weir_sdk_counters.rejected[stream->signal], rejected);
    weir_self_exported(stream->signal, weir_clock_mono_ns() - stream->started_ns, WEIR_OK);
    if (rejected || answer->message[0]) {
        struct weir_error err = {.code = 0};
        weir_error_set(&err, rejected ? WEIR_EINVALID : WEIR_OK, "%s to %.*s: %llu refused: %s",
                       weir_sdk_signal_names[stream->signal],
                       WEIR_VIEW_ARG(ex->config->otlp[stream->signal].url),
                       (unsigned long long)rejected, answer->message);
        weir_sdk_report(&err);
    }
    finish(stream);
}

/* One attempt. `deadline_ns`: of the flush that waits, or INT64_MAX. */
static void attempt(struct weir_exporter *ex, struct stream *stream, int64_t deadline_ns) {
    struct weir_outbound_answer answer;
    int64_t now = weir_clock_mono_ns(), timeout_ms = ex->config->otlp[stream->signal].timeout_ms;
    if (stream->attempts == 0)
        stream->started_ns = now, stream->give_up_ns = now + stream->timeout_ms * WEIR_NS_PER_MS;
    else
        weir_sdk_count(&weir_sdk_counters.exports_retried, 1);
    int64_t left_ms = (deadline_ns - now) / WEIR_NS_PER_MS;
    if (left_ms < timeout_ms) timeout_ms = left_ms > 1 ? left_ms : 1;
    stream->transport->send(stream->transport, weir_buf_view(&stream->request), timeout_ms,
                            &answer);
    stream->attempts++;
    if (answer.code == WEIR_OK) {
        succeeded(ex, stream, &answer);
        return;
    }
    failed(ex, stream, &answer);
    now = weir_clock_mono_ns();
    stream->asked = answer.retry_after_ms >= 0;
    stream->next_try_ns = now + pause_ms(stream, &answer) * WEIR_NS_PER_MS;
    if (!answer.retry || stream->next_try_ns > stream->give_up_ns) give_up(stream, answer.code);
}

/* Attempts until the request is gone; false when it must wait. In a flush short waits are taken. */
static bool push(struct weir_exporter *ex, struct stream *stream, int64_t flush_deadline_ns) {
    bool flush = flush_deadline_ns != INT64_MAX;
    for (int tries = 0; under_way(stream); tries++) {
        int64_t now = weir_clock_mono_ns();
        if (flush && (tries == FLUSH_ATTEMPTS || now >= flush_deadline_ns)) return false;
        if (now < stream->next_try_ns && stream->attempts) {
            int64_t pause_ns = stream->next_try_ns - now, most_ns = FLUSH_PAUSE_MS * WEIR_NS_PER_MS;
            if (!stream->asked && pause_ns > most_ns) pause_ns = most_ns;
            if (!flush || now + pause_ns >= flush_deadline_ns) return false;
            if (tries || stream->asked) weir_clock_sleep_ns(pause_ns);
        }
        attempt(ex, stream, flush_deadline_ns);
    }
    return true;
}

/* Whether its records are shown to somebody who waits for them. */
static bool is_local(const struct weir_exporter *ex, const struct queue *queue) {
    return queue->is_log &&
           (ex->log_file || ex->config->exporters[WEIR_SDK_LOGS] & WEIR_EXPORTER_CONSOLE);
}

/* Into ex->lines, for the file, and behind *ret_console for the console. Call with the lock
 * held. */
static void add_lines(struct weir_exporter *ex, struct weir_lane_record *const *batch,
                      uint32_t count, bool is_log, size_t *ret_console) {
    bool text = is_log && ex->config->log_text;
    weir_buf_clear(&ex->lines);
    for (uint32_t i = 0; i < count; i++)
        if (is_log)
            weir_line_add_log(batch[i], ex->config->service_name, &ex->lines);
        else
            weir_line_add_span(batch[i], &ex->lines);
    *ret_console = text ? ex->lines.len : 0;
    for (uint32_t i = 0; text && i < count; i++) weir_line_add_log_text(batch[i], &ex->lines);
}

static void write_lines(struct weir_exporter *ex, bool is_log, size_t console_from) {
    unsigned exporters = ex->config->exporters[is_log ? WEIR_SDK_LOGS : WEIR_SDK_TRACES];
    struct weir_view all = weir_buf_view(&ex->lines);
    if (is_log && ex->log_file)
        weir_log_file_write(ex->log_file, console_from ? weir_view_upto(all, console_from) : all);
    if (exporters & WEIR_EXPORTER_CONSOLE)
        weir_line_write_console(weir_view_from(all, console_from));
}

/* Makes the next request of a queue; false when there is nothing to do now. A fork waits meanwhile,
 * so that the child finds every record in a ring or free. */
static bool next_batch(struct weir_exporter *ex, struct queue *queue, struct stream *stream,
                       bool flush) {
    int64_t now = weir_clock_mono_ns();
    uint64_t count = waiting(queue);
    if (!count) queue->exported_ns = now;
    int64_t delay_ms = is_local(ex, queue) ? 0 : queue->limits->delay_ms;
    if (!count || (!flush && count < queue->limits->batch_max &&
                   now - queue->exported_ns < delay_ms * WEIR_NS_PER_MS))
        return false;
    queue->exported_ns = now;
    pthread_mutex_lock(&ex->lock);
    size_t size, console_from = 0;
    uint32_t taken = take(ex, queue, flush, &size);
    struct weir_lane_record *const *batch = queue->batch + queue->from;
    bool lines = is_local(ex, queue) ||
                 (!queue->is_log && ex->config->exporters[WEIR_SDK_TRACES] & WEIR_EXPORTER_CONSOLE);
    if (lines) add_lines(ex, batch, taken, queue->is_log, &console_from);
    if (taken && stream->transport) {
        weir_buf_reserve(&stream->request, size + ex->resource.len);
        encode_batch(ex, batch, taken, &stream->request);
    }
    release(queue, taken);
    set_records(stream, stream->transport ? taken : 0);
    pthread_mutex_unlock(&ex->lock);
    if (lines) write_lines(ex, queue->is_log, console_from);
    if (!stream->transport) weir_sdk_count(&weir_sdk_counters.exported[stream->signal], taken);
    if (stream->request.failed) give_up(stream, WEIR_ENOMEMORY);
    return taken > 0;
}

/* One batch, so that neither kind of records nor whoever flushes waits for the other; in a flush
 * all. True: there may be more to do at once. */
static bool pump_queue(struct weir_exporter *ex, struct queue *queue, struct stream *stream,
                       int64_t flush_deadline_ns) {
    bool flush = flush_deadline_ns != INT64_MAX, more;
    do {
        if (!push(ex, stream, flush_deadline_ns)) return false;
        more = next_batch(ex, queue, stream, flush);
    } while (more && flush);
    return more;
}

/* Cumulative: a newer collection makes one that still waits for its turn needless. Deltas are given
 * once, so they are not taken before the last ones have left. */
static void pump_metrics(struct weir_exporter *ex, int64_t flush_deadline_ns) {
    struct stream *stream = &ex->streams[WEIR_SDK_METRICS];
    bool flush = flush_deadline_ns != INT64_MAX;
    bool console = ex->config->exporters[WEIR_SDK_METRICS] & WEIR_EXPORTER_CONSOLE;
    int64_t now = weir_clock_mono_ns();
    if (!stream->transport && !console) return;
    if (now >= ex->metrics_next_ns || flush) {
        ex->metrics_next_ns = now + ex->config->metric_interval_ms * WEIR_NS_PER_MS;
        if (console) {
            weir_buf_clear(&ex->lines);
            weir_metrics_add_text(&ex->lines);
            weir_line_write_console(weir_buf_view(&ex->lines));
        }
        if (stream->transport && (ex->config->temporality == WEIR_CONFIG_CUMULATIVE ||
                                  push(ex, stream, flush_deadline_ns))) {
            int64_t started_ns = weir_clock_mono_ns();
            weir_buf_clear(&stream->request);
            uint64_t count =
                weir_metrics_encode(ex->config, weir_buf_view(&ex->resource), &stream->request);
            weir_self_collected(weir_clock_mono_ns() - started_ns);
            stream->attempts = 0;
            set_records(stream, count);
            if (stream->request.failed) give_up(stream, WEIR_ENOMEMORY);
        }
    }
    if (stream->transport) push(ex, stream, flush_deadline_ns);
}

/* ── the thread ──────────────────────────────────────────────────────────────────────────────── */

static int64_t wait_ms(const struct weir_exporter *ex) {
    const struct queue *logs = &ex->logs;
    int64_t now = weir_clock_mono_ns(), wait = TICK_MS;
    int64_t logs_ms = is_local(ex, logs) ? TICK_LOCAL_MS : logs->limits->delay_ms;
    if (ex->config->spans.delay_ms < wait) wait = ex->config->spans.delay_ms;
    /* Who has to look often for logs sleeps until the next one. */
    if (logs_ms < wait && (logs->from < logs->count || !weir_lanes_call_me())) wait = logs_ms;
    int64_t metrics = (ex->metrics_next_ns - now) / WEIR_NS_PER_MS + 1;
    if (metrics < wait) wait = metrics;
    for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++) {
        int64_t retry = (ex->streams[i].next_try_ns - now) / WEIR_NS_PER_MS + 1;
        if (under_way(&ex->streams[i]) && retry < wait) wait = retry;
    }
    return wait > 1 ? wait : 1;
}

static bool all_sent(const struct weir_exporter *ex) {
    for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++)
        if (under_way(&ex->streams[i])) return false;
    return true;
}

static void flush_answer(struct weir_exporter *ex, uint64_t number, uint64_t dropped_before) {
    uint64_t dropped = 0;
    for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++)
        dropped += weir_sdk_read(&weir_sdk_counters.dropped_export[i]);
    pthread_mutex_lock(&ex->lock);
    ex->flush_code = all_sent(ex) && dropped == dropped_before       ? WEIR_OK
                     : weir_clock_mono_ns() >= ex->flush_deadline_ns ? WEIR_ETIMEOUT
                                                                     : WEIR_EUNAVAILABLE;
    ex->flush_done = number;
    pthread_cond_broadcast(&ex->changed);
    pthread_mutex_unlock(&ex->lock);
}

static void drop_rest(struct weir_exporter *ex) {
    for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++)
        if (under_way(&ex->streams[i])) give_up(&ex->streams[i], WEIR_ECANCELED);
    struct queue *const queues[] = {&ex->spans, &ex->logs};
    pthread_mutex_lock(&ex->lock);
    for (int i = 0; i < 2; i++) {
        size_t size;
        uint32_t count;
        while ((count = take(ex, queues[i], false, &size))) {
            weir_sdk_count(&weir_sdk_counters.dropped_export[i ? WEIR_SDK_LOGS : WEIR_SDK_TRACES],
                           count);
            release(queues[i], count);
        }
        set_records(&ex->streams[i ? WEIR_SDK_LOGS : WEIR_SDK_TRACES], 0);
    }
    pthread_mutex_unlock(&ex->lock);
}

/* While a request waits for its next attempt nothing is taken from the rings. */
static void set_deaf(const struct weir_exporter *ex) {
    atomic_store_explicit(&deaf[0], under_way(&ex->streams[WEIR_SDK_TRACES]), memory_order_relaxed);
    atomic_store_explicit(&deaf[1], under_way(&ex->streams[WEIR_SDK_LOGS]), memory_order_relaxed);
}

static void *run(void *arg) {
    struct weir_exporter *ex = arg;
    weir_now_measure();
    wait_for_bell(WEIR_NOW_MEASURE_MS); /* then the clock is quick from the first spans on */
    for (bool stopping = false, more = true; !stopping;) {
        set_deaf(ex);
        wait_for_bell(more ? 0 : wait_ms(ex));
        weir_cells_tick();
        void (*also)(void) = atomic_load_explicit(&tick, memory_order_acquire);
        if (also) also();
        weir_now_measure();
        pthread_mutex_lock(&ex->lock);
        stopping = ex->stopping;
        uint64_t wanted = ex->flush_wanted, dropped = 0;
        bool flush = wanted != ex->flush_done;
        int64_t deadline_ns = flush ? ex->flush_deadline_ns : INT64_MAX;
        pthread_mutex_unlock(&ex->lock);
        if (flush) weir_lanes_mark();
        for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++)
            dropped += weir_sdk_read(&weir_sdk_counters.dropped_export[i]);
        more = pump_queue(ex, &ex->spans, &ex->streams[WEIR_SDK_TRACES], deadline_ns);
        more |= pump_queue(ex, &ex->logs, &ex->streams[WEIR_SDK_LOGS], deadline_ns);
        pump_metrics(ex, deadline_ns);
        if (flush) flush_answer(ex, wanted, dropped);
    }
    drop_rest(ex);
    pthread_mutex_lock(&ex->lock);
    ex->stopped = true;
    pthread_cond_broadcast(&ex->changed);
    pthread_mutex_unlock(&ex->lock);
    return NULL;
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

static void destroy(struct weir_exporter *ex) {
    for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++) {
        if (ex->streams[i].transport) ex->streams[i].transport->close(ex->streams[i].transport);
        weir_buf_done(&ex->streams[i].request);
    }
    weir_buf_done(&ex->resource);
    weir_buf_done(&ex->lines);
    weir_log_file_close(ex->log_file);
    free(ex->spans.batch);
    free(ex->logs.batch);
    free(ex->groups);
    free(ex->following);
    pthread_cond_destroy(&ex->changed);
    pthread_mutex_destroy(&ex->lock);
    free(ex);
}

static bool queue_init(struct queue *queue, bool is_log, const struct weir_config_queue *limits) {
    queue->is_log = is_log;
    queue->limits = limits;
    queue->exported_ns = weir_clock_mono_ns();
    queue->batch = calloc(limits->batch_max, sizeof *queue->batch);
    weir_lanes_limit_set(is_log, limits->queue_max, limits->batch_max);
    return queue->batch != NULL;
}

static int open_outputs(struct weir_exporter *ex, struct weir_error *reterr) {
    const struct weir_config *config = ex->config;
    const int64_t timeouts[] = {config->spans.timeout_ms, config->metric_timeout_ms,
                                config->logs.timeout_ms};
    for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++) {
        ex->streams[i].signal = (enum weir_sdk_signal)i;
        ex->streams[i].timeout_ms = timeouts[i];
        if (!(config->exporters[i] & WEIR_EXPORTER_OTLP)) continue;
        int rc = open_transport(&config->otlp[i], (enum weir_sdk_signal)i,
                                &ex->streams[i].transport, reterr);
        if (rc) return rc;
    }
    return config->log_file ? weir_log_file_open(config->log_file, &ex->log_file, reterr) : WEIR_OK;
}

static struct weir_exporter *make(const struct weir_config *config) {
    struct weir_exporter *ex = calloc(1, sizeof *ex);
    if (!ex) return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ex->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&ex->lock, NULL);
    ex->config = config;
    ex->streams[WEIR_SDK_TRACES].queue = &ex->spans;
    ex->streams[WEIR_SDK_LOGS].queue = &ex->logs;
    ex->metrics_next_ns = weir_clock_mono_ns() + config->metric_interval_ms * WEIR_NS_PER_MS;
    weir_buf_init(&ex->lines, LINES_SIZE_MAX);
    for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++)
        weir_buf_init(&ex->streams[i].request, REQUEST_SIZE_MAX);
    uint32_t batch = config->spans.batch_max > config->logs.batch_max ? config->spans.batch_max
                                                                      : config->logs.batch_max;
    ex->following = calloc(batch, sizeof *ex->following);
    ex->groups = calloc(WEIR_INSTRUMENTATIONS_MAX, sizeof *ex->groups);
    if (ex->following && ex->groups && queue_init(&ex->spans, false, &config->spans) &&
        queue_init(&ex->logs, true, &config->logs) && build_resource(ex))
        return ex;
    destroy(ex);
    return NULL;
}

int weir_exporter_start(const struct weir_config *config, struct weir_exporter **ret,
                        struct weir_error *reterr) {
    pthread_once(&bell_once, make_bell);
    struct weir_exporter *ex = make(config);
    if (!ex) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for the exporter");
    int rc = open_outputs(ex, reterr);
    if (!rc && (rc = weir_thread_start(&ex->thread, "weir-export", run, ex)))
        weir_error_set(reterr, rc, "no thread for the exporter");
    if (rc) {
        destroy(ex);
        return rc;
    }
    weir_lanes_wake_set(ring_for);
    *ret = ex;
    return WEIR_OK;
}

static void to_timespec(int64_t mono_ns, struct timespec *ret) {
    ret->tv_sec = (time_t)(mono_ns / WEIR_NS_PER_S);
    ret->tv_nsec = (long)(mono_ns % WEIR_NS_PER_S);
}

static int flush(struct weir_exporter *ex, int64_t deadline_ns, bool stop,
                 struct weir_error *reterr) {
    struct timespec until;
    to_timespec(deadline_ns, &until);
    pthread_mutex_lock(&ex->lock);
    uint64_t number = ++ex->flush_wanted;
    ex->flush_deadline_ns = deadline_ns;
    if (stop) ex->stopping = true;
    ring();
    int waited = 0;
    while (ex->flush_done < number && !ex->stopped && !waited)
        waited = pthread_cond_timedwait(&ex->changed, &ex->lock, &until);
    int rc = ex->flush_done < number ? WEIR_ETIMEOUT : ex->flush_code;
    if (rc)
        weir_error_set(reterr, rc, "%s: %s",
                       rc == WEIR_ETIMEOUT ? "not everything was sent in time"
                                           : "not everything could be sent",
                       ex->last_message[0] ? ex->last_message : "the receiver did not answer yet");
    pthread_mutex_unlock(&ex->lock);
    return rc;
}

int weir_exporter_flush(struct weir_exporter *exporter, int64_t deadline_ns,
                        struct weir_error *reterr) {
    return flush(exporter, deadline_ns, false, reterr);
}

/* True when the thread has said its last word in time. */
static bool wait_stopped(struct weir_exporter *ex, int64_t deadline_ns) {
    struct timespec until;
    to_timespec(deadline_ns, &until);
    int waited = 0;
    pthread_mutex_lock(&ex->lock);
    while (!ex->stopped && !waited)
        waited = pthread_cond_timedwait(&ex->changed, &ex->lock, &until);
    bool stopped = ex->stopped;
    pthread_mutex_unlock(&ex->lock);
    return stopped;
}

int weir_exporter_stop(struct weir_exporter *ex, int64_t deadline_ns, struct weir_error *reterr) {
    int rc = flush(ex, deadline_ns, true, reterr);
    weir_lanes_wake_set(NULL);
    if (rc == WEIR_ETIMEOUT)
        for (int i = 0; i < WEIR_SDK_SIGNALS_COUNT; i++)
            if (ex->streams[i].transport)
                ex->streams[i].transport->cancel(ex->streams[i].transport);
    if (wait_stopped(ex, weir_clock_mono_ns() + JOIN_GRACE_MS * WEIR_NS_PER_MS)) {
        pthread_join(ex->thread, NULL);
        destroy(ex);
    } else {
        /* Stuck in the system, in a name lookup say: it keeps its memory, and what it has taken. */
        pthread_mutex_lock(&ex->lock);
        ex->abandoned = true;
        pthread_mutex_unlock(&ex->lock);
        pthread_detach(ex->thread);
    }
    return rc;
}

void weir_exporter_lock(struct weir_exporter *ex) {
    pthread_mutex_lock(&ex->lock);
}

void weir_exporter_unlock(struct weir_exporter *ex) {
    pthread_mutex_unlock(&ex->lock);
}

/* The thread may have been anywhere outside the lock: only the records are sure to be whole. The
 * rest stays as it is, reachable, a few kilobytes. */
void weir_exporter_forked(struct weir_exporter *ex) {
    static struct weir_exporter *lost;
    struct queue *const queues[] = {&ex->spans, &ex->logs};
    sem_init(&bell, 0, 0);
    atomic_store(&rung, false);
    for (int i = 0; i < 2; i++) release(queues[i], queues[i]->count - queues[i]->from);
    lost = ex;
    (void)lost;
}
