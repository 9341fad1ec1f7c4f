/* SPDX-License-Identifier: Apache-2.0 */
/* Headers in and out, statistics, options: what needs no broker. */
#include "unit.h"

#include <stdlib.h>

#include "kafka/client.h"
#include "kafka/message.h"
#include "weir/propagation.h"

static const struct weir_rd *rd;

static int setup(void **state) {
    (void)state;
    rd = weir_rd(NULL);
    struct weir_options options = {.struct_size = sizeof options,
                                   .flags = WEIR_INIT_NO_ENVIRONMENT,
                                   .traces_exporter = "none",
                                   .metrics_exporter = "none",
                                   .logs_exporter = "none"};
    return rd ? weir_init(&options, NULL) : -1;
}

static int teardown(void **state) {
    (void)state;
    return weir_shutdown(1000, NULL);
}

static struct weir_span_context identity(uint8_t first) {
    return (struct weir_span_context){
        .trace_id = {first, 2}, .span_id = {3, first}, .flags = WEIR_FLAG_SAMPLED};
}

static size_t count(rd_kafka_headers_t *headers, const char *name) {
    size_t found = 0, size;
    const void *value;
    while (!rd->header_get(headers, found, name, &value, &size)) found++;
    return found;
}

static void test_inject_replaces(void **state) {
    (void)state;
    rd_kafka_headers_t *headers = rd->headers_new(4);
    rd->header_add(headers, "traceparent", -1, "old", 3);
    rd->header_add(headers, "app", -1, "kept", 4);
    rd->header_add(headers, "traceparent", -1, "older", 5);
    rd->header_add(headers, "tracestate", -1, "of=another", 10);
    struct weir_span_context sc = identity(7);
    struct weir_context *ctx = weir_context_with_span_context(NULL, &sc);
    for (int i = 0; i < 3; i++) assert_int_equal(weir_kafka_inject(ctx, headers), 1);
    assert_int_equal(count(headers, "traceparent"), 1);
    assert_int_equal(count(headers, "tracestate"), 0);
    assert_int_equal(count(headers, "app"), 1);
    struct weir_context *back = weir_kafka_extract(NULL, headers);
    struct weir_span_context found;
    assert_true(weir_context_span_context(back, &found));
    assert_memory_equal(found.trace_id, sc.trace_id, 16);
    assert_memory_equal(found.span_id, sc.span_id, 8);
    assert_true(found.is_remote);
    weir_context_unref(back);
    weir_context_unref(ctx);
    rd->headers_destroy(headers);
}

static void test_extract_of_nothing_and_nonsense(void **state) {
    (void)state;
    rd_kafka_headers_t *headers = rd->headers_new(2);
    assert_null(weir_kafka_extract(NULL, headers));
    assert_null(weir_kafka_extract(NULL, NULL));
    rd->header_add(headers, "traceparent", -1, NULL, 0);
    assert_null(weir_kafka_extract(NULL, headers));
    rd->header_add(headers, "traceparent", -1, "00-zz", 5);
    assert_null(weir_kafka_extract(NULL, headers));
    rd->headers_destroy(headers);
}

static struct weir_kafka_client *make_client(const char *properties, bool is_producer) {
    struct weir_kafka_options options = {.struct_size = sizeof options,
                                         .properties = properties,
                                         .group_id = is_producer ? NULL : "g"};
    rd_kafka_conf_t *conf;
    struct weir_kafka_client *client;
    assert_int_equal(weir_kafka_client_new(&options, is_producer, &conf, &client, NULL), WEIR_OK);
    rd->conf_destroy(conf);
    return client;
}

static void test_first_server(void **state) {
    (void)state;
    static const struct {
        const char *property, *host;
        int port;
    } cases[] = {{"bootstrap.servers=a:1,b:2", "a", 1},
                 {"bootstrap.servers=broker-1", "broker-1", 9092},
                 {"bootstrap.servers=SSL://x.example:9093", "x.example", 9093},
                 {"bootstrap.servers=[::1]:7", "::1", 7},
                 {"bootstrap.servers=[fe80::1]", "fe80::1", 9092}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_kafka_client *client = make_client(cases[i].property, true);
        assert_string_equal(client->server, cases[i].host);
        assert_int_equal(client->port, cases[i].port);
        weir_kafka_client_unref(client);
    }
}

