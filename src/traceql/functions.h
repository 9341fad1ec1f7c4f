/* SPDX-License-Identifier: Apache-2.0 */
/* The names of TraceQL's intrinsics, constants, aggregates and metrics.
 *
 * Threads: any.
 */
#ifndef WEIR_TRACEQL_FUNCTIONS_H
#define WEIR_TRACEQL_FUNCTIONS_H

#include "traceql/ast.h"

struct weir_traceql_intrinsic_info {
    const char *name; /* as written: "duration", "span:duration" */
    enum weir_traceql_intrinsic intrinsic;
    enum weir_traceql_type type;
};

/* By name; the first entry of an intrinsic is how it is printed. NULL when there is none. */
const struct weir_traceql_intrinsic_info *weir_traceql_intrinsic_find(struct weir_view name);
const struct weir_traceql_intrinsic_info *weir_traceql_intrinsic_get(
    enum weir_traceql_intrinsic intrinsic);
/* All of them, for completion; false past the last. */
bool weir_traceql_intrinsic_at(size_t index, const struct weir_traceql_intrinsic_info **ret);
/* The nearest name, or NULL. */
const char *weir_traceql_name_nearest(struct weir_view name);

/* true, false, nil, ok, error, unset, server, …; false when it is none. */
bool weir_traceql_constant_find(struct weir_view name, struct weir_traceql_value *ret);
/* "error", "server", …: the word of a STATUS or KIND value. */
const char *weir_traceql_status_name(int64_t status);
const char *weir_traceql_kind_name(int64_t kind);

bool weir_traceql_aggregate_find(struct weir_view name, enum weir_traceql_aggregate *ret);
const char *weir_traceql_aggregate_name(enum weir_traceql_aggregate aggregate);
bool weir_traceql_metric_find(struct weir_view name, enum weir_traceql_metric *ret);
const char *weir_traceql_metric_name(enum weir_traceql_metric metric);

const char *weir_traceql_op_sign(enum weir_traceql_op op);
/* How tightly a binary operator binds, 1 (&& and ||, alike as in Tempo) … 5 (^); 0 for others. */
int weir_traceql_op_strength(enum weir_traceql_op op);
static inline bool weir_traceql_op_is_comparison(enum weir_traceql_op op) {
    return op >= WEIR_TRACEQL_OP_EQ && op <= WEIR_TRACEQL_OP_LE;
}

#endif
