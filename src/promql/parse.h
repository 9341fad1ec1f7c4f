/* SPDX-License-Identifier: Apache-2.0 */
/* PromQL text to a checked tree, by recursive descent with operator precedence.
 *
 *     or < and unless < == != < > <= >= < + - < * / % atan2 < unary < ^ (to the right)
 *
 * Threads: any. Memory: the tree lies in the arena.
 * Source: Prometheus 3, "Querying basics", "Operators".
 */
#ifndef WEIR_PROMQL_PARSE_H
#define WEIR_PROMQL_PARSE_H

#include "base/error.h"
#include "promql/ast.h"

enum {
    WEIR_PROMQL_TEXT_LEN_MAX = 256 * 1024, /* bytes of one query */
    WEIR_PROMQL_DEPTH_MAX = 200,           /* nested parentheses and calls */
    WEIR_PROMQL_BINARIES_MAX = 2000,       /* binary operators: a chain of them is a deep tree */
};

/* Types, arities and matchers of a parsed tree (parse does it; separate for its tests).
 * `text` is what was parsed, for positions. */
int weir_promql_check(const struct weir_promql_expr *expr, struct weir_view text,
                      struct weir_error *reterr);

#endif
