/* SPDX-License-Identifier: Apache-2.0 */
/* TraceQL's words. Attribute names hold dots, dashes and slashes (`span.http.status-code`), so a
 * name is read differently behind a scope's dot than elsewhere.
 *
 * Threads: owner only. Memory: decoded strings go to the arena, the rest are views into the query.
 */
#ifndef WEIR_TRACEQL_LEX_H
#define WEIR_TRACEQL_LEX_H

#include "base/arena.h"
#include "base/error.h"

/* Signs of one character are their own code: { } ( ) , | + - * / % ^ = > < ~ ! */
enum weir_traceql_token_kind {
    WEIR_TRACEQL_TOKEN_END = 0,
    WEIR_TRACEQL_TOKEN_NAME = 256, /* a keyword or intrinsic, with its colon: "span:id", "status" */
    WEIR_TRACEQL_TOKEN_ATTRIBUTE,  /* scope in text ("" = unscoped), name in str */
    WEIR_TRACEQL_TOKEN_STRING,
    WEIR_TRACEQL_TOKEN_INT,
    WEIR_TRACEQL_TOKEN_FLOAT,
    WEIR_TRACEQL_TOKEN_DURATION,
    WEIR_TRACEQL_TOKEN_NE,  /* != */
    WEIR_TRACEQL_TOKEN_RE,  /* =~ */
    WEIR_TRACEQL_TOKEN_NRE, /* !~, also: negated sibling */
    WEIR_TRACEQL_TOKEN_GE,
    WEIR_TRACEQL_TOKEN_LE,
    WEIR_TRACEQL_TOKEN_AND,          /* && */
    WEIR_TRACEQL_TOKEN_OR,           /* || */
    WEIR_TRACEQL_TOKEN_DESC,         /* >> */
    WEIR_TRACEQL_TOKEN_ANCE,         /* << */
    WEIR_TRACEQL_TOKEN_NOT_CHILD,    /* !> */
    WEIR_TRACEQL_TOKEN_NOT_PARENT,   /* !< */
    WEIR_TRACEQL_TOKEN_NOT_DESC,     /* !>> */
    WEIR_TRACEQL_TOKEN_NOT_ANCE,     /* !<< */
    WEIR_TRACEQL_TOKEN_UNION_CHILD,  /* &> */
    WEIR_TRACEQL_TOKEN_UNION_PARENT, /* &< */
    WEIR_TRACEQL_TOKEN_UNION_DESC,   /* &>> */
    WEIR_TRACEQL_TOKEN_UNION_ANCE,   /* &<< */
    WEIR_TRACEQL_TOKEN_UNION_SIBL,   /* &~ */
};

struct weir_traceql_token {
    int kind;
    uint32_t at, end;      /* bytes in the query */
    struct weir_view text; /* as written; ATTRIBUTE: the scope */
    struct weir_view str;  /* STRING: decoded; ATTRIBUTE: the name */
    int64_t i64;           /* INT; DURATION in ns */
    double f64;            /* FLOAT, INT */
};

struct weir_traceql_lex {
    struct weir_view input;
    size_t at;
    struct weir_arena *arena;
};

/* Reads the next word. Errors: WEIR_EINVALID with line and column. */
int weir_traceql_lex_next(struct weir_traceql_lex *lex, struct weir_traceql_token *ret,
                          struct weir_error *reterr);
int weir_traceql_error_at(struct weir_view query, size_t at, struct weir_error *reterr,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
