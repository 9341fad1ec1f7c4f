/* SPDX-License-Identifier: Apache-2.0 */
/* Sends metric readings to the topic `metrics`, some of them malformed. */
#include <stdio.h>

#include "../common/example.h"

static const char *const names[] = {"cpu_usage",   "memory_usage", "disk_io_read",  "disk_io_write",
                                    "network_in",  "network_out",  "request_count", "error_count",
                                    "latency_p50", "latency_p99"};
static const char *const hosts[] = {"host-01", "host-02", "host-03", "host-04", "host-05"};
static const char *const regions[] = {"us-east-1", "us-west-2", "eu-west-1"};

/* Malformed ones: not JSON at all, no name, no timestamp. */
static size_t make(uint64_t *random, uint64_t n, bool is_bad, char *key, size_t key_room,
                   char *value, size_t room) {
    (void)n, (void)key, (void)key_room;
    const char *name = names[random_next(random) % 10];
    const char *host = hosts[random_next(random) % 5], *region = regions[random_next(random) % 3];
    double number = random_unit(random) * 100;
    long long timestamp = now_ms();
    int size = 0;
    switch (is_bad ? random_next(random) % 3 : 3) {
    case 0: size = snprintf(value, room, "{\"name\":\"%s\",\"value\":%.2f", name, number); break;
    case 1:
        size =
            snprintf(value, room, "{\"name\":\"\",\"value\":%.2f,\"timestamp\":%lld,\"tags\":{}}",
                     number, timestamp);
        break;
    case 2:
        size = snprintf(value, room, "{\"name\":\"%s\",\"value\":%.2f,\"timestamp\":0,\"tags\":{}}",
                        name, number);
        break;
    default:
        size = snprintf(value, room,
                        "{\"name\":\"%s\",\"value\":%.2f,\"timestamp\":%lld,"
                        "\"tags\":{\"host\":\"%s\",\"region\":\"%s\"}}",
                        name, number, timestamp, host, region);
    }
    return (size_t)size;
}

int main(int argc, char **argv) {
    struct generator generator = {.topic = "metrics",
                                  .partitions = 3,
                                  .duration_ms = 10000,
                                  .bad = 0.01,
                                  .seed = 1,
                                  .make = make};
    const struct option options[] = {
        {"brokers", OPTION_STRING, &generator.brokers,
         "bootstrap servers (KAFKA_BROKERS; localhost:9092)"},
        {"topic", OPTION_STRING, &generator.topic, "topic (metrics)"},
        {"partitions", OPTION_INT, &generator.partitions,
         "partitions when the topic is created (3)"},
        {"duration", OPTION_DURATION_MS, &generator.duration_ms, "how long to send (10s)"},
        {"rate", OPTION_DOUBLE, &generator.rate, "messages a second (0: as fast as possible)"},
        {"bad", OPTION_DOUBLE, &generator.bad, "share of malformed messages (0.01)"},
        {"seed", OPTION_INT, &generator.seed, "of the random numbers (1)"},
        {"forever", OPTION_FLAG, &generator.forever, "send until SIGTERM"},
        {NULL, OPTION_FLAG, NULL, NULL}};
    options_read(argc, argv, "sends metric readings to Kafka", options);
    example_start("kafka-at-most-once-generator");
    int code = generate(&generator);
    example_end();
    return code;
}
