/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer group: its state, its members, and how far behind they are. */
#include <inttypes.h>

#include "doctor/client.h"

enum { LINES_MAX = 64 };

/* ── state and members ───────────────────────────────────────────────────────────────────────── */

static void say_members(struct weir_doctor *doctor,
                        const rd_kafka_ConsumerGroupDescription_t *group) {
    const struct weir_rd *rd = doctor->rd;
    size_t count = rd->ConsumerGroupDescription_member_count(group);
    for (size_t i = 0; i < count && i < LINES_MAX; i++) {
        const rd_kafka_MemberDescription_t *member = rd->ConsumerGroupDescription_member(group, i);
        const rd_kafka_MemberAssignment_t *assignment = rd->MemberDescription_assignment(member);
        const rd_kafka_topic_partition_list_t *partitions =
            assignment ? rd->MemberAssignment_partitions(assignment) : NULL;
        weir_report_detail(doctor->report, "%s on %s has %d partition(s).",
                           rd->MemberDescription_client_id(member),
                           rd->MemberDescription_host(member), partitions ? partitions->cnt : 0);
    }
    if (count > LINES_MAX)
        weir_report_detail(doctor->report, "… and %zu more members.", count - LINES_MAX);
}

static void say_state(struct weir_doctor *doctor,
                      const rd_kafka_ConsumerGroupDescription_t *group) {
    const struct weir_rd *rd = doctor->rd;
    const char *name = doctor->options->group;
    rd_kafka_consumer_group_state_t state = rd->ConsumerGroupDescription_state(group);
    size_t members = rd->ConsumerGroupDescription_member_count(group);
    const char *assignor = rd->ConsumerGroupDescription_partition_assignor
                               ? rd->ConsumerGroupDescription_partition_assignor(group)
                               : NULL;
    if (state == RD_KAFKA_CONSUMER_GROUP_STATE_DEAD) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "group.state",
                        "There is no consumer group %s: nobody has joined it or committed.", name);
        weir_report_remedy(doctor->report, "Check the consumer's group.id, and that it runs; a "
                                           "consumer that only assigns partitions needs no group.");
    } else if (state == RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY || members == 0) {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "group.state",
                        "Group %s has no members: nobody processes, so there are no consumer "
                        "spans.",
                        name);
        weir_report_remedy(doctor->report, "Start the consumer, or look why it left.");
    } else if (state == RD_KAFKA_CONSUMER_GROUP_STATE_STABLE) {
        weir_report_add(doctor->report, WEIR_FINDING_OK, "group.state",
                        "Group %s is stable with %zu member(s)%s%s.", name, members,
                        assignor && *assignor ? ", assignor " : "",
                        assignor && *assignor ? assignor : "");
        say_members(doctor, group);
    } else {
        weir_report_add(doctor->report, WEIR_FINDING_WARN, "group.state",
                        "Group %s is rebalancing (%s) with %zu member(s): nothing is processed "
                        "meanwhile.",
                        name, rd->consumer_group_state_name(state), members);
        say_members(doctor, group);
        weir_report_remedy(doctor->report,
                           "If it stays so, members come and go: look at max.poll.interval.ms "
                           "against how long a message takes, and at session.timeout.ms.");
    }
}

/* True when the group is there. */
static bool check_state(struct weir_doctor *doctor) {
    const struct weir_rd *rd = doctor->rd;
    struct weir_doctor_client *client = doctor->client;
    const char *name = doctor->options->group;
    struct weir_error err = {0};
    int timeout_ms = weir_doctor_left_ms(doctor, 5000);
    size_t count = 0;
    rd_kafka_AdminOptions_t *options =
        weir_doctor_client_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout_ms);
    rd->DescribeConsumerGroups(client->rk, &name, 1, options, client->queue);
    rd->AdminOptions_destroy(options);
    rd_kafka_event_t *event = weir_doctor_client_answer(client, timeout_ms, &err);
    const rd_kafka_DescribeConsumerGroups_result_t *result =
        event ? rd->event_DescribeConsumerGroups_result(event) : NULL;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        result ? rd->DescribeConsumerGroups_result_groups(result, &count) : NULL;
    const rd_kafka_error_t *error = count ? rd->ConsumerGroupDescription_error(groups[0]) : NULL;
    bool missing = error && rd->error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND;
    bool there = count && !error;
    if (there) {
        there = rd->ConsumerGroupDescription_state(groups[0]) != RD_KAFKA_CONSUMER_GROUP_STATE_DEAD;
        say_state(doctor, groups[0]);
    } else {
        weir_report_add(doctor->report, WEIR_FINDING_FAIL, "group.state",
                        missing ? "There is no consumer group %s: nobody has joined it or "
                                  "committed."
                                : "The consumer group %s cannot be described.",
                        name);
        weir_report_detail(doctor->report, "%s", error ? rd->error_string(error) : err.message);
        weir_report_remedy(doctor->report, "Check the consumer's group.id, that it runs, and this "
                                           "user's right to Describe the group.");
    }
    if (event) rd->event_destroy(event);
    return there;
}

