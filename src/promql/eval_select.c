/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors: samples out of the source; the value at each step, or a function of the window behind
 * each step. */
#include "promql/eval.h"

enum { LOOKBACK_DEFAULT_MS = 5 * 60 * 1000, INTERVAL_DEFAULT_MS = 60 * 1000 };
static const uint64_t samples_max_default = 200000000;

/* Reading one selector's series. */
struct reader {
    const struct weir_promql_expr *selector;
    struct weir_promql_matchers matchers;
    struct weir_series_cursor *cursor;
    int64_t *times; /* copy without stale markers, when there are some */
    double *values;
    uint32_t room;
};

struct select {
    struct weir_promql_node node;
    struct reader reader;
    bool timestamps; /* the samples' times instead of their values */
};

struct window {
    struct weir_promql_node node;
    struct reader reader; /* unused with a subquery */
    const struct weir_promql_function *function;
    const struct weir_promql_expr *range; /* RANGE or SUBQUERY */
    struct weir_promql_node *subquery;
    double *args[WEIR_PROMQL_ARGS_MAX];
    int64_t *times; /* subquery: the samples made from a row */
    double *values;
};

static int64_t lookback_ms(const struct weir_promql_run *run) {
    return run->options.lookback_ms ? run->options.lookback_ms : LOOKBACK_DEFAULT_MS;
}

int64_t weir_promql_time_of(const struct weir_promql_run *run, const struct weir_promql_expr *expr,
                            int64_t time_ms) {
    if (expr->at == WEIR_PROMQL_AT_TIME) time_ms = expr->at_ms;
    if (expr->at == WEIR_PROMQL_AT_START) time_ms = run->options.start_ms;
    if (expr->at == WEIR_PROMQL_AT_END) time_ms = run->options.end_ms;
    return time_ms - expr->offset_ms;
}

struct weir_promql_grid weir_promql_subquery_grid(const struct weir_promql_run *run,
                                                  const struct weir_promql_expr *subquery,
                                                  struct weir_promql_grid outer) {
    struct weir_promql_grid grid = {.step_ms = subquery->step_ms};
    if (!grid.step_ms) grid.step_ms = run->options.interval_ms;
    if (!grid.step_ms) grid.step_ms = INTERVAL_DEFAULT_MS;
    int64_t from = weir_promql_time_of(run, subquery, outer.start_ms) - subquery->range_ms;
    int64_t until = weir_promql_time_of(run, subquery, weir_promql_grid_end(&outer));
    grid.start_ms = from / grid.step_ms * grid.step_ms;
    if (grid.start_ms <= from) grid.start_ms += grid.step_ms;
    int64_t count = until < grid.start_ms ? 0 : (until - grid.start_ms) / grid.step_ms + 1;
    grid.count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    return grid;
}

static int reader_open(struct reader *r, struct weir_promql_run *run, int64_t from_ms,
                       int64_t until_ms) {
    int code = weir_promql_matchers_new(r->selector, &r->matchers, run->reterr);
    if (code) return code;
    struct weir_series_select select = {.matchers = r->matchers.items,
                                        .matchers_count = r->matchers.count,
                                        .from_ms = from_ms,
                                        .until_ms = until_ms};
    return run->source->select_series(run->source, run->query, &select, &r->cursor, run->reterr);
}

static void reader_close(struct reader *r) {
    if (r->cursor) r->cursor->close(r->cursor);
    r->cursor = NULL;
    weir_promql_matchers_free(&r->matchers);
}

static int reader_room(struct reader *r, struct weir_promql_run *run, uint32_t count) {
    if (count <= r->room) return 0;
    r->room = count + count / 2;
    r->times = weir_arena_alloc(run->arena, r->room * sizeof *r->times);
    r->values = weir_arena_alloc(run->arena, r->room * sizeof *r->values);
    return r->times && r->values ? 0 : weir_promql_no_memory(run);
}

static int without_stale(struct reader *r, struct weir_promql_run *run,
                         const struct weir_series *series, struct weir_promql_samples *ret) {
    uint32_t stale = 0, n = 0;
    for (uint32_t i = 0; i < series->samples_count; i++)
        stale += weir_promql_is_absent(series->values[i]);
    *ret = (struct weir_promql_samples){series->labels, series->labels_count, series->samples_count,
                                        series->times_ms, series->values};
    if (stale == 0) return 0;
    int code = reader_room(r, run, series->samples_count);
    if (code) return code;
    for (uint32_t i = 0; i < series->samples_count; i++) {
        if (weir_promql_is_absent(series->values[i])) continue;
        r->times[n] = series->times_ms[i];
        r->values[n++] = series->values[i];
    }
    ret->times_ms = r->times;
    ret->values = r->values;
    ret->count = n;
    return 0;
}

