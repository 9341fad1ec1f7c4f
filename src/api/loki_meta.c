/* SPDX-License-Identifier: Apache-2.0 */
/* What Loki's clients ask around queries: label names and values, series, volumes, fields. Where a
 * selector is given, the answer is a query of ours: `sum by (name) (count_over_time({…}[range]))`.
 */
#include <stdlib.h>

#include "api/loki.h"
#include "api/loki_json.h"
#include "base/clock.h"
#include "base/map.h"
#include "logql/parse.h"
#include "logql/print.h"

enum { NAMES_MAX = 10000, FIELD_LINES = 1000, VOLUME_LIMIT = 100 };

#define STREAM_LABELS                                                                              \
    "service_name, service_namespace, service_instance_id, deployment_environment, "               \
    "deployment_environment_name, cloud_availability_zone, cloud_region, container_name, "         \
    "k8s_cluster_name, "                                                                           \
    "k8s_container_name, k8s_cronjob_name, k8s_daemonset_name, k8s_deployment_name, "              \
    "k8s_job_name, "                                                                               \
    "k8s_namespace_name, k8s_pod_name, k8s_replicaset_name, k8s_statefulset_name"

/* A sorted set of names, in the ask's arena. */
struct names {
    struct weir_map map;
    struct weir_arena *arena;
};

static bool add_name(struct names *names, struct weir_view name) {
    bool is_new;
    if (names->map.count >= NAMES_MAX) return false;
    if (!name.len || weir_map_get(&names->map, name)) return true;
    return weir_map_put(&names->map, weir_arena_copy(names->arena, name), 1, &is_new);
}

static int by_key(const void *a, const void *b) {
    const struct weir_map_entry *x = a, *y = b;
    return weir_view_cmp(x->key, y->key);
}

static void reply_names(struct weir_http_request *req, struct names *names) {
    struct weir_buf out;
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    struct weir_json_writer w = weir_json_writer(&out);
    if (names->map.count)
        qsort(names->map.entries, names->map.count, sizeof *names->map.entries, by_key);
    weir_json_begin_object(&w);
    weir_json_key(&w, "status");
    weir_json_add_cstr(&w, "success");
    weir_json_key(&w, "data");
    weir_json_begin_array(&w);
    for (uint32_t i = 0; i < names->map.count; i++)
        weir_json_add_str(&w, names->map.entries[i].key);
    weir_json_end_array(&w);
    weir_json_end_object(&w);
    weir_api_reply_json(req, &out);
}

static void finish(struct weir_loki_ask *ask, struct names *names, int rc,
                   const struct weir_error *err) {
    if (rc == 0)
        reply_names(ask->req, names);
    else
        weir_api_reply_error(ask->req, err);
    weir_map_done(&names->map);
    weir_loki_ask_done(ask);
}

/* Runs func by (labels) over the selector (default: all) in start…end; one value per series. */
static int grouped(struct weir_loki_ask *ask, struct weir_view selector, const char *func,
                   struct weir_view labels, int64_t start_ns, int64_t end_ns,
                   struct weir_logql_matrix *ret, struct weir_error *reterr) {
    if (!selector.len || weir_view_is(selector, "{}"))
        selector = WEIR_VIEW("{service_name=~\".+\"}");
    int64_t range_ns = end_ns > start_ns ? end_ns - start_ns : 1;
    struct weir_view text = weir_arena_printf(
        &ask->query.arena, "sum by (%.*s) (%s(%.*s [%lldns]))", WEIR_VIEW_ARG(labels), func,
        WEIR_VIEW_ARG(selector), (long long)range_ns);
    struct weir_logql_options options = {.start_ns = end_ns, .end_ns = end_ns};
    struct weir_logql_expr *expr = NULL;
    if (!text.ptr) return weir_error_set(reterr, WEIR_ENOMEMORY, "query needs too much memory");
    /* Positions in errors should be the asker's: what he wrote is parsed by itself first. */
    int rc = weir_logql_parse(selector, &ask->query.arena, &expr, reterr);
    if (rc == 0) rc = weir_loki_ask_prepare(ask, text, reterr);
    return rc == 0 ? weir_logql_eval_matrix(ask->api->source, &ask->query, &ask->plan, ask->expr,
                                            &options, ret, reterr)
                   : rc;
}

