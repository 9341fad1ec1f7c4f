/* SPDX-License-Identifier: Apache-2.0 */
/* on_send: the sampler's draw, and for what it falls on a record under the message's address and a
 * header. on_acknowledgement: counts; the record's send ends.
 *
 *     librdkafka's habits that this rests on (2.0.2 to 2.15):
 *     - The address of on_send comes back in on_acknowledgement, on a broker's thread; or within
 *       produce(), when that fails.
 *     - produce_batch() that fails for one message acknowledges the application's own struct, of
 *       which only public fields may be read, or (partition in the message, not there) nothing.
 *     - Acknowledgements may come after on_destroy, or never: the end is on_conf_destroy.
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "kafka/instrument.h"
#include "kafka/send/flight.h"
#include "kafka/send/send.h"
#include "rd/conf.h"
#include "sdk/context.h"
#include "sdk/sdk.h"
#include "sdk/series.h"

enum {
    EXPIRED_AT_ONCE = 256,
    EXPIRE_EVERY_S = 30,
    EXPIRE_GRACE_S = 60, /* after message.timeout.ms */
    CHECK_EVERY = 64,    /* acknowledgements of a partition: is the timestamp the send's time? */
    CHECK_MS = 20,       /* it is when the two differ by less */
};

struct weir_kafka_sends {
    struct weir_kafka_sender sender;  /* first: what the hooks read */
    _Atomic(const void *) topic_seen; /* librdkafka's object of the topic that was sent to last */
    int64_t coarse_lag_ns; /* how far the coarse clock is behind on average, less half a ms */
    uint64_t plausible_ns; /* below: slow_ns, moved by CHECK_MS */
    bool measures;
    int64_t expire_ns; /* 0: never */
    struct weir_kafka_flight flight;
    int64_t settled_ns, expired_ns; /* the exporter's: when it last did so */
};

/* What this thread sent last: whoever is acknowledged on the same thread has failed in the call. */
static _Thread_local struct {
    const struct weir_kafka_sends *sends;
    const void *message;
    const rd_kafka_topic_t *rkt;
    uint16_t injected;
} last __attribute__((tls_model("initial-exec")));

/* What this thread, a broker's, was acknowledged last: mostly the next is of the same partition. A
 * broker's thread and librdkafka's topics live as long as the handle. */
static _Thread_local struct {
    const rd_kafka_topic_t *rkt;
    int32_t partition;
    struct weir_kafka_topic *topic;
    struct weir_kafka_part *part;
    bool is_plain; /* it is measured, and timestamps tell the time; false: look again */
    struct weir_series_run run; /* a batch has few different durations, in whole ticks */
} acked __attribute__((tls_model("initial-exec")));

/* ── on_send ─────────────────────────────────────────────────────────────────────────────────── */

static struct weir_kafka_topic *topic_of(struct weir_kafka_sends *self,
                                         const rd_kafka_message_t *raw) {
    return weir_kafka_topic_get(self->sender.topics, raw->rkt,
                                self->sender.rd->topic_name(raw->rkt));
}

static void keep(struct weir_kafka_sends *self, const rd_kafka_message_t *raw,
                 struct weir_kafka_record *record) {
    struct weir_kafka_record *stale;
    bool kept = weir_kafka_flight_put(&self->flight, raw, record, &stale);
    if (stale) { /* its message is gone, without a word */
        weir_kafka_skip(WEIR_KAFKA_SKIP_ABANDONED);
        weir_kafka_sending_abandon(&self->sender, stale);
    }
    if (kept) return;
    weir_kafka_skip(WEIR_KAFKA_SKIP_UNTRACKED);
    weir_kafka_sending_abandon(&self->sender, record);
}

