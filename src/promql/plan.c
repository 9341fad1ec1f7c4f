/* SPDX-License-Identifier: Apache-2.0 */
/* Expression to nodes, and the nodes as text. */
#include <stdio.h>

#include "promql/eval.h"
#include "promql/special.h"

/* Steps of a subquery: its operand's values are held for one series at a time. */
enum { SUBQUERY_STEPS_MAX = 1000000 };

static struct weir_promql_node *plan_subquery(struct weir_promql_run *run,
                                              struct weir_promql_grid grid,
                                              const struct weir_promql_expr *subquery) {
    struct weir_promql_grid inner = weir_promql_subquery_grid(run, subquery, grid);
    if (inner.count > SUBQUERY_STEPS_MAX) {
        weir_error_set(run->reterr, WEIR_ELIMIT,
                       "subquery has %u steps, more than %d; give it a larger step, as [%s:5m]",
                       inner.count, SUBQUERY_STEPS_MAX, "1d");
        return NULL;
    }
    return weir_promql_plan(run, inner, subquery->left);
}

/* The argument of type range vector, and whether it is a subquery's. */
static struct weir_promql_node *plan_window(struct weir_promql_run *run,
                                            struct weir_promql_grid grid,
                                            const struct weir_promql_function *function,
                                            const struct weir_promql_expr *arg) {
    const struct weir_promql_expr *range = weir_promql_unwrap(arg);
    struct weir_promql_node *inner = NULL;
    if (range->kind == WEIR_PROMQL_SUBQUERY) {
        inner = plan_subquery(run, grid, range);
        if (!inner) return NULL;
    }
    return weir_promql_window_new(run, grid, function, range, inner);
}

/* Adds the call's scalar arguments, in order, as inputs. */
static bool plan_scalars(struct weir_promql_node *node, const struct weir_promql_expr *call) {
    for (uint32_t i = 0; i < call->args_count; i++) {
        if (call->args[i]->type != WEIR_PROMQL_SCALAR) continue;
        struct weir_promql_node *scalar = weir_promql_plan(node->run, node->grid, call->args[i]);
        if (!scalar) return false;
        node->inputs[node->inputs_count++] = scalar;
    }
    return true;
}

static const struct weir_promql_expr *arg_of_type(const struct weir_promql_expr *call,
                                                  enum weir_promql_type type) {
    for (uint32_t i = 0; i < call->args_count; i++)
        if (call->args[i]->type == type) return call->args[i];
    return NULL;
}

static struct weir_promql_node *plan_timestamp(struct weir_promql_run *run,
                                               struct weir_promql_grid grid,
                                               const struct weir_promql_expr *call) {
    const struct weir_promql_expr *arg = weir_promql_unwrap(call->args[0]);
    if (arg->kind == WEIR_PROMQL_SELECTOR) return weir_promql_select_new(run, grid, arg, true);
    struct weir_promql_node *vector = weir_promql_plan(run, grid, arg);
    return vector ? weir_promql_call_new(run, grid, call, vector) : NULL;
}

/* Before the name is dropped. */
static struct weir_promql_node *plan_function(struct weir_promql_run *run,
                                              struct weir_promql_grid grid,
                                              const struct weir_promql_expr *call) {
    const struct weir_promql_function *f = call->function;
    const struct weir_promql_expr *range = arg_of_type(call, WEIR_PROMQL_MATRIX);
    const struct weir_promql_expr *arg = arg_of_type(call, WEIR_PROMQL_VECTOR);
    struct weir_promql_node *node = NULL, *vector = NULL;
    if (f->special == WEIR_PROMQL_SPECIAL_TIMESTAMP) return plan_timestamp(run, grid, call);
    if (range && f->special == WEIR_PROMQL_SPECIAL_ABSENT_OVER_TIME) {
        static const struct weir_view present = WEIR_VIEW_INIT("present_over_time");
        node = plan_window(run, grid, weir_promql_function_get(present), range);
        return node ? weir_promql_absent_new(node, range) : NULL;
    }
    if (range) {
        node = plan_window(run, grid, f, range);
        return node && plan_scalars(node, call) ? node : NULL;
    }
    if (arg && !(vector = weir_promql_plan(run, grid, arg))) return NULL;
    if (f->special == WEIR_PROMQL_SPECIAL_ABSENT) return weir_promql_absent_new(vector, arg);
    if (f->special >= WEIR_PROMQL_SPECIAL_SORT &&
        f->special <= WEIR_PROMQL_SPECIAL_SORT_BY_LABEL_DESC)
        return weir_promql_sort_new(vector, call);
    if (f->special == WEIR_PROMQL_SPECIAL_VECTOR) {
        vector = weir_promql_plan(run, grid, call->args[0]);
        return vector ? weir_promql_call_new(run, grid, call, vector) : NULL;
    }
    if (f->special == WEIR_PROMQL_SPECIAL_HISTOGRAM_QUANTILE ||
        f->special == WEIR_PROMQL_SPECIAL_HISTOGRAM_FRACTION) {
        node = weir_promql_histograms_new(vector,
                                          f->special == WEIR_PROMQL_SPECIAL_HISTOGRAM_FRACTION);
    } else {
        bool date = f->instant && f->optional && f->args[1] == 0;
        if (date && !vector) { /* hour() is hour(vector(time())) */
            static const struct weir_view time = WEIR_VIEW_INIT("time");
            struct weir_promql_expr *now = WEIR_NEW(run->arena, struct weir_promql_expr);
            if (!now) return weir_promql_no_memory(run), NULL;
            *now = (struct weir_promql_expr){.kind = WEIR_PROMQL_CALL,
                                             .type = WEIR_PROMQL_SCALAR,
                                             .function = weir_promql_function_get(time)};
            vector = weir_promql_call_new(run, grid, now, NULL);
            if (!vector) return NULL;
        }
        node = weir_promql_call_new(run, grid, call, vector);
    }
    return node && plan_scalars(node, call) ? node : NULL;
}

