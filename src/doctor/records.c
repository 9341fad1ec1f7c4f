/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/records.h"

#include "weir/propagation.h"

enum { PARTITIONS_MAX = 4096 };

void weir_doctor_records_init(struct weir_doctor_records *records) {
    const struct weir_doctor_place none = {.offset = -1};
    *records = (struct weir_doctor_records){.first_bare = none,
                                            .first_malformed = none,
                                            .first_duplicated = none,
                                            .first_unsampled = none,
                                            .first_future = none};
}

/* ── one record ──────────────────────────────────────────────────────────────────────────────── */

static bool is_zeros(struct weir_view hex) {
    for (size_t i = 0; i < hex.len; i++)
        if (hex.ptr[i] != '0') return false;
    return true;
}

const char *weir_doctor_traceparent_fault(struct weir_view v) {
    struct weir_span_context sc;
    if (weir_traceparent_parse(v.ptr, v.len, &sc)) return NULL;
    if (v.len == 0) return "it is empty";
    if (v.len < WEIR_TRACEPARENT_SIZE) return "it is shorter than 55 characters";
    if (v.ptr[2] != '-' || v.ptr[35] != '-' || v.ptr[52] != '-')
        return "its parts are not divided by '-' at the right places";
    for (size_t i = 0; i < WEIR_TRACEPARENT_SIZE; i++)
        if (v.ptr[i] >= 'A' && v.ptr[i] <= 'F') return "it is written in capital letters";
    if (weir_view_starts(v, WEIR_VIEW("ff"))) return "version ff is forbidden";
    if (is_zeros(weir_view(v.ptr + 3, 32))) return "its trace id is all zero";
    if (is_zeros(weir_view(v.ptr + 36, 16))) return "its span id is all zero";
    if (v.len > WEIR_TRACEPARENT_SIZE && weir_view_starts(v, WEIR_VIEW("00")))
        return "it is longer than 55 characters";
    return "it has characters other than 0-9 and a-f";
}

static void note(struct weir_doctor_place *first, const rd_kafka_message_t *message) {
    if (first->offset < 0) *first = (struct weir_doctor_place){message->partition, message->offset};
}

static void note_malformed(struct weir_doctor_records *records, const rd_kafka_message_t *message,
                           struct weir_view value, const char *why) {
    note(&records->first_malformed, message);
    if (records->malformed++) return;
    snprintf(records->malformed_why, sizeof records->malformed_why, "%s", why);
    snprintf(records->malformed_text, sizeof records->malformed_text, "%.*s",
             WEIR_VIEW_ARG(weir_view_upto(value, sizeof records->malformed_text - 1)));
    for (char *at = records->malformed_text; *at; at++)
        if (*at < ' ' || *at > '~') *at = '?';
}

static void add_headers(struct weir_doctor_records *records, const struct weir_rd *rd,
                        const rd_kafka_message_t *message) {
    rd_kafka_headers_t *headers = NULL;
    struct weir_view last = {0};
    uint32_t parents = 0, states = 0, baggages = 0;
    const char *name;
    const void *value;
    size_t size, index = 0;
    struct weir_span_context sc;
    if (rd->message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) headers = NULL;
    while (headers &&
           rd->header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        index++;
        if (!strcmp(name, "traceparent"))
            last = weir_view(value ? value : "", value ? size : 0), parents++;
        states += !strcmp(name, "tracestate");
        baggages += !strcmp(name, "baggage");
    }
    records->no_headers += index == 0;
    records->trace_state += states > 0;
    records->baggage += baggages > 0;
    if (!parents) {
        records->bare++;
        note(&records->first_bare, message);
        return;
    }
    if (parents > 1) records->duplicated++, note(&records->first_duplicated, message);
    last = weir_view_trim(last);
    const char *fault = weir_doctor_traceparent_fault(last);
    if (fault) {
        note_malformed(records, message, last, fault);
        return;
    }
    records->valid++;
    weir_traceparent_parse(last.ptr, last.len, &sc);
    if (!(sc.flags & 1)) records->unsampled++, note(&records->first_unsampled, message);
}

void weir_doctor_records_add(struct weir_doctor_records *records, const struct weir_rd *rd,
                             const rd_kafka_message_t *message, int64_t now_ms) {
    rd_kafka_timestamp_type_t type;
    int64_t at_ms = rd->message_timestamp(message, &type);
    records->count++;
    records->append_time += type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    records->create_time += type == RD_KAFKA_TIMESTAMP_CREATE_TIME;
    records->timeless += type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && at_ms > 0) {
        if (!records->oldest_ms || at_ms < records->oldest_ms) records->oldest_ms = at_ms;
        if (at_ms > records->newest_ms) records->newest_ms = at_ms;
        if (at_ms - now_ms > records->ahead_ms) {
            records->ahead_ms = at_ms - now_ms;
            records->first_future = (struct weir_doctor_place){message->partition, message->offset};
        }
    }
    add_headers(records, rd, message);
}

