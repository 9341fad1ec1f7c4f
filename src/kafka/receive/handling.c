/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/receive/handling.h"

#include <stdlib.h>

#include "base/clock.h"
#include "kafka/receive/origin.h"
#include "sdk/lane.h"
#include "sdk/metric.h"
#include "sdk/sdk.h"
#include "weir/propagation.h"

void weir_kafka_handling_init(struct weir_kafka_handling *self, struct weir_kafka_client *client,
                              bool nests) {
    *self = (struct weir_kafka_handling){.client = client, .nests = nests};
    pthread_mutex_init(&self->mutex, NULL);
}

void weir_kafka_handling_done(struct weir_kafka_handling *self) {
    pthread_mutex_destroy(&self->mutex);
    free(self->others);
}

/* ── ends ────────────────────────────────────────────────────────────────────────────────────── */

static void record_durations(struct weir_kafka_handled *it, int64_t now_ns,
                             const struct weir_span_context *exemplar) {
    if (!it->entry || !it->entry->client->settings->metrics) return;
    int64_t ns = now_ns - it->start_ns;
    struct weir_series *series = weir_kafka_entry_series(it->entry, WEIR_KAFKA_PROCESS_DURATION);
    weir_series_record_with(series, (double)(ns > 0 ? ns : 0) / 1e9, exemplar);
    if (it->origin_ms < 0) return;
    ns = now_ns - it->origin_ms * WEIR_NS_PER_MS;
    series = weir_kafka_entry_series(it->entry, WEIR_KAFKA_ORIGIN_DURATION);
    weir_series_record_with(series, (double)(ns > 0 ? ns : 0) / 1e9, exemplar);
}

/* What was not seen is not measured: only an end that was seen gives a duration. */
static void end_handled(struct weir_kafka_handled *it, enum weir_kafka_ended how, int64_t now_ns) {
    if (!it->message) return;
    if (how == WEIR_KAFKA_SUPERSEDED) {
        weir_span_cancel(it->span);
    } else {
        struct weir_span_context sc = weir_span_context_get(it->span);
        if (how == WEIR_KAFKA_ENDED) record_durations(it, now_ns, it->span ? &sc : NULL);
        if (how == WEIR_KAFKA_ENDED_IDLE)
            weir_span_set(it->span, WEIR_STR("weir.process.end", "idle"));
        if (how == WEIR_KAFKA_ENDED_CLOSE)
            weir_span_set(it->span, WEIR_STR("weir.process.end", "close"));
        weir_span_end_at(it->span, now_ns);
    }
    weir_kafka_nesting_end(it->nesting);
    *it = (struct weir_kafka_handled){0};
}

static void end_poll(struct weir_kafka_handling *self) {
    if (self->count > 1 && self->poll)
        weir_span_set(self->poll, WEIR_INT("messaging.batch.message_count", self->count));
    weir_span_end_at(self->poll, self->left_ns);
    self->poll = NULL;
    self->count = 0;
}

static int64_t wall_ns(struct weir_lane *lane) {
    return lane ? weir_now_ns(&lane->now) : weir_clock_wall_ns();
}

void weir_kafka_handling_end(struct weir_kafka_handling *self, enum weir_kafka_ended how) {
    int64_t now_ns = weir_clock_wall_ns();
    pthread_mutex_lock(&self->mutex);
    end_poll(self);
    end_handled(&self->latest, how, now_ns);
    for (uint32_t i = 0; self->others && i < WEIR_KAFKA_HANDLED_MAX; i++)
        end_handled(&self->others[i], how, now_ns);
    pthread_mutex_unlock(&self->mutex);
}

void weir_kafka_handling_idle(struct weir_kafka_handling *self) {
    if (self->client->settings->process_end == WEIR_KAFKA_PROCESS_END_DESTROY) return;
    int64_t now_ns = weir_clock_wall_ns();
    pthread_mutex_lock(&self->mutex);
    if (self->lane == weir_lane_get()) {
        end_poll(self);
        end_handled(&self->latest, WEIR_KAFKA_ENDED_IDLE, now_ns);
    }
    pthread_mutex_unlock(&self->mutex);
}

/* ── by message ──────────────────────────────────────────────────────────────────────────────── */

static struct weir_kafka_handled *other(struct weir_kafka_handling *self, const void *message) {
    uint64_t at = ((uintptr_t)message >> 6) * 0x9e3779b97f4a7c15u >> 32;
    return self->others ? &self->others[at % WEIR_KAFKA_HANDLED_MAX] : NULL;
}

/* What comes to the same place is lost: there is no end for it to be seen. */
static void set_aside(struct weir_kafka_handling *self) {
    if (!self->latest.message) return;
    if (!self->others) self->others = calloc(WEIR_KAFKA_HANDLED_MAX, sizeof *self->others);
    struct weir_kafka_handled *to = other(self, self->latest.message);
    weir_kafka_nesting_end(self->latest.nesting);
    self->latest.nesting.slot = NULL;
    if (to) end_handled(to, WEIR_KAFKA_SUPERSEDED, 0);
    if (to)
        *to = self->latest;
    else
        weir_span_cancel(self->latest.span);
    self->latest = (struct weir_kafka_handled){0};
}

