/* SPDX-License-Identifier: Apache-2.0 */
/* Operators between numbers and series. */
#include <math.h>

#include "logql/evaluation.h"
#include "logql/functions.h"

/* One value; `*ret` false: a comparison that does not hold. */
static double apply(enum weir_logql_op op, double a, double b, bool *ret) {
    *ret = true;
    switch (op) {
    case WEIR_LOGQL_OP_ADD: return a + b;
    case WEIR_LOGQL_OP_SUB: return a - b;
    case WEIR_LOGQL_OP_MUL: return a * b;
    case WEIR_LOGQL_OP_DIV: return b == 0 ? NAN : a / b; /* as Loki: no infinities */
    case WEIR_LOGQL_OP_MOD: return b == 0 ? NAN : fmod(a, b);
    case WEIR_LOGQL_OP_POW: return pow(a, b);
    case WEIR_LOGQL_OP_EQ: *ret = a == b; break;
    case WEIR_LOGQL_OP_NE: *ret = a != b; break;
    case WEIR_LOGQL_OP_GT: *ret = a > b; break;
    case WEIR_LOGQL_OP_GE: *ret = a >= b; break;
    case WEIR_LOGQL_OP_LT: *ret = a < b; break;
    case WEIR_LOGQL_OP_LE: *ret = a <= b; break;
    case WEIR_LOGQL_OP_NONE:
    case WEIR_LOGQL_OP_RE:
    case WEIR_LOGQL_OP_NRE:
    case WEIR_LOGQL_OP_PAT:
    case WEIR_LOGQL_OP_NPAT:
    case WEIR_LOGQL_OP_AND:
    case WEIR_LOGQL_OP_OR:
    case WEIR_LOGQL_OP_UNLESS: break;
    }
    return a;
}

/* `keep`: what a comparison that holds gives without `bool` (the vector's side). */
static double combine(const struct weir_logql_expr *expr, double a, double b, double keep,
                      bool scalars) {
    bool holds;
    if (weir_logql_is_absent(a) || weir_logql_is_absent(b)) return weir_logql_absent();
    double value = apply(expr->op, a, b, &holds);
    if (!weir_logql_op_is_comparison(expr->op)) return value;
    if (expr->return_bool || scalars) return holds;
    return holds ? keep : weir_logql_absent();
}

static int with_scalar(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                       struct weir_logql_matrix *left, struct weir_logql_matrix *right,
                       struct weir_logql_matrix *ret) {
    *ret = left->is_scalar ? *right : *left;
    bool both = left->is_scalar && right->is_scalar;
    for (uint32_t s = 0; s < ret->count; s++)
        for (uint32_t i = 0; i < e->steps; i++) {
            double own = ret->series[s].values[i];
            double a = left->is_scalar ? left->series[0].values[i] : own;
            double b = right->is_scalar ? right->series[0].values[i] : own;
            ret->series[s].values[i] = combine(expr, a, b, own, both);
        }
    return 0;
}

/* ---- series with series ---------------------------------------------------------------------- */

/* The labels that two series must share. */
static int match_key(struct weir_logql_evaluation *e, const struct weir_logql_matching *m,
                     const struct weir_logql_series *series, struct weir_view *ret) {
    struct weir_logql_grouping by = {
        .present = true, .without = !m->on, .names = m->names, .names_count = m->names_count};
    struct weir_logql_label *labels;
    uint32_t count;
    *ret = weir_view(NULL, 0);
    int rc = weir_logql_group(&by, series->labels, series->labels_count, e->arena, &labels, &count);
    if (rc == 0) *ret = weir_logql_labels_key(labels, count, e->arena);
    return rc == 0 && ret->ptr ? 0 : weir_logql_out_of_memory(e);
}

