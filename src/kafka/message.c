/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/message.h"

#include <stdlib.h>

#include "base/clock.h"
#include "sdk/series.h"
#include "weir/propagation.h"

struct weir_kafka_batch {
    struct weir_kafka_client *client; /* referenced */
    atomic_uint refs;                 /* its messages, and its maker */
    uint32_t count;
    struct weir_kafka_message messages[];
};

void weir_kafka_message_read(struct weir_kafka_message *message) {
    struct weir_kafka_client *client = message->client;
    if (!message->unread) return;
    const rd_kafka_message_t *raw = message->unread;
    message->unread = NULL;
    if (client->rd->message_headers(raw, &message->headers)) message->headers = NULL;
    if (message->has_spans && weir_kafka_settings_filters(client->settings))
        message->has_spans = weir_kafka_settings_passes(
            client->settings, client->rd, weir_view(raw->key, raw->key_len), message->headers);
    if (message->headers) message->context = weir_kafka_extract(NULL, message->headers);
    message->pub.context = message->context;
    if (message->context) weir_context_span_context(message->context, &message->sender);
}

/* Headers are left unread. `like` may be of the same partition; NULL: there is none. */
static void fill(struct weir_kafka_message *message, struct weir_kafka_client *client,
                 rd_kafka_message_t *raw, const struct weir_kafka_message *like) {
    const struct weir_rd *rd = client->rd;
    bool same = like && like->raw->rkt == raw->rkt && like->raw->partition == raw->partition;
    const struct weir_kafka_message *twin = same ? like : NULL;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd->message_timestamp(raw, &type);
    const char *topic = twin ? twin->pub.topic : rd->topic_name(raw->rkt);
    *message = (struct weir_kafka_message){
        .pub = {.topic = topic,
                .partition = raw->partition,
                .offset = raw->offset,
                .key = raw->key,
                .key_size = raw->key_len,
                .value = raw->payload,
                .value_size = raw->len,
                .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp_ms},
        .unread = raw,
        .client = client, /* whose reference is the caller's */
        .entry = twin ? twin->entry : weir_kafka_entry_get(client, topic, raw->partition),
        .fetched_ns = like ? like->fetched_ns : weir_clock_mono_ns(),
    };
    atomic_init(&message->refs, 1);
    message->has_spans = client->settings->spans && (!message->entry || message->entry->observed);
}

void weir_kafka_message_borrow(struct weir_kafka_message *message, struct weir_kafka_client *client,
                               rd_kafka_message_t *raw) {
    fill(message, weir_kafka_client_ref(client), raw, NULL);
    weir_kafka_message_read(message);
}

void weir_kafka_messages_count(struct weir_kafka_message *const *messages, size_t count) {
    int64_t now_ms = weir_clock_wall_coarse_ns() / WEIR_NS_PER_MS;
    struct weir_series_run run = {.series = NULL}; /* this thread's, and this call's */
    for (size_t i = 0, end; i < count; i = end) {
        struct weir_kafka_entry *entry = messages[i]->entry;
        for (end = i + 1; end < count && messages[end]->entry == entry; end++) continue;
        if (!entry || !entry->observed || !entry->client->settings->metrics) continue;
        struct weir_series *edge = weir_kafka_entry_series(entry, WEIR_KAFKA_EDGE_DURATION);
        weir_kafka_entry_add(entry, WEIR_KAFKA_CONSUMED, (int64_t)(end - i), NULL);
        for (size_t at = i; edge && at < end; at++) {
            int64_t timestamp_ms = messages[at]->pub.timestamp_ms, age_ms = now_ms - timestamp_ms;
            if (timestamp_ms < 0) continue;
            atomic_store_explicit(&entry->timestamp_ms, timestamp_ms, memory_order_relaxed);
            weir_series_record_run(&run, edge, age_ms > 0 ? (double)age_ms * 1e-3 : 0);
        }
    }
}

struct weir_kafka_message *weir_kafka_message_new(struct weir_kafka_client *client,
                                                  rd_kafka_message_t *raw) {
    struct weir_kafka_message *message = weir_kafka_message_behind(client, raw, NULL);
    if (!message) return NULL;
    weir_kafka_message_read(message);
    weir_kafka_messages_count(&message, 1);
    return message;
}

struct weir_kafka_message *weir_kafka_message_behind(struct weir_kafka_client *client,
                                                     rd_kafka_message_t *raw,
                                                     const struct weir_kafka_message *before) {
    struct weir_kafka_message *message = malloc(sizeof *message);
    if (!message) return NULL;
    fill(message, weir_kafka_client_ref(client), raw, before);
    message->raw = raw;
    return message;
}

/* ── batches ─────────────────────────────────────────────────────────────────────────────────── */

struct weir_kafka_batch *weir_kafka_batch_new(struct weir_kafka_client *client, size_t room) {
    struct weir_kafka_batch *batch = malloc(sizeof *batch + room * sizeof batch->messages[0]);
    if (!batch) return NULL;
    batch->client = weir_kafka_client_ref(client);
    batch->count = 0;
    atomic_init(&batch->refs, 1);
    return batch;
}

struct weir_kafka_message *weir_kafka_batch_add(struct weir_kafka_batch *batch,
                                                rd_kafka_message_t *raw,
                                                const struct weir_kafka_message *before) {
    struct weir_kafka_message *message = &batch->messages[batch->count++];
    fill(message, batch->client, raw, before);
    message->raw = raw;
    message->batch = batch;
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    return message;
}

void weir_kafka_batch_unref(struct weir_kafka_batch *batch) {
    if (atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) != 1) return;
    weir_kafka_client_unref(batch->client);
    free(batch);
}

/* ── ends ────────────────────────────────────────────────────────────────────────────────────── */

void weir_kafka_message_done(struct weir_kafka_message *message) {
    weir_context_unref(message->context);
    if (message->raw) message->client->rd->message_destroy(message->raw);
    if (!message->batch) weir_kafka_client_unref(message->client);
    free(message->error_type);
    free(message->error_message);
}

struct weir_kafka_message *weir_kafka_message_ref(struct weir_kafka_message *message) {
    atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
    return message;
}

void weir_kafka_message_unref(struct weir_kafka_message *message) {
    if (!message || atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) != 1) return;
    struct weir_kafka_batch *batch = message->batch;
    weir_kafka_message_done(message);
    if (batch)
        weir_kafka_batch_unref(batch);
    else
        free(message);
}

void weir_message_free(struct weir_message *message) {
    if (message) weir_kafka_message_unref(weir_kafka_message_of(message));
}

/* The struct is never made const by us; what is read late is its own. */
static struct weir_kafka_message *inside(const struct weir_message *message) {
    struct weir_kafka_message *own = (struct weir_kafka_message *)(uintptr_t)message;
    weir_kafka_message_read(own);
    return own;
}

bool weir_message_header(const struct weir_message *message, const char *name,
                         const void **ret_value, size_t *ret_size) {
    const struct weir_kafka_message *own = inside(message);
    return own->headers &&
           !own->client->rd->header_get_last(own->headers, name, ret_value, ret_size);
}

void weir_message_headers_each(const struct weir_message *message,
                               void (*visit)(void *arg, const char *name, const void *value,
                                             size_t size),
                               void *arg) {
    const struct weir_kafka_message *own = inside(message);
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0;
         own->headers && !own->client->rd->header_get_all(own->headers, i, &name, &value, &size);
         i++)
        visit(arg, name, value, size);
}
