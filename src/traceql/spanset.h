/* SPDX-License-Identifier: Apache-2.0 */
/* A query over one whole trace: spansets, their relations, and the pipeline behind.
 *
 * Threads: owner only. Memory: the arena given.
 */
#ifndef WEIR_TRACEQL_SPANSET_H
#define WEIR_TRACEQL_SPANSET_H

#include "traceql/span.h"

struct weir_traceql_group {
    uint32_t *spans; /* indices into the trace, ascending */
    uint32_t count;
    const struct weir_traceql_expr *by; /* by(x): what it was grouped by, and its value */
    struct weir_traceql_value by_value;
};

struct weir_traceql_groups {
    struct weir_traceql_group *items;
    uint32_t count, room;
};

/* The groups of spans that the trace answers with; none: it does not match. Errors: WEIR_ENOMEMORY.
 */
int weir_traceql_match_trace(const struct weir_traceql_plan *plan,
                             const struct weir_traceql_trace *trace, struct weir_arena *arena,
                             struct weir_traceql_groups *ret, struct weir_error *reterr);

#endif
