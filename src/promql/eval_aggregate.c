/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregations. sum, avg, count, min, max, group, stddev and stdvar hold a few numbers a step for
 * each group and let the rows go; topk, quantile and their like keep the group's rows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "promql/eval.h"
#include "wire/json.h"

struct member { /* a kept row of a group */
    struct weir_promql_row row;
    struct member *next;
};

struct group {
    const struct weir_label *labels; /* of the result */
    uint32_t labels_count;
    double *value; /* sum, mean, min, max; the result in the end */
    double *rest;  /* sum: what rounding lost; stdvar: sum of squares */
    double *count;
    uint8_t *incremental; /* avg: the sum would overflow, so value is the mean */
    struct member *members, **members_end;
    uint32_t members_count;
};

struct aggregate {
    struct weir_promql_node node;
    const struct weir_promql_expr *expr;
    struct weir_map map;
    struct weir_buf key;
    struct group *groups;
    uint32_t groups_count, groups_room;
    double *param; /* one a step */
    uint32_t at;   /* next group to give */
    struct member *at_member;
    struct weir_promql_kept values; /* count_values: its rows */
};

static void aggregate_close(struct weir_promql_node *node) {
    struct aggregate *a = (struct aggregate *)node;
    weir_map_done(&a->map);
    weir_buf_done(&a->key);
    weir_promql_kept_done(&a->values);
}

static bool keeps_rows(enum weir_promql_aggregation aggregation) {
    return aggregation >= WEIR_PROMQL_TOPK;
}

/* True for those whose results are rows of the input. */
static bool gives_members(enum weir_promql_aggregation aggregation) {
    return aggregation == WEIR_PROMQL_TOPK || aggregation == WEIR_PROMQL_BOTTOMK ||
           aggregation == WEIR_PROMQL_LIMITK || aggregation == WEIR_PROMQL_LIMIT_RATIO;
}

/* by: only the named labels; without: all but those and __name__. */
static const struct weir_label *group_labels(struct aggregate *a, const struct weir_promql_row *row,
                                             uint32_t *ret_count) {
    struct weir_label *labels =
        WEIR_NEW_ARRAY(a->node.run->arena, struct weir_label, row->labels_count + 1);
    uint32_t n = 0;
    if (!labels) return NULL;
    for (uint32_t i = 0; i < row->labels_count; i++) {
        struct weir_view name = row->labels[i].name;
        if (weir_promql_names_have(&a->expr->labels, name) == a->expr->without) continue;
        if (a->expr->without && weir_view_is(name, "__name__")) continue;
        labels[n++] = row->labels[i];
    }
    *ret_count = n;
    return weir_promql_labels_copy(a->node.run->arena, labels, n);
}

static bool group_init(struct aggregate *a, struct group *group,
                       const struct weir_promql_row *row) {
    struct weir_arena *arena = a->node.run->arena;
    size_t steps = a->node.grid.count + 1U;
    group->members_end = &group->members;
    group->labels = group_labels(a, row, &group->labels_count);
    if (gives_members(a->expr->aggregation)) return group->labels != NULL;
    group->value = WEIR_NEW_ARRAY(arena, double, steps);
    group->rest = WEIR_NEW_ARRAY(arena, double, steps);
    group->count = WEIR_NEW_ARRAY(arena, double, steps);
    group->incremental = WEIR_NEW_ARRAY(arena, uint8_t, steps);
    return group->labels && group->value && group->rest && group->count && group->incremental;
}

static int group_get(struct aggregate *a, const struct weir_promql_row *row, struct group **ret) {
    weir_buf_clear(&a->key);
    weir_promql_labels_key(row->labels, row->labels_count, &a->expr->labels, !a->expr->without,
                           false, &a->key);
    uint64_t *found = weir_map_get(&a->map, weir_buf_view(&a->key));
    if (found) return *ret = &a->groups[*found], 0;
    struct weir_arena *arena = a->node.run->arena;
    struct weir_view key = weir_arena_copy(arena, weir_buf_view(&a->key));
    uint32_t index = a->groups_count;
    /* members_end points into the group: groups that hold members must not move. */
    struct group *group = WEIR_PUSH(arena, a->groups, a->groups_count, a->groups_room);
    if (!key.ptr || a->key.failed || !group || !group_init(a, group, row) ||
        !weir_map_put(&a->map, key, index, NULL))
        return weir_promql_no_memory(a->node.run);
    *ret = group;
    return 0;
}

