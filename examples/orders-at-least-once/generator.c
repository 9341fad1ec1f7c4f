/* SPDX-License-Identifier: Apache-2.0 */
/* Sends orders to the topic `orders`, some of them malformed. */
#include <stdio.h>
#include <time.h>

#include "../common/example.h"

static size_t make(uint64_t *random, uint64_t n, bool is_bad, char *key, size_t key_room,
                   char *value, size_t room) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long id = (long long)now.tv_sec * 1000000000 + now.tv_nsec;
    double amount = 10 + 990 * random_unit(random);
    int product = 1 + (int)(random_next(random) % 10),
        quantity = 1 + (int)(random_next(random) % 10);
    (void)n;
    snprintf(key, key_room, "ORDER-%lld", id);
    int size = 0;
    switch (is_bad ? random_next(random) % 3 : 3) {
    case 0: size = snprintf(value, room, "ORDER-%lld;%.2f", id, amount); break;
    case 1:
        size = snprintf(
            value, room,
            "{\"order_id\":\"%s\",\"amount\":%.2f,\"product_id\":\"PROD-%03d\",\"quantity\":%d}",
            key, -amount, product, quantity);
        break;
    case 2:
        size = snprintf(
            value, room,
            "{\"order_id\":\"%s\",\"amount\":%.2f,\"product_id\":\"PROD-%03d\",\"quantity\":0}",
            key, amount, product);
        break;
    default:
        size = snprintf(
            value, room,
            "{\"order_id\":\"%s\",\"amount\":%.2f,\"product_id\":\"PROD-%03d\",\"quantity\":%d}",
            key, amount, product, quantity);
    }
    return (size_t)size;
}

int main(int argc, char **argv) {
    int64_t interval_ms = 1000;
    const char *config = NULL;
    struct generator generator = {.topic = "orders",
                                  .second_topic = "orders.dlq",
                                  .partitions = 3,
                                  .count = 10,
                                  .bad = 0.01,
                                  .seed = 1,
                                  .make = make};
    const struct option options[] = {
        {"config", OPTION_STRING, &config, "client properties file (KAFKA_PROPERTIES)"},
        {"brokers", OPTION_STRING, &generator.brokers,
         "bootstrap servers (KAFKA_BROKERS; localhost:9092)"},
        {"topic", OPTION_STRING, &generator.topic, "topic (orders)"},
        {"partitions", OPTION_INT, &generator.partitions,
         "partitions when the topic is created (3)"},
        {"count", OPTION_INT, &generator.count, "orders to send (10)"},
        {"interval", OPTION_DURATION_MS, &interval_ms, "between two orders (1000ms)"},
        {"rate", OPTION_DOUBLE, &generator.rate, "orders a second, instead of interval"},
        {"bad", OPTION_DOUBLE, &generator.bad, "share of malformed orders (0.01)"},
        {"seed", OPTION_INT, &generator.seed, "of the random numbers (1)"},
        {"forever", OPTION_FLAG, &generator.forever, "send until SIGTERM"},
        {NULL, OPTION_FLAG, NULL, NULL}};
    options_read(argc, argv, "sends orders to Kafka", options);
    if (generator.rate == 0 && interval_ms) generator.rate = 1000.0 / (double)interval_ms;
    generator.properties_file = config;
    example_start("kafka-at-least-once-generator");
    int code = generate(&generator);
    example_end();
    return code;
}
