/* SPDX-License-Identifier: Apache-2.0 */
/* One record through a topic of our own: does its header survive, and what does the broker's clock
 * say? Only when --write allows it; the topic is deleted again. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/rand.h"
#include "doctor/records.h"
#include "weir/propagation.h"

struct trip {
    char topic[64], traceparent[WEIR_TRACEPARENT_SIZE + 1];
    int64_t sent_ms, acked_ms; /* our wall clock around the send */
    int64_t broker_ms;         /* LogAppendTime */
    rd_kafka_resp_err_t err;   /* of the delivery */
    bool delivered;
};

static int create_topic(struct weir_doctor *doctor, const char *topic, struct weir_error *reterr) {
    const struct weir_rd *rd = doctor->rd;
    struct weir_doctor_client *client = doctor->client;
    char text[256] = "";
    int timeout_ms = weir_doctor_left_ms(doctor, 5000);
    size_t count = 0;
    rd_kafka_NewTopic_t *wanted = rd->NewTopic_new(topic, 1, -1, text, sizeof text);
    if (!wanted) return weir_error_set(reterr, WEIR_EINVALID, "%s", text);
    rd->NewTopic_set_config(wanted, "message.timestamp.type", "LogAppendTime");
    rd_kafka_AdminOptions_t *options =
        weir_doctor_client_options(client, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms);
    rd->AdminOptions_set_operation_timeout(options, timeout_ms, text, sizeof text);
    rd->CreateTopics(client->rk, &wanted, 1, options, client->queue);
    rd->AdminOptions_destroy(options);
    rd->NewTopic_destroy(wanted);
    rd_kafka_event_t *event = weir_doctor_client_answer(client, timeout_ms, reterr);
    if (!event) return reterr->code;
    const rd_kafka_CreateTopics_result_t *result = rd->event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics =
        result ? rd->CreateTopics_result_topics(result, &count) : NULL;
    int rc = WEIR_OK;
    if (count && rd->topic_result_error(topics[0]))
        rc = weir_error_set(reterr, weir_rd_code(rd->topic_result_error(topics[0])), "%s",
                            rd->topic_result_error_string(topics[0])
                                ? rd->topic_result_error_string(topics[0])
                                : rd->err2str(rd->topic_result_error(topics[0])));
    rd->event_destroy(event);
    return rc;
}

static bool delete_topic(struct weir_doctor *doctor, const char *topic) {
    const struct weir_rd *rd = doctor->rd;
    struct weir_doctor_client *client = doctor->client;
    int timeout_ms = weir_doctor_left_ms(doctor, 5000);
    if (!rd->DeleteTopics || !rd->DeleteTopic_new) return false;
    rd_kafka_DeleteTopic_t *unwanted = rd->DeleteTopic_new(topic);
    rd_kafka_AdminOptions_t *options =
        weir_doctor_client_options(client, RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout_ms);
    rd->DeleteTopics(client->rk, &unwanted, 1, options, client->queue);
    rd->AdminOptions_destroy(options);
    rd->DeleteTopic_destroy(unwanted);
    rd_kafka_event_t *event = weir_doctor_client_answer(client, timeout_ms, NULL);
    if (event) rd->event_destroy(event);
    return event != NULL;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    struct trip *trip = opaque;
    (void)rk;
    trip->delivered = true;
    trip->err = message->err;
    trip->acked_ms = weir_clock_wall_ns() / WEIR_NS_PER_MS;
}

static void fill_traceparent(struct trip *trip) {
    struct weir_span_context sc = {.flags = 0};
    do {
        weir_rand_fill(sc.trace_id, sizeof sc.trace_id);
        weir_rand_fill(sc.span_id, sizeof sc.span_id);
    } while (!weir_span_context_is_valid(&sc));
    weir_traceparent_format(&sc, trip->traceparent);
    trip->traceparent[WEIR_TRACEPARENT_SIZE] = 0;
}

static int send_record(struct weir_doctor *doctor, struct trip *trip, struct weir_error *reterr) {
    const struct weir_rd *rd = doctor->rd;
    char text[256] = "";
    rd_kafka_conf_t *conf = weir_doctor_conf(doctor, doctor->brokers, reterr);
    if (!conf) return reterr->code;
    rd->conf_set_dr_msg_cb(conf, on_delivery);
    rd->conf_set_opaque(conf, trip);
    rd_kafka_t *rk = rd->new (RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk) {
        weir_doctor_conf_free(rd, conf, true);
        return weir_error_set(reterr, WEIR_EINVALID, "librdkafka: %s", text);
    }
    trip->sent_ms = weir_clock_wall_ns() / WEIR_NS_PER_MS;
    rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = trip->topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADER,
         .u.header = {.name = "traceparent", .val = trip->traceparent, .size = -1}},
    };
    rd_kafka_error_t *error = rd->produceva(rk, arguments, sizeof arguments / sizeof *arguments);
    if (error) {
        trip->err = rd->error_code(error);
        rd->error_destroy(error);
    } else {
        rd->flush(rk, weir_doctor_left_ms(doctor, 6000));
        if (!trip->delivered) trip->err = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
        rd->purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
    rd->destroy(rk);
    if (!trip->err) return WEIR_OK;
    return weir_error_set(reterr, weir_rd_code(trip->err), "%s", rd->err2str(trip->err));
}

