/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/admin/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "kafka/names.h"

enum { ATTRS_MAX = 4 };

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

struct weir_admin *weir_admin_open(const struct weir_kafka_options *options,
                                   struct weir_error *reterr) {
    rd_kafka_conf_t *conf;
    struct weir_admin *admin = calloc(1, sizeof *admin);
    if (!admin) {
        weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
        return NULL;
    }
    if (weir_kafka_client_new(options, true, &conf, &admin->client, reterr)) {
        free(admin);
        return NULL;
    }
    admin->client->owner = admin;
    if (weir_kafka_client_open(admin->client, conf, reterr)) {
        weir_kafka_client_unref(admin->client);
        free(admin);
        return NULL;
    }
    pthread_mutex_init(&admin->mutex, NULL);
    admin->queue = admin->client->rd->queue_new(admin->client->rk);
    return admin;
}

void weir_admin_close(struct weir_admin *admin) {
    if (!admin || weir_kafka_client_is_foreign(admin->client)) return;
    admin->client->rd->queue_destroy(admin->queue);
    weir_kafka_client_retire(admin->client);
    weir_kafka_client_unref(admin->client);
    pthread_mutex_destroy(&admin->mutex);
    free(admin);
}

struct rd_kafka_s *weir_admin_handle(struct weir_admin *admin) {
    return admin ? admin->client->rk : NULL;
}

/* ── one request ─────────────────────────────────────────────────────────────────────────────── */

const char *weir_admin_only(const char *topic, size_t count) {
    return count == 1 ? topic : NULL;
}

static struct weir_span *start_span(const struct weir_kafka_client *client, const char *operation,
                                    const char *topic) {
    char name[WEIR_KAFKA_NAME_SIZE];
    bool observed = !topic || weir_kafka_settings_observes(client->settings, topic);
    if (!client->settings->spans || !observed) return NULL;
    snprintf(name, sizeof name, "%s%s%.249s", operation, topic ? " " : "", topic ? topic : "");
    struct weir_attribute attrs[ATTRS_MAX + WEIR_KAFKA_OLDER_MAX] = {
        WEIR_STR("messaging.operation.name", operation),
        WEIR_STR("messaging.destination.name", topic)};
    const struct weir_span_options options = {
        .struct_size = sizeof options,
        .kind = WEIR_KIND_CLIENT,
        .bound = client->bound,
        .attributes = attrs,
        .attributes_count = weir_kafka_names_apply(client->settings, attrs, topic ? 2 : 1,
                                                   sizeof attrs / sizeof *attrs)};
    return weir_span_start(client->tracer, name, &options);
}

bool weir_admin_request_begin(struct weir_admin_request *request, struct weir_admin *admin,
                              const char *operation, rd_kafka_admin_op_t op, const char *topic,
                              int64_t timeout_ms, bool is_there, struct weir_error *reterr) {
    char text[200];
    *request = (struct weir_admin_request){.err = reterr};
    if (!admin)
        request->code = weir_error_set(reterr, WEIR_EINVALID, "no admin client");
    else if (weir_kafka_client_is_foreign(admin->client))
        request->code = weir_kafka_client_refuse(reterr);
    else if (!is_there)
        request->code =
            weir_error_set(reterr, WEIR_EUNSUPPORTED, "librdkafka %s has no call for %s",
                           admin->client->rd->version_str(), operation);
    if (request->code) return false;
    request->admin = admin;
    request->rd = admin->client->rd;
    request->timeout_ms = timeout_ms < 1 ? 1 : timeout_ms > 3600000 ? 3600000 : (int)timeout_ms;
    pthread_mutex_lock(&admin->mutex);
    request->span = start_span(admin->client, operation, topic);
    request->options = request->rd->AdminOptions_new(admin->client->rk, op);
    if (!request->options) {
        weir_admin_request_refuse(request, WEIR_ENOMEMORY, "out of memory");
        weir_admin_request_end(request);
        return false;
    }
    request->rd->AdminOptions_set_request_timeout(request->options, request->timeout_ms, text,
                                                  sizeof text);
    request->rd->AdminOptions_set_operation_timeout(request->options, request->timeout_ms, text,
                                                    sizeof text);
    return true;
}

static void fail_span(struct weir_admin_request *request, const char *type, const char *words) {
    weir_span_set(request->span, WEIR_STR("error.type", type));
    weir_span_set_status(request->span, WEIR_STATUS_ERROR, words);
    weir_span_record_exception(request->span, type, words, NULL, NULL, 0);
}

void weir_admin_request_refuse(struct weir_admin_request *request, int code, const char *words) {
    if (request->code) return;
    request->code = weir_error_set(request->err, code, "%s", words);
    fail_span(request, weir_error_name(code), words);
}

void weir_admin_request_note(struct weir_admin_request *request, const char *item,
                             rd_kafka_resp_err_t err, const char *words,
                             struct weir_admin_result *ret) {
    int code = err ? weir_rd_code(err) : WEIR_OK;
    const char *type = err ? weir_rd_error_type(request->rd, err) : NULL;
    if (err && (!words || !words[0])) words = request->rd->err2str(err);
    if (ret) {
        *ret = (struct weir_admin_result){.code = code, .error_type = type};
        if (err) snprintf(ret->message, sizeof ret->message, "%s", words);
    }
    if (!err || request->code) return;
    request->code =
        weir_error_set(request->err, code, "%s%s%s", item ? item : "", item ? ": " : "", words);
    fail_span(request, type, words);
}

bool weir_admin_request_await(struct weir_admin_request *request) {
    const struct weir_rd *rd = request->rd;
    /* librdkafka answers at the timeout by itself; what it was asked late, a little later. */
    int64_t patience_ms = (int64_t)request->timeout_ms + 2000;
    request->event = rd->queue_poll(request->admin->queue, (int)patience_ms);
    if (!request->event)
        weir_admin_request_note(request, NULL, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, NULL);
    else if (rd->event_error(request->event))
        weir_admin_request_note(request, NULL, rd->event_error(request->event),
                                rd->event_error_string(request->event), NULL);
    return request->code == WEIR_OK;
}

/* An answer that came too late for its own request must not be taken for the next one's. */
static void renew_queue(struct weir_admin *admin) {
    admin->client->rd->queue_destroy(admin->queue);
    admin->queue = admin->client->rd->queue_new(admin->client->rk);
}

int weir_admin_request_end(struct weir_admin_request *request) {
    if (!request->admin) return request->code;
    if (request->options) request->rd->AdminOptions_destroy(request->options);
    if (request->event)
        request->rd->event_destroy(request->event);
    else
        renew_queue(request->admin);
    weir_span_end(request->span);
    pthread_mutex_unlock(&request->admin->mutex);
    return request->code;
}
