/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's query API: query and query_range. Source: Loki HTTP API, v3. */
#include "api/loki.h"

#include "api/loki_json.h"
#include "base/clock.h"
#include "logql/parse.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 5000, POINTS_WANTED = 250 };

void weir_loki_ask_init(struct weir_loki_ask *ask, struct weir_api *api,
                        struct weir_http_request *req) {
    *ask = (struct weir_loki_ask){.api = api, .req = req, .begun_ns = weir_clock_mono_ns()};
    weir_api_query_init(api, req, &ask->query);
}

void weir_loki_ask_done(struct weir_loki_ask *ask) {
    if (ask->planned) weir_logql_plan_done(&ask->plan);
    weir_query_done(&ask->query);
}

int weir_loki_ask_prepare(struct weir_loki_ask *ask, struct weir_view text,
                          struct weir_error *reterr) {
    if (!text.len)
        return weir_error_set(
            reterr, WEIR_EINVALID,
            "parameter query is missing; give a LogQL query such as {service_name=\"x\"}");
    int rc = weir_logql_parse(text, &ask->query.arena, &ask->expr, reterr);
    if (rc == 0) rc = weir_logql_plan_init(&ask->plan, text, ask->expr, &ask->query.arena, reterr);
    ask->planned = rc == 0;
    return rc;
}

int weir_loki_param_range(const struct weir_http_request *req, int64_t *ret_start_ns,
                          int64_t *ret_end_ns, struct weir_error *reterr) {
    int64_t since_ns, now_ns = weir_clock_wall_ns();
    int rc = weir_api_param_duration_ns(req, "since", 3600 * WEIR_NS_PER_S, &since_ns, reterr);
    if (rc == 0) rc = weir_api_param_time_ns(req, "end", now_ns, ret_end_ns, reterr);
    if (rc == 0)
        rc = weir_api_param_time_ns(req, "start", *ret_end_ns - since_ns, ret_start_ns, reterr);
    if (rc == 0 && *ret_end_ns < *ret_start_ns)
        rc = weir_error_set(reterr, WEIR_EINVALID, "end timestamp must not be before start time");
    return rc;
}

static int param_direction(const struct weir_http_request *req, bool *ret_forward,
                           struct weir_error *reterr) {
    struct weir_view text = weir_http_param(req, "direction");
    *ret_forward = weir_view_eq_nocase(text, WEIR_VIEW("forward"));
    if (!text.len || *ret_forward || weir_view_eq_nocase(text, WEIR_VIEW("backward"))) return 0;
    return weir_error_set(reterr, WEIR_EINVALID,
                          "parameter direction: \"%.*s\" is neither forward nor backward",
                          WEIR_VIEW_ARG(weir_view_upto(text, 40)));
}

