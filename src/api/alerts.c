/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/rules and /api/v1/alerts, as Prometheus answers them. */
#include "alert/engine.h"

#include <stdio.h>

#include "api/prometheus.h"
#include "base/clock.h"

static void add_time(struct weir_json_writer *json, const char *key, int64_t time_ns) {
    char room[64];
    struct weir_buf text = {.ptr = room, .room = sizeof room, .size_max = sizeof room};
    weir_json_key(json, key);
    if (time_ns) weir_clock_add_rfc3339(&text, time_ns, 9);
    weir_json_add_str(json, time_ns ? weir_buf_view(&text) : WEIR_VIEW("0001-01-01T00:00:00Z"));
}

static void add_pairs(struct weir_json_writer *json, const char *key,
                      const struct weir_alert_pair *pairs, uint32_t count) {
    weir_json_key(json, key);
    weir_json_begin_object(json);
    for (uint32_t i = 0; i < count; i++) {
        weir_json_key_view(json, pairs[i].name);
        weir_json_add_str(json, pairs[i].text);
    }
    weir_json_end_object(json);
}

static void add_alert(void *arg, const struct weir_alert *alert) {
    struct weir_json_writer *json = arg;
    char text[40];
    weir_json_begin_object(json);
    weir_json_key(json, "labels");
    weir_api_prometheus_add_labels(json, alert->labels, alert->labels_count);
    weir_json_key(json, "annotations");
    weir_api_prometheus_add_labels(json, alert->annotations, alert->annotations_count);
    weir_json_key(json, "state");
    weir_json_add_cstr(json, alert->state == WEIR_ALERT_FIRING ? "firing" : "pending");
    add_time(json, "activeAt", alert->active_ns);
    snprintf(text, sizeof text, "%.17g", alert->value);
    weir_json_key(json, "value");
    weir_json_add_cstr(json, text);
    weir_json_end_object(json);
}

static void find_state(void *arg, const struct weir_alert *alert) {
    const char **state = arg;
    if (alert->state == WEIR_ALERT_FIRING)
        *state = "firing";
    else if (strcmp(*state, "inactive") == 0)
        *state = "pending";
}

static double seconds(int64_t ns) {
    return (double)ns / 1e9;
}

static void add_alerting(struct weir_json_writer *json, struct weir_alert_engine *engine,
                         const struct weir_alert_rule *rule) {
    const char *state = "inactive";
    weir_alert_engine_each(engine, rule, find_state, &state);
    weir_json_key(json, "state");
    weir_json_add_cstr(json, state);
    weir_json_key(json, "duration");
    weir_json_add_f64(json, seconds(rule->for_ns));
    weir_json_key(json, "keepFiringFor");
    weir_json_add_f64(json, seconds(rule->keep_ns));
    add_pairs(json, "annotations", rule->annotations, rule->annotations_count);
    weir_json_key(json, "alerts");
    weir_json_begin_array(json);
    weir_alert_engine_each(engine, rule, add_alert, json);
    weir_json_end_array(json);
}

static void add_rule(struct weir_json_writer *json, struct weir_alert_engine *engine,
                     const struct weir_alert_rule *rule) {
    struct weir_alert_health health = weir_alert_engine_health(engine, rule);
    weir_json_begin_object(json);
    weir_json_key(json, "name");
    weir_json_add_str(json, rule->name);
    weir_json_key(json, "query");
    weir_json_add_str(json, rule->query);
    add_pairs(json, "labels", rule->labels, rule->labels_count);
    if (rule->is_alert) add_alerting(json, engine, rule);
    weir_json_key(json, "health");
    weir_json_add_cstr(json, !health.evaluated_ns ? "unknown" : health.error[0] ? "err" : "ok");
    weir_json_key(json, "lastError");
    weir_json_add_cstr(json, health.error);
    weir_json_key(json, "evaluationTime");
    weir_json_add_f64(json, seconds(health.took_ns));
    add_time(json, "lastEvaluation", health.evaluated_ns);
    weir_json_key(json, "type");
    weir_json_add_cstr(json, rule->is_alert ? "alerting" : "recording");
    weir_json_end_object(json);
}

static void add_group(struct weir_json_writer *json, struct weir_alert_engine *engine,
                      const struct weir_alert_group *group, bool alerts, bool records) {
    int64_t took_ns = 0, last_ns = 0;
    weir_json_begin_object(json);
    weir_json_key(json, "name");
    weir_json_add_str(json, group->name);
    weir_json_key(json, "file");
    weir_json_add_cstr(json, group->file);
    weir_json_key(json, "interval");
    weir_json_add_f64(json, seconds(group->interval_ns));
    weir_json_key(json, "limit");
    weir_json_add_i64(json, 0);
    weir_json_key(json, "rules");
    weir_json_begin_array(json);
    for (uint32_t i = 0; i < group->rules_count; i++) {
        const struct weir_alert_rule *rule = &group->rules[i];
        struct weir_alert_health health = weir_alert_engine_health(engine, rule);
        took_ns += health.took_ns;
        if (health.evaluated_ns > last_ns) last_ns = health.evaluated_ns;
        if (rule->is_alert ? alerts : records) add_rule(json, engine, rule);
    }
    weir_json_end_array(json);
    weir_json_key(json, "evaluationTime");
    weir_json_add_f64(json, seconds(took_ns));
    add_time(json, "lastEvaluation", last_ns);
    weir_json_end_object(json);
}

void weir_api_prometheus_rules(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct weir_view type = weir_http_param(req, "type");
    bool alerts = !type.len || weir_view_is(type, "alert"),
         records = !type.len || weir_view_is(type, "record");
    struct weir_api_prometheus_answer answer;
    if (!alerts && !records) {
        struct weir_error err;
        weir_error_set(&err, WEIR_EINVALID, "not supported value \"%.*s\"", WEIR_VIEW_ARG(type));
        weir_api_prometheus_param_error(req, "type", &err);
        return;
    }
    weir_api_prometheus_begin(&answer, req);
    weir_json_begin_object(&answer.json);
    weir_json_key(&answer.json, "groups");
    weir_json_begin_array(&answer.json);
    const struct weir_alert_rules *rules =
        api->alerts ? weir_alert_engine_rules(api->alerts) : NULL;
    for (uint32_t i = 0; rules && i < rules->groups_count; i++)
        add_group(&answer.json, api->alerts, &rules->groups[i], alerts, records);
    weir_json_end_array(&answer.json);
    weir_json_end_object(&answer.json);
    weir_api_prometheus_end(&answer);
}

void weir_api_prometheus_alerts(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct weir_api_prometheus_answer answer;
    weir_api_prometheus_begin(&answer, req);
    weir_json_begin_object(&answer.json);
    weir_json_key(&answer.json, "alerts");
    weir_json_begin_array(&answer.json);
    if (api->alerts) weir_alert_engine_each(api->alerts, NULL, add_alert, &answer.json);
    weir_json_end_array(&answer.json);
    weir_json_end_object(&answer.json);
    weir_api_prometheus_end(&answer);
}