static int index_series(struct weir_logql_evaluation *e, const struct weir_logql_matching *m,
                        const struct weir_logql_matrix *matrix, bool must_differ,
                        struct weir_map *map) {
    for (uint32_t i = 0; i < matrix->count; i++) {
        struct weir_view key;
        bool is_new;
        int rc = match_key(e, m, &matrix->series[i], &key);
        if (rc != 0) return rc;
        if (!weir_map_put(map, key, i, &is_new)) return weir_logql_out_of_memory(e);
        if (!is_new && must_differ)
            return weir_error_set(e->reterr, WEIR_EINVALID,
                                  "found duplicate series on the \"one\" side of the operation; "
                                  "many-to-many matching "
                                  "is not allowed: matching labels must be unique on one side");
    }
    return 0;
}

/* The labels of a pair's result. */
static int pair_labels(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                       const struct weir_logql_series *many, const struct weir_logql_series *one,
                       const struct weir_logql_label **ret, uint32_t *ret_count) {
    const struct weir_logql_matching *m = &expr->matching;
    struct weir_logql_labels labels;
    *ret = many->labels;
    *ret_count = many->labels_count;
    if (weir_logql_op_is_comparison(expr->op) && !expr->return_bool && !m->group_left &&
        !m->group_right)
        return 0;
    if (!m->group_left && !m->group_right) {
        struct weir_logql_grouping by = {
            .present = true, .without = !m->on, .names = m->names, .names_count = m->names_count};
        struct weir_logql_label *kept;
        int rc =
            weir_logql_group(&by, many->labels, many->labels_count, e->arena, &kept, ret_count);
        *ret = kept;
        return rc == 0 ? 0 : weir_logql_out_of_memory(e);
    }
    weir_logql_labels_init(&labels, e->arena);
    for (uint32_t i = 0; i < many->labels_count; i++)
        weir_logql_labels_set(&labels, many->labels[i].name, many->labels[i].value);
    for (uint32_t k = 0; k < m->include_count; k++) {
        weir_logql_labels_remove(&labels, m->include[k]);
        for (uint32_t i = 0; i < one->labels_count; i++)
            if (weir_view_eq(one->labels[i].name, m->include[k]))
                weir_logql_labels_set(&labels, m->include[k], one->labels[i].value);
    }
    return weir_logql_labels_freeze(&labels, NULL, e->arena, ret, ret_count) == 0
               ? 0
               : weir_logql_out_of_memory(e);
}

static int add_pair(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                    const struct weir_logql_series *left, const struct weir_logql_series *right,
                    struct weir_logql_matrix *ret) {
    bool right_is_many = expr->matching.group_right;
    const struct weir_logql_label *labels;
    uint32_t count;
    int rc = pair_labels(e, expr, right_is_many ? right : left, right_is_many ? left : right,
                         &labels, &count);
    if (rc != 0) return rc;
    struct weir_logql_series *series = weir_logql_matrix_add(e, ret, labels, count);
    if (!series) return WEIR_ELIMIT;
    for (uint32_t i = 0; i < e->steps; i++)
        series->values[i] =
            combine(expr, left->values[i], right->values[i], left->values[i], false);
    return 0;
}

static int join_series(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                       const struct weir_logql_matrix *left, const struct weir_logql_matrix *right,
                       struct weir_map *map, struct weir_logql_matrix *ret) {
    const struct weir_logql_matching *m = &expr->matching;
    const struct weir_logql_matrix *many = m->group_right ? right : left,
                                   *one = m->group_right ? left : right;
    struct weir_map used;
    weir_map_init(&used);
    int rc = index_series(e, m, one, true, map);
    for (uint32_t i = 0; rc == 0 && i < many->count; i++) {
        struct weir_view key;
        bool is_new = true;
        if ((rc = match_key(e, m, &many->series[i], &key)) != 0) break;
        const uint64_t *slot = weir_map_get(map, key);
        if (!slot) continue;
        if (!m->group_left && !m->group_right) weir_map_put(&used, key, i, &is_new);
        if (!is_new)
            rc = weir_error_set(e->reterr, WEIR_EINVALID,
                                "multiple matches for labels: many-to-one matching must be "
                                "explicit (group_left/group_right)");
        else if (m->group_right)
            rc = add_pair(e, expr, &left->series[*slot], &right->series[i], ret);
        else
            rc = add_pair(e, expr, &left->series[i], &right->series[*slot], ret);
    }
    weir_map_done(&used);
    return rc;
}

