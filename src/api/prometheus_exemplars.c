/* SPDX-License-Identifier: Apache-2.0 */
/* Exemplars: from a value to the traces behind it.
 *
 *     [{"seriesLabels":{…},"exemplars":[{"labels":{"trace_id":"…","span_id":"…"},
 *       "value":"0.25","timestamp":1.5}]}]
 */
#include "api/prometheus.h"
#include "base/map.h"
#include "base/metric.h"

struct ask {
    const struct weir_api *api;
    struct weir_query query;
    struct weir_series_select select;
    struct weir_api_prometheus_answer answer;
    struct weir_map shown; /* ids of series: two selectors may match the same */
};

static void add_label(struct weir_json_writer *json, const char *name, const uint8_t *id,
                      size_t len) {
    struct weir_buf hex;
    weir_buf_init(&hex, 64);
    weir_buf_add_hex(&hex, id, len);
    weir_json_key(json, name);
    weir_json_add_str(json, weir_buf_view(&hex));
    weir_buf_done(&hex);
}

static bool is_hidden(const struct weir_exemplar *exemplar, struct weir_view name) {
    return (exemplar->trace_id && weir_view_is(name, "trace_id")) ||
           (exemplar->span_id && weir_view_is(name, "span_id"));
}

static void add_exemplar(struct weir_json_writer *json, const struct weir_exemplar *exemplar) {
    weir_json_begin_object(json);
    weir_json_key(json, "labels");
    weir_json_begin_object(json);
    if (exemplar->trace_id) add_label(json, "trace_id", exemplar->trace_id, 16);
    if (exemplar->span_id) add_label(json, "span_id", exemplar->span_id, 8);
    for (uint32_t i = 0; i < exemplar->labels_count; i++) {
        if (is_hidden(exemplar, exemplar->labels[i].name)) continue;
        weir_json_key_view(json, exemplar->labels[i].name);
        weir_json_add_str(json, exemplar->labels[i].value);
    }
    weir_json_end_object(json);
    weir_json_key(json, "value");
    struct weir_buf text;
    weir_buf_init(&text, 400);
    weir_json_format_f64(&text, exemplar->value);
    weir_json_add_str(json, weir_buf_view(&text));
    weir_buf_done(&text);
    weir_json_key(json, "timestamp");
    weir_api_prometheus_add_seconds(json->buf, exemplar->time_ms);
    json->comma = true;
    weir_json_end_object(json);
}

static bool add_series(void *arg, const struct weir_exemplar_series *series) {
    struct ask *ask = arg;
    struct weir_json_writer *json = &ask->answer.json;
    struct weir_view id = weir_arena_copy(&ask->query.arena, weir_view(&series->id, 8));
    if (weir_map_get(&ask->shown, weir_view(&series->id, 8))) return true;
    if (!id.ptr || !weir_map_put(&ask->shown, id, 0, NULL)) {
        ask->query.arena.failed = true;
        return false;
    }
    weir_json_begin_object(json);
    weir_json_key(json, "seriesLabels");
    weir_api_prometheus_add_labels(json, series->labels, series->labels_count);
    weir_json_key(json, "exemplars");
    weir_json_begin_array(json);
    for (uint32_t i = 0; i < series->exemplars_count; i++)
        add_exemplar(json, &series->exemplars[i]);
    weir_json_end_array(json);
    weir_json_end_object(json);
    return !ask->answer.buf.failed;
}

static int visit_selector(struct ask *ask, const struct weir_promql_expr *selector,
                          struct weir_error *reterr) {
    struct weir_source *source = ask->api->source;
    struct weir_promql_matchers matchers;
    int code = weir_promql_matchers_new(selector, &matchers, reterr);
    if (code) return code;
    ask->select.matchers = matchers.items;
    ask->select.matchers_count = matchers.count;
    if (source->exemplars)
        code = source->exemplars(source, &ask->query, &ask->select, add_series, ask, reterr);
    if (code == 0 && ask->query.arena.failed)
        code = weir_error_set(reterr, WEIR_ENOMEMORY, "too many series; ask for fewer");
    if (code == 0) code = weir_promql_matchers_check(&matchers, reterr);
    weir_promql_matchers_free(&matchers);
    return code;
}

/* Every selector in the expression (whose depth the parser bounds). */
static int visit(struct ask *ask, const struct weir_promql_expr *expr, struct weir_error *reterr) {
    if (!expr) return 0;
    if (expr->kind == WEIR_PROMQL_SELECTOR) return visit_selector(ask, expr, reterr);
    int code = visit(ask, expr->left, reterr);
    if (code == 0) code = visit(ask, expr->right, reterr);
    if (code == 0) code = visit(ask, expr->param, reterr);
    for (uint32_t i = 0; i < expr->args_count && code == 0; i++)
        code = visit(ask, expr->args[i], reterr);
    return code;
}

static void answer(struct ask *ask, struct weir_http_request *req,
                   const struct weir_promql_expr *expr) {
    struct weir_error err = {0};
    weir_map_init(&ask->shown);
    weir_api_prometheus_begin(&ask->answer, req);
    weir_json_begin_array(&ask->answer.json);
    int code = visit(ask, expr, &err);
    weir_json_end_array(&ask->answer.json);
    if (code) {
        weir_buf_done(&ask->answer.buf);
        weir_api_prometheus_error(req, &err);
    } else {
        weir_api_prometheus_end(&ask->answer);
    }
    weir_map_done(&ask->shown);
}

void weir_api_prometheus_exemplars(void *ctx, struct weir_http_request *req) {
    struct ask ask = {.api = ctx};
    weir_api_query_init(ask.api, req, &ask.query);
    if (weir_api_prometheus_range(req, &ask.select.from_ms, &ask.select.until_ms)) {
        struct weir_promql_expr *expr = weir_api_prometheus_param_query(req, &ask.query.arena);
        if (expr) answer(&ask, req, expr);
    }
    weir_query_done(&ask.query);
}