/* All but the usual case. `draw`: the sampler's, if it was made, and fell on sampling. */
static __attribute__((noinline)) rd_kafka_resp_err_t trace(struct weir_kafka_sends *self,
                                                           rd_kafka_message_t *raw, uint64_t draw,
                                                           bool is_drawn) {
    const struct weir_kafka_settings *settings = self->sender.settings;
    const struct weir_rd *rd = self->sender.rd;
    bool only_counts = !settings->spans && settings->propagate == WEIR_KAFKA_PROPAGATE_OFF;
    if (only_counts && raw->rkt == atomic_load_explicit(&self->topic_seen, memory_order_relaxed))
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    const struct weir_kafka_topic *topic = topic_of(self, raw);
    atomic_store_explicit(&self->topic_seen, raw->rkt, memory_order_relaxed);
    if (only_counts) return RD_KAFKA_RESP_ERR_NO_ERROR;
    struct weir_kafka_outgoing message = {.ctx = weir_context_current(),
                                          .key = weir_view(raw->key, raw->key_len),
                                          .value_size = raw->len,
                                          .is_tombstone = raw->key && !raw->payload,
                                          .raw = raw};
    /* The application's own list is changed in place: replacing it would free it under its feet. */
    if (rd->message_headers(raw, &message.headers)) message.headers = NULL;
    struct weir_kafka_record *record =
        is_drawn ? weir_kafka_sending_drawn(&self->sender, topic, &message, draw)
                 : weir_kafka_sending_begin(&self->sender, topic, &message);
    last.injected = message.headers ? message.injected : 0; /* new ones go with the message */
    if (record) keep(self, raw, record);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_send(rd_kafka_t *rk, rd_kafka_message_t *raw, void *opaque) {
    (void)rk;
    struct weir_kafka_sends *self = opaque;
    struct weir_lane *lane = weir_lane_own;
    last.sends = self;
    last.message = raw;
    last.rkt = raw->rkt;
    last.injected = 0;
    unsigned bits = weir_sdk_bits(), on = WEIR_SDK_RECORDS_SPANS | WEIR_SDK_RUNS;
    if (__builtin_expect(!self->sender.plain || weir_context_top || !lane ||
                             (bits & (on | WEIR_SDK_FORKED)) != on ||
                             raw->rkt !=
                                 atomic_load_explicit(&self->topic_seen, memory_order_relaxed),
                         0))
        return trace(self, raw, 0, false);
    uint64_t draw = weir_rand_next(&lane->rand);
    if (__builtin_expect(draw >> 1 < weir_sdk_config()->sampler.threshold, 0))
        return trace(self, raw, draw, true);
    weir_lane_count(&lane->spans_unsampled);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ── on_acknowledgement ──────────────────────────────────────────────────────────────────────── */

static inline int64_t coarse_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME_COARSE, &ts);
    return ts.tv_sec * WEIR_NS_PER_S + ts.tv_nsec;
}

static int64_t latency_ns(const struct weir_kafka_sends *self, const rd_kafka_message_t *raw) {
    int64_t us = self->sender.rd->message_latency(raw);
    return us > 0 ? us * WEIR_NS_PER_US : 0;
}

static bool is_off(int64_t true_ns, int64_t told_ns) {
    int64_t off_ns = true_ns - told_ns;
    return off_ns > CHECK_MS * WEIR_NS_PER_MS || off_ns < -CHECK_MS * WEIR_NS_PER_MS;
}

/* Notes when the timestamp does not tell the latency: not just because this thread had to wait for
 * the processor between two looks at the clock. */
static __attribute__((noinline)) void check(const struct weir_kafka_sends *self,
                                            const rd_kafka_message_t *raw,
                                            struct weir_kafka_topic *topic, int64_t sent_ns,
                                            int64_t before_ns) {
    int64_t true_ns = latency_ns(self, raw), after_ns = coarse_ns() + self->coarse_lag_ns;
    if (is_off(true_ns, before_ns - sent_ns) && is_off(true_ns, after_ns - sent_ns))
        atomic_store_explicit(&topic->exact, true, memory_order_relaxed);
}

static void count(struct weir_kafka_sends *self, struct weir_kafka_topic *topic, int32_t partition,
                  int err, int64_t ns, const struct weir_span_context *exemplar) {
    if (self->measures && topic->observed)
        weir_kafka_topic_count(self->sender.topics, topic, partition, err, ns, exemplar);
}

/* produce() is about to fail, and the headers are the application's again: as they were. */
static void undo(const struct weir_kafka_sends *self, const rd_kafka_message_t *raw) {
    rd_kafka_headers_t *headers;
    if (last.injected && !self->sender.rd->message_headers(raw, &headers))
        weir_kafka_sending_undo(&self->sender, headers, last.injected);
    last.injected = 0;
}

static void end(struct weir_kafka_sends *self, struct weir_kafka_topic *topic,
                struct weir_kafka_record *record, int err, int32_t partition, int64_t offset) {
    struct weir_span_context context;
    int64_t ns = weir_kafka_sending_end(&self->sender, record, err, partition, offset, &context);
    count(self, topic, partition, err, ns, &context);
}

/* The send of this thread that has just failed, told with an address that is not its own. */
static void fail_last(struct weir_kafka_sends *self, int err) {
    struct weir_kafka_record *record = weir_kafka_flight_take(&self->flight, last.message);
    struct weir_kafka_topic *topic =
        weir_kafka_topic_get(self->sender.topics, last.rkt, self->sender.rd->topic_name(last.rkt));
    if (!record)
        record = weir_kafka_sending_late(&self->sender, topic, weir_view(NULL, 0), false, NULL, 0);
    last.message = NULL;
    if (record)
        end(self, topic, record, err, -1, -1);
    else
        count(self, topic, -1, err, 0, NULL);
}