/* ── lag ─────────────────────────────────────────────────────────────────────────────────────── */

struct lag {
    uint64_t total, known; /* messages; partitions with an offset */
    uint64_t unset;        /* partitions without */
    uint64_t lost;         /* committed below what is still kept */
};

static void add_partition(struct weir_doctor *doctor, const rd_kafka_topic_partition_t *at,
                          struct lag *lag, struct weir_buf *lines) {
    int64_t low = 0, high = 0;
    if (doctor->options->topic && strcmp(at->topic, doctor->options->topic) != 0) return;
    if (at->offset < 0) {
        lag->unset++;
        return;
    }
    if (doctor->rd->query_watermark_offsets(doctor->client->rk, at->topic, at->partition, &low,
                                            &high, weir_doctor_left_ms(doctor, 3000)))
        return;
    int64_t behind = high > at->offset ? high - at->offset : 0;
    lag->known++;
    lag->total += (uint64_t)behind;
    lag->lost += at->offset < low;
    if (lag->known <= LINES_MAX)
        weir_buf_printf(lines,
                        "%s%s partition %d: %" PRId64 " behind (committed %" PRId64 ", end %" PRId64
                        ")%s.",
                        lines->len ? "\n" : "", at->topic, at->partition, behind, at->offset, high,
                        at->offset < low ? ", below what is still kept" : "");
}

static void say_lag(struct weir_doctor *doctor, const struct lag *lag,
                    const struct weir_buf *lines) {
    if (!lag->known) {
        weir_report_add(doctor->report, WEIR_FINDING_WARN, "group.lag",
                        "The group has committed no offsets%s%s.",
                        doctor->options->topic ? " of " : "",
                        doctor->options->topic ? doctor->options->topic : "");
        weir_report_remedy(doctor->report, "Has it processed anything, and does it commit "
                                           "(enable.auto.commit, or commits of its own)?");
        return;
    }
    weir_report_add(doctor->report, lag->lost ? WEIR_FINDING_FAIL : WEIR_FINDING_OK, "group.lag",
                    lag->lost ? "The group is %" PRIu64 " messages behind, and retention has "
                                "deleted some that it never took."
                              : "The group is %" PRIu64 " message(s) behind.",
                    lag->total);
    weir_report_detail(doctor->report, "%.*s", WEIR_VIEW_ARG(weir_buf_view(lines)));
    if (lag->total && !lag->lost)
        weir_report_detail(doctor->report, "Messages that are not taken yet have no process span.");
    if (lag->lost)
        weir_report_remedy(doctor->report, "More consumers or partitions, or a longer retention; "
                                           "auto.offset.reset says where it goes on.");
}

static void check_lag(struct weir_doctor *doctor) {
    const struct weir_rd *rd = doctor->rd;
    struct weir_doctor_client *client = doctor->client;
    struct weir_error err = {0};
    struct lag lag = {0};
    struct weir_buf lines;
    int timeout_ms = weir_doctor_left_ms(doctor, 5000);
    size_t count = 0;
    rd_kafka_AdminOptions_t *options =
        weir_doctor_client_options(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout_ms);
    rd_kafka_ListConsumerGroupOffsets_t *request =
        rd->ListConsumerGroupOffsets_new(doctor->options->group, NULL);
    rd->ListConsumerGroupOffsets(client->rk, &request, 1, options, client->queue);
    rd->ListConsumerGroupOffsets_destroy(request);
    rd->AdminOptions_destroy(options);
    rd_kafka_event_t *event = weir_doctor_client_answer(client, timeout_ms, &err);
    const rd_kafka_ListConsumerGroupOffsets_result_t *result =
        event ? rd->event_ListConsumerGroupOffsets_result(event) : NULL;
    const rd_kafka_group_result_t **groups =
        result ? rd->ListConsumerGroupOffsets_result_groups(result, &count) : NULL;
    const rd_kafka_topic_partition_list_t *partitions =
        count ? rd->group_result_partitions(groups[0]) : NULL;
    weir_buf_init(&lines, 64 << 10);
    for (int i = 0; partitions && i < partitions->cnt; i++)
        add_partition(doctor, &partitions->elems[i], &lag, &lines);
    if (partitions) {
        say_lag(doctor, &lag, &lines);
    } else {
        weir_report_add(doctor->report, WEIR_FINDING_SKIP, "group.lag",
                        "The group's offsets cannot be read.");
        weir_report_detail(doctor->report, "%s", err.message);
    }
    weir_buf_done(&lines);
    if (event) rd->event_destroy(event);
}

void weir_doctor_check_group(struct weir_doctor *doctor) {
    if (!doctor->client) return;
    if (!doctor->options->group) {
        weir_report_add(doctor->report, WEIR_FINDING_SKIP, "group.state",
                        "No consumer group was named.");
        weir_report_remedy(doctor->report, "Give --group NAME.");
        return;
    }
    if (check_state(doctor)) check_lag(doctor);
}
