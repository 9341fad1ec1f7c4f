/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/functions.h"

enum {
    RANGE = WEIR_LOGQL_FUNC_RANGE,
    UNWRAP = WEIR_LOGQL_FUNC_RANGE | WEIR_LOGQL_FUNC_NEEDS_UNWRAP,
    GROUPS = WEIR_LOGQL_FUNC_GROUPS,
    PARAM = WEIR_LOGQL_FUNC_PARAM,
};

static const struct weir_logql_func_info infos[] = {
    {"rate", WEIR_LOGQL_RATE, RANGE | WEIR_LOGQL_FUNC_TAKES_UNWRAP},
    {"rate_counter", WEIR_LOGQL_RATE_COUNTER, UNWRAP},
    {"count_over_time", WEIR_LOGQL_COUNT_OVER_TIME, RANGE},
    {"bytes_rate", WEIR_LOGQL_BYTES_RATE, RANGE},
    {"bytes_over_time", WEIR_LOGQL_BYTES_OVER_TIME, RANGE},
    {"absent_over_time", WEIR_LOGQL_ABSENT_OVER_TIME, RANGE | WEIR_LOGQL_FUNC_TAKES_UNWRAP},
    {"sum_over_time", WEIR_LOGQL_SUM_OVER_TIME, UNWRAP},
    {"avg_over_time", WEIR_LOGQL_AVG_OVER_TIME, UNWRAP | GROUPS},
    {"min_over_time", WEIR_LOGQL_MIN_OVER_TIME, UNWRAP | GROUPS},
    {"max_over_time", WEIR_LOGQL_MAX_OVER_TIME, UNWRAP | GROUPS},
    {"first_over_time", WEIR_LOGQL_FIRST_OVER_TIME, UNWRAP | GROUPS},
    {"last_over_time", WEIR_LOGQL_LAST_OVER_TIME, UNWRAP | GROUPS},
    {"stddev_over_time", WEIR_LOGQL_STDDEV_OVER_TIME, UNWRAP | GROUPS},
    {"stdvar_over_time", WEIR_LOGQL_STDVAR_OVER_TIME, UNWRAP | GROUPS},
    {"quantile_over_time", WEIR_LOGQL_QUANTILE_OVER_TIME, UNWRAP | GROUPS | PARAM},
    {"sum", WEIR_LOGQL_SUM, GROUPS},
    {"avg", WEIR_LOGQL_AVG, GROUPS},
    {"min", WEIR_LOGQL_MIN, GROUPS},
    {"max", WEIR_LOGQL_MAX, GROUPS},
    {"count", WEIR_LOGQL_COUNT, GROUPS},
    {"stddev", WEIR_LOGQL_STDDEV, GROUPS},
    {"stdvar", WEIR_LOGQL_STDVAR, GROUPS},
    {"topk", WEIR_LOGQL_TOPK, GROUPS | PARAM},
    {"bottomk", WEIR_LOGQL_BOTTOMK, GROUPS | PARAM},
    {"approx_topk", WEIR_LOGQL_APPROX_TOPK, PARAM},
    {"sort", WEIR_LOGQL_SORT, 0},
    {"sort_desc", WEIR_LOGQL_SORT_DESC, 0},
};
enum { INFOS_COUNT = sizeof infos / sizeof *infos };

const struct weir_logql_func_info *weir_logql_func_find(struct weir_view name) {
    for (size_t i = 0; i < INFOS_COUNT; i++)
        if (weir_view_is(name, infos[i].name)) return &infos[i];
    return NULL;
}

const struct weir_logql_func_info *weir_logql_func_get(enum weir_logql_func func) {
    for (size_t i = 0; i < INFOS_COUNT; i++)
        if (infos[i].func == func) return &infos[i];
    return &infos[0];
}

const char *weir_logql_func_nearest(struct weir_view name) {
    const char *names[INFOS_COUNT + 3];
    size_t count = 0;
    for (; count < INFOS_COUNT; count++) names[count] = infos[count].name;
    names[count++] = "vector";
    names[count++] = "label_replace";
    names[count] = NULL;
    return weir_view_nearest(name, names);
}

static const struct {
    enum weir_logql_op op;
    const char *sign;
    int strength;
} ops[] = {
    {WEIR_LOGQL_OP_OR, "or", 1}, {WEIR_LOGQL_OP_AND, "and", 2}, {WEIR_LOGQL_OP_UNLESS, "unless", 2},
    {WEIR_LOGQL_OP_EQ, "==", 3}, {WEIR_LOGQL_OP_NE, "!=", 3},   {WEIR_LOGQL_OP_GT, ">", 3},
    {WEIR_LOGQL_OP_GE, ">=", 3}, {WEIR_LOGQL_OP_LT, "<", 3},    {WEIR_LOGQL_OP_LE, "<=", 3},
    {WEIR_LOGQL_OP_ADD, "+", 4}, {WEIR_LOGQL_OP_SUB, "-", 4},   {WEIR_LOGQL_OP_MUL, "*", 5},
    {WEIR_LOGQL_OP_DIV, "/", 5}, {WEIR_LOGQL_OP_MOD, "%", 5},   {WEIR_LOGQL_OP_POW, "^", 6},
};

const char *weir_logql_op_sign(enum weir_logql_op op) {
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i].op == op) return ops[i].sign;
    return "";
}

int weir_logql_op_strength(enum weir_logql_op op) {
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (ops[i].op == op) return ops[i].strength;
    return 0;
}

bool weir_logql_op_is_comparison(enum weir_logql_op op) {
    return weir_logql_op_strength(op) == 3;
}

bool weir_logql_op_is_set(enum weir_logql_op op) {
    int strength = weir_logql_op_strength(op);
    return strength == 1 || strength == 2;
}
