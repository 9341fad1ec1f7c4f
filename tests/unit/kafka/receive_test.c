/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers of the application's own, instrumented, against librdkafka's mock cluster: which spans
 * their messages get, when they end, what is active meanwhile, and what is counted. */
#include "unit.h"

#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kafka/instrument.h"
#include "kafka/receive/origin.h"
#include "weir/runner.h"
#include "weir/weir.h"

/* Since 2.3: the mock's group coordinator waits 3 s for more members unless told not to. */
extern void rd_kafka_mock_group_initial_rebalance_delay_ms(rd_kafka_mock_cluster_t *cluster,
                                                           int32_t delay_ms) __attribute__((weak));

enum { SPANS_MAX = 600, LINE_SIZE = 4096, SAMPLED = 1 };

static rd_kafka_t *plain; /* owns the mock cluster, and sends without instrumentation */
static rd_kafka_mock_cluster_t *cluster;
static char brokers[128];
static int out; /* where the console exporter writes */
static off_t seen;
static unsigned serial;

struct span {
    char line[LINE_SIZE];
    char name[128], trace[40], id[20], parent[20], start[40];
    long links, duration_ns;
};
static struct span spans[SPANS_MAX];
static size_t spans_count;

/* ── what was exported ───────────────────────────────────────────────────────────────────────── */

static void field(const char *line, const char *key, char *ret, size_t size) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    const char *at = strstr(line, pattern);
    ret[0] = 0;
    if (!at) return;
    at += strlen(pattern);
    snprintf(ret, size, "%.*s", (int)strcspn(at, "\""), at);
}

static long number(const char *line, const char *key) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":", key);
    const char *at = strstr(line, pattern);
    return at ? strtol(at + strlen(pattern), NULL, 10) : -1;
}

static int by_start(const void *a, const void *b) {
    return strcmp(((const struct span *)a)->start, ((const struct span *)b)->start);
}

/* Reads the spans that were exported since the last call, by their start. */
static void collect(void) {
    static char text[4 << 20];
    assert_int_equal(weir_flush(10000, NULL), WEIR_OK);
    ssize_t size = pread(out, text, sizeof text - 1, seen);
    assert_true(size >= 0);
    text[size] = 0;
    seen += size;
    spans_count = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (!strstr(line, "\"span\":")) continue;
        assert_true(spans_count < SPANS_MAX);
        struct span *span = &spans[spans_count++];
        snprintf(span->line, sizeof span->line, "%.*s", LINE_SIZE - 1, line);
        field(line, "span", span->name, sizeof span->name);
        field(line, "trace_id", span->trace, sizeof span->trace);
        field(line, "span_id", span->id, sizeof span->id);
        field(line, "parent_span_id", span->parent, sizeof span->parent);
        field(line, "start", span->start, sizeof span->start);
        span->links = number(line, "links");
        span->duration_ns = number(line, "duration_ns");
    }
    qsort(spans, spans_count, sizeof spans[0], by_start);
}

static size_t count_of(const char *operation) {
    size_t count = 0, len = strlen(operation);
    for (size_t i = 0; i < spans_count; i++)
        count += strncmp(spans[i].name, operation, len) == 0 &&
                 (spans[i].name[len] == ' ' || !spans[i].name[len]);
    return count;
}

/* The n-th span of this operation. */
static const struct span *span_of(const char *operation, size_t n) {
    size_t len = strlen(operation);
    for (size_t i = 0; i < spans_count; i++)
        if (strncmp(spans[i].name, operation, len) == 0 && n-- == 0) return &spans[i];
    fail_msg("no span %s among %zu", operation, spans_count);
    return &spans[0];
}

static bool has(const struct span *span, const char *text) {
    return strstr(span->line, text) != NULL;
}

/* The value of the sample whose line has all three texts; -1: there is none. */
static double sample(const char *name, const char *one, const char *other) {
    char *text = weir_metrics_text(NULL);
    double value = -1;
    size_t len = strlen(name);
    for (char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (strncmp(line, name, len) == 0 && line[len] == '{' && strstr(line, one) &&
            strstr(line, other))
            value = strtod(strrchr(line, ' '), NULL);
    }
    free(text);
    return value;
}

static double counter(const char *name, const char *topic) {
    return sample(name, topic, "");
}

