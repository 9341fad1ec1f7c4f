/* SPDX-License-Identifier: Apache-2.0 */
/* Topics, partitions and records: made, enlarged, deleted. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "kafka/admin/admin.h"

/* ── what every request with several items shares ────────────────────────────────────────────── */

/* The results are as unknown as the request, until the answer says better. */
static void set_all(const struct weir_admin_request *request, struct weir_admin_result *ret,
                    size_t count) {
    for (size_t i = 0; ret && i < count; i++) {
        ret[i] = (struct weir_admin_result){.code = request->code};
        if (request->code && request->err)
            snprintf(ret[i].message, sizeof ret[i].message, "%.199s", request->err->message);
    }
}

/* Librdkafka answers in the order that it was asked in. */
static void note_topics(struct weir_admin_request *request, const rd_kafka_topic_result_t **topics,
                        size_t count, struct weir_admin_result *ret, size_t ret_count) {
    const struct weir_rd *rd = request->rd;
    for (size_t i = 0; i < count; i++)
        weir_admin_request_note(
            request, rd->topic_result_name(topics[i]), rd->topic_result_error(topics[i]),
            rd->topic_result_error_string(topics[i]), ret && i < ret_count ? &ret[i] : NULL);
}

/* ── create ──────────────────────────────────────────────────────────────────────────────────── */

static rd_kafka_NewTopic_t *new_topic(struct weir_admin_request *request,
                                      const struct weir_admin_topic *topic) {
    const struct weir_rd *rd = request->rd;
    char text[200] = "";
    rd_kafka_NewTopic_t *made =
        topic->name
            ? rd->NewTopic_new(topic->name, topic->partitions > 0 ? topic->partitions : -1,
                               topic->replicas > 0 ? topic->replicas : -1, text, sizeof text)
            : NULL;
    if (!made)
        weir_admin_request_refuse(request, WEIR_EINVALID, text[0] ? text : "a topic needs a name");
    for (size_t i = 0; made && i < topic->settings_count; i++)
        if (rd->NewTopic_set_config(made, topic->settings[i].name, topic->settings[i].value))
            weir_admin_request_refuse(request, WEIR_EINVALID, "a setting needs a name and a value");
    return made;
}

int weir_admin_create_topics(struct weir_admin *admin, const struct weir_admin_topic *topics,
                             size_t count, int64_t timeout_ms, struct weir_admin_result *ret,
                             struct weir_error *reterr) {
    struct weir_admin_request request;
    if (!count) return WEIR_OK;
    if (!weir_admin_request_begin(&request, admin, "create_topics", RD_KAFKA_ADMIN_OP_CREATETOPICS,
                                  weir_admin_only(topics[0].name, count), timeout_ms, true, reterr))
        return request.code;
    const struct weir_rd *rd = request.rd;
    rd_kafka_NewTopic_t **made = calloc(count, sizeof *made);
    if (!made) weir_admin_request_refuse(&request, WEIR_ENOMEMORY, "out of memory");
    for (size_t i = 0; made && i < count && !request.code; i++)
        made[i] = new_topic(&request, &topics[i]);
    if (!request.code) {
        rd->CreateTopics(request.admin->client->rk, made, count, request.options,
                         request.admin->queue);
        weir_admin_request_await(&request);
    }
    set_all(&request, ret, count);
    if (!request.code) {
        size_t answers = 0;
        const rd_kafka_topic_result_t **results =
            rd->CreateTopics_result_topics(rd->event_CreateTopics_result(request.event), &answers);
        note_topics(&request, results, answers, ret, count);
    }
    for (size_t i = 0; made && i < count; i++)
        if (made[i]) rd->NewTopic_destroy(made[i]);
    free(made);
    return weir_admin_request_end(&request);
}

int weir_admin_create_partitions(struct weir_admin *admin, const char *topic, int32_t partitions,
                                 int64_t timeout_ms, struct weir_error *reterr) {
    struct weir_admin_request request;
    char text[200] = "";
    bool there = admin && admin->client->rd->CreatePartitions;
    if (!topic) return weir_error_set(reterr, WEIR_EINVALID, "a topic needs a name");
    if (!weir_admin_request_begin(&request, admin, "create_partitions",
                                  RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, topic, timeout_ms, there,
                                  reterr))
        return request.code;
    const struct weir_rd *rd = request.rd;
    rd_kafka_NewPartitions_t *wanted =
        rd->NewPartitions_new(topic, partitions < 0 ? 0 : (size_t)partitions, text, sizeof text);
    if (wanted) {
        rd->CreatePartitions(request.admin->client->rk, &wanted, 1, request.options,
                             request.admin->queue);
        rd->NewPartitions_destroy(wanted);
    } else {
        weir_admin_request_refuse(&request, WEIR_EINVALID, text);
    }
    if (wanted && weir_admin_request_await(&request)) {
        size_t answers = 0;
        const rd_kafka_topic_result_t **results = rd->CreatePartitions_result_topics(
            rd->event_CreatePartitions_result(request.event), &answers);
        note_topics(&request, results, answers, NULL, 0);
    }
    return weir_admin_request_end(&request);
}

