/* SPDX-License-Identifier: Apache-2.0 */
/* on_consume: every message counts; with spans, the poll and process spans begin
 * (kafka/receive/handling.h). on_commit: span "commit".
 *
 * Without spans a message costs no lock, no clock but the coarse one, and no look at
 * its headers (librdkafka allocates for each of them).
 */
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/instrument.h"
#include "kafka/receive/handling.h"
#include "rd/conf.h"
#include "sdk/series.h"

struct weir_kafka_receives {
    struct weir_kafka_client *client; /* the instrumented one's */
    uint64_t number;                  /* its own in the process, from 1 on */
    struct weir_kafka_handling handling;
};

/* What the thread's latest message was of: the next one is mostly of the same. Values and what
 * lives as long as the client, whose number says whether it does. */
static _Thread_local struct here {
    uint64_t number;    /* of the consumer; 0: none */
    const void *object; /* librdkafka's topic object … */
    uint32_t topics;    /* … while no other can have come to its place */
    int32_t partition;
    struct weir_kafka_entry *entry;
    struct weir_series *consumed, *edge;
    struct weir_series_run run;
} here __attribute__((tls_model("initial-exec")));

/* ── a message ───────────────────────────────────────────────────────────────────────────────── */

static __attribute__((noinline)) void look_up(struct weir_kafka_receives *self,
                                              const rd_kafka_message_t *raw) {
    struct weir_kafka_client *client = self->client;
    here.number = 0;
    here.run = (struct weir_series_run){.series = NULL};
    here.entry = weir_kafka_entry_get(client, client->rd->topic_name(raw->rkt), raw->partition);
    if (!here.entry) return;
    if (here.entry->observed && client->settings->metrics) {
        here.consumed = weir_kafka_entry_series(here.entry, WEIR_KAFKA_CONSUMED);
        here.edge = weir_kafka_entry_series(here.entry, WEIR_KAFKA_EDGE_DURATION);
        if (!here.consumed || !here.edge) return;
    }
    here.object = raw->rkt;
    here.topics = atomic_load_explicit(&client->topics, memory_order_relaxed);
    here.partition = raw->partition;
    here.number = self->number;
}

static inline struct weir_kafka_entry *entry_of(struct weir_kafka_receives *self,
                                                const rd_kafka_message_t *raw) {
    if (__builtin_expect(here.number != self->number || here.object != raw->rkt ||
                             here.partition != raw->partition ||
                             here.topics !=
                                 atomic_load_explicit(&self->client->topics, memory_order_relaxed),
                         0))
        look_up(self, raw);
    return here.number ? here.entry : NULL;
}

/* A message counts once in one assignment: batch calls that were interrupted by a seek or a
 * rebalance pass messages here that the application does not get, and again when it does. */
static bool is_first_time(struct weir_kafka_entry *entry, int64_t offset) {
    uint32_t now = atomic_load_explicit(&entry->client->assignment, memory_order_relaxed);
    uint32_t then = atomic_load_explicit(&entry->assignment, memory_order_relaxed);
    int64_t next = atomic_load_explicit(&entry->next_offset, memory_order_relaxed);
    if (now == then && offset < next) return false;
    if (now != then) atomic_store_explicit(&entry->assignment, now, memory_order_relaxed);
    atomic_store_explicit(&entry->next_offset, offset + 1, memory_order_relaxed);
    return true;
}

/* Of here's entry. Timestamps are whole milliseconds, and so are the ages: those of messages that
 * come together are mostly the same. */
static inline void count(struct weir_kafka_entry *entry, const rd_kafka_message_t *raw) {
    if (!is_first_time(entry, raw->offset)) return;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = entry->client->rd->message_timestamp(raw, &type);
    weir_series_add_one(here.consumed);
    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || timestamp_ms < 0) return;
    atomic_store_explicit(&entry->timestamp_ms, timestamp_ms, memory_order_relaxed);
    int64_t age_ms = weir_clock_wall_coarse_ns() / WEIR_NS_PER_MS - timestamp_ms;
    weir_series_record_run(&here.run, here.edge, age_ms > 0 ? (double)age_ms * 1e-3 : 0);
}

