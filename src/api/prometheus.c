/* SPDX-License-Identifier: Apache-2.0 */
#include "api/prometheus.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/metric.h"

WEIR_COUNTER(queries_ok, "weir_api_queries_total", "Queries answered.",
             "api=\"prometheus\",outcome=\"ok\"");
WEIR_COUNTER(queries_failed, "weir_api_queries_total", "Queries answered.",
             "api=\"prometheus\",outcome=\"error\"");

enum { STREAM_AT = 256 << 10 }; /* bytes of JSON that are sent in one piece */
static const int64_t all_time_ms = INT64_C(1) << 50;

/* ---- answers ---- */

static const struct {
    int code;
    const char *type;
    int status;
} error_types[] = {
    {WEIR_EINVALID, "bad_data", 400},        {WEIR_ETOOBIG, "bad_data", 400},
    {WEIR_ELIMIT, "execution", 422},         {WEIR_EUNSUPPORTED, "execution", 422},
    {WEIR_ENOMEMORY, "execution", 422},      {WEIR_ETIMEOUT, "timeout", 503},
    {WEIR_ECANCELED, "canceled", 503},       {WEIR_EBUSY, "unavailable", 503},
    {WEIR_EUNAVAILABLE, "unavailable", 503}, {WEIR_ENOTFOUND, "not_found", 404},
};

static void reply_error(struct weir_http_request *req, int status, const char *type,
                        struct weir_view words) {
    struct weir_buf buf;
    weir_buf_init(&buf, 64 << 10);
    struct weir_json_writer json = weir_json_writer(&buf);
    weir_json_begin_object(&json);
    weir_json_key(&json, "status");
    weir_json_add_cstr(&json, "error");
    weir_json_key(&json, "errorType");
    weir_json_add_cstr(&json, type);
    weir_json_key(&json, "error");
    weir_json_add_str(&json, words);
    weir_json_end_object(&json);
    weir_http_reply_buf(req, status, "application/json", &buf);
}

void weir_api_prometheus_error(struct weir_http_request *req, const struct weir_error *err) {
    const char *words = err->message[0] ? err->message : weir_error_text(err->code);
    for (size_t i = 0; i < sizeof error_types / sizeof *error_types; i++) {
        if (error_types[i].code != err->code) continue;
        reply_error(req, error_types[i].status, error_types[i].type, weir_view_str(words));
        return;
    }
    reply_error(req, 500, "internal", weir_view_str(words));
}

void weir_api_prometheus_param_error(struct weir_http_request *req, const char *name,
                                     const struct weir_error *err) {
    struct weir_buf words;
    weir_buf_init(&words, 4096);
    weir_buf_printf(&words, "invalid parameter \"%s\": ", name);
    if (err->line) weir_buf_printf(&words, "%u:%u: parse error: ", err->line, err->column);
    weir_buf_add_str(&words, err->message);
    reply_error(req, 400, "bad_data", weir_buf_view(&words));
    weir_buf_done(&words);
}

void weir_api_prometheus_begin(struct weir_api_prometheus_answer *answer,
                               struct weir_http_request *req) {
    *answer = (struct weir_api_prometheus_answer){.req = req};
    weir_buf_init(&answer->buf, WEIR_API_ANSWER_MAX);
    answer->json = weir_json_writer(&answer->buf);
    weir_json_begin_object(&answer->json);
    weir_json_key(&answer->json, "status");
    weir_json_add_cstr(&answer->json, "success");
    weir_json_key(&answer->json, "data");
}

static void send_piece(struct weir_api_prometheus_answer *answer) {
    if (!answer->gone && weir_http_stream_write(answer->req, weir_buf_view(&answer->buf)))
        answer->gone = true;
    weir_buf_clear(&answer->buf);
}

bool weir_api_prometheus_more(struct weir_api_prometheus_answer *answer) {
    if (answer->buf.len < STREAM_AT || answer->buf.failed) return !answer->gone;
    if (!answer->streaming) weir_http_stream_begin(answer->req, 200, "application/json");
    answer->streaming = true;
    send_piece(answer);
    return !answer->gone;
}

void weir_api_prometheus_end(struct weir_api_prometheus_answer *answer) {
    weir_json_end_object(&answer->json);
    if (answer->streaming) {
        send_piece(answer);
        weir_http_stream_end(answer->req);
        weir_buf_done(&answer->buf);
    } else if (answer->buf.failed) {
        weir_buf_done(&answer->buf);
        reply_error(answer->req, 422, "execution",
                    WEIR_VIEW("the answer does not fit into memory"));
    } else {
        weir_http_reply_buf(answer->req, 200, "application/json", &answer->buf);
    }
}

