/* SPDX-License-Identifier: Apache-2.0 */
/* The processor `tail_sampling`: decides over whole traces, some time after their first span.
 *
 *     tail_sampling: {decision_wait: 10s, num_traces: 50000, memory: 128MiB, policies: […],
 *                     decision_cache: {sampled_cache_size: 100000, non_sampled_cache_size: 100000}}
 *
 * Policies: processors/tail_policy.h. Spans that come after their trace's decision follow it, as
 * long as it is remembered. Past num_traces or memory the oldest traces are decided early, which is
 * counted.
 *
 * Senders are answered at once: what waits for its decision lies in memory alone, and a crash loses
 * it. A trace that is kept and refused downstream for now is tried again until the memory is
 * needed.
 *
 * Source: opentelemetry-collector-contrib, tailsamplingprocessor.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/metric.h"
#include "collect/processors/tail_store.h"
#include "collect/types.h"
#include "otlp/edit.h"

WEIR_COUNTER(traces_kept, "weir_collect_tail_sampling_traces_total",
             "Traces that tail_sampling has decided.", "decision=\"kept\"");
WEIR_COUNTER(traces_left_out, "weir_collect_tail_sampling_traces_total",
             "Traces that tail_sampling has decided.", "decision=\"left_out\"");
WEIR_COUNTER(early, "weir_collect_tail_sampling_early_total",
             "Traces that were decided before their time, for want of room.", "");
WEIR_COUNTER(late, "weir_collect_tail_sampling_late_spans_total",
             "Spans that came after their trace's decision, and followed it.", "");
WEIR_COUNTER(lost, "weir_collect_tail_sampling_lost_spans_total",
             "Spans of kept traces that downstream refused for good, or for too long.", "");

enum { OUT_SPANS = 8192, OUT_SIZE = 4 << 20, OUT_SIZE_MAX = 512 << 20 };

/* Decisions of the past, in two generations: the older one goes when the younger is full. */
struct decisions {
    struct weir_arena arenas[2];
    struct weir_map maps[2]; /* trace id → 1 kept, 0 left out */
    unsigned young;
    uint32_t room;
};

/* A batch of kept traces that is on its way, or waits to be tried again. */
struct parcel {
    struct parcel *next;
    struct tail *tail;
    struct weir_otlp_batch *batch;
};

struct tail {
    struct weir_component component;
    int64_t wait_ns;
    uint32_t traces_max;
    uint64_t bytes_max;
    pthread_mutex_t mutex; /* guards all below */
    struct weir_tail_policies *policies;
    struct weir_tail_store store;
    struct decisions decisions;
    struct parcel *again; /* refused for now */
    uint64_t parcels_bytes;
    uint32_t under_way; /* parcels that are pushed and not answered */
    pthread_cond_t answered;
};

/* ---- decisions of the past ------------------------------------------------------------------- */

static void decisions_init(struct decisions *decisions, uint32_t room) {
    *decisions = (struct decisions){.room = room / 2 + 1};
    for (int i = 0; i < 2; i++) {
        weir_arena_init(&decisions->arenas[i], 0);
        weir_map_init(&decisions->maps[i]);
    }
}

static void decisions_done(struct decisions *decisions) {
    for (int i = 0; i < 2; i++) {
        weir_map_done(&decisions->maps[i]);
        weir_arena_done(&decisions->arenas[i]);
    }
}

static void remember(struct decisions *decisions, const uint8_t trace_id[16], bool kept) {
    unsigned young = decisions->young;
    if (decisions->maps[young].count >= decisions->room) {
        young = decisions->young = !young;
        weir_map_clear(&decisions->maps[young]);
        weir_arena_reset(&decisions->arenas[young]);
    }
    struct weir_view own = weir_arena_copy(&decisions->arenas[young], weir_view(trace_id, 16));
    if (own.ptr) weir_map_put(&decisions->maps[young], own, kept, NULL);
}

