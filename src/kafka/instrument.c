/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that call librdkafka themselves: interceptors on their configuration.
 *
 *   on_send            headers get the context; the send waits in a table under the message's
 * address on_acknowledgement the send ends (librdkafka gives the same address, with few exceptions,
 * which the table survives: an address that comes again replaces the old send; a send that never
 * ends is dropped when its shard is full) on_consume         the message counts, and its span
 * "poll" links it on_commit          span "commit"
 *
 * Interceptors run on librdkafka's threads: they wait for nothing but a shard's short lock.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "kafka/trace.h"

#define NAME            "weir"
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

/* What a configuration and the handle made from it share. */
struct instrumented {
    struct weir_kafka_client *client; /* NULL until on_new */
    const struct weir_rd *rd;
    unsigned flags;
    struct instrumented *next;     /* in the list of those with a handle */
    pthread_mutex_t poll_mutex;    /* guards poll */
    struct weir_span_context poll; /* the latest one */
    struct shard shards[SHARDS];
};

/* All that have a handle, to find one's client by it. */
static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards list, their next */
static struct instrumented *list;

/* ── sends in flight ─────────────────────────────────────────────────────────────────────────── */

static struct shard *shard_of(struct instrumented *self, const void *message) {
    return &self->shards[((uintptr_t)message >> 6) * 0x9e3779b97f4a7c15u >> 58];
}

