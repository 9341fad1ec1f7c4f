/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a LogQL query, exactly as written: print(parse(q)) parses to the same tree.
 *
 *     sum by (level) (rate({service_name="x"} |= "error" | json [5m]))
 *     VECTOR_AGG ── RANGE_AGG ── selector ── stages: LINE_FILTER, JSON
 *
 * Nodes live in the arena given to the parser, names and strings in the arena or in the query text.
 *
 * Threads: immutable after parse. Source: Loki's "LogQL: Log query language", v3.
 */
#ifndef WEIR_LOGQL_AST_H
#define WEIR_LOGQL_AST_H

#include "base/arena.h"
#include "base/error.h"

enum { WEIR_LOGQL_DEPTH_MAX = 64, WEIR_LOGQL_QUERY_MAX = 64 * 1024 };

/* Comparison of labels, lines and numbers. */
enum weir_logql_op {
    WEIR_LOGQL_OP_NONE,
    WEIR_LOGQL_OP_EQ,   /* = |= == */
    WEIR_LOGQL_OP_NE,   /* != */
    WEIR_LOGQL_OP_RE,   /* =~ |~ */
    WEIR_LOGQL_OP_NRE,  /* !~ */
    WEIR_LOGQL_OP_PAT,  /* |>, a pattern that the line matches */
    WEIR_LOGQL_OP_NPAT, /* !> */
    WEIR_LOGQL_OP_GT,
    WEIR_LOGQL_OP_GE,
    WEIR_LOGQL_OP_LT,
    WEIR_LOGQL_OP_LE,
    WEIR_LOGQL_OP_ADD,
    WEIR_LOGQL_OP_SUB,
    WEIR_LOGQL_OP_MUL,
    WEIR_LOGQL_OP_DIV,
    WEIR_LOGQL_OP_MOD,
    WEIR_LOGQL_OP_POW,
    WEIR_LOGQL_OP_AND,
    WEIR_LOGQL_OP_OR,
    WEIR_LOGQL_OP_UNLESS,
};

struct weir_logql_matcher {
    struct weir_view name;
    enum weir_logql_op op; /* EQ, NE, RE, NRE */
    struct weir_view value;
    uint32_t at; /* byte in the query */
};

struct weir_logql_needle { /* one alternative of a line filter */
    struct weir_view text;
    bool is_ip; /* ip("…") */
};

enum weir_logql_filter_kind {
    WEIR_LOGQL_FILTER_AND,
    WEIR_LOGQL_FILTER_OR,
    WEIR_LOGQL_FILTER_STRING,   /* EQ NE RE NRE against text */
    WEIR_LOGQL_FILTER_NUMBER,   /* any comparison against number */
    WEIR_LOGQL_FILTER_DURATION, /* number in seconds */
    WEIR_LOGQL_FILTER_BYTES,    /* number in bytes */
    WEIR_LOGQL_FILTER_IP,       /* EQ NE against text */
};

struct weir_regex;

struct weir_logql_filter {
    enum weir_logql_filter_kind kind;
    struct weir_logql_filter *left, *right; /* AND, OR */
    struct weir_view name;
    enum weir_logql_op op;
    struct weir_view text; /* as written: the string, or the number with its unit */
    double number;
    uint32_t at;
    struct weir_regex *regex; /* set by plan */
};

/* name="value": an extraction of `json`, `logfmt`; an assignment of label_format. */
struct weir_logql_pair {
    struct weir_view name, value;
    bool is_name; /* label_format a=b: the value is a label's name, not a template */
    uint32_t at;
};

enum weir_logql_stage_kind {
    WEIR_LOGQL_STAGE_LINE_FILTER,
    WEIR_LOGQL_STAGE_JSON,
    WEIR_LOGQL_STAGE_LOGFMT,
    WEIR_LOGQL_STAGE_REGEXP,
    WEIR_LOGQL_STAGE_PATTERN,
    WEIR_LOGQL_STAGE_UNPACK,
    WEIR_LOGQL_STAGE_LABEL_FILTER,
    WEIR_LOGQL_STAGE_LINE_FORMAT,
    WEIR_LOGQL_STAGE_LABEL_FORMAT,
    WEIR_LOGQL_STAGE_DROP,
    WEIR_LOGQL_STAGE_KEEP,
    WEIR_LOGQL_STAGE_DECOLORIZE,
    WEIR_LOGQL_STAGE_DISTINCT,
};

struct weir_logql_template; /* template.h */
struct weir_logql_pattern;  /* pattern.h */