static int group_keep(struct aggregate *a, struct group *group, const struct weir_promql_row *row) {
    struct weir_arena *arena = a->node.run->arena;
    struct member *member = WEIR_NEW(arena, struct member);
    struct weir_label *labels = weir_promql_labels_copy(arena, row->labels, row->labels_count);
    double *values = weir_arena_alloc(arena, (a->node.grid.count + 1U) * sizeof *values);
    if (!member || !labels || !values) return weir_promql_no_memory(a->node.run);
    memcpy(values, row->values, a->node.grid.count * sizeof *values);
    member->row = (struct weir_promql_row){labels, row->labels_count, values};
    if (group->members_count++ == 0)
        group->members = member;
    else
        *group->members_end = member;
    group->members_end = &member->next;
    return 0;
}

static void add_avg(struct group *g, uint32_t i, double value) {
    g->count[i]++;
    if (!g->incremental[i]) {
        double sum = g->value[i], rest = g->rest[i];
        weir_promql_sum_add(value, &sum, &rest);
        if (!isinf(sum) || g->count[i] == 1) {
            g->value[i] = sum, g->rest[i] = rest;
            return;
        }
        g->incremental[i] = 1;
        g->value[i] /= g->count[i] - 1;
        g->rest[i] /= g->count[i] - 1;
    }
    double share = (g->count[i] - 1) / g->count[i];
    g->value[i] *= share, g->rest[i] *= share;
    weir_promql_sum_add(value / g->count[i], &g->value[i], &g->rest[i]);
}

static void add_deviation(struct group *g, uint32_t i, double value) {
    g->count[i]++;
    double delta = value - g->value[i];
    g->value[i] += delta / g->count[i];
    g->rest[i] += delta * (value - g->value[i]);
}

static void group_add(enum weir_promql_aggregation aggregation, struct group *g,
                      const double *values, uint32_t steps) {
    for (uint32_t i = 0; i < steps; i++) {
        double value = values[i];
        if (weir_promql_is_absent(value)) continue;
        if (aggregation == WEIR_PROMQL_AVG) {
            add_avg(g, i, value);
        } else if (aggregation == WEIR_PROMQL_STDDEV || aggregation == WEIR_PROMQL_STDVAR) {
            add_deviation(g, i, value);
        } else {
            bool first = g->count[i]++ == 0;
            if (aggregation == WEIR_PROMQL_SUM)
                weir_promql_sum_add(value, &g->value[i], &g->rest[i]);
            else if (first || isnan(g->value[i]) ||
                     (aggregation == WEIR_PROMQL_MIN ? value < g->value[i] : value > g->value[i]))
                g->value[i] = value;
        }
    }
}

static double group_value(enum weir_promql_aggregation aggregation, const struct group *g,
                          uint32_t i) {
    double n = g->count[i], value = g->value[i], rest = g->rest[i];
    if (n == 0) return weir_promql_absent();
    if (aggregation == WEIR_PROMQL_COUNT) return n;
    if (aggregation == WEIR_PROMQL_GROUP) return 1;
    if (aggregation == WEIR_PROMQL_STDVAR) return rest / n;
    if (aggregation == WEIR_PROMQL_STDDEV) return sqrt(rest / n);
    if (aggregation == WEIR_PROMQL_SUM) return isinf(value) ? value : value + rest;
    if (aggregation == WEIR_PROMQL_AVG && g->incremental[i]) return value + rest;
    if (aggregation == WEIR_PROMQL_AVG) return value / n + rest / n;
    return value;
}

static int read_all(struct aggregate *a) {
    struct weir_promql_node *node = &a->node;
    struct weir_promql_row row;
    int code;
    if (a->expr->param && a->expr->param->type == WEIR_PROMQL_SCALAR) {
        a->param = weir_arena_alloc(node->run->arena, (node->grid.count + 1U) * sizeof *a->param);
        if (!a->param) return weir_promql_no_memory(node->run);
        if ((code = weir_promql_scalar_read(node->inputs[1], a->param)) != 0) return code;
    }
    while ((code = node->inputs[0]->next(node->inputs[0], &row)) == 0) {
        struct group *group;
        code = group_get(a, &row, &group);
        if (code == 0 && keeps_rows(a->expr->aggregation))
            code = group_keep(a, group, &row);
        else if (code == 0)
            group_add(a->expr->aggregation, group, row.values, node->grid.count);
        if (code) return code;
    }
    return code == WEIR_END ? 0 : code;
}

/* ---- topk, bottomk, limitk, limit_ratio: members lose the steps at which they are not chosen ----
 */

