/* SPDX-License-Identifier: Apache-2.0 */
/* A Kafka program for the integration tests: does on stdin's and the records' command what a test
 * needs, and tells on stderr what it did, one write per line.
 *
 *   kafka_worker run most|least TOPIC GROUP [name=value …]   the runner; its options by name
 *   kafka_worker send sync|async|batch TOPIC COUNT [header=value …]
 *   kafka_worker group TOPIC GROUP                           a group handler
 *   kafka_worker raw-send TOPIC COUNT [header=value …]       librdkafka itself, instrumented
 *   kafka_worker raw-receive TOPIC GROUP COUNT               the same
 *   kafka_worker raw-poll TOPIC GROUP COUNT poll|batch|event|callback
 *                [forward=TOPIC] [name=value …]              the same, by each call that polls
 *
 * A record's value commands the handler: "sleep:MS", "reject", "skip", "retry:N" (fails the first N
 * tries), "hang"; anything else is fine. Its lines: "begin TOPIC PARTITION OFFSET TRY", "end …".
 */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "weir/metric.h"
#include "weir/propagation.h"
#include "weir/runner.h"

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (len < 0 || (size_t)len > sizeof line - 2) len = (int)sizeof line - 2;
    line[len] = '\n';
    if (write(2, line, (size_t)len + 1) < 0) exit(3);
}

static void die(const struct weir_error *err) {
    tell("error %d %s", err->code, err->message);
    exit(1);
}

static void nap(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left)) {
    }
}

/* ── handling ────────────────────────────────────────────────────────────────────────────────── */

static bool command(const struct weir_message *message, const char *word, long *ret_number) {
    size_t len = strlen(word);
    if (message->value_size < len || memcmp(message->value, word, len) != 0) return false;
    char number[24] = "";
    size_t size = message->value_size - len;
    memcpy(number, (const char *)message->value + len, size < 23 ? size : 23);
    *ret_number = strtol(number, NULL, 10);
    return true;
}

static enum weir_result handle(void *arg, struct weir_message *message, struct weir_task *task) {
    (void)arg;
    long number = 0;
    enum weir_result result = WEIR_TASK_OK;
    uint32_t attempt = weir_task_attempt(task);
    tell("begin %s %d %lld %u", message->topic, (int)message->partition, (long long)message->offset,
         attempt);
    if (command(message, "sleep:", &number)) nap(number);
    if (command(message, "hang", &number)) nap(3600000);
    if (command(message, "skip", &number)) result = WEIR_TASK_SKIP;
    if (command(message, "reject", &number)) {
        weir_task_fail(task, "Poison", "cannot read this");
        result = WEIR_TASK_REJECT;
    }
    if (command(message, "retry:", &number) && attempt < (uint32_t)number) {
        weir_task_fail(task, "Busy", "not yet");
        result = WEIR_TASK_RETRY;
    }
    tell("end %s %d %lld %d", message->topic, (int)message->partition, (long long)message->offset,
         result);
    return result;
}

static const char *option(int argc, char **argv, const char *name) {
    size_t len = strlen(name);
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], name, len) && argv[i][len] == '=') return argv[i] + len + 1;
    return NULL;
}

static int64_t number(int argc, char **argv, const char *name) {
    const char *text = option(argc, argv, name);
    return text ? strtoll(text, NULL, 10) : 0;
}

