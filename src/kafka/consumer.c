/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers: poll with spans, group handlers, commits. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "kafka/trace.h"

#define BATCH_MAX 10000u

struct weir_consumer {
    struct weir_kafka_client *client;
    rd_kafka_queue_t *queue;                  /* of its messages */
    const struct weir_group_handler *handler; /* while weir_consumer_run runs */
    int setup_code;                           /* what its setup said */
    struct weir_span_context poll;            /* the latest one: parent of the next commit */
    atomic_bool stopping;
};

/* ── callbacks ───────────────────────────────────────────────────────────────────────────────── */

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                         rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct weir_kafka_client *client = opaque;
    const struct weir_rd *rd = client->rd;
    struct weir_consumer *consumer = client->owner;
    const struct weir_group_handler *handler = consumer->handler;
    bool is_assign = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    const char *protocol = rd->rebalance_protocol(rk);
    bool cooperative = protocol && strcmp(protocol, "COOPERATIVE") == 0;
    if (!is_assign && handler && handler->cleanup) handler->cleanup(handler->arg, consumer);
    rd_kafka_error_t *error = NULL;
    if (cooperative && is_assign)
        error = rd->incremental_assign(rk, list);
    else if (cooperative)
        error = rd->incremental_unassign(rk, list);
    else
        rd->assign(rk, is_assign ? list : NULL);
    if (error) rd->error_destroy(error);
    if (is_assign && handler && handler->setup)
        consumer->setup_code = handler->setup(handler->arg, consumer);
    for (int i = 0; i < list->cnt; i++) {
        struct weir_kafka_entry *entry =
            weir_kafka_entry_get(client, list->elems[i].topic, list->elems[i].partition);
        if (entry && !is_assign) atomic_store(&entry->lag, -1);
    }
    weir_kafka_entry_add(weir_kafka_entry_get(client, "", -1), WEIR_KAFKA_REBALANCES, 1, NULL);
}

/* Every commit that was answered, librdkafka's own ones too. Its start is not known. */
static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                      rd_kafka_topic_partition_list_t *offsets, void *opaque) {
    (void)rk;
    struct weir_kafka_client *client = opaque;
    struct weir_consumer *consumer = client->owner;
    if (err == RD_KAFKA_RESP_ERR__NO_OFFSET) return;
    bool known = weir_span_context_is_valid(&consumer->poll);
    struct weir_kafka_commit commit = {
        .offsets = offsets, .polls = &consumer->poll, .polls_count = known};
    weir_kafka_commit_end(client, &commit, err);
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

static int subscribe(struct weir_consumer *consumer, const char *const *topics,
                     struct weir_error *reterr) {
    const struct weir_rd *rd = consumer->client->rd;
    rd_kafka_topic_partition_list_t *list = rd->topic_partition_list_new(4);
    for (size_t i = 0; topics && topics[i]; i++)
        rd->topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    int code = WEIR_OK;
    rd_kafka_resp_err_t err;
    if (list->cnt == 0)
        code = weir_error_set(reterr, WEIR_EINVALID, "a consumer needs at least one topic");
    else if ((err = rd->subscribe(consumer->client->rk, list)))
        code = weir_error_set(reterr, weir_rd_code(err), "cannot subscribe to '%s': %s",
                              list->elems[0].topic, rd->err2str(err));
    rd->topic_partition_list_destroy(list);
    return code;
}

struct weir_consumer *weir_consumer_open(const struct weir_kafka_options *options,
                                         const char *const *topics, struct weir_error *reterr) {
    rd_kafka_conf_t *conf;
    struct weir_consumer *consumer = calloc(1, sizeof *consumer);
    if (!consumer) {
        weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
        return NULL;
    }
    if (weir_kafka_client_new(options, false, &conf, &consumer->client, reterr)) {
        free(consumer);
        return NULL;
    }
    struct weir_kafka_client *client = consumer->client;
    client->owner = consumer;
    client->rd->conf_set_rebalance_cb(conf, on_rebalance);
    client->rd->conf_set_offset_commit_cb(conf, on_commit);
    if (!weir_kafka_client_open(client, conf, reterr)) {
        client->rd->poll_set_consumer(client->rk);
        consumer->queue = client->rd->queue_get_consumer(client->rk);
        if (consumer->queue && !subscribe(consumer, topics, reterr)) return consumer;
        if (consumer->queue) client->rd->queue_destroy(consumer->queue);
        weir_kafka_client_retire(client);
    }
    weir_kafka_client_unref(client);
    free(consumer);
    return NULL;
}

void weir_consumer_close(struct weir_consumer *consumer) {
    if (!consumer || weir_kafka_client_is_foreign(consumer->client)) return;
    struct weir_kafka_client *client = consumer->client;
    weir_kafka_client_retire(client);
    client->rd->consumer_close(client->rk);
    client->rd->queue_destroy(consumer->queue);
    weir_kafka_client_unref(client);
    free(consumer);
}

struct rd_kafka_s *weir_consumer_handle(struct weir_consumer *consumer) {
    return consumer ? consumer->client->rk : NULL;
}

/* ── polling ─────────────────────────────────────────────────────────────────────────────────── */

/* Positions may be committed once their messages are given out. */
static void store_offsets(struct weir_kafka_client *client, struct weir_message *const *messages,
                          size_t count) {
    const struct weir_rd *rd = client->rd;
    rd_kafka_topic_partition_list_t *list = rd->topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct weir_message *message = messages[i];
        bool same = i && message->partition == messages[i - 1]->partition &&
                    message->topic == messages[i - 1]->topic;
        if (!same) at = rd->topic_partition_list_find(list, message->topic, message->partition);
        if (!at) at = rd->topic_partition_list_add(list, message->topic, message->partition);
        at->offset = message->offset + 1;
    }
    rd->offsets_store(client->rk, list);
    rd->topic_partition_list_destroy(list);
}

