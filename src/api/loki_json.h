/* SPDX-License-Identifier: Apache-2.0 */
/* Answers in Loki's JSON. Private to src/api.
 *
 * Threads: owner only.
 */
#ifndef WEIR_API_LOKI_JSON_H
#define WEIR_API_LOKI_JSON_H

#include "logql/eval.h"
#include "query/query.h"
#include "wire/json.h"

/* {"a":"b",…}; `categories`: bit per enum weir_logql_category that is wanted. */
void weir_loki_add_labels(struct weir_json_writer *w, const struct weir_logql_label *labels,
                          uint32_t count, unsigned categories);
/* [{"stream":{…},"values":[["ns","line"],…]},…]; lines of the same labels together. `categorize`:
 * streams have their stream labels only, and each value a third element with the others. */
int weir_loki_add_streams(struct weir_json_writer *w, const struct weir_logql_lines *lines,
                          bool categorize, struct weir_arena *arena);
/* resultType and result of a matrix: scalar, vector (`instant`) or matrix. */
void weir_loki_add_matrix(struct weir_json_writer *w, const struct weir_logql_matrix *matrix,
                          bool instant);
/* "stats":{…} as Grafana's inspector shows it. */
void weir_loki_add_stats(struct weir_json_writer *w, const struct weir_query *query,
                         int64_t took_ns, uint64_t entries);

#endif
