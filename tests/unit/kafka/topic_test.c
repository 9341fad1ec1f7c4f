/* SPDX-License-Identifier: Apache-2.0 */
/* What a producer knows of its topics: found by librdkafka's object, exact counts from the first
 * acknowledgement on, whoever counts. */
#include "../sdk/capture.h"

#include <stdio.h>

#include "base/rand.h"
#include "kafka/send/topic.h"
#include "weir/metric.h"

#define SENT "messaging_client_sent_messages_total"

static struct weir_kafka_client client;
static struct weir_kafka_topics *topics;
static struct weir_rand rng;
static char unique[32];

static int setup(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    weir_rand_init(&rng, seed);
    snprintf(unique, sizeof unique, "u-%llx", (unsigned long long)weir_rand_next(&rng));
    capture_init("t", &(struct weir_options){.metrics_exporter = "prometheus"});
    memset(&client, 0, sizeof client);
    client.rd = weir_rd(NULL);
    client.settings = weir_kafka_settings_new(0);
    client.tracer = weir_tracer_get(WEIR_KAFKA_SCOPE, "1");
    pthread_mutex_init(&client.mutex, NULL);
    return client.rd && client.settings && (topics = weir_kafka_topics_new(&client)) ? 0 : -1;
}

static void free_entries(void) {
    for (size_t i = 0; i < WEIR_KAFKA_BUCKETS; i++)
        for (struct weir_kafka_entry *entry = client.entries[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry->topic);
            free(entry);
        }
}

static int teardown(void **state) {
    (void)state;
    weir_kafka_topics_free(topics);
    weir_kafka_settings_free(client.settings);
    free_entries();
    capture_done();
    return 0;
}

static double sent(const char *name, const char *more) {
    char topic[80];
    double sum = 0;
    if (name[0])
        snprintf(topic, sizeof topic, "messaging_destination_name=\"%s\"", name);
    else
        topic[0] = 0;
    char *save = NULL, *text = weir_metrics_text(NULL);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, SENT "{", sizeof SENT) == 0 && strstr(line, topic) && strstr(line, more))
            sum += strtod(strrchr(line, ' '), NULL);
    free(text);
    return sum;
}

static void test_found_by_key_and_name(void **state) {
    (void)state;
    int a = 0, b = 0;
    assert_null(weir_kafka_topic_find(topics, &a, "one"));
    struct weir_kafka_topic *one = weir_kafka_topic_get(topics, &a, "one");
    assert_ptr_equal(weir_kafka_topic_find(topics, &a, "one"), one);
    assert_string_equal(one->name, "one");
    assert_ptr_equal(weir_kafka_topic_get(topics, &b, "one"), one);
    /* the object is gone, and its address is another topic's now */
    assert_null(weir_kafka_topic_find(topics, &a, "two"));
    struct weir_kafka_topic *two = weir_kafka_topic_get(topics, &a, "two");
    assert_ptr_not_equal(two, one);
    assert_ptr_equal(weir_kafka_topic_find(topics, &a, "two"), two);
    assert_ptr_equal(weir_kafka_topic_find(topics, &b, "one"), one);
}

static void test_many_topics(void **state) {
    (void)state;
    char name[32];
    static char keys[WEIR_KAFKA_TOPICS_MAX + 100];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < WEIR_KAFKA_TOPICS_MAX + 100; i++) {
            snprintf(name, sizeof name, "topic-%d", i);
            struct weir_kafka_topic *topic = weir_kafka_topic_get(topics, &keys[i], name);
            assert_string_equal(topic->name, i < WEIR_KAFKA_TOPICS_MAX - 1 ? name : "");
        }
}

static void test_counted_before_the_series_are_there(void **state) {
    (void)state;
    int key = 0, expected[5] = {0}, failed_of[5] = {0}, failed = 0;
    struct weir_kafka_topic *topic = weir_kafka_topic_get(topics, &key, unique);
    for (int i = 0; i < 5000; i++) {
        int32_t partition = (int32_t)weir_rand_below(&rng, 5);
        bool fails = weir_rand_below(&rng, 10) == 0;
        weir_kafka_topic_count(topics, topic, partition,
                               fails ? RD_KAFKA_RESP_ERR__MSG_TIMED_OUT : 0,
                               (int64_t)weir_rand_below(&rng, 1000000000), NULL);
        fails ? failed_of[partition]++, failed++ : expected[partition]++;
        if (i % 1000 == 500) weir_kafka_topics_tick(topics);
    }
    weir_kafka_topics_tick(topics);
    for (int p = 0; p < 5; p++) {
        char text[64];
        snprintf(text, sizeof text, "messaging_destination_partition_id=\"%d\"", p);
        double all = sent(unique, text);
        const struct weir_kafka_part *part = weir_kafka_part_find(topic, p);
        assert_non_null(part);
        assert_non_null(part->failed);
        assert_int_equal(part->failed->err, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);
        assert_int_equal((int)all - failed_of[p], expected[p]);
    }
    assert_int_equal((int)sent(unique, "error_type=\"_MSG_TIMED_OUT\""), failed);
    assert_int_equal((int)sent(unique, ""), 5000);
}

/* More at once than there are slots: what does not fit counts without its partition. */
static void test_more_partitions_than_slots(void **state) {
    (void)state;
    int key = 0;
    double before = sent("", "error_type=\"_OTHER\"");
    struct weir_kafka_topic *topic = weir_kafka_topic_get(topics, &key, unique);
    for (int32_t p = 0; p < 200; p++) weir_kafka_topic_count(topics, topic, p, 0, 1, NULL);
    for (int err = 1; err <= 100; err++) weir_kafka_topic_count(topics, topic, 0, err, 1, NULL);
    weir_kafka_topics_tick(topics);
    assert_int_equal((int)sent(unique, ""), WEIR_KAFKA_PENDING_SLOTS);
    assert_int_equal((int)(sent("", "error_type=\"_OTHER\"") - before),
                     300 - WEIR_KAFKA_PENDING_SLOTS);
    for (int32_t p = 0; p < 200; p++) weir_kafka_topic_count(topics, topic, p, 0, 1, NULL);
    weir_kafka_topics_tick(topics);
    assert_int_equal((int)sent(unique, ""), WEIR_KAFKA_PENDING_SLOTS + 200);
}

/* ── threads ─────────────────────────────────────────────────────────────────────────────────── */

enum { THREADS = 4, EACH = 20000 };
static struct weir_kafka_topic *shared;

static void *count_many(void *arg) {
    uint64_t state = (uintptr_t)arg;
    for (int i = 0; i < EACH; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        weir_kafka_topic_count(topics, shared, (int32_t)(state >> 60), (state >> 33) % 50 ? 0 : 7,
                               1000, NULL);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    int key = 0;
    pthread_t threads[THREADS];
    shared = weir_kafka_topic_get(topics, &key, unique);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count_many, (void *)(i + 1));
    for (int i = 0; i < 200; i++) weir_kafka_topics_tick(topics);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    weir_kafka_topics_tick(topics);
    weir_kafka_topics_tick(topics);
    assert_int_equal((int)sent(unique, ""), THREADS * EACH);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_found_by_key_and_name), TEST(test_many_topics),
                                       TEST(test_counted_before_the_series_are_there),
                                       TEST(test_more_partitions_than_slots), TEST(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