static void keep(struct instrumented *self, const struct open_send *send) {
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

static bool take(struct instrumented *self, const void *message, struct open_send *ret) {
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
    struct instrumented *self = opaque;
    const struct weir_rd *rd = self->rd;
    rd_kafka_headers_t *headers = NULL;
    /* The application's own list is changed in place: replacing it would free it under its feet. */
    if (rd->message_headers(raw, &headers)) headers = NULL;
    bool is_new = !headers && !(self->flags & WEIR_KAFKA_NO_INJECT);
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
    struct instrumented *self = opaque;
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

static rd_kafka_resp_err_t on_consume(rd_kafka_t *rk, rd_kafka_message_t *raw, void *opaque) {
    (void)rk;
    struct instrumented *self = opaque;
    struct weir_kafka_message message, *pointer = &message;
    weir_kafka_message_borrow(&message, self->client, raw);
    weir_kafka_message_count(&message);
    weir_kafka_poll_end(self->client, weir_clock_wall_ns(), 0, &pointer, 1, false);
    pthread_mutex_lock(&self->poll_mutex);
    self->poll = message.poll;
    pthread_mutex_unlock(&self->poll_mutex);
    weir_kafka_message_done(&message);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_commit(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets,
                                     rd_kafka_resp_err_t err, void *opaque) {
    (void)rk;
    struct instrumented *self = opaque;
    pthread_mutex_lock(&self->poll_mutex);
    struct weir_span_context poll = self->poll;
    pthread_mutex_unlock(&self->poll_mutex);
    struct weir_kafka_commit commit = {
        .offsets = offsets, .polls = &poll, .polls_count = weir_span_context_is_valid(&poll)};
    weir_kafka_commit_end(self->client, &commit, err);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

static struct instrumented *instrumented_new(const struct weir_rd *rd, unsigned flags) {
    struct instrumented *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->rd = rd;
    self->flags = flags;
    pthread_mutex_init(&self->poll_mutex, NULL);
    for (uint32_t i = 0; i < SHARDS; i++) pthread_mutex_init(&self->shards[i].mutex, NULL);
    return self;
}

/* The very last call of a configuration, after the handle's threads have ended. */
static rd_kafka_resp_err_t on_conf_destroy(void *opaque) {
    struct instrumented *self = opaque;
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &self->shards[i];
        for (uint32_t s = 0; s < shard->count; s++) {
            weir_span_set_status(shard->sends[s].send.span, WEIR_STATUS_ERROR,
                                 "the producer was destroyed before the acknowledgement");
            weir_span_end(shard->sends[s].send.span);
        }
        free(shard->sends);
        pthread_mutex_destroy(&shard->mutex);
    }
    pthread_mutex_lock(&list_mutex);
    struct instrumented **at = &list;
    while (*at && *at != self) at = &(*at)->next;
    if (*at) *at = self->next;
    pthread_mutex_unlock(&list_mutex);
    pthread_mutex_destroy(&self->poll_mutex);
    weir_kafka_client_unref(self->client);
    free(self);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                  char *errstr, size_t errstr_size) {
    (void)errstr, (void)errstr_size;
    struct instrumented *self = opaque;
    const struct weir_rd *rd = self->rd;
    bool is_producer = rd->type(rk) == RD_KAFKA_PRODUCER;
    if (self->client ||
        !(self->client = weir_kafka_client_wrap(rd, conf, is_producer, self->flags)))
        return RD_KAFKA_RESP_ERR_NO_ERROR; /* the client works on, without us */
    self->client->rk = rk;
    pthread_mutex_lock(&list_mutex);
    self->next = list;
    list = self;
    pthread_mutex_unlock(&list_mutex);
    if (is_producer) {
        rd->interceptor_add_on_send(rk, NAME, on_send, self);
        rd->interceptor_add_on_acknowledgement(rk, NAME, on_acknowledgement, self);
    } else {
        rd->interceptor_add_on_consume(rk, NAME, on_consume, self);
        rd->interceptor_add_on_commit(rk, NAME, on_commit, self);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Interceptors are not copied with a configuration: the copy gets its own. */
static rd_kafka_resp_err_t on_conf_dup(rd_kafka_conf_t *copy, const rd_kafka_conf_t *old,
                                       size_t filter_count, const char **filter, void *opaque) {
    (void)old, (void)filter_count, (void)filter;
    weir_kafka_instrument(copy, ((const struct instrumented *)opaque)->flags, NULL);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int weir_kafka_instrument(struct rd_kafka_conf_s *conf, unsigned flags, struct weir_error *reterr) {
    const struct weir_rd *rd = weir_rd(reterr);
    if (!rd) return WEIR_EUNSUPPORTED;
    if (!conf) return weir_error_set(reterr, WEIR_EINVALID, "no configuration");
    struct instrumented *self = instrumented_new(rd, flags);
    if (!self) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    /* librdkafka refuses a second interceptor of the same name and function: instrumented once. */
    if (rd->conf_interceptor_add_on_new(conf, NAME, on_new, self)) {
        on_conf_destroy(self);
        return WEIR_OK;
    }
    rd->conf_interceptor_add_on_conf_dup(conf, NAME, on_conf_dup, self);
    rd->conf_interceptor_add_on_conf_destroy(conf, NAME, on_conf_destroy, self);
    return WEIR_OK;
}

/* ── processing ──────────────────────────────────────────────────────────────────────────────── */

/* The handle's client, referenced: an instrumented one's, else one made for this call. */
static struct weir_kafka_client *client_of(const struct weir_rd *rd, rd_kafka_t *rk) {
    struct weir_kafka_client *client = NULL;
    pthread_mutex_lock(&list_mutex);
    for (struct instrumented *each = list; each && !client; each = each->next)
        if (each->client->rk == rk) client = weir_kafka_client_ref(each->client);
    pthread_mutex_unlock(&list_mutex);
    return client ? client : weir_kafka_client_wrap(rd, rd->conf(rk), false, 0);
}

struct weir_task *weir_kafka_process_begin(struct rd_kafka_s *rk, struct rd_kafka_message_s *raw) {
    const struct weir_rd *rd = weir_rd(NULL);
    if (!rd || !rk || !raw || raw->err) return NULL;
    struct weir_kafka_client *client = client_of(rd, rk);
    struct weir_kafka_message *message = client ? calloc(1, sizeof *message) : NULL;
    struct weir_task *task = NULL;
    if (message) {
        weir_kafka_message_borrow(message, client, raw);
        task = weir_task_begin(&message->pub);
        weir_kafka_message_unref(message); /* the task has its own reference */
    }
    weir_kafka_client_unref(client);
    return task;
}
