/* SPDX-License-Identifier: Apache-2.0 */
/* Producers and consumers against librdkafka's mock cluster, and against none: what is closed in
 * which order, and what a full queue does. */
#include "unit.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weir/runner.h"
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

static enum weir_result ignore(void *arg, struct weir_message *message, struct weir_task *task) {
    (void)arg, (void)message, (void)task;
    return WEIR_TASK_OK;
}

/* What waits for librdkafka's threads would wait for ever in a child, where they are not. */
static void test_clients_stay_with_the_parent(void **state) {
    (void)state;
    static const char *const topics[] = {"any", NULL};
    struct weir_kafka_options options = {
        .struct_size = sizeof options, .brokers = "127.0.0.1:1", .group_id = "fork"};
    struct weir_runner_options run = {
        .struct_size = sizeof run, .handler = ignore, .topic = "any", .kafka = options};
    struct weir_producer *producer = weir_producer_open(&options, NULL);
    struct weir_consumer *consumer = weir_consumer_open(&options, topics, NULL);
    struct weir_runner *runner = weir_runner_open(&run, NULL);
    pid_t child = fork();
    if (child == 0) {
        struct weir_record record = {.topic = "any", .value = "x", .value_size = 1};
        struct weir_message *message;
        alarm(20);
        int as_told = weir_producer_send(producer, &record, NULL, NULL) == WEIR_EUNSUPPORTED &&
                      weir_producer_flush(producer, 60000, NULL) == WEIR_EUNSUPPORTED &&
                      weir_consumer_poll(consumer, 60000, &message, NULL) == WEIR_EUNSUPPORTED &&
                      weir_runner_run(runner, NULL) == WEIR_EUNSUPPORTED;
        weir_producer_close(producer);
        weir_consumer_close(consumer);
        weir_runner_close(runner);
        _exit(as_told ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    weir_producer_close(producer);
    weir_consumer_close(consumer);
    weir_runner_close(runner);
}

static void nothing(int number) {
    (void)number;
}

struct running {
    struct weir_runner *runner;
    pthread_t thread;
};

static void *run_it(void *arg) {
    return (void *)(intptr_t)weir_runner_run(arg, NULL);
}

/* Two runners take SIGTERM; whichever ends last, the host gets its own handler back. */
static void test_signals_are_given_back(void **state) {
    (void)state;
    struct sigaction own = {.sa_handler = nothing}, now;
    sigaction(SIGTERM, &own, NULL);
    struct weir_runner_options options = {
        .struct_size = sizeof options,
        .handler = ignore,
        .topic = "any",
        .handle_signals = true,
        .dead_letter = WEIR_DEAD_LETTER_DROP,
        .kafka = {.brokers = "127.0.0.1:1", .group_id = "signals"}};
    struct running both[2];
    for (int i = 0; i < 2; i++) {
        both[i].runner = weir_runner_open(&options, NULL);
        assert_non_null(both[i].runner);
        assert_int_equal(pthread_create(&both[i].thread, NULL, run_it, both[i].runner), 0);
        usleep(200000); /* the first takes them first */
    }
    for (int i = 0; i < 2; i++) {
        weir_runner_stop(both[i].runner);
        pthread_join(both[i].thread, NULL);
        sigaction(SIGTERM, NULL, &now);
        assert_int_equal(now.sa_handler == nothing, i == 1);
    }
    for (int i = 0; i < 2; i++) weir_runner_close(both[i].runner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_outlives_its_consumer),
        cmocka_unit_test(test_a_full_queue_is_waited_for),
        cmocka_unit_test(test_clients_stay_with_the_parent),
        cmocka_unit_test(test_signals_are_given_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