static int reader_next(struct reader *r, struct weir_promql_run *run,
                       const struct weir_series **ret) {
    int code = weir_query_check(run->query, run->reterr);
    if (code == 0) code = r->cursor->next(r->cursor, ret, run->reterr);
    if (code == WEIR_END) {
        int failed = weir_promql_matchers_check(&r->matchers, run->reterr);
        reader_close(r);
        r->cursor = NULL;
        return failed ? failed : WEIR_END;
    }
    if (code) return code;
    uint64_t limit = run->options.samples_max ? run->options.samples_max : samples_max_default;
    run->samples_count += (*ret)->samples_count;
    if (run->samples_count > limit)
        return weir_error_set(
            run->reterr, WEIR_ELIMIT,
            "query reads more than %llu samples; narrow its time range or its matchers",
            (unsigned long long)limit);
    return 0;
}

static void select_close(struct weir_promql_node *node) {
    reader_close(&((struct select *)node)->reader);
}

/* The last sample in (time - lookback, time], at each step. False: none anywhere. */
static bool fill_instants(struct select *s, const struct weir_series *series) {
    struct weir_promql_node *node = &s->node;
    int64_t lookback = lookback_ms(node->run);
    uint32_t at = 0;
    bool any = false;
    for (uint32_t step = 0; step < node->grid.count; step++) {
        int64_t time = weir_promql_time_of(node->run, s->reader.selector,
                                           weir_promql_grid_at(&node->grid, step));
        while (at < series->samples_count && series->times_ms[at] <= time) at++;
        node->values[step] = weir_promql_absent();
        if (at == 0 || series->times_ms[at - 1] <= time - lookback) continue;
        if (weir_promql_is_absent(series->values[at - 1])) continue;
        node->values[step] =
            s->timestamps ? (double)series->times_ms[at - 1] / 1000 : series->values[at - 1];
        any = true;
    }
    return any;
}

static int select_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct select *s = (struct select *)node;
    const struct weir_promql_expr *e = s->reader.selector;
    int code = 0;
    if (!node->started && node->grid.count) {
        int64_t from =
            weir_promql_time_of(node->run, e, node->grid.start_ms) - lookback_ms(node->run) + 1;
        code = reader_open(&s->reader, node->run, from,
                           weir_promql_time_of(node->run, e, weir_promql_grid_end(&node->grid)));
    }
    node->started = true;
    if (code) return code;
    if (!s->reader.cursor) return WEIR_END;
    for (;;) {
        const struct weir_series *series;
        code = reader_next(&s->reader, node->run, &series);
        if (code) return code;
        if (!fill_instants(s, series)) continue;
        *ret = (struct weir_promql_row){series->labels, series->labels_count, node->values};
        return 0;
    }
}

static bool has_one_name(const struct weir_promql_expr *selector) {
    for (uint32_t i = 0; i < selector->matchers_count; i++)
        if (selector->matchers[i].match == WEIR_PROMQL_MATCH_EQ &&
            selector->matchers[i].value.len && weir_view_is(selector->matchers[i].name, "__name__"))
            return true;
    return false;
}

struct weir_promql_node *weir_promql_select_new(struct weir_promql_run *run,
                                                struct weir_promql_grid grid,
                                                const struct weir_promql_expr *selector,
                                                bool timestamps) {
    struct select *s = weir_promql_node_new(run, sizeof *s, "select", grid, select_next);
    if (!s) return NULL;
    s->node.close = select_close;
    s->node.one_name = has_one_name(selector);
    s->node.detail = weir_promql_print(run->arena, selector);
    s->reader.selector = selector;
    s->timestamps = timestamps;
    return &s->node;
}

/* ---- windows ---- */

static void window_close(struct weir_promql_node *node) {
    reader_close(&((struct window *)node)->reader);
}

/* The expression that carries offset and @. */
static const struct weir_promql_expr *window_modified(const struct window *w) {
    return w->subquery ? w->range : w->range->left;
}

static int window_open(struct window *w) {
    struct weir_promql_node *node = &w->node;
    const struct weir_promql_expr *e = window_modified(w);
    int code = weir_promql_scalars_read(node, w->subquery ? 1 : 0, w->args);
    if (code || node->grid.count == 0) return code;
    if (!w->subquery)
        return reader_open(&w->reader, node->run,
                           weir_promql_time_of(node->run, e, node->grid.start_ms) -
                               w->range->range_ms + 1,
                           weir_promql_time_of(node->run, e, weir_promql_grid_end(&node->grid)));
    uint32_t count = w->subquery->grid.count;
    w->times = weir_arena_alloc(node->run->arena, count * sizeof *w->times);
    w->values = weir_arena_alloc(node->run->arena, count * sizeof *w->values);
    return w->times && w->values ? 0 : weir_promql_no_memory(node->run);
}