/* ── the newest of a topic ───────────────────────────────────────────────────────────────────── */

/* The partitions, each from its share of the newest records on; those without records are left
 * out. */
static int assign_newest(struct weir_doctor *doctor, const char *topic, int64_t count,
                         rd_kafka_topic_partition_list_t **ret, struct weir_error *reterr) {
    const struct weir_rd *rd = doctor->rd;
    const struct rd_kafka_metadata *metadata;
    int rc = weir_doctor_client_metadata(doctor->client, true, weir_doctor_left_ms(doctor, 5000),
                                         &metadata, reterr);
    if (rc) return rc;
    int partitions = 0;
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (!strcmp(metadata->topics[i].topic, topic))
            partitions = metadata->topics[i].partition_cnt;
    rd->metadata_destroy(metadata);
    if (partitions > PARTITIONS_MAX) partitions = PARTITIONS_MAX;
    int64_t share = partitions ? (count + partitions - 1) / partitions : 0;
    rd_kafka_topic_partition_list_t *list = rd->topic_partition_list_new(partitions);
    for (int i = 0; i < partitions && !rc; i++) {
        int64_t low = 0, high = 0;
        rd_kafka_resp_err_t err = rd->query_watermark_offsets(
            doctor->client->rk, topic, i, &low, &high, weir_doctor_left_ms(doctor, 5000));
        if (err)
            rc = weir_error_set(reterr, weir_rd_code(err), "partition %d: %s", i, rd->err2str(err));
        else if (high > low)
            rd->topic_partition_list_add(list, topic, i)->offset =
                high - share > low ? high - share : low;
    }
    rd_kafka_resp_err_t err =
        rc ? RD_KAFKA_RESP_ERR_NO_ERROR : rd->assign(doctor->client->rk, list);
    if (err) rc = weir_error_set(reterr, weir_rd_code(err), "%s", rd->err2str(err));
    if (rc)
        rd->topic_partition_list_destroy(list);
    else
        *ret = list;
    return rc;
}

int weir_doctor_records_read(struct weir_doctor *doctor, const char *topic, int64_t count,
                             struct weir_doctor_records *ret, struct weir_error *reterr) {
    const struct weir_rd *rd = doctor->rd;
    rd_kafka_topic_partition_list_t *list;
    int64_t give_up_ns = weir_clock_mono_ns() + weir_doctor_left_ms(doctor, 8000) * WEIR_NS_PER_MS;
    weir_doctor_records_init(ret);
    int rc = assign_newest(doctor, topic, count, &list, reterr);
    if (rc) return rc;
    int open = list->cnt;
    /* Partitions that grow while they are read end at twice the count. */
    while (open > 0 && ret->count < (uint64_t)count * 2 && weir_clock_mono_ns() < give_up_ns) {
        rd_kafka_message_t *message = rd->consumer_poll(doctor->client->rk, 100);
        if (!message) continue;
        if (!message->err)
            weir_doctor_records_add(ret, rd, message, weir_clock_wall_ns() / WEIR_NS_PER_MS);
        else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            open--;
        else if (message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            rc = weir_error_set(reterr, WEIR_EFORBIDDEN, "%s", rd->message_errstr(message));
        rd->message_destroy(message);
        if (rc) break;
    }
    rd->assign(doctor->client->rk, NULL);
    rd->topic_partition_list_destroy(list);
    return rc;
}

int weir_doctor_records_read_one(struct weir_doctor *doctor, const char *topic, int32_t partition,
                                 int64_t offset, struct weir_doctor_records *ret,
                                 struct weir_error *reterr) {
    const struct weir_rd *rd = doctor->rd;
    int64_t give_up_ns = weir_clock_mono_ns() + weir_doctor_left_ms(doctor, 4000) * WEIR_NS_PER_MS;
    bool ended = false;
    weir_doctor_records_init(ret);
    rd_kafka_topic_partition_list_t *list = rd->topic_partition_list_new(1);
    rd->topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_resp_err_t err = rd->assign(doctor->client->rk, list);
    while (!err && !ended && weir_clock_mono_ns() < give_up_ns) {
        rd_kafka_message_t *message = rd->consumer_poll(doctor->client->rk, 100);
        if (!message) continue;
        if (!message->err && message->offset == offset)
            weir_doctor_records_add(ret, rd, message, weir_clock_wall_ns() / WEIR_NS_PER_MS);
        ended = !message->err || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        rd->message_destroy(message);
    }
    rd->assign(doctor->client->rk, NULL);
    rd->topic_partition_list_destroy(list);
    if (ret->count) return WEIR_OK;
    return weir_error_set(reterr, WEIR_ENOTFOUND, "the record is not there any more%s%s",
                          err ? ": " : "", err ? rd->err2str(err) : "");
}
