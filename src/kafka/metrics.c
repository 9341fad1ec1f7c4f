/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/metrics.h"

#include <pthread.h>

#include "weir/version.h"

const double weir_kafka_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                    0.5,   0.75, 1,     2.5,  5,     7.5, 10};
const size_t weir_kafka_bounds_count = sizeof weir_kafka_bounds / sizeof weir_kafka_bounds[0];

/* From the sender's clock to here: clocks differ and queues may be long. */
static const double edge_bounds[] = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                     1,     2.5,   5,    10,    30,   60,  300,  3600};

#define DURATION WEIR_INSTRUMENT_HISTOGRAM
#define COUNTER  WEIR_INSTRUMENT_COUNTER
#define OBSERVED WEIR_INSTRUMENT_OBSERVABLE_GAUGE

/* clang-format off */
static const struct row {
    const char *name, *unit, *description, *operation, *operation_type;
    enum weir_instrument_type type;
} rows[WEIR_KAFKA_METRIC_COUNT] = {
    [WEIR_KAFKA_SEND_DURATION] = {"messaging.client.operation.duration", "s",
        "Duration of messaging operations of a client.", "send", "send", DURATION},
    [WEIR_KAFKA_POLL_DURATION] = {"messaging.client.operation.duration", "s",
        "Duration of messaging operations of a client.", "poll", "receive", DURATION},
    [WEIR_KAFKA_COMMIT_DURATION] = {"messaging.client.operation.duration", "s",
        "Duration of messaging operations of a client.", "commit", "settle", DURATION},
    [WEIR_KAFKA_SENT] = {"messaging.client.sent.messages", "{message}",
        "Messages that the client tried to send.", "send", NULL, COUNTER},
    [WEIR_KAFKA_CONSUMED] = {"messaging.client.consumed.messages", "{message}",
        "Messages that were delivered to the application.", "poll", NULL, COUNTER},
    [WEIR_KAFKA_PROCESS_DURATION] = {"messaging.process.duration", "s",
        "Duration of the processing of a message.", "process", NULL, DURATION},
    [WEIR_KAFKA_EDGE_DURATION] = {"weir.kafka.message.edge.duration", "s",
        "From a record's timestamp to its arrival in the application, of all messages.", NULL, NULL,
        DURATION},
    [WEIR_KAFKA_ORIGIN_DURATION] = {"weir.kafka.message.origin.duration", "s",
        "From the first send of a message's story to the end of its processing.", NULL, NULL,
        DURATION},
    [WEIR_KAFKA_COMMITS] = {"weir.kafka.commits", "{commit}", "Offset commits that were answered.",
        NULL, NULL, COUNTER},
    [WEIR_KAFKA_LAG] = {"weir.kafka.consumer.lag", "{message}",
        "Records between the group's committed offset and the end of the partition.", NULL, NULL,
        OBSERVED},
    [WEIR_KAFKA_LAG_TIME] = {"weir.kafka.consumer.lag.time", "s",
        "Age of the record that was taken last, while there are newer ones; else 0.", NULL, NULL,
        OBSERVED},
    [WEIR_KAFKA_CONNECTED] = {"weir.kafka.broker.connected", "{connection}",
        "1 while the client reaches a broker, idle or not; 0 while it reaches none.", NULL, NULL,
        OBSERVED},
    [WEIR_KAFKA_QUEUE] = {"weir.kafka.producer.queue", "{message}",
        "Messages that wait in the producer for their acknowledgement.", NULL, NULL, OBSERVED},
    [WEIR_KAFKA_THROTTLE] = {"weir.kafka.broker.throttle", "s",
        "Longest delay that a broker has lately imposed on the client's requests.", NULL, NULL,
        OBSERVED},
    [WEIR_KAFKA_IO] = {"weir.kafka.client.io", "By",
        "Bytes that the client has sent to and received from brokers.", NULL, NULL,
        WEIR_INSTRUMENT_OBSERVABLE_COUNTER},
    [WEIR_KAFKA_REBALANCES] = {"weir.kafka.rebalances", "{rebalance}",
        "Changes of the consumer's assignment.", NULL, NULL, COUNTER},
    [WEIR_KAFKA_UNOBSERVED] = {"weir.kafka.sends.unobserved", "{message}",
        "Sends whose span or header was left out, by reason.", NULL, NULL, COUNTER},
    [WEIR_KAFKA_CONSUMERS_UNOBSERVED] = {"weir.kafka.consumers.unobserved", "{consumer}",
        "Share consumers, which librdkafka lets nobody observe.", NULL, NULL, COUNTER},
    [WEIR_KAFKA_REQUEST_DURATION] = {"weir.kafka.broker.request.duration", "s",
        "Round trips of requests to brokers.", NULL, NULL, DURATION},
};
/* clang-format on */

static struct weir_instrument *instruments[WEIR_KAFKA_METRIC_COUNT];

static void make(void) {
    struct weir_meter *meter = weir_meter_get(WEIR_KAFKA_SCOPE, WEIR_VERSION);
    for (int i = 0; i < WEIR_KAFKA_METRIC_COUNT; i++) {
        const struct row *row = &rows[i];
        struct weir_instrument_options options = {.struct_size = sizeof options};
        if (i == WEIR_KAFKA_EDGE_DURATION || i == WEIR_KAFKA_ORIGIN_DURATION) {
            options.bounds = edge_bounds;
            options.bounds_count = sizeof edge_bounds / sizeof edge_bounds[0];
        } else if (row->type == DURATION) {
            options.bounds = weir_kafka_bounds;
            options.bounds_count = weir_kafka_bounds_count;
        }
        instruments[i] =
            weir_instrument_get(meter, row->type, row->name, row->unit, row->description, &options);
    }
}

struct weir_instrument *weir_kafka_instrument_get(enum weir_kafka_metric metric) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make);
    return instruments[metric];
}

const char *weir_kafka_metric_operation(enum weir_kafka_metric metric) {
    return rows[metric].operation;
}

const char *weir_kafka_metric_operation_type(enum weir_kafka_metric metric) {
    return rows[metric].operation_type;
}