static int run(int argc, char **argv) {
    char properties[2048] = "";
    for (int i = 5; i < argc; i++) /* anything with a dot is librdkafka's */
        if (memchr(argv[i], '.', strcspn(argv[i], "=")))
            snprintf(properties + strlen(properties), sizeof properties - strlen(properties),
                     "%s\n", argv[i]);
    struct weir_runner_options options = {
        .struct_size = sizeof options,
        .handler = handle,
        .topic = argv[3],
        .handle_signals = true,
        .semantics = strcmp(argv[2], "most") ? WEIR_AT_LEAST_ONCE : WEIR_AT_MOST_ONCE,
        .kafka = {.group_id = argv[4], .properties = properties},
        .workers = (unsigned)number(argc, argv, "workers"),
        .batch_max = (unsigned)number(argc, argv, "batch_max"),
        .queue_max = (unsigned)number(argc, argv, "queue_max"),
        .retries = (int)number(argc, argv, "retries"),
        .retry_first_ms = number(argc, argv, "retry_first_ms"),
        .commit_interval_ms = number(argc, argv, "commit_interval_ms"),
        .drain_ms = number(argc, argv, "drain_ms"),
        .dead_letter = (enum weir_dead_letter)number(argc, argv, "dead_letter"),
        .dead_letter_topic = option(argc, argv, "dead_letter_topic")};
    struct weir_error err;
    struct weir_runner *runner = weir_runner_open(&options, &err);
    if (!runner) die(&err);
    tell("running");
    int code = weir_runner_run(runner, &err);
    struct weir_runner_stats stats = {.struct_size = sizeof stats};
    weir_runner_stats_get(runner, &stats);
    tell("stats received=%llu committed=%llu ok=%llu failed=%llu dead_lettered=%llu skipped=%llu "
         "retries=%llu "
         "duplicates=%llu lost_min=%llu lost_max=%llu commits_failed=%llu",
         (unsigned long long)stats.received, (unsigned long long)stats.committed,
         (unsigned long long)stats.ok, (unsigned long long)stats.failed,
         (unsigned long long)stats.dead_lettered, (unsigned long long)stats.skipped,
         (unsigned long long)stats.retries, (unsigned long long)stats.duplicates,
         (unsigned long long)stats.lost_min, (unsigned long long)stats.lost_max,
         (unsigned long long)stats.commits_failed);
    tell("stopped %d %s", code, code ? err.message : "");
    weir_runner_close(runner);
    return code ? 1 : 0;
}

/* ── group handler ───────────────────────────────────────────────────────────────────────────── */

static struct weir_consumer *stopped_by_signal;

static void on_signal(int signal_number) {
    (void)signal_number;
    weir_consumer_stop(stopped_by_signal);
}

static int on_setup(void *arg, struct weir_consumer *consumer) {
    (void)arg, (void)consumer;
    tell("setup");
    return 0;
}

static void on_cleanup(void *arg, struct weir_consumer *consumer) {
    (void)arg, (void)consumer;
    tell("cleanup");
}

static int on_message(void *arg, struct weir_message *message, struct weir_task *task) {
    struct weir_span_context active = {.flags = 0};
    weir_context_span_context(weir_context_current(), &active);
    struct weir_span_context own = weir_span_context_get(weir_task_span(task));
    struct weir_span_context sender = {.flags = 0};
    char traceparent[WEIR_TRACEPARENT_SIZE];
    weir_context_span_context(message->context, &sender);
    weir_traceparent_format(&sender, traceparent);
    tell("active %d %.55s", memcmp(active.span_id, own.span_id, 8) == 0, traceparent);
    return handle(arg, message, task) == WEIR_TASK_OK ? 0 : WEIR_EINVALID;
}

static int group(char **argv) {
    struct weir_error err;
    struct weir_kafka_options kafka = {.struct_size = sizeof kafka, .group_id = argv[3]};
    const char *const topics[] = {argv[2], NULL};
    struct weir_consumer *consumer = weir_consumer_open(&kafka, topics, &err);
    if (!consumer) die(&err);
    stopped_by_signal = consumer;
    signal(SIGTERM, on_signal);
    tell("running");
    const struct weir_group_handler handler = {on_setup, on_message, on_cleanup, NULL};
    int code = weir_consumer_run(consumer, &handler, &err);
    tell("stopped %d", code);
    weir_consumer_close(consumer);
    return code ? 1 : 0;
}

/* ── sending ─────────────────────────────────────────────────────────────────────────────────── */

static size_t headers_of(int argc, char **argv, struct weir_header *headers, size_t max) {
    size_t count = 0;
    for (int i = 0; i < argc && count < max; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) continue;
        *value++ = 0;
        headers[count++] = (struct weir_header){argv[i], value, strlen(value)};
    }
    return count;
}

static void on_delivered(void *arg, const struct weir_delivery *delivery) {
    (void)arg;
    tell("sent %d %d %lld %s", delivery->code, (int)delivery->partition,
         (long long)delivery->offset, delivery->error_type ? delivery->error_type : "");
}

