/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/eval.h"

#include <stdlib.h>

enum { STEPS_MAX_DEFAULT = 11000, EXPLAIN_LEN_MAX = 1 << 20 };

static void run_done(struct weir_promql_run *run) {
    for (struct weir_promql_node *node = run->nodes; node; node = node->older)
        if (node->close) node->close(node);
}

static int make_grid(const struct weir_promql_options *o, struct weir_promql_grid *ret,
                     struct weir_error *reterr) {
    uint32_t limit = o->steps_max ? o->steps_max : STEPS_MAX_DEFAULT;
    if (o->step_ms < 0)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "zero or negative query resolution step widths are not accepted. Try "
                              "a positive integer");
    if (o->end_ms < o->start_ms)
        return weir_error_set(reterr, WEIR_EINVALID, "end timestamp must not be before start time");
    *ret = (struct weir_promql_grid){o->start_ms, o->step_ms, 1};
    if (o->step_ms == 0) return 0;
    int64_t steps = (o->end_ms - o->start_ms) / o->step_ms;
    if (steps >= limit)
        return weir_error_set(
            reterr, WEIR_EINVALID,
            "exceeded maximum resolution of %u points per timeseries. Try decreasing the "
            "query resolution (?step=XX)",
            limit);
    ret->count = (uint32_t)steps + 1;
    return 0;
}

static int push_series(struct weir_promql_run *run, struct weir_promql_result *ret, uint32_t *room,
                       const struct weir_promql_series *series) {
    struct weir_promql_series *place = WEIR_PUSH(run->arena, ret->series, ret->series_count, *room);
    struct weir_label *labels =
        weir_promql_labels_copy(run->arena, series->labels, series->labels_count);
    int64_t *times = weir_arena_alloc(run->arena, series->count * sizeof *times);
    double *values = weir_arena_alloc(run->arena, series->count * sizeof *values);
    if (!place || !labels || !times || !values) return weir_promql_no_memory(run);
    memcpy(times, series->times_ms, series->count * sizeof *times);
    memcpy(values, series->values, series->count * sizeof *values);
    *place =
        (struct weir_promql_series){labels, series->labels_count, series->count, times, values};
    return 0;
}

/* All rows of the root; steps without a value are left out. */
static int collect_rows(struct weir_promql_node *root, struct weir_promql_result *ret) {
    struct weir_promql_run *run = root->run;
    struct weir_promql_row row;
    uint32_t room = 0, count = root->grid.count;
    int64_t *times = weir_arena_alloc(run->arena, count * sizeof *times);
    int code;
    if (!times) return weir_promql_no_memory(run);
    while ((code = root->next(root, &row)) == 0) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (weir_promql_is_absent(row.values[i])) continue;
            times[n] = weir_promql_grid_at(&root->grid, i);
            row.values[n++] = row.values[i];
        }
        struct weir_promql_series series = {row.labels, row.labels_count, n, times, row.values};
        if (n && (code = push_series(run, ret, &room, &series)) != 0) return code;
    }
    return code == WEIR_END ? 0 : code;
}

/* The samples themselves: x[5m] as an instant query. */
static int collect_samples(struct weir_promql_node *root, struct weir_promql_result *ret) {
    struct weir_promql_samples samples;
    uint32_t room = 0;
    int code;
    while ((code = weir_promql_window_samples(root, &samples)) == 0) {
        struct weir_promql_series series = {samples.labels, samples.labels_count, samples.count,
                                            samples.times_ms, samples.values};
        if (samples.count && (code = push_series(root->run, ret, &room, &series)) != 0) return code;
    }
    return code == WEIR_END ? 0 : code;
}

static int compare_series(const void *left, const void *right) {
    const struct weir_promql_series *a = left, *b = right;
    return weir_promql_labels_cmp(a->labels, a->labels_count, b->labels, b->labels_count);
}

static int check_unique(struct weir_promql_run *run, const struct weir_promql_result *ret) {
    for (uint32_t i = 1; i < ret->series_count; i++)
        if (compare_series(&ret->series[i - 1], &ret->series[i]) == 0) {
            char text[200];
            return weir_error_set(run->reterr, WEIR_ELIMIT,
                                  "vector cannot contain metrics with the same labelset: %s",
                                  weir_promql_labels_text(ret->series[i].labels,
                                                          ret->series[i].labels_count, text,
                                                          sizeof text));
        }
    return 0;
}

