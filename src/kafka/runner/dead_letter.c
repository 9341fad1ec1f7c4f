/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: the record as it was, with headers that say where it came from and why it is there,
 * as Spring Kafka and Kafka Connect write them, and the trace it belongs to.
 *
 * Source: Spring Kafka 3, KafkaHeaders.DLT_*; Kafka Connect, __connect.errors.*.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/runner/runner.h"

#define OWN_HEADERS 18
#define HEADERS_MAX 1024u /* of the record that are carried over */

struct headers {
    struct weir_header items[HEADERS_MAX + OWN_HEADERS];
    size_t count;
    char numbers[3][24];       /* partition, offset, timestamp as text */
    unsigned char bytes[3][8]; /* and as big-endian binary */
};

static void add(struct headers *headers, const char *name, const void *value, size_t size) {
    headers->items[headers->count++] = (struct weir_header){name, value, size};
}

static void add_str(struct headers *headers, const char *name, const char *value) {
    if (value) add(headers, name, value, strlen(value));
}

static const unsigned char *big_endian(unsigned char ret[8], int64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++)
        ret[i] = (unsigned char)((uint64_t)value >> (8 * (size - 1 - i)));
    return ret;
}

/* Headers of the record itself, without those that are written anew here. */
static void carry_over(void *arg, const char *name, const void *value, size_t size) {
    struct headers *headers = arg;
    struct weir_view v = weir_view_str(name);
    if (weir_view_is(v, "traceparent") || weir_view_is(v, "tracestate") ||
        weir_view_is(v, "baggage") || weir_view_starts(v, WEIR_VIEW("kafka_dlt-")) ||
        weir_view_starts(v, WEIR_VIEW("__connect.errors.")))
        return;
    if (headers->count < HEADERS_MAX) add(headers, name, value, size);
}

static void add_origin(struct headers *headers, const struct weir_kafka_message *message) {
    const struct weir_message *pub = &message->pub;
    const char *group = message->client->group;
    snprintf(headers->numbers[0], sizeof headers->numbers[0], "%d", (int)pub->partition);
    snprintf(headers->numbers[1], sizeof headers->numbers[1], "%lld", (long long)pub->offset);
    add_str(headers, "kafka_dlt-original-topic", pub->topic);
    add(headers, "kafka_dlt-original-partition", big_endian(headers->bytes[0], pub->partition, 4),
        4);
    add(headers, "kafka_dlt-original-offset", big_endian(headers->bytes[1], pub->offset, 8), 8);
    add(headers, "kafka_dlt-original-timestamp",
        big_endian(headers->bytes[2], pub->timestamp_ms, 8), 8);
    add_str(headers, "kafka_dlt-original-timestamp-type", "CreateTime");
    add_str(headers, "kafka_dlt-original-consumer-group", group);
    add_str(headers, "__connect.errors.topic", pub->topic);
    add_str(headers, "__connect.errors.partition", headers->numbers[0]);
    add_str(headers, "__connect.errors.offset", headers->numbers[1]);
    add_str(headers, "__connect.errors.connector.name", group);
    add_str(headers, "__connect.errors.stage", "TASK_PUT");
}

static void add_cause(struct headers *headers, const struct weir_kafka_message *message) {
    add_str(headers, "kafka_dlt-exception-fqcn", message->error_type);
    add_str(headers, "kafka_dlt-exception-message", message->error_message);
    add_str(headers, "__connect.errors.exception.class.name", message->error_type);
    add_str(headers, "__connect.errors.exception.message", message->error_message);
}

/* On the producer's thread. */
static void on_delivered(void *arg, const struct weir_delivery *delivery) {
    struct weir_runner_letter *letter = arg;
    struct weir_runner *runner = letter->part->runner;
    pthread_mutex_lock(&runner->news_mutex);
    letter->ok = delivery->code == WEIR_OK;
    weir_runner_tell(runner, &letter->news);
    pthread_mutex_unlock(&runner->news_mutex);
    weir_runner_wake(runner);
}

static int send_letter(struct weir_runner *runner, struct weir_runner_letter *letter) {
    const struct weir_kafka_message *message = letter->message;
    struct headers *headers = calloc(1, sizeof *headers);
    if (!headers) return WEIR_ENOMEMORY;
    weir_message_headers_each(&message->pub, carry_over, headers);
    add_origin(headers, message);
    add_cause(headers, message);
    char topic[256];
    if (runner->dead_letter_topic)
        snprintf(topic, sizeof topic, "%s", runner->dead_letter_topic);
    else
        snprintf(topic, sizeof topic, "%s.dlq", message->pub.topic);
    /* The letter goes on in the record's own trace, below the last try. */
    struct weir_context *context =
        weir_context_with_span_context(message->context, &message->process);
    struct weir_record record = {.topic = topic,
                                 .key = message->pub.key,
                                 .key_size = message->pub.key_size,
                                 .value = message->pub.value,
                                 .value_size = message->pub.value_size,
                                 .headers = headers->items,
                                 .headers_count = headers->count,
                                 .context = context};
    int code = weir_producer_send_async(runner->dead_letters, &record, on_delivered, letter, NULL);
    weir_context_unref(context);
    free(headers);
    return code;
}

bool weir_runner_letter_send(struct weir_runner *runner, const struct weir_decision *decision) {
    struct weir_runner_letter *letter = calloc(1, sizeof *letter);
    if (!letter) return false;
    letter->news.kind = WEIR_NEWS_DEAD_LETTER;
    letter->part = runner->parts[decision->slot];
    letter->epoch = decision->epoch;
    letter->start_ns = weir_clock_mono_ns();
    letter->message = weir_kafka_message_ref(decision->records[0].record);
    runner->letters++;
    if (send_letter(runner, letter) == WEIR_OK) return true;
    runner->letters--;
    weir_kafka_message_unref(letter->message);
    free(letter);
    return false;
}

void weir_runner_letter_told(struct weir_runner *runner, struct weir_runner_letter *letter) {
    weir_runner_stage(runner, WEIR_STAGE_DEAD_LETTER, letter->start_ns);
    weir_runner_core_dead_lettered(runner->core, letter->part->slot, letter->epoch, letter->ok);
    runner->letters--;
    weir_kafka_message_unref(letter->message);
    free(letter);
}
