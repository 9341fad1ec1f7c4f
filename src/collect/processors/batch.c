/* SPDX-License-Identifier: Apache-2.0 */
/* The processor `batch`: many small batches of a signal become one.
 *
 *     batch: {timeout: 200ms, send_batch_size: 8192, send_batch_max_size: 0}
 *
 * What is held has not been answered: senders hear when the joint batch is stored, so nothing that
 * was acknowledged can be lost here. For the same reason none waits longer than a second, whatever
 * `timeout` says: senders would give up and send again. A batch that is send_batch_size by itself
 * goes through at once; none is split, so send_batch_max_size only bounds what is joined.
 *
 * Source: opentelemetry-collector, batchprocessor.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metric.h"
#include "collect/types.h"
#include "otlp/encode.h"

WEIR_COUNTER(batches_joined, "weir_collect_batches_joined_total",
             "Batches that the batch processor joined with others.", "");

enum { HELD_MAX = 4096 };
#define WAIT_MAX_NS WEIR_NS_PER_S

struct sender {
    weir_sink_done *done;
    void *arg;
};

/* What waits of one signal; becomes a call when it leaves. */
struct held {
    uint32_t count, records;
    int64_t since_ns; /* monotonic, of the first */
    struct weir_otlp_batch *batches[HELD_MAX];
    struct sender senders[HELD_MAX];
};

struct batch {
    struct weir_component component;
    int64_t timeout_ns;
    uint32_t size, size_max;
    pthread_mutex_t mutex; /* guards held */
    struct held *held[WEIR_SIGNALS_COUNT];
};

/* A joint batch on its way: who waits for it. */
struct call {
    uint32_t count;
    struct sender senders[];
};

static void answered(void *arg, const struct weir_sink_answer *answer) {
    struct call *call = arg;
    struct weir_sink_answer each = *answer;
    for (uint32_t i = 0; i < call->count; i++) {
        call->senders[i].done(call->senders[i].arg, &each);
        each.rejected_count = 0; /* whose they were is not known: told to one, not to all */
    }
    free(call);
}

static void refuse_all(struct held *held, const struct weir_sink_answer *answer) {
    for (uint32_t i = 0; i < held->count; i++) {
        weir_otlp_batch_unref(held->batches[i]);
        held->senders[i].done(held->senders[i].arg, answer);
    }
    held->count = 0;
}

/* Sends what was held, and frees it. */
static void send(struct batch *self, enum weir_signal signal, struct held *held) {
    struct weir_otlp_batch *joint = NULL;
    struct weir_error err = {.code = 0};
    struct call *call = malloc(sizeof *call + held->count * sizeof *call->senders);
    int rc = call ? weir_otlp_merge(held->batches, held->count, &joint, &err)
                  : weir_error_set(&err, WEIR_ENOMEMORY, "out of memory");
    if (rc) {
        refuse_all(held, &(struct weir_sink_answer){.code = rc, .message = err.message});
        free(call);
        free(held);
        return;
    }
    call->count = held->count;
    memcpy(call->senders, held->senders, held->count * sizeof *call->senders);
    for (uint32_t i = 0; i < held->count; i++) weir_otlp_batch_unref(held->batches[i]);
    if (held->count > 1) weir_metric_add(&batches_joined, held->count);
    free(held);
    weir_sink_push(self->component.next[signal], joint, answered, call);
}

static struct held *take(struct batch *self, enum weir_signal signal) {
    struct held *held = self->held[signal];
    self->held[signal] = NULL;
    return held;
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct batch *self = (struct batch *)sink;
    enum weir_signal signal = batch->signal;
    uint32_t records = weir_otlp_batch_records_count(batch);
    struct held *full[2] = {NULL, NULL};
    pthread_mutex_lock(&self->mutex);
    struct held *held = self->held[signal];
    if (held && self->size_max && held->records + records > self->size_max)
        full[0] = take(self, signal), held = NULL;
    if (!held && records < self->size) {
        held = self->held[signal] = malloc(sizeof *held);
        if (held) held->count = held->records = 0, held->since_ns = weir_clock_mono_ns();
    }
    bool kept = held != NULL;
    if (kept) {
        held->batches[held->count] = batch;
        held->senders[held->count++] = (struct sender){done, arg};
        held->records += records;
        if (held->records >= self->size || held->count == HELD_MAX) full[1] = take(self, signal);
    }
    pthread_mutex_unlock(&self->mutex);
    for (int i = 0; i < 2; i++)
        if (full[i]) send(self, signal, full[i]);
    if (!kept) weir_sink_push(self->component.next[signal], batch, done, arg);
}

static void send_older(struct batch *self, int64_t since_ns) {
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++) {
        enum weir_signal signal = (enum weir_signal)i;
        pthread_mutex_lock(&self->mutex);
        struct held *held = self->held[i];
        held = held && held->since_ns <= since_ns ? take(self, signal) : NULL;
        pthread_mutex_unlock(&self->mutex);
        if (held) send(self, signal, held);
    }
}

static void tick(struct weir_component *component, int64_t mono_ns) {
    struct batch *self = (struct batch *)component;
    send_older(self, mono_ns - self->timeout_ns);
}

static void stop(struct weir_component *component, int64_t deadline_ns) {
    (void)deadline_ns;
    send_older((struct batch *)component, INT64_MAX);
}

static void close_batch(struct weir_component *component) {
    struct batch *self = (struct batch *)component;
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

static int open_batch(const struct weir_component_env *env, const struct weir_yaml *config,
                      const char *id, struct weir_component **ret, struct weir_error *reterr) {
    static const char *const keys[] = {"timeout", "send_batch_size", "send_batch_max_size", NULL};
    (void)env;
    int64_t timeout_ns = 200 * WEIR_NS_PER_MS, size = 8192, size_max = 0;
    int rc = weir_yaml_check(config, id, keys, reterr);
    if (!rc) rc = weir_yaml_get_duration_ns(config, "timeout", &timeout_ns, reterr);
    if (!rc) rc = weir_yaml_get_i64(config, "send_batch_size", 0, UINT32_MAX, &size, reterr);
    if (!rc)
        rc = weir_yaml_get_i64(config, "send_batch_max_size", 0, UINT32_MAX, &size_max, reterr);
    if (!rc && size_max && size_max < size)
        rc = weir_yaml_fail(weir_yaml_get(config, "send_batch_max_size"), reterr,
                            "send_batch_max_size must be 0 or at least send_batch_size");
    if (rc) return rc;
    struct batch *self = calloc(1, sizeof *self);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    pthread_mutex_init(&self->mutex, NULL);
    self->component.sink.push = push;
    self->timeout_ns = timeout_ns < WAIT_MAX_NS ? timeout_ns : WAIT_MAX_NS;
    self->size = (uint32_t)size;
    self->size_max = (uint32_t)size_max;
    *ret = &self->component;
    return WEIR_OK;
}

const struct weir_component_type weir_batch_type = {.name = "batch",
                                                    .kind = WEIR_PROCESSOR,
                                                    .takes = WEIR_ALL_SIGNALS,
                                                    .gives = WEIR_ALL_SIGNALS,
                                                    .open = open_batch,
                                                    .close = close_batch,
                                                    .tick = tick,
                                                    .stop = stop};
