/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus' HTTP API, version 1, over weir_source: what Grafana, promtool and API clients call.
 *
 *     {"status":"success","data":{"resultType":"vector","result":[…]},"warnings":[…],"infos":[…]}
 *
 * prometheus.c answers queries, prometheus_meta.c what there is to query,
 * prometheus_exemplars.c what leads to traces,
 * alerts.c tells the rules and what fires. Every route exists bare
 * and under /prometheus. `?explain=1` adds data.explain (what the query cost) and data.plan.
 *
 * Threads: handlers run on the pool. Source: Prometheus 3, "HTTP API".
 */
#ifndef WEIR_API_PROMETHEUS_H
#define WEIR_API_PROMETHEUS_H

#include "api/common.h"
#include "promql/promql.h"

/* An answer on its way: sent at once when small, streamed when large. */
struct weir_api_prometheus_answer {
    struct weir_http_request *req;
    struct weir_buf buf;
    struct weir_json_writer json;
    bool streaming, gone; /* gone: nobody reads any more */
};
/* Opens {"status":"success","data": . */
void weir_api_prometheus_begin(struct weir_api_prometheus_answer *answer,
                               struct weir_http_request *req);
/* Call between array elements: sends what is there once it is much. False: stop, nobody reads. */
bool weir_api_prometheus_more(struct weir_api_prometheus_answer *answer);
/* Closes the object and sends. */
void weir_api_prometheus_end(struct weir_api_prometheus_answer *answer);

/* {"status":"error","errorType":…,"error":…} with Prometheus' status for the code. */
void weir_api_prometheus_error(struct weir_http_request *req, const struct weir_error *err);
/* The same; `name`: the parameter that is wrong ("invalid parameter \"…\": …"), a bad_data error.
 */
void weir_api_prometheus_param_error(struct weir_http_request *req, const char *name,
                                     const struct weir_error *err);
/* {"a":"b",…} */
void weir_api_prometheus_add_labels(struct weir_json_writer *json, const struct weir_label *labels,
                                    uint32_t count);
/* Parses start, end (ms), with defaults of all time. False: the error has been sent. */
bool weir_api_prometheus_range(struct weir_http_request *req, int64_t *ret_start_ms,
                               int64_t *ret_end_ms);

/* Appends float seconds, a fraction only where there is one, as Prometheus writes them. */
void weir_api_prometheus_add_seconds(struct weir_buf *buf, int64_t time_ms);
/* The expression of the parameter `query`, in the arena. NULL: the error has been sent. */
struct weir_promql_expr *weir_api_prometheus_param_query(struct weir_http_request *req,
                                                         struct weir_arena *arena);

/* prometheus_exemplars.c */
weir_http_handler weir_api_prometheus_exemplars;

/* prometheus_meta.c */
weir_http_handler weir_api_prometheus_labels, weir_api_prometheus_values,
    weir_api_prometheus_series, weir_api_prometheus_metadata, weir_api_prometheus_buildinfo,
    weir_api_prometheus_targets, weir_api_prometheus_runtimeinfo;
/* alerts.c */
weir_http_handler weir_api_prometheus_rules, weir_api_prometheus_alerts;

#endif
