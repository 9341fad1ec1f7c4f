/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a planned LogQL query against a source.
 *
 *     log query     → the first or last `limit` lines, in order
 *     metric query  → a matrix: series × steps; windows are (t − range, t]
 *
 * Metric labels are all labels of a line, structured metadata included, unless an aggregation says
 * otherwise; `sum by (…)` over counts is done while reading, so that ids in metadata cost nothing.
 *
 * Threads: owner only. Memory: answers lie in the query's arena.
 */
#ifndef WEIR_LOGQL_EVAL_H
#define WEIR_LOGQL_EVAL_H

#include "logql/labels.h"
#include "logql/plan.h"

enum {
    WEIR_LOGQL_STEPS_MAX = 11000,  /* points of one series, as in Loki */
    WEIR_LOGQL_SERIES_MAX = 20000, /* series of one aggregation */
};

struct weir_logql_options {
    int64_t start_ns,
        end_ns; /* logs: start ≤ time < end; metrics: steps start, start + step, … ≤ end */
    int64_t step_ns; /* metrics over a range; instant queries have start = end and step 0 */
    uint32_t limit;  /* logs */
    bool forward;    /* logs: the oldest first */
};

struct weir_logql_line {
    int64_t time_ns;
    struct weir_view line;
    const struct weir_logql_label *labels; /* sorted by name */
    uint32_t labels_count;
};

struct weir_logql_lines {
    struct weir_logql_line *items; /* in the asked order */
    uint32_t count;
};

/* A value that is not there, among a series' values. */
#define WEIR_LOGQL_ABSENT_BITS UINT64_C(0x7ff0000000000002)
bool weir_logql_is_absent(double value);
double weir_logql_absent(void);

struct weir_logql_series {
    const struct weir_logql_label *labels; /* sorted by name */
    uint32_t labels_count;
    double *values; /* one per step */
};

struct weir_logql_matrix {
    struct weir_logql_series *series;
    uint32_t count, room;
    int64_t start_ns, step_ns;
    uint32_t steps;
    bool is_scalar; /* one series without labels that is a plain number */
    bool is_sorted; /* the order of the series means something */
};

int weir_logql_eval_lines(struct weir_source *source, struct weir_query *query,
                          const struct weir_logql_plan *plan, const struct weir_logql_expr *expr,
                          const struct weir_logql_options *options, struct weir_logql_lines *ret,
                          struct weir_error *reterr);
int weir_logql_eval_matrix(struct weir_source *source, struct weir_query *query,
                           const struct weir_logql_plan *plan, const struct weir_logql_expr *expr,
                           const struct weir_logql_options *options, struct weir_logql_matrix *ret,
                           struct weir_error *reterr);

/* Copies a line's labels, sorted, into the arena; `skip` (may be NULL) is left out. */
int weir_logql_labels_freeze(const struct weir_logql_labels *labels, const struct weir_view *skip,
                             struct weir_arena *arena, const struct weir_logql_label **ret,
                             uint32_t *ret_count);

#endif