static void test_statistics(void **state) {
    (void)state;
    struct weir_kafka_client *client = make_client(NULL, false);
    struct weir_kafka_entry *entry = weir_kafka_entry_get(client, "orders", 1);
    assert_int_equal(client->connected, -1);
    weir_kafka_stats_read(client,
                          WEIR_VIEW("{\"name\":\"x\",\"msg_cnt\":7,\"brokers\":{\"b/"
                                    "1\":{\"nodeid\":1,\"state\":\"UP\",\"rtt\":{\"p99\":3}},"
                                    "\"b/"
                                    "2\":{\"nodeid\":2,\"state\":\"DOWN\"}},\"topics\":{\"orders\":"
                                    "{\"age\":1,\"partitions\":{"
                                    "\"1\":{\"partition\":1,\"desired\":true,\"consumer_lag\":42},"
                                    "\"2\":{\"partition\":2,\"desired\":false,\"consumer_lag\":5},"
                                    "\"-1\":{\"partition\":-1,\"desired\":true,\"consumer_lag\":9}}"
                                    "}},\"cgrp\":{\"state\":\"up\"}}"));
    assert_int_equal(client->connected, 1);
    assert_int_equal(client->queue, 7);
    assert_int_equal(entry->lag, 42);
    assert_int_equal(weir_kafka_entry_get(client, "orders", 2)->lag, -1);
    /* An idle connection was closed: nobody tried again. Then they do, once and more than twice. */
    weir_kafka_stats_read(client, WEIR_VIEW("{\"brokers\":{\"b/1\":{\"state\":\"DOWN\"}}}"));
    assert_int_equal(client->connected, 1);
    weir_kafka_stats_read(
        client, WEIR_VIEW("{\"brokers\":{\"b/1\":{\"state\":\"TRY_CONNECT\",\"connects\":1}}}"));
    assert_int_equal(client->connected, 1);
    weir_kafka_stats_read(
        client, WEIR_VIEW("{\"brokers\":{\"b/1\":{\"state\":\"CONNECT\",\"connects\":3}}}"));
    assert_int_equal(client->connected, 0);
    weir_kafka_stats_read(client,
                          WEIR_VIEW("{\"brokers\":{\"b/1\":{\"state\":\"UP\",\"connects\":4}}}"));
    assert_int_equal(client->connected, 1);
    weir_kafka_stats_read(client,
                          WEIR_VIEW("{\"topics\":{\"orders\":{\"partitions\":[1,")); /* cut off */
    weir_kafka_stats_read(client, WEIR_VIEW("not json"));
    assert_int_equal(entry->lag, 42);
    weir_kafka_client_unref(client);
}

static void test_options_that_make_no_sense(void **state) {
    (void)state;
    struct weir_error err;
    unsetenv("KAFKA_GROUP_ID");
    unsetenv("KAFKA_TOPIC");
    const char *const topics[] = {"t", NULL}, *const none[] = {NULL};
    assert_null(weir_consumer_open(NULL, topics, &err));
    assert_non_null(strstr(err.message, "group"));
    struct weir_kafka_options options = {.struct_size = sizeof options, .group_id = "g"};
    assert_null(weir_consumer_open(&options, none, &err));
    assert_non_null(strstr(err.message, "topic"));
    options.properties = "\nsecurity.protocl=ssl";
    assert_null(weir_producer_open(&options, &err));
    assert_non_null(strstr(err.message, "security.protocol"));
    assert_int_equal(err.line, 2);
    struct weir_runner_options runner = {.struct_size = sizeof runner};
    assert_null(weir_runner_open(&runner, &err));
    assert_non_null(strstr(err.message, "handler"));
    weir_producer_close(NULL);
    weir_consumer_close(NULL);
    weir_runner_close(NULL);
    weir_runner_stop(NULL);
    weir_message_free(NULL);
    weir_task_end(weir_task_begin(NULL));
}

/* librdkafka finds this out late, after it has called interceptors. */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));
static void test_a_handle_that_cannot_be_made(void **state) {
    (void)state;
    static const char *const topics[] = {"any", NULL};
    struct weir_kafka_options options = {.struct_size = sizeof options,
                                         .group_id = "g",
                                         .properties = "security.protocol=ssl\n"
                                                       "ssl.ca.location=/nowhere/ca.pem\n"};
    if (__lsan_disable) __lsan_disable(); /* an old librdkafka's configuration cannot be freed */
    struct weir_error err = {0};
    assert_null(weir_producer_open(&options, &err));
    assert_int_equal(err.code, WEIR_EINVALID);
    assert_non_null(strstr(err.message, "ssl.ca.location"));
    assert_null(weir_consumer_open(&options, topics, &err));
    if (__lsan_enable) __lsan_enable();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inject_replaces),
        cmocka_unit_test(test_extract_of_nothing_and_nonsense),
        cmocka_unit_test(test_first_server),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_options_that_make_no_sense),
        cmocka_unit_test(test_a_handle_that_cannot_be_made),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
