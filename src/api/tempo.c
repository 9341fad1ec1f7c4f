/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's API: traces by id, search, TraceQL metrics. Bare and under /tempo. Source: Tempo HTTP
 * API, 2.8. */
#include "api/tempo.h"

#include "api/trace.h"
#include "base/clock.h"
#include "traceql/parse.h"
#include "wire/pb.h"

void weir_tempo_reply_error(struct weir_http_request *req, const struct weir_error *err) {
    /* Grafana shows Tempo's errors as they come; a curl user gets the same words. */
    weir_http_reply_view(req, weir_error_http(err->code), "text/plain; charset=utf-8",
                         weir_view_str(err->message));
}

/* ---- traces by id ---------------------------------------------------------------------------- */

static bool accepts_protobuf(const struct weir_http_request *req) {
    return weir_view_find(weir_http_header(req, "Accept"), WEIR_VIEW("application/protobuf")) !=
           SIZE_MAX;
}

static void reply_protobuf(struct weir_http_request *req, const struct weir_trace_spans *spans,
                           bool v2) {
    struct weir_buf out;
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    size_t trace = v2 ? weir_pb_begin(&out, 1) : 0; /* TraceByIDResponse.trace */
    weir_trace_add_pb(&out, spans);
    if (v2) weir_pb_end(&out, trace);
    if (!out.failed) {
        weir_http_reply_buf(req, 200, "application/protobuf", &out);
        return;
    }
    weir_buf_done(&out);
    struct weir_error err = {0};
    weir_error_set(&err, WEIR_ETOOBIG, "the trace is larger than %d MiB",
                   WEIR_API_ANSWER_MAX >> 20);
    weir_tempo_reply_error(req, &err);
}

static void reply_trace_json(struct weir_http_request *req, const struct weir_trace_spans *spans,
                             bool v2) {
    struct weir_buf out;
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    struct weir_json_writer w = weir_json_writer(&out);
    weir_json_begin_object(&w);
    if (v2) {
        weir_json_key(&w, "trace");
        weir_json_begin_object(&w);
    }
    weir_json_key(&w, v2 ? "resourceSpans" : "batches");
    weir_trace_add_json(&w, spans, WEIR_TRACE_IDS_BASE64);
    if (v2) {
        weir_json_end_object(&w);
        weir_json_key(&w, "metrics");
        weir_json_add_raw(&w, WEIR_VIEW("{}"));
    }
    weir_json_end_object(&w);
    weir_api_reply_json(req, &out);
}

static int read_trace(const struct weir_api *api, struct weir_http_request *req,
                      struct weir_query *query, struct weir_trace_spans *spans,
                      struct weir_error *reterr) {
    uint8_t id[16];
    int64_t from_ns, until_ns;
    struct weir_view text = weir_http_path_param(req, "id");
    if (!weir_trace_id_parse(text, id))
        return weir_error_set(reterr, WEIR_EINVALID,
                              "\"%.*s\" is not a trace id: up to 32 hex digits, not all zero",
                              WEIR_VIEW_ARG(weir_view_upto(text, 60)));
    int rc = weir_api_param_time_ns(req, "start", 0, &from_ns, reterr);
    if (rc == 0) rc = weir_api_param_time_ns(req, "end", INT64_MAX, &until_ns, reterr);
    if (rc == 0)
        rc = weir_trace_read_one(api->source, query, id, from_ns, until_ns, 0, spans, reterr);
    if (rc == 0 && !spans->count) rc = weir_error_set(reterr, WEIR_ENOTFOUND, "trace not found");
    return rc;
}

static void trace_by_id(const struct weir_api *api, struct weir_http_request *req, bool v2) {
    struct weir_query query;
    struct weir_trace_spans spans = {0};
    struct weir_error err = {0};
    weir_api_query_init(api, req, &query);
    int rc = read_trace(api, req, &query, &spans, &err);
    if (rc != 0)
        weir_tempo_reply_error(req, &err);
    else if (accepts_protobuf(req))
        reply_protobuf(req, &spans, v2);
    else
        reply_trace_json(req, &spans, v2);
    weir_query_done(&query);
}

static void handle_trace(void *ctx, struct weir_http_request *req) {
    trace_by_id(ctx, req, false);
}

static void handle_trace_v2(void *ctx, struct weir_http_request *req) {
    trace_by_id(ctx, req, true);
}

/* ---- search ---------------------------------------------------------------------------------- */

static void add_quoted(struct weir_buf *out, struct weir_view str) {
    weir_buf_add_char(out, '"');
    for (size_t i = 0; i < str.len; i++) {
        if (str.ptr[i] == '"' || str.ptr[i] == '\\') weir_buf_add_char(out, '\\');
        weir_buf_add_char(out, str.ptr[i]);
    }
    weir_buf_add_char(out, '"');
}