/* 1 kept, 0 left out, -1 not known. */
static int recall(const struct decisions *decisions, const uint8_t trace_id[16]) {
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t *found =
            weir_map_get(&decisions->maps[(decisions->young + i) % 2], weir_view(trace_id, 16));
        if (found) return (int)*found;
    }
    return -1;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void parcel_free(struct parcel *parcel) {
    weir_otlp_batch_unref(parcel->batch);
    free(parcel);
}

static void parcel_answered(void *arg, const struct weir_sink_answer *answer) {
    struct parcel *parcel = arg;
    struct tail *self = parcel->tail;
    pthread_mutex_lock(&self->mutex);
    bool again = answer->code != WEIR_OK && weir_error_retriable(answer->code) &&
                 self->store.bytes + self->parcels_bytes <= self->bytes_max;
    if (again) {
        parcel->next = self->again;
        self->again = parcel;
    } else {
        self->parcels_bytes -= parcel->batch->bytes.len;
        if (answer->code != WEIR_OK) weir_metric_add(&lost, parcel->batch->spans_count);
    }
    if (--self->under_way == 0) pthread_cond_broadcast(&self->answered);
    pthread_mutex_unlock(&self->mutex);
    if (!again) parcel_free(parcel);
}

/* Not with the mutex held: the answer may come at once. */
static void send(struct tail *self, struct parcel *list) {
    for (struct parcel *parcel = list, *next; parcel; parcel = next) {
        next = parcel->next;
        pthread_mutex_lock(&self->mutex);
        self->under_way++;
        pthread_mutex_unlock(&self->mutex);
        weir_sink_push(self->component.next[WEIR_SIGNAL_TRACE], weir_otlp_batch_ref(parcel->batch),
                       parcel_answered, parcel);
    }
}

/* What has been gathered of kept traces becomes a parcel, in front of the list. */
static void wrap(struct tail *self, struct weir_buf *out, uint32_t spans, struct parcel **list) {
    size_t len = out->len;
    if (!spans) return;
    char *body = out->failed ? NULL : weir_buf_take(out, &len);
    struct parcel *parcel = body ? malloc(sizeof *parcel) : NULL;
    *out = (struct weir_buf){.ptr = NULL};
    weir_buf_init(out, OUT_SIZE_MAX);
    if (!parcel) {
        free(body);
        weir_metric_add(&lost, spans);
        return;
    }
    *parcel = (struct parcel){.next = *list, .tail = self};
    if (weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, body, len, 0, &parcel->batch, NULL) != WEIR_OK) {
        free(parcel);
        weir_metric_add(&lost, spans);
        return;
    }
    self->parcels_bytes += len;
    *list = parcel;
}

/* ---- deciding -------------------------------------------------------------------------------- */

static bool is_full(const struct tail *self) {
    return self->store.count > self->traces_max ||
           self->store.bytes + self->parcels_bytes > self->bytes_max;
}

