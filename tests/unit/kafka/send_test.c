/* SPDX-License-Identifier: Apache-2.0 */
/* Instrumented producers on librdkafka's mock cluster: what is recorded, what messages carry, and
 * librdkafka's traps. Built twice: with the librdkafka of the server and with the system's. */
#include "../sdk/capture.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

#include "base/rand.h"
#include "weir/kafka.h"
#include "weir/metric.h"
#include "weir/propagation.h"

#define OWN "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static rd_kafka_t *mock_owner;
static rd_kafka_mock_cluster_t *cluster;
static char brokers[128], topic[32];
static struct weir_rand rng;

#if defined(__SANITIZE_ADDRESS__)
/* What test_t1_batch_with_an_unknown_partition is about: librdkafka forgets the message. (The
 * system's library has no names for its inside.) */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:rd_kafka_msg_new00\nleak:librdkafka.so.1\n";
}
#endif

/* ── what must not happen on librdkafka's threads ────────────────────────────────────────────── */

static _Thread_local bool in_hook; /* between our hook's beginning and its end */
static _Thread_local int acks;     /* of this thread */
static atomic_int allocations, locks;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

void *__wrap_malloc(size_t size) {
    allocations += in_hook;
    return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    allocations += in_hook;
    return __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
    allocations += in_hook;
    return __real_realloc(old, size);
}
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) {
    locks += in_hook;
    return __real_pthread_mutex_lock(mutex);
}

/* ── clients ─────────────────────────────────────────────────────────────────────────────────── */

enum { DELIVERED_MAX = 4096 };
struct delivered {
    rd_kafka_resp_err_t err;
    int32_t partition;
    int64_t offset;
    int traceparents, headers;
    char traceparent[WEIR_TRACEPARENT_SIZE + 1], names[200];
};
static struct delivered delivered[DELIVERED_MAX];
static int delivered_count;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)opaque;
    struct delivered *it = &delivered[delivered_count++ % DELIVERED_MAX];
    *it = (struct delivered){
        .err = message->err, .partition = message->partition, .offset = message->offset};
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(message, &headers)) return;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++) {
        it->headers++;
        size_t len = strlen(it->names);
        snprintf(it->names + len, sizeof it->names - len, "%s ", name);
        if (strcmp(name, "traceparent") != 0) continue;
        it->traceparents++;
        if (size < sizeof it->traceparent) memcpy(it->traceparent, value, size);
    }
}

static int32_t no_partition(const rd_kafka_topic_t *rkt, const void *key, size_t key_size,
                            int32_t count, void *topic_opaque, void *message_opaque) {
    (void)rkt, (void)key, (void)key_size, (void)topic_opaque;
    return message_opaque ? count + 7 : 0; /* librdkafka refuses the former within produce() */
}

static rd_kafka_resp_err_t before_ack(rd_kafka_t *rk, rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)message, (void)opaque;
    in_hook = ++acks > 20; /* a thread's first call may make its lane, a partition's its series */
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
static rd_kafka_resp_err_t behind_ack(rd_kafka_t *rk, rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)message, (void)opaque;
    in_hook = false;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
static rd_kafka_resp_err_t new_before(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                      char *why, size_t size) {
    (void)conf, (void)opaque, (void)why, (void)size;
    return rd_kafka_interceptor_add_on_acknowledgement(rk, "before", before_ack, NULL);
}
static rd_kafka_resp_err_t new_behind(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                      char *why, size_t size) {
    (void)conf, (void)opaque, (void)why, (void)size;
    return rd_kafka_interceptor_add_on_acknowledgement(rk, "behind", behind_ack, NULL);
}

/* A producer with these properties ("name=value", ending with NULL). */
static rd_kafka_t *open_producer(const char *const *properties) {
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_conf_t *topic_conf = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set_partitioner_cb(topic_conf, no_partition);
    rd_kafka_conf_set_default_topic_conf(conf, topic_conf);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_interceptor_add_on_new(conf, "before", new_before, NULL);
    assert_int_equal(weir_kafka_instrument(conf, 0, NULL), WEIR_OK);
    rd_kafka_conf_interceptor_add_on_new(conf, "behind", new_behind, NULL);
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    for (; properties && *properties; properties++) {
        char name[100];
        const char *equals = strchr(*properties, '=');
        snprintf(name, sizeof name, "%.*s", (int)(equals - *properties), *properties);
        if (rd_kafka_conf_set(conf, name, equals + 1, why, sizeof why) != RD_KAFKA_CONF_OK)
            fail_msg("%s", why);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk) fail_msg("%s", why);
    delivered_count = 0;
    return rk;
}
#define PRODUCER(...) open_producer((const char *const[]){__VA_ARGS__, NULL})

