/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes for functions that must see every row; inside of src/promql only.
 *
 * Each takes an input node and gives a node with that input, or NULL when out of memory (told).
 * Scalar arguments are added as further inputs by the planner.
 *
 * Threads, memory: as promql/eval.h.
 */
#ifndef WEIR_PROMQL_SPECIAL_H
#define WEIR_PROMQL_SPECIAL_H

#include "promql/eval.h"

/* Rows without __name__; merged where that makes labels equal. */
struct weir_promql_node *weir_promql_nameless_new(struct weir_promql_node *input);
/* 1 at each step at which no row of `input` has a value. `arg`: what absent() was called on. */
struct weir_promql_node *weir_promql_absent_new(struct weir_promql_node *input,
                                                const struct weir_promql_expr *arg);
/* sort, sort_desc, sort_by_label, sort_by_label_desc. */
struct weir_promql_node *weir_promql_sort_new(struct weir_promql_node *input,
                                              const struct weir_promql_expr *call);
/* histogram_quantile, histogram_fraction. */
struct weir_promql_node *weir_promql_histograms_new(struct weir_promql_node *input, bool fraction);

#endif