void weir_api_prometheus_add_labels(struct weir_json_writer *json, const struct weir_label *labels,
                                    uint32_t count) {
    weir_json_begin_object(json);
    for (uint32_t i = 0; i < count; i++) {
        weir_json_key_view(json, labels[i].name);
        weir_json_add_str(json, labels[i].value);
    }
    weir_json_end_object(json);
}

void weir_api_prometheus_add_seconds(struct weir_buf *buf, int64_t time_ms) {
    if (time_ms < 0) weir_buf_add_char(buf, '-');
    uint64_t ms = time_ms < 0 ? 0 - (uint64_t)time_ms : (uint64_t)time_ms;
    weir_buf_add_u64(buf, ms / 1000);
    if (ms % 1000) weir_buf_printf(buf, ".%03u", (unsigned)(ms % 1000));
}

static void add_sample(struct weir_json_writer *json, int64_t time_ms, double value) {
    struct weir_buf *buf = json->buf;
    weir_json_begin_array(json);
    weir_api_prometheus_add_seconds(buf, time_ms);
    weir_buf_add_str(buf, ",\"");
    weir_json_format_f64(buf, value);
    weir_buf_add_char(buf, '"');
    weir_json_end_array(json);
}

static void add_text(struct weir_json_writer *json, int64_t time_ms, struct weir_view text) {
    weir_json_begin_array(json);
    weir_buf_printf(json->buf, "%lld.%03lld", (long long)(time_ms / 1000),
                    (long long)llabs(time_ms % 1000));
    json->comma = true;
    weir_json_add_str(json, text);
    weir_json_end_array(json);
}

static void add_series(struct weir_json_writer *json, const struct weir_promql_series *s,
                       bool matrix) {
    weir_json_begin_object(json);
    weir_json_key(json, "metric");
    weir_api_prometheus_add_labels(json, s->labels, s->labels_count);
    weir_json_key(json, matrix ? "values" : "value");
    if (matrix) weir_json_begin_array(json);
    for (uint32_t i = 0; i < s->count; i++) add_sample(json, s->times_ms[i], s->values[i]);
    if (matrix) weir_json_end_array(json);
    weir_json_end_object(json);
}

static void add_result(struct weir_api_prometheus_answer *answer,
                       const struct weir_promql_result *result, uint32_t limit, int64_t time_ms) {
    static const char *const names[] = {"none", "scalar", "vector", "matrix", "string"};
    struct weir_json_writer *json = &answer->json;
    weir_json_key(json, "resultType");
    weir_json_add_cstr(json, names[result->type]);
    weir_json_key(json, "result");
    if (result->type == WEIR_PROMQL_SCALAR) {
        add_sample(json, time_ms, result->series[0].values[0]);
    } else if (result->type == WEIR_PROMQL_STRING) {
        add_text(json, time_ms, result->text);
    } else {
        weir_json_begin_array(json);
        for (uint32_t i = 0; i < result->series_count && i < limit; i++) {
            add_series(json, &result->series[i], result->type == WEIR_PROMQL_MATRIX);
            if (!weir_api_prometheus_more(answer)) break;
        }
        weir_json_end_array(json);
    }
}

static void add_notes(struct weir_json_writer *json, const struct weir_promql_result *result,
                      bool info, bool truncated) {
    bool open = false;
    for (uint32_t i = 0; i < result->notes_count + 1; i++) {
        bool own = i < result->notes_count;
        if (own ? result->notes[i].info != info : !truncated || info) continue;
        if (!open) {
            weir_json_key(json, info ? "infos" : "warnings");
            weir_json_begin_array(json);
            open = true;
        }
        if (!own) {
            weir_json_add_cstr(json, "results truncated due to limit");
            continue;
        }
        struct weir_buf text;
        weir_buf_init(&text, 4096);
        weir_buf_printf(&text, "PromQL %s: %.*s", info ? "info" : "warning",
                        WEIR_VIEW_ARG(result->notes[i].text));
        weir_json_add_str(json, weir_buf_view(&text));
        weir_buf_done(&text);
    }
    if (open) weir_json_end_array(json);
}

/* ---- queries ---- */