/* ---- and, or, unless ------------------------------------------------------------------------- */

/* Per match key and step: does the side have a value there? */
static int presence(struct weir_logql_evaluation *e, const struct weir_logql_matching *m,
                    const struct weir_logql_matrix *matrix, struct weir_map *map) {
    for (uint32_t s = 0; s < matrix->count; s++) {
        struct weir_view key;
        bool is_new;
        int rc = match_key(e, m, &matrix->series[s], &key);
        if (rc != 0) return rc;
        uint64_t *slot = weir_map_put(map, key, 0, &is_new);
        if (slot && is_new) *slot = (uint64_t)(uintptr_t)weir_arena_calloc(e->arena, e->steps, 1);
        uint8_t *there = slot ? (uint8_t *)(uintptr_t)*slot : NULL;
        if (!there) return weir_logql_out_of_memory(e);
        for (uint32_t i = 0; i < e->steps; i++)
            there[i] |= !weir_logql_is_absent(matrix->series[s].values[i]);
    }
    return 0;
}

/* Adds `side`'s series where the other side's presence is as `wanted`. */
static int add_where(struct weir_logql_evaluation *e, const struct weir_logql_matching *m,
                     const struct weir_logql_matrix *side, const struct weir_map *other,
                     bool wanted, struct weir_logql_matrix *ret) {
    for (uint32_t s = 0; s < side->count; s++) {
        struct weir_view key;
        int rc = match_key(e, m, &side->series[s], &key);
        if (rc != 0) return rc;
        const uint64_t *slot = weir_map_get(other, key);
        const uint8_t *there = slot ? (const uint8_t *)(uintptr_t)*slot : NULL;
        struct weir_logql_series *series =
            weir_logql_matrix_add(e, ret, side->series[s].labels, side->series[s].labels_count);
        if (!series) return WEIR_ELIMIT;
        for (uint32_t i = 0; i < e->steps; i++)
            if ((there && there[i]) == wanted) series->values[i] = side->series[s].values[i];
    }
    return 0;
}

static int set_operation(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                         const struct weir_logql_matrix *left,
                         const struct weir_logql_matrix *right, struct weir_map *map,
                         struct weir_logql_matrix *ret) {
    bool is_or = expr->op == WEIR_LOGQL_OP_OR;
    int rc = presence(e, &expr->matching, is_or ? left : right, map);
    if (rc != 0) return rc;
    if (!is_or) return add_where(e, &expr->matching, left, map, expr->op == WEIR_LOGQL_OP_AND, ret);
    for (uint32_t i = 0; i < left->count; i++) {
        struct weir_logql_series *series =
            weir_logql_matrix_add(e, ret, left->series[i].labels, left->series[i].labels_count);
        if (!series) return WEIR_ELIMIT;
        memcpy(series->values, left->series[i].values, e->steps * sizeof *series->values);
    }
    return add_where(e, &expr->matching, right, map, false, ret);
}

int weir_logql_evaluate_binary(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                               struct weir_logql_matrix *ret) {
    struct weir_logql_matrix left, right;
    int rc = weir_logql_evaluate(e, expr->left, &left);
    if (rc == 0) rc = weir_logql_evaluate(e, expr->right, &right);
    if (rc != 0) return rc;
    if (left.is_scalar || right.is_scalar) {
        bool both = left.is_scalar && right.is_scalar;
        rc = with_scalar(e, expr, &left, &right, ret);
        ret->is_scalar = both;
        return rc;
    }
    struct weir_map map;
    weir_map_init(&map);
    *ret = weir_logql_matrix_new(e);
    rc = weir_logql_op_is_set(expr->op) ? set_operation(e, expr, &left, &right, &map, ret)
                                        : join_series(e, expr, &left, &right, &map, ret);
    weir_map_done(&map);
    return rc;
}
