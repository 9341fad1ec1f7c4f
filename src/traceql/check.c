/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/check.h"

#include "query/regex.h"
#include "traceql/functions.h"
#include "traceql/lex.h"

struct check {
    struct weir_view text;
    struct weir_error *reterr;
};

#define REFUSE(check, at, ...)                                                                     \
    weir_traceql_error_at((check)->text, (at), (check)->reterr, __VA_ARGS__)

static bool is_numeric(enum weir_traceql_type type) {
    return type == WEIR_TRACEQL_TYPE_INT || type == WEIR_TRACEQL_TYPE_FLOAT ||
           type == WEIR_TRACEQL_TYPE_DURATION || type == WEIR_TRACEQL_TYPE_ANY;
}

static const char *type_name(enum weir_traceql_type type) {
    static const char *const names[] = {"nil",       "a string",   "an integer",  "a number",
                                        "a boolean", "a duration", "a status",    "a kind",
                                        "an array",  "unknown",    "an attribute"};
    return names[type];
}

static bool types_meet(enum weir_traceql_type a, enum weir_traceql_type b) {
    if (a == b || a == WEIR_TRACEQL_TYPE_ANY || b == WEIR_TRACEQL_TYPE_ANY) return true;
    if (a == WEIR_TRACEQL_TYPE_NIL || b == WEIR_TRACEQL_TYPE_NIL) return true;
    return is_numeric(a) && is_numeric(b);
}

static bool type_takes(enum weir_traceql_type type, enum weir_traceql_op op) {
    bool equality = op == WEIR_TRACEQL_OP_EQ || op == WEIR_TRACEQL_OP_NE;
    switch (type) {
    case WEIR_TRACEQL_TYPE_BOOL:
        return equality || op == WEIR_TRACEQL_OP_AND || op == WEIR_TRACEQL_OP_OR;
    case WEIR_TRACEQL_TYPE_STRING: return weir_traceql_op_is_comparison(op);
    case WEIR_TRACEQL_TYPE_INT:
    case WEIR_TRACEQL_TYPE_FLOAT:
    case WEIR_TRACEQL_TYPE_DURATION:
        return op >= WEIR_TRACEQL_OP_EQ && op <= WEIR_TRACEQL_OP_POW && op != WEIR_TRACEQL_OP_RE &&
               op != WEIR_TRACEQL_OP_NRE;
    case WEIR_TRACEQL_TYPE_NIL:
    case WEIR_TRACEQL_TYPE_STATUS:
    case WEIR_TRACEQL_TYPE_KIND: return equality;
    case WEIR_TRACEQL_TYPE_ANY: return true;
    case WEIR_TRACEQL_TYPE_ARRAY:
    case WEIR_TRACEQL_TYPE_UNKNOWN: break;
    }
    return false;
}

static int check_expr(struct check *c, const struct weir_traceql_expr *expr,
                      enum weir_traceql_type *ret);

static int check_unary(struct check *c, const struct weir_traceql_expr *expr,
                       enum weir_traceql_type *ret) {
    int rc = check_expr(c, expr->left, ret);
    if (rc != 0) return rc;
    bool fits = expr->op == WEIR_TRACEQL_OP_NOT
                    ? *ret == WEIR_TRACEQL_TYPE_BOOL || *ret == WEIR_TRACEQL_TYPE_ANY
                    : is_numeric(*ret);
    if (!fits)
        return REFUSE(c, expr->at, "%s cannot be applied to %s", weir_traceql_op_sign(expr->op),
                      type_name(*ret));
    if (expr->op == WEIR_TRACEQL_OP_NOT) *ret = WEIR_TRACEQL_TYPE_BOOL;
    return 0;
}

static int check_pattern(struct check *c, const struct weir_traceql_expr *expr) {
    struct weir_error err = {0};
    struct weir_regex *regex = NULL;
    if (expr->right->kind != WEIR_TRACEQL_EXPR_VALUE ||
        expr->right->value.type != WEIR_TRACEQL_TYPE_STRING)
        return REFUSE(c, expr->right->at, "%s wants a string to its right",
                      weir_traceql_op_sign(expr->op));
    int rc = weir_regex_new(expr->right->value.str, WEIR_REGEX_ANCHORED, &regex, &err);
    weir_regex_free(regex);
    return rc == 0 ? 0 : REFUSE(c, expr->right->at, "%s", err.message);
}