struct question {
    struct weir_http_request *req;
    struct weir_query query;
    struct weir_promql_options options;
    uint32_t limit; /* of series */
};

static int64_t to_ms(int64_t ns) {
    return ns / WEIR_NS_PER_MS - (ns % WEIR_NS_PER_MS < 0);
}

static bool param_time(struct weir_http_request *req, const char *name, int64_t otherwise_ns,
                       int64_t *ret_ms) {
    struct weir_error err = {0};
    int64_t ns;
    if (weir_api_param_time_ns(req, name, otherwise_ns, &ns, &err)) {
        weir_api_prometheus_param_error(req, name, &err);
        return false;
    }
    *ret_ms = to_ms(ns);
    return true;
}

bool weir_api_prometheus_range(struct weir_http_request *req, int64_t *ret_start_ms,
                               int64_t *ret_end_ms) {
    if (!param_time(req, "start", 0, ret_start_ms) || !param_time(req, "end", 0, ret_end_ms))
        return false;
    if (weir_http_param(req, "start").len == 0) *ret_start_ms = -all_time_ms;
    if (weir_http_param(req, "end").len == 0) *ret_end_ms = all_time_ms;
    if (*ret_end_ms >= *ret_start_ms) return true;
    struct weir_error err;
    weir_error_set(&err, WEIR_EINVALID, "end timestamp must not be before start time");
    weir_api_prometheus_param_error(req, "end", &err);
    return false;
}

static bool param_duration(struct weir_http_request *req, const char *name, int64_t *ret_ns) {
    struct weir_error err = {0};
    if (weir_api_param_duration_ns(req, name, 0, ret_ns, &err) == 0) return true;
    weir_api_prometheus_param_error(req, name, &err);
    return false;
}

/* What both kinds of query share. On false the error has been sent. */
static bool common_params(struct question *q) {
    struct weir_error err = {0};
    int64_t timeout_ns, lookback_ns;
    if (!param_duration(q->req, "timeout", &timeout_ns) ||
        !param_duration(q->req, "lookback_delta", &lookback_ns))
        return false;
    q->options.lookback_ms = lookback_ns / WEIR_NS_PER_MS;
    int64_t deadline = weir_clock_mono_ns() + timeout_ns;
    if (timeout_ns && (q->query.deadline_ns == 0 || deadline < q->query.deadline_ns))
        q->query.deadline_ns = deadline;
    q->limit = UINT32_MAX;
    if (weir_view_is(weir_http_param(q->req, "limit"), "0")) return true; /* 0 = no limit */
    if (weir_api_param_count(q->req, "limit", UINT32_MAX, UINT32_MAX, &q->limit, &err) == 0)
        return true;
    weir_api_prometheus_param_error(q->req, "limit", &err);
    return false;
}

struct weir_promql_expr *weir_api_prometheus_param_query(struct weir_http_request *req,
                                                         struct weir_arena *arena) {
    struct weir_error err = {0};
    struct weir_promql_expr *expr;
    if (weir_promql_parse(arena, weir_http_param(req, "query"), &expr, &err) == 0) return expr;
    weir_api_prometheus_param_error(req, "query", &err);
    return NULL;
}

static void add_explain(struct question *q, struct weir_json_writer *json,
                        const struct weir_promql_expr *expr) {
    struct weir_view plan;
    weir_json_key(json, "explain");
    weir_query_add_explain(&q->query, json->buf);
    json->comma = true;
    if (weir_promql_explain(&q->query.arena, expr, &q->options, &plan, NULL)) return;
    weir_json_key(json, "plan");
    weir_json_add_str(json, plan);
}

static void answer_query(const struct weir_api *api, struct question *q) {
    struct weir_error err = {0};
    struct weir_promql_result result;
    struct weir_promql_expr *expr = weir_api_prometheus_param_query(q->req, &q->query.arena);
    if (!expr) {
        weir_metric_add(&queries_failed, 1);
        return;
    }
    q->options.text = weir_http_param(q->req, "query");
    if (weir_promql_eval(&q->query, api->source, expr, &q->options, &result, &err)) {
        weir_metric_add(&queries_failed, 1);
        bool vector = expr->type == WEIR_PROMQL_SCALAR || expr->type == WEIR_PROMQL_VECTOR;
        if (err.code == WEIR_EINVALID && q->options.step_ms && !vector)
            weir_api_prometheus_param_error(q->req, "query", &err);
        else
            weir_api_prometheus_error(q->req, &err);
        return;
    }
    weir_metric_add(&queries_ok, 1);
    struct weir_api_prometheus_answer answer;
    weir_api_prometheus_begin(&answer, q->req);
    weir_json_begin_object(&answer.json);
    add_result(&answer, &result, q->limit, q->options.end_ms);
    if (weir_api_param_flag(q->req, "explain")) add_explain(q, &answer.json, expr);
    weir_json_end_object(&answer.json);
    add_notes(&answer.json, &result, false, result.series_count > q->limit);
    add_notes(&answer.json, &result, true, false);
    weir_api_prometheus_end(&answer);
}

