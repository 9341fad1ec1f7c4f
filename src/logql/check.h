/* SPDX-License-Identifier: Apache-2.0 */
/* What the grammar lets through and the language forbids: selectors that match everything,
 * functions without their unwrap, groupings that a function does not take, expressions inside
 * strings.
 *
 * Threads: any.
 */
#ifndef WEIR_LOGQL_CHECK_H
#define WEIR_LOGQL_CHECK_H

#include "logql/ast.h"

/* Errors: WEIR_EINVALID at the place in `query`. The arena is for scratch. */
int weir_logql_check(struct weir_view query, const struct weir_logql_expr *expr,
                     struct weir_arena *arena, struct weir_error *reterr);
/* Only the matchers: their regular expressions; not that they exclude anything. */
int weir_logql_check_matchers(struct weir_view query, const struct weir_logql_log *log,
                              struct weir_error *reterr);

#endif