static rd_kafka_resp_err_t send_with(rd_kafka_t *rk, int32_t partition, const char *name,
                                     const char *value) {
    return __extension__ rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY("key", 3),
        RD_KAFKA_V_VALUE("x", 1), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_HEADER(name, value, (ssize_t)strlen(value)), RD_KAFKA_V_END);
}

static rd_kafka_resp_err_t send_plain(rd_kafka_t *rk, int32_t partition) {
    return __extension__ rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY("key", 3),
        RD_KAFKA_V_VALUE("x", 1), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

static void close_producer(rd_kafka_t *rk) {
    rd_kafka_flush(rk, 20000);
    rd_kafka_destroy(rk);
}

/* ── what arrived ────────────────────────────────────────────────────────────────────────────── */

/* Flushes; holds the accounts to it: each span that was started arrived or was dropped. */
static uint32_t arrived(void) {
    struct weir_stats stats = {.struct_size = sizeof stats};
    assert_int_equal(weir_flush(10000, NULL), WEIR_OK);
    weir_stats_get(&stats);
    uint64_t gone = stats.spans_dropped_queue + stats.spans_dropped_memory +
                    stats.spans_dropped_export + stats.spans_dropped_closed + stats.spans_cancelled;
    assert_int_equal(stats.spans_started, stats.spans_exported + gone + stats.spans_open);
    return captured_count(WEIR_SIGNAL_TRACE);
}

static void assert_span(const struct weir_otlp_span *span, enum weir_span_status status,
                        const char *error_type) {
    char name[80];
    snprintf(name, sizeof name, "send %s", topic);
    assert_view_is(span->name, name);
    assert_int_equal(span->status_code, status);
    assert_view_is(attr_str(span->attrs, "error.type"), error_type);
    assert_view_is(attr_str(span->attrs, "messaging.destination.name"), topic);
    assert_true(span->end_ns >= span->start_ns);
}

/* The number behind a line of /metrics that has all of these texts; 0: there is none. */
static double metric(const char *name, const char *const *texts) {
    double sum = 0;
    assert_int_equal(weir_flush(10000, NULL), WEIR_OK);
    char *text = weir_metrics_text(NULL);
    assert_non_null(text);
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        bool is = strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == '{';
        for (size_t i = 0; is && texts[i]; i++) is = strstr(line, texts[i]) != NULL;
        if (is) sum += strtod(strrchr(line, ' '), NULL);
    }
    free(text);
    return sum;
}
#define METRIC(name, ...) metric(name, (const char *const[]){__VA_ARGS__, NULL})
#define SENT              "messaging_client_sent_messages_total"
#define DURATION_COUNT    "messaging_client_operation_duration_seconds_count"

static int setup_with(const char *ratio) {
    char text[256];
    uint64_t seed = weir_rand_seed();
    weir_rand_init(&rng, seed);
    snprintf(topic, sizeof topic, "t-%llx", (unsigned long long)weir_rand_next(&rng));
    mock_owner = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    cluster = mock_owner ? rd_kafka_mock_cluster_new(mock_owner, 2) : NULL;
    if (!cluster) return -1;
    snprintf(brokers, sizeof brokers, "%s", rd_kafka_mock_cluster_bootstraps(cluster));
    capture_init("t", &(struct weir_options){.span_delay_ms = 50,
                                             .metrics_exporter = "prometheus",
                                             .sampler = "parentbased_traceidratio",
                                             .sampler_arg = ratio});
    allocations = locks = 0;
    return rd_kafka_mock_topic_create(cluster, topic, 3, 1) ? -1 : 0;
}
static int setup_all(void **state) {
    (void)state;
    return setup_with("1");
}
static int setup_none(void **state) {
    (void)state;
    return setup_with("0");
}

static int teardown(void **state) {
    (void)state;
    capture_done();
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(mock_owner);
    return 0;
}

/* ── the usual ───────────────────────────────────────────────────────────────────────────────── */

static void test_every_send_is_a_span(void **state) {
    (void)state;
    enum { COUNT = 300 };
    rd_kafka_t *rk = open_producer(NULL);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(send_with(rk, (int32_t)weir_rand_below(&rng, 3), "app", "kept"), 0);
    close_producer(rk);
    assert_int_equal(delivered_count, COUNT);
    assert_int_equal(arrived(), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct weir_otlp_span *span = captured_span(i);
        assert_span(span, WEIR_SPAN_STATUS_UNSET, "");
        assert_int_equal(span->kind, WEIR_SPAN_KIND_PRODUCER);
        const struct weir_value *offset =
            weir_attrs_get(span->attrs, weir_view_str("messaging.kafka.offset"));
        struct weir_span_context sc;
        int same = 0;
        for (int d = 0; d < COUNT; d++) {
            assert_string_equal(delivered[d].names, "app traceparent ");
            assert_true(weir_traceparent_parse(delivered[d].traceparent, 55, &sc));
            if (memcmp(sc.span_id, span->span_id, 8) != 0) continue;
            same++;
            char partition[12];
            snprintf(partition, sizeof partition, "%d", (int)delivered[d].partition);
            assert_memory_equal(sc.trace_id, span->trace_id, 16);
            assert_int_equal(sc.flags & 1, 1);
            assert_int_equal(offset->i64, delivered[d].offset);
            assert_view_is(attr_str(span->attrs, "messaging.destination.partition.id"), partition);
        }
        assert_int_equal(same, 1);
    }
}