/* Decides all that are due, and those for which there is no room. With the mutex held. */
static struct parcel *decide(struct tail *self, int64_t now_ns, int64_t due_ns) {
    struct parcel *list = NULL;
    struct weir_buf out;
    uint32_t spans = 0;
    weir_buf_init(&out, OUT_SIZE_MAX);
    for (;;) {
        const struct weir_tail_entry *oldest = self->store.oldest;
        bool due = oldest && oldest->since_ns <= due_ns;
        if (!oldest || (!due && !is_full(self))) break;
        struct weir_tail_entry *entry = weir_tail_store_take(&self->store);
        bool kept = weir_tail_policies_decide(self->policies, &entry->trace, now_ns) >= 0;
        remember(&self->decisions, entry->trace.trace_id, kept);
        weir_metric_add(kept ? &traces_kept : &traces_left_out, 1);
        if (!due) weir_metric_add(&early, 1);
        if (kept) {
            weir_tail_entry_add(entry, &out);
            spans += entry->trace.spans_count;
        }
        weir_tail_entry_free(&self->store, entry);
        if (spans < OUT_SPANS && out.len < OUT_SIZE) continue;
        wrap(self, &out, spans, &list);
        spans = 0;
    }
    wrap(self, &out, spans, &list);
    weir_buf_done(&out);
    return list;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Spans from `first` on that share trace and scope. */
static uint32_t run_length(const struct weir_otlp_batch *batch, uint32_t first) {
    uint32_t count = 1;
    while (first + count < batch->spans_count &&
           batch->spans[first + count].scope == batch->spans[first].scope &&
           memcmp(batch->spans[first + count].trace_id, batch->spans[first].trace_id, 16) == 0)
        count++;
    return count;
}

/* Which spans of a batch go on at once, since their trace is kept. */
struct sieve {
    uint8_t *bits;
    bool some;
};

static void take_run(struct tail *self, const struct weir_otlp_batch *batch, uint32_t first,
                     uint32_t count, int64_t now_ns, struct sieve *sieve) {
    const uint8_t *trace_id = batch->spans[first].trace_id;
    struct weir_tail_entry *entry = weir_tail_store_find(&self->store, trace_id);
    int decided = entry ? -1 : recall(&self->decisions, trace_id);
    if (decided >= 0) weir_metric_add(&late, count);
    if (decided == 0) return;
    if (!entry && decided < 0) entry = weir_tail_store_add(&self->store, trace_id, now_ns);
    if (entry && weir_tail_store_keep(&self->store, entry, batch, first, count)) {
        struct weir_attrs resource =
            batch->resources[batch->scopes[batch->spans[first].scope].resource].attrs;
        for (uint32_t i = 0; i < count; i++)
            weir_tail_policies_see(self->policies, &batch->spans[first + i], resource,
                                   &entry->trace);
        return;
    }
    /* kept already, or no memory to wait with: it goes on */
    sieve->some = true;
    for (uint32_t i = first; i < first + count; i++) sieve->bits[i / 8] |= (uint8_t)(1 << i % 8);
}

static bool goes_on(void *arg, const struct weir_otlp_batch *batch, uint32_t index) {
    const struct sieve *sieve = arg;
    (void)batch;
    return sieve->bits[index / 8] >> index % 8 & 1;
}

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct tail *self = (struct tail *)sink;
    int64_t now_ns = weir_clock_mono_ns();
    struct sieve sieve = {.bits = calloc(1, batch->spans_count / 8 + 1)};
    struct weir_otlp_batch *on = NULL;
    struct weir_error err = {.code = 0};
    if (!sieve.bits) {
        weir_component_answer(batch, done, arg, WEIR_ENOMEMORY, "out of memory");
        return;
    }
    pthread_mutex_lock(&self->mutex);
    for (uint32_t i = 0, count; i < batch->spans_count; i += count) {
        count = run_length(batch, i);
        take_run(self, batch, i, count, now_ns, &sieve);
    }
    struct parcel *list = is_full(self) ? decide(self, now_ns, INT64_MIN) : NULL;
    pthread_mutex_unlock(&self->mutex);
    const struct weir_otlp_edit edit = {.arg = &sieve, .keep = goes_on};
    int rc = sieve.some ? weir_otlp_edit(batch, &edit, &on, &err) : WEIR_OK;
    free(sieve.bits);
    weir_component_pass(&self->component, batch, rc, on, &err, done, arg);
    send(self, list);
}

