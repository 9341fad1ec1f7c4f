/* SPDX-License-Identifier: Apache-2.0 */
/* on_send: headers get the context; the send waits in a table under the message's address.
 * on_acknowledgement: the send ends. librdkafka gives the same address, with few exceptions, which
 * the table survives: an address that comes again replaces the old send; a send that never ends is
 * dropped when its shard is full.
 */
#include <stdlib.h>

#include "kafka/instrument.h"

#define SHARDS          64u
#define SHARD_SENDS_MAX 32768u /* 2 M messages in flight; beyond, their spans are not recorded */

struct open_send {
    const void *message;
    struct weir_kafka_send send;
    pthread_t thread; /* that called produce(): an end on it is a failure inside the call */
    bool injected;
};

struct shard {
    pthread_mutex_t mutex; /* guards the rest */
    struct open_send *sends;
    uint32_t count, room;
};

struct weir_kafka_sends {
    struct weir_kafka_client *client; /* the instrumented one's */
    const struct weir_rd *rd;
    struct shard shards[SHARDS];
};

/* ── sends in flight ─────────────────────────────────────────────────────────────────────────── */

static struct shard *shard_of(struct weir_kafka_sends *self, const void *message) {
    return &self->shards[((uintptr_t)message >> 6) * 0x9e3779b97f4a7c15u >> 58];
}

static void keep(struct weir_kafka_sends *self, const struct open_send *send) {
    struct shard *shard = shard_of(self, send->message);
    struct weir_span *lost = NULL;
    pthread_mutex_lock(&shard->mutex);
    uint32_t i = 0;
    while (i < shard->count && shard->sends[i].message != send->message) i++;
    if (i == shard->count && i == shard->room && shard->room < SHARD_SENDS_MAX) {
        uint32_t room = shard->room ? 2 * shard->room : 16;
        struct open_send *sends = realloc(shard->sends, room * sizeof *sends);
        if (sends) {
            shard->sends = sends;
            shard->room = room;
        }
    }
    if (i < shard->count)
        lost = shard->sends[i].send.span; /* never acknowledged; its address came again */
    else if (i < shard->room)
        shard->count++;
    if (i < shard->room)
        shard->sends[i] = *send;
    else
        lost = send->send.span;
    pthread_mutex_unlock(&shard->mutex);
    weir_span_cancel(lost);
}

static bool take(struct weir_kafka_sends *self, const void *message, struct open_send *ret) {
    struct shard *shard = shard_of(self, message);
    pthread_mutex_lock(&shard->mutex);
    uint32_t i = 0;
    while (i < shard->count && shard->sends[i].message != message) i++;
    bool found = i < shard->count;
    if (found) {
        *ret = shard->sends[i];
        shard->sends[i] = shard->sends[--shard->count];
    }
    pthread_mutex_unlock(&shard->mutex);
    return found;
}

/* ── interceptors ────────────────────────────────────────────────────────────────────────────── */

static rd_kafka_resp_err_t on_send(rd_kafka_t *rk, rd_kafka_message_t *raw, void *opaque) {
    (void)rk;
    struct weir_kafka_sends *self = opaque;
    const struct weir_rd *rd = self->rd;
    rd_kafka_headers_t *headers = NULL;
    /* The application's own list is changed in place: replacing it would free it under its feet. */
    if (rd->message_headers(raw, &headers)) headers = NULL;
    bool is_new = !headers && self->client->settings->propagate != WEIR_KAFKA_PROPAGATE_OFF;
    if (is_new) headers = rd->headers_new(4);
    struct open_send send = {.message = raw, .thread = pthread_self()};
    const void *value;
    size_t size;
    bool had = headers && !rd->header_get_last(headers, "traceparent", &value, &size);
    weir_kafka_send_begin(self->client, &send.send, rd->topic_name(raw->rkt), NULL, headers,
                          weir_view(raw->key, raw->key_len), raw->key && !raw->payload);
    send.injected = headers && !had;
    if (is_new && rd->header_cnt(headers))
        rd->message_set_headers(raw, headers);
    else if (is_new)
        rd->headers_destroy(headers);
    keep(self, &send);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_acknowledgement(rd_kafka_t *rk, rd_kafka_message_t *raw,
                                              void *opaque) {
    (void)rk;
    struct weir_kafka_sends *self = opaque;
    struct open_send send;
    /* An address that on_send did not give is the application's own struct: only public fields of
     * it could be touched, and it has no send. */
    if (!take(self, raw, &send)) return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_headers_t *headers;
    if (raw->err && send.injected && pthread_equal(send.thread, pthread_self()) &&
        !self->rd->message_headers(raw, &headers)) {
        /* produce() is about to fail and give the headers back: as they were. */
        self->rd->header_remove(headers, "traceparent");
        self->rd->header_remove(headers, "tracestate");
    }
    weir_kafka_send_end(self->client, &send.send, self->rd->topic_name(raw->rkt), raw->err,
                        raw->partition, raw->err ? -1 : raw->offset);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

void weir_kafka_sends_attach(struct weir_kafka_instrumented *self, rd_kafka_t *rk) {
    struct weir_kafka_sends *sends = calloc(1, sizeof *sends);
    if (!sends) return;
    sends->client = self->client;
    sends->rd = self->rd;
    for (uint32_t i = 0; i < SHARDS; i++) pthread_mutex_init(&sends->shards[i].mutex, NULL);
    self->sends = sends;
    self->rd->interceptor_add_on_send(rk, WEIR_KAFKA_INTERCEPTOR, on_send, sends);
    self->rd->interceptor_add_on_acknowledgement(rk, WEIR_KAFKA_INTERCEPTOR, on_acknowledgement,
                                                 sends);
}

void weir_kafka_sends_free(struct weir_kafka_sends *sends) {
    if (!sends) return;
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &sends->shards[i];
        for (uint32_t s = 0; s < shard->count; s++) {
            weir_span_set_status(shard->sends[s].send.span, WEIR_STATUS_ERROR,
                                 "the producer was destroyed before the acknowledgement");
            weir_span_end(shard->sends[s].send.span);
        }
        free(shard->sends);
        pthread_mutex_destroy(&shard->mutex);
    }
    free(sends);
}