/* ---- label names ----------------------------------------------------------------------------- */

struct name_visit {
    struct names *names;
    bool any; /* a log record is there: it has a service_name */
};

static bool visit_stream_name(void *arg, struct weir_view name, enum weir_column_id scope,
                              enum weir_value_type type) {
    struct name_visit *visit = arg;
    struct weir_view key, label = weir_logql_sanitize(name, visit->names->arena);
    (void)type;
    visit->any = true;
    bool is_stream = scope == WEIR_COLUMN_RESOURCE_ATTR &&
                     weir_logql_is_stream_label(label, &key) && weir_view_eq(key, name);
    return !is_stream || add_name(visit->names, label);
}

void weir_loki_labels(void *ctx, struct weir_http_request *req) {
    struct weir_loki_ask ask;
    struct weir_error err = {0};
    int64_t start_ns, end_ns;
    weir_loki_ask_init(&ask, ctx, req);
    struct names names = {.arena = &ask.query.arena};
    struct name_visit visit = {&names, false};
    struct weir_view selector = weir_http_param(req, "query");
    struct weir_logql_matrix matrix = {0};
    weir_map_init(&names.map);
    int rc = weir_loki_param_range(req, &start_ns, &end_ns, &err);
    if (rc == 0 && selector.len > 2) {
        rc = grouped(&ask, selector, "count_over_time", WEIR_VIEW(STREAM_LABELS), start_ns, end_ns,
                     &matrix, &err);
        for (uint32_t i = 0; rc == 0 && i < matrix.count; i++)
            for (uint32_t k = 0; k < matrix.series[i].labels_count; k++)
                add_name(&names, matrix.series[i].labels[k].name);
    } else if (rc == 0) {
        rc = ask.api->source->names(ask.api->source, &ask.query, WEIR_TABLE_LOGS, start_ns, end_ns,
                                    visit_stream_name, &visit, &err);
        if (visit.any) add_name(&names, WEIR_VIEW("service_name"));
    }
    finish(&ask, &names, rc, &err);
}

/* ---- label values ---------------------------------------------------------------------------- */

struct value_visit {
    struct weir_loki_ask *ask;
    struct names *names;
    struct weir_view label;         /* whose values are wanted */
    struct weir_column columns[16]; /* where it may stand */
    uint32_t count;
};

static bool visit_source_of(void *arg, struct weir_view name, enum weir_column_id scope,
                            enum weir_value_type type) {
    struct value_visit *visit = arg;
    (void)type;
    if (!weir_view_eq(weir_logql_sanitize(name, visit->names->arena), visit->label)) return true;
    for (uint32_t i = 0; i < visit->count; i++)
        if (visit->columns[i].id == scope && weir_view_eq(visit->columns[i].key, name)) return true;
    if (visit->count == sizeof visit->columns / sizeof *visit->columns) return false;
    visit->columns[visit->count++] =
        (struct weir_column){scope, weir_arena_copy(visit->names->arena, name)};
    return true;
}

static bool visit_text(void *arg, struct weir_value value) {
    struct names *names = arg;
    if (value.type == WEIR_VALUE_STRING) return add_name(names, value.str);
    if (value.type == WEIR_VALUE_INT)
        return add_name(names, weir_arena_printf(names->arena, "%lld", (long long)value.i64));
    if (value.type == WEIR_VALUE_BOOL)
        return add_name(names, value.boolean ? WEIR_VIEW("true") : WEIR_VIEW("false"));
    return true;
}

static bool visit_severity(void *arg, struct weir_value value) {
    struct names *names = arg;
    return value.type != WEIR_VALUE_INT || !value.i64 ||
           add_name(names, weir_logql_level(value.i64, weir_view("", 0), names->arena));
}

