/* SPDX-License-Identifier: Apache-2.0 */
/* Tree to text, on one line, in one spelling; parses back to the same tree.
 *
 * Threads: any.
 */
#ifndef WEIR_LOGQL_PRINT_H
#define WEIR_LOGQL_PRINT_H

#include "base/buf.h"
#include "logql/ast.h"

void weir_logql_print(const struct weir_logql_expr *expr, struct weir_buf *out);
/* Only {a="b", …}. */
void weir_logql_print_matchers(const struct weir_logql_log *log, struct weir_buf *out);
/* A string as LogQL reads it, in double quotes. */
void weir_logql_print_string(struct weir_view str, struct weir_buf *out);

#endif
