/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed PromQL expression.
 *
 *     sum by (job) (rate(x{a="b"}[5m] offset 1h)) / 2
 *
 *     BINARY / ─┬─ AGGREGATE sum by (job) ── CALL rate ── RANGE 5m ── SELECTOR x{a="b"} offset 1h
 *               └─ NUMBER 2
 *
 * Threads: immutable after parsing.
 * Memory: everything lies in the arena given to the parser.
 */
#ifndef WEIR_PROMQL_AST_H
#define WEIR_PROMQL_AST_H

#include "base/arena.h"

enum weir_promql_type {
    WEIR_PROMQL_NONE,
    WEIR_PROMQL_SCALAR,
    WEIR_PROMQL_VECTOR,
    WEIR_PROMQL_MATRIX,
    WEIR_PROMQL_STRING,
};

enum weir_promql_kind {
    WEIR_PROMQL_NUMBER,
    WEIR_PROMQL_TEXT,
    WEIR_PROMQL_PAREN,
    WEIR_PROMQL_UNARY,
    WEIR_PROMQL_BINARY,
    WEIR_PROMQL_AGGREGATE,
    WEIR_PROMQL_CALL,
    WEIR_PROMQL_SELECTOR,
    WEIR_PROMQL_RANGE,
    WEIR_PROMQL_SUBQUERY,
};

enum weir_promql_op {
    WEIR_PROMQL_OP_ADD,
    WEIR_PROMQL_OP_SUB,
    WEIR_PROMQL_OP_MUL,
    WEIR_PROMQL_OP_DIV,
    WEIR_PROMQL_OP_MOD,
    WEIR_PROMQL_OP_POW,
    WEIR_PROMQL_OP_ATAN2,
    WEIR_PROMQL_OP_EQ,
    WEIR_PROMQL_OP_NE,
    WEIR_PROMQL_OP_LT,
    WEIR_PROMQL_OP_LE,
    WEIR_PROMQL_OP_GT,
    WEIR_PROMQL_OP_GE,
    WEIR_PROMQL_OP_AND,
    WEIR_PROMQL_OP_OR,
    WEIR_PROMQL_OP_UNLESS,
    WEIR_PROMQL_OPS_COUNT,
};

enum weir_promql_match { /* of a label matcher */
                         WEIR_PROMQL_MATCH_EQ,
                         WEIR_PROMQL_MATCH_NE,
                         WEIR_PROMQL_MATCH_RE,
                         WEIR_PROMQL_MATCH_NOT_RE,
};

struct weir_promql_matcher {
    struct weir_view name, value;
    enum weir_promql_match match;
};

enum weir_promql_at {
    WEIR_PROMQL_AT_NONE,
    WEIR_PROMQL_AT_TIME,
    WEIR_PROMQL_AT_START,
    WEIR_PROMQL_AT_END
};

enum weir_promql_card {
    WEIR_PROMQL_CARD_ONE_TO_ONE,
    WEIR_PROMQL_CARD_MANY_TO_ONE,  /* group_left */
    WEIR_PROMQL_CARD_ONE_TO_MANY,  /* group_right */
    WEIR_PROMQL_CARD_MANY_TO_MANY, /* and, or, unless */
};

struct weir_promql_names {
    struct weir_view *items;
    uint32_t count, room;
};

enum weir_promql_aggregation {
    WEIR_PROMQL_SUM,
    WEIR_PROMQL_AVG,
    WEIR_PROMQL_COUNT,
    WEIR_PROMQL_MIN,
    WEIR_PROMQL_MAX,
    WEIR_PROMQL_GROUP,
    WEIR_PROMQL_STDDEV,
    WEIR_PROMQL_STDVAR,
    WEIR_PROMQL_TOPK,
    WEIR_PROMQL_BOTTOMK,
    WEIR_PROMQL_QUANTILE,
    WEIR_PROMQL_COUNT_VALUES,
    WEIR_PROMQL_LIMITK,
    WEIR_PROMQL_LIMIT_RATIO,
    WEIR_PROMQL_AGGREGATIONS_COUNT,
};

struct weir_promql_function;

struct weir_promql_expr {
    enum weir_promql_kind kind;
    enum weir_promql_type type;
    uint32_t from, until; /* bytes of the text that it was written as */
    /* NUMBER */
    double number;
    /* TEXT */
    struct weir_view text;
    /* PAREN, UNARY, AGGREGATE, RANGE (a SELECTOR), SUBQUERY: the operand; BINARY: both sides */
    struct weir_promql_expr *left, *right;
    /* UNARY (ADD, SUB), BINARY */
    enum weir_promql_op op;
    /* BINARY */
    bool is_bool;
    enum weir_promql_card card;
    bool on;                          /* on(…), else ignoring(…) */
    bool matching;                    /* on or ignoring was written */
    struct weir_promql_names labels;  /* on, ignoring; AGGREGATE: by, without */
    struct weir_promql_names include; /* group_left(…), group_right(…) */
    /* AGGREGATE */
    enum weir_promql_aggregation aggregation;
    bool without;                   /* without(…), else by(…) */
    struct weir_promql_expr *param; /* of topk, quantile, … */
    /* CALL */
    const struct weir_promql_function *function;
    struct weir_promql_expr **args;
    uint32_t args_count, args_room;
    /* SELECTOR */
    struct weir_view name;                /* metric name before the braces; else empty */
    struct weir_promql_matcher *matchers; /* with the one for __name__ */
    uint32_t matchers_count, matchers_room;
    /* RANGE, SUBQUERY */
    int64_t range_ms;
    int64_t step_ms; /* SUBQUERY; 0 = default */
    /* SELECTOR, SUBQUERY */
    int64_t offset_ms;
    bool offset_set;
    enum weir_promql_at at;
    int64_t at_ms;
};

/* "scalar", "instant vector", "range vector", "string". */
const char *weir_promql_type_name(enum weir_promql_type type);
/* "+", "and", … */
const char *weir_promql_op_name(enum weir_promql_op op);
bool weir_promql_op_is_comparison(enum weir_promql_op op);
bool weir_promql_op_is_set(enum weir_promql_op op);
/* "sum", "topk", … */
const char *weir_promql_aggregation_name(enum weir_promql_aggregation aggregation);
/* True for those with a parameter before the vector. */
bool weir_promql_aggregation_has_param(enum weir_promql_aggregation aggregation);
/* The expression inside any parentheses. */
const struct weir_promql_expr *weir_promql_unwrap(const struct weir_promql_expr *expr);
/* True when the name is in the list. */
bool weir_promql_names_have(const struct weir_promql_names *names, struct weir_view name);

#endif