static int send_some(int argc, char **argv) {
    struct weir_error err = {0};
    struct weir_producer *producer = weir_producer_open(NULL, &err);
    if (!producer) die(&err);
    size_t count = strtoul(argv[4], NULL, 10);
    struct weir_header headers[16];
    size_t headers_count = headers_of(argc - 5, argv + 5, headers, 16);
    struct weir_record *records = calloc(count, sizeof *records);
    struct weir_delivery *deliveries = calloc(count, sizeof *deliveries);
    int code = 0;
    for (size_t i = 0; i < count; i++)
        records[i] = (struct weir_record){.topic = argv[3],
                                          .value = "hello",
                                          .value_size = 5,
                                          .headers = headers,
                                          .headers_count = headers_count};
    for (size_t i = 0; i < count && strcmp(argv[2], "batch"); i++) {
        if (strcmp(argv[2], "sync")) {
            code |= weir_producer_send_async(producer, &records[i], on_delivered, NULL, &err);
        } else {
            code |= weir_producer_send(producer, &records[i], deliveries, &err);
            on_delivered(NULL, deliveries);
        }
    }
    if (!strcmp(argv[2], "batch")) {
        code = weir_producer_send_batch(producer, records, count, deliveries, &err);
        for (size_t i = 0; i < count; i++) on_delivered(NULL, &deliveries[i]);
    }
    if (code) tell("error %d %s", code, err.message);
    weir_producer_close(producer);
    free(records);
    free(deliveries);
    return code ? 1 : 0;
}

/* ── librdkafka itself ───────────────────────────────────────────────────────────────────────── */

static rd_kafka_t *raw_open(rd_kafka_type_t type, const char *group_id, int argc, char **argv,
                            int events) {
    char text[256];
    struct weir_error err;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (events) rd_kafka_conf_set_events(conf, events);
    rd_kafka_conf_set(conf, "bootstrap.servers", getenv("KAFKA_BROKERS"), text, sizeof text);
    if (group_id) rd_kafka_conf_set(conf, "group.id", group_id, text, sizeof text);
    if (group_id) rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", text, sizeof text);
    if (weir_kafka_instrument(conf, 0, &err)) die(&err);
    if (weir_kafka_instrument(conf, 0, &err)) die(&err); /* a second time: no difference */
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value || !memchr(argv[i], '.', (size_t)(value - argv[i]))) continue;
        *value = 0;
        if (rd_kafka_conf_set(conf, argv[i], value + 1, text, sizeof text)) tell("error %s", text);
        *value = '=';
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk) exit(1);
    return rk;
}

static int raw_send(int argc, char **argv) {
    rd_kafka_t *rk = raw_open(RD_KAFKA_PRODUCER, NULL, 0, NULL, 0);
    struct weir_header headers[16];
    size_t count = headers_of(argc - 4, argv + 4, headers, 16);
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--) {
        rd_kafka_headers_t *list = count ? rd_kafka_headers_new(4) : NULL;
        for (size_t h = 0; h < count; h++)
            rd_kafka_header_add(list, headers[h].name, -1, headers[h].value,
                                (ssize_t)headers[h].value_size);
        char value[] = "hello";
        rd_kafka_vu_t vus[] = {{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = argv[2]},
                               {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
                               {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, 5}},
                               {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = list}};
        rd_kafka_error_t *error = rd_kafka_produceva(rk, vus, list ? 4 : 3);
        tell("produced %s", error ? rd_kafka_error_name(error) : "");
        if (error) rd_kafka_error_destroy(error);
    }
    rd_kafka_flush(rk, 10000);
    rd_kafka_destroy(rk);
    return 0;
}

static void raw_subscribe(rd_kafka_t *rk, const char *topic) {
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, -1);
    rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
}

static int raw_receive(char **argv) {
    rd_kafka_t *rk = raw_open(RD_KAFKA_CONSUMER, argv[3], 0, NULL, 0);
    raw_subscribe(rk, argv[2]);
    for (long left = strtol(argv[4], NULL, 10); left > 0;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 1000);
        if (message && !message->err) {
            struct weir_task *task = weir_kafka_process_begin(rk, message);
            tell("received %d %lld", (int)message->partition, (long long)message->offset);
            weir_task_end(task);
            left--;
        }
        if (message) rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}

/* What a plain program does with librdkafka, and how it gets its messages. */
struct loop {
    rd_kafka_t *consumer, *producer;
    const char *forward; /* topic, or NULL */
    long left;
};