static struct weir_kafka_handled *find(struct weir_kafka_handling *self, const void *message) {
    if (self->latest.message == message) return &self->latest;
    struct weir_kafka_handled *it = other(self, message);
    return it && it->message == message ? it : NULL;
}

void weir_kafka_handling_destroyed(struct weir_kafka_handling *self, const void *message) {
    int end = self->client->settings->process_end;
    if (!message || (end != WEIR_KAFKA_PROCESS_END_AUTO && end != WEIR_KAFKA_PROCESS_END_DESTROY))
        return;
    pthread_mutex_lock(&self->mutex);
    struct weir_kafka_handled *it = find(self, message);
    if (it && (it != &self->latest || self->count <= 1))
        end_handled(it, WEIR_KAFKA_ENDED, weir_clock_wall_ns());
    pthread_mutex_unlock(&self->mutex);
}

struct weir_span_context weir_kafka_handling_supersede(struct weir_kafka_handling *self,
                                                       const void *message) {
    pthread_mutex_lock(&self->mutex);
    struct weir_kafka_handled *it = find(self, message);
    if (!it && self->count > 1) it = &self->latest; /* of a batch */
    if (it) end_handled(it, WEIR_KAFKA_SUPERSEDED, 0);
    struct weir_span_context poll = self->polled;
    pthread_mutex_unlock(&self->mutex);
    return poll;
}

struct weir_span_context weir_kafka_handling_poll(struct weir_kafka_handling *self) {
    pthread_mutex_lock(&self->mutex);
    struct weir_span_context poll = self->polled;
    pthread_mutex_unlock(&self->mutex);
    return poll;
}

/* ── a message comes ─────────────────────────────────────────────────────────────────────────── */

/* The sender's identity, borrowing its tracestate from the headers. */
static void read_sender(struct weir_kafka_message *message) {
    const struct weir_config *config = weir_sdk_config();
    const struct weir_rd *rd = message->client->rd;
    const void *value;
    size_t size;
    if (!message->headers || !config || !(config->propagators & WEIR_PROPAGATOR_TRACECONTEXT) ||
        rd->header_get_last(message->headers, "traceparent", &value, &size) || !value)
        return;
    if (!weir_traceparent_parse(value, size, &message->sender)) {
        weir_sdk_count(&weir_sdk_counters.headers_malformed, 1);
        return;
    }
    if (rd->header_get_last(message->headers, "tracestate", &value, &size) || !value || !size ||
        size > UINT16_MAX)
        return;
    message->sender.trace_state = value;
    message->sender.trace_state_size = (uint16_t)size;
}

static void read_message(struct weir_kafka_message *message, struct weir_kafka_handling *self,
                         const rd_kafka_message_t *raw, struct weir_kafka_entry *entry) {
    struct weir_kafka_client *client = self->client;
    *message = (struct weir_kafka_message){.pub = {.topic = entry->topic,
                                                   .partition = raw->partition,
                                                   .offset = raw->offset,
                                                   .key = raw->key,
                                                   .key_size = raw->key_len,
                                                   .value = raw->payload,
                                                   .value_size = raw->len},
                                           .client = client,
                                           .entry = entry};
    if (client->rd->message_headers(raw, &message->headers)) message->headers = NULL;
    message->has_spans =
        !weir_kafka_settings_filters(client->settings) ||
        weir_kafka_settings_passes(client->settings, client->rd, weir_view(raw->key, raw->key_len),
                                   message->headers);
    read_sender(message);
}

static struct weir_span_context identity(const struct weir_span *span) {
    struct weir_span_context sc = weir_span_context_get(span);
    sc.trace_state = NULL;
    sc.trace_state_size = 0;
    return sc;
}

/* Whether the message's trace is recorded here; one without a context decides for itself later. */
static bool is_recorded(const struct weir_kafka_message *message) {
    const struct weir_config *config = weir_sdk_config();
    return !weir_span_context_is_valid(&message->sender) ||
           (config &&
            weir_sampler_decide(&config->sampler, &message->sender, message->sender.trace_id));
}

static void open_poll(struct weir_kafka_handling *self, const struct weir_kafka_message *message,
                      int64_t start_ns) {
    bool has_sender = weir_span_context_is_valid(&message->sender);
    self->polled = message->sender; /* the decision, for commits; no other use is made of it */
    self->polled.flags &= (uint8_t)~WEIR_FLAG_SAMPLED;
    self->polled.trace_state = NULL;
    self->polled.trace_state_size = 0;
    if (!is_recorded(message)) return;
    self->poll = weir_kafka_poll_start(self->client, start_ns, message->pub.topic,
                                       has_sender ? &message->sender : NULL);
    self->polled = identity(self->poll);
    if (weir_span_is_recording(self->poll)) {
        weir_span_set(self->poll, WEIR_STR("weir.poll.start", "unknown"));
        return;
    }
    weir_span_end(self->poll);
    self->poll = NULL;
}