/* Every span that was started has come out, or is known to be lost. */
static void assert_accounts(void) {
    struct weir_stats stats = {.struct_size = sizeof stats};
    weir_flush(10000, NULL);
    weir_stats_get(&stats);
    assert_int_equal(stats.spans_open, 0);
    assert_int_equal(stats.spans_started,
                     stats.spans_exported + stats.spans_dropped_queue + stats.spans_dropped_memory +
                         stats.spans_dropped_export + stats.spans_dropped_closed +
                         stats.spans_cancelled + stats.spans_waiting);
}

/* ── Kafka ───────────────────────────────────────────────────────────────────────────────────── */

static const char *new_topic(void) {
    static char name[64];
    snprintf(name, sizeof name, "receive-%d-%u", (int)getpid(), ++serial);
    assert_int_equal(rd_kafka_mock_topic_create(cluster, name, 1, 1), 0);
    return name;
}

static void own_context(int i, int flags, char ret[64]) {
    snprintf(ret, 64, "00-%032x-%016x-%02x", 0x100 + i, 0x200 + i, (unsigned)flags);
}

static void produce_with(const char *topic, const char *key, rd_kafka_headers_t *headers) {
    char value[] = "value";
    rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, 5}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key, key ? strlen(key) : 0}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers}};
    assert_null(rd_kafka_produceva(plain, vus, headers ? 6 : 5));
}

/* `count` messages, each with a context of its own and these flags (-1: without one). */
static void produce(const char *topic, int count, int flags) {
    for (int i = 0; i < count; i++) {
        char context[64];
        rd_kafka_headers_t *headers = flags < 0 ? NULL : rd_kafka_headers_new(1);
        own_context(i, flags, context);
        if (headers) rd_kafka_header_add(headers, "traceparent", -1, context, 55);
        produce_with(topic, NULL, headers);
    }
    assert_int_equal(rd_kafka_flush(plain, 10000), 0);
}

static rd_kafka_conf_t *conf_with(const char *properties) {
    char text[256], lines[1024];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(lines, sizeof lines, "bootstrap.servers=%s\n%s", brokers, properties);
    assert_int_equal(weir_kafka_instrument(conf, 0, NULL), WEIR_OK);
    for (char *save, *line = strtok_r(lines, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(line, '=');
        *value++ = 0;
        if (rd_kafka_conf_set(conf, line, value, text, sizeof text)) fail_msg("%s", text);
    }
    return conf;
}

static rd_kafka_t *made(rd_kafka_conf_t *conf, const char *topic) {
    char text[256];
    snprintf(text, sizeof text, "group-%u", ++serial);
    rd_kafka_conf_set(conf, "group.id", text, NULL, 0);
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (!rk) fail_msg("%s", text);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    assert_int_equal(rd_kafka_subscribe(rk, topics), 0);
    rd_kafka_topic_partition_list_destroy(topics);
    return rk;
}

static rd_kafka_t *consumer(const char *topic, const char *properties) {
    return made(conf_with(properties), topic);
}

static rd_kafka_message_t *next(rd_kafka_t *rk) {
    for (int i = 0; i < 300; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 100);
        if (message && !message->err) return message;
        if (message) rd_kafka_message_destroy(message);
    }
    fail_msg("no message");
    return NULL;
}

