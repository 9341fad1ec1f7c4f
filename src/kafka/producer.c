/* SPDX-License-Identifier: Apache-2.0 */
/* Producers: each message carries a `sending` as librdkafka's per-message opaque, from the call to
 * the delivery report, which the producer's own thread takes. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "kafka/send/producer.h"
#include "sdk/context.h"

#define CLOSE_TIMEOUT_MS 10000
#define POLL_MS          100

/* One message on its way. */
struct sending {
    struct weir_producer *producer; /* borrowed: outlives its messages */
    struct weir_kafka_topic *topic;
    struct weir_kafka_record *record; /* NULL: not sampled */
    int64_t start_ns;                 /* monotonic */
    weir_delivered *delivered;
    void *arg;
};

/* ── delivery ────────────────────────────────────────────────────────────────────────────────── */

/* Ends the send in traces and metrics; `raw` NULL: librdkafka did not take it. */
static void end_sending(struct sending *sending, const rd_kafka_message_t *raw,
                        rd_kafka_headers_t *headers, rd_kafka_resp_err_t err, int32_t partition) {
    struct weir_kafka_sender *sender = &sending->producer->sender;
    struct weir_span_context context;
    int64_t ns = weir_clock_mono_ns() - sending->start_ns;
    if (!sending->record && (err || ns >= sender->slow_ns))
        sending->record = weir_kafka_sending_late(
            sender, sending->topic, raw ? weir_view(raw->key, raw->key_len) : weir_view(NULL, 0),
            raw && raw->key && !raw->payload, headers, ns);
    if (sending->record)
        ns = weir_kafka_sending_end(sender, sending->record, err, partition,
                                    raw && !err ? raw->offset : -1, &context);
    if (sender->settings->metrics && sending->topic->observed)
        weir_kafka_topic_count(sender->topics, sending->topic, partition, err, ns,
                               sending->record ? &context : NULL);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *raw, void *opaque) {
    (void)rk, (void)opaque;
    struct sending *sending = raw->_private;
    if (!sending) return;
    const struct weir_rd *rd = sending->producer->client->rd;
    rd_kafka_headers_t *headers;
    if (rd->message_headers(raw, &headers)) headers = NULL;
    end_sending(sending, raw, headers, raw->err, raw->partition);
    if (sending->delivered) {
        struct weir_delivery delivery = {.code = weir_rd_code(raw->err),
                                         .partition = raw->partition,
                                         .offset = raw->err ? -1 : raw->offset,
                                         .error_type =
                                             raw->err ? weir_rd_error_type(rd, raw->err) : NULL};
        sending->delivered(sending->arg, &delivery);
    }
    free(sending);
}