/* A row of the subquery as samples. */
static int subquery_samples(struct window *w, struct weir_promql_samples *ret) {
    struct weir_promql_row row;
    int code = w->subquery->next(w->subquery, &row);
    if (code) return code;
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->subquery->grid.count; i++) {
        if (weir_promql_is_absent(row.values[i])) continue;
        w->times[n] = weir_promql_grid_at(&w->subquery->grid, i);
        w->values[n++] = row.values[i];
    }
    *ret = (struct weir_promql_samples){row.labels, row.labels_count, n, w->times, w->values};
    return 0;
}

int weir_promql_window_samples(struct weir_promql_node *node, struct weir_promql_samples *ret) {
    struct window *w = (struct window *)node;
    if (!node->started) {
        node->started = true;
        int code = window_open(w);
        if (code) return code;
    }
    if (w->subquery) return node->grid.count ? subquery_samples(w, ret) : WEIR_END;
    const struct weir_series *series;
    if (!w->reader.cursor) return WEIR_END;
    int code = reader_next(&w->reader, node->run, &series);
    return code ? code : without_stale(&w->reader, node->run, series, ret);
}

/* Slides the window over the samples, from < time ≤ until. False: no result anywhere. */
static bool fill_windows(struct window *w, const struct weir_promql_samples *samples) {
    struct weir_promql_node *node = &w->node;
    const struct weir_promql_expr *e = window_modified(w);
    uint32_t from = 0, until = 0;
    bool any = false;
    for (uint32_t step = 0; step < node->grid.count; step++) {
        struct weir_promql_window window = {.eval_ms = weir_promql_grid_at(&node->grid, step)};
        window.until_ms = weir_promql_time_of(node->run, e, window.eval_ms);
        window.from_ms = window.until_ms - w->range->range_ms;
        while (until < samples->count && samples->times_ms[until] <= window.until_ms) until++;
        while (from < until && samples->times_ms[from] <= window.from_ms) from++;
        node->values[step] = weir_promql_absent();
        if (from == until) continue;
        window.times_ms = samples->times_ms + from;
        window.values = samples->values + from;
        window.count = until - from;
        for (uint32_t i = 0; i < WEIR_PROMQL_ARGS_MAX && w->args[i]; i++)
            window.args[i] = w->args[i][step];
        double value;
        if (!w->function->window(&window, &value)) continue;
        node->values[step] = value;
        any = true;
    }
    return any;
}

static void note_counter(struct window *w, const struct weir_label *labels, uint32_t labels_count) {
    static const char *const endings[] = {"_total", "_sum", "_count", "_bucket"};
    struct weir_view name = weir_promql_labels_get(labels, labels_count, WEIR_VIEW("__name__"));
    if (!w->function->counter || w->subquery || name.len == 0) return;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (weir_view_ends(name, weir_view_str(endings[i]))) return;
    weir_promql_note_add(w->node.run, true,
                         weir_arena_printf(w->node.run->arena,
                                           "metric might not be a counter, name does not end in "
                                           "_total/_sum/_count/_bucket: \"%.*s\"",
                                           WEIR_VIEW_ARG(name)));
}

static int window_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct window *w = (struct window *)node;
    for (;;) {
        struct weir_promql_samples samples;
        int code = weir_promql_window_samples(node, &samples);
        if (code) return code;
        if (!fill_windows(w, &samples)) continue;
        note_counter(w, samples.labels, samples.labels_count);
        *ret = (struct weir_promql_row){samples.labels, samples.labels_count, node->values};
        return 0;
    }
}

struct weir_promql_node *weir_promql_window_new(struct weir_promql_run *run,
                                                struct weir_promql_grid grid,
                                                const struct weir_promql_function *function,
                                                const struct weir_promql_expr *range,
                                                struct weir_promql_node *subquery) {
    struct window *w = weir_promql_node_new(run, sizeof *w, function ? function->name : "range",
                                            grid, window_next);
    if (!w) return NULL;
    w->function = function;
    w->range = range;
    w->subquery = subquery;
    w->node.close = window_close;
    if (subquery)
        w->node.inputs[w->node.inputs_count++] = subquery;
    else
        w->reader.selector = range->left;
    w->node.one_name = subquery ? subquery->one_name : has_one_name(range->left);
    w->node.detail = subquery ? WEIR_VIEW("over a subquery") : weir_promql_print(run->arena, range);
    return &w->node;
}