static void nap(long ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Polls and handles so many, each for a while. */
static void handle(rd_kafka_t *rk, int count) {
    for (int i = 0; i < count; i++) {
        rd_kafka_message_t *message = next(rk);
        nap(3);
        rd_kafka_message_destroy(message);
    }
}

static void close_it(rd_kafka_t *rk) {
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

/* ── ends ────────────────────────────────────────────────────────────────────────────────────── */

static void test_the_next_poll_ends_it(void **state) {
    (void)state;
    const char *topic = new_topic();
    char parent[20];
    produce(topic, 3, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "");
    handle(rk, 3);
    close_it(rk);
    collect();
    assert_int_equal(count_of("process"), 3);
    assert_int_equal(count_of("poll"), 3);
    for (size_t i = 0; i < 3; i++) {
        const struct span *span = span_of("process", i);
        char offset[48];
        snprintf(parent, sizeof parent, "%016x", 0x200 + (unsigned)i);
        snprintf(offset, sizeof offset, "\"messaging.kafka.offset\":%zu", i);
        assert_string_equal(span->parent, parent);
        assert_int_equal(span->links, 2);
        assert_true(has(span, offset));
        assert_true(span->duration_ns >= 2000000);
        assert_true(has(span, "weir.process.end") == (i == 2)); /* closed: its end was not seen */
        assert_true(has(span_of("poll", i), "weir.poll.start"));
        assert_int_equal(span_of("poll", i)->links, 1);
    }
    assert_true(counter("messaging_process_duration_seconds_count", topic) == 2);
    assert_true(counter("messaging_client_consumed_messages_total", topic) == 3);
    assert_true(counter("weir_kafka_message_edge_duration_seconds_count", topic) == 3);
    assert_accounts();
}

static void test_idling_is_no_duration(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 1, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "statistics.interval.ms=50");
    rd_kafka_message_destroy(next(rk));
    collect();
    for (int i = 0; i < 100 && !count_of("process"); i++) {
        rd_kafka_message_t *none = rd_kafka_consumer_poll(rk, 20);
        if (none) rd_kafka_message_destroy(none);
        collect();
    }
    assert_true(has(span_of("process", 0), "\"weir.process.end\":\"idle\""));
    assert_true(counter("messaging_process_duration_seconds_count", topic) < 0);
    close_it(rk);
    collect();
    assert_int_equal(count_of("process"), 0);
}

static void test_an_explicit_task_replaces_it(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 2, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "");
    for (int i = 0; i < 2; i++) {
        rd_kafka_message_t *message = next(rk);
        struct weir_task *task = weir_kafka_process_begin(rk, message);
        nap(3);
        weir_task_end(task);
        rd_kafka_message_destroy(message);
    }
    close_it(rk);
    collect();
    assert_int_equal(count_of("process"), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_false(has(span_of("process", i), "weir.process.end"));
        assert_int_equal(span_of("process", i)->links, 2);
    }
    assert_true(counter("messaging_process_duration_seconds_count", topic) == 2);
    assert_accounts();
}

static void test_destruction_ends_it(void **state) {
    (void)state;
    const char *topic = new_topic();
    rd_kafka_message_t *messages[3];
    produce(topic, 6, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "weir.process.end=destroy");
    for (int i = 0; i < 3; i++) messages[i] = next(rk);
    collect();
    assert_int_equal(count_of("process"), 0);
    for (int i = 0; i < 3; i++) {
        nap(2);
        weir_kafka_message_destroyed(i ? rk : NULL, messages[i]);
        rd_kafka_message_destroy(messages[i]);
    }
    collect();
    assert_int_equal(count_of("process"), 3);
    for (size_t i = 0; i < 3; i++) assert_false(has(span_of("process", i), "weir.process.end"));
    assert_true(span_of("process", 2)->duration_ns >= 6000000);
    assert_true(counter("messaging_process_duration_seconds_count", topic) == 3);
    close_it(rk);
    rk = consumer(topic, ""); /* auto: whichever is first */
    messages[0] = next(rk);
    weir_kafka_message_destroyed(rk, messages[0]);
    rd_kafka_message_destroy(messages[0]);
    collect();
    assert_int_equal(count_of("process"), 1);
    close_it(rk);
    assert_accounts();
}

static void test_off_and_explicit(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 1, SAMPLED);
    for (int off = 0; off < 2; off++) {
        rd_kafka_t *rk =
            consumer(topic, off ? "weir.process.end=off" : "weir.process.end=explicit");
        rd_kafka_message_t *message = next(rk);
        struct weir_task *task = weir_kafka_process_begin(rk, message);
        weir_task_end(task);
        rd_kafka_message_destroy(message);
        close_it(rk);
        collect();
        assert_int_equal(count_of("process"), off ? 0 : 1);
        assert_int_equal(count_of("poll"), 1);
    }
}

/* ── what belongs to what ────────────────────────────────────────────────────────────────────── */

static void send_from_here(rd_kafka_t *producer, const char *topic) {
    char value[] = "next";
    rd_kafka_vu_t vus[] = {{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
                           {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
                           {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, 4}}};
    assert_null(rd_kafka_produceva(producer, vus, 3));
    rd_kafka_flush(producer, 10000);
}

static rd_kafka_t *producer_made(void) {
    char text[256];
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf_with(""), text, sizeof text);
    assert_non_null(producer);
    return producer;
}

