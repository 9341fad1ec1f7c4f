/* SPDX-License-Identifier: Apache-2.0 */
/* Search and metrics answers in Tempo's JSON. */
#include <math.h>

#include "api/tempo.h"
#include "otlp/value.h"
#include "traceql/functions.h"
#include "traceql/print.h"

static void key_and_value(struct weir_json_writer *w, struct weir_view key,
                          const struct weir_traceql_value *value, struct weir_arena *arena) {
    weir_json_begin_object(w);
    weir_json_key(w, "key");
    weir_json_add_str(w, key);
    weir_json_key(w, "value");
    weir_json_begin_object(w);
    switch (value->type) {
    case WEIR_TRACEQL_TYPE_INT:
    case WEIR_TRACEQL_TYPE_DURATION:
        weir_json_key(w, "intValue");
        weir_json_add_i64_str(w, value->i64);
        break;
    case WEIR_TRACEQL_TYPE_FLOAT:
        weir_json_key(w, "doubleValue");
        weir_json_add_f64(w, value->f64);
        break;
    case WEIR_TRACEQL_TYPE_BOOL:
        weir_json_key(w, "boolValue");
        weir_json_add_bool(w, value->boolean);
        break;
    case WEIR_TRACEQL_TYPE_STRING:
    case WEIR_TRACEQL_TYPE_STATUS:
    case WEIR_TRACEQL_TYPE_KIND:
    case WEIR_TRACEQL_TYPE_NIL:
    case WEIR_TRACEQL_TYPE_ARRAY:
    case WEIR_TRACEQL_TYPE_UNKNOWN:
    case WEIR_TRACEQL_TYPE_ANY:
        weir_json_key(w, "stringValue");
        weir_json_add_str(w, weir_traceql_to_text(value, arena));
        break;
    }
    weir_json_end_object(w);
    weir_json_end_object(w);
}

static void add_attributes(struct weir_json_writer *w, const struct weir_traceql_plan *plan,
                           const struct weir_traceql_span *span, struct weir_arena *arena) {
    weir_json_key(w, "attributes");
    weir_json_begin_array(w);
    for (uint32_t i = 0; i < plan->slots_count; i++) {
        const struct weir_traceql_slot *slot = &plan->slots[i];
        struct weir_traceql_field field = {.scope = slot->scope, .name = slot->name, .slot = i};
        if (!slot->shown || span->values[i].type == WEIR_VALUE_NONE) continue;
        struct weir_traceql_value value = weir_traceql_field_value(plan, &field, span);
        key_and_value(w, slot->name, &value, arena);
    }
    struct weir_traceql_value status = {.type = WEIR_TRACEQL_TYPE_STATUS, .i64 = span->status};
    struct weir_traceql_value kind = {.type = WEIR_TRACEQL_TYPE_KIND, .i64 = span->kind};
    if (plan->shows_status) key_and_value(w, WEIR_VIEW("status"), &status, arena);
    if (plan->shows_kind) key_and_value(w, WEIR_VIEW("kind"), &kind, arena);
    weir_json_end_array(w);
}

static void add_spanset(struct weir_json_writer *w, const struct weir_traceql_plan *plan,
                        const struct weir_traceql_trace *trace,
                        const struct weir_traceql_group *group, uint32_t spss,
                        struct weir_arena *arena) {
    weir_json_begin_object(w);
    weir_json_key(w, "spans");
    weir_json_begin_array(w);
    for (uint32_t i = 0; i < group->count && i < spss; i++) {
        const struct weir_traceql_span *span = &trace->spans[group->spans[i]];
        weir_json_begin_object(w);
        weir_json_key(w, "spanID");
        weir_json_add_hex(w, span->span_id, 8);
        weir_json_key(w, "name");
        weir_json_add_str(w, span->name);
        weir_json_key(w, "startTimeUnixNano");
        weir_json_add_i64_str(w, span->start_ns);
        weir_json_key(w, "durationNanos");
        weir_json_add_i64_str(w, span->duration_ns);
        add_attributes(w, plan, span, arena);
        weir_json_end_object(w);
    }
    weir_json_end_array(w);
    weir_json_key(w, "matched");
    weir_json_add_i64(w, group->count);
    if (group->by) {
        struct weir_buf name;
        weir_buf_init(&name, 4096);
        weir_buf_add_str(&name, "by(");
        if (group->by->kind == WEIR_TRACEQL_EXPR_FIELD)
            weir_traceql_print_field(&group->by->field, &name);
        weir_buf_add_char(&name, ')');
        weir_json_key(w, "attributes");
        weir_json_begin_array(w);
        key_and_value(w, weir_buf_view(&name), &group->by_value, arena);
        weir_json_end_array(w);
        weir_buf_done(&name);
    }
    weir_json_end_object(w);
}