struct weir_logql_stage {
    enum weir_logql_stage_kind kind;
    uint32_t at;
    struct weir_logql_stage *next;
    enum weir_logql_op op; /* LINE_FILTER: EQ NE RE NRE PAT NPAT */
    struct weir_logql_needle *needles;
    uint32_t needles_count;
    struct weir_view text;         /* REGEXP, PATTERN, LINE_FORMAT: the expression */
    struct weir_logql_pair *pairs; /* JSON, LOGFMT, LABEL_FORMAT */
    uint32_t pairs_count;
    struct weir_logql_matcher *matchers; /* DROP, KEEP, DISTINCT: op NONE = any value */
    uint32_t matchers_count;
    struct weir_logql_filter *filter; /* LABEL_FILTER */
    bool strict, keep_empty;          /* LOGFMT flags */
    /* Set by plan; freed with it. */
    struct weir_regex **regexes;            /* LINE_FILTER: per needle; REGEXP: one; DROP, KEEP */
    struct weir_logql_pattern **patterns;   /* LINE_FILTER PAT: per needle; PATTERN: one */
    struct weir_logql_template **templates; /* LINE_FORMAT: one; LABEL_FORMAT: per pair */
};

enum weir_logql_conversion {
    WEIR_LOGQL_CONVERT_NONE,
    WEIR_LOGQL_CONVERT_DURATION, /* duration(x), duration_seconds(x): Go durations to seconds */
    WEIR_LOGQL_CONVERT_BYTES,    /* bytes(x): "5 MiB" to bytes */
};

struct weir_logql_unwrap {
    struct weir_view name;
    enum weir_logql_conversion conversion;
    struct weir_view conversion_name; /* as written */
    struct weir_logql_stage *filters; /* label filters behind it */
    uint32_t at;
};

/* A log query: {…} | stage | stage. */
struct weir_logql_log {
    struct weir_logql_matcher *matchers;
    uint32_t matchers_count;
    struct weir_logql_stage *stages;
    struct weir_logql_unwrap *unwrap; /* only inside a range aggregation */
    struct weir_regex **regexes;      /* per matcher; set by plan */
};

enum weir_logql_func {
    WEIR_LOGQL_FUNC_NONE,
    /* over ranges */
    WEIR_LOGQL_RATE,
    WEIR_LOGQL_RATE_COUNTER,
    WEIR_LOGQL_COUNT_OVER_TIME,
    WEIR_LOGQL_BYTES_RATE,
    WEIR_LOGQL_BYTES_OVER_TIME,
    WEIR_LOGQL_ABSENT_OVER_TIME,
    WEIR_LOGQL_SUM_OVER_TIME,
    WEIR_LOGQL_AVG_OVER_TIME,
    WEIR_LOGQL_MIN_OVER_TIME,
    WEIR_LOGQL_MAX_OVER_TIME,
    WEIR_LOGQL_FIRST_OVER_TIME,
    WEIR_LOGQL_LAST_OVER_TIME,
    WEIR_LOGQL_STDDEV_OVER_TIME,
    WEIR_LOGQL_STDVAR_OVER_TIME,
    WEIR_LOGQL_QUANTILE_OVER_TIME,
    /* over series */
    WEIR_LOGQL_SUM,
    WEIR_LOGQL_AVG,
    WEIR_LOGQL_MIN,
    WEIR_LOGQL_MAX,
    WEIR_LOGQL_COUNT,
    WEIR_LOGQL_STDDEV,
    WEIR_LOGQL_STDVAR,
    WEIR_LOGQL_TOPK,
    WEIR_LOGQL_BOTTOMK,
    WEIR_LOGQL_SORT,
    WEIR_LOGQL_SORT_DESC,
    WEIR_LOGQL_APPROX_TOPK,
};

struct weir_logql_grouping {
    bool present, without;
    struct weir_view *names;
    uint32_t names_count;
};

struct weir_logql_matching { /* on / ignoring, group_left / group_right */
    bool present, on, group_left, group_right;
    struct weir_view *names;
    uint32_t names_count;
    struct weir_view *include;
    uint32_t include_count;
};

enum weir_logql_kind {
    WEIR_LOGQL_LOG,
    WEIR_LOGQL_RANGE_AGG,
    WEIR_LOGQL_VECTOR_AGG,
    WEIR_LOGQL_BINARY,
    WEIR_LOGQL_LITERAL,
    WEIR_LOGQL_VECTOR,
    WEIR_LOGQL_LABEL_REPLACE,
};

struct weir_logql_expr {
    enum weir_logql_kind kind;
    uint32_t at;
    struct weir_logql_log log; /* LOG, RANGE_AGG */
    enum weir_logql_func func; /* RANGE_AGG, VECTOR_AGG */
    bool has_param;
    double param;                        /* quantile; k of topk; LITERAL, VECTOR: the number */
    int64_t range_ns, offset_ns;         /* RANGE_AGG */
    struct weir_logql_grouping grouping; /* RANGE_AGG, VECTOR_AGG */
    enum weir_logql_op op;               /* BINARY */
    bool return_bool;
    struct weir_logql_matching matching;
    struct weir_logql_expr *left, *right; /* BINARY; VECTOR_AGG and LABEL_REPLACE: left */
    struct weir_view replace[4];          /* LABEL_REPLACE: dst, replacement, src, regex */
    struct weir_regex *regex;             /* LABEL_REPLACE; set by plan */
};

/* True when the query answers with log lines, false when with numbers. */
static inline bool weir_logql_is_log(const struct weir_logql_expr *expr) {
    return expr->kind == WEIR_LOGQL_LOG;
}

#endif