static void query_instant(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct question q = {.req = req};
    weir_api_query_init(api, req, &q.query);
    if (common_params(&q) && param_time(req, "time", weir_clock_wall_ns(), &q.options.start_ms)) {
        q.options.end_ms = q.options.start_ms;
        answer_query(api, &q);
    }
    weir_query_done(&q.query);
}

static bool required(struct weir_http_request *req, const char *name, const char *words) {
    struct weir_error err;
    if (weir_http_param(req, name).len) return true;
    weir_error_set(&err, WEIR_EINVALID, "%s", words);
    weir_api_prometheus_param_error(req, name, &err);
    return false;
}

static bool range_params(struct question *q) {
    struct weir_error err;
    int64_t step_ns;
    static const char time_words[] = "cannot parse \"\" to a valid timestamp";
    if (!required(q->req, "start", time_words) || !required(q->req, "end", time_words) ||
        !required(q->req, "step", "cannot parse \"\" to a valid duration") ||
        !weir_api_prometheus_range(q->req, &q->options.start_ms, &q->options.end_ms) ||
        !param_duration(q->req, "step", &step_ns))
        return false;
    q->options.step_ms = step_ns / WEIR_NS_PER_MS;
    if (q->options.step_ms > 0) return true;
    weir_error_set(
        &err, WEIR_EINVALID,
        "zero or negative query resolution step widths are not accepted. Try a positive integer");
    weir_api_prometheus_param_error(q->req, "step", &err);
    return false;
}

static void query_range(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct question q = {.req = req};
    weir_api_query_init(api, req, &q.query);
    if (common_params(&q) && range_params(&q)) answer_query(api, &q);
    weir_query_done(&q.query);
}

static void format_query(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    struct weir_promql_expr *expr = weir_api_prometheus_param_query(req, req->arena);
    if (!expr) return;
    struct weir_api_prometheus_answer answer;
    weir_api_prometheus_begin(&answer, req);
    weir_json_add_str(&answer.json, weir_promql_format(req->arena, expr));
    weir_api_prometheus_end(&answer);
}

/* ---- routes ---- */

#define ROUTE(method_, path_, handler_)                                                            \
    {.method = (method_),                                                                          \
     .pattern = "/api/v1" path_,                                                                   \
     .handler = (handler_),                                                                        \
     .flags = WEIR_HTTP_BLOCKING | WEIR_HTTP_FORM},                                                \
    {                                                                                              \
        .method = (method_), .pattern = "/prometheus/api/v1" path_, .handler = (handler_),         \
        .flags = WEIR_HTTP_BLOCKING | WEIR_HTTP_FORM                                               \
    }

static const struct weir_http_route routes[] = {
    ROUTE("GET|POST", "/query", query_instant),
    ROUTE("GET|POST", "/query_range", query_range),
    ROUTE("GET|POST", "/query_exemplars", weir_api_prometheus_exemplars),
    ROUTE("GET|POST", "/format_query", format_query),
    ROUTE("GET|POST", "/labels", weir_api_prometheus_labels),
    ROUTE("GET", "/label/{name}/values", weir_api_prometheus_values),
    ROUTE("GET|POST", "/series", weir_api_prometheus_series),
    ROUTE("GET", "/metadata", weir_api_prometheus_metadata),
    ROUTE("GET", "/status/buildinfo", weir_api_prometheus_buildinfo),
    ROUTE("GET", "/status/runtimeinfo", weir_api_prometheus_runtimeinfo),
    ROUTE("GET", "/rules", weir_api_prometheus_rules),
    ROUTE("GET", "/alerts", weir_api_prometheus_alerts),
    ROUTE("GET", "/targets", weir_api_prometheus_targets),
};

const struct weir_http_route *weir_api_prometheus_routes(size_t *ret_count) {
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