static enum weir_traceql_type result_type(enum weir_traceql_op op, enum weir_traceql_type a,
                                          enum weir_traceql_type b) {
    if (weir_traceql_op_strength(op) <= 2) return WEIR_TRACEQL_TYPE_BOOL;
    if (a == WEIR_TRACEQL_TYPE_ANY || b == WEIR_TRACEQL_TYPE_ANY) return WEIR_TRACEQL_TYPE_ANY;
    if (a == WEIR_TRACEQL_TYPE_DURATION || b == WEIR_TRACEQL_TYPE_DURATION)
        return WEIR_TRACEQL_TYPE_DURATION;
    return a == WEIR_TRACEQL_TYPE_INT && b == WEIR_TRACEQL_TYPE_INT ? a : WEIR_TRACEQL_TYPE_FLOAT;
}

static int check_binary(struct check *c, const struct weir_traceql_expr *expr,
                        enum weir_traceql_type *ret) {
    enum weir_traceql_type left, right;
    int rc = check_expr(c, expr->left, &left);
    if (rc == 0) rc = check_expr(c, expr->right, &right);
    if (rc != 0) return rc;
    const char *sign = weir_traceql_op_sign(expr->op);
    if (!types_meet(left, right))
        return REFUSE(c, expr->at, "%s cannot join %s and %s", sign, type_name(left),
                      type_name(right));
    if (!type_takes(left, expr->op) || !type_takes(right, expr->op))
        return REFUSE(c, expr->at, "%s cannot be applied to %s", sign,
                      type_name(type_takes(left, expr->op) ? right : left));
    bool pattern = expr->op == WEIR_TRACEQL_OP_RE || expr->op == WEIR_TRACEQL_OP_NRE;
    if (pattern && (rc = check_pattern(c, expr)) != 0) return rc;
    *ret = result_type(expr->op, left, right);
    return 0;
}

static bool has_field(const struct weir_traceql_expr *expr) {
    return expr->kind == WEIR_TRACEQL_EXPR_FIELD || (expr->left && has_field(expr->left)) ||
           (expr->right && has_field(expr->right));
}

static int check_numeric_field(struct check *c, const struct weir_traceql_expr *expr,
                               const char *who) {
    enum weir_traceql_type type;
    int rc = check_expr(c, expr, &type);
    if (rc != 0) return rc;
    if (!is_numeric(type))
        return REFUSE(c, expr->at, "%s wants a number, not %s", who, type_name(type));
    if (!has_field(expr)) return REFUSE(c, expr->at, "%s must look at a field of the span", who);
    return 0;
}

static int check_aggregate(struct check *c, const struct weir_traceql_expr *expr,
                           enum weir_traceql_type *ret) {
    *ret = WEIR_TRACEQL_TYPE_INT;
    if (expr->aggregate == WEIR_TRACEQL_COUNT) return 0;
    int rc = check_numeric_field(c, expr->left, weir_traceql_aggregate_name(expr->aggregate));
    return rc == 0 ? check_expr(c, expr->left, ret) : rc;
}

static int check_expr(struct check *c, const struct weir_traceql_expr *expr,
                      enum weir_traceql_type *ret) {
    switch (expr->kind) {
    case WEIR_TRACEQL_EXPR_VALUE: *ret = expr->value.type; return 0;
    case WEIR_TRACEQL_EXPR_FIELD:
        *ret = expr->field.intrinsic ? weir_traceql_intrinsic_get(expr->field.intrinsic)->type
                                     : WEIR_TRACEQL_TYPE_ANY;
        return 0;
    case WEIR_TRACEQL_EXPR_UNARY: return check_unary(c, expr, ret);
    case WEIR_TRACEQL_EXPR_BINARY: return check_binary(c, expr, ret);
    case WEIR_TRACEQL_EXPR_AGGREGATE: return check_aggregate(c, expr, ret);
    }
    return 0;
}

static int check_stages(struct check *c, const struct weir_traceql_stage *stage, bool nested,
                        bool *ret_metrics);

static int check_filter(struct check *c, const struct weir_traceql_spanset *set) {
    enum weir_traceql_type type = WEIR_TRACEQL_TYPE_BOOL;
    int rc = set->filter ? check_expr(c, set->filter, &type) : 0;
    if (rc != 0 || type == WEIR_TRACEQL_TYPE_BOOL || type == WEIR_TRACEQL_TYPE_ANY) return rc;
    return REFUSE(c, set->filter->at, "a filter must be true or false, and this is %s",
                  type_name(type));
}

static int check_spanset(struct check *c, const struct weir_traceql_spanset *set) {
    if (set->is_filter) return check_filter(c, set);
    bool metrics = false;
    int rc = check_spanset(c, set->left);
    if (rc == 0 && set->right) rc = check_spanset(c, set->right);
    return rc == 0 ? check_stages(c, set->stages, true, &metrics) : rc;
}