static int run_query(struct weir_promql_run *run, const struct weir_promql_expr *expr,
                     struct weir_promql_grid grid, struct weir_promql_result *ret) {
    bool instant = run->options.step_ms == 0;
    struct weir_promql_node *root = weir_promql_plan(run, grid, expr);
    if (!root) return run->reterr->code;
    ret->type = instant ? expr->type : WEIR_PROMQL_MATRIX;
    int code =
        expr->type == WEIR_PROMQL_MATRIX ? collect_samples(root, ret) : collect_rows(root, ret);
    if (code || ret->type != WEIR_PROMQL_MATRIX) return code;
    if (ret->series_count)
        qsort(ret->series, ret->series_count, sizeof *ret->series, compare_series);
    return check_unique(run, ret);
}

int weir_promql_eval(struct weir_query *query, struct weir_source *source,
                     const struct weir_promql_expr *expr, const struct weir_promql_options *options,
                     struct weir_promql_result *ret, struct weir_error *reterr) {
    struct weir_error error = {0};
    struct weir_promql_run run = {.query = query,
                                  .arena = &query->arena,
                                  .source = source,
                                  .options = *options,
                                  .reterr = &error};
    struct weir_promql_result result = {0};
    struct weir_promql_grid grid = {0};
    int code = make_grid(options, &grid, &error);
    bool vector = expr->type == WEIR_PROMQL_SCALAR || expr->type == WEIR_PROMQL_VECTOR;
    if (code == 0 && options->step_ms && !vector)
        code = weir_error_set(
            &error, WEIR_EINVALID,
            "invalid expression type \"%s\" for range query, must be Scalar or instant Vector",
            weir_promql_type_name(expr->type));
    if (code == 0 && expr->type == WEIR_PROMQL_STRING) {
        result.type = WEIR_PROMQL_STRING;
        result.text = weir_promql_unwrap(expr)->text;
    } else if (code == 0) {
        code = run_query(&run, expr, grid, &result);
    }
    run_done(&run);
    result.notes = run.notes;
    result.notes_count = run.notes_count;
    if (code && reterr) *reterr = error;
    if (code == 0) *ret = result;
    return code;
}

static void explain(const struct weir_promql_node *node, uint32_t level, struct weir_buf *out) {
    weir_buf_printf(out, "%*s%s", (int)(2 * level), "", node->name);
    if (node->detail.len) weir_buf_printf(out, " %.*s", WEIR_VIEW_ARG(node->detail));
    if (level == 0 || node->grid.count == 0)
        weir_buf_printf(out, "  (%u step%s)", node->grid.count, node->grid.count == 1 ? "" : "s");
    weir_buf_add_char(out, '\n');
    for (uint32_t i = 0; i < node->inputs_count; i++) explain(node->inputs[i], level + 1, out);
}

int weir_promql_explain(struct weir_arena *arena, const struct weir_promql_expr *expr,
                        const struct weir_promql_options *options, struct weir_view *ret,
                        struct weir_error *reterr) {
    struct weir_error error = {0};
    struct weir_promql_run run = {.arena = arena, .options = *options, .reterr = &error};
    struct weir_promql_grid grid = {0};
    struct weir_buf out;
    weir_buf_init(&out, EXPLAIN_LEN_MAX);
    int code = make_grid(options, &grid, &error);
    if (code == 0 && expr->type == WEIR_PROMQL_STRING) {
        weir_buf_add_str(&out, "string\n");
    } else if (code == 0) {
        const struct weir_promql_node *root = weir_promql_plan(&run, grid, expr);
        if (root)
            explain(root, 0, &out);
        else
            code = error.code;
    }
    if (code == 0) *ret = weir_arena_copy(arena, weir_buf_view(&out));
    if (code == 0 && !ret->ptr) code = weir_promql_no_memory(&run);
    run_done(&run);
    weir_buf_done(&out);
    if (code && reterr) *reterr = error;
    return code;
}
