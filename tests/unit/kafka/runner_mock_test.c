/* SPDX-License-Identifier: Apache-2.0 */
/* The runner against librdkafka's mock cluster, with commits that fail: none may be lost, skipped
 * or, at most once, processed before its commit. */
#include "unit.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "weir/runner.h"

#define OFFSET_COMMIT 8 /* Kafka's API keys */
#define OFFSET_FETCH  9
#define RECORDS       30

/* Since 2.3: the mock's group coordinator waits 3 s for more members unless told not to. */
extern void rd_kafka_mock_group_initial_rebalance_delay_ms(rd_kafka_mock_cluster_t *cluster,
                                                           int32_t delay_ms) __attribute__((weak));

static rd_kafka_t *mock_owner;
static rd_kafka_mock_cluster_t *cluster;
static char brokers[128];

static int setup(void **state) {
    (void)state;
    char text[256];
    mock_owner = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    cluster = mock_owner ? rd_kafka_mock_cluster_new(mock_owner, 1) : NULL;
    if (!cluster) return -1;
    if (rd_kafka_mock_group_initial_rebalance_delay_ms)
        rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
    snprintf(brokers, sizeof brokers, "%s", rd_kafka_mock_cluster_bootstraps(cluster));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(mock_owner);
    return 0;
}

struct seen {
    atomic_int calls[RECORDS];
    atomic_int disorder;
    atomic_llong last;
};

static enum weir_result handle(void *arg, struct weir_message *message, struct weir_task *task) {
    (void)task;
    struct seen *seen = arg;
    if (message->offset < RECORDS) atomic_fetch_add(&seen->calls[message->offset], 1);
    if (message->offset != atomic_load(&seen->last) + 1) atomic_fetch_add(&seen->disorder, 1);
    atomic_store(&seen->last, message->offset);
    return WEIR_TASK_OK;
}

static void *run(void *runner) {
    return (void *)(intptr_t)weir_runner_run(runner, NULL);
}

static void produce(const char *topic) {
    struct weir_kafka_options kafka = {.struct_size = sizeof kafka, .brokers = brokers};
    struct weir_producer *producer = weir_producer_open(&kafka, NULL);
    assert_non_null(producer);
    for (int i = 0; i < RECORDS; i++) {
        struct weir_record record = {
            .topic = topic, .has_partition = true, .value = "x", .value_size = 1};
        struct weir_delivery delivery;
        assert_int_equal(weir_producer_send(producer, &record, &delivery, NULL), WEIR_OK);
        assert_int_equal(delivery.offset, i);
    }
    weir_producer_close(producer);
}

static void run_with_failing_commits(enum weir_semantics semantics, const char *topic,
                                     const rd_kafka_resp_err_t *errors, size_t errors_count) {
    assert_int_equal(rd_kafka_mock_topic_create(cluster, topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    produce(topic);
    rd_kafka_mock_push_request_errors_array(cluster, OFFSET_COMMIT, errors_count, errors);
    struct seen seen = {.last = -1};
    char group[64];
    snprintf(group, sizeof group, "%s-group", topic);
    struct weir_runner_options options = {.struct_size = sizeof options,
                                          .handler = handle,
                                          .arg = &seen,
                                          .topic = topic,
                                          .semantics = semantics,
                                          .batch_max = 10,
                                          .commit_interval_ms = 10,
                                          .kafka = {.brokers = brokers, .group_id = group}};
    struct weir_error err;
    struct weir_runner *runner = weir_runner_open(&options, &err);
    if (!runner) fail_msg("%s", err.message);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, runner), 0);
    struct weir_runner_stats stats = {.struct_size = sizeof stats};
    for (int i = 0; i < 600 && stats.committed < RECORDS; i++) {
        usleep(50000);
        weir_runner_stats_get(runner, &stats);
    }
    weir_runner_stop(runner);
    void *code;
    pthread_join(thread, &code);
    assert_int_equal((intptr_t)code, WEIR_OK);
    weir_runner_stats_get(runner, &stats);
    weir_runner_close(runner);
    assert_int_equal(stats.committed, RECORDS);
    assert_int_equal(stats.ok, RECORDS);
    assert_true(stats.commits_failed > 0);
    assert_int_equal(stats.lost_max, 0);
    assert_int_equal(seen.disorder, 0);
    for (int i = 0; i < RECORDS; i++) assert_int_equal(seen.calls[i], 1);
}

/* librdkafka itself tries some of these again; those that are final reach the runner. */
static const rd_kafka_resp_err_t few[] = {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                                          RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE};
/* More than the tries of one batch: at most once, it is fetched anew. */
static const rd_kafka_resp_err_t many[] = {
    RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED};

static void test_at_least_once(void **state) {
    (void)state;
    run_with_failing_commits(WEIR_AT_LEAST_ONCE, "least", few, sizeof few / sizeof few[0]);
}

static void test_at_most_once(void **state) {
    (void)state;
    run_with_failing_commits(WEIR_AT_MOST_ONCE, "most", few, sizeof few / sizeof few[0]);
}

static void test_at_most_once_fetches_anew(void **state) {
    (void)state;
    run_with_failing_commits(WEIR_AT_MOST_ONCE, "most-anew", many, sizeof many / sizeof many[0]);
}

/* Commits as a predecessor that has lost some did. */
static void commit_as_predecessor(const char *topic, const char *counts) {
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof text);
    rd_kafka_conf_set(conf, "group.id", topic, text, sizeof text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *tp = rd_kafka_topic_partition_list_add(list, topic, 0);
    tp->offset = RECORDS;
    tp->metadata = strdup(counts);
    tp->metadata_size = strlen(counts);
    assert_int_equal(rd_kafka_commit(rk, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

/* A coordinator that answers badly for a moment does not make the successor forget the loss. */
static void test_counts_survive_a_failing_fetch(void **state) {
    (void)state;
    static const char topic[] = "counts";
    struct seen seen = {.last = -1};
    assert_int_equal(rd_kafka_mock_topic_create(cluster, topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    produce(topic);
    commit_as_predecessor(topic, "weir1 c=30 o=23 f=7 d=0 s=0 u=0");
    rd_kafka_mock_push_request_errors(cluster, OFFSET_FETCH, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    struct weir_runner_options options = {.struct_size = sizeof options,
                                          .handler = handle,
                                          .arg = &seen,
                                          .topic = topic,
                                          .semantics = WEIR_AT_LEAST_ONCE,
                                          .kafka = {.brokers = brokers, .group_id = topic}};
    struct weir_runner *runner = weir_runner_open(&options, NULL);
    struct weir_runner_stats stats = {.struct_size = sizeof stats};
    pthread_t thread;
    assert_non_null(runner);
    assert_int_equal(pthread_create(&thread, NULL, run, runner), 0);
    for (int i = 0; i < 300 && !stats.partitions; i++) {
        usleep(50000);
        weir_runner_stats_get(runner, &stats);
    }
    weir_runner_stop(runner);
    pthread_join(thread, NULL);
    weir_runner_stats_get(runner, &stats);
    weir_runner_close(runner);
    assert_int_equal(stats.lost_min, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_least_once),
        cmocka_unit_test(test_at_most_once),
        cmocka_unit_test(test_at_most_once_fetches_anew),
        cmocka_unit_test(test_counts_survive_a_failing_fetch),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
