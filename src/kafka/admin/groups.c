/* SPDX-License-Identifier: Apache-2.0 */
/* Consumer groups: which there are, and how they are. */
#include "base/error.h"
#include "kafka/admin/admin.h"

int weir_admin_list_groups(struct weir_admin *admin, int64_t timeout_ms,
                           weir_admin_visit_group *visit, void *arg, struct weir_error *reterr) {
    struct weir_admin_request request;
    if (!weir_admin_request_begin(&request, admin, "list_groups",
                                  RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, NULL, timeout_ms, true,
                                  reterr))
        return request.code;
    const struct weir_rd *rd = request.rd;
    rd->ListConsumerGroups(request.admin->client->rk, request.options, request.admin->queue);
    if (weir_admin_request_await(&request)) {
        size_t count = 0;
        const rd_kafka_ListConsumerGroups_result_t *result =
            rd->event_ListConsumerGroups_result(request.event);
        const rd_kafka_ConsumerGroupListing_t **groups =
            rd->ListConsumerGroups_result_valid(result, &count);
        for (size_t i = 0; visit && i < count; i++) {
            const struct weir_admin_group group = {
                .id = rd->ConsumerGroupListing_group_id(groups[i]),
                .state =
                    rd->ConsumerGroupListing_state
                        ? rd->consumer_group_state_name(rd->ConsumerGroupListing_state(groups[i]))
                        : "Unknown",
                .assignor = ""};
            visit(arg, &group);
        }
        /* A broker that could not be asked: its groups are missing from the list. */
        const rd_kafka_error_t **errors = rd->ListConsumerGroups_result_errors
                                              ? rd->ListConsumerGroups_result_errors(result, &count)
                                              : NULL;
        for (size_t i = 0; errors && i < count; i++)
            weir_admin_request_note(&request, NULL, rd->error_code(errors[i]),
                                    rd->error_string(errors[i]), NULL);
    }
    return weir_admin_request_end(&request);
}

static void visit_described(struct weir_admin_request *request,
                            const rd_kafka_ConsumerGroupDescription_t *described,
                            weir_admin_visit_group *visit, void *arg) {
    const struct weir_rd *rd = request->rd;
    const rd_kafka_error_t *error = rd->ConsumerGroupDescription_error(described);
    rd_kafka_resp_err_t err = error ? rd->error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    const char *assignor = rd->ConsumerGroupDescription_partition_assignor
                               ? rd->ConsumerGroupDescription_partition_assignor(described)
                               : NULL;
    const struct weir_admin_group group = {
        .id = rd->ConsumerGroupDescription_group_id(described),
        .state = rd->consumer_group_state_name(rd->ConsumerGroupDescription_state(described)),
        .assignor = assignor ? assignor : "",
        .members_count = rd->ConsumerGroupDescription_member_count(described),
        .code = err ? weir_rd_code(err) : WEIR_OK};
    weir_admin_request_note(request, group.id, err, error ? rd->error_string(error) : NULL, NULL);
    if (visit) visit(arg, &group);
}

int weir_admin_describe_groups(struct weir_admin *admin, const char *const *ids, size_t count,
                               int64_t timeout_ms, weir_admin_visit_group *visit, void *arg,
                               struct weir_error *reterr) {
    struct weir_admin_request request;
    if (!count) return WEIR_OK;
    for (size_t i = 0; i < count; i++)
        if (!ids[i]) return weir_error_set(reterr, WEIR_EINVALID, "a group needs an id");
    if (!weir_admin_request_begin(&request, admin, "describe_groups",
                                  RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, NULL, timeout_ms, true,
                                  reterr))
        return request.code;
    const struct weir_rd *rd = request.rd;
    const char **names = (const char **)(uintptr_t)ids; /* librdkafka only reads them */
    rd->DescribeConsumerGroups(request.admin->client->rk, names, count, request.options,
                               request.admin->queue);
    if (weir_admin_request_await(&request)) {
        size_t answers = 0;
        const rd_kafka_ConsumerGroupDescription_t **groups =
            rd->DescribeConsumerGroups_result_groups(
                rd->event_DescribeConsumerGroups_result(request.event), &answers);
        for (size_t i = 0; i < answers; i++) visit_described(&request, groups[i], visit, arg);
    }
    return weir_admin_request_end(&request);
}
