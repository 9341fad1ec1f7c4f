/* SPDX-License-Identifier: Apache-2.0 */
/* One span as the evaluation sees it, and the trace around it.
 *
 * Threads: owner only. Memory: a span read from a block borrows from it; a trace's spans lie in an
 * arena.
 */
#ifndef WEIR_TRACEQL_SPAN_H
#define WEIR_TRACEQL_SPAN_H

#include "traceql/plan.h"

#define WEIR_TRACEQL_NO_SPAN UINT32_MAX

struct weir_traceql_trace;

struct weir_traceql_span {
    const uint8_t *trace_id, *span_id; /* span_id NULL when it was not read */
    const uint8_t *parent_id;          /* NULL for a root or when it was not read */
    int64_t start_ns, duration_ns, kind, status;
    struct weir_view name, status_message, scope_name, scope_version, service;
    struct weir_view events, links;  /* encoded, as the source gives them */
    const struct weir_value *values; /* per slot of the plan */
    /* Within a whole trace. */
    const struct weir_traceql_trace *trace; /* NULL while the span stands alone */
    bool is_alone; /* and always will (metrics): nestedSetParent of a child is then just positive */
    uint32_t index, parent; /* in trace->spans; parent NO_SPAN for roots and orphans */
    int32_t nested_left, nested_right;
    uint32_t child_count;
};

struct weir_traceql_trace {
    uint8_t id[16];
    struct weir_traceql_span *spans; /* by start time */
    uint32_t count, room;
    uint32_t root; /* NO_SPAN while the root has not arrived */
    int64_t start_ns, end_ns;
};

/* Fills `span` from a row; `values` has room for the plan's slots. */
void weir_traceql_span_read(const struct weir_traceql_plan *plan,
                            const struct weir_traceql_layout *layout,
                            const struct weir_block *block, uint32_t row, struct weir_value *values,
                            struct weir_traceql_span *span);
/* A copy of the span with everything it refers to; false when the arena refuses. */
bool weir_traceql_span_copy(const struct weir_traceql_plan *plan,
                            const struct weir_traceql_span *span, struct weir_arena *arena,
                            struct weir_traceql_span *ret);
/* Sorts the spans, drops doubles, finds parents, root and nested-set numbers. False: out of memory.
 */
bool weir_traceql_trace_link(struct weir_traceql_trace *trace, struct weir_arena *arena);

/* The value of an expression for one span. */
struct weir_traceql_value weir_traceql_evaluate(const struct weir_traceql_plan *plan,
                                                const struct weir_traceql_expr *expr,
                                                const struct weir_traceql_span *span);
/* What a filter says: 1 yes, 0 no, -1 only the whole trace can tell. NULL is {}. */
int weir_traceql_accepts(const struct weir_traceql_plan *plan,
                         const struct weir_traceql_expr *filter,
                         const struct weir_traceql_span *span);
/* One field. */
struct weir_traceql_value weir_traceql_field_value(const struct weir_traceql_plan *plan,
                                                   const struct weir_traceql_field *field,
                                                   const struct weir_traceql_span *span);
/* Applies an operator to two values. */
struct weir_traceql_value weir_traceql_apply(enum weir_traceql_op op,
                                             struct weir_traceql_value left,
                                             struct weir_traceql_value right,
                                             const struct weir_regex *regex, bool loose);
/* As a number: false when it is none. Durations in ns. */
bool weir_traceql_to_number(const struct weir_traceql_value *value, double *ret);
/* As the text of a label or group: "error", "12", "1.5", the string. Arena for what must be made.
 */
struct weir_view weir_traceql_to_text(const struct weir_traceql_value *value,
                                      struct weir_arena *arena);

#endif