static bool wants_categories(const struct weir_http_request *req) {
    struct weir_view flags = weir_http_header(req, "X-Loki-Response-Encoding-Flags");
    return weir_view_find(flags, WEIR_VIEW("categorize-labels")) != SIZE_MAX;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void begin_answer(struct weir_json_writer *w) {
    weir_json_begin_object(w);
    weir_json_key(w, "status");
    weir_json_add_cstr(w, "success");
    weir_json_key(w, "data");
    weir_json_begin_object(w);
}

static void end_answer(struct weir_loki_ask *ask, struct weir_json_writer *w, uint64_t entries) {
    weir_loki_add_stats(w, &ask->query, weir_clock_mono_ns() - ask->begun_ns, entries);
    weir_json_end_object(w);
    if (weir_api_param_flag(ask->req, "explain")) {
        struct weir_buf explain;
        weir_buf_init(&explain, 1 << 16);
        weir_query_add_explain(&ask->query, &explain);
        weir_json_key(w, "explain");
        weir_json_add_raw(w, weir_buf_view(&explain));
        weir_buf_done(&explain);
    }
    weir_json_end_object(w);
}

static int answer_lines(struct weir_loki_ask *ask, const struct weir_logql_options *options,
                        struct weir_buf *out, struct weir_error *reterr) {
    struct weir_logql_lines lines;
    struct weir_json_writer w = weir_json_writer(out);
    bool categorize = wants_categories(ask->req);
    int rc = weir_logql_eval_lines(ask->api->source, &ask->query, &ask->plan, ask->expr, options,
                                   &lines, reterr);
    if (rc != 0) return rc;
    begin_answer(&w);
    weir_json_key(&w, "resultType");
    weir_json_add_cstr(&w, "streams");
    if (categorize) {
        weir_json_key(&w, "encodingFlags");
        weir_json_add_raw(&w, WEIR_VIEW("[\"categorize-labels\"]"));
    }
    weir_json_key(&w, "result");
    if (weir_loki_add_streams(&w, &lines, categorize, &ask->query.arena) != 0)
        return weir_error_set(reterr, WEIR_ELIMIT,
                              "the answer needs too much memory; lower the limit");
    end_answer(ask, &w, lines.count);
    return 0;
}

static int answer_matrix(struct weir_loki_ask *ask, const struct weir_logql_options *options,
                         bool instant, struct weir_buf *out, struct weir_error *reterr) {
    struct weir_logql_matrix matrix;
    struct weir_json_writer w = weir_json_writer(out);
    int rc = weir_logql_eval_matrix(ask->api->source, &ask->query, &ask->plan, ask->expr, options,
                                    &matrix, reterr);
    if (rc != 0) return rc;
    begin_answer(&w);
    weir_loki_add_matrix(&w, &matrix, instant);
    end_answer(ask, &w, matrix.count);
    return 0;
}

static int range_options(const struct weir_http_request *req, struct weir_logql_options *ret,
                         struct weir_error *reterr) {
    int rc = weir_loki_param_range(req, &ret->start_ns, &ret->end_ns, reterr);
    int64_t step_ns = (ret->end_ns - ret->start_ns) / POINTS_WANTED / WEIR_NS_PER_S * WEIR_NS_PER_S;
    if (rc == 0) rc = param_direction(req, &ret->forward, reterr);
    if (rc == 0)
        rc = weir_api_param_count(req, "limit", LIMIT_DEFAULT, LIMIT_MAX, &ret->limit, reterr);
    if (rc == 0)
        rc = weir_api_param_duration_ns(req, "step", step_ns > 0 ? step_ns : WEIR_NS_PER_S,
                                        &ret->step_ns, reterr);
    return rc;
}

static int query_range(struct weir_loki_ask *ask, struct weir_buf *out, struct weir_error *reterr) {
    struct weir_logql_options options = {0};
    int rc = range_options(ask->req, &options, reterr);
    if (rc == 0) rc = weir_loki_ask_prepare(ask, weir_http_param(ask->req, "query"), reterr);
    if (rc != 0) return rc;
    return weir_logql_is_log(ask->expr) ? answer_lines(ask, &options, out, reterr)
                                        : answer_matrix(ask, &options, false, out, reterr);
}

static int query_instant(struct weir_loki_ask *ask, struct weir_buf *out,
                         struct weir_error *reterr) {
    struct weir_logql_options options = {0};
    int rc =
        weir_api_param_time_ns(ask->req, "time", weir_clock_wall_ns(), &options.end_ns, reterr);
    options.start_ns = options.end_ns;
    if (rc == 0) rc = weir_loki_ask_prepare(ask, weir_http_param(ask->req, "query"), reterr);
    if (rc != 0) return rc;
    if (weir_logql_is_log(ask->expr))
        return weir_error_set(
            reterr, WEIR_EINVALID,
            "log queries are not supported as an instant query type, please change your query to a "
            "range query type");
    return answer_matrix(ask, &options, true, out, reterr);
}

static void answer(void *ctx, struct weir_http_request *req,
                   int (*run)(struct weir_loki_ask *ask, struct weir_buf *out,
                              struct weir_error *reterr)) {
    struct weir_loki_ask ask;
    struct weir_error err = {0};
    struct weir_buf out;
    weir_loki_ask_init(&ask, ctx, req);
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    int rc = run(&ask, &out, &err);
    weir_loki_ask_done(&ask);
    if (rc == 0) {
        weir_api_reply_json(req, &out);
        return;
    }
    weir_buf_done(&out);
    weir_api_reply_error(req, &err);
}

static void handle_range(void *ctx, struct weir_http_request *req) {
    answer(ctx, req, query_range);
}

static void handle_instant(void *ctx, struct weir_http_request *req) {
    answer(ctx, req, query_instant);
}

static const struct weir_http_route routes[] = {
#define BLOCKING (WEIR_HTTP_BLOCKING | WEIR_HTTP_FORM)
    {"GET|POST", "/loki/api/v1/query_range", handle_range, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/query", handle_instant, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/labels", weir_loki_labels, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/label", weir_loki_labels, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/label/{name}/values", weir_loki_label_values, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/series", weir_loki_series, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/index/stats", weir_loki_index_stats, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/index/volume", weir_loki_index_volume, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/index/volume_range", weir_loki_index_volume_range, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/detected_fields", weir_loki_detected_fields, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/detected_labels", weir_loki_detected_labels, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/format_query", weir_loki_format_query, BLOCKING, 0},
    {"GET|POST", "/loki/api/v1/patterns", weir_loki_patterns, 0, 0},
    {"GET", "/loki/api/v1/drilldown-limits", weir_loki_drilldown_limits, 0, 0},
    {"GET", "/loki/api/v1/status/buildinfo", weir_loki_buildinfo, 0, 0},
    {"GET", "/loki/api/v1/tail", weir_loki_tail, 0, 0},
#undef BLOCKING
};

const struct weir_http_route *weir_api_loki_routes(size_t *ret_count) {
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
