/* SPDX-License-Identifier: Apache-2.0 */
/* A weir_source of series in memory, for tests of what asks one. Series come sorted by labels. */
#ifndef WEIR_TESTS_PROMQL_MEMORY_SOURCE_H
#define WEIR_TESTS_PROMQL_MEMORY_SOURCE_H

#include <stdlib.h>

#include "promql/promql.h"

struct memory_series {
    struct weir_label *labels;
    uint32_t labels_count, samples_count, room, labels_room;
    int64_t *times_ms;
    double *values;
};

struct memory_source {
    struct weir_source source;
    struct weir_arena arena;
    struct memory_series *series;
    uint32_t count, room;
    uint32_t selects_count; /* how often select_series was called */
    int fail;               /* next() gives this code after the first series */
};

struct memory_cursor {
    struct weir_series_cursor cursor;
    struct memory_source *source;
    struct weir_series_select select;
    uint32_t at, given;
    struct weir_series series;
    struct weir_query *query;
};

static inline struct weir_view memory_label(const struct memory_series *s, struct weir_view name) {
    for (uint32_t i = 0; i < s->labels_count; i++)
        if (weir_view_eq(s->labels[i].name, name)) return s->labels[i].value;
    return WEIR_VIEW("");
}

static inline bool memory_matches(const struct memory_series *s,
                                  const struct weir_series_select *select) {
    for (uint32_t i = 0; i < select->matchers_count; i++) {
        const struct weir_matcher *m = &select->matchers[i];
        struct weir_view value = memory_label(s, m->name);
        bool is = m->op == WEIR_OP_MATCH ? m->match(m->match_ctx, value) != m->negate
                                         : weir_view_eq(value, m->value) == (m->op == WEIR_OP_EQ);
        if (!is) return false;
    }
    return true;
}

static inline int memory_next(struct weir_series_cursor *cursor, const struct weir_series **ret,
                              struct weir_error *reterr) {
    struct memory_cursor *c = (struct memory_cursor *)cursor;
    if (c->source->fail && c->given)
        return weir_error_set(reterr, c->source->fail, "the source failed");
    while (c->at < c->source->count) {
        const struct memory_series *s = &c->source->series[c->at++];
        if (!memory_matches(s, &c->select)) continue;
        uint32_t from = 0, until = s->samples_count;
        while (from < until && s->times_ms[from] < c->select.from_ms) from++;
        while (until > from && s->times_ms[until - 1] > c->select.until_ms) until--;
        if (from == until) continue;
        c->series = (struct weir_series){.id = c->at,
                                         .labels = s->labels,
                                         .labels_count = s->labels_count,
                                         .times_ms = s->times_ms + from,
                                         .values = s->values + from,
                                         .samples_count = c->select.labels_only ? 0 : until - from};
        *ret = &c->series;
        c->given++;
        c->query->series_read++;
        c->query->rows_read += c->series.samples_count;
        return 0;
    }
    return WEIR_END;
}

static inline void memory_close(struct weir_series_cursor *cursor) {
    free(cursor);
}

static inline int memory_select(struct weir_source *source, struct weir_query *query,
                                const struct weir_series_select *select,
                                struct weir_series_cursor **ret, struct weir_error *reterr) {
    struct memory_cursor *c = calloc(1, sizeof *c);
    if (!c) return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory");
    c->cursor = (struct weir_series_cursor){memory_next, memory_close};
    c->source = (struct memory_source *)source;
    c->source->selects_count++;
    c->select = *select;
    c->query = query;
    *ret = &c->cursor;
    return 0;
}

static inline int memory_compare(const void *left, const void *right) {
    const struct memory_series *a = left, *b = right;
    for (uint32_t i = 0; i < a->labels_count && i < b->labels_count; i++) {
        int order = weir_view_cmp(a->labels[i].name, b->labels[i].name);
        if (order == 0) order = weir_view_cmp(a->labels[i].value, b->labels[i].value);
        if (order) return order;
    }
    return (a->labels_count > b->labels_count) - (a->labels_count < b->labels_count);
}

static inline void memory_init(struct memory_source *m) {
    *m = (struct memory_source){.source = {.select_series = memory_select}};
    weir_arena_init(&m->arena, 0);
}

static inline void memory_done(struct memory_source *m) {
    weir_arena_done(&m->arena);
}

static inline int memory_compare_label(const void *left, const void *right) {
    const struct weir_label *a = left, *b = right;
    return weir_view_cmp(a->name, b->name);
}

/* The labels of `metric{a="b"}`, sorted, into the arena; the count, or -1 when it does not parse.
 */
static inline int memory_labels(struct weir_arena *arena, struct weir_view text,
                                struct weir_label **ret) {
    struct weir_promql_expr *expr;
    uint32_t n = 0, room = 0;
    *ret = NULL;
    if (weir_view_is(text, "{}") || text.len == 0) return 0;
    text = weir_arena_copy(arena, text);
    if (weir_promql_parse(arena, text, &expr, NULL) || expr->kind != WEIR_PROMQL_SELECTOR)
        return -1;
    for (uint32_t i = 0; i < expr->matchers_count; i++) {
        struct weir_label *label = WEIR_PUSH(arena, *ret, n, room);
        if (!label) return -1;
        *label = (struct weir_label){expr->matchers[i].name, expr->matchers[i].value};
    }
    qsort(*ret, n, sizeof **ret, memory_compare_label);
    return (int)n;
}

/* A new series; add samples, then call memory_sort. */
static inline struct memory_series *memory_add(struct memory_source *m, struct weir_view labels) {
    struct weir_label *parsed;
    int n = memory_labels(&m->arena, labels, &parsed);
    if (n < 0) return NULL;
    struct memory_series *s = WEIR_PUSH(&m->arena, m->series, m->count, m->room);
    if (!s) return NULL;
    s->labels = parsed;
    s->labels_count = (uint32_t)n;
    return s;
}

static inline void memory_sample(struct memory_source *m, struct memory_series *s, int64_t time_ms,
                                 double value) {
    if (!s) return;
    uint32_t n = s->samples_count, room = s->room;
    int64_t *last_ms = WEIR_PUSH(&m->arena, s->times_ms, n, room);
    double *last = WEIR_PUSH(&m->arena, s->values, s->samples_count, s->room);
    if (!last_ms || !last) return;
    *last_ms = time_ms;
    *last = value;
}

static inline void memory_sort(struct memory_source *m) {
    if (m->count) qsort(m->series, m->count, sizeof *m->series, memory_compare);
}

#endif
