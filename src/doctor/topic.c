/* SPDX-License-Identifier: Apache-2.0 */
/* The topic: is it there, does every partition have a leader, and do its settings leave room for
 * headers? */
#include <stdlib.h>

#include "doctor/client.h"
#include "rd/conf.h"

enum { NAMES_MAX = 4096 };

/* ── there, with leaders ─────────────────────────────────────────────────────────────────────── */

static const struct rd_kafka_metadata_topic *find_topic(const struct rd_kafka_metadata *metadata,
                                                        const char *name) {
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (!strcmp(metadata->topics[i].topic, name)) return &metadata->topics[i];
    return NULL;
}

static void say_missing(struct weir_doctor *doctor, const struct rd_kafka_metadata *metadata) {
    const char **names = WEIR_NEW_ARRAY(&doctor->arena, const char *, NAMES_MAX + 1);
    int count = 0;
    for (int i = 0; names && i < metadata->topic_cnt && count < NAMES_MAX; i++)
        if (strncmp(metadata->topics[i].topic, "__", 2) != 0)
            names[count++] = metadata->topics[i].topic;
    const char *near =
        names ? weir_view_nearest(weir_view_str(doctor->options->topic), names) : NULL;
    weir_report_add(doctor->report, WEIR_FINDING_FAIL, "topic.found", "There is no topic %s.",
                    doctor->options->topic);
    weir_report_detail(doctor->report, "The cluster shows %d topics to this user%s%s.", count,
                       near ? "; the nearest name is " : "", near ? near : "");
    weir_report_remedy(doctor->report,
                       near ? "Did you mean %s? Otherwise create the topic, or give "
                              "this user the right to see it (Describe)."
                            : "Create the topic, or give this user the right to see "
                              "it (Describe).",
                       near ? near : "");
}

static void say_partitions(struct weir_doctor *doctor,
                           const struct rd_kafka_metadata_topic *topic) {
    int leaderless = 0, behind = 0;
    for (int i = 0; i < topic->partition_cnt; i++) {
        leaderless += topic->partitions[i].leader < 0;
        behind += topic->partitions[i].isr_cnt < topic->partitions[i].replica_cnt;
    }
    weir_report_add(doctor->report, leaderless ? WEIR_FINDING_FAIL : WEIR_FINDING_OK, "topic.found",
                    leaderless ? "Topic %s has %d partitions, %d of them without a leader: nothing "
                                 "is sent to or read from those."
                               : "Topic %s has %d partition(s), each with a leader.",
                    topic->topic, topic->partition_cnt, leaderless);
    for (int i = 0; leaderless && i < topic->partition_cnt; i++)
        if (topic->partitions[i].leader < 0)
            weir_report_detail(doctor->report, "Partition %d: %s.", topic->partitions[i].id,
                               doctor->rd->err2str(topic->partitions[i].err));
    if (leaderless) weir_report_remedy(doctor->report, "Start the brokers that hold its replicas.");
    if (!behind) return;
    weir_report_add(doctor->report, WEIR_FINDING_WARN, "topic.replicas",
                    "%d of %d partitions have replicas that are down or behind.", behind,
                    topic->partition_cnt);
    weir_report_remedy(doctor->report,
                       "With acks=all and min.insync.replicas, sends may fail until "
                       "the brokers are back.");
}

/* ── its settings ────────────────────────────────────────────────────────────────────────────── */

struct settings {
    char max_bytes[24], timestamp_type[24], format[24], cleanup[32];
};

static void keep(char *ret, size_t size, const char *value) {
    snprintf(ret, size, "%s", value ? value : "");
}

static void keep_entry(struct settings *settings, const char *name, const char *value) {
    if (!strcmp(name, "max.message.bytes"))
        keep(settings->max_bytes, sizeof settings->max_bytes, value);
    else if (!strcmp(name, "message.timestamp.type"))
        keep(settings->timestamp_type, sizeof settings->timestamp_type, value);
    else if (!strcmp(name, "message.format.version"))
        keep(settings->format, sizeof settings->format, value);
    else if (!strcmp(name, "cleanup.policy"))
        keep(settings->cleanup, sizeof settings->cleanup, value);
}

static int read_settings(struct weir_doctor *doctor, struct settings *ret,
                         struct weir_error *reterr) {
    const struct weir_rd *rd = doctor->rd;
    struct weir_doctor_client *client = doctor->client;
    int timeout_ms = weir_doctor_left_ms(doctor, 4000);
    rd_kafka_AdminOptions_t *options =
        weir_doctor_client_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
    rd_kafka_ConfigResource_t *resource =
        rd->ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, doctor->options->topic);
    rd->DescribeConfigs(client->rk, &resource, 1, options, client->queue);
    rd->ConfigResource_destroy(resource);
    rd->AdminOptions_destroy(options);
    rd_kafka_event_t *event = weir_doctor_client_answer(client, timeout_ms, reterr);
    if (!event) return reterr->code;
    const rd_kafka_DescribeConfigs_result_t *result = rd->event_DescribeConfigs_result(event);
    size_t count = 0, entries_count = 0;
    const rd_kafka_ConfigResource_t **resources =
        result ? rd->DescribeConfigs_result_resources(result, &count) : NULL;
    int rc = count ? WEIR_OK : weir_error_set(reterr, WEIR_EINVALID, "the answer is empty");
    if (count && rd->ConfigResource_error(resources[0]))
        rc = weir_error_set(reterr, weir_rd_code(rd->ConfigResource_error(resources[0])), "%s",
                            rd->ConfigResource_error_string(resources[0]));
    const rd_kafka_ConfigEntry_t **entries =
        rc ? NULL : rd->ConfigResource_configs(resources[0], &entries_count);
    for (size_t i = 0; i < entries_count; i++)
        keep_entry(ret, rd->ConfigEntry_name(entries[i]), rd->ConfigEntry_value(entries[i]));
    rd->event_destroy(event);
    return rc;
}

