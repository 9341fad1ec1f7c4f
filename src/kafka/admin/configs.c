/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of topics and brokers. */
#include <string.h>

#include "base/error.h"
#include "kafka/admin/admin.h"

enum { SET = 0, DELETE = 1 }; /* rd_kafka_AlterConfigOpType_t, of librdkafka 2.2 */

static rd_kafka_ConfigResource_t *resource_new(const struct weir_rd *rd,
                                               enum weir_admin_resource type, const char *name) {
    return rd->ConfigResource_new(
        type == WEIR_ADMIN_BROKER ? RD_KAFKA_RESOURCE_BROKER : RD_KAFKA_RESOURCE_TOPIC, name);
}

static bool begin(struct weir_admin_request *request, struct weir_admin *admin,
                  const char *operation, rd_kafka_admin_op_t op, enum weir_admin_resource type,
                  const char *name, int64_t timeout_ms, bool there, struct weir_error *reterr) {
    if (name)
        return weir_admin_request_begin(request, admin, operation, op,
                                        type == WEIR_ADMIN_TOPIC ? name : NULL, timeout_ms, there,
                                        reterr);
    request->code = weir_error_set(reterr, WEIR_EINVALID, "a topic or broker needs a name");
    return false;
}

/* Notes the error of the one resource; gives it when there is none. */
static const rd_kafka_ConfigResource_t *only(struct weir_admin_request *request,
                                             const rd_kafka_ConfigResource_t **resources,
                                             size_t count) {
    if (!count) {
        weir_admin_request_refuse(request, WEIR_EUNAVAILABLE, "the answer is empty");
        return NULL;
    }
    weir_admin_request_note(request, request->rd->ConfigResource_name(resources[0]),
                            request->rd->ConfigResource_error(resources[0]),
                            request->rd->ConfigResource_error_string(resources[0]), NULL);
    return request->code ? NULL : resources[0];
}

int weir_admin_describe_configs(struct weir_admin *admin, enum weir_admin_resource type,
                                const char *name, int64_t timeout_ms,
                                weir_admin_visit_config *visit, void *arg,
                                struct weir_error *reterr) {
    struct weir_admin_request request;
    bool there = admin && admin->client->rd->DescribeConfigs && admin->client->rd->ConfigEntry_name;
    if (!begin(&request, admin, "describe_configs", RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, type, name,
               timeout_ms, there, reterr))
        return request.code;
    const struct weir_rd *rd = request.rd;
    rd_kafka_ConfigResource_t *wanted = resource_new(rd, type, name);
    rd->DescribeConfigs(request.admin->client->rk, &wanted, 1, request.options,
                        request.admin->queue);
    rd->ConfigResource_destroy(wanted);
    if (weir_admin_request_await(&request)) {
        size_t count = 0, entries_count = 0;
        const rd_kafka_ConfigResource_t **resources = rd->DescribeConfigs_result_resources(
            rd->event_DescribeConfigs_result(request.event), &count);
        const rd_kafka_ConfigResource_t *found = only(&request, resources, count);
        const rd_kafka_ConfigEntry_t **entries =
            found ? rd->ConfigResource_configs(found, &entries_count) : NULL;
        for (size_t i = 0; visit && i < entries_count; i++) {
            const struct weir_admin_config config = {
                .name = rd->ConfigEntry_name(entries[i]),
                .value = rd->ConfigEntry_value(entries[i]),
                .is_default = rd->ConfigEntry_is_default(entries[i]) == 1,
                .is_read_only = rd->ConfigEntry_is_read_only(entries[i]) == 1,
                .is_secret = rd->ConfigEntry_is_sensitive(entries[i]) == 1};
            visit(arg, &config);
        }
    }
    return weir_admin_request_end(&request);
}

/* ── changing ────────────────────────────────────────────────────────────────────────────────── */

static bool is_among(const char *name, const struct weir_admin_setting *settings, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (settings[i].name && strcmp(settings[i].name, name) == 0) return true;
    return false;
}