struct rank {
    double value;
    uint32_t order; /* of arrival */
    struct member *member;
};

static int compare_top(const void *left, const void *right) {
    const struct rank *a = left, *b = right;
    if (isnan(a->value) || isnan(b->value)) {
        if (isnan(a->value) != isnan(b->value)) return isnan(a->value) ? 1 : -1; /* chosen last */
    } else if (a->value != b->value) {
        return a->value > b->value ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

static int compare_bottom(const void *left, const void *right) {
    const struct rank *a = left, *b = right;
    if (isnan(a->value) || isnan(b->value) || a->value == b->value) return compare_top(left, right);
    return a->value < b->value ? -1 : 1;
}

static uint32_t ranks_of(const struct group *group, uint32_t step, struct rank *ranks) {
    uint32_t n = 0, order = 0;
    for (struct member *m = group->members; m; m = m->next, order++)
        if (!weir_promql_is_absent(m->row.values[step]))
            ranks[n++] = (struct rank){m->row.values[step], order, m};
    return n;
}

/* Whether limit_ratio takes a series: by a hash of its labels, so that r and r-1 complete each
 * other. */
static bool in_ratio(struct aggregate *a, const struct weir_promql_row *row, double ratio) {
    weir_buf_clear(&a->key);
    weir_promql_labels_key(row->labels, row->labels_count, NULL, false, true, &a->key);
    double place = (double)(weir_view_hash(weir_buf_view(&a->key)) >> 11) * 0x1p-53;
    return ratio >= 0 ? place < ratio : place >= 1 + ratio;
}

static void choose(struct aggregate *a, struct group *group, struct rank *ranks, uint32_t step) {
    enum weir_promql_aggregation aggregation = a->expr->aggregation;
    double param = a->param[step];
    uint32_t n = ranks_of(group, step, ranks), k = n;
    if (aggregation != WEIR_PROMQL_LIMIT_RATIO) {
        k = isnan(param) || param < 1 ? 0 : param < n ? (uint32_t)param : n;
        if (n > 1 && aggregation == WEIR_PROMQL_TOPK) qsort(ranks, n, sizeof *ranks, compare_top);
        if (n > 1 && aggregation == WEIR_PROMQL_BOTTOMK)
            qsort(ranks, n, sizeof *ranks, compare_bottom);
    }
    for (uint32_t i = 0; i < n; i++) {
        bool chosen = aggregation == WEIR_PROMQL_LIMIT_RATIO
                          ? in_ratio(a, &ranks[i].member->row, param)
                          : i < k;
        if (!chosen) ranks[i].member->row.values[step] = weir_promql_absent();
    }
    if (a->node.grid.count != 1 || aggregation == WEIR_PROMQL_LIMIT_RATIO || n == 0) return;
    /* An instant query tells the chosen in their order. */
    group->members = ranks[0].member;
    for (uint32_t i = 0; i < n; i++) ranks[i].member->next = i + 1 < n ? ranks[i + 1].member : NULL;
}

/* ---- quantile, count_values ---- */

static int quantiles(struct aggregate *a, struct group *group, struct rank *ranks, double *values) {
    for (uint32_t step = 0; step < a->node.grid.count; step++) {
        uint32_t n = ranks_of(group, step, ranks);
        for (uint32_t i = 0; i < n; i++) values[i] = ranks[i].value;
        double phi = a->param[step];
        if (!(phi >= 0 && phi <= 1))
            weir_promql_note_add(
                a->node.run, false,
                weir_arena_printf(a->node.run->arena,
                                  "quantile value should be between 0 and 1, got %g", phi));
        group->count[step] = n;
        group->value[step] = n ? weir_promql_quantile(phi, values, n) : 0;
    }
    return 0;
}

static int count_value(struct aggregate *a, const struct group *group, struct weir_label *labels,
                       double value, uint32_t step) {
    struct weir_promql_row *row;
    struct weir_view name = weir_promql_unwrap(a->expr->param)->text;
    struct weir_buf text;
    weir_buf_init(&text, 400);
    weir_json_format_f64(&text, value);
    uint32_t n = weir_promql_labels_set(group->labels, group->labels_count, name,
                                        weir_buf_view(&text), labels);
    int code = weir_promql_kept_get(&a->values, &a->node, labels, n, &row);
    weir_buf_done(&text);
    if (code) return code;
    row->values[step] = weir_promql_is_absent(row->values[step]) ? 1 : row->values[step] + 1;
    return 0;
}

static int count_values(struct aggregate *a, const struct group *group) {
    struct weir_label *labels =
        WEIR_NEW_ARRAY(a->node.run->arena, struct weir_label, group->labels_count + 1);
    if (!labels) return weir_promql_no_memory(a->node.run);
    for (const struct member *m = group->members; m; m = m->next)
        for (uint32_t step = 0; step < a->node.grid.count; step++) {
            if (weir_promql_is_absent(m->row.values[step])) continue;
            int code = count_value(a, group, labels, m->row.values[step], step);
            if (code) return code;
        }
    return 0;
}

static int work_on_members(struct aggregate *a) {
    uint32_t most = 1;
    for (uint32_t i = 0; i < a->groups_count; i++)
        if (a->groups[i].members_count > most) most = a->groups[i].members_count;
    struct rank *ranks = WEIR_NEW_ARRAY(a->node.run->arena, struct rank, most);
    double *values = WEIR_NEW_ARRAY(a->node.run->arena, double, most);
    if (!ranks || !values) return weir_promql_no_memory(a->node.run);
    for (uint32_t i = 0; i < a->groups_count; i++) {
        struct group *group = &a->groups[i];
        int code = weir_query_check(a->node.run->query, a->node.run->reterr);
        if (code == 0 && a->expr->aggregation == WEIR_PROMQL_QUANTILE)
            code = quantiles(a, group, ranks, values);
        if (code == 0 && a->expr->aggregation == WEIR_PROMQL_COUNT_VALUES)
            code = count_values(a, group);
        if (code) return code;
        if (gives_members(a->expr->aggregation))
            for (uint32_t step = 0; step < a->node.grid.count; step++)
                choose(a, group, ranks, step);
    }
    return 0;
}

/* The next chosen member that has a value anywhere. */
static int member_next(struct aggregate *a, struct weir_promql_row *ret) {
    for (;;) {
        while (!a->at_member) {
            if (a->at == a->groups_count) return WEIR_END;
            a->at_member = a->groups[a->at++].members;
        }
        *ret = a->at_member->row;
        a->at_member = a->at_member->next;
        if (weir_promql_values_any(ret->values, a->node.grid.count)) return 0;
    }
}

static int aggregate_next(struct weir_promql_node *node, struct weir_promql_row *ret) {
    struct aggregate *a = (struct aggregate *)node;
    enum weir_promql_aggregation aggregation = a->expr->aggregation;
    if (!node->started) {
        node->started = true;
        int code = read_all(a);
        if (code == 0 && keeps_rows(aggregation)) code = work_on_members(a);
        if (code) return code;
    }
    if (gives_members(aggregation)) return member_next(a, ret);
    if (aggregation == WEIR_PROMQL_COUNT_VALUES) {
        if (a->at == a->values.rows_count) return WEIR_END;
        *ret = a->values.rows[a->at++];
        return 0;
    }
    if (a->at == a->groups_count) return WEIR_END;
    const struct group *group = &a->groups[a->at++];
    for (uint32_t i = 0; i < node->grid.count; i++)
        node->values[i] = group_value(aggregation, group, i);
    *ret = (struct weir_promql_row){group->labels, group->labels_count, node->values};
    return 0;
}

struct weir_promql_node *weir_promql_aggregate_new(struct weir_promql_run *run,
                                                   struct weir_promql_grid grid,
                                                   const struct weir_promql_expr *expr,
                                                   struct weir_promql_node *vector,
                                                   struct weir_promql_node *param) {
    struct aggregate *a = weir_promql_node_new(
        run, sizeof *a, weir_promql_aggregation_name(expr->aggregation), grid, aggregate_next);
    if (!a) return NULL;
    a->expr = expr;
    weir_map_init(&a->map);
    weir_buf_init(&a->key, WEIR_PROMQL_KEY_LEN_MAX);
    weir_promql_kept_init(&a->values);
    a->node.close = aggregate_close;
    a->node.inputs[a->node.inputs_count++] = vector;
    if (param) a->node.inputs[a->node.inputs_count++] = param;
    a->node.one_name = gives_members(expr->aggregation)
                           ? vector->one_name
                           : !weir_promql_names_have(&expr->labels, WEIR_VIEW("__name__"));
    for (uint32_t i = 0; i < expr->labels.count; i++)
        a->node.detail = weir_arena_printf(run->arena, "%.*s%s%.*s", WEIR_VIEW_ARG(a->node.detail),
                                           i               ? ", "
                                           : expr->without ? "without "
                                                           : "by ",
                                           WEIR_VIEW_ARG(expr->labels.items[i]));
    return &a->node;
}