static rd_kafka_resp_err_t on_consume(rd_kafka_t *rk, rd_kafka_message_t *raw, void *opaque) {
    (void)rk;
    struct weir_kafka_receives *self = opaque;
    const struct weir_kafka_settings *settings = self->client->settings;
    struct weir_kafka_entry *entry = entry_of(self, raw);
    if (!entry || !entry->observed) return RD_KAFKA_RESP_ERR_NO_ERROR;
    if (settings->metrics) count(entry, raw);
    if (settings->spans) weir_kafka_handling_polled(&self->handling, raw, entry);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ── commits ─────────────────────────────────────────────────────────────────────────────────── */

static rd_kafka_resp_err_t on_commit(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets,
                                     rd_kafka_resp_err_t err, void *opaque) {
    (void)rk;
    struct weir_kafka_receives *self = opaque;
    struct weir_span_context poll = weir_kafka_handling_poll(&self->handling);
    struct weir_kafka_commit commit = {
        .offsets = offsets, .polls = &poll, .polls_count = weir_span_context_is_valid(&poll)};
    weir_kafka_commit_end(self->client, &commit, err);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

/* Clients whose own language runs handlers on other threads than the one that polls. */
static bool nests(const struct weir_kafka_client *client, const rd_kafka_conf_t *conf) {
    static const char *const one_thread[] = {"librdkafka", "kcat", "kafkacat",
                                             "confluent-kafka-python", "php-rdkafka"};
    char name[128];
    int nesting = client->settings->nesting;
    if (nesting != WEIR_KAFKA_NESTING_AUTO) return nesting == WEIR_KAFKA_NESTING_THREAD;
    weir_rd_conf_get(client->rd, conf, "client.software.name", name, sizeof name);
    for (size_t i = 0; i < sizeof one_thread / sizeof one_thread[0]; i++)
        if (strcmp(name, one_thread[i]) == 0) return true;
    return false;
}

void weir_kafka_receives_attach(struct weir_kafka_instrumented *self, rd_kafka_t *rk,
                                const rd_kafka_conf_t *conf) {
    static _Atomic uint64_t last_number;
    const struct weir_rd *rd = self->rd;
    struct weir_kafka_receives *receives = calloc(1, sizeof *receives);
    if (!receives) return;
    rd_kafka_resp_err_t err =
        rd->interceptor_add_on_consume(rk, WEIR_KAFKA_INTERCEPTOR, on_consume, receives);
    if (err) { /* a share consumer: no consume interceptor ever runs */
        weir_kafka_entry_add(weir_kafka_entry_get(self->client, "", -1),
                             WEIR_KAFKA_CONSUMERS_UNOBSERVED, 1, NULL);
        free(receives);
        return;
    }
    receives->client = self->client;
    receives->number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
    weir_kafka_handling_init(&receives->handling, self->client, nests(self->client, conf));
    self->receives = receives;
    rd->interceptor_add_on_commit(rk, WEIR_KAFKA_INTERCEPTOR, on_commit, receives);
}

void weir_kafka_receives_close(struct weir_kafka_receives *receives) {
    if (receives) weir_kafka_handling_end(&receives->handling, WEIR_KAFKA_ENDED_CLOSE);
}

struct weir_span_context weir_kafka_receives_supersede(struct weir_kafka_receives *receives,
                                                       const rd_kafka_message_t *message) {
    return weir_kafka_handling_supersede(&receives->handling, message);
}

void weir_kafka_receives_destroyed(struct weir_kafka_receives *receives,
                                   const rd_kafka_message_t *message) {
    weir_kafka_handling_destroyed(&receives->handling, message);
}

void weir_kafka_receives_idle(struct weir_kafka_receives *receives) {
    if (receives) weir_kafka_handling_idle(&receives->handling);
}

void weir_kafka_receives_free(struct weir_kafka_receives *receives) {
    if (!receives) return;
    weir_kafka_receives_close(receives);
    weir_kafka_handling_done(&receives->handling);
    free(receives);
}