static int check_scalar(struct check *c, const struct weir_traceql_stage *stage) {
    enum weir_traceql_type type;
    const struct weir_traceql_expr *e = stage->scalar;
    int rc = check_expr(c, e, &type);
    if (rc != 0) return rc;
    bool pattern = e->op == WEIR_TRACEQL_OP_RE || e->op == WEIR_TRACEQL_OP_NRE;
    if (e->kind != WEIR_TRACEQL_EXPR_BINARY || !weir_traceql_op_is_comparison(e->op) || pattern)
        return REFUSE(c, stage->at, "this stage must compare, such as count() > 2");
    return 0;
}

static int check_by(struct check *c, const struct weir_traceql_stage *stage) {
    bool only_fields =
        stage->kind == WEIR_TRACEQL_STAGE_SELECT || stage->kind == WEIR_TRACEQL_STAGE_METRICS;
    for (uint32_t i = 0; i < stage->by_count; i++) {
        enum weir_traceql_type type;
        int rc = check_expr(c, stage->by[i], &type);
        if (rc != 0) return rc;
        if (!has_field(stage->by[i]))
            return REFUSE(c, stage->by[i]->at, "only fields of the span can stand here");
        if (only_fields && stage->by[i]->kind != WEIR_TRACEQL_EXPR_FIELD)
            return REFUSE(c, stage->by[i]->at, "only attributes and intrinsics can stand here");
    }
    if (stage->kind == WEIR_TRACEQL_STAGE_BY && stage->by_count != 1)
        return REFUSE(c, stage->at, "by(…) takes one field");
    return 0;
}

static int check_metric(struct check *c, const struct weir_traceql_stage *stage) {
    const char *name = weir_traceql_metric_name(stage->metric);
    for (uint32_t i = 0; stage->metric == WEIR_TRACEQL_METRIC_QUANTILE && i < stage->numbers_count;
         i++)
        if (!(stage->numbers[i] >= 0 && stage->numbers[i] <= 1))
            return REFUSE(c, stage->at, "a quantile lies between 0 and 1");
    if (stage->metric == WEIR_TRACEQL_METRIC_COMPARE && stage->by_count)
        return REFUSE(c, stage->at, "compare takes no by(…)");
    int rc = stage->field ? check_numeric_field(c, stage->field, name) : 0;
    if (rc == 0 && stage->selection) rc = check_filter(c, stage->selection);
    return rc == 0 ? check_by(c, stage) : rc;
}

static int check_stages(struct check *c, const struct weir_traceql_stage *stage, bool nested,
                        bool *ret_metrics) {
    for (int rc = 0; stage; stage = stage->next) {
        bool is_metric = stage->kind == WEIR_TRACEQL_STAGE_METRICS;
        if (is_metric && (nested || *ret_metrics))
            return REFUSE(c, stage->at, "%s must be the last stage",
                          weir_traceql_metric_name(stage->metric));
        if (!is_metric && *ret_metrics != (stage->kind == WEIR_TRACEQL_STAGE_SECOND))
            return REFUSE(c, stage->at,
                          *ret_metrics ? "behind a metrics stage only topk and bottomk can stand"
                                       : "topk and bottomk stand behind a metrics stage");
        *ret_metrics |= is_metric;
        switch (stage->kind) {
        case WEIR_TRACEQL_STAGE_FILTER: rc = check_spanset(c, stage->spanset); break;
        case WEIR_TRACEQL_STAGE_SCALAR: rc = check_scalar(c, stage); break;
        case WEIR_TRACEQL_STAGE_BY:
        case WEIR_TRACEQL_STAGE_SELECT: rc = check_by(c, stage); break;
        case WEIR_TRACEQL_STAGE_METRICS: rc = check_metric(c, stage); break;
        case WEIR_TRACEQL_STAGE_SECOND:
            if (stage->numbers[0] < 1)
                rc = REFUSE(c, stage->at, "at least 1 series must be asked for");
            break;
        case WEIR_TRACEQL_STAGE_COALESCE: break;
        }
        if (rc != 0) return rc;
    }
    return 0;
}

int weir_traceql_check(struct weir_view text, struct weir_traceql_query *query,
                       struct weir_error *reterr) {
    struct check c = {.text = text, .reterr = reterr};
    int rc = check_spanset(&c, query->spanset);
    if (rc == 0) rc = check_stages(&c, query->stages, false, &query->is_metrics);
    return rc;
}
