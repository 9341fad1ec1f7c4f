/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to query: labels, series, metadata, and the server itself. */
#include <stdlib.h>

#include "api/prometheus.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/text.h"
#include "promql/lex.h"

/* The API level that is spoken. Grafana turns features on by it, so it is Prometheus' number. */
static const char api_version[] = "3.5.0";

/* ---- match[] ---- */

struct walk {
    const struct weir_api *api;
    struct weir_http_request *req;
    struct weir_query query;
    int64_t start_ms, end_ms;
    uint32_t limit;        /* of items in the answer; UINT32_MAX = none */
    struct weir_map found; /* distinct items */
    void (*take)(struct walk *walk, const struct weir_series *series);
    struct weir_view name; /* /label/{name}/values */
    struct weir_buf key;
};

static int visit(struct walk *w, const struct weir_promql_matchers *matchers,
                 struct weir_error *reterr) {
    struct weir_series_cursor *cursor;
    const struct weir_series *series;
    struct weir_series_select select = {.matchers = matchers->items,
                                        .matchers_count = matchers->count,
                                        .from_ms = w->start_ms,
                                        .until_ms = w->end_ms,
                                        .labels_only = true};
    int code = w->api->source->select_series(w->api->source, &w->query, &select, &cursor, reterr);
    if (code) return code;
    while ((code = cursor->next(cursor, &series, reterr)) == 0) {
        w->take(w, series);
        if (w->query.arena.failed)
            code =
                weir_error_set(reterr, WEIR_ENOMEMORY, "too many series; give match[] or a limit");
        if (code) break;
    }
    cursor->close(cursor);
    if (code == WEIR_END) code = weir_promql_matchers_check(matchers, reterr);
    return code;
}

static int visit_selector(struct walk *w, struct weir_view text, bool *ret_bad,
                          struct weir_error *reterr) {
    struct weir_promql_expr *expr;
    struct weir_promql_matchers matchers;
    *ret_bad = true;
    int code = weir_promql_parse(&w->query.arena, text, &expr, reterr);
    if (code == 0 && expr->kind != WEIR_PROMQL_SELECTOR)
        code =
            weir_error_set(reterr, WEIR_EINVALID, "expected a series selector, as up{job=\"x\"}");
    if (code == 0) code = weir_promql_matchers_new(expr, &matchers, reterr);
    if (code) return code;
    *ret_bad = false;
    code = visit(w, &matchers, reterr);
    weir_promql_matchers_free(&matchers);
    return code;
}

static void walk_done(struct walk *w) {
    weir_map_done(&w->found);
    weir_buf_done(&w->key);
    weir_query_done(&w->query);
}

/* Visits the series that any match[] selects (all without one, unless `needs_match`). False: the
 * error has been sent and the walk is over. */
static bool walk(struct walk *w, bool needs_match) {
    struct weir_view text;
    struct weir_error err = {0};
    struct weir_promql_matchers none = {0};
    bool bad = false;
    int code = 0;
    size_t i = 0;
    weir_api_query_init(w->api, w->req, &w->query);
    weir_map_init(&w->found);
    weir_buf_init(&w->key, 1 << 20);
    w->limit = UINT32_MAX;
    bool ok = weir_api_prometheus_range(w->req, &w->start_ms, &w->end_ms);
    if (ok && !weir_view_is(weir_http_param(w->req, "limit"), "0") &&
        weir_api_param_count(w->req, "limit", UINT32_MAX, UINT32_MAX, &w->limit, &err)) {
        weir_api_prometheus_param_error(w->req, "limit", &err);
        ok = false;
    }
    for (; ok && code == 0 && weir_http_param_at(w->req, "match[]", i, &text); i++)
        code = visit_selector(w, text, &bad, &err);
    if (ok && i == 0 && needs_match)
        code = weir_error_set(&err, WEIR_EINVALID, "no match[] parameter provided");
    else if (ok && i == 0)
        code = visit(w, &none, &err);
    if (ok && code == 0) return true;
    if (code && bad)
        weir_api_prometheus_param_error(w->req, "match[]", &err);
    else if (code)
        weir_api_prometheus_error(w->req, &err);
    walk_done(w);
    return false;
}

static void remember(struct walk *w, struct weir_view item) {
    if (weir_map_get(&w->found, item)) return;
    struct weir_view copy = weir_arena_copy(&w->query.arena, item);
    if (!copy.ptr || !weir_map_put(&w->found, copy, 0, NULL)) w->query.arena.failed = true;
}

static int by_key(const void *left, const void *right) {
    const struct weir_map_entry *a = left, *b = right;
    return weir_view_cmp(a->key, b->key);
}