/* {"service":{"spanCount":3,"errorCount":1},…} */
static void add_service_stats(struct weir_json_writer *w, const struct weir_traceql_trace *trace) {
    weir_json_key(w, "serviceStats");
    weir_json_begin_object(w);
    for (uint32_t i = 0; i < trace->count; i++) {
        struct weir_view service = trace->spans[i].service;
        int64_t spans = 0, errors = 0;
        bool told = false;
        for (uint32_t k = 0; k < i && !told; k++)
            told = weir_view_eq(trace->spans[k].service, service);
        if (told || !service.len) continue;
        for (uint32_t k = i; k < trace->count; k++) {
            if (!weir_view_eq(trace->spans[k].service, service)) continue;
            spans++;
            errors += trace->spans[k].status == WEIR_TRACEQL_STATUS_ERROR;
        }
        weir_json_key_view(w, service);
        weir_json_begin_object(w);
        weir_json_key(w, "spanCount");
        weir_json_add_i64(w, spans);
        if (errors) {
            weir_json_key(w, "errorCount");
            weir_json_add_i64(w, errors);
        }
        weir_json_end_object(w);
    }
    weir_json_end_object(w);
}

static void add_trace(struct weir_json_writer *w, const struct weir_traceql_plan *plan,
                      const struct weir_traceql_result *result, uint32_t spss,
                      struct weir_arena *arena) {
    const struct weir_traceql_trace *trace = result->trace;
    bool has_root = trace->root != WEIR_TRACEQL_NO_SPAN;
    weir_json_begin_object(w);
    weir_json_key(w, "traceID");
    weir_json_add_hex(w, trace->id, 16);
    weir_json_key(w, "rootServiceName");
    weir_json_add_str(w, has_root ? trace->spans[trace->root].service
                                  : WEIR_VIEW("<root span not yet received>"));
    weir_json_key(w, "rootTraceName");
    weir_json_add_str(w, has_root ? trace->spans[trace->root].name : weir_view("", 0));
    weir_json_key(w, "startTimeUnixNano");
    weir_json_add_i64_str(w, trace->start_ns);
    weir_json_key(w, "durationMs");
    weir_json_add_i64(w, (trace->end_ns - trace->start_ns) / 1000000);
    if (result->groups.count == 1) {
        weir_json_key(w, "spanSet");
        add_spanset(w, plan, trace, &result->groups.items[0], spss, arena);
    }
    weir_json_key(w, "spanSets");
    weir_json_begin_array(w);
    for (uint32_t i = 0; i < result->groups.count; i++)
        add_spanset(w, plan, trace, &result->groups.items[i], spss, arena);
    weir_json_end_array(w);
    add_service_stats(w, trace);
    weir_json_end_object(w);
}

static void add_explain(struct weir_json_writer *w, const struct weir_query *query) {
    struct weir_buf text;
    weir_buf_init(&text, 1 << 16);
    weir_query_add_explain(query, &text);
    weir_json_key(w, "explain");
    weir_json_add_raw(w, weir_buf_view(&text));
    weir_buf_done(&text);
}