static int collect_values(struct value_visit *visit, int64_t start_ns, int64_t end_ns,
                          struct weir_error *reterr) {
    struct weir_source *source = visit->ask->api->source;
    struct weir_query *query = &visit->ask->query;
    struct weir_view key;
    if (weir_logql_is_level_name(visit->label)) {
        struct weir_column severity = {.id = WEIR_COLUMN_SEVERITY_NUMBER};
        return source->values(source, query, WEIR_TABLE_LOGS, severity, start_ns, end_ns,
                              visit_severity, visit->names, reterr);
    }
    int rc = 0;
    if (weir_logql_is_stream_label(visit->label, &key))
        visit->columns[visit->count++] = (struct weir_column){WEIR_COLUMN_RESOURCE_ATTR, key};
    else
        rc = source->names(source, query, WEIR_TABLE_LOGS, start_ns, end_ns, visit_source_of, visit,
                           reterr);
    for (uint32_t i = 0; rc == 0 && i < visit->count; i++)
        rc = source->values(source, query, WEIR_TABLE_LOGS, visit->columns[i], start_ns, end_ns,
                            visit_text, visit->names, reterr);
    return rc;
}

void weir_loki_label_values(void *ctx, struct weir_http_request *req) {
    struct weir_loki_ask ask;
    struct weir_error err = {0};
    int64_t start_ns, end_ns;
    weir_loki_ask_init(&ask, ctx, req);
    struct names names = {.arena = &ask.query.arena};
    struct value_visit visit = {
        .ask = &ask, .names = &names, .label = weir_http_path_param(req, "name")};
    struct weir_view selector = weir_http_param(req, "query");
    struct weir_logql_matrix matrix = {0};
    weir_map_init(&names.map);
    int rc = weir_loki_param_range(req, &start_ns, &end_ns, &err);
    if (rc == 0 && selector.len > 2) {
        rc = grouped(&ask, selector, "count_over_time", visit.label, start_ns, end_ns, &matrix,
                     &err);
        for (uint32_t i = 0; rc == 0 && i < matrix.count; i++)
            for (uint32_t k = 0; k < matrix.series[i].labels_count; k++)
                add_name(&names, matrix.series[i].labels[k].value);
    } else if (rc == 0) {
        rc = collect_values(&visit, start_ns, end_ns, &err);
    }
    finish(&ask, &names, rc, &err);
}

/* ---- series, volumes ------------------------------------------------------------------------- */

static void reply_matrix(struct weir_loki_ask *ask, const struct weir_logql_matrix *matrix,
                         bool instant) {
    struct weir_buf out;
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    struct weir_json_writer w = weir_json_writer(&out);
    weir_json_begin_object(&w);
    weir_json_key(&w, "status");
    weir_json_add_cstr(&w, "success");
    weir_json_key(&w, "data");
    weir_json_begin_object(&w);
    weir_loki_add_matrix(&w, matrix, instant);
    weir_loki_add_stats(&w, &ask->query, weir_clock_mono_ns() - ask->begun_ns, matrix->count);
    weir_json_end_object(&w);
    weir_json_end_object(&w);
    weir_api_reply_json(ask->req, &out);
}

static void reply_series(struct weir_http_request *req, const struct weir_logql_matrix *matrix) {
    struct weir_buf out;
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    struct weir_json_writer w = weir_json_writer(&out);
    weir_json_begin_object(&w);
    weir_json_key(&w, "status");
    weir_json_add_cstr(&w, "success");
    weir_json_key(&w, "data");
    weir_json_begin_array(&w);
    for (uint32_t i = 0; i < matrix->count; i++)
        weir_loki_add_labels(&w, matrix->series[i].labels, matrix->series[i].labels_count, ~0U);
    weir_json_end_array(&w);
    weir_json_end_object(&w);
    weir_api_reply_json(req, &out);
}