static void test_sends_nest_where_one_thread_does_all(void **state) {
    (void)state;
    static const struct {
        const char *properties;
        bool nests;
    } cases[] = {{"", true},
                 {"client.software.name=confluent-kafka-python", true},
                 {"client.software.name=confluent-kafka-go", false},
                 {"client.software.name=confluent-kafka-go\nweir.nesting=thread", true},
                 {"weir.nesting=off", false}};
    const char *topic = new_topic();
    char out_topic[80];
    snprintf(out_topic, sizeof out_topic, "%s-out", topic);
    produce(topic, 1, SAMPLED);
    rd_kafka_t *producer = producer_made();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rd_kafka_t *rk = consumer(topic, cases[i].properties);
        rd_kafka_message_t *message = next(rk);
        send_from_here(producer, out_topic);
        rd_kafka_message_destroy(message);
        close_it(rk);
        send_from_here(producer, out_topic); /* nothing is handled any more */
        collect();
        const struct span *process = span_of("process", 0);
        bool nested = strcmp(span_of("send", 0)->parent, process->id) == 0;
        if (nested != cases[i].nests) fail_msg("'%s'", cases[i].properties);
        assert_true(nested == (strcmp(span_of("send", 0)->trace, process->trace) == 0));
        assert_string_equal(span_of("send", 1)->parent, "");
    }
    rd_kafka_destroy(producer);
    assert_accounts();
}

static void *close_there(void *arg) {
    close_it(arg);
    return NULL;
}

/* The consumer ends elsewhere, and the thread that polled goes on. */
static void test_a_span_ended_elsewhere_is_active_no_more(void **state) {
    (void)state;
    const char *topic = new_topic();
    pthread_t thread;
    char out_topic[80];
    snprintf(out_topic, sizeof out_topic, "%s-out", topic);
    produce(topic, 1, SAMPLED);
    rd_kafka_t *producer = producer_made();
    rd_kafka_t *rk = consumer(topic, "");
    rd_kafka_message_destroy(next(rk));
    assert_int_equal(pthread_create(&thread, NULL, close_there, rk), 0);
    pthread_join(thread, NULL);
    send_from_here(producer, out_topic);
    collect();
    assert_string_equal(span_of("send", 0)->parent, "");
    rd_kafka_destroy(producer);
}

static void *poll_there(void *arg) {
    rd_kafka_message_destroy(next(arg));
    return NULL;
}

/* The thread ends before what it has polled. */
static void test_a_thread_that_ends(void **state) {
    (void)state;
    const char *topic = new_topic();
    pthread_t thread;
    produce(topic, 2, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&thread, NULL, poll_there, rk), 0);
        pthread_join(thread, NULL);
    }
    close_it(rk);
    collect();
    assert_int_equal(count_of("process"), 2);
    assert_null(weir_context_current());
    assert_accounts();
}

static void test_several_consumers_on_one_thread(void **state) {
    (void)state;
    char topics[2][80];
    rd_kafka_t *both[2], *producer = producer_made();
    for (int i = 0; i < 2; i++) {
        snprintf(topics[i], sizeof topics[i], "%s", new_topic());
        produce(topics[i], 1, SAMPLED);
        both[i] = consumer(topics[i], "");
    }
    for (int i = 0; i < 2; i++) rd_kafka_message_destroy(next(both[i]));
    close_it(both[0]);
    send_from_here(producer, topics[0]); /* still within the second's */
    close_it(both[1]);
    collect();
    assert_int_equal(count_of("process"), 2);
    char name[96];
    snprintf(name, sizeof name, "process %s", topics[1]);
    assert_string_equal(span_of("send", 0)->parent, span_of(name, 0)->id);
    assert_null(weir_context_current());
    rd_kafka_destroy(producer);
}

/* A context of the application's own stays what is current. */
static void test_own_scopes_win(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 2, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "");
    struct weir_span *own = weir_span_start(weir_tracer_get("test", NULL), "own", NULL);
    struct weir_scope scope;
    rd_kafka_message_destroy(next(rk));
    assert_non_null(weir_context_current());
    weir_scope_attach_span(&scope, own);
    nap(1);
    rd_kafka_message_destroy(next(rk)); /* ends the first, which lies below */
    assert_ptr_equal(weir_span_current(), own);
    weir_scope_detach(&scope);
    weir_span_end(own);
    struct weir_span_context sc;
    assert_false(weir_context_span_context(weir_context_current(), &sc));
    close_it(rk);
    assert_null(weir_span_current());
}