/* One message, or WEIR_END, or an error of the client. */
static int take(struct weir_kafka_client *client, int timeout_ms, struct weir_kafka_message **ret,
                struct weir_error *reterr) {
    const struct weir_rd *rd = client->rd;
    rd_kafka_message_t *raw = rd->consumer_poll(client->rk, timeout_ms);
    if (!raw) return WEIR_END;
    int code = raw->err ? weir_rd_code(raw->err) : WEIR_OK;
    if (raw->err && code != WEIR_END)
        weir_error_set(reterr, code, "%s (%s)", rd->message_errstr(raw),
                       weir_rd_error_type(rd, raw->err));
    if (!code && !(*ret = weir_kafka_message_behind(client, raw, NULL)))
        code = weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    if (code) rd->message_destroy(raw);
    return code;
}

/* What is there already, behind the first message: up to `room`; gives their number. Errors among
 * them come again, or have passed. */
static size_t take_more(struct weir_consumer *consumer, struct weir_kafka_message **messages,
                        size_t room) {
    struct weir_kafka_client *client = consumer->client;
    const struct weir_rd *rd = client->rd;
    rd_kafka_message_t *raws[128];
    size_t count = 0;
    while (count < room) {
        size_t want = room - count < 128 ? room - count : 128;
        ssize_t got = rd->consume_batch_queue(consumer->queue, 0, raws, want);
        struct weir_kafka_batch *batch = got > 0 ? weir_kafka_batch_new(client, (size_t)got) : NULL;
        for (ssize_t i = 0; i < got; i++) {
            if (batch && !raws[i]->err) {
                messages[count] =
                    weir_kafka_batch_add(batch, raws[i], messages[(ssize_t)count - 1]);
                count++;
            } else {
                rd->message_destroy(raws[i]);
            }
        }
        if (batch) weir_kafka_batch_unref(batch);
        if (got < (ssize_t)want) break;
    }
    return count;
}

/* The headers of those that the poll links, if there are to be spans; else when they are asked for.
 */
static void read_headers(const struct weir_kafka_client *client,
                         struct weir_kafka_message **messages, size_t count) {
    if (!client->settings->spans) return;
    for (size_t i = 0; i < count && i < WEIR_KAFKA_LINKS_MAX; i++)
        weir_kafka_message_read(messages[i]);
}

static int poll_some(struct weir_consumer *consumer, int64_t timeout_ms, struct weir_message **ret,
                     size_t max, bool is_batch, struct weir_error *reterr) {
    struct weir_kafka_client *client = consumer->client;
    if (weir_kafka_client_is_foreign(client)) return weir_kafka_client_refuse(reterr);
    struct weir_kafka_message **messages = (struct weir_kafka_message **)(void *)ret;
    int64_t start_wall_ns = weir_clock_wall_ns(), start_ns = weir_clock_mono_ns();
    int ms = timeout_ms > INT32_MAX ? INT32_MAX : timeout_ms < 0 ? 0 : (int)timeout_ms;
    int code = take(client, ms, messages, reterr);
    if (code) return code;
    size_t count = 1 + take_more(consumer, messages + 1, max - 1);
    weir_kafka_messages_count(messages, count);
    read_headers(client, messages, count);
    weir_kafka_poll_end(client, start_wall_ns, start_ns, messages, count, is_batch);
    consumer->poll = messages[0]->poll;
    store_offsets(client, ret, count);
    return (int)count;
}

int weir_consumer_poll(struct weir_consumer *consumer, int64_t timeout_ms,
                       struct weir_message **ret, struct weir_error *reterr) {
    if (!consumer || !ret) return weir_error_set(reterr, WEIR_EINVALID, "no consumer");
    *ret = NULL;
    int count = poll_some(consumer, timeout_ms, ret, 1, false, reterr);
    return *ret ? WEIR_OK : count;
}