/* ── delete ──────────────────────────────────────────────────────────────────────────────────── */

int weir_admin_delete_topics(struct weir_admin *admin, const char *const *names, size_t count,
                             int64_t timeout_ms, struct weir_admin_result *ret,
                             struct weir_error *reterr) {
    struct weir_admin_request request;
    bool there = admin && admin->client->rd->DeleteTopics;
    if (!count) return WEIR_OK;
    if (!weir_admin_request_begin(&request, admin, "delete_topics", RD_KAFKA_ADMIN_OP_DELETETOPICS,
                                  weir_admin_only(names[0], count), timeout_ms, there, reterr))
        return request.code;
    const struct weir_rd *rd = request.rd;
    rd_kafka_DeleteTopic_t **doomed = calloc(count, sizeof *doomed);
    if (!doomed) weir_admin_request_refuse(&request, WEIR_ENOMEMORY, "out of memory");
    for (size_t i = 0; doomed && i < count && !request.code; i++) {
        if (names[i])
            doomed[i] = rd->DeleteTopic_new(names[i]);
        else
            weir_admin_request_refuse(&request, WEIR_EINVALID, "a topic needs a name");
    }
    if (!request.code) {
        rd->DeleteTopics(request.admin->client->rk, doomed, count, request.options,
                         request.admin->queue);
        weir_admin_request_await(&request);
    }
    set_all(&request, ret, count);
    if (!request.code) {
        size_t answers = 0;
        const rd_kafka_topic_result_t **results =
            rd->DeleteTopics_result_topics(rd->event_DeleteTopics_result(request.event), &answers);
        note_topics(&request, results, answers, ret, count);
    }
    for (size_t i = 0; doomed && i < count; i++)
        if (doomed[i]) rd->DeleteTopic_destroy(doomed[i]);
    free(doomed);
    return weir_admin_request_end(&request);
}

static const char *only_topic(const struct weir_admin_records *records, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (!records[i].topic || !records[0].topic ||
            strcmp(records[i].topic, records[0].topic) != 0)
            return NULL;
    return records[0].topic;
}

static void note_records(struct weir_admin_request *request,
                         const struct weir_admin_records *records, size_t count,
                         struct weir_admin_result *ret, int64_t *ret_lowest) {
    const struct weir_rd *rd = request->rd;
    const rd_kafka_topic_partition_list_t *left =
        rd->DeleteRecords_result_offsets(rd->event_DeleteRecords_result(request->event));
    for (size_t i = 0; i < count; i++) {
        int at = 0;
        if (!records[i].topic) continue;
        while (at < left->cnt && (left->elems[at].partition != records[i].partition ||
                                  strcmp(left->elems[at].topic, records[i].topic) != 0))
            at++;
        if (at == left->cnt) continue;
        weir_admin_request_note(request, records[i].topic, left->elems[at].err, NULL,
                                ret ? &ret[i] : NULL);
        if (ret_lowest && !left->elems[at].err) ret_lowest[i] = left->elems[at].offset;
    }
}

int weir_admin_delete_records(struct weir_admin *admin, const struct weir_admin_records *records,
                              size_t count, int64_t timeout_ms, struct weir_admin_result *ret,
                              int64_t *ret_lowest, struct weir_error *reterr) {
    struct weir_admin_request request;
    bool there = admin && admin->client->rd->DeleteRecords && admin->client->rd->DeleteRecords_new;
    if (!count) return WEIR_OK;
    for (size_t i = 0; ret_lowest && i < count; i++) ret_lowest[i] = -1;
    if (!weir_admin_request_begin(&request, admin, "delete_records",
                                  RD_KAFKA_ADMIN_OP_DELETERECORDS, only_topic(records, count),
                                  timeout_ms, there, reterr))
        return request.code;
    const struct weir_rd *rd = request.rd;
    rd_kafka_topic_partition_list_t *list = rd->topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        if (!records[i].topic)
            weir_admin_request_refuse(&request, WEIR_EINVALID, "a topic needs a name");
        else
            rd->topic_partition_list_add(list, records[i].topic, records[i].partition)->offset =
                records[i].before_offset < 0 ? RD_KAFKA_OFFSET_END : records[i].before_offset;
    }
    rd_kafka_DeleteRecords_t *doomed = rd->DeleteRecords_new(list);
    if (!request.code) {
        rd->DeleteRecords(request.admin->client->rk, &doomed, 1, request.options,
                          request.admin->queue);
        weir_admin_request_await(&request);
    }
    set_all(&request, ret, count);
    if (!request.code) note_records(&request, records, count, ret, ret_lowest);
    rd->DeleteRecords_destroy(doomed);
    rd->topic_partition_list_destroy(list);
    return weir_admin_request_end(&request);
}