static void test_batches(void **state) {
    (void)state;
    enum { COUNT = 40 };
    const char *topic = new_topic();
    rd_kafka_message_t *messages[COUNT];
    produce(topic, COUNT + 1, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "");
    rd_kafka_message_destroy(next(rk)); /* the group is joined, and the rest is fetched */
    nap(300);
    collect();
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    ssize_t got = rd_kafka_consume_batch_queue(queue, 1000, messages, COUNT);
    assert_int_equal(got, COUNT);
    nap(3);
    for (ssize_t i = 0; i < got; i++) rd_kafka_message_destroy(messages[i]);
    rd_kafka_queue_destroy(queue);
    close_it(rk);
    collect();
    /* A machine that is busy tears a batch apart, but loses nothing of it. */
    long linked = 0, polls = 0, handled = 0;
    for (size_t i = 0; i < spans_count; i++) {
        bool is_poll = strncmp(spans[i].name, "poll", 4) == 0;
        bool is_process = strncmp(spans[i].name, "process", 7) == 0;
        bool is_batch = is_process && strstr(spans[i].line, "messaging.kafka.offset") == NULL;
        polls += is_poll;
        linked += is_poll ? spans[i].links : 0;
        handled += is_batch ? spans[i].links : is_process;
    }
    assert_int_equal(linked, COUNT + 1); /* the first of all ended with the batch */
    assert_int_equal(handled, COUNT + 1);
#ifndef __SANITIZE_THREAD__           /* nothing is fast enough there */
    assert_in_range(polls, 1, COUNT); /* at least two came together */
#endif
    assert_accounts();
}

/* ── what is recorded at all ─────────────────────────────────────────────────────────────────── */

static void test_unsampled_messages(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 3, 0);
    rd_kafka_t *rk = consumer(topic, ""), *producer = producer_made();
    for (int i = 0; i < 3; i++) {
        rd_kafka_message_t *message = next(rk);
        send_from_here(producer, topic);
        rd_kafka_message_destroy(message);
        nap(1);
    }
    rd_kafka_commit(rk, NULL, 0);
    close_it(rk);
    collect();
    assert_int_equal(spans_count, 0);
    assert_true(counter("messaging_client_consumed_messages_total", topic) == 3);
    assert_true(counter("messaging_process_duration_seconds_count", topic) == 2);
    rd_kafka_destroy(producer);
}

static void test_metrics_alone(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 5, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "weir.spans=false");
    handle(rk, 5);
    close_it(rk);
    collect();
    assert_int_equal(spans_count, 0);
    assert_true(counter("messaging_client_consumed_messages_total", topic) == 5);
}

static void test_spans_alone(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 2, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "weir.metrics=false");
    handle(rk, 2);
    close_it(rk);
    collect();
    assert_int_equal(count_of("process"), 2);
    assert_true(counter("messaging_client_consumed_messages_total", topic) < 0);
    assert_true(counter("messaging_process_duration_seconds_count", topic) < 0);
}

static void test_filters(void **state) {
    (void)state;
    const char *topic = new_topic();
    char properties[128];
    produce_with(topic, "vip-1", NULL);
    produce_with(topic, "guest", NULL);
    produce_with(topic, NULL, NULL);
    rd_kafka_flush(plain, 10000);
    rd_kafka_t *rk = consumer(topic, "weir.keys=vip-*\nweir.record.keys=true");
    handle(rk, 3);
    close_it(rk);
    collect();
    assert_int_equal(count_of("process"), 1);
    assert_int_equal(count_of("poll"), 1);
    assert_true(has(span_of("process", 0), "\"messaging.kafka.message.key\":\"vip-1\""));
    assert_true(counter("messaging_client_consumed_messages_total", topic) == 3);
    snprintf(properties, sizeof properties, "weir.topics.exclude=other,%.12s*", topic);
    rk = consumer(topic, properties);
    handle(rk, 3);
    close_it(rk);
    collect();
    assert_int_equal(spans_count, 0);
    assert_true(counter("messaging_client_consumed_messages_total", topic) == 3);
}

static void test_names_and_modes(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 1, SAMPLED);
    rd_kafka_t *rk = consumer(topic, "client.id=me\nweir.span.name.process={client} does {topic}\n"
                                     "weir.process.mode=link\nweir.semconv=dup");
    handle(rk, 1);
    close_it(rk);
    collect();
    const struct span *process = span_of("me does receive-", 0), *poll = span_of("poll", 0);
    assert_string_equal(process->parent, poll->id);
    assert_int_equal(process->links, 1);
    assert_true(has(process, "\"messaging.kafka.offset\":0"));
    assert_true(has(process, "\"messaging.kafka.message.offset\":0"));
    assert_true(has(process, "\"messaging.kafka.partition\":0"));
    assert_true(has(process, "\"messaging.destination.partition.id\":\"0\""));
    assert_true(has(process, "\"messaging.operation\":\"process\""));
    rk = consumer(topic, "weir.semconv=document");
    handle(rk, 1);
    close_it(rk);
    collect();
    assert_true(has(span_of("process", 0), "\"messaging.destination\":\"receive-"));
    assert_true(has(span_of("process", 0), "\"messaging.kafka.consumer.group\":\"group-"));
    assert_false(has(span_of("process", 0), "messaging.destination.name"));
}

