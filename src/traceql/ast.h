/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a TraceQL query.
 *
 *     { span.http.method = "GET" && duration > 1s } >> { status = error } | count() > 2
 *     PIPELINE ── SPANSET(>>, FILTER, FILTER) ── SCALAR_FILTER(count() > 2)
 *
 * Nodes live in the arena given to the parser.
 *
 * Threads: immutable after parse. Source: Tempo's "TraceQL" pages, 2.8.
 */
#ifndef WEIR_TRACEQL_AST_H
#define WEIR_TRACEQL_AST_H

#include "base/arena.h"
#include "base/error.h"

enum { WEIR_TRACEQL_DEPTH_MAX = 64, WEIR_TRACEQL_QUERY_MAX = 64 * 1024 };

enum weir_traceql_type {
    WEIR_TRACEQL_TYPE_NIL,
    WEIR_TRACEQL_TYPE_STRING,
    WEIR_TRACEQL_TYPE_INT,
    WEIR_TRACEQL_TYPE_FLOAT,
    WEIR_TRACEQL_TYPE_BOOL,
    WEIR_TRACEQL_TYPE_DURATION, /* i64: ns */
    WEIR_TRACEQL_TYPE_STATUS,   /* i64: enum weir_traceql_status */
    WEIR_TRACEQL_TYPE_KIND,     /* i64: as in OTLP, 0 unspecified … 5 consumer */
    WEIR_TRACEQL_TYPE_ARRAY,    /* str: encoded ArrayValue; any element may match */
    WEIR_TRACEQL_TYPE_UNKNOWN,  /* needs the whole trace, which is not there yet */
    WEIR_TRACEQL_TYPE_ANY,      /* check only: an attribute, whose type the data decide */
};

enum weir_traceql_status {
    WEIR_TRACEQL_STATUS_UNSET,
    WEIR_TRACEQL_STATUS_OK,
    WEIR_TRACEQL_STATUS_ERROR,
};

struct weir_traceql_value {
    enum weir_traceql_type type;
    union {
        struct weir_view str;
        int64_t i64;
        double f64;
        bool boolean;
    };
};

enum weir_traceql_scope {
    WEIR_TRACEQL_SCOPE_ANY, /* .x: the span's, or else the resource's */
    WEIR_TRACEQL_SCOPE_SPAN,
    WEIR_TRACEQL_SCOPE_RESOURCE,
    WEIR_TRACEQL_SCOPE_PARENT, /* parent.x: of the parent span */
    WEIR_TRACEQL_SCOPE_EVENT,
    WEIR_TRACEQL_SCOPE_LINK,
    WEIR_TRACEQL_SCOPE_INSTRUMENTATION,
};

enum weir_traceql_intrinsic {
    WEIR_TRACEQL_INTRINSIC_NONE, /* an attribute */
    WEIR_TRACEQL_DURATION,
    WEIR_TRACEQL_NAME,
    WEIR_TRACEQL_STATUS,
    WEIR_TRACEQL_STATUS_MESSAGE,
    WEIR_TRACEQL_KIND,
    WEIR_TRACEQL_CHILD_COUNT,
    WEIR_TRACEQL_SPAN_ID,
    WEIR_TRACEQL_PARENT_ID,
    WEIR_TRACEQL_START_TIME, /* span:… has none in Tempo; kept for select() */
    WEIR_TRACEQL_TRACE_ID,
    WEIR_TRACEQL_TRACE_DURATION,
    WEIR_TRACEQL_ROOT_NAME,
    WEIR_TRACEQL_ROOT_SERVICE,
    WEIR_TRACEQL_NESTED_LEFT,
    WEIR_TRACEQL_NESTED_RIGHT,
    WEIR_TRACEQL_NESTED_PARENT,
    WEIR_TRACEQL_EVENT_NAME,
    WEIR_TRACEQL_EVENT_TIME_SINCE_START,
    WEIR_TRACEQL_LINK_TRACE_ID,
    WEIR_TRACEQL_LINK_SPAN_ID,
    WEIR_TRACEQL_SCOPE_NAME,
    WEIR_TRACEQL_SCOPE_VERSION,
    WEIR_TRACEQL_PARENT, /* parent = nil: the root */
};

enum weir_traceql_op {
    WEIR_TRACEQL_OP_NONE,
    WEIR_TRACEQL_OP_OR,
    WEIR_TRACEQL_OP_AND,
    WEIR_TRACEQL_OP_EQ,
    WEIR_TRACEQL_OP_NE,
    WEIR_TRACEQL_OP_RE,
    WEIR_TRACEQL_OP_NRE,
    WEIR_TRACEQL_OP_GT,
    WEIR_TRACEQL_OP_GE,
    WEIR_TRACEQL_OP_LT,
    WEIR_TRACEQL_OP_LE,
    WEIR_TRACEQL_OP_ADD,
    WEIR_TRACEQL_OP_SUB,
    WEIR_TRACEQL_OP_MUL,
    WEIR_TRACEQL_OP_DIV,
    WEIR_TRACEQL_OP_MOD,
    WEIR_TRACEQL_OP_POW,
    WEIR_TRACEQL_OP_NOT, /* unary */
    WEIR_TRACEQL_OP_NEG, /* unary */
};

struct weir_traceql_field {
    enum weir_traceql_scope scope;
    enum weir_traceql_intrinsic intrinsic;
    struct weir_view name; /* of an attribute */
    uint32_t slot;         /* of an attribute; set by plan */
};

