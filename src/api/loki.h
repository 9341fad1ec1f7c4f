/* SPDX-License-Identifier: Apache-2.0 */
/* A LogQL question from its text to its answer, as loki.c and loki_meta.c ask it. Private to
 * src/api.
 *
 * Threads: the request's owner.
 */
#ifndef WEIR_API_LOKI_H
#define WEIR_API_LOKI_H

#include "api/common.h"
#include "logql/ast.h"
#include "logql/eval.h"

struct weir_loki_ask {
    struct weir_api *api;
    struct weir_http_request *req;
    struct weir_query query;
    struct weir_logql_expr *expr;
    struct weir_logql_plan plan;
    bool planned;
    int64_t begun_ns;
};

void weir_loki_ask_init(struct weir_loki_ask *ask, struct weir_api *api,
                        struct weir_http_request *req);
void weir_loki_ask_done(struct weir_loki_ask *ask);
/* Parses and plans `text`, which must live as long as the ask. Once per ask. */
int weir_loki_ask_prepare(struct weir_loki_ask *ask, struct weir_view text,
                          struct weir_error *reterr);
/* start and end of the request: the last hour by default. */
int weir_loki_param_range(const struct weir_http_request *req, int64_t *ret_start_ns,
                          int64_t *ret_end_ns, struct weir_error *reterr);

/* Handlers of loki_meta.c and loki_tail.c. */
weir_http_handler weir_loki_labels, weir_loki_label_values, weir_loki_series, weir_loki_index_stats,
    weir_loki_index_volume, weir_loki_index_volume_range, weir_loki_detected_fields,
    weir_loki_detected_labels, weir_loki_format_query, weir_loki_buildinfo,
    weir_loki_drilldown_limits, weir_loki_patterns, weir_loki_tail;

#endif