static void test_malformed_headers_are_counted(void **state) {
    (void)state;
    const char *topic = new_topic();
    struct weir_stats before = {.struct_size = sizeof before}, after = before;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "traceparent", -1, "00-nonsense", 11);
    produce_with(topic, NULL, headers);
    rd_kafka_flush(plain, 10000);
    weir_stats_get(&before);
    rd_kafka_t *rk = consumer(topic, "");
    handle(rk, 1);
    close_it(rk);
    weir_stats_get(&after);
    assert_int_equal(after.headers_malformed - before.headers_malformed, 1);
    collect();
    assert_int_equal(span_of("poll", 0)->links, 0);
    assert_string_equal(span_of("process", 0)->parent, span_of("poll", 0)->id);
}

static void test_origin(void **state) {
    (void)state;
    static const struct {
        const char *state, *with;
        int64_t origin_ms;
    } cases[] = {{"", "weir=5", -1},
                 {"weir=17", "weir=5", 17},
                 {"a=b, weir=17 ,c=d", "weir=5,a=b,c=d", 17},
                 {"a=b,weird=3", "weir=5,a=b,weird=3", -1},
                 {"weir=-1", "weir=5", -1},
                 {"weir=x", "weir=5", -1},
                 {"weir=9223372036854775807", "weir=5", -1}};
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(weir_kafka_origin_parse(weir_view_str(cases[i].state)),
                         cases[i].origin_ms);
        size_t size = weir_kafka_origin_add(weir_view_str(cases[i].state), 5, text, sizeof text);
        assert_view_is(weir_view(text, size), cases[i].with);
    }
    assert_int_equal(weir_kafka_origin_add(WEIR_VIEW("a=b"), 5, text, 9), 0);
    const char *topic = new_topic();
    char context[64], member[64];
    for (int i = 0; i < 2; i++) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
        own_context(i, SAMPLED, context);
        snprintf(member, sizeof member, "weir=%lld", ((long long)time(NULL) - 100) * 1000);
        rd_kafka_header_add(headers, "traceparent", -1, context, 55);
        rd_kafka_header_add(headers, "tracestate", -1, member, -1);
        produce_with(topic, NULL, headers);
    }
    rd_kafka_flush(plain, 10000);
    rd_kafka_t *rk = consumer(topic, "weir.origin=true");
    handle(rk, 2);
    close_it(rk);
    assert_true(counter("weir_kafka_message_origin_duration_seconds_count", topic) == 1);
    assert_true(counter("weir_kafka_message_origin_duration_seconds_sum", topic) >= 99);
}

/* ── counting ────────────────────────────────────────────────────────────────────────────────── */

static void test_what_comes_again_counts_once(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 4, -1);
    rd_kafka_t *rk = consumer(topic, "weir.spans=false");
    handle(rk, 3);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 0;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(rk, list, 5000);
    if (error) fail_msg("%s", rd_kafka_error_string(error));
    handle(rk, 4);
    rd_kafka_topic_partition_list_destroy(list);
    assert_true(counter("messaging_client_consumed_messages_total", topic) == 4);
    close_it(rk);
    rk = consumer(topic, "weir.spans=false"); /* another assignment: delivered again */
    handle(rk, 4);
    close_it(rk);
    assert_true(sample("messaging_client_consumed_messages_total", topic, "") == 4); /* per group */
}

static int stats_seen;

static int on_stats(rd_kafka_t *rk, char *json, size_t size, void *opaque) {
    (void)rk, (void)json, (void)size;
    stats_seen += opaque == &stats_seen;
    return 0;
}

