/* SPDX-License-Identifier: Apache-2.0 */
/* Processes metric readings at most once: committed first, then handled; what fails is lost,
 * counted, and seen. */
#include <stdio.h>
#include <string.h>

#include "../common/example.h"
#include "../common/json.h"
#include "weir/log.h"
#include "weir/runner.h"

#define TAGS_MAX 16

struct reading {
    char name[128];
    double value;
    int64_t timestamp;
    struct {
        char key[160], value[256];
    } tags[TAGS_MAX]; /* key: "tags." and the tag's name */
    size_t tags_count;
};

struct processor {
    struct weir_logger *logger;
    double work; /* 1: 50 to 250 ms a message */
};

static void read_tag(void *arg, const struct json_field *field) {
    struct reading *reading = arg;
    if (field->type != JSON_STRING || reading->tags_count == TAGS_MAX) return;
    size_t i = reading->tags_count++;
    snprintf(reading->tags[i].key, sizeof reading->tags[i].key, "tags.%s", field->name);
    snprintf(reading->tags[i].value, sizeof reading->tags[i].value, "%.255s", field->str);
}

static void read_field(void *arg, const struct json_field *field) {
    struct reading *reading = arg;
    if (!strcmp(field->name, "name") && field->type == JSON_STRING)
        snprintf(reading->name, sizeof reading->name, "%.127s", field->str);
    else if (!strcmp(field->name, "value") && field->type == JSON_NUMBER)
        reading->value = field->number;
    else if (!strcmp(field->name, "timestamp") && field->type == JSON_NUMBER)
        reading->timestamp = (int64_t)field->number;
    else if (!strcmp(field->name, "tags") && field->type == JSON_OBJECT)
        json_walk(field->text, field->size, read_tag, reading);
}

/* NULL, or what is wrong with it. */
static const char *parse(const struct weir_message *message, struct reading *reading) {
    memset(reading, 0, sizeof *reading);
    if (!json_walk(message->value, message->value_size, read_field, reading))
        return "not a JSON object";
    if (!reading->name[0]) return "name is required";
    if (reading->timestamp <= 0) return "timestamp must be positive";
    return NULL;
}

/* Stands for what a real processor would do. */
static void work(const struct processor *processor, const struct weir_message *message) {
    uint64_t random = (uint64_t)message->offset * 2654435761u + (uint64_t)message->partition + 1;
    random_next(&random);
    sleep_ms((50 + 200 * random_unit(&random)) * processor->work);
}

static enum weir_result handle(void *arg, struct weir_message *message, struct weir_task *task) {
    struct processor *processor = arg;
    struct reading reading;
    const char *fault = parse(message, &reading);
    if (fault) {
        weir_task_fail(task, "ValidationError", fault);
        struct weir_attribute attrs[] = {WEIR_STR("error", fault),
                                         WEIR_STR("error.type", "ValidationError"),
                                         WEIR_INT("messaging.kafka.offset", message->offset)};
        weir_logger_log(processor->logger, WEIR_SEVERITY_ERROR, "failed to process kafka message",
                        attrs, 3);
        return WEIR_TASK_REJECT;
    }
    struct weir_attribute attrs[3 + TAGS_MAX] = {WEIR_STR("name", reading.name),
                                                 WEIR_DOUBLE("value", reading.value),
                                                 WEIR_INT("timestamp", reading.timestamp)};
    size_t count = 3;
    for (size_t i = 0; i < reading.tags_count; i++)
        attrs[count++] = WEIR_STR(reading.tags[i].key, reading.tags[i].value);
    weir_span_set_all(weir_task_span(task), attrs, count);
    weir_logger_log(processor->logger, WEIR_SEVERITY_INFO, "processing metric", attrs, count);
    work(processor, message);
    weir_logger_log(processor->logger, WEIR_SEVERITY_INFO, "metric processed successfully", attrs,
                    1);
    return WEIR_TASK_OK;
}

int main(int argc, char **argv) {
    struct processor processor = {.work = 0.4};
    struct weir_runner_options runner_options = {.struct_size = sizeof runner_options,
                                                 .handler = handle,
                                                 .arg = &processor,
                                                 .semantics = WEIR_AT_MOST_ONCE,
                                                 .handle_signals = true};
    int64_t workers = 0;
    const struct option options[] = {
        {"brokers", OPTION_STRING, &runner_options.kafka.brokers,
         "bootstrap servers (KAFKA_BROKERS; localhost:9092)"},
        {"topic", OPTION_STRING, &runner_options.topic, "topic (KAFKA_TOPIC; metrics)"},
        {"group", OPTION_STRING, &runner_options.kafka.group_id,
         "consumer group (KAFKA_GROUP_ID; metrics-processor)"},
        {"work", OPTION_DOUBLE, &processor.work,
         "simulated work: 1 is 50 to 250 ms a message (0.4)"},
        {"workers", OPTION_INT, &workers, "threads (8)"},
        {NULL, OPTION_FLAG, NULL, NULL}};
    options_read(argc, argv, "processes metric readings at most once", options);
    if (!runner_options.topic) runner_options.topic = example_variable("KAFKA_TOPIC", "metrics");
    if (!runner_options.kafka.group_id)
        runner_options.kafka.group_id = example_variable("KAFKA_GROUP_ID", "metrics-processor");
    runner_options.workers = (unsigned)workers;
    example_start("kafka-at-most-once-example");
    processor.logger = weir_logger_get("metrics-processor", NULL);
    int code = example_run(&runner_options);
    example_end();
    return code;
}
