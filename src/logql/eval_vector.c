/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregations over series, step by step. */
#include <math.h>
#include <stdlib.h>

#include "logql/evaluation.h"

struct group {
    const struct weir_logql_label *labels;
    uint32_t labels_count;
    uint32_t *members; /* indices of series */
    uint32_t count, room;
};

struct groups {
    struct group *items;
    uint32_t count, room;
};

static int split(struct weir_logql_evaluation *e, const struct weir_logql_grouping *by,
                 const struct weir_logql_matrix *in, struct groups *ret) {
    struct weir_map map;
    int rc = 0;
    weir_map_init(&map);
    for (uint32_t i = 0; rc == 0 && i < in->count; i++) {
        struct weir_logql_label *labels;
        uint32_t count;
        bool is_new = false;
        rc = weir_logql_group(by, in->series[i].labels, in->series[i].labels_count, e->arena,
                              &labels, &count);
        struct weir_view key =
            rc == 0 ? weir_logql_labels_key(labels, count, e->arena) : weir_view(NULL, 0);
        uint64_t *slot = key.ptr ? weir_map_put(&map, key, ret->count, &is_new) : NULL;
        struct group *group = slot && !is_new ? &ret->items[*slot] : NULL;
        if (slot && is_new) group = WEIR_PUSH(e->arena, ret->items, ret->count, ret->room);
        if (group && is_new) *group = (struct group){.labels = labels, .labels_count = count};
        uint32_t *member =
            group ? WEIR_PUSH(e->arena, group->members, group->count, group->room) : NULL;
        if (!member) {
            rc = weir_logql_out_of_memory(e);
            break;
        }
        *member = i;
    }
    weir_map_done(&map);
    return rc;
}

/* ---- one number per group -------------------------------------------------------------------- */

static double fold(enum weir_logql_func func, const struct weir_logql_matrix *in,
                   const struct group *group, uint32_t step) {
    double sum = 0, min = NAN, max = NAN, mean = 0, spread = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        double value = in->series[group->members[i]].values[step];
        if (weir_logql_is_absent(value)) continue;
        count++;
        sum += value;
        if (!(value >= min)) min = isnan(value) && count > 1 ? min : value;
        if (!(value <= max)) max = isnan(value) && count > 1 ? max : value;
        double delta = value - mean;
        mean += delta / count;
        spread += delta * (value - mean);
    }
    if (!count) return weir_logql_absent();
    switch ((int)func) {
    case WEIR_LOGQL_AVG: return sum / count;
    case WEIR_LOGQL_MIN: return min;
    case WEIR_LOGQL_MAX: return max;
    case WEIR_LOGQL_COUNT: return count;
    case WEIR_LOGQL_STDVAR: return spread / count;
    case WEIR_LOGQL_STDDEV: return sqrt(spread / count);
    default: return sum;
    }
}

static int aggregate(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                     const struct weir_logql_matrix *in, const struct groups *groups,
                     struct weir_logql_matrix *ret) {
    *ret = weir_logql_matrix_new(e);
    for (uint32_t g = 0; g < groups->count; g++) {
        const struct group *group = &groups->items[g];
        struct weir_logql_series *series =
            weir_logql_matrix_add(e, ret, group->labels, group->labels_count);
        if (!series) return WEIR_ELIMIT;
        for (uint32_t i = 0; i < e->steps; i++) series->values[i] = fold(expr->func, in, group, i);
    }
    return 0;
}

/* ---- the best k ------------------------------------------------------------------------------ */

struct ranked {
    double value;
    uint32_t series;
};

/* Largest first; NaN last; equal values in the order of the series. */
static int by_rank(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (isnan(x->value) != isnan(y->value)) return isnan(x->value) ? 1 : -1;
    if (x->value != y->value) return x->value < y->value ? 1 : -1;
    return (x->series > y->series) - (x->series < y->series);
}

static int by_rank_up(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (isnan(x->value) != isnan(y->value)) return isnan(x->value) ? 1 : -1;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->series > y->series) - (x->series < y->series);
}

/* Values that are not among the best k of their group become absent. */
static int keep_best(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                     struct weir_logql_matrix *matrix, const struct groups *groups) {
    struct ranked *ranks = WEIR_NEW_ARRAY(e->arena, struct ranked, matrix->count + 1);
    if (!ranks) return weir_logql_out_of_memory(e);
    for (uint32_t g = 0; g < groups->count; g++)
        for (uint32_t step = 0; step < e->steps; step++) {
            const struct group *group = &groups->items[g];
            uint32_t count = 0;
            for (uint32_t i = 0; i < group->count; i++) {
                double value = matrix->series[group->members[i]].values[step];
                if (!weir_logql_is_absent(value))
                    ranks[count++] = (struct ranked){value, group->members[i]};
            }
            qsort(ranks, count, sizeof *ranks,
                  expr->func == WEIR_LOGQL_BOTTOMK ? by_rank_up : by_rank);
            for (uint32_t i = 0; i < count; i++)
                if (i >= expr->param)
                    matrix->series[ranks[i].series].values[step] = weir_logql_absent();
        }
    return 0;
}

static int sort_series(struct weir_logql_evaluation *e, struct weir_logql_matrix *matrix,
                       bool down) {
    struct ranked *ranks = WEIR_NEW_ARRAY(e->arena, struct ranked, matrix->count + 1);
    struct weir_logql_series *sorted =
        WEIR_NEW_ARRAY(e->arena, struct weir_logql_series, matrix->count + 1);
    if (!ranks || !sorted) return weir_logql_out_of_memory(e);
    for (uint32_t i = 0; i < matrix->count; i++)
        ranks[i] = (struct ranked){matrix->series[i].values[e->steps - 1], i};
    qsort(ranks, matrix->count, sizeof *ranks, down ? by_rank : by_rank_up);
    for (uint32_t i = 0; i < matrix->count; i++) sorted[i] = matrix->series[ranks[i].series];
    matrix->series = sorted;
    matrix->is_sorted = true;
    return 0;
}

int weir_logql_evaluate_vector_agg(struct weir_logql_evaluation *e,
                                   const struct weir_logql_expr *expr,
                                   struct weir_logql_matrix *ret) {
    static const struct weir_logql_grouping nothing = {.present = true};
    const struct weir_logql_grouping *by = expr->grouping.present ? &expr->grouping : &nothing;
    if (expr->func == WEIR_LOGQL_SUM && weir_logql_range_takes_sum(expr->left))
        return weir_logql_evaluate_range(e, expr->left, by, ret);
    struct weir_logql_matrix in;
    struct groups groups = {0};
    int rc = weir_logql_evaluate(e, expr->left, &in);
    if (rc != 0) return rc;
    bool sorts = expr->func == WEIR_LOGQL_SORT || expr->func == WEIR_LOGQL_SORT_DESC;
    if (sorts) return *ret = in, sort_series(e, ret, expr->func == WEIR_LOGQL_SORT_DESC);
    if ((rc = split(e, by, &in, &groups)) != 0) return rc;
    if (expr->func != WEIR_LOGQL_TOPK && expr->func != WEIR_LOGQL_BOTTOMK &&
        expr->func != WEIR_LOGQL_APPROX_TOPK)
        return aggregate(e, expr, &in, &groups, ret);
    *ret = in;
    rc = keep_best(e, expr, ret, &groups);
    if (rc == 0 && e->steps == 1) rc = sort_series(e, ret, expr->func != WEIR_LOGQL_BOTTOMK);
    return rc;
}