/* tags=service.name=x status="a b": key=value words as TraceQL. */
static void add_tags(struct weir_buf *out, struct weir_view tags) {
    while (tags.len) {
        tags = weir_view_trim(tags);
        struct weir_view key = weir_view_cut(&tags, '='), value;
        if (!key.len || !tags.ptr) return;
        if (tags.len && tags.ptr[0] == '"') {
            tags = weir_view_from(tags, 1);
            value = weir_view_cut(&tags, '"');
        } else {
            value = weir_view_cut(&tags, ' ');
        }
        if (weir_view_is(key, "name"))
            weir_buf_add_str(out, " && name = ");
        else if (weir_view_is(key, "root.name"))
            weir_buf_add_str(out, " && rootName = ");
        else if (weir_view_is(key, "root.service.name"))
            weir_buf_add_str(out, " && rootServiceName = ");
        else if (weir_view_is(key, "error")) {
            weir_buf_add_str(out, weir_view_is(value, "true") ? " && status = error"
                                                              : " && status != error");
            continue;
        } else {
            weir_buf_add_str(out, " && .");
            add_quoted(out, key);
            weir_buf_add_str(out, " = ");
        }
        add_quoted(out, value);
    }
}

/* The query of the request: q, or what the older parameters say. */
static struct weir_view search_text(struct weir_http_request *req) {
    struct weir_view q = weir_http_param(req, "q"), text;
    struct weir_buf buf;
    static const struct {
        const char *name, *op;
    } durations[] = {{"minDuration", ">="}, {"maxDuration", "<="}};
    if (q.len) return q;
    weir_buf_init(&buf, 1 << 20);
    weir_buf_add_str(&buf, "{ true");
    add_tags(&buf, weir_http_param(req, "tags"));
    for (int i = 0; i < 2; i++) {
        struct weir_view limit = weir_http_param(req, durations[i].name);
        if (limit.len)
            weir_buf_printf(&buf, " && traceDuration %s %.*s", durations[i].op,
                            WEIR_VIEW_ARG(limit));
    }
    weir_buf_add_str(&buf, " }");
    text = weir_arena_copy(req->arena, weir_buf_view(&buf));
    weir_buf_done(&buf);
    return weir_view_is(text, "{ true }") ? WEIR_VIEW("{}") : text;
}

int weir_tempo_prepare(struct weir_view text, struct weir_query *query,
                       struct weir_traceql_plan *plan, struct weir_traceql_query **ret,
                       struct weir_error *reterr) {
    int rc = weir_traceql_parse(text, &query->arena, ret, reterr);
    return rc == 0 ? weir_traceql_plan_init(plan, *ret, &query->arena, reterr) : rc;
}

static int search(const struct weir_api *api, struct weir_http_request *req,
                  struct weir_query *query, struct weir_buf *out, struct weir_error *reterr) {
    struct weir_traceql_options options = {0};
    struct weir_traceql_results results = {0};
    struct weir_traceql_query *tree = NULL;
    struct weir_traceql_plan plan;
    uint32_t spss;
    int64_t now_ns = weir_clock_wall_ns();
    int rc = weir_api_param_time_ns(req, "end", now_ns + WEIR_NS_PER_S, &options.end_ns, reterr);
    if (rc == 0)
        rc = weir_api_param_time_ns(req, "start", options.end_ns - 3600 * WEIR_NS_PER_S,
                                    &options.start_ns, reterr);
    if (rc == 0) rc = weir_api_param_count(req, "limit", 20, 1000, &options.limit, reterr);
    if (rc == 0) rc = weir_api_param_count(req, "spss", 3, 1000, &spss, reterr);
    if (rc == 0 && options.start_ns > options.end_ns)
        rc = weir_error_set(reterr, WEIR_EINVALID, "the end is before the start");
    if (rc == 0) rc = weir_tempo_prepare(search_text(req), query, &plan, &tree, reterr);
    if (rc != 0) return rc;
    if (tree->is_metrics)
        rc = weir_error_set(reterr, WEIR_EINVALID,
                            "this is a metrics query; ask /api/metrics/query_range");
    if (rc == 0) rc = weir_traceql_search(api->source, query, &plan, &options, &results, reterr);
    if (rc == 0)
        weir_tempo_add_search(out, &plan, &results, spss, query,
                              weir_api_param_flag(req, "explain"));
    weir_traceql_plan_done(&plan);
    return rc;
}

/* ---- metrics --------------------------------------------------------------------------------- */