static void test_counts_are_exact_per_partition(void **state) {
    (void)state;
    int sent[3] = {0, 0, 0};
    rd_kafka_t *rk = PRODUCER("weir.propagate=sampled");
    for (int i = 0; i < 3000; i++) {
        int32_t partition = (int32_t)weir_rand_below(&rng, 3);
        if (!send_plain(rk, partition)) sent[partition]++;
        if (i == 1000) rd_kafka_flush(rk, 10000), weir_flush(1000, NULL);
    }
    close_producer(rk);
    assert_int_equal(arrived(), 0);
    for (int p = 0; p < 3; p++) {
        char name[80], partition[64];
        snprintf(name, sizeof name, "messaging_destination_name=\"%s\"", topic);
        snprintf(partition, sizeof partition, "messaging_destination_partition_id=\"%d\"", p);
        assert_int_equal((int)METRIC(SENT, name, partition), sent[p]);
        assert_int_equal((int)METRIC(DURATION_COUNT, name, partition), sent[p]);
    }
    for (int i = 0; i < delivered_count; i++) assert_int_equal(delivered[i].headers, 0);
}

static void test_unsampled_headers_say_so(void **state) {
    (void)state;
    rd_kafka_t *rk = PRODUCER("weir.propagate=always");
    for (int i = 0; i < 10; i++) send_plain(rk, 0);
    close_producer(rk);
    struct weir_span_context sc;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(delivered[i].traceparents, 1);
        assert_true(weir_traceparent_parse(delivered[i].traceparent, 55, &sc));
        assert_int_equal(sc.flags & 1, 0);
    }
    assert_int_equal(arrived(), 0);
}

/* A context that the user put there stays as it is, and the span links it. */
static void test_own_context_is_kept_and_linked(void **state) {
    (void)state;
    rd_kafka_t *rk = open_producer(NULL);
    send_with(rk, 0, "traceparent", OWN);
    close_producer(rk);
    assert_string_equal(delivered[0].traceparent, OWN);
    assert_int_equal(delivered[0].traceparents, 1);
    assert_int_equal(arrived(), 1);
    const struct weir_otlp_span *span = captured_span(0);
    assert_int_equal(span->kind, WEIR_SPAN_KIND_CLIENT);
    assert_int_equal(span->links_count, 1);
    struct weir_span_context own;
    weir_traceparent_parse(OWN, 55, &own);
    assert_memory_equal(span->links[0].trace_id, own.trace_id, 16);
    assert_memory_equal(span->links[0].span_id, own.span_id, 8);
    assert_memory_not_equal(span->trace_id, own.trace_id, 16);
}

static void test_malformed_context_is_replaced_and_counted(void **state) {
    (void)state;
    struct weir_stats before = {.struct_size = sizeof before}, after = before;
    weir_stats_get(&before);
    rd_kafka_t *rk = open_producer(NULL);
    send_with(rk, 0, "traceparent", "00-nonsense");
    close_producer(rk);
    weir_stats_get(&after);
    assert_int_equal(after.headers_malformed - before.headers_malformed, 1);
    assert_int_equal(delivered[0].traceparents, 1);
    struct weir_span_context sc;
    assert_true(weir_traceparent_parse(delivered[0].traceparent, 55, &sc));
    assert_int_equal(arrived(), 1);
    assert_int_equal(captured_span(0)->links_count, 0);
}

/* Parent, tracestate and baggage go along; the span with a tracestate is an ordinary one. */
static void test_current_context_is_the_parent(void **state) {
    (void)state;
    struct weir_span_context parent;
    weir_traceparent_parse(OWN, 55, &parent);
    parent.trace_state = "a=b";
    parent.trace_state_size = 3;
    struct weir_context *ctx = weir_context_with_span_context(NULL, &parent);
    struct weir_context *with = weir_baggage_set(ctx, "user", "ann");
    struct weir_scope scope;
    rd_kafka_t *rk = open_producer(NULL);
    weir_scope_attach(&scope, with);
    send_plain(rk, 0);
    weir_scope_detach(&scope);
    close_producer(rk);
    assert_string_equal(delivered[0].names, "traceparent tracestate baggage ");
    assert_int_equal(arrived(), 1);
    const struct weir_otlp_span *span = captured_span(0);
    assert_span(span, WEIR_SPAN_STATUS_UNSET, "");
    assert_memory_equal(span->trace_id, parent.trace_id, 16);
    assert_memory_equal(span->parent_span_id, parent.span_id, 8);
    assert_view_is(span->trace_state, "a=b");
    assert_view_is(attr_str(span->attrs, "messaging.destination.partition.id"), "0");
    weir_context_unref(with);
    weir_context_unref(ctx);
}

