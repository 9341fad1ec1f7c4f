/* SPDX-License-Identifier: Apache-2.0 */
/* Processes orders at least once: handled first, then committed. A malformed order goes to
 * orders.dlq; one that comes a second time is skipped. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../common/example.h"
#include "../common/json.h"
#include "weir/log.h"
#include "weir/runner.h"

#define SEEN_MAX                                                                                   \
    65536 /* order ids that are remembered: a duplicate comes soon, or after a restart */

struct order {
    char order_id[64], product_id[64];
    double amount, quantity;
};

struct processor {
    struct weir_logger *logger;
    double work;             /* 1: 50 to 250 ms an order */
    pthread_mutex_t mutex;   /* guards seen */
    uint64_t seen[SEEN_MAX]; /* hashes of processed ids, by their low bits */
};

static void read_field(void *arg, const struct json_field *field) {
    struct order *order = arg;
    if (!strcmp(field->name, "order_id") && field->type == JSON_STRING)
        snprintf(order->order_id, sizeof order->order_id, "%.63s", field->str);
    else if (!strcmp(field->name, "product_id") && field->type == JSON_STRING)
        snprintf(order->product_id, sizeof order->product_id, "%.63s", field->str);
    else if (!strcmp(field->name, "amount") && field->type == JSON_NUMBER)
        order->amount = field->number;
    else if (!strcmp(field->name, "quantity") && field->type == JSON_NUMBER)
        order->quantity = field->number;
}

/* NULL, or what is wrong with it. */
static const char *parse(const struct weir_message *message, struct order *order) {
    memset(order, 0, sizeof *order);
    if (!json_walk(message->value, message->value_size, read_field, order))
        return "not a JSON object";
    if (!order->order_id[0]) return "order_id is required";
    if (!order->product_id[0]) return "product_id is required";
    if (order->amount <= 0) return "amount must be positive";
    if (order->quantity <= 0) return "quantity must be positive";
    return NULL;
}

static uint64_t hash_of(const char *text) { /* FNV-1a */
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static bool was_seen(struct processor *processor, uint64_t hash) {
    pthread_mutex_lock(&processor->mutex);
    bool seen = processor->seen[hash % SEEN_MAX] == hash;
    pthread_mutex_unlock(&processor->mutex);
    return seen;
}

static void remember(struct processor *processor, uint64_t hash) {
    pthread_mutex_lock(&processor->mutex);
    processor->seen[hash % SEEN_MAX] = hash;
    pthread_mutex_unlock(&processor->mutex);
}

/* Stands for what a real processor would do. */
static void work(const struct processor *processor, const struct weir_message *message) {
    uint64_t random = (uint64_t)message->offset * 2654435761u + (uint64_t)message->partition + 1;
    random_next(&random);
    sleep_ms((50 + 200 * random_unit(&random)) * processor->work);
}

static enum weir_result handle(void *arg, struct weir_message *message, struct weir_task *task) {
    struct processor *processor = arg;
    struct order order;
    const char *fault = parse(message, &order);
    if (fault) {
        weir_task_fail(task, "ValidationError", fault);
        struct weir_attribute attrs[] = {WEIR_STR("error", fault),
                                         WEIR_STR("error.type", "ValidationError"),
                                         WEIR_INT("messaging.kafka.offset", message->offset)};
        weir_logger_log(processor->logger, WEIR_SEVERITY_ERROR, "failed to process kafka message",
                        attrs, 3);
        return WEIR_TASK_REJECT;
    }
    struct weir_attribute attrs[] = {
        WEIR_STR("order_id", order.order_id), WEIR_DOUBLE("amount", order.amount),
        WEIR_STR("product_id", order.product_id), WEIR_INT("quantity", (int64_t)order.quantity)};
    weir_span_set_all(weir_task_span(task), attrs, 4);
    uint64_t hash = hash_of(order.order_id);
    if (was_seen(processor, hash)) {
        weir_logger_log(processor->logger, WEIR_SEVERITY_INFO, "skipping duplicate order", attrs,
                        1);
        return WEIR_TASK_SKIP;
    }
    weir_logger_log(processor->logger, WEIR_SEVERITY_INFO, "processing order", attrs, 4);
    work(processor, message);
    remember(processor, hash);
    weir_logger_log(processor->logger, WEIR_SEVERITY_INFO, "order processed successfully", attrs,
                    1);
    return WEIR_TASK_OK;
}

int main(int argc, char **argv) {
    static struct processor processor = {.work = 0.4, .mutex = PTHREAD_MUTEX_INITIALIZER};
    struct weir_runner_options runner_options = {.struct_size = sizeof runner_options,
                                                 .handler = handle,
                                                 .arg = &processor,
                                                 .semantics = WEIR_AT_LEAST_ONCE,
                                                 .handle_signals = true};
    int64_t workers = 0;
    const struct option options[] = {
        {"brokers", OPTION_STRING, &runner_options.kafka.brokers,
         "bootstrap servers (KAFKA_BROKERS; localhost:9092)"},
        {"topic", OPTION_STRING, &runner_options.topic, "topic (KAFKA_TOPIC; orders)"},
        {"group", OPTION_STRING, &runner_options.kafka.group_id,
         "consumer group (KAFKA_GROUP_ID; order-processor)"},
        {"work", OPTION_DOUBLE, &processor.work,
         "simulated work: 1 is 50 to 250 ms an order (0.4)"},
        {"workers", OPTION_INT, &workers, "threads (8)"},
        {NULL, OPTION_FLAG, NULL, NULL}};
    options_read(argc, argv, "processes orders at least once", options);
    if (!runner_options.topic) runner_options.topic = example_variable("KAFKA_TOPIC", "orders");
    if (!runner_options.kafka.group_id)
        runner_options.kafka.group_id = example_variable("KAFKA_GROUP_ID", "order-processor");
    runner_options.workers = (unsigned)workers;
    example_start("kafka-at-least-once-example");
    processor.logger = weir_logger_get("order-processor", NULL);
    int code = example_run(&runner_options);
    example_end();
    return code;
}