/* Gives what becomes current on this thread. */
static void nest(struct weir_kafka_handling *self, const struct weir_kafka_message *message) {
    struct weir_span_context sc = weir_span_context_get(self->latest.span);
    if (!self->nests) return;
    if (!self->latest.span) sc = message->sender; /* its decision, not to record, goes on */
    if (!weir_span_context_is_valid(&sc)) return;
    sc.trace_state = message->sender.trace_state;
    sc.trace_state_size = message->sender.trace_state_size;
    self->latest.nesting = weir_kafka_nesting_begin(&sc);
}

/* The message's own process span, or a batch's that begins with it. */
static void open_process(struct weir_kafka_handling *self, struct weir_kafka_message *message,
                         const void *raw, bool is_batch, int64_t start_ns) {
    int end = self->client->settings->process_end;
    if (end == WEIR_KAFKA_PROCESS_END_EXPLICIT || end == WEIR_KAFKA_PROCESS_END_OFF) return;
    message->poll = self->polled;
    self->latest = (struct weir_kafka_handled){
        .message = raw,
        .entry = message->entry,
        .start_ns = start_ns,
        .origin_ms = weir_kafka_origin_of(self->client->settings, &message->sender)};
    if (is_recorded(message) || self->poll)
        self->latest.span = weir_kafka_process_start(message, is_batch, start_ns);
    if (!weir_span_is_recording(self->latest.span)) {
        weir_span_end(self->latest.span);
        self->latest.span = NULL;
    }
    nest(self, message);
}

static void begin(struct weir_kafka_handling *self, struct weir_kafka_message *message,
                  const void *raw, int64_t now_ns) {
    bool has_sender = weir_span_context_is_valid(&message->sender);
    self->count = 1;
    self->first = message->sender;
    self->first.trace_state = NULL;
    self->first.trace_state_size = 0;
    open_poll(self, message, now_ns);
    if (self->poll) {
        weir_kafka_poll_place(self->client, self->poll, message);
        if (has_sender) weir_kafka_poll_link(self->client, self->poll, message, true);
    }
    open_process(self, message, raw, false, now_ns);
}

/* One more of the batch: from the second on the batch is processed as a whole. */
static void join(struct weir_kafka_handling *self, struct weir_kafka_message *message,
                 const void *raw) {
    int64_t start_ns = self->latest.message ? self->latest.start_ns : self->left_ns;
    bool is_sampled = weir_span_context_is_sampled(&message->sender);
    const void *first = self->latest.message ? self->latest.message : raw;
    if (!self->poll && is_sampled) open_poll(self, message, start_ns);
    if (self->poll) weir_kafka_poll_link(self->client, self->poll, message, true);
    if (++self->count == 2 || (!self->latest.span && self->poll)) {
        end_handled(&self->latest, WEIR_KAFKA_SUPERSEDED, 0);
        struct weir_kafka_message head = *message;
        head.sender = self->first;
        open_process(self, &head, first, true, start_ns);
    }
    if (self->latest.span && weir_span_context_is_valid(&message->sender))
        weir_span_add_link(self->latest.span, &(struct weir_link){.span_context = message->sender});
}

/* Of the batch of the one before: right behind it, with no span of this thread in between. */
static bool joins(const struct weir_kafka_handling *self, const struct weir_lane *lane,
                  const struct weir_kafka_entry *entry, uint64_t started, int64_t now_ns) {
    return self->count && self->count < WEIR_KAFKA_LINKS_MAX && self->lane == lane &&
           self->started == started && now_ns - self->left_ns < WEIR_KAFKA_JOIN_NS &&
           strcmp(self->entry->topic, entry->topic) == 0 &&
           self->client->settings->process_end != WEIR_KAFKA_PROCESS_END_DESTROY;
}

static uint64_t started_by(const struct weir_lane *lane) {
    return atomic_load_explicit(&lane->spans_started, memory_order_relaxed) +
           atomic_load_explicit(&lane->spans_unsampled, memory_order_relaxed);
}

void weir_kafka_handling_polled(struct weir_kafka_handling *self, const rd_kafka_message_t *raw,
                                struct weir_kafka_entry *entry) {
    struct weir_lane *lane = weir_lane_get();
    if (!lane) return;
    struct weir_kafka_message message;
    int64_t now_ns = wall_ns(lane);
    read_message(&message, self, raw, entry);
    pthread_mutex_lock(&self->mutex);
    bool is_same = message.has_spans && joins(self, lane, entry, started_by(lane), now_ns);
    if (!is_same) {
        end_poll(self);
        if (self->client->settings->process_end == WEIR_KAFKA_PROCESS_END_DESTROY)
            set_aside(self);
        else
            end_handled(&self->latest, WEIR_KAFKA_ENDED, now_ns);
    }
    if (is_same)
        join(self, &message, raw);
    else if (message.has_spans)
        begin(self, &message, raw, now_ns);
    self->entry = entry;
    self->lane = lane;
    self->started = started_by(lane);
    self->left_ns = wall_ns(lane);
    pthread_mutex_unlock(&self->mutex);
}
