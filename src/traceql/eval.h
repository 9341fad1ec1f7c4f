/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a planned TraceQL query against a source.
 *
 *   search    1. spans that some filter accepts, newest first, give candidate traces
 *             2. candidates are fetched whole and asked the whole query
 *   metrics   spans stream by once; each counts in the interval (t − step, t] of its start
 *
 * Threads: owner only. Memory: answers lie in the query's arena.
 */
#ifndef WEIR_TRACEQL_EVAL_H
#define WEIR_TRACEQL_EVAL_H

#include "traceql/spanset.h"

enum {
    WEIR_TRACEQL_INTERVALS_MAX = 11000,
    WEIR_TRACEQL_SERIES_MAX = 5000,
    WEIR_TRACEQL_TRACE_SPANS_MAX = 200000, /* spans of one trace; more are left out */
};

struct weir_traceql_options {
    int64_t start_ns, end_ns; /* search: start ≤ time < end; metrics: (start, end] */
    int64_t step_ns;          /* metrics: 0 = one interval */
    uint32_t limit;           /* search: traces */
};

struct weir_traceql_result {
    struct weir_traceql_trace *trace;
    struct weir_traceql_groups groups;
};

struct weir_traceql_results {
    struct weir_traceql_result *items; /* newest trace first */
    uint32_t count, room;
    uint64_t inspected_count; /* candidate traces looked at */
};

int weir_traceql_search(struct weir_source *source, struct weir_query *query,
                        const struct weir_traceql_plan *plan,
                        const struct weir_traceql_options *options,
                        struct weir_traceql_results *ret, struct weir_error *reterr);

struct weir_traceql_label {
    struct weir_view name;
    struct weir_traceql_value value;
};

struct weir_traceql_series {
    struct weir_traceql_label *labels;
    uint32_t labels_count;
    double *values; /* per interval; NaN where there is none */
};

struct weir_traceql_matrix {
    struct weir_traceql_series *series;
    uint32_t count, room;
    int64_t start_ns, step_ns; /* interval i ends at start + (i + 1) × step */
    uint32_t intervals;
};

int weir_traceql_metrics(struct weir_source *source, struct weir_query *query,
                         const struct weir_traceql_plan *plan,
                         const struct weir_traceql_options *options,
                         struct weir_traceql_matrix *ret, struct weir_error *reterr);

#endif
