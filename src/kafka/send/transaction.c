/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of our own producers: each call of librdkafka's is a span and a measurement. An
 * instrumented configuration has no hook for them, and nothing is guessed there. */
#include "base/clock.h"
#include "base/error.h"
#include "kafka/names.h"
#include "kafka/send/producer.h"
#include "rd/conf.h"

/* One call under way. */
struct call {
    struct weir_producer *producer;
    const char *operation; /* messaging.operation.name */
    char group[256];       /* whose offsets are sent; "": none */
    struct weir_span *span;
    int64_t start_ns; /* monotonic */
};

static size_t attributes(const struct call *call, const char *error_type,
                         struct weir_attribute ret[6 + WEIR_KAFKA_OLDER_MAX]) {
    size_t count = 0;
    ret[count++] = WEIR_STR("messaging.operation.name", call->operation);
    if (call->group[0]) {
        ret[count++] = WEIR_STR("messaging.operation.type", "settle");
        ret[count++] = WEIR_STR("messaging.consumer.group.name", call->group);
    }
    if (error_type) ret[count++] = WEIR_STR("error.type", error_type);
    return count;
}

static void begin_call(struct call *call) {
    const struct weir_kafka_client *client = call->producer->client;
    struct weir_attribute attrs[6 + WEIR_KAFKA_OLDER_MAX];
    call->start_ns = weir_clock_mono_ns();
    if (!client->settings->spans) return;
    size_t count = weir_kafka_names_apply(client->settings, attrs, attributes(call, NULL, attrs),
                                          sizeof attrs / sizeof attrs[0]);
    call->span =
        weir_span_start(client->tracer, call->operation,
                        &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                                    .kind = WEIR_KIND_CLIENT,
                                                    .bound = client->bound,
                                                    .attributes = attrs,
                                                    .attributes_count = count});
}

static void measure(const struct call *call, const char *error_type) {
    const struct weir_kafka_client *client = call->producer->client;
    struct weir_attribute attrs[6 + WEIR_KAFKA_OLDER_MAX];
    size_t count = attributes(call, error_type, attrs);
    attrs[count++] = WEIR_STR("messaging.system", "kafka");
    if (client->server && client->server[0]) {
        attrs[count++] = WEIR_STR("server.address", client->server);
        attrs[count++] = WEIR_INT("server.port", client->port);
    }
    if (client->settings->metrics)
        weir_instrument_record(weir_kafka_instrument_get(WEIR_KAFKA_SEND_DURATION),
                               (double)(weir_clock_mono_ns() - call->start_ns) / 1e9, attrs, count);
}

/* What the caller has to do, where librdkafka says so. */
static const char *advice(const struct weir_rd *rd, const rd_kafka_error_t *error) {
    return rd->error_is_fatal(error)             ? "; the producer cannot go on: close it"
           : rd->error_txn_requires_abort(error) ? "; abort the transaction"
           : rd->error_is_retriable(error)       ? "; try again"
                                                 : "";
}

/* Ends the call with what librdkafka said (taken; NULL: it went well). */
static int end_call(struct call *call, rd_kafka_error_t *error, struct weir_error *reterr) {
    const struct weir_rd *rd = call->producer->client->rd;
    rd_kafka_resp_err_t err = error ? rd->error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    const char *type = err ? weir_rd_error_type(rd, err) : NULL;
    int code = WEIR_OK;
    measure(call, type);
    if (error) {
        const char *text = rd->error_string(error);
        code = weir_error_set(reterr, weir_rd_code(err), "%s: %s (%s)%s", call->operation, text,
                              type, advice(rd, error));
        weir_span_set(call->span, WEIR_STR("error.type", type));
        weir_span_set_status(call->span, WEIR_STATUS_ERROR, text);
        weir_span_record_exception(call->span, type, text, NULL, NULL, 0);
        rd->error_destroy(error);
    }
    weir_span_end(call->span);
    return code;
}

