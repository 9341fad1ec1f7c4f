/* SPDX-License-Identifier: Apache-2.0 */
/* What every public HTTP API is given: the source to ask, and the limits of a question.
 *
 *     request → parameters → weir_query (deadline, budget, cancel) → language → JSON
 *
 * Each API file gives its routes; the app joins them behind one door whose ctx is a struct
 * weir_api. Handlers are blocking (they run on the pool) and answer exactly once.
 *
 * Threads: read-only after start, except the atomics.
 */
#ifndef WEIR_API_API_H
#define WEIR_API_API_H

#include <stdatomic.h>

#include "alert/engine.h"
#include "net/http.h"
#include "query/source.h"

struct weir_api {
    struct weir_source *source;       /* borrowed; answers every query */
    struct weir_alert_engine *alerts; /* borrowed; NULL: there are no rules */
    struct weir_pool *pool;   /* borrowed; may be NULL (then long work runs in the handler) */
    int64_t query_timeout_ns; /* of one question; 0 = WEIR_API_TIMEOUT_NS */
    size_t query_memory_max;  /* arena of one question; 0 = WEIR_API_MEMORY_MAX */
    uint64_t query_bytes_max; /* read from disk for one question; 0 = no limit */
    uint64_t query_rows_max;  /* rows or samples looked at; 0 = no limit */
    int64_t started_ns;       /* wall time of the start, for uptime */
    int64_t retention_ns;     /* age at which data goes, shown to clients; 0 = unknown */
    uint64_t retention_bytes; /* size above which the oldest goes; 0 = no limit */
    uint64_t memory_bytes;    /* what the server keeps within; 0 = unknown */
    atomic_bool stopping;     /* set by the app: tails and long answers end */
    atomic_uint tails_count;  /* live tails open now */
    void *app;                /* the app's own, for its routes on the same door */
};

#define WEIR_API_TIMEOUT_NS (INT64_C(60) * 1000000000)
#define WEIR_API_MEMORY_MAX ((size_t)256 << 20)

/* Each gives its route table, which lives as long as the program. */
const struct weir_http_route *weir_api_prometheus_routes(size_t *ret_count);
const struct weir_http_route *weir_api_loki_routes(size_t *ret_count);
const struct weir_http_route *weir_api_tempo_routes(size_t *ret_count);
const struct weir_http_route *weir_api_weir_routes(size_t *ret_count);
const struct weir_http_route *weir_api_admin_routes(size_t *ret_count);
/* For a door of its own. */
const struct weir_http_route *weir_api_health_routes(size_t *ret_count);

#endif
