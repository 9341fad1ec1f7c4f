/* SPDX-License-Identifier: Apache-2.0 */
/* A pool's metrics, bound to its name.
 *
 * Threads: any once opened. Memory: series live until the process ends.
 * Source: OpenTelemetry semantic conventions 1.44, database client connection pools.
 */
#ifndef WEIR_PQ_POOL_METRICS_H
#define WEIR_PQ_POOL_METRICS_H

#include "weir/metric.h"

struct weir_pq_pool_metrics {
    struct weir_series *used, *idle; /* db.client.connection.count by state */
    struct weir_series *max, *idle_max, *pending, *timeouts;
    struct weir_series *create_time, *wait_time, *use_time;
};

/* `name` is copied. */
void weir_pq_pool_metrics_open(struct weir_pq_pool_metrics *metrics, const char *name, unsigned max,
                               unsigned idle_max);
/* Takes the limits back. */
void weir_pq_pool_metrics_close(struct weir_pq_pool_metrics *metrics, unsigned max,
                                unsigned idle_max);

#endif
