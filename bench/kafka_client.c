/* SPDX-License-Identifier: Apache-2.0 */
/* One loop of a Kafka client, with or without instrumentation: what is measured differs in nothing
 * else.
 *
 *     kafka_client produce|consume BROKERS TOPIC MESSAGES BYTES [instrument]
 *
 * Prints messages per second (wall) and microseconds of CPU per message of this process. With
 * `instrument` the configuration gets weir_kafka_instrument(); OTEL_* variables say what is
 * recorded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#include "weir/kafka.h"

struct run {
    const char *brokers, *topic;
    long messages;
    size_t size;
    int instrument;
};

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static double cpu(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK) return;
    fprintf(stderr, "kafka_client: %s\n", why);
    exit(1);
}

static rd_kafka_t *open_client(const struct run *run, rd_kafka_type_t type) {
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", run->brokers);
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "linger.ms", "10");
        set(conf, "queue.buffering.max.messages", "1000000");
    } else {
        char group[64];
        snprintf(group, sizeof group, "bench-%ld-%ld", (long)time(NULL), (long)clock());
        set(conf, "group.id", group);
        set(conf, "auto.offset.reset", "earliest");
        set(conf, "enable.auto.commit", "false");
        /* else whoever falls behind once sleeps for a second */
        set(conf, "fetch.queue.backoff.ms", "5");
    }
    struct weir_error err;
    if (run->instrument && weir_kafka_instrument(conf, 0, &err) != WEIR_OK) {
        fprintf(stderr, "kafka_client: %s\n", err.message);
        exit(1);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (rk) return rk;
    fprintf(stderr, "kafka_client: %s\n", why);
    exit(1);
}

static void produce(const struct run *run, rd_kafka_t *rk) {
    char *payload = calloc(1, run->size);
    if (!payload) exit(1);
    for (long i = 0; i < run->messages; i++) {
        snprintf(payload, run->size, "%ld", i);
        /* librdkafka's RD_KAFKA_V_… are statement expressions */
        while (__extension__ rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(run->topic),
                                               RD_KAFKA_V_VALUE(payload, run->size),
                                               RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                               RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 10);
        if (i % 1000 == 0) rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
    free(payload);
}

static void consume(const struct run *run, rd_kafka_t *rk, double *ret_started, double *ret_cpu) {
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, run->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    double deadline = now() + 120;
    for (long seen = 0; seen < run->messages && now() < deadline;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 100);
        if (!message) continue;
        if (!message->err && seen++ == 0)
            *ret_started = now(), *ret_cpu = cpu(); /* joining the group is not measured */
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(rk);
}

int main(int argc, char **argv) {
    if (argc < 6)
        return fputs("usage: kafka_client produce|consume BROKERS TOPIC MESSAGES BYTES "
                     "[instrument]\n",
                     stderr),
               2;
    int producing = strcmp(argv[1], "produce") == 0;
    struct run run = {argv[2], argv[3], strtol(argv[4], NULL, 10),
                      (size_t)strtol(argv[5], NULL, 10), argc > 6};
    if (run.instrument) weir_init(NULL, NULL);
    rd_kafka_t *rk = open_client(&run, producing ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER);
    double started = now(), used = cpu();
    if (producing)
        produce(&run, rk);
    else
        consume(&run, rk, &started, &used);
    double seconds = now() - started, cpu_seconds = cpu() - used;
    printf("%.0f %.4f\n", (double)run.messages / seconds, cpu_seconds * 1e6 / (double)run.messages);
    rd_kafka_destroy(rk);
    if (run.instrument) weir_shutdown(5000, NULL);
    return 0;
}