void weir_loki_series(void *ctx, struct weir_http_request *req) {
    struct weir_loki_ask ask;
    struct weir_error err = {0};
    struct weir_logql_matrix matrix = {0};
    int64_t start_ns, end_ns;
    struct weir_view selector = weir_http_param(req, "match[]");
    if (!selector.len) selector = weir_http_param(req, "match");
    weir_loki_ask_init(&ask, ctx, req);
    int rc = weir_loki_param_range(req, &start_ns, &end_ns, &err);
    if (rc == 0)
        rc = grouped(&ask, selector, "count_over_time", WEIR_VIEW(STREAM_LABELS), start_ns, end_ns,
                     &matrix, &err);
    if (rc == 0)
        reply_series(req, &matrix);
    else
        weir_api_reply_error(req, &err);
    weir_loki_ask_done(&ask);
}

/* The labels that a volume is told by: targetLabels, or those that the selector names. */
static struct weir_view volume_labels(struct weir_loki_ask *ask, struct weir_view selector) {
    struct weir_view target = weir_http_param(ask->req, "targetLabels");
    struct weir_logql_log log = {0};
    struct weir_buf names;
    if (target.len) return target;
    if (weir_logql_parse_selector(selector, &ask->query.arena, &log, NULL) != 0 ||
        !log.matchers_count)
        return WEIR_VIEW("service_name");
    weir_buf_init(&names, 1 << 16);
    for (uint32_t i = 0; i < log.matchers_count; i++)
        weir_buf_printf(&names, "%s%.*s", i ? ", " : "", WEIR_VIEW_ARG(log.matchers[i].name));
    target = weir_arena_copy(&ask->query.arena, weir_buf_view(&names));
    weir_buf_done(&names);
    return target;
}

static void volume(void *ctx, struct weir_http_request *req, bool instant) {
    struct weir_loki_ask ask;
    struct weir_error err = {0};
    struct weir_logql_matrix matrix = {0};
    struct weir_logql_options options = {0};
    uint32_t limit = VOLUME_LIMIT;
    weir_loki_ask_init(&ask, ctx, req);
    struct weir_view selector = weir_http_param(req, "query");
    if (!selector.len || weir_view_is(selector, "{}"))
        selector = WEIR_VIEW("{service_name=~\".+\"}");
    int rc = weir_loki_param_range(req, &options.start_ns, &options.end_ns, &err);
    if (rc == 0) rc = weir_api_param_count(req, "limit", VOLUME_LIMIT, 5000, &limit, &err);
    int64_t range_ns = options.end_ns > options.start_ns ? options.end_ns - options.start_ns : 1;
    if (rc == 0 && !instant)
        rc = weir_api_param_duration_ns(req, "step", range_ns, &options.step_ns, &err);
    if (instant) options.start_ns = options.end_ns;
    struct weir_view labels = volume_labels(&ask, selector);
    struct weir_view text = weir_arena_printf(
        &ask.query.arena, "topk(%u, sum by (%.*s) (bytes_over_time(%.*s [%lldns])))", limit,
        WEIR_VIEW_ARG(labels), WEIR_VIEW_ARG(selector),
        (long long)(instant               ? range_ns
                    : options.step_ns > 0 ? options.step_ns
                                          : range_ns));
    if (rc == 0) rc = weir_loki_ask_prepare(&ask, text, &err);
    if (rc == 0)
        rc = weir_logql_eval_matrix(ask.api->source, &ask.query, &ask.plan, ask.expr, &options,
                                    &matrix, &err);
    if (rc == 0)
        reply_matrix(&ask, &matrix, instant);
    else
        weir_api_reply_error(req, &err);
    weir_loki_ask_done(&ask);
}

void weir_loki_index_volume(void *ctx, struct weir_http_request *req) {
    volume(ctx, req, true);
}

void weir_loki_index_volume_range(void *ctx, struct weir_http_request *req) {
    volume(ctx, req, false);
}

/* Asked for by editors at every key press: an upper bound, from what the store knows without
 * reading. */
void weir_loki_index_stats(void *ctx, struct weir_http_request *req) {
    struct weir_api *api = ctx;
    struct weir_source_stats stats;
    struct weir_buf out;
    api->source->stats(api->source, &stats);
    weir_buf_init(&out, 4096);
    weir_buf_printf(&out, "{\"streams\":%d,\"chunks\":%llu,\"bytes\":%llu,\"entries\":%llu}",
                    stats.logs_count > 0, (unsigned long long)stats.parts_count,
                    (unsigned long long)stats.disk_bytes[2], (unsigned long long)stats.logs_count);
    weir_api_reply_json(req, &out);
}