static struct weir_promql_node *plan_call(struct weir_promql_run *run, struct weir_promql_grid grid,
                                          const struct weir_promql_expr *call) {
    const struct weir_promql_function *f = call->function;
    if (!weir_promql_function_is_implemented(f)) {
        weir_error_set(
            run->reterr, WEIR_EUNSUPPORTED,
            "function \"%s\" is not computed yet: it needs native histograms or joins with "
            "target_info",
            f->name);
        return NULL;
    }
    struct weir_promql_node *node = plan_function(run, grid, call);
    if (!node || f->returns == WEIR_PROMQL_SCALAR) return node;
    bool relabels = f->special == WEIR_PROMQL_SPECIAL_LABEL_REPLACE ||
                    f->special == WEIR_PROMQL_SPECIAL_LABEL_JOIN;
    if (relabels) {
        node = weir_promql_merge_new(node);
        if (node) node->one_name = false;
        return node;
    }
    return f->keeps_name ? node : weir_promql_nameless_new(node);
}

static struct weir_promql_node *plan_aggregate(struct weir_promql_run *run,
                                               struct weir_promql_grid grid,
                                               const struct weir_promql_expr *expr) {
    struct weir_promql_node *param = NULL, *vector = weir_promql_plan(run, grid, expr->left);
    if (!vector) return NULL;
    if (expr->param && expr->param->type == WEIR_PROMQL_SCALAR &&
        !(param = weir_promql_plan(run, grid, expr->param)))
        return NULL;
    return weir_promql_aggregate_new(run, grid, expr, vector, param);
}

static struct weir_promql_node *plan_binary(struct weir_promql_run *run,
                                            struct weir_promql_grid grid,
                                            const struct weir_promql_expr *expr,
                                            struct weir_promql_node *left) {
    struct weir_promql_node *right = left ? weir_promql_plan(run, grid, expr->right) : NULL;
    struct weir_promql_node *node =
        right ? weir_promql_binary_new(run, grid, expr, left, right) : NULL;
    bool mixed = expr->left->type != expr->right->type;
    bool filters = weir_promql_op_is_comparison(expr->op) && !expr->is_bool;
    return node && mixed && !filters ? weir_promql_nameless_new(node) : node;
}

/* -x is -1 * x. */
static struct weir_promql_node *plan_unary(struct weir_promql_run *run,
                                           struct weir_promql_grid grid,
                                           const struct weir_promql_expr *expr) {
    if (expr->op == WEIR_PROMQL_OP_ADD) return weir_promql_plan(run, grid, expr->left);
    struct weir_promql_expr *pair = WEIR_NEW_ARRAY(run->arena, struct weir_promql_expr, 2);
    if (!pair) return weir_promql_no_memory(run), NULL;
    pair[0] = (struct weir_promql_expr){
        .kind = WEIR_PROMQL_NUMBER, .type = WEIR_PROMQL_SCALAR, .number = -1};
    pair[1] = (struct weir_promql_expr){.kind = WEIR_PROMQL_BINARY,
                                        .type = expr->type,
                                        .op = WEIR_PROMQL_OP_MUL,
                                        .left = &pair[0],
                                        .right = expr->left};
    return plan_binary(run, grid, &pair[1], weir_promql_number_new(run, grid, -1));
}

struct weir_promql_node *weir_promql_plan(struct weir_promql_run *run, struct weir_promql_grid grid,
                                          const struct weir_promql_expr *expr) {
    switch (expr->kind) {
    case WEIR_PROMQL_NUMBER: return weir_promql_number_new(run, grid, expr->number);
    case WEIR_PROMQL_PAREN: return weir_promql_plan(run, grid, expr->left);
    case WEIR_PROMQL_UNARY: return plan_unary(run, grid, expr);
    case WEIR_PROMQL_BINARY: {
        struct weir_promql_node *left = weir_promql_plan(run, grid, expr->left);
        return plan_binary(run, grid, expr, left);
    }
    case WEIR_PROMQL_AGGREGATE: return plan_aggregate(run, grid, expr);
    case WEIR_PROMQL_CALL: return plan_call(run, grid, expr);
    case WEIR_PROMQL_SELECTOR: return weir_promql_select_new(run, grid, expr, false);
    case WEIR_PROMQL_RANGE:
    case WEIR_PROMQL_SUBQUERY: return plan_window(run, grid, NULL, expr);
    case WEIR_PROMQL_TEXT: break;
    }
    weir_error_set(run->reterr, WEIR_EBUG, "a string has no plan");
    return NULL;
}