struct weir_regex;

enum weir_traceql_aggregate {
    WEIR_TRACEQL_AGGREGATE_NONE,
    WEIR_TRACEQL_COUNT,
    WEIR_TRACEQL_AVG,
    WEIR_TRACEQL_MIN,
    WEIR_TRACEQL_MAX,
    WEIR_TRACEQL_SUM,
};

/* An expression over one span, or (with AGGREGATE leaves) over a spanset. */
enum weir_traceql_expr_kind {
    WEIR_TRACEQL_EXPR_VALUE,
    WEIR_TRACEQL_EXPR_FIELD,
    WEIR_TRACEQL_EXPR_UNARY,
    WEIR_TRACEQL_EXPR_BINARY,
    WEIR_TRACEQL_EXPR_AGGREGATE,
};

struct weir_traceql_expr {
    enum weir_traceql_expr_kind kind;
    uint32_t at;
    struct weir_traceql_value value;
    struct weir_view text; /* VALUE: as written */
    struct weir_traceql_field field;
    enum weir_traceql_op op;
    struct weir_traceql_expr *left, *right; /* UNARY: left; AGGREGATE: left, NULL for count() */
    enum weir_traceql_aggregate aggregate;
    struct weir_regex *regex; /* RE, NRE with a constant right side; set by plan */
};

/* What joins two spansets. */
enum weir_traceql_relation {
    WEIR_TRACEQL_REL_AND,
    WEIR_TRACEQL_REL_OR,
    WEIR_TRACEQL_REL_CHILD,      /* > : right is a child of left */
    WEIR_TRACEQL_REL_PARENT,     /* < */
    WEIR_TRACEQL_REL_DESCENDANT, /* >> */
    WEIR_TRACEQL_REL_ANCESTOR,   /* << */
    WEIR_TRACEQL_REL_SIBLING,    /* ~ */
};

enum weir_traceql_mode {                            /* of the five structural relations */
                         WEIR_TRACEQL_MODE_PLAIN,   /* answers with the right side's spans */
                         WEIR_TRACEQL_MODE_NEGATED, /* !>  : right spans without such a left span */
                         WEIR_TRACEQL_MODE_UNION,   /* &>  : both sides' spans */
};

struct weir_traceql_spanset {
    bool is_filter;
    uint32_t at;
    struct weir_traceql_expr *filter; /* FILTER; NULL for {} */
    enum weir_traceql_relation relation;
    enum weir_traceql_mode mode;
    struct weir_traceql_spanset *left, *right;
    struct weir_traceql_stage *stages; /* ( … | … ): a pipeline in parentheses, after left */
};

enum weir_traceql_stage_kind {
    WEIR_TRACEQL_STAGE_FILTER,   /* | {…}, | {…} && {…}: a spanset of what came so far */
    WEIR_TRACEQL_STAGE_SCALAR,   /* | count() > 2 */
    WEIR_TRACEQL_STAGE_BY,       /* | by(x) */
    WEIR_TRACEQL_STAGE_COALESCE, /* | coalesce() */
    WEIR_TRACEQL_STAGE_SELECT,   /* | select(x, y) */
    WEIR_TRACEQL_STAGE_METRICS,  /* | rate() by (x) */
    WEIR_TRACEQL_STAGE_SECOND,   /* | topk(10) behind a metrics stage */
};

enum weir_traceql_metric {
    WEIR_TRACEQL_METRIC_RATE,
    WEIR_TRACEQL_METRIC_COUNT,
    WEIR_TRACEQL_METRIC_MIN,
    WEIR_TRACEQL_METRIC_MAX,
    WEIR_TRACEQL_METRIC_AVG,
    WEIR_TRACEQL_METRIC_SUM,
    WEIR_TRACEQL_METRIC_QUANTILE,
    WEIR_TRACEQL_METRIC_HISTOGRAM,
    WEIR_TRACEQL_METRIC_COMPARE,
    WEIR_TRACEQL_METRIC_TOPK,    /* second stage */
    WEIR_TRACEQL_METRIC_BOTTOMK, /* second stage */
};

enum { WEIR_TRACEQL_BY_MAX = 16, WEIR_TRACEQL_NUMBERS_MAX = 16 };

struct weir_traceql_stage {
    enum weir_traceql_stage_kind kind;
    uint32_t at;
    struct weir_traceql_stage *next;
    struct weir_traceql_spanset *spanset;              /* FILTER */
    struct weir_traceql_expr *scalar;                  /* SCALAR: a comparison */
    struct weir_traceql_expr *by[WEIR_TRACEQL_BY_MAX]; /* BY (1), SELECT, METRICS by (…) */
    uint32_t by_count;
    enum weir_traceql_metric metric;
    struct weir_traceql_expr *field;          /* METRICS: the argument; NULL for rate() */
    struct weir_traceql_spanset *selection;   /* compare({…}) */
    double numbers[WEIR_TRACEQL_NUMBERS_MAX]; /* quantiles; top n and times of compare; k */
    uint32_t numbers_count;
};

struct weir_traceql_hint { /* with(name=value) */
    struct weir_view name;
    struct weir_traceql_value value;
    struct weir_view text;
};

struct weir_traceql_query {
    struct weir_traceql_spanset *spanset;
    struct weir_traceql_stage *stages;
    struct weir_traceql_hint *hints;
    uint32_t hints_count;
    bool is_metrics; /* answers with series: a METRICS stage is there */
};

#endif