/* ---- detected labels and fields ----------------------------------------------------------------
 */

struct field {
    struct weir_map values;
    enum weir_logql_category category;
};

static int detect(struct weir_loki_ask *ask, struct weir_map *fields, struct weir_error *reterr) {
    struct weir_logql_options options = {.limit = FIELD_LINES};
    struct weir_logql_lines lines;
    int rc = weir_loki_param_range(ask->req, &options.start_ns, &options.end_ns, reterr);
    struct weir_view query = weir_http_param(ask->req, "query");
    if (!query.len || weir_view_is(query, "{}")) query = WEIR_VIEW("{service_name=~\".+\"}");
    struct weir_view text = weir_arena_printf(
        &ask->query.arena, "%.*s | json | drop __error__, __error_details__", WEIR_VIEW_ARG(query));
    if (rc == 0) rc = weir_loki_ask_prepare(ask, text, reterr);
    if (rc == 0 && !weir_logql_is_log(ask->expr))
        rc = weir_error_set(reterr, WEIR_EINVALID, "fields are detected in log queries only");
    if (rc == 0)
        rc = weir_logql_eval_lines(ask->api->source, &ask->query, &ask->plan, ask->expr, &options,
                                   &lines, reterr);
    for (uint32_t i = 0; rc == 0 && i < lines.count; i++)
        for (uint32_t k = 0; k < lines.items[i].labels_count; k++) {
            const struct weir_logql_label *label = &lines.items[i].labels[k];
            bool is_new;
            uint64_t *slot = weir_map_put(fields, label->name, 0, &is_new);
            if (slot && is_new)
                *slot = (uint64_t)(uintptr_t)WEIR_NEW(&ask->query.arena, struct field);
            struct field *field = slot ? (struct field *)(uintptr_t)*slot : NULL;
            if (!field)
                return weir_error_set(reterr, WEIR_ENOMEMORY, "query needs too much memory");
            field->category = label->category;
            weir_map_put(&field->values, label->value, 1, &is_new);
        }
    return rc;
}

static const char *field_type(const struct field *field) {
    double number;
    int64_t duration;
    for (uint32_t i = 0; i < field->values.count; i++) {
        struct weir_view value = field->values.entries[i].key;
        if (weir_view_to_f64(value, &number)) continue;
        return weir_view_to_duration_ns(value, &duration) ? "duration" : "string";
    }
    double first;
    bool is_float = field->values.count && weir_view_to_f64(field->values.entries[0].key, &first) &&
                    weir_view_find(field->values.entries[0].key, WEIR_VIEW(".")) != SIZE_MAX;
    return is_float ? "float" : "int";
}

static void add_field(struct weir_json_writer *w, struct weir_view name, const struct field *field,
                      bool labels) {
    weir_json_begin_object(w);
    weir_json_key(w, "label");
    weir_json_add_str(w, name);
    weir_json_key(w, "cardinality");
    weir_json_add_i64(w, field->values.count);
    if (!labels) {
        weir_json_key(w, "type");
        weir_json_add_cstr(w, field_type(field));
        weir_json_key(w, "parsers");
        weir_json_add_raw(w, field->category == WEIR_LOGQL_PARSED ? WEIR_VIEW("[\"json\"]")
                                                                  : WEIR_VIEW("null"));
    }
    weir_json_end_object(w);
}