static void *run(void *arg) {
    struct weir_producer *producer = arg;
    while (!atomic_load(&producer->stopping))
        producer->client->rd->poll(producer->client->rk, POLL_MS);
    return NULL;
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

struct weir_producer *weir_producer_open(const struct weir_kafka_options *options,
                                         struct weir_error *reterr) {
    rd_kafka_conf_t *conf;
    struct weir_producer *producer = calloc(1, sizeof *producer);
    if (!producer) {
        weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
        return NULL;
    }
    if (weir_kafka_client_new(options, true, &conf, &producer->client, reterr)) {
        free(producer);
        return NULL;
    }
    producer->client->owner = producer;
    producer->client->rd->conf_set_dr_msg_cb(conf, on_delivery);
    int code = WEIR_OK;
    if (!weir_kafka_sender_init(&producer->sender, producer->client, conf)) {
        producer->client->rd->conf_destroy(conf);
        code = weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    }
    if (!code) code = weir_kafka_client_open(producer->client, conf, reterr);
    if (!code && (code = weir_thread_start(&producer->thread, "weir-producer", run, producer))) {
        weir_error_set(reterr, code, "no thread for the producer's delivery reports");
        weir_kafka_client_retire(producer->client);
    }
    if (!code) return producer;
    weir_kafka_sender_done(&producer->sender);
    weir_kafka_client_unref(producer->client);
    free(producer);
    return NULL;
}

void weir_producer_close(struct weir_producer *producer) {
    if (!producer || weir_kafka_client_is_foreign(producer->client)) return;
    const struct weir_rd *rd = producer->client->rd;
    rd_kafka_t *rk = producer->client->rk;
    if (rd->flush(rk, CLOSE_TIMEOUT_MS)) {
        rd->purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd->flush(rk, CLOSE_TIMEOUT_MS);
    }
    atomic_store(&producer->stopping, true);
    pthread_join(producer->thread, NULL);
    weir_kafka_client_retire(producer->client);
    weir_kafka_sender_done(&producer->sender);
    weir_kafka_client_unref(producer->client);
    free(producer);
}

struct rd_kafka_s *weir_producer_handle(struct weir_producer *producer) {
    return producer ? producer->client->rk : NULL;
}

int weir_producer_flush(struct weir_producer *producer, int64_t timeout_ms,
                        struct weir_error *reterr) {
    if (!producer) return weir_error_set(reterr, WEIR_EINVALID, "no producer");
    if (weir_kafka_client_is_foreign(producer->client)) return weir_kafka_client_refuse(reterr);
    int ms = timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
    rd_kafka_resp_err_t err = producer->client->rd->flush(producer->client->rk, ms);
    if (!err) return WEIR_OK;
    return weir_error_set(reterr, weir_rd_code(err), "%d messages are not acknowledged yet",
                          producer->client->rd->outq_len(producer->client->rk));
}

/* ── sending ─────────────────────────────────────────────────────────────────────────────────── */

/* produceva() takes no const pointers, and copies (RD_KAFKA_MSG_F_COPY). */
static void *unconst(const void *ptr) {
    return (void *)(uintptr_t)ptr;
}

static rd_kafka_headers_t *make_headers(const struct weir_rd *rd,
                                        const struct weir_record *record) {
    rd_kafka_headers_t *headers = rd->headers_new(record->headers_count + 2);
    for (size_t i = 0; headers && i < record->headers_count; i++) {
        const struct weir_header *header = &record->headers[i];
        rd->header_add(headers, header->name, -1, header->value,
                       header->value ? (ssize_t)header->value_size : 0);
    }
    return headers;
}

static rd_kafka_resp_err_t produce(struct weir_kafka_client *client,
                                   const struct weir_record *record, rd_kafka_headers_t *headers,
                                   struct sending *sending) {
    rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = record->topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_PARTITION,
         .u.i32 = record->has_partition ? record->partition : RD_KAFKA_PARTITION_UA},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = unconst(record->value), .size = record->value ? record->value_size : 0}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = unconst(record->key), .size = record->key ? record->key_size : 0}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = sending},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = client->rd->produceva(client->rk, vus, sizeof vus / sizeof vus[0]);
    if (!error) return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t err = client->rd->error_code(error);
    client->rd->error_destroy(error);
    return err;
}

static int refuse(const struct weir_kafka_client *client, const char *topic,
                  rd_kafka_resp_err_t err, struct weir_error *reterr) {
    return weir_error_set(reterr, weir_rd_code(err), "cannot send to '%s': %s (%s)", topic,
                          client->rd->err2str(err), weir_rd_error_type(client->rd, err));
}