static void raw_handle(rd_kafka_message_t *message, void *opaque) {
    struct loop *loop = opaque;
    if (message->err) return;
    tell("received %d %lld", (int)message->partition, (long long)message->offset);
    nap(5);
    if (loop->forward) {
        rd_kafka_vu_t vus[] = {
            {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = loop->forward},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {message->payload, message->len}}};
        rd_kafka_error_t *error = rd_kafka_produceva(loop->producer, vus, 3);
        if (error) rd_kafka_error_destroy(error);
        rd_kafka_poll(loop->producer, 0);
    }
    loop->left--;
}

static void raw_get(struct loop *loop, const char *how, rd_kafka_queue_t *queue) {
    rd_kafka_message_t *messages[16];
    ssize_t count = 0;
    if (!strcmp(how, "callback")) {
        rd_kafka_consume_callback_queue(queue, 100, raw_handle, loop);
    } else if (!strcmp(how, "event")) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 100);
        const rd_kafka_message_t *message;
        while (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_FETCH &&
               (message = rd_kafka_event_message_next(event)))
            raw_handle((rd_kafka_message_t *)(uintptr_t)message, loop);
        if (event) rd_kafka_event_destroy(event);
    } else if (!strcmp(how, "batch")) {
        count = rd_kafka_consume_batch_queue(queue, 300, messages, 16);
    } else {
        messages[0] = rd_kafka_consumer_poll(loop->consumer, 100);
        count = messages[0] != NULL;
    }
    for (ssize_t i = 0; i < count; i++) {
        raw_handle(messages[i], loop);
        rd_kafka_message_destroy(messages[i]);
    }
}

/* The lines of /metrics that say something of the topic. */
static void tell_metrics(const char *topic) {
    char *text = weir_metrics_text(NULL), *save;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save))
        if (strstr(line, topic) && !strstr(line, "_bucket")) tell("metric %s", line);
    free(text);
}

/* raw-poll TOPIC GROUP COUNT poll|batch|event|callback [forward=TOPIC] [librdkafka.property=…] */
static int raw_poll(int argc, char **argv) {
    int events = strcmp(argv[5], "event") ? 0 : RD_KAFKA_EVENT_FETCH;
    struct loop loop = {.consumer = raw_open(RD_KAFKA_CONSUMER, argv[3], argc, argv, events),
                        .forward = option(argc, argv, "forward"),
                        .left = strtol(argv[4], NULL, 10)};
    if (loop.forward) loop.producer = raw_open(RD_KAFKA_PRODUCER, NULL, 0, NULL, 0);
    raw_subscribe(loop.consumer, argv[2]);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(loop.consumer);
    while (loop.left > 0) raw_get(&loop, argv[5], queue);
    rd_kafka_commit(loop.consumer, NULL, 0);
    nap(300); /* statistics are due */
    raw_get(&loop, argv[5], queue);
    tell_metrics(argv[2]);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(loop.consumer);
    if (loop.producer) rd_kafka_flush(loop.producer, 10000);
    if (loop.producer) rd_kafka_destroy(loop.producer);
    rd_kafka_destroy(loop.consumer);
    struct weir_stats stats = {.struct_size = sizeof stats};
    weir_flush(5000, NULL);
    weir_stats_get(&stats);
    tell("spans started=%llu exported=%llu dropped=%llu cancelled=%llu open=%llu",
         (unsigned long long)stats.spans_started, (unsigned long long)stats.spans_exported,
         (unsigned long long)(stats.spans_dropped_queue + stats.spans_dropped_memory +
                              stats.spans_dropped_export + stats.spans_dropped_closed),
         (unsigned long long)stats.spans_cancelled, (unsigned long long)stats.spans_open);
    return 0;
}

int main(int argc, char **argv) {
    struct weir_error err;
    if (weir_init(NULL, &err)) die(&err);
    int code = 2;
    if (argc > 4 && !strcmp(argv[1], "run"))
        code = run(argc, argv);
    else if (argc > 4 && !strcmp(argv[1], "send"))
        code = send_some(argc, argv);
    else if (argc > 3 && !strcmp(argv[1], "group"))
        code = group(argv);
    else if (argc > 3 && !strcmp(argv[1], "raw-send"))
        code = raw_send(argc, argv);
    else if (argc > 4 && !strcmp(argv[1], "raw-receive"))
        code = raw_receive(argv);
    else if (argc > 5 && !strcmp(argv[1], "raw-poll"))
        code = raw_poll(argc, argv);
    weir_shutdown(5000, NULL);
    return code;
}
