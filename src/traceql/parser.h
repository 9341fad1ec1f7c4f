/* SPDX-License-Identifier: Apache-2.0 */
/* What parse.c (spansets, pipelines) and parse_expr.c (expressions) share. Private to traceql. */
#ifndef WEIR_TRACEQL_PARSER_H
#define WEIR_TRACEQL_PARSER_H

#include "traceql/ast.h"
#include "traceql/lex.h"

struct weir_traceql_parser {
    struct weir_traceql_lex lex;
    struct weir_traceql_token token; /* the one in hand */
    struct weir_arena *arena;
    struct weir_error *reterr;
    int depth;
    bool scalar; /* count(), avg(…) are allowed */
};

int weir_traceql_advance(struct weir_traceql_parser *p);
int weir_traceql_expect(struct weir_traceql_parser *p, int kind, const char *what);
bool weir_traceql_at_name(const struct weir_traceql_parser *p, const char *name);
int weir_traceql_unexpected(struct weir_traceql_parser *p, const char *expected);
int weir_traceql_nomem(struct weir_traceql_parser *p);
int weir_traceql_deeper(struct weir_traceql_parser *p);

/* An expression that binds operators of at least `strength` (1 = all). */
int weir_traceql_parse_expr(struct weir_traceql_parser *p, int strength,
                            struct weir_traceql_expr **ret);

#endif