/* `waits`: a full queue empties while we wait; the message is one send all the while. */
static int send_one(struct weir_producer *producer, const struct weir_record *record, bool waits,
                    weir_delivered *delivered, void *arg, struct weir_error *reterr) {
    if (!producer || !record || !record->topic || !record->topic[0])
        return weir_error_set(reterr, WEIR_EINVALID,
                              "a producer, and a record with a topic, are needed");
    struct weir_kafka_client *client = producer->client;
    if (weir_kafka_client_is_foreign(client)) return weir_kafka_client_refuse(reterr);
    struct sending *sending = malloc(sizeof *sending);
    rd_kafka_headers_t *headers = sending ? make_headers(client->rd, record) : NULL;
    if (!headers) {
        free(sending);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    }
    *sending = (struct sending){.producer = producer,
                                .topic = weir_kafka_topic_get(producer->sender.topics,
                                                              weir_kafka_topic_key(record->topic),
                                                              record->topic),
                                .start_ns = weir_clock_mono_ns(),
                                .delivered = delivered,
                                .arg = arg};
    struct weir_kafka_outgoing message = {
        .ctx = record->context ? record->context : weir_context_current(),
        .key = weir_view(record->key, record->key ? record->key_size : 0),
        .value_size = record->value ? record->value_size : 0,
        .is_tombstone = record->key && !record->value,
        .headers = headers};
    sending->record = weir_kafka_sending_begin(&producer->sender, sending->topic, &message);
    rd_kafka_resp_err_t err;
    while ((err = produce(client, record, headers, sending)) == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
           waits)
        weir_clock_sleep_ns(WEIR_NS_PER_MS);
    if (!err) return WEIR_OK; /* librdkafka has the headers, its delivery report the rest */
    end_sending(sending, NULL, headers, err, record->has_partition ? record->partition : -1);
    client->rd->headers_destroy(headers);
    free(sending);
    return refuse(client, record->topic, err, reterr);
}

int weir_producer_send_async(struct weir_producer *producer, const struct weir_record *record,
                             weir_delivered *delivered, void *arg, struct weir_error *reterr) {
    return send_one(producer, record, false, delivered, arg, reterr);
}

/* What a caller waits on. */
struct waiter {
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    size_t waiting;
};

struct place { /* of one message's delivery */
    struct waiter *waiter;
    struct weir_delivery delivery;
};

static void on_place(void *arg, const struct weir_delivery *delivery) {
    struct place *place = arg;
    struct waiter *waiter = place->waiter;
    pthread_mutex_lock(&waiter->mutex);
    place->delivery = *delivery;
    if (--waiter->waiting == 0) pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->mutex);
}

/* Fills `places` (room for `count`) and waits for all of them. */
static void send_all(struct weir_producer *producer, const struct weir_record *records,
                     size_t count, struct place *places) {
    struct waiter waiter = {
        .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .waiting = count};
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct place){.waiter = &waiter};
        int code = send_one(producer, &records[i], true, on_place, &places[i], NULL);
        if (!code) continue;
        struct weir_delivery refused = {
            .code = code, .partition = -1, .offset = -1, .error_type = "refused"};
        on_place(&places[i], &refused);
    }
    pthread_mutex_lock(&waiter.mutex);
    while (waiter.waiting) pthread_cond_wait(&waiter.changed, &waiter.mutex);
    pthread_mutex_unlock(&waiter.mutex);
}

static int check_thread(struct weir_producer *producer, struct weir_error *reterr) {
    if (!producer) return weir_error_set(reterr, WEIR_EINVALID, "no producer");
    if (!pthread_equal(pthread_self(), producer->thread)) return WEIR_OK;
    return weir_error_set(
        reterr, WEIR_EINVALID,
        "a delivery callback cannot wait for a delivery; use weir_producer_send_async");
}

int weir_producer_send_batch(struct weir_producer *producer, const struct weir_record *records,
                             size_t count, struct weir_delivery *ret, struct weir_error *reterr) {
    int code = check_thread(producer, reterr);
    if (code || !count) return code;
    struct place one, *places = &one;
    if (count > 1 && !(places = calloc(count, sizeof *places)))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    send_all(producer, records, count, places);
    for (size_t i = 0; i < count; i++) {
        const struct weir_delivery *delivery = &places[i].delivery;
        if (ret) ret[i] = *delivery;
        if (delivery->code && !code)
            code = weir_error_set(reterr, delivery->code, "message %zu of %zu to '%s' failed: %s",
                                  i + 1, count, records[i].topic ? records[i].topic : "",
                                  delivery->error_type);
    }
    if (places != &one) free(places);
    return code;
}

int weir_producer_send(struct weir_producer *producer, const struct weir_record *record,
                       struct weir_delivery *ret, struct weir_error *reterr) {
    if (!record) return weir_error_set(reterr, WEIR_EINVALID, "no record");
    return weir_producer_send_batch(producer, record, 1, ret, reterr);
}