static void test_statistics_are_chained(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 3, -1);
    rd_kafka_conf_t *conf = conf_with("statistics.interval.ms=50\nclient.id=statistics");
    rd_kafka_conf_set_stats_cb(conf, on_stats);
    rd_kafka_conf_set_opaque(conf, &stats_seen);
    rd_kafka_t *rk = made(conf, topic);
    handle(rk, 1);
    rd_kafka_commit(rk, NULL, 0);
    double lag = -1;
    for (int i = 0; i < 100 && lag != 2; i++) {
        rd_kafka_topic_partition_list_t *all = NULL;
        rd_kafka_assignment(rk, &all);
        rd_kafka_pause_partitions(rk, all); /* what is left stays there */
        rd_kafka_topic_partition_list_destroy(all);
        rd_kafka_message_t *none = rd_kafka_consumer_poll(rk, 20);
        if (none) rd_kafka_message_destroy(none);
        lag = counter("weir_kafka_consumer_lag", topic);
    }
    assert_true(lag == 2);
    assert_true(stats_seen > 0);
    assert_true(sample("weir_kafka_broker_connected", "\"statistics\"", "") == 1);
    assert_true(sample("weir_kafka_rebalances_total", "group-", "") >= 1);
    assert_true(sample("weir_kafka_broker_request_duration_seconds_count", "\"statistics\"",
                       "\"JoinGroup\"") >= 1);
    assert_true(sample("weir_kafka_client_io_bytes_total", "\"statistics\"", "\"receive\"") > 0);
    close_it(rk);
    assert_true(counter("weir_kafka_consumer_lag", topic) < 0);
}

/* Whoever never serves the statistics: lag by what librdkafka knows itself. */
static void test_lag_without_statistics(void **state) {
    (void)state;
    const char *topic = new_topic();
    produce(topic, 3, -1);
    rd_kafka_t *rk = consumer(topic, "weir.statistics=false");
    handle(rk, 1);
    nap(200);
    assert_true(counter("weir_kafka_consumer_lag", topic) == 2);
    assert_true(counter("weir_kafka_consumer_lag_time_seconds", topic) >= 0);
    handle(rk, 2);
    assert_true(counter("weir_kafka_consumer_lag", topic) == 0);
    close_it(rk);
    assert_true(counter("weir_kafka_consumer_lag", topic) < 0);
}

/* Since 2.15; they have no interceptors, and lose nothing but observation. */
static void test_share_consumers_are_left_alone(void **state) {
    (void)state;
#if RD_KAFKA_VERSION >= 0x020f0000
    char text[256] = "";
    rd_kafka_conf_t *conf = conf_with("group.id=share");
    rd_kafka_share_t *share = rd_kafka_share_consumer_new(conf, text, sizeof text);
    if (!share) fail_msg("%s", text);
    assert_true(sample("weir_kafka_consumers_unobserved_total", "\"share\"", "") == 1);
    rd_kafka_share_destroy(share);
#else
    skip();
#endif
}

/* Of the leak checker, where it is built in. */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

/* librdkafka forgets the interceptors of a handle that it could not make. */
static rd_kafka_t *refused(rd_kafka_conf_t *conf) {
    char text[256];
    if (__lsan_disable) __lsan_disable();
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (__lsan_enable) __lsan_enable();
    return rk;
}

/* rd_kafka_new() refuses the configuration, and takes it when it is mended. */
static void test_a_handle_at_the_second_try(void **state) {
    (void)state;
    const char *topic = new_topic();
    char text[256];
    if (rd_kafka_version() < 0x020d0000) skip(); /* librdkafka #5240: it would crash by itself */
    produce(topic, 2, SAMPLED);
    rd_kafka_conf_t *conf = conf_with("security.protocol=ssl\nssl.ca.location=/nowhere/at/all");
    assert_null(refused(conf));
    rd_kafka_conf_set(conf, "security.protocol", "plaintext", text, sizeof text);
    rd_kafka_t *rk = made(conf, topic);
    handle(rk, 2);
    close_it(rk);
    collect();
    assert_int_equal(count_of("process"), 2);
    conf = conf_with("security.protocol=ssl\nssl.ca.location=/nowhere/at/all");
    assert_null(refused(conf));
    rd_kafka_conf_destroy(conf);
    assert_accounts();
}

/* ── wrappers ────────────────────────────────────────────────────────────────────────────────── */

