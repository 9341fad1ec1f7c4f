/* SPDX-License-Identifier: Apache-2.0 */
/* Text to tree: recursive descent over LogQL's grammar. Pure: no I/O, no clock.
 *
 * Threads: any. Memory: nodes in the arena; views into `query` must stay valid as long as the tree.
 */
#ifndef WEIR_LOGQL_PARSE_H
#define WEIR_LOGQL_PARSE_H

#include "logql/ast.h"

/* Parses and checks (check.h) a whole query. Errors: WEIR_EINVALID with line and column,
 * WEIR_ENOMEMORY when the arena refuses. */
int weir_logql_parse(struct weir_view query, struct weir_arena *arena, struct weir_logql_expr **ret,
                     struct weir_error *reterr);
/* Only {…} with its matchers, for the series and label calls. An empty view or "{}" gives none. */
int weir_logql_parse_selector(struct weir_view query, struct weir_arena *arena,
                              struct weir_logql_log *ret, struct weir_error *reterr);

#endif