static void test_settings_choose_messages(void **state) {
    (void)state;
    char exclude[80];
    snprintf(exclude, sizeof exclude, "weir.topics.exclude=%s", topic);
    rd_kafka_t *rk = open_producer((const char *const[]){exclude, NULL});
    send_plain(rk, 0);
    close_producer(rk);
    assert_int_equal(delivered[0].headers, 0);
    snprintf(exclude, sizeof exclude, "weir.propagate.exclude=%s", topic);
    rk = open_producer((const char *const[]){exclude, NULL});
    send_plain(rk, 0);
    close_producer(rk);
    assert_int_equal(delivered[0].headers, 0);
    assert_int_equal(arrived(), 1);
    rk = PRODUCER("weir.keys=other*");
    send_plain(rk, 0);
    close_producer(rk);
    rk = PRODUCER("weir.record.keys=true", "weir.span.name.send={topic} sent");
    send_plain(rk, 0);
    close_producer(rk);
    assert_int_equal(arrived(), 2);
    assert_view_is(attr_str(captured_span(1)->attrs, "messaging.kafka.message.key"), "key");
    char name[80];
    snprintf(name, sizeof name, "%s sent", topic);
    assert_view_is(captured_span(1)->name, name);
}

static void test_older_names(void **state) {
    (void)state;
    rd_kafka_t *rk = PRODUCER("weir.semconv=dup");
    send_plain(rk, 2);
    close_producer(rk);
    assert_int_equal(arrived(), 1);
    struct weir_attrs attrs = captured_span(0)->attrs;
    const struct weir_value *older =
        weir_attrs_get(attrs, weir_view_str("messaging.kafka.partition"));
    assert_view_is(attr_str(attrs, "messaging.destination.partition.id"), "2");
    assert_view_is(attr_str(attrs, "messaging.destination.name"), topic);
    assert_view_is(attr_str(attrs, "messaging.destination"), topic);
    assert_non_null(older);
}

/* ── failures ────────────────────────────────────────────────────────────────────────────────── */