int weir_consumer_poll_batch(struct weir_consumer *consumer, int64_t timeout_ms,
                             struct weir_message **ret, size_t max, struct weir_error *reterr) {
    if (!consumer || !ret || !max)
        return weir_error_set(reterr, WEIR_EINVALID, "no consumer or room");
    ret[0] = NULL;
    int count =
        poll_some(consumer, timeout_ms, ret, max < BATCH_MAX ? max : BATCH_MAX, true, reterr);
    return count == WEIR_END && !ret[0] ? 0 : count;
}

struct commit_call {
    struct weir_consumer *consumer;
    int64_t start_wall_ns, start_ns;
};

static void on_commit_call(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                           rd_kafka_topic_partition_list_t *offsets, void *opaque) {
    (void)rk;
    const struct commit_call *call = opaque;
    if (err == RD_KAFKA_RESP_ERR__NO_OFFSET) return;
    struct weir_kafka_commit commit = {.start_wall_ns = call->start_wall_ns,
                                       .start_ns = call->start_ns,
                                       .offsets = offsets,
                                       .polls = &call->consumer->poll,
                                       .polls_count =
                                           weir_span_context_is_valid(&call->consumer->poll)};
    weir_kafka_commit_end(call->consumer->client, &commit, err);
}

int weir_consumer_commit(struct weir_consumer *consumer, const struct weir_message *message,
                         struct weir_error *reterr) {
    if (!consumer) return weir_error_set(reterr, WEIR_EINVALID, "no consumer");
    if (weir_kafka_client_is_foreign(consumer->client)) return weir_kafka_client_refuse(reterr);
    const struct weir_rd *rd = consumer->client->rd;
    rd_kafka_topic_partition_list_t *list = NULL;
    if (message) {
        list = rd->topic_partition_list_new(1);
        rd->topic_partition_list_add(list, message->topic, message->partition)->offset =
            message->offset + 1;
    }
    struct commit_call call = {consumer, weir_clock_wall_ns(), weir_clock_mono_ns()};
    /* Without a queue of ours the call waits, and runs the callback itself. */
    rd_kafka_resp_err_t err =
        rd->commit_queue(consumer->client->rk, list, NULL, on_commit_call, &call);
    if (list) rd->topic_partition_list_destroy(list);
    if (!err || err == RD_KAFKA_RESP_ERR__NO_OFFSET) return WEIR_OK;
    return weir_error_set(reterr, weir_rd_code(err), "cannot commit: %s (%s)", rd->err2str(err),
                          weir_rd_error_type(rd, err));
}

/* ── group handler ───────────────────────────────────────────────────────────────────────────── */

static void handle(const struct weir_group_handler *handler, struct weir_message *message) {
    struct weir_task task = {0};
    weir_kafka_task_start(&task, weir_kafka_message_of(message));
    int code = handler->consume(handler->arg, message, &task);
    if (code && !task.error_type[0])
        weir_task_fail(&task, weir_error_name(code), weir_error_text(code));
    weir_kafka_task_finish(&task);
}

static bool is_fatal(const struct weir_kafka_client *client, struct weir_error *reterr) {
    char text[256];
    rd_kafka_resp_err_t err = client->rd->fatal_error(client->rk, text, sizeof text);
    if (err) weir_error_set(reterr, weir_rd_code(err), "fatal: %s", text);
    return err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

int weir_consumer_run(struct weir_consumer *consumer, const struct weir_group_handler *handler,
                      struct weir_error *reterr) {
    if (!consumer || !handler || !handler->consume)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "a consumer and a consume function are needed");
    if (weir_kafka_client_is_foreign(consumer->client)) return weir_kafka_client_refuse(reterr);
    consumer->handler = handler;
    consumer->setup_code = WEIR_OK;
    int code = WEIR_OK;
    while (!code && !atomic_load(&consumer->stopping)) {
        struct weir_message *message;
        int polled = weir_consumer_poll(consumer, 100, &message, NULL);
        if (polled == WEIR_OK) {
            handle(handler, message);
            weir_message_free(message);
        } else if (polled != WEIR_END && is_fatal(consumer->client, reterr)) {
            code = WEIR_EUNAVAILABLE;
        }
        if (!code && (code = consumer->setup_code))
            weir_error_set(reterr, code, "the handler's setup failed");
    }
    atomic_store(&consumer->stopping, false);
    if (handler->cleanup) handler->cleanup(handler->arg, consumer);
    consumer->handler = NULL;
    return code;
}

void weir_consumer_stop(struct weir_consumer *consumer) {
    if (consumer) atomic_store(&consumer->stopping, true);
}