static void detected(void *ctx, struct weir_http_request *req, bool labels) {
    struct weir_loki_ask ask;
    struct weir_error err = {0};
    struct weir_map fields;
    struct weir_buf out;
    weir_loki_ask_init(&ask, ctx, req);
    weir_map_init(&fields);
    weir_buf_init(&out, WEIR_API_ANSWER_MAX);
    int rc = detect(&ask, &fields, &err);
    struct weir_json_writer w = weir_json_writer(&out);
    weir_json_begin_object(&w);
    weir_json_key(&w, labels ? "detectedLabels" : "fields");
    weir_json_begin_array(&w);
    for (uint32_t i = 0; i < fields.count; i++) {
        struct field *field = (struct field *)(uintptr_t)fields.entries[i].value;
        if (!field) continue;
        bool is_label = field->category == WEIR_LOGQL_STREAM;
        if (rc == 0 && is_label == labels) add_field(&w, fields.entries[i].key, field, labels);
        weir_map_done(&field->values);
    }
    weir_json_end_array(&w);
    if (!labels) {
        weir_json_key(&w, "limit");
        weir_json_add_i64(&w, FIELD_LINES);
    }
    weir_json_end_object(&w);
    if (rc == 0)
        weir_api_reply_json(req, &out);
    else
        weir_api_reply_error(req, &err);
    weir_buf_done(&out);
    weir_map_done(&fields);
    weir_loki_ask_done(&ask);
}

void weir_loki_detected_fields(void *ctx, struct weir_http_request *req) {
    detected(ctx, req, false);
}

void weir_loki_detected_labels(void *ctx, struct weir_http_request *req) {
    detected(ctx, req, true);
}

/* ---- small ones ------------------------------------------------------------------------------ */

void weir_loki_format_query(void *ctx, struct weir_http_request *req) {
    struct weir_arena arena;
    struct weir_error err = {0};
    struct weir_logql_expr *expr = NULL;
    struct weir_buf text, out;
    (void)ctx;
    weir_arena_init(&arena, (size_t)8 << 20);
    weir_buf_init(&text, 1 << 20);
    weir_buf_init(&out, 4 << 20);
    struct weir_json_writer w = weir_json_writer(&out);
    int rc = weir_logql_parse(weir_http_param(req, "query"), &arena, &expr, &err);
    if (rc == 0) {
        weir_logql_print(expr, &text);
        weir_json_begin_object(&w);
        weir_json_key(&w, "status");
        weir_json_add_cstr(&w, "success");
        weir_json_key(&w, "data");
        weir_json_add_str(&w, weir_buf_view(&text));
        weir_json_end_object(&w);
        weir_api_reply_json(req, &out);
    } else {
        weir_api_reply_error(req, &err);
    }
    weir_buf_done(&out);
    weir_buf_done(&text);
    weir_arena_done(&arena);
}

static void reply_text(struct weir_http_request *req, const char *json) {
    weir_http_reply_view(req, 200, "application/json; charset=UTF-8", weir_view_str(json));
}

void weir_loki_patterns(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    reply_text(req, "{\"status\":\"success\",\"data\":[]}");
}

void weir_loki_buildinfo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    reply_text(req, "{\"version\":\"" WEIR_VERSION
                    "\",\"revision\":\"\",\"branch\":\"\",\"buildUser\":\"\","
                    "\"buildDate\":\"\",\"goVersion\":\"\",\"application\":\"weir\"}");
}

void weir_loki_drilldown_limits(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct weir_buf out;
    weir_buf_init(&out, 4096);
    weir_buf_printf(
        &out,
        "{\"limits\":{\"discover_log_levels\":true,\"discover_service_name\":[\"service_name\"],"
        "\"log_level_fields\":[\"level\",\"detected_level\"],\"max_entries_limit_per_query\":5000,"
        "\"max_line_size_truncate\":false,\"max_query_length\":\"0s\",\"max_query_series\":%d,"
        "\"query_timeout\":\"%llds\",\"retention_period\":\"%llds\",\"retention_stream\":[],"
        "\"volume_enabled\":true,\"volume_max_series\":1000},\"maintenance\":null,"
        "\"pattern_ingester_enabled\":false,\"version\":\"" WEIR_VERSION "\"}",
        WEIR_LOGQL_SERIES_MAX,
        (long long)((api->query_timeout_ns ? api->query_timeout_ns : WEIR_API_TIMEOUT_NS) /
                    WEIR_NS_PER_S),
        (long long)(api->retention_ns / WEIR_NS_PER_S));
    weir_api_reply_json(req, &out);
}
