/* SPDX-License-Identifier: Apache-2.0 */
/* Text to tree: recursive descent over TraceQL's grammar. Pure: no I/O, no clock.
 *
 * Threads: any. Memory: nodes in the arena; `query` must stay valid as long as the tree.
 */
#ifndef WEIR_TRACEQL_PARSE_H
#define WEIR_TRACEQL_PARSE_H

#include "traceql/ast.h"

/* Parses and checks (check.h). An empty query is `{}`. Errors: WEIR_EINVALID with line and column,
 * WEIR_ENOMEMORY when the arena refuses. */
int weir_traceql_parse(struct weir_view query, struct weir_arena *arena,
                       struct weir_traceql_query **ret, struct weir_error *reterr);
/* Only a field: `.x`, `span.x`, `resource.x`, `duration`, …; for the tag calls. */
int weir_traceql_parse_field(struct weir_view text, struct weir_arena *arena,
                             struct weir_traceql_field *ret, struct weir_error *reterr);

#endif