static int metrics(const struct weir_api *api, struct weir_http_request *req, bool instant,
                   struct weir_query *query, struct weir_buf *out, struct weir_error *reterr) {
    struct weir_traceql_options options = {0};
    struct weir_traceql_matrix matrix = {0};
    struct weir_traceql_query *tree = NULL;
    struct weir_traceql_plan plan;
    int64_t since_ns;
    struct weir_view text = weir_http_param(req, "q");
    if (!text.len) text = weir_http_param(req, "query");
    int rc = weir_api_param_duration_ns(req, "since", 3600 * WEIR_NS_PER_S, &since_ns, reterr);
    if (rc == 0)
        rc = weir_api_param_time_ns(req, "end", weir_clock_wall_ns(), &options.end_ns, reterr);
    if (rc == 0)
        rc = weir_api_param_time_ns(req, "start", options.end_ns - since_ns, &options.start_ns,
                                    reterr);
    int64_t step_ns = (options.end_ns - options.start_ns) / 60 / WEIR_NS_PER_S * WEIR_NS_PER_S;
    if (rc == 0)
        rc = weir_api_param_duration_ns(req, "step", step_ns > 0 ? step_ns : WEIR_NS_PER_S,
                                        &options.step_ns, reterr);
    if (instant) options.step_ns = 0;
    if (rc == 0) rc = weir_tempo_prepare(text, query, &plan, &tree, reterr);
    if (rc != 0) return rc;
    rc = weir_traceql_metrics(api->source, query, &plan, &options, &matrix, reterr);
    if (rc == 0)
        weir_tempo_add_metrics(out, &matrix, instant, query, weir_api_param_flag(req, "explain"));
    weir_traceql_plan_done(&plan);
    return rc;
}

static void answer(const struct weir_api *api, struct weir_http_request *req, int which) {
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_buf out;
    weir_api_query_init(api, req, &query);
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    int rc = which == 0 ? search(api, req, &query, &out, &err)
                        : metrics(api, req, which == 2, &query, &out, &err);
    weir_query_done(&query);
    if (rc == 0) {
        weir_api_reply_json(req, &out);
        return;
    }
    weir_buf_done(&out);
    weir_tempo_reply_error(req, &err);
}

static void handle_search(void *ctx, struct weir_http_request *req) {
    answer(ctx, req, 0);
}

static void handle_metrics_range(void *ctx, struct weir_http_request *req) {
    answer(ctx, req, 1);
}

static void handle_metrics_instant(void *ctx, struct weir_http_request *req) {
    answer(ctx, req, 2);
}

static void handle_echo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_reply_view(req, 200, "text/plain; charset=utf-8", WEIR_VIEW("echo"));
}

static void handle_buildinfo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_reply_view(
        req, 200, "application/json; charset=UTF-8",
        WEIR_VIEW("{\"version\":\"" WEIR_VERSION
                  "\",\"revision\":\"\",\"branch\":\"\",\"buildDate\":\"\","
                  "\"buildUser\":\"\",\"goVersion\":\"\",\"application\":\"weir\"}"));
}

/* Bare /api/status/buildinfo is Tempo's; Prometheus' stands under /api/v1. */
static const struct weir_http_route routes[] = {
#define BOTH(path, handler, flags)                                                                 \
    {"GET", path, handler, flags, 0}, {                                                            \
        "GET", "/tempo" path, handler, flags, 0                                                    \
    }
    BOTH("/api/echo", handle_echo, 0),
    BOTH("/api/status/buildinfo", handle_buildinfo, 0),
    BOTH("/api/traces/{id}", handle_trace, WEIR_HTTP_BLOCKING),
    BOTH("/api/v2/traces/{id}", handle_trace_v2, WEIR_HTTP_BLOCKING),
    BOTH("/api/search", handle_search, WEIR_HTTP_BLOCKING),
    BOTH("/api/search/tags", weir_tempo_tags, WEIR_HTTP_BLOCKING),
    BOTH("/api/v2/search/tags", weir_tempo_tags_v2, WEIR_HTTP_BLOCKING),
    BOTH("/api/search/tag/{name}/values", weir_tempo_values, WEIR_HTTP_BLOCKING),
    BOTH("/api/v2/search/tag/{name}/values", weir_tempo_values_v2, WEIR_HTTP_BLOCKING),
    BOTH("/api/metrics/query_range", handle_metrics_range, WEIR_HTTP_BLOCKING),
    BOTH("/api/metrics/query", handle_metrics_instant, WEIR_HTTP_BLOCKING),
#undef BOTH
};

const struct weir_http_route *weir_api_tempo_routes(size_t *ret_count) {
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