static void test_batches_of_the_wrapper(void **state) {
    (void)state;
    enum { COUNT = 300 };
    const char *topic = new_topic();
    const char *const topics[] = {topic, NULL};
    struct weir_message *messages[COUNT];
    produce(topic, COUNT, SAMPLED);
    struct weir_kafka_options options = {
        .struct_size = sizeof options, .brokers = brokers, .group_id = "wrapper-batch"};
    struct weir_consumer *own = weir_consumer_open(&options, topics, NULL);
    assert_non_null(own);
    long links = 0, dropped = 0, seen_count = 0;
    for (int tries = 0; tries < 300 && seen_count < COUNT; tries++) {
        int got = weir_consumer_poll_batch(own, 100, messages, COUNT, NULL);
        for (int i = 0; i < got; i++) {
            assert_int_equal(messages[i]->offset, seen_count + i);
            struct weir_task *task = weir_task_begin(messages[i]);
            struct weir_span_context sc;
            assert_true(weir_context_span_context(messages[i]->context, &sc));
            assert_int_equal(sc.span_id[7], (0x200 + seen_count + i) & 0xff);
            weir_task_end(task);
            weir_message_free(messages[i]);
        }
        if (got > 0) seen_count += got;
    }
    assert_int_equal(seen_count, COUNT);
    weir_consumer_close(own);
    collect();
    for (size_t i = 0; i < spans_count; i++) {
        if (strncmp(spans[i].name, "poll", 4) != 0) continue;
        links += spans[i].links;
        dropped += number(spans[i].line, "messaging.batch.message_count") - spans[i].links;
        assert_true(spans[i].links <= 128);
    }
    assert_int_equal(links + dropped, COUNT);
    assert_int_equal(count_of("process"), COUNT);
    assert_true(counter("messaging_client_consumed_messages_total", topic) == COUNT);
    assert_accounts();
}

/* ── all of it ───────────────────────────────────────────────────────────────────────────────── */

static int setup(void **state) {
    (void)state;
    char text[256], path[] = "/tmp/weir-receive-XXXXXX";
    int saved = dup(1);
    out = mkstemp(path);
    unlink(path);
    if (out < 0 || saved < 0 || dup2(saved, 100) < 0) return -1;
    /* the console exporter writes to fd 1; cmocka's words go where they went, by stdio */
    stdout = fdopen(100, "w");
    setvbuf(stdout, NULL, _IOLBF, 0);
    dup2(out, 1);
    setenv("OTEL_TRACES_EXPORTER", "console", 1);
    setenv("OTEL_METRICS_EXPORTER", "none", 1);
    setenv("OTEL_LOGS_EXPORTER", "none", 1);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    plain = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    cluster = plain ? rd_kafka_mock_cluster_new(plain, 1) : NULL;
    if (!cluster) return -1;
    snprintf(brokers, sizeof brokers, "%s", rd_kafka_mock_cluster_bootstraps(cluster));
    rd_kafka_brokers_add(plain, brokers);
    if (rd_kafka_mock_group_initial_rebalance_delay_ms)
        rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
    return weir_init(NULL, NULL);
}

static int teardown(void **state) {
    (void)state;
    weir_shutdown(1000, NULL);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(plain);
    return 0;
}

/* What the test before left behind is none of this one's. */
static int fresh(void **state) {
    (void)state;
    collect();
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_next_poll_ends_it, fresh),
        cmocka_unit_test_setup(test_idling_is_no_duration, fresh),
        cmocka_unit_test_setup(test_an_explicit_task_replaces_it, fresh),
        cmocka_unit_test_setup(test_destruction_ends_it, fresh),
        cmocka_unit_test_setup(test_off_and_explicit, fresh),
        cmocka_unit_test_setup(test_sends_nest_where_one_thread_does_all, fresh),
        cmocka_unit_test_setup(test_a_span_ended_elsewhere_is_active_no_more, fresh),
        cmocka_unit_test_setup(test_a_thread_that_ends, fresh),
        cmocka_unit_test_setup(test_several_consumers_on_one_thread, fresh),
        cmocka_unit_test_setup(test_own_scopes_win, fresh),
        cmocka_unit_test_setup(test_batches, fresh),
        cmocka_unit_test_setup(test_unsampled_messages, fresh),
        cmocka_unit_test_setup(test_metrics_alone, fresh),
        cmocka_unit_test_setup(test_spans_alone, fresh),
        cmocka_unit_test_setup(test_filters, fresh),
        cmocka_unit_test_setup(test_names_and_modes, fresh),
        cmocka_unit_test_setup(test_malformed_headers_are_counted, fresh),
        cmocka_unit_test_setup(test_origin, fresh),
        cmocka_unit_test_setup(test_what_comes_again_counts_once, fresh),
        cmocka_unit_test_setup(test_statistics_are_chained, fresh),
        cmocka_unit_test_setup(test_lag_without_statistics, fresh),
        cmocka_unit_test_setup(test_share_consumers_are_left_alone, fresh),
        cmocka_unit_test_setup(test_a_handle_at_the_second_try, fresh),
        cmocka_unit_test_setup(test_batches_of_the_wrapper, fresh),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