/* Whether the producer may transact at all. */
static int check(const struct weir_producer *producer, struct weir_error *reterr) {
    if (!producer) return weir_error_set(reterr, WEIR_EINVALID, "no producer");
    if (weir_kafka_client_is_foreign(producer->client)) return weir_kafka_client_refuse(reterr);
    const struct weir_rd *rd = producer->client->rd;
    char id[8];
    weir_rd_conf_get(rd, rd->conf(producer->client->rk), "transactional.id", id, sizeof id);
    if (!id[0])
        return weir_error_set(reterr, WEIR_EINVALID,
                              "transactions need the property transactional.id");
    if (rd->init_transactions && rd->begin_transaction && rd->send_offsets_to_transaction &&
        rd->commit_transaction && rd->abort_transaction)
        return WEIR_OK;
    return weir_error_set(reterr, WEIR_EUNSUPPORTED,
                          "the program was linked without librdkafka's transactions");
}

static int clamp_ms(int64_t timeout_ms) {
    return timeout_ms < 0 ? -1 : timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
}

int weir_producer_begin(struct weir_producer *producer, struct weir_error *reterr) {
    int code = check(producer, reterr);
    if (code) return code;
    const struct weir_rd *rd = producer->client->rd;
    struct call call = {.producer = producer, .operation = "begin_transaction"};
    begin_call(&call);
    rd_kafka_error_t *error =
        producer->transacts ? NULL : rd->init_transactions(producer->client->rk, -1);
    if (!error) {
        producer->transacts = true;
        error = rd->begin_transaction(producer->client->rk);
    }
    return end_call(&call, error, reterr);
}

/* The next offset of each partition that the consumer was given; NULL: it has none. */
static rd_kafka_topic_partition_list_t *positions(const struct weir_rd *rd, rd_kafka_t *rk) {
    rd_kafka_topic_partition_list_t *list = NULL;
    if (rd->assignment(rk, &list) || !list) return NULL;
    if (!rd->position(rk, list) && list->cnt) return list;
    rd->topic_partition_list_destroy(list);
    return NULL;
}

int weir_producer_send_offsets(struct weir_producer *producer, struct weir_consumer *consumer,
                               int64_t timeout_ms, struct weir_error *reterr) {
    int code = check(producer, reterr);
    if (code) return code;
    rd_kafka_t *from = weir_consumer_handle(consumer);
    if (!from) return weir_error_set(reterr, WEIR_EINVALID, "no consumer");
    const struct weir_rd *rd = producer->client->rd;
    struct call call = {.producer = producer, .operation = "send_offsets_to_transaction"};
    weir_rd_conf_get(rd, rd->conf(from), "group.id", call.group, sizeof call.group);
    rd_kafka_topic_partition_list_t *offsets = positions(rd, from);
    rd_kafka_consumer_group_metadata_t *group = offsets ? rd->consumer_group_metadata(from) : NULL;
    if (!offsets) return WEIR_OK; /* nothing was read */
    begin_call(&call);
    rd_kafka_error_t *error =
        rd->send_offsets_to_transaction(producer->client->rk, offsets, group, clamp_ms(timeout_ms));
    code = end_call(&call, error, reterr);
    if (group) rd->consumer_group_metadata_destroy(group);
    rd->topic_partition_list_destroy(offsets);
    return code;
}

int weir_producer_commit(struct weir_producer *producer, int64_t timeout_ms,
                         struct weir_error *reterr) {
    int code = check(producer, reterr);
    if (code) return code;
    struct call call = {.producer = producer, .operation = "commit_transaction"};
    begin_call(&call);
    rd_kafka_error_t *error =
        producer->client->rd->commit_transaction(producer->client->rk, clamp_ms(timeout_ms));
    return end_call(&call, error, reterr);
}

int weir_producer_abort(struct weir_producer *producer, int64_t timeout_ms,
                        struct weir_error *reterr) {
    int code = check(producer, reterr);
    if (code) return code;
    struct call call = {.producer = producer, .operation = "abort_transaction"};
    begin_call(&call);
    rd_kafka_error_t *error =
        producer->client->rd->abort_transaction(producer->client->rk, clamp_ms(timeout_ms));
    return end_call(&call, error, reterr);
}
