/* SPDX-License-Identifier: Apache-2.0 */
/* The names of LogQL's functions and operators, and what each one allows.
 *
 * Threads: any.
 */
#ifndef WEIR_LOGQL_FUNCTIONS_H
#define WEIR_LOGQL_FUNCTIONS_H

#include "logql/ast.h"

enum weir_logql_func_flags {
    WEIR_LOGQL_FUNC_RANGE = 1, /* over a range of lines; else over series */
    WEIR_LOGQL_FUNC_NEEDS_UNWRAP = 2,
    WEIR_LOGQL_FUNC_TAKES_UNWRAP = 4, /* with or without */
    WEIR_LOGQL_FUNC_GROUPS = 8,       /* takes by / without */
    WEIR_LOGQL_FUNC_PARAM = 16,       /* wants a number first */
};

struct weir_logql_func_info {
    const char *name;
    enum weir_logql_func func;
    unsigned flags;
};

/* By name, NULL when there is none. */
const struct weir_logql_func_info *weir_logql_func_find(struct weir_view name);
/* By number; never NULL for a real function. */
const struct weir_logql_func_info *weir_logql_func_get(enum weir_logql_func func);
/* The nearest name for "did you mean", or NULL. */
const char *weir_logql_func_nearest(struct weir_view name);

/* Binary operators: the sign as printed; binding strength (6 = ^, tightest); "" and 0 for others.
 */
const char *weir_logql_op_sign(enum weir_logql_op op);
int weir_logql_op_strength(enum weir_logql_op op);
bool weir_logql_op_is_comparison(enum weir_logql_op op);
bool weir_logql_op_is_set(enum weir_logql_op op); /* and, or, unless */

#endif