static void truncated(struct weir_api_prometheus_answer *answer, const struct walk *w) {
    if (w->found.count <= w->limit) return;
    weir_json_key(&answer->json, "warnings");
    weir_json_begin_array(&answer->json);
    weir_json_add_cstr(&answer->json, "results truncated due to limit");
    weir_json_end_array(&answer->json);
}

/* Sends the distinct strings, sorted. (The map is not asked any more: its entries may move.) */
static void answer_strings(struct walk *w) {
    struct weir_api_prometheus_answer answer;
    if (w->found.count) qsort(w->found.entries, w->found.count, sizeof *w->found.entries, by_key);
    weir_api_prometheus_begin(&answer, w->req);
    weir_json_begin_array(&answer.json);
    for (uint32_t i = 0; i < w->found.count && i < w->limit && weir_api_prometheus_more(&answer);
         i++)
        weir_json_add_str(&answer.json, w->found.entries[i].key);
    weir_json_end_array(&answer.json);
    truncated(&answer, w);
    weir_api_prometheus_end(&answer);
}

/* ---- labels ---- */

static void take_names(struct walk *w, const struct weir_series *series) {
    for (uint32_t i = 0; i < series->labels_count; i++) remember(w, series->labels[i].name);
}

void weir_api_prometheus_labels(void *ctx, struct weir_http_request *req) {
    struct walk w = {.api = ctx, .req = req, .take = take_names};
    if (!walk(&w, false)) return;
    answer_strings(&w);
    walk_done(&w);
}

static void take_values(struct walk *w, const struct weir_series *series) {
    for (uint32_t i = 0; i < series->labels_count; i++)
        if (weir_view_eq(series->labels[i].name, w->name)) remember(w, series->labels[i].value);
}

/* U__http_2e_status → http.status: a name with other characters in a path (Prometheus' "values"
 * escaping); names without the prefix stand for themselves. Empty when malformed. */
static struct weir_view unescape_name(struct weir_arena *arena, struct weir_view name) {
    if (!weir_view_starts(name, WEIR_VIEW("U__"))) return name;
    struct weir_buf out;
    weir_buf_init(&out, 4096);
    bool ok = true;
    for (size_t i = 3; i < name.len && ok; i++) {
        if (name.ptr[i] != '_') {
            weir_buf_add_char(&out, name.ptr[i]);
            continue;
        }
        if (i + 1 < name.len && name.ptr[i + 1] == '_') {
            weir_buf_add_char(&out, '_');
            i++;
            continue;
        }
        uint32_t point = 0;
        size_t end = i + 1;
        for (; end < name.len && end - i <= 6 && weir_text_hex_digit(name.ptr[end]) >= 0; end++)
            point = point << 4 | (uint32_t)weir_text_hex_digit(name.ptr[end]);
        ok = end > i + 1 && end < name.len && name.ptr[end] == '_' && point <= 0x10FFFF;
        char utf8[4];
        if (ok) weir_buf_add(&out, utf8, weir_text_utf8_put(utf8, point));
        i = end;
    }
    struct weir_view result =
        ok && !out.failed ? weir_arena_copy(arena, weir_buf_view(&out)) : WEIR_VIEW("");
    weir_buf_done(&out);
    return weir_view_is_utf8(result) ? result : WEIR_VIEW("");
}

void weir_api_prometheus_values(void *ctx, struct weir_http_request *req) {
    struct walk w = {.api = ctx, .req = req, .take = take_values};
    w.name = unescape_name(req->arena, weir_http_path_param(req, "name"));
    if (w.name.len == 0) {
        struct weir_error err;
        weir_error_set(&err, WEIR_EINVALID, "invalid label name: \"%.*s\"",
                       WEIR_VIEW_ARG(weir_view_upto(weir_http_path_param(req, "name"), 100)));
        weir_api_prometheus_error(req, &err);
        return;
    }
    if (!walk(&w, false)) return;
    answer_strings(&w);
    walk_done(&w);
}

/* ---- series ---- */

/* Series are remembered as the JSON that will be sent. */
static void take_series(struct walk *w, const struct weir_series *series) {
    weir_buf_clear(&w->key);
    struct weir_json_writer json = weir_json_writer(&w->key);
    weir_api_prometheus_add_labels(&json, series->labels, series->labels_count);
    if (w->key.failed)
        w->query.arena.failed = true;
    else if (w->found.count <= w->limit)
        remember(w, weir_buf_view(&w->key));
}