/* Not sampled: it is kept when it failed, or was slow. */
static void end_unsampled(struct weir_kafka_sends *self, const rd_kafka_message_t *raw,
                          struct weir_kafka_topic *topic, int64_t ns) {
    struct weir_kafka_record *record = NULL;
    if (raw->err || ns >= self->sender.slow_ns) {
        rd_kafka_headers_t *headers;
        if (self->sender.rd->message_headers(raw, &headers)) headers = NULL;
        record = weir_kafka_sending_late(&self->sender, topic, weir_view(raw->key, raw->key_len),
                                         raw->key && !raw->payload, headers, ns);
    }
    int64_t offset = raw->err ? -1 : raw->offset;
    if (record)
        end(self, topic, record, raw->err, raw->partition, offset);
    else
        count(self, topic, raw->partition, raw->err, ns, NULL);
}

static bool is_purge(rd_kafka_resp_err_t err) {
    return err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

static __attribute__((noinline)) void failed(struct weir_kafka_sends *self,
                                             const rd_kafka_message_t *raw) {
    struct weir_kafka_record *record = weir_kafka_flight_take(&self->flight, raw);
    /* Of what the application's own thread is told only a purge is about another message than the
     * one that it is sending. */
    bool in_call = last.sends == self && last.message && !is_purge(raw->err);
    if (in_call && last.message != raw && !record) {
        fail_last(self, raw->err);
        return;
    }
    struct weir_kafka_topic *topic =
        weir_kafka_topic_find(self->sender.topics, raw->rkt, self->sender.rd->topic_name(raw->rkt));
    if (!topic) topic = weir_kafka_topic_other(self->sender.topics);
    if (record)
        end(self, topic, record, raw->err, raw->partition, -1);
    else
        end_unsampled(self, raw, topic, latency_ns(self, raw));
    if (in_call && last.message == raw) undo(self, raw);
}

static void find_part(const struct weir_kafka_sends *self, const rd_kafka_message_t *raw) {
    if (!acked.rkt) weir_lane_get(); /* the one time that this thread allocates: now, not later */
    struct weir_kafka_topic *topic =
        weir_kafka_topic_find(self->sender.topics, raw->rkt, self->sender.rd->topic_name(raw->rkt));
    acked.topic = topic ? topic : weir_kafka_topic_other(self->sender.topics);
    acked.part = weir_kafka_part_find(acked.topic, raw->partition);
    acked.rkt = raw->rkt;
    acked.partition = raw->partition;
    acked.is_plain = acked.part && acked.topic->observed && self->measures &&
                     !atomic_load_explicit(&acked.topic->exact, memory_order_relaxed);
}

/* All but the usual case: failed, sampled, slow, the first of its partition, or another partition
 * than the one before. */
static __attribute__((noinline)) rd_kafka_resp_err_t acknowledge(struct weir_kafka_sends *self,
                                                                 const rd_kafka_message_t *raw) {
    if (raw->err) {
        failed(self, raw);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (acked.rkt != raw->rkt || acked.partition != raw->partition || !acked.is_plain)
        find_part(self, raw);
    struct weir_kafka_record *record = weir_kafka_flight_take(&self->flight, raw);
    if (record) {
        end(self, acked.topic, record, 0, raw->partition, raw->offset);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    int64_t ns = latency_ns(self, raw);
    if (ns >= self->sender.slow_ns)
        end_unsampled(self, raw, acked.topic, ns);
    else
        count(self, acked.topic, raw->partition, 0, ns, NULL);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The usual case is complete here. The duration is from the timestamp that librdkafka gave the
 * message when it was sent, in ms, to the coarse clock: right on average, a fifth of the price. */
static rd_kafka_resp_err_t on_acknowledgement(rd_kafka_t *rk, rd_kafka_message_t *raw,
                                              void *opaque) {
    (void)rk;
    struct weir_kafka_sends *self = opaque;
    struct weir_kafka_part *part = acked.part;
    rd_kafka_timestamp_type_t type;
    if (__builtin_expect(raw->err || acked.rkt != raw->rkt || acked.partition != raw->partition ||
                             !acked.is_plain || weir_kafka_flight_may_take(&self->flight, raw),
                         0))
        return acknowledge(self, raw);
    int64_t sent_ns = self->sender.rd->message_timestamp(raw, &type) * WEIR_NS_PER_MS;
    int64_t now_ns = coarse_ns() + self->coarse_lag_ns, ns = now_ns - sent_ns;
    uint32_t acks = atomic_load_explicit(&part->acks, memory_order_relaxed);
    atomic_store_explicit(&part->acks, acks + 1, memory_order_relaxed);
    if (__builtin_expect(acks % CHECK_EVERY == 0 || type != RD_KAFKA_TIMESTAMP_CREATE_TIME ||
                             (uint64_t)(ns + CHECK_MS * WEIR_NS_PER_MS) >= self->plausible_ns,
                         0)) {
        check(self, raw, acked.topic, sent_ns, now_ns);
        return acknowledge(self, raw);
    }
    weir_series_add_one(part->sent);
    weir_series_record_run(&acked.run, part->duration, (double)(ns > 0 ? ns : 0) * 1e-9);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

/* The exporter's tick, which may come often. */
static void look_after(struct weir_kafka_sender *sender) {
    struct weir_kafka_sends *self = (void *)sender;
    struct weir_kafka_record *old[EXPIRED_AT_ONCE];
    uint64_t cursor = 0;
    size_t found;
    int64_t now_ns = coarse_ns();
    if (now_ns - self->settled_ns > WEIR_NS_PER_S || now_ns < self->settled_ns) {
        self->settled_ns = now_ns;
        weir_kafka_flight_settle(&self->flight);
    }
    if (!self->expire_ns || now_ns - self->expired_ns < EXPIRE_EVERY_S * WEIR_NS_PER_S) return;
    self->expired_ns = now_ns;
    do {
        found = weir_kafka_flight_expire(&self->flight, now_ns - self->expire_ns, &cursor, old,
                                         EXPIRED_AT_ONCE);
        for (size_t i = 0; i < found; i++) {
            weir_kafka_skip(WEIR_KAFKA_SKIP_ABANDONED);
            weir_kafka_sending_abandon(sender, old[i]);
        }
    } while (found == EXPIRED_AT_ONCE);
}

static int64_t expire_ns(const struct weir_rd *rd, const rd_kafka_conf_t *conf) {
    char text[24];
    uint64_t ms = 0;
    weir_rd_conf_get(rd, conf, "message.timeout.ms", text, sizeof text);
    if (!weir_view_to_u64(weir_view_str(text), &ms)) ms = 300000;
    return ms ? (int64_t)ms * WEIR_NS_PER_MS + EXPIRE_GRACE_S * WEIR_NS_PER_S : 0;
}

static int64_t coarse_lag_ns(void) {
    struct timespec step = {0, 0};
    clock_getres(CLOCK_REALTIME_COARSE, &step);
    return (step.tv_sec * WEIR_NS_PER_S + step.tv_nsec) / 2 - WEIR_NS_PER_MS / 2;
}

static struct weir_kafka_sends *sends_new(const struct weir_kafka_instrumented *self,
                                          const rd_kafka_conf_t *conf) {
    struct weir_kafka_sends *sends = calloc(1, sizeof *sends);
    if (!sends) return NULL;
    sends->coarse_lag_ns = coarse_lag_ns();
    sends->measures = self->client->settings->metrics;
    sends->expire_ns = expire_ns(self->rd, conf);
    sends->expired_ns = coarse_ns();
    sends->sender.tick = look_after;
    if (weir_kafka_flight_init(&sends->flight)) {
        if (weir_kafka_sender_init(&sends->sender, self->client, conf)) {
            sends->plausible_ns = (uint64_t)sends->sender.slow_ns + CHECK_MS * WEIR_NS_PER_MS;
            return sends;
        }
        weir_kafka_flight_done(&sends->flight);
    }
    free(sends);
    return NULL;
}

void weir_kafka_sends_attach(struct weir_kafka_instrumented *self, rd_kafka_t *rk) {
    struct weir_kafka_sends *sends = sends_new(self, self->rd->conf(rk));
    if (!sends) return;
    self->sends = sends;
    self->rd->interceptor_add_on_send(rk, WEIR_KAFKA_INTERCEPTOR, on_send, sends);
    self->rd->interceptor_add_on_acknowledgement(rk, WEIR_KAFKA_INTERCEPTOR, on_acknowledgement,
                                                 sends);
}

void weir_kafka_sends_free(struct weir_kafka_sends *sends) {
    struct weir_kafka_record *open[EXPIRED_AT_ONCE];
    struct weir_span_context context;
    uint64_t cursor = 0;
    size_t found;
    if (!sends) return;
    do {
        found = weir_kafka_flight_expire(&sends->flight, INT64_MAX, &cursor, open, EXPIRED_AT_ONCE);
        for (size_t i = 0; i < found; i++)
            weir_kafka_sending_end(&sends->sender, open[i], WEIR_KAFKA_ERR_DESTROYED, -1, -1,
                                   &context);
    } while (found == EXPIRED_AT_ONCE);
    weir_kafka_sender_done(&sends->sender);
    weir_kafka_flight_done(&sends->flight);
    free(sends);
}
