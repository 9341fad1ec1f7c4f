/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/ast.h"

const char *weir_promql_type_name(enum weir_promql_type type) {
    static const char *const names[] = {"none", "scalar", "instant vector", "range vector",
                                        "string"};
    return names[type];
}

const char *weir_promql_op_name(enum weir_promql_op op) {
    static const char *const names[WEIR_PROMQL_OPS_COUNT] = {
        "+",  "-", "*",  "/", "%",  "^",   "atan2", "==",
        "!=", "<", "<=", ">", ">=", "and", "or",    "unless"};
    return names[op];
}

bool weir_promql_op_is_comparison(enum weir_promql_op op) {
    return op >= WEIR_PROMQL_OP_EQ && op <= WEIR_PROMQL_OP_GE;
}

bool weir_promql_op_is_set(enum weir_promql_op op) {
    return op >= WEIR_PROMQL_OP_AND && op <= WEIR_PROMQL_OP_UNLESS;
}

const char *weir_promql_aggregation_name(enum weir_promql_aggregation aggregation) {
    static const char *const names[WEIR_PROMQL_AGGREGATIONS_COUNT] = {
        "sum",    "avg",  "count",   "min",      "max",          "group",  "stddev",
        "stdvar", "topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"};
    return names[aggregation];
}

bool weir_promql_aggregation_has_param(enum weir_promql_aggregation aggregation) {
    return aggregation >= WEIR_PROMQL_TOPK;
}

const struct weir_promql_expr *weir_promql_unwrap(const struct weir_promql_expr *expr) {
    while (expr->kind == WEIR_PROMQL_PAREN) expr = expr->left;
    return expr;
}

bool weir_promql_names_have(const struct weir_promql_names *names, struct weir_view name) {
    for (uint32_t i = 0; i < names->count; i++)
        if (weir_view_eq(names->items[i], name)) return true;
    return false;
}
