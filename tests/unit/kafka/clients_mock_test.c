/* SPDX-License-Identifier: Apache-2.0 */
/* Producers and consumers against librdkafka's mock cluster, and against none: what is closed in
 * which order, and what a full queue does. */
#include "unit.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

#include "weir/kafka.h"
#include "weir/weir.h"

/* Since 2.3: the mock's group coordinator waits 3 s for more members unless told not to. */
extern void rd_kafka_mock_group_initial_rebalance_delay_ms(rd_kafka_mock_cluster_t *cluster,
                                                           int32_t delay_ms) __attribute__((weak));

static rd_kafka_t *mock_owner;
static rd_kafka_mock_cluster_t *cluster;
static char brokers[128];

static int setup(void **state) {
    (void)state;
    char text[256];
    struct weir_options options = {.struct_size = sizeof options,
                                   .flags = WEIR_INIT_NO_ENVIRONMENT,
                                   .endpoint = "http://127.0.0.1:1"};
    mock_owner = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    cluster = mock_owner ? rd_kafka_mock_cluster_new(mock_owner, 1) : NULL;
    if (!cluster) return -1;
    if (rd_kafka_mock_group_initial_rebalance_delay_ms)
        rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
    snprintf(brokers, sizeof brokers, "%s", rd_kafka_mock_cluster_bootstraps(cluster));
    return weir_init(&options, NULL);
}

static int teardown(void **state) {
    (void)state;
    weir_shutdown(10, NULL);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(mock_owner);
    return 0;
}

/* Whatever the host forgets to free, close comes back. */
static void test_a_message_outlives_its_consumer(void **state) {
    (void)state;
    static const char *const topics[] = {"outlive", NULL};
    struct weir_kafka_options options = {
        .struct_size = sizeof options, .brokers = brokers, .group_id = "outlive"};
    assert_int_equal(rd_kafka_mock_topic_create(cluster, topics[0], 1, 1), 0);
    struct weir_producer *producer = weir_producer_open(&options, NULL);
    struct weir_record record = {.topic = topics[0], .value = "late", .value_size = 4};
    assert_int_equal(weir_producer_send(producer, &record, NULL, NULL), WEIR_OK);
    weir_producer_close(producer);
    struct weir_consumer *consumer = weir_consumer_open(&options, topics, NULL);
    struct weir_message *message = NULL;
    for (int i = 0; i < 100 && !message; i++) weir_consumer_poll(consumer, 100, &message, NULL);
    assert_non_null(message);
    struct weir_task *task = weir_task_begin(message);
    weir_consumer_close(consumer);
    assert_memory_equal(message->value, "late", 4);
    assert_string_equal(message->topic, topics[0]);
    weir_message_free(message);
    weir_task_end(task);
}

/* A call that waits for room is one send: one span, counted once. */
static void test_a_full_queue_is_waited_for(void **state) {
    (void)state;
    enum { COUNT = 20 };
    struct weir_kafka_options options = {.struct_size = sizeof options,
                                         .brokers = "127.0.0.1:1",
                                         .properties = "message.timeout.ms=300\n"
                                                       "queue.buffering.max.messages=10\n"};
    struct weir_producer *producer = weir_producer_open(&options, NULL);
    struct weir_record records[COUNT];
    struct weir_delivery deliveries[COUNT];
    for (int i = 0; i < COUNT; i++)
        records[i] = (struct weir_record){.topic = "t", .value = "x", .value_size = 1};
    struct weir_stats before = {.struct_size = sizeof before}, after = before;
    weir_stats_get(&before);
    int code = weir_producer_send_batch(producer, records, COUNT, deliveries, NULL);
    weir_stats_get(&after);
    assert_int_equal(code, WEIR_ETIMEOUT);
    for (int i = 0; i < COUNT; i++) assert_int_equal(deliveries[i].code, WEIR_ETIMEOUT);
    assert_int_equal(after.spans_started - before.spans_started, COUNT);
    weir_producer_close(producer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_outlives_its_consumer),
        cmocka_unit_test(test_a_full_queue_is_waited_for),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
