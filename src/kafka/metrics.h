/* SPDX-License-Identifier: Apache-2.0 */
/* The instruments of Kafka clients: names, units, buckets. Made once per process.
 *
 * Threads: any.
 * Source: OpenTelemetry semantic conventions 1.44, messaging metrics; the weir.* ones are ours.
 */
#ifndef WEIR_KAFKA_METRICS_H
#define WEIR_KAFKA_METRICS_H

#include "weir/metric.h"

enum weir_kafka_metric {
    /* with an operation: several rows share an instrument */
    WEIR_KAFKA_SEND_DURATION,
    WEIR_KAFKA_POLL_DURATION,
    WEIR_KAFKA_COMMIT_DURATION,
    WEIR_KAFKA_SENT,
    WEIR_KAFKA_CONSUMED,
    WEIR_KAFKA_PROCESS_DURATION,
    WEIR_KAFKA_EDGE_DURATION,
    WEIR_KAFKA_ORIGIN_DURATION,
    WEIR_KAFKA_COMMITS,
    /* observed */
    WEIR_KAFKA_LAG,
    WEIR_KAFKA_LAG_TIME,
    WEIR_KAFKA_CONNECTED,
    WEIR_KAFKA_QUEUE,
    WEIR_KAFKA_THROTTLE,
    WEIR_KAFKA_IO,
    /* by client */
    WEIR_KAFKA_REBALANCES,
    WEIR_KAFKA_CONSUMERS_UNOBSERVED,
    WEIR_KAFKA_REQUEST_DURATION,
    WEIR_KAFKA_UNOBSERVED,
    WEIR_KAFKA_METRIC_COUNT
};

#define WEIR_KAFKA_SCOPE "weir.kafka"

/* NULL (a fine instrument) only when memory is out. */
struct weir_instrument *weir_kafka_instrument_get(enum weir_kafka_metric metric);
/* messaging.operation.name and .type of the metric; NULL where it has none. */
const char *weir_kafka_metric_operation(enum weir_kafka_metric metric);
const char *weir_kafka_metric_operation_type(enum weir_kafka_metric metric);
/* The buckets of every duration, in seconds. */
extern const double weir_kafka_bounds[];
extern const size_t weir_kafka_bounds_count;

#endif