/* Unsampled, and yet kept; without locks and allocations where librdkafka's threads tell of it. */
static void test_errors_are_kept(void **state) {
    (void)state;
    rd_kafka_t *rk =
        PRODUCER("weir.propagate=sampled", "enable.idempotence=false", "retries=0", "linger.ms=0");
    rd_kafka_mock_push_request_errors(cluster, 0, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    send_plain(rk, 1);
    close_producer(rk);
    assert_int_equal(delivered[0].err, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_int_equal(arrived(), 1);
    assert_span(captured_span(0), WEIR_SPAN_STATUS_ERROR, "MESSAGE_TOO_LARGE");
    assert_int_equal(captured_span(0)->events_count, 1);
    assert_view_is(captured_span(0)->events[0].name, "exception");
    assert_view_is(attr_str(captured_span(0)->attrs, "messaging.destination.partition.id"), "1");
    char name[80];
    snprintf(name, sizeof name, "messaging_destination_name=\"%s\"", topic);
    assert_int_equal((int)METRIC(SENT, name, "error_type=\"MESSAGE_TOO_LARGE\""), 1);
}

static void test_slow_acknowledgements_are_kept(void **state) {
    (void)state;
    rd_kafka_t *rk = PRODUCER("weir.slow.ms=30", "weir.propagate=always", "linger.ms=0");
    for (int broker = 1; broker <= 2; broker++) rd_kafka_mock_broker_set_rtt(cluster, broker, 80);
    send_plain(rk, 2);
    close_producer(rk);
    assert_int_equal(arrived(), 1);
    const struct weir_otlp_span *span = captured_span(0);
    assert_span(span, WEIR_SPAN_STATUS_UNSET, "");
    assert_true(span->end_ns - span->start_ns >= 30000000);
    struct weir_span_context sc;
    assert_true(weir_traceparent_parse(delivered[0].traceparent, 55, &sc));
    assert_memory_equal(sc.trace_id, span->trace_id, 16);
    assert_memory_equal(sc.span_id, span->span_id, 8);
    assert_int_equal(span->flags & 1, 1);
    assert_int_equal(sc.flags & 1, 0);
}

static void test_a_broker_that_is_down(void **state) {
    (void)state;
    rd_kafka_t *rk = PRODUCER("message.timeout.ms=300", "linger.ms=0");
    rd_kafka_mock_broker_set_down(cluster, 1);
    rd_kafka_mock_broker_set_down(cluster, 2);
    for (int i = 0; i < 5; i++) send_plain(rk, i % 3);
    close_producer(rk);
    assert_int_equal(delivered_count, 5);
    assert_int_equal(arrived(), 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_span(captured_span(i), WEIR_SPAN_STATUS_ERROR, "_MSG_TIMED_OUT");
}

/* Retried by librdkafka, after its leader moved: one span, one header, no error. */
static void test_a_leader_change_is_no_error(void **state) {
    (void)state;
    rd_kafka_t *rk = PRODUCER("linger.ms=0", "retry.backoff.ms=10");
    send_plain(rk, 0);
    rd_kafka_flush(rk, 10000);
    rd_kafka_mock_push_request_errors(cluster, 0, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    rd_kafka_mock_partition_set_leader(cluster, topic, 0, 1);
    send_plain(rk, 0);
    rd_kafka_flush(rk, 10000);
    rd_kafka_mock_partition_set_leader(cluster, topic, 0, 2);
    send_plain(rk, 0);
    close_producer(rk);
    assert_int_equal(arrived(), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_span(captured_span(i), WEIR_SPAN_STATUS_UNSET, "");
        assert_int_equal(delivered[i].traceparents, 1);
    }
}

static void test_an_unknown_topic(void **state) {
    (void)state;
    rd_kafka_mock_topic_set_error(cluster, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_t *rk = PRODUCER("topic.metadata.propagation.max.ms=100",
                              "topic.metadata.refresh.interval.ms=100", "message.timeout.ms=20000");
    send_plain(rk, RD_KAFKA_PARTITION_UA);
    close_producer(rk);
    assert_int_equal(delivered_count, 1);
    assert_int_equal(arrived(), 1);
    assert_span(captured_span(0), WEIR_SPAN_STATUS_ERROR,
                delivered[0].err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
                    ? "_UNKNOWN_TOPIC"
                    : "UNKNOWN_TOPIC_OR_PARTITION");
}

static void test_a_purge(void **state) {
    (void)state;
    rd_kafka_t *rk = PRODUCER("weir.propagate=sampled", "linger.ms=5000");
    send_plain(rk, 0);
    rd_kafka_flush(rk, 10000);
    rd_kafka_mock_broker_set_down(cluster, 1);
    rd_kafka_mock_broker_set_down(cluster, 2);
    for (int i = 0; i < 7; i++) send_plain(rk, 0);
    rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    close_producer(rk);
    assert_int_equal(delivered_count, 8);
    assert_int_equal(arrived(), 7);
    for (uint32_t i = 0; i < 7; i++) {
        struct weir_view type = attr_str(captured_span(i)->attrs, "error.type");
        assert_true(weir_view_is(type, "_PURGE_QUEUE") || weir_view_is(type, "_PURGE_INFLIGHT"));
    }
}

/* ── librdkafka's traps ──────────────────────────────────────────────────────────────────────── */

static rd_kafka_topic_t *known_topic(rd_kafka_t *rk) {
    send_plain(rk, 0); /* from here on librdkafka knows its partitions */
    rd_kafka_flush(rk, 10000);
    return rd_kafka_topic_new(rk, topic, NULL);
}

/* A batch of which one fails within the call: librdkafka acknowledges the application's struct. */
static void batch_with_a_failure(uint32_t spans_before) {
    rd_kafka_t *rk = open_producer(NULL);
    rd_kafka_topic_t *rkt = known_topic(rk);
    rd_kafka_message_t batch[3];
    memset(batch, 0xAB, sizeof batch); /* what librdkafka does not write, we must not read */
    for (int i = 0; i < 3; i++) {
        batch[i].err = 0;
        batch[i].payload = (void *)(uintptr_t) "y";
        batch[i].len = 1;
        batch[i].key = (void *)(uintptr_t) "k"; /* without one librdkafka asks no partitioner */
        batch[i].key_len = 1;
        batch[i]._private = i == 1 ? &batch : NULL;
    }
    assert_int_equal(
        rd_kafka_produce_batch(rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, batch, 3), 2);
    assert_int_equal(batch[1].err, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION);
    rd_kafka_topic_destroy(rkt);
    close_producer(rk);
    assert_int_equal(delivered_count, 3);
    uint32_t count = arrived(), failed = 0;
    assert_int_equal(count, spans_before + 1);
    for (uint32_t i = 0; i < count; i++)
        failed += captured_span(i)->status_code == WEIR_SPAN_STATUS_ERROR;
    assert_int_equal(failed, 1);
    char name[80];
    snprintf(name, sizeof name, "messaging_destination_name=\"%s\"", topic);
    assert_int_equal((int)METRIC(SENT, name, "error_type=\"_UNKNOWN_PARTITION\""), 1);
    assert_int_equal((int)METRIC(SENT, name), 4);
}
static void test_t1_batch_failure_sampled(void **state) {
    (void)state;
    batch_with_a_failure(3);
}
static void test_t1_batch_failure_unsampled(void **state) {
    (void)state;
    batch_with_a_failure(0);
}

/* on_send and nothing else: librdkafka forgets the message. Its span ends with the client. */
static void test_t1_batch_with_an_unknown_partition(void **state) {
    (void)state;
    rd_kafka_t *rk = open_producer(NULL);
    rd_kafka_topic_t *rkt = known_topic(rk);
    rd_kafka_message_t batch[2];
    memset(batch, 0, sizeof batch);
    for (int i = 0; i < 2; i++) {
        batch[i].payload = (void *)(uintptr_t) "y";
        batch[i].len = 1;
        batch[i].partition = i ? 99 : 0;
    }
    assert_int_equal(rd_kafka_produce_batch(rkt, RD_KAFKA_PARTITION_UA,
                                            RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION, batch,
                                            2),
                     1);
    rd_kafka_topic_destroy(rkt);
    /* The forgotten message is still counted by librdkafka: flush() would wait for it. */
    for (int i = 0; i < 100 && delivered_count < 2; i++) rd_kafka_poll(rk, 100);
    rd_kafka_destroy_flags(rk, 0);
    assert_int_equal(arrived(), 3);
    int left = 0;
    for (uint32_t i = 0; i < 3; i++)
        left += weir_view_is(attr_str(captured_span(i)->attrs, "error.type"), "_DESTROY");
    assert_int_equal(left, 1);
}

/* A call that fails gives the headers back as they were; the next one adds one traceparent. */
static void test_t2_a_failed_call_leaves_headers_as_they_were(void **state) {
    (void)state;
    rd_kafka_t *rk = open_producer(NULL);
    rd_kafka_topic_destroy(known_topic(rk));
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(headers, "one", -1, "1", 1);
    rd_kafka_header_add(headers, "two", -1, "2", 1);
    for (int i = 0; i < 3; i++) {
        rd_kafka_resp_err_t err = __extension__ rd_kafka_producev(
            rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY("k", 1), RD_KAFKA_V_VALUE("x", 1),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_OPAQUE(headers), RD_KAFKA_V_END);
        assert_int_equal(err, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION);
        assert_int_equal(rd_kafka_header_cnt(headers), 2);
    }
    assert_int_equal(__extension__ rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
                                                     RD_KAFKA_V_VALUE("x", 1),
                                                     RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                                     RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
                     0);
    close_producer(rk);
    assert_string_equal(delivered[1].names, "one two traceparent ");
    assert_int_equal(arrived(), 5);
    int failed = 0;
    for (uint32_t i = 0; i < 5; i++)
        failed +=
            weir_view_is(attr_str(captured_span(i)->attrs, "error.type"), "_UNKNOWN_PARTITION");
    assert_int_equal(failed, 3);
}

/* What we add must not make a message too large that was not. */
static void test_t3_the_size_limit_is_respected(void **state) {
    (void)state;
    static char large[1850];
    rd_kafka_t *rk = PRODUCER("message.max.bytes=2000");
    double before = METRIC("weir_kafka_sends_unobserved_total", "headers_too_large");
    rd_kafka_resp_err_t err = __extension__ rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_VALUE(large, sizeof large),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    assert_int_equal(err, 0);
    close_producer(rk);
    assert_int_equal(delivered[0].err, 0);
    assert_int_equal(delivered[0].headers, 0);
    assert_int_equal(arrived(), 1);
    assert_true(METRIC("weir_kafka_sends_unobserved_total", "headers_too_large") == before + 1);
}

/* Some are acknowledged after on_destroy, some never: none is lost, none is touched after its
 * end. */
static void test_t4_destroyed_before_the_acknowledgement(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    snprintf(brokers, sizeof brokers, "127.0.0.1:1");
    rd_kafka_t *rk = open_producer(NULL);
    for (int i = 0; i < COUNT; i++) assert_int_equal(send_plain(rk, i % 3), 0);
    rd_kafka_destroy(rk);
    assert_int_equal(arrived(), COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(captured_span(i)->status_code, WEIR_SPAN_STATUS_ERROR);
}

static void test_t4_destroyed_while_sending(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    rd_kafka_t *rk = open_producer(NULL);
    for (int i = 0; i < COUNT; i++) send_plain(rk, i % 3);
    rd_kafka_poll(rk, 20);
    rd_kafka_destroy(rk);
    struct weir_stats stats = {.struct_size = sizeof stats};
    arrived();
    weir_stats_get(&stats);
    assert_int_equal(stats.spans_open, 0);
}

/* The oldest call has no headers in it. */
static void test_t8_produce_without_headers(void **state) {
    (void)state;
    rd_kafka_t *rk = open_producer(NULL);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    assert_int_equal(
        rd_kafka_produce(rkt, 0, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t) "x", 1, NULL, 0, NULL),
        0);
    rd_kafka_topic_destroy(rkt);
    close_producer(rk);
    assert_int_equal(delivered[0].traceparents, 1);
    assert_int_equal(arrived(), 1);
}

/* on_acknowledgement on librdkafka's threads: sampled, failed and slow ones among them. */
static void hooks_take_nothing(const char *const *properties, bool fails) {
    rd_kafka_t *rk = open_producer(properties);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) send_plain(rk, i % 3);
        rd_kafka_flush(rk, 10000);
        weir_flush(5000, NULL);
    }
    if (fails) {
        rd_kafka_mock_broker_set_down(cluster, 1);
        rd_kafka_mock_broker_set_down(cluster, 2);
        for (int i = 0; i < 100; i++) send_plain(rk, i % 3);
    }
    close_producer(rk);
    assert_int_equal(allocations, 0);
    assert_int_equal(locks, 0);
    arrived();
}
static void test_t9_no_lock_no_malloc_sampled(void **state) {
    (void)state;
    hooks_take_nothing((const char *const[]){"message.timeout.ms=500", "linger.ms=1", NULL}, true);
}
static void test_t9_no_lock_no_malloc_unsampled(void **state) {
    (void)state;
    hooks_take_nothing((const char *const[]){"message.timeout.ms=500", "linger.ms=1",
                                             "weir.propagate=sampled", "weir.slow.ms=1", NULL},
                       true);
}

/* ── our own producer ────────────────────────────────────────────────────────────────────────── */

static struct weir_producer *open_own(const char *properties) {
    struct weir_error err = {.message = ""};
    struct weir_kafka_options options = {
        .struct_size = sizeof options, .brokers = brokers, .properties = properties};
    struct weir_producer *producer = weir_producer_open(&options, &err);
    if (!producer) fail_msg("%s", err.message);
    return producer;
}

static void test_own_producer(void **state) {
    (void)state;
    enum { COUNT = 50 };
    struct weir_delivery deliveries[COUNT];
    struct weir_record records[COUNT];
    struct weir_producer *producer = open_own("weir.record.keys=false");
    for (int i = 0; i < COUNT; i++)
        records[i] = (struct weir_record){.topic = topic,
                                          .has_partition = true,
                                          .partition = (int32_t)weir_rand_below(&rng, 3),
                                          .key = "k",
                                          .key_size = 1};
    assert_int_equal(weir_producer_send_batch(producer, records, COUNT, deliveries, NULL), 0);
    struct weir_record nowhere = {
        .topic = topic, .has_partition = true, .partition = 77, .value = "x", .value_size = 1};
    assert_int_equal(weir_producer_send(producer, &nowhere, NULL, NULL), WEIR_ENOTFOUND);
    weir_producer_close(producer);
    assert_int_equal(arrived(), COUNT + 1);
    int failed = 0, tombstones = 0;
    for (uint32_t i = 0; i <= COUNT; i++) {
        const struct weir_otlp_span *span = captured_span(i);
        const struct weir_value *tombstone =
            weir_attrs_get(span->attrs, weir_view_str("messaging.kafka.message.tombstone"));
        tombstones += tombstone && tombstone->boolean;
        failed += weir_view_is(attr_str(span->attrs, "error.type"), "_UNKNOWN_PARTITION");
    }
    assert_int_equal(failed, 1);
    assert_int_equal(tombstones, COUNT);
    char name[80];
    snprintf(name, sizeof name, "messaging_destination_name=\"%s\"", topic);
    assert_int_equal((int)METRIC(SENT, name), COUNT + 1);
}

static uint32_t spans_named(const char *name, enum weir_span_status status) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < captured_count(WEIR_SIGNAL_TRACE); i++)
        found +=
            weir_view_is(captured_span(i)->name, name) && captured_span(i)->status_code == status;
    return found;
}

static void test_transactions(void **state) {
    (void)state;
    struct weir_error err = {.message = ""};
    struct weir_record record = {.topic = topic, .value = "x", .value_size = 1};
    struct weir_producer *producer = open_own("transactional.id=shop\n");
    for (int i = 0; i < 2; i++) {
        if (weir_producer_begin(producer, &err)) fail_msg("%s", err.message);
        assert_int_equal(weir_producer_send(producer, &record, NULL, NULL), 0);
        int code = i ? weir_producer_abort(producer, 10000, &err)
                     : weir_producer_commit(producer, 10000, &err);
        if (code) fail_msg("%s", err.message);
    }
    assert_int_equal(weir_producer_commit(producer, 10000, &err), WEIR_EINVALID); /* in none */
    weir_producer_close(producer);
    arrived();
    assert_int_equal(spans_named("begin_transaction", WEIR_SPAN_STATUS_UNSET), 2);
    assert_int_equal(spans_named("commit_transaction", WEIR_SPAN_STATUS_UNSET), 1);
    assert_int_equal(spans_named("commit_transaction", WEIR_SPAN_STATUS_ERROR), 1);
    assert_int_equal(spans_named("abort_transaction", WEIR_SPAN_STATUS_UNSET), 1);
    producer = open_own(NULL);
    assert_int_equal(weir_producer_begin(producer, &err), WEIR_EINVALID);
    weir_producer_close(producer);
}

/* What a consumer was given is committed by the producer's transaction. */
static void test_offsets_in_a_transaction(void **state) {
    (void)state;
    struct weir_error err = {.message = ""};
    const char *const topics[] = {topic, NULL};
    struct weir_record record = {
        .topic = topic, .has_partition = true, .partition = 1, .value = "x", .value_size = 1};
    struct weir_kafka_options options = {.struct_size = sizeof options,
                                         .brokers = brokers,
                                         .group_id = "readers",
                                         .properties = "enable.auto.commit=false\n"};
    struct weir_producer *producer = open_own("transactional.id=shop\n");
    struct weir_consumer *consumer = weir_consumer_open(&options, topics, &err);
    if (weir_producer_begin(producer, &err)) fail_msg("%s", err.message);
    assert_int_equal(weir_producer_send(producer, &record, NULL, NULL), 0);
    if (weir_producer_commit(producer, 10000, &err)) fail_msg("%s", err.message);
    struct weir_message *message = NULL;
    for (int i = 0; i < 200 && !message; i++) weir_consumer_poll(consumer, 100, &message, NULL);
    assert_non_null(message);
    weir_message_free(message);
    if (weir_producer_begin(producer, &err)) fail_msg("%s", err.message);
    if (weir_producer_send_offsets(producer, consumer, 10000, &err)) fail_msg("%s", err.message);
    if (weir_producer_commit(producer, 10000, &err)) fail_msg("%s", err.message);
    weir_consumer_close(consumer);
    weir_producer_close(producer);
    arrived();
    assert_int_equal(spans_named("send_offsets_to_transaction", WEIR_SPAN_STATUS_UNSET), 1);
    for (uint32_t i = 0; i < captured_count(WEIR_SIGNAL_TRACE); i++)
        if (weir_view_is(captured_span(i)->name, "send_offsets_to_transaction"))
            assert_view_is(attr_str(captured_span(i)->attrs, "messaging.consumer.group.name"),
                           "readers");
}

int main(void) {
    printf("librdkafka %s\n", rd_kafka_version_str());
#define ALL(test)  cmocka_unit_test_setup_teardown(test, setup_all, teardown)
#define NONE(test) cmocka_unit_test_setup_teardown(test, setup_none, teardown)
    const struct CMUnitTest tests[] = {
        ALL(test_every_send_is_a_span),
        NONE(test_counts_are_exact_per_partition),
        NONE(test_unsampled_headers_say_so),
        ALL(test_own_context_is_kept_and_linked),
        ALL(test_malformed_context_is_replaced_and_counted),
        ALL(test_current_context_is_the_parent),
        ALL(test_settings_choose_messages),
        ALL(test_older_names),
        NONE(test_errors_are_kept),
        NONE(test_slow_acknowledgements_are_kept),
        ALL(test_a_broker_that_is_down),
        ALL(test_a_leader_change_is_no_error),
        ALL(test_an_unknown_topic),
        NONE(test_a_purge),
        ALL(test_t1_batch_failure_sampled),
        NONE(test_t1_batch_failure_unsampled),
        ALL(test_t1_batch_with_an_unknown_partition),
        ALL(test_t2_a_failed_call_leaves_headers_as_they_were),
        ALL(test_t3_the_size_limit_is_respected),
        ALL(test_t4_destroyed_before_the_acknowledgement),
        ALL(test_t4_destroyed_while_sending),
        ALL(test_own_producer),
        ALL(test_transactions),
        ALL(test_offsets_in_a_transaction),
        ALL(test_t8_produce_without_headers),
        ALL(test_t9_no_lock_no_malloc_sampled),
        NONE(test_t9_no_lock_no_malloc_unsampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