/* "0.10.2-IV0" → below 0.11? */
static bool is_headerless(const char *format) {
    return weir_view_starts(weir_view_str(format), WEIR_VIEW("0.8")) ||
           weir_view_starts(weir_view_str(format), WEIR_VIEW("0.9")) ||
           weir_view_starts(weir_view_str(format), WEIR_VIEW("0.10"));
}

static void say_room(struct weir_doctor *doctor, const char *max_bytes) {
    char text[24] = "";
    uint64_t ours = 0, theirs = 0;
    rd_kafka_conf_t *conf = weir_doctor_conf(doctor, doctor->brokers, NULL);
    if (conf) {
        weir_rd_conf_get(doctor->rd, conf, "message.max.bytes", text, sizeof text);
        doctor->rd->conf_destroy(conf);
    }
    if (!weir_view_to_u64(weir_view_str(text), &ours) ||
        !weir_view_to_u64(weir_view_str(max_bytes), &theirs))
        return;
    bool tight = ours > theirs;
    weir_report_add(doctor->report, tight ? WEIR_FINDING_WARN : WEIR_FINDING_OK, "topic.size",
                    tight ? "The client lets records of %llu bytes pass, the topic takes %llu: "
                            "between the two, sends fail (MSG_SIZE_TOO_LARGE)."
                          : "A record may have %llu bytes by the client, %llu by the topic.",
                    (unsigned long long)ours, (unsigned long long)theirs);
    weir_report_detail(doctor->report, "Headers count: traceparent adds about 70 bytes, baggage up "
                                       "to 8 KB. A record that would not fit with them is sent "
                                       "without, and starts a trace of its own.");
    if (tight)
        weir_report_remedy(doctor->report,
                           "Set the producer's message.max.bytes=%llu, or the "
                           "topic's max.message.bytes higher.",
                           (unsigned long long)theirs);
}

static void check_settings(struct weir_doctor *doctor) {
    struct settings settings = {.max_bytes = ""};
    struct weir_error err = {0};
    if (!doctor->rd->DescribeConfigs || read_settings(doctor, &settings, &err) != WEIR_OK) {
        weir_report_add(doctor->report, WEIR_FINDING_SKIP, "topic.settings",
                        "The topic's settings cannot be read.");
        if (err.code) weir_report_detail(doctor->report, "%s.", err.message);
        weir_report_remedy(doctor->report, "Give this user the right to (DescribeConfigs).");
        return;
    }
    bool headerless = is_headerless(settings.format);
    if (settings.format[0])
        weir_report_add(doctor->report, headerless ? WEIR_FINDING_FAIL : WEIR_FINDING_OK,
                        "topic.format",
                        headerless ? "message.format.version is %s, which has no headers: the "
                                     "broker refuses instrumented sends, or drops the context."
                                   : "message.format.version is %s: headers are kept.",
                        settings.format);
    if (headerless)
        weir_report_remedy(doctor->report,
                           "Set the topic's message.format.version to 0.11.0 or newer, or remove "
                           "it; until then name the topic in WEIR_KAFKA_PROPAGATE_EXCLUDE.");
    say_room(doctor, settings.max_bytes);
    bool append = !strcmp(settings.timestamp_type, "LogAppendTime");
    weir_report_add(doctor->report, WEIR_FINDING_OK, "topic.timestamps",
                    append ? "Records bear the broker's time (LogAppendTime)."
                           : "Records bear the producer's time (CreateTime).");
    weir_report_detail(doctor->report,
                       append ? "Edge durations begin at the broker; its clock counts."
                              : "Edge durations begin at the producer; its clock counts.");
}

void weir_doctor_check_topic(struct weir_doctor *doctor) {
    const struct rd_kafka_metadata *metadata;
    struct weir_error err = {0};
    if (!doctor->client) return;
    if (!doctor->options->topic) {
        weir_report_add(doctor->report, WEIR_FINDING_SKIP, "topic.found",
                        "No topic was named: topics and their records are not looked at.");
        weir_report_remedy(doctor->report, "Give --topic NAME.");
        return;
    }
    if (weir_doctor_client_metadata(doctor->client, true, weir_doctor_left_ms(doctor, 5000),
                                    &metadata, &err) != WEIR_OK) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "topic.found",
                        "The cluster does not list its topics.");
        weir_report_detail(doctor->report, "%s", err.message);
        weir_report_remedy(doctor->report, "Look at the brokers' log; or give more --timeout.");
        return;
    }
    const struct rd_kafka_metadata_topic *topic = find_topic(metadata, doctor->options->topic);
    doctor->topic_found = topic && topic->partition_cnt > 0;
    if (doctor->topic_found)
        say_partitions(doctor, topic);
    else
        say_missing(doctor, metadata);
    doctor->rd->metadata_destroy(metadata);
    if (doctor->topic_found) check_settings(doctor);
}