/* Broker's clock minus ours, as far as it is certain: its time lies between send and answer. */
static void say_skew(struct weir_doctor *doctor, const struct trip *trip,
                     const struct weir_doctor_records *r) {
    if (!r->append_time) return;
    int64_t skew_ms = r->newest_ms < trip->sent_ms    ? r->newest_ms - trip->sent_ms
                      : r->newest_ms > trip->acked_ms ? r->newest_ms - trip->acked_ms
                                                      : 0;
    bool off = skew_ms > 1000 || skew_ms < -1000;
    weir_report_add(
        doctor->report, off ? WEIR_FINDING_FAIL : WEIR_FINDING_OK, "records.broker-clock",
        off ? "The broker's clock is %lld ms %s this machine's."
            : "The broker's clock and this machine's agree.",
        (long long)(skew_ms < 0 ? -skew_ms : skew_ms), skew_ms < 0 ? "behind" : "ahead of");
    weir_report_detail(doctor->report,
                       "Sent at %" PRId64 ", appended at %" PRId64
                       " by the broker's clock, acknowledged at %" PRId64 " (ms).",
                       trip->sent_ms, r->newest_ms, trip->acked_ms);
    if (off)
        weir_report_remedy(doctor->report,
                           "Run an NTP client (chrony, systemd-timesyncd) on both.");
}

static void say_survival(struct weir_doctor *doctor, const struct trip *trip,
                         const struct weir_doctor_records *r) {
    bool well = r->count == 1 && r->valid == 1 && !r->duplicated;
    weir_report_add(doctor->report, well ? WEIR_FINDING_OK : WEIR_FINDING_FAIL,
                    "records.round-trip",
                    well       ? "A header survives the way through the broker."
                    : r->count ? "A record came back without the header that it was sent with."
                               : "A record was acknowledged, but did not come back.");
    weir_report_detail(doctor->report,
                       "Sent one record with a traceparent through %s: %" PRIu64
                       " read back, %" PRIu64 " with it.",
                       trip->topic, r->count, r->valid);
    if (!well)
        weir_report_remedy(doctor->report, "Something between here and the log drops headers: an "
                                           "old message format, or a proxy.");
}

void weir_doctor_check_round_trip(struct weir_doctor *doctor) {
    struct trip trip = {.topic = ""};
    struct weir_doctor_records records;
    struct weir_error err = {0};
    uint8_t random[6];
    if (!doctor->client) return;
    if (!doctor->options->write) {
        weir_report_add(doctor->report, WEIR_FINDING_SKIP, "records.round-trip",
                        "Nothing was written, so the broker's clock is not known.");
        weir_report_remedy(doctor->report, "With --write, one record goes through a topic made for "
                                           "it, which is deleted afterwards.");
        return;
    }
    weir_rand_fill(random, sizeof random);
    int len = snprintf(trip.topic, sizeof trip.topic, "weir-doctor-");
    for (size_t i = 0; i < sizeof random; i++)
        len += snprintf(trip.topic + len, sizeof trip.topic - (size_t)len, "%02x", random[i]);
    fill_traceparent(&trip);
    int rc = create_topic(doctor, trip.topic, &err);
    bool made = rc == WEIR_OK;
    if (!rc) rc = send_record(doctor, &trip, &err);
    if (!rc) rc = weir_doctor_records_read(doctor, trip.topic, 10, &records, &err);
    if (made && !delete_topic(doctor, trip.topic)) {
        weir_report_add(doctor->report, WEIR_FINDING_WARN, "records.left-over",
                        "The topic %s could not be deleted.", trip.topic);
        weir_report_remedy(doctor->report, "Delete it by hand.");
    }
    if (rc) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "records.round-trip",
                        "A record cannot be sent through a topic of its own.");
        weir_report_detail(doctor->report, "%s: %s.", trip.topic, err.message);
        weir_report_remedy(doctor->report, "May this user create topics and write to them? The "
                                           "producer under test may have other rights.");
        return;
    }
    say_survival(doctor, &trip, &records);
    say_skew(doctor, &trip, &records);
}
