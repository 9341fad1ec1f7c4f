/* SPDX-License-Identifier: Apache-2.0 */
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "example.h"

static volatile sig_atomic_t stopping;
static atomic_ullong published, failed;

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

static void on_delivered(void *arg, const struct weir_delivery *delivery) {
    (void)arg;
    atomic_fetch_add(delivery->code == WEIR_OK ? &published : &failed, 1);
}

static bool topic_exists(rd_kafka_t *rk, const char *topic) {
    const struct rd_kafka_metadata *all; /* asking for this one would create it */
    if (rd_kafka_metadata(rk, 1, NULL, &all, 5000)) return false;
    bool found = false;
    for (int i = 0; i < all->topic_cnt; i++)
        if (!strcmp(all->topics[i].topic, topic)) found = true;
    rd_kafka_metadata_destroy(all);
    return found;
}

/* NULL: no answer within 30 s, or a signal came. */
static rd_kafka_event_t *await_event(rd_kafka_queue_t *queue) {
    rd_kafka_event_t *event = NULL;
    for (int i = 0; i < 300 && !event && !stopping; i++) event = rd_kafka_queue_poll(queue, 100);
    return event;
}

/* The topic with its partitions; one that is there already is fine. */
static void create_topic(rd_kafka_t *rk, const char *topic, int partitions) {
    if (stopping || topic_exists(rk, topic)) return;
    char text[256] = "";
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, partitions, -1, text, sizeof text);
    if (!wanted) {
        fprintf(stderr, "generator: topic '%s': %s\n", topic, text);
        return;
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, &wanted, 1, NULL, queue);
    rd_kafka_event_t *event = await_event(queue);
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t *result =
        event ? rd_kafka_event_CreateTopics_result(event) : NULL;
    const rd_kafka_topic_result_t **topics =
        result ? rd_kafka_CreateTopics_result_topics(result, &count) : NULL;
    if (event && rd_kafka_event_error(event))
        fprintf(stderr, "generator: cannot create '%s': %s\n", topic,
                rd_kafka_event_error_string(event));
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t err = rd_kafka_topic_result_error(topics[i]);
        if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            fprintf(stderr, "generator: cannot create '%s': %s\n", topic, rd_kafka_err2str(err));
    }
    if (event) rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(wanted);
}

static double mono_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool send_one(struct weir_producer *producer, const struct generator *generator,
                     uint64_t *random, uint64_t n) {
    char key[64] = "", value[1024];
    bool is_bad = random_unit(random) < generator->bad;
    size_t size = generator->make(random, n, is_bad, key, sizeof key, value, sizeof value);
    struct weir_record record = {.topic = generator->topic,
                                 .key = key[0] ? key : NULL,
                                 .key_size = strlen(key),
                                 .value = value,
                                 .value_size = size};
    int code;
    while ((code = weir_producer_send_async(producer, &record, on_delivered, NULL, NULL)) ==
           WEIR_EBUSY)
        sleep_ms(5); /* the queue is full: the broker is slower than we are */
    if (code) atomic_fetch_add(&failed, 1);
    return code == WEIR_OK;
}

static void send_all(struct weir_producer *producer, const struct generator *generator) {
    uint64_t random = (uint64_t)generator->seed * 0x9e3779b97f4a7c15u + 1;
    double start_ms = mono_ms(), end_ms = start_ms + (double)generator->duration_ms;
    for (uint64_t n = 0; !stopping; n++) {
        if (!generator->forever && generator->count && n == (uint64_t)generator->count) break;
        if (!generator->forever && generator->duration_ms && mono_ms() >= end_ms) break;
        double wait_ms =
            generator->rate > 0 ? start_ms + (double)n * 1e3 / generator->rate - mono_ms() : 0;
        while (wait_ms > 0 && !stopping) { /* in steps, so that a signal is heard */
            sleep_ms(wait_ms > 100 ? 100 : wait_ms);
            wait_ms -= 100;
        }
        if (!stopping) send_one(producer, generator, &random, n);
    }
}

int generate(const struct generator *generator) {
    struct weir_kafka_options kafka = {.struct_size = sizeof kafka,
                                       .brokers = generator->brokers,
                                       .properties_file = generator->properties_file};
    struct weir_error err;
    struct weir_producer *producer = weir_producer_open(&kafka, &err);
    if (!producer) {
        fprintf(stderr, "generator: %s\n", err.message);
        return 1;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    create_topic(weir_producer_handle(producer), generator->topic, (int)generator->partitions);
    if (generator->second_topic)
        create_topic(weir_producer_handle(producer), generator->second_topic, 1);
    send_all(producer, generator);
    weir_producer_close(producer);
    printf("published %llu messages to %s, %llu failed\n",
           (unsigned long long)atomic_load(&published), generator->topic,
           (unsigned long long)atomic_load(&failed));
    return atomic_load(&failed) ? 1 : 0;
}
