/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the evaluation share. Private to logql. */
#ifndef WEIR_LOGQL_EVALUATION_H
#define WEIR_LOGQL_EVALUATION_H

#include "base/map.h"
#include "logql/eval.h"

struct weir_logql_evaluation {
    struct weir_source *source;
    struct weir_query *query;
    struct weir_arena *arena;
    const struct weir_logql_plan *plan;
    int64_t start_ns, step_ns;
    uint32_t steps;
    struct weir_error *reterr;
};

/* Any numeric node. */
int weir_logql_evaluate(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                        struct weir_logql_matrix *ret);
/* RANGE_AGG; `by` (may be NULL) is the grouping of a sum around it that may be done on the way. */
int weir_logql_evaluate_range(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                              const struct weir_logql_grouping *by, struct weir_logql_matrix *ret);
/* True when `sum by (…)` around this node may be pushed into it. */
bool weir_logql_range_takes_sum(const struct weir_logql_expr *expr);
int weir_logql_evaluate_vector_agg(struct weir_logql_evaluation *e,
                                   const struct weir_logql_expr *expr,
                                   struct weir_logql_matrix *ret);
int weir_logql_evaluate_binary(struct weir_logql_evaluation *e, const struct weir_logql_expr *expr,
                               struct weir_logql_matrix *ret);

/* An empty matrix with the evaluation's steps. */
struct weir_logql_matrix weir_logql_matrix_new(const struct weir_logql_evaluation *e);
/* A new series with every value absent; NULL: out of memory or over the limit (reterr is set). */
struct weir_logql_series *weir_logql_matrix_add(struct weir_logql_evaluation *e,
                                                struct weir_logql_matrix *matrix,
                                                const struct weir_logql_label *labels,
                                                uint32_t count);
/* The labels that a grouping leaves over, in `arena`. */
int weir_logql_group(const struct weir_logql_grouping *by, const struct weir_logql_label *labels,
                     uint32_t count, struct weir_arena *arena, struct weir_logql_label **ret,
                     uint32_t *ret_count);
/* A key that equal label sets share. */
struct weir_view weir_logql_labels_key(const struct weir_logql_label *labels, uint32_t count,
                                       struct weir_arena *arena);
int weir_logql_out_of_memory(struct weir_logql_evaluation *e);
/* The value at quantile q of sorted numbers, interpolated as Prometheus does. */
double weir_logql_quantile(double q, const double *sorted, size_t count);

#endif
