/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of Tempo's API share. Private to src/api.
 *
 * Threads: the request's owner.
 */
#ifndef WEIR_API_TEMPO_H
#define WEIR_API_TEMPO_H

#include "api/common.h"
#include "traceql/eval.h"

/* Plain text with the error's status, as Tempo answers. */
void weir_tempo_reply_error(struct weir_http_request *req, const struct weir_error *err);
/* Parses and plans; on success the plan must be done. */
int weir_tempo_prepare(struct weir_view text, struct weir_query *query,
                       struct weir_traceql_plan *plan, struct weir_traceql_query **ret,
                       struct weir_error *reterr);
/* {"traces":[…],"metrics":{…}}, at most `spss` spans per spanset. */
void weir_tempo_add_search(struct weir_buf *out, const struct weir_traceql_plan *plan,
                           const struct weir_traceql_results *results, uint32_t spss,
                           struct weir_query *query, bool explain);
/* {"series":[…],"metrics":{…}} */
void weir_tempo_add_metrics(struct weir_buf *out, const struct weir_traceql_matrix *matrix,
                            bool instant, struct weir_query *query, bool explain);

/* Handlers of tempo_tags.c. */
weir_http_handler weir_tempo_tags, weir_tempo_tags_v2, weir_tempo_values, weir_tempo_values_v2;

#endif
