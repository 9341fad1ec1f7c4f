/* SPDX-License-Identifier: Apache-2.0 */
/* What parse.c (expressions) and parse_log.c (selectors and pipelines) share. Private to logql. */
#ifndef WEIR_LOGQL_PARSER_H
#define WEIR_LOGQL_PARSER_H

#include "logql/ast.h"
#include "logql/lex.h"

struct weir_logql_parser {
    struct weir_logql_lex lex;
    struct weir_logql_token token; /* the one in hand */
    struct weir_arena *arena;
    struct weir_error *reterr;
    int depth;
};

/* The next token into hand. */
int weir_logql_advance(struct weir_logql_parser *p);
/* The token in hand is of this kind (and is passed over), or an error that names `what`. */
int weir_logql_expect(struct weir_logql_parser *p, int kind, const char *what);
/* True when the token in hand is this name. */
bool weir_logql_at_name(const struct weir_logql_parser *p, const char *name);
/* "unexpected X, expected …" at the token in hand. */
int weir_logql_unexpected(struct weir_logql_parser *p, const char *expected);
int weir_logql_nomem(struct weir_logql_parser *p);

/* {a="b", …} */
int weir_logql_parse_matchers(struct weir_logql_parser *p, struct weir_logql_log *log);
/* Stages as long as the token in hand starts one, appended to `log`. `may_unwrap`: inside a range.
 */
int weir_logql_parse_stages(struct weir_logql_parser *p, struct weir_logql_log *log,
                            bool may_unwrap);
bool weir_logql_at_stage(const struct weir_logql_parser *p);

#endif