static void ask_incrementally(struct weir_admin_request *request,
                              rd_kafka_ConfigResource_t *changed,
                              const struct weir_admin_setting *settings, size_t count) {
    const struct weir_rd *rd = request->rd;
    for (size_t i = 0; i < count && !request->code; i++) {
        rd_kafka_error_t *error = rd->ConfigResource_add_incremental_config(
            changed, settings[i].name, settings[i].value ? SET : DELETE, settings[i].value);
        if (!error) continue;
        weir_admin_request_refuse(request, WEIR_EINVALID, rd->error_string(error));
        rd->error_destroy(error);
    }
    if (request->code) return;
    rd->IncrementalAlterConfigs(request->admin->client->rk, &changed, 1, request->options,
                                request->admin->queue);
    if (!weir_admin_request_await(request)) return;
    size_t answers = 0;
    const rd_kafka_ConfigResource_t **resources = rd->IncrementalAlterConfigs_result_resources(
        rd->event_IncrementalAlterConfigs_result(request->event), &answers);
    only(request, resources, answers);
}

/* What is set on the topic now and is not to be changed, into `changed`. */
static void keep_others(struct weir_admin_request *request, rd_kafka_ConfigResource_t *changed,
                        const struct weir_admin_setting *settings, size_t count) {
    const struct weir_rd *rd = request->rd;
    size_t answers = 0, entries_count = 0;
    rd->DescribeConfigs(request->admin->client->rk, &changed, 1, request->options,
                        request->admin->queue);
    if (!weir_admin_request_await(request)) return;
    const rd_kafka_ConfigResource_t **resources = rd->DescribeConfigs_result_resources(
        rd->event_DescribeConfigs_result(request->event), &answers);
    const rd_kafka_ConfigResource_t *found = only(request, resources, answers);
    const rd_kafka_ConfigEntry_t **entries =
        found ? rd->ConfigResource_configs(found, &entries_count) : NULL;
    for (size_t i = 0; i < entries_count; i++)
        if (rd->ConfigEntry_source(entries[i]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG &&
            !is_among(rd->ConfigEntry_name(entries[i]), settings, count))
            rd->ConfigResource_set_config(changed, rd->ConfigEntry_name(entries[i]),
                                          rd->ConfigEntry_value(entries[i]));
    rd->event_destroy(request->event);
    request->event = NULL;
}

/* librdkafka before 2.2 can only replace all settings at once: so those of the topic are read
 * first. */
static void ask_as_a_whole(struct weir_admin_request *request, rd_kafka_ConfigResource_t *changed,
                           const struct weir_admin_setting *settings, size_t count) {
    const struct weir_rd *rd = request->rd;
    keep_others(request, changed, settings, count);
    for (size_t i = 0; i < count && !request->code; i++)
        if (settings[i].value &&
            rd->ConfigResource_set_config(changed, settings[i].name, settings[i].value))
            weir_admin_request_refuse(request, WEIR_EINVALID, "a setting needs a name");
    if (request->code) return;
    rd->AlterConfigs(request->admin->client->rk, &changed, 1, request->options,
                     request->admin->queue);
    if (!weir_admin_request_await(request)) return;
    size_t answers = 0;
    const rd_kafka_ConfigResource_t **resources =
        rd->AlterConfigs_result_resources(rd->event_AlterConfigs_result(request->event), &answers);
    only(request, resources, answers);
}

int weir_admin_alter_configs(struct weir_admin *admin, enum weir_admin_resource type,
                             const char *name, const struct weir_admin_setting *settings,
                             size_t count, int64_t timeout_ms, struct weir_error *reterr) {
    struct weir_admin_request request;
    const struct weir_rd *rd = admin ? admin->client->rd : NULL;
    /* A broker's secrets cannot be read, so they would be lost. */
    bool whole = rd && rd->AlterConfigs && rd->DescribeConfigs && type == WEIR_ADMIN_TOPIC;
    bool singly = rd && rd->IncrementalAlterConfigs;
    if (!count) return WEIR_OK;
    if (!begin(&request, admin, "alter_configs", RD_KAFKA_ADMIN_OP_ANY, type, name, timeout_ms,
               whole || singly, reterr))
        return request.code;
    rd_kafka_ConfigResource_t *changed = resource_new(request.rd, type, name);
    if (singly)
        ask_incrementally(&request, changed, settings, count);
    else
        ask_as_a_whole(&request, changed, settings, count);
    request.rd->ConfigResource_destroy(changed);
    return weir_admin_request_end(&request);
}