void weir_api_prometheus_series(void *ctx, struct weir_http_request *req) {
    struct walk w = {.api = ctx, .req = req, .take = take_series};
    struct weir_api_prometheus_answer answer;
    if (!walk(&w, true)) return;
    weir_api_prometheus_begin(&answer, req);
    weir_json_begin_array(&answer.json);
    for (uint32_t i = 0; i < w.found.count && i < w.limit && weir_api_prometheus_more(&answer); i++)
        weir_json_add_raw(&answer.json, w.found.entries[i].key);
    weir_json_end_array(&answer.json);
    truncated(&answer, &w);
    weir_api_prometheus_end(&answer);
    walk_done(&w);
}

/* ---- metadata ---- */

struct metadata {
    struct weir_json_writer *json;
    struct weir_view wanted; /* empty = all */
    uint32_t limit, count;
};

static bool add_meta(void *arg, const struct weir_metric_meta *meta) {
    struct metadata *m = arg;
    if (m->wanted.len && !weir_view_eq(m->wanted, meta->name)) return true;
    if (m->count++ >= m->limit) return false;
    weir_json_key_view(m->json, meta->name);
    weir_json_begin_array(m->json);
    weir_json_begin_object(m->json);
    weir_json_key(m->json, "type");
    weir_json_add_str(m->json, meta->type);
    weir_json_key(m->json, "help");
    weir_json_add_str(m->json, meta->help);
    weir_json_key(m->json, "unit");
    weir_json_add_str(m->json, meta->unit);
    weir_json_end_object(m->json);
    weir_json_end_array(m->json);
    return true;
}

void weir_api_prometheus_metadata(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_api_prometheus_answer answer;
    struct metadata m = {.json = &answer.json, .wanted = weir_http_param(req, "metric")};
    int code = 0;
    if (weir_api_param_count(req, "limit", UINT32_MAX, UINT32_MAX, &m.limit, &err)) {
        weir_api_prometheus_param_error(req, "limit", &err);
        return;
    }
    weir_api_query_init(api, req, &query);
    weir_api_prometheus_begin(&answer, req);
    weir_json_begin_object(&answer.json);
    if (api->source->metadata)
        code = api->source->metadata(api->source, &query, add_meta, &m, &err);
    weir_json_end_object(&answer.json);
    if (code) {
        weir_buf_done(&answer.buf);
        weir_api_prometheus_error(req, &err);
    } else {
        weir_api_prometheus_end(&answer);
    }
    weir_query_done(&query);
}

/* ---- the server ---- */

static void add_field(struct weir_json_writer *json, const char *key, const char *value) {
    weir_json_key(json, key);
    weir_json_add_cstr(json, value);
}

void weir_api_prometheus_buildinfo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    struct weir_api_prometheus_answer answer;
    weir_api_prometheus_begin(&answer, req);
    weir_json_begin_object(&answer.json);
    add_field(&answer.json, "version", api_version);
    add_field(&answer.json, "revision", "weir-" WEIR_VERSION);
    add_field(&answer.json, "branch", "");
    add_field(&answer.json, "buildUser", "");
    add_field(&answer.json, "buildDate", "");
    add_field(&answer.json, "goVersion", "");
    weir_json_end_object(&answer.json);
    weir_api_prometheus_end(&answer);
}

void weir_api_prometheus_runtimeinfo(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct weir_api_prometheus_answer answer;
    struct weir_buf started;
    weir_buf_init(&started, 64);
    weir_clock_add_rfc3339(&started, api->started_ns, 9);
    weir_api_prometheus_begin(&answer, req);
    weir_json_begin_object(&answer.json);
    weir_json_key(&answer.json, "startTime");
    weir_json_add_str(&answer.json, weir_buf_view(&started));
    weir_json_key(&answer.json, "reloadConfigSuccess");
    weir_json_add_bool(&answer.json, true);
    weir_json_key(&answer.json, "storageRetention");
    weir_json_add_str(
        &answer.json,
        weir_arena_printf(req->arena, "%llds", (long long)(api->retention_ns / WEIR_NS_PER_S)));
    weir_json_end_object(&answer.json);
    weir_api_prometheus_end(&answer);
    weir_buf_done(&started);
}

/* data: an object with one or two (`second` may be NULL) empty lists. */
static void answer_empty(struct weir_http_request *req, const char *first, const char *second) {
    struct weir_api_prometheus_answer answer;
    weir_api_prometheus_begin(&answer, req);
    weir_json_begin_object(&answer.json);
    for (int i = 0; i < 2; i++) {
        const char *key = i ? second : first;
        if (!key) continue;
        weir_json_key(&answer.json, key);
        weir_json_begin_array(&answer.json);
        weir_json_end_array(&answer.json);
    }
    weir_json_end_object(&answer.json);
    weir_api_prometheus_end(&answer);
}

void weir_api_prometheus_targets(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    answer_empty(req, "activeTargets", "droppedTargets");
}