void weir_tempo_add_search(struct weir_buf *out, const struct weir_traceql_plan *plan,
                           const struct weir_traceql_results *results, uint32_t spss,
                           struct weir_query *query, bool explain) {
    struct weir_json_writer w = weir_json_writer(out);
    weir_json_begin_object(&w);
    weir_json_key(&w, "traces");
    weir_json_begin_array(&w);
    for (uint32_t i = 0; i < results->count; i++)
        add_trace(&w, plan, &results->items[i], spss, &query->arena);
    weir_json_end_array(&w);
    weir_json_key(&w, "metrics");
    weir_json_begin_object(&w);
    weir_json_key(&w, "inspectedTraces");
    weir_json_add_u64(&w, results->inspected_count);
    weir_json_key(&w, "inspectedBytes");
    weir_json_add_u64_str(&w, query->bytes_decoded);
    weir_json_key(&w, "completedJobs");
    weir_json_add_i64(&w, 1);
    weir_json_key(&w, "totalJobs");
    weir_json_add_i64(&w, 1);
    weir_json_end_object(&w);
    if (explain) add_explain(&w, query);
    weir_json_end_object(&w);
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void add_prom_labels(struct weir_json_writer *w, const struct weir_traceql_series *series,
                            struct weir_arena *arena) {
    struct weir_buf text;
    weir_buf_init(&text, 1 << 20);
    weir_buf_add_char(&text, '{');
    for (uint32_t i = 0; i < series->labels_count; i++)
        weir_buf_printf(&text, "%s%.*s=\"%.*s\"", i ? ", " : "",
                        WEIR_VIEW_ARG(series->labels[i].name),
                        WEIR_VIEW_ARG(weir_traceql_to_text(&series->labels[i].value, arena)));
    weir_buf_add_char(&text, '}');
    weir_json_key(w, "promLabels");
    weir_json_add_str(w, weir_buf_view(&text));
    weir_buf_done(&text);
}

static void add_series(struct weir_json_writer *w, const struct weir_traceql_matrix *m,
                       const struct weir_traceql_series *series, bool instant,
                       struct weir_arena *arena) {
    weir_json_begin_object(w);
    weir_json_key(w, "labels");
    weir_json_begin_array(w);
    for (uint32_t i = 0; i < series->labels_count; i++)
        key_and_value(w, series->labels[i].name, &series->labels[i].value, arena);
    weir_json_end_array(w);
    if (instant) {
        weir_json_key(w, "value");
        weir_json_add_f64(w, isnan(series->values[0]) ? 0 : series->values[0]);
    } else {
        weir_json_key(w, "samples");
        weir_json_begin_array(w);
        for (uint32_t i = 0; i < m->intervals; i++) {
            if (isnan(series->values[i])) continue;
            weir_json_begin_object(w);
            weir_json_key(w, "timestampMs");
            weir_json_add_i64_str(w, (m->start_ns + (int64_t)(i + 1) * m->step_ns) / 1000000);
            weir_json_key(w, "value");
            weir_json_add_f64(w, series->values[i]);
            weir_json_end_object(w);
        }
        weir_json_end_array(w);
        weir_json_key(w, "exemplars");
        weir_json_add_raw(w, WEIR_VIEW("[]"));
    }
    add_prom_labels(w, series, arena);
    weir_json_end_object(w);
}

void weir_tempo_add_metrics(struct weir_buf *out, const struct weir_traceql_matrix *matrix,
                            bool instant, struct weir_query *query, bool explain) {
    struct weir_json_writer w = weir_json_writer(out);
    weir_json_begin_object(&w);
    weir_json_key(&w, "series");
    weir_json_begin_array(&w);
    for (uint32_t i = 0; i < matrix->count; i++)
        add_series(&w, matrix, &matrix->series[i], instant, &query->arena);
    weir_json_end_array(&w);
    weir_json_key(&w, "metrics");
    weir_json_begin_object(&w);
    weir_json_key(&w, "inspectedBytes");
    weir_json_add_u64_str(&w, query->bytes_decoded);
    weir_json_key(&w, "inspectedSpans");
    weir_json_add_u64_str(&w, query->rows_read);
    weir_json_end_object(&w);
    if (explain) add_explain(&w, query);
    weir_json_end_object(&w);
}
