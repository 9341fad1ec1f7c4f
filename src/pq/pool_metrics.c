/* SPDX-License-Identifier: Apache-2.0 */
#include "pq/pool_metrics.h"

#include "sql/operation.h"

static struct weir_series *series_of(struct weir_instrument *instrument, const char *name,
                                     const char *state) {
    const struct weir_attribute attrs[] = {WEIR_STR("db.client.connection.pool.name", name),
                                           WEIR_STR("db.client.connection.state", state)};
    return weir_series_get(instrument, attrs, state ? 2 : 1);
}

void weir_pq_pool_metrics_open(struct weir_pq_pool_metrics *metrics, const char *name, unsigned max,
                               unsigned idle_max) {
    struct weir_meter *meter = weir_meter_get("weir.pq", WEIR_VERSION);
    struct weir_instrument *count =
        weir_updown_get(meter, "db.client.connection.count", "{connection}",
                        "Connections of a pool, by state (used, idle).");
    metrics->used = series_of(count, name, "used");
    metrics->idle = series_of(count, name, "idle");
    metrics->max = series_of(weir_updown_get(meter, "db.client.connection.max", "{connection}",
                                             "Most connections that a pool may open."),
                             name, NULL);
    metrics->idle_max =
        series_of(weir_updown_get(meter, "db.client.connection.idle.max", "{connection}",
                                  "Most idle connections that a pool keeps."),
                  name, NULL);
    metrics->pending =
        series_of(weir_updown_get(meter, "db.client.connection.pending_requests", "{request}",
                                  "Callers that wait for a connection of a pool."),
                  name, NULL);
    metrics->timeouts =
        series_of(weir_counter_get(meter, "db.client.connection.timeouts", "{timeout}",
                                   "Callers that waited for a connection in vain."),
                  name, NULL);
    metrics->create_time = series_of(weir_histogram_get(meter, "db.client.connection.create_time",
                                                        "s", "Time to open a connection of a pool.",
                                                        weir_sql_bounds, weir_sql_bounds_count),
                                     name, NULL);
    metrics->wait_time = series_of(weir_histogram_get(meter, "db.client.connection.wait_time", "s",
                                                      "Time to get a connection from a pool.",
                                                      weir_sql_bounds, weir_sql_bounds_count),
                                   name, NULL);
    metrics->use_time =
        series_of(weir_histogram_get(meter, "db.client.connection.use_time", "s",
                                     "Time between taking a connection and giving it back.",
                                     weir_sql_bounds, weir_sql_bounds_count),
                  name, NULL);
    weir_series_add(metrics->max, max);
    weir_series_add(metrics->idle_max, idle_max);
}

void weir_pq_pool_metrics_close(struct weir_pq_pool_metrics *metrics, unsigned max,
                                unsigned idle_max) {
    weir_series_add(metrics->max, -(int64_t)max);
    weir_series_add(metrics->idle_max, -(int64_t)idle_max);
}
