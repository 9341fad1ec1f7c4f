/* SPDX-License-Identifier: Apache-2.0 */
/* Tree to text, in one spelling; parses back to the same tree.
 *
 * Threads: any.
 */
#ifndef WEIR_TRACEQL_PRINT_H
#define WEIR_TRACEQL_PRINT_H

#include "base/buf.h"
#include "traceql/ast.h"

void weir_traceql_print(const struct weir_traceql_query *query, struct weir_buf *out);
/* One field as written: "span.http.method", ".x", "duration". Also the label of a grouped series.
 */
void weir_traceql_print_field(const struct weir_traceql_field *field, struct weir_buf *out);

#endif