static void tick(struct weir_component *component, int64_t mono_ns) {
    struct tail *self = (struct tail *)component;
    pthread_mutex_lock(&self->mutex);
    struct parcel *again = self->again, *list = decide(self, mono_ns, mono_ns - self->wait_ns);
    self->again = NULL;
    pthread_mutex_unlock(&self->mutex);
    send(self, again);
    send(self, list);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void stop(struct weir_component *component, int64_t deadline_ns) {
    struct tail *self = (struct tail *)component;
    pthread_mutex_lock(&self->mutex);
    struct parcel *again = self->again, *list = decide(self, weir_clock_mono_ns(), INT64_MAX);
    self->again = NULL;
    pthread_mutex_unlock(&self->mutex);
    send(self, again);
    send(self, list);
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / WEIR_NS_PER_S),
                             .tv_nsec = (long)(deadline_ns % WEIR_NS_PER_S)};
    pthread_mutex_lock(&self->mutex);
    while (self->under_way && pthread_cond_timedwait(&self->answered, &self->mutex, &until) == 0) {
    }
    for (struct parcel *parcel = self->again; parcel; parcel = parcel->next)
        weir_metric_add(&lost, parcel->batch->spans_count);
    pthread_mutex_unlock(&self->mutex);
}

static void close_tail(struct weir_component *component) {
    struct tail *self = (struct tail *)component;
    for (struct parcel *parcel = self->again, *next; parcel; parcel = next) {
        next = parcel->next;
        parcel_free(parcel);
    }
    weir_tail_policies_close(self->policies);
    weir_tail_store_done(&self->store);
    decisions_done(&self->decisions);
    pthread_cond_destroy(&self->answered);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

static int read_config(struct tail *self, const struct weir_yaml *config, const char *id,
                       struct weir_error *reterr) {
    static const char *const keys[] = {
        "decision_wait",  "num_traces", "expected_new_traces_per_sec", "memory", "policies",
        "decision_cache", NULL};
    static const char *const cache_keys[] = {"sampled_cache_size", "non_sampled_cache_size", NULL};
    int64_t traces = 50000, sampled = 0, non_sampled = 0;
    const struct weir_yaml *cache = weir_yaml_get(config, "decision_cache");
    int rc = weir_yaml_check(config, id, keys, reterr);
    if (!rc) rc = weir_yaml_get_duration_ns(config, "decision_wait", &self->wait_ns, reterr);
    if (!rc) rc = weir_yaml_get_i64(config, "num_traces", 1, INT32_MAX, &traces, reterr);
    if (!rc) rc = weir_yaml_get_size(config, "memory", &self->bytes_max, reterr);
    if (!rc) rc = weir_yaml_check(cache, "decision_cache", cache_keys, reterr);
    if (!rc) rc = weir_yaml_get_i64(cache, "sampled_cache_size", 0, INT32_MAX, &sampled, reterr);
    if (!rc)
        rc = weir_yaml_get_i64(cache, "non_sampled_cache_size", 0, INT32_MAX, &non_sampled, reterr);
    if (rc) return rc;
    int64_t room = sampled + non_sampled ? sampled + non_sampled : 2 * traces;
    self->traces_max = (uint32_t)traces;
    decisions_init(&self->decisions, (uint32_t)(room < INT32_MAX ? room : INT32_MAX));
    return weir_tail_policies_open(weir_yaml_get(config, "policies"), &self->policies, reterr);
}

static int open_tail(const struct weir_component_env *env, const struct weir_yaml *config,
                     const char *id, struct weir_component **ret, struct weir_error *reterr) {
    struct tail *self = calloc(1, sizeof *self);
    if (!self || !weir_tail_store_init(&self->store)) {
        free(self);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->answered, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&self->mutex, NULL);
    self->component.sink.push = push;
    self->wait_ns = 30 * WEIR_NS_PER_S;
    self->bytes_max = env->memory_bytes ? env->memory_bytes / 8 : 64 << 20;
    int rc = read_config(self, config, id, reterr);
    if (rc)
        close_tail(&self->component);
    else
        *ret = &self->component;
    return rc;
}

const struct weir_component_type weir_tail_sampling_type = {.name = "tail_sampling",
                                                            .kind = WEIR_PROCESSOR,
                                                            .takes = WEIR_TRACES,
                                                            .gives = WEIR_TRACES,
                                                            .open = open_tail,
                                                            .close = close_tail,
                                                            .tick = tick,
                                                            .stop = stop};
