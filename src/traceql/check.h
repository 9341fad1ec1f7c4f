/* SPDX-License-Identifier: Apache-2.0 */
/* Types: what the grammar lets through and the language forbids ({ 1 }, { duration = "x" },
 * max("a") > 1, by(1), a metrics stage in the middle).
 *
 * Threads: any.
 */
#ifndef WEIR_TRACEQL_CHECK_H
#define WEIR_TRACEQL_CHECK_H

#include "traceql/ast.h"

/* Also sets query->is_metrics. Errors: WEIR_EINVALID at the place in `text`. */
int weir_traceql_check(struct weir_view text, struct weir_traceql_query *query,
                       struct weir_error *reterr);

#endif
