/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluates PromQL over samples in a file, for comparison with another engine:
 *
 *     promql_eval SAMPLES < QUERIES
 *
 * SAMPLES: one series a line: name{labels} <tab> time_ms value time_ms value …
 * QUERIES: one a line: start_ms end_ms step_ms (0 = instant) <tab> query
 * Answers one line of JSON for each query: {"error":…} or [[{labels},[[time_ms,"value"],…]],…]. */
#include <stdio.h>
#include <stdlib.h>

#include "../unit/promql/memory_source.h"
#include "base/fs.h"
#include "wire/json.h"

static void load_line(struct memory_source *source, struct weir_view line) {
    struct memory_series *series = memory_add(source, weir_view_cut(&line, '\t'));
    while (series && line.len) {
        int64_t time_ms;
        double value;
        if (!weir_view_to_i64(weir_view_cut(&line, ' '), &time_ms) ||
            !weir_view_to_f64(weir_view_cut(&line, ' '), &value))
            break;
        memory_sample(source, series, time_ms, value);
        if (!line.ptr) return;
    }
    fprintf(stderr, "promql_eval: bad samples\n");
    exit(2);
}

static void print_series(struct weir_json_writer *json, const struct weir_promql_series *s) {
    weir_json_begin_array(json);
    weir_json_begin_object(json);
    for (uint32_t i = 0; i < s->labels_count; i++) {
        weir_json_key_view(json, s->labels[i].name);
        weir_json_add_str(json, s->labels[i].value);
    }
    weir_json_end_object(json);
    weir_json_begin_array(json);
    for (uint32_t i = 0; i < s->count; i++) {
        weir_json_begin_array(json);
        weir_json_add_i64(json, s->times_ms[i]);
        weir_buf_add_str(json->buf, ",\"");
        weir_json_format_f64(json->buf, s->values[i]);
        weir_buf_add_char(json->buf, '"');
        weir_json_end_array(json);
    }
    weir_json_end_array(json);
    weir_json_end_array(json);
}

static void answer(struct memory_source *source, struct weir_view line, struct weir_buf *out) {
    struct weir_query query;
    struct weir_error err = {0};
    struct weir_promql_expr *expr;
    struct weir_promql_result result;
    struct weir_promql_options options = {0};
    struct weir_json_writer json = weir_json_writer(out);
    struct weir_view numbers = weir_view_cut(&line, '\t');
    weir_query_init(&query, 0, 0);
    weir_view_to_i64(weir_view_cut(&numbers, ' '), &options.start_ms);
    weir_view_to_i64(weir_view_cut(&numbers, ' '), &options.end_ms);
    weir_view_to_i64(weir_view_cut(&numbers, ' '), &options.step_ms);
    int code = weir_promql_parse(&query.arena, line, &expr, &err);
    if (code == 0) code = weir_promql_eval(&query, &source->source, expr, &options, &result, &err);
    if (code) {
        weir_json_begin_object(&json);
        weir_json_key(&json, "error");
        weir_json_add_cstr(&json, err.message);
        weir_json_end_object(&json);
    } else {
        weir_json_begin_array(&json);
        for (uint32_t i = 0; i < result.series_count; i++) print_series(&json, &result.series[i]);
        weir_json_end_array(&json);
    }
    weir_query_done(&query);
}

int main(int argc, char **argv) {
    struct weir_buf text, out;
    struct memory_source source;
    char line[65536];
    weir_buf_init(&text, 1 << 28);
    weir_buf_init(&out, 1 << 28);
    memory_init(&source);
    if (argc != 2 || weir_fs_read_file(argv[1], &text, NULL)) {
        fprintf(stderr, "usage: promql_eval SAMPLES < QUERIES\n");
        return 2;
    }
    struct weir_view rest = weir_buf_view(&text);
    while (rest.len) load_line(&source, weir_view_cut(&rest, '\n'));
    memory_sort(&source);
    while (fgets(line, sizeof line, stdin)) {
        weir_buf_clear(&out);
        answer(&source, weir_view(line, strcspn(line, "\n")), &out);
        printf("%.*s\n", WEIR_VIEW_ARG(weir_buf_view(&out)));
    }
    memory_done(&source);
    weir_buf_done(&text);
    weir_buf_done(&out);
    return 0;
}
