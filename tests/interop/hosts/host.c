/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that know librdkafka and nothing of us, each with another way to treat its clients:
 *
 *     host WAY TOPIC [COUNT]      KAFKA_BROKERS, WEIR_PLUGIN
 *
 * The test builds it in every way that librdkafka can be part of a program. It prints "done" when
 * all went as the program wants; what became of the telemetry the test sees for itself.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth)) {                                                                            \
            fprintf(stderr, "line %d: %s\n", __LINE__, #truth);                                    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static const char *topic;
static int count = 1;

static rd_kafka_conf_t *configuration(void) {
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    CHECK(
        !rd_kafka_conf_set(conf, "bootstrap.servers", getenv("KAFKA_BROKERS"), text, sizeof text));
    CHECK(
        !rd_kafka_conf_set(conf, "plugin.library.paths", getenv("WEIR_PLUGIN"), text, sizeof text));
    return conf;
}

static rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char text[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk) fprintf(stderr, "%s\n", text);
    CHECK(rk);
    return rk;
}

static rd_kafka_t *open_producer(void) {
    return open_client(RD_KAFKA_PRODUCER, configuration());
}

static rd_kafka_resp_err_t send_to(rd_kafka_t *rk, int32_t partition, rd_kafka_headers_t *headers) {
    if (!headers)
        return rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                 RD_KAFKA_V_VALUE((void *)"value", 5), RD_KAFKA_V_END);
    return rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                             RD_KAFKA_V_VALUE((void *)"value", 5), RD_KAFKA_V_HEADERS(headers),
                             RD_KAFKA_V_END);
}

static void send_all(rd_kafka_t *rk) {
    for (int i = 0; i < count; i++) CHECK(!send_to(rk, RD_KAFKA_PARTITION_UA, NULL));
    CHECK(!rd_kafka_flush(rk, 30000));
}

static void produce(void) {
    rd_kafka_t *rk = open_producer();
    send_all(rk);
    rd_kafka_destroy(rk);
}

/* Leaves by the end of main(), everything still open. */
static void leave(void) {
    send_all(open_producer());
}

/* Does not wait for what it sent. */
static void abandon(void) {
    rd_kafka_t *rk = open_producer();
    for (int i = 0; i < count; i++) CHECK(!send_to(rk, RD_KAFKA_PARTITION_UA, NULL));
    rd_kafka_destroy(rk);
}

static void consume(void) {
    char text[512];
    rd_kafka_conf_t *conf = configuration();
    CHECK(!rd_kafka_conf_set(conf, "group.id", topic, text, sizeof text));
    CHECK(!rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", text, sizeof text));
    rd_kafka_t *rk = open_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    CHECK(!rd_kafka_subscribe(rk, topics));
    rd_kafka_topic_partition_list_destroy(topics);
    for (int done = 0; done < count;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 500);
        if (!message) continue;
        done += !message->err;
        rd_kafka_message_destroy(message);
    }
    CHECK(!rd_kafka_consumer_close(rk));
    rd_kafka_destroy(rk);
}

static int headers_named(const rd_kafka_headers_t *headers, const char *name) {
    const void *value;
    size_t size;
    int found = 0;
    while (!rd_kafka_header_get(headers, (size_t)found, name, &value, &size)) found++;
    return found;
}

/* A send that fails at once gives the headers back: as they were, for the next try. */
static void retry(void) {
    rd_kafka_t *rk = open_producer();
    send_all(rk); /* the topic's partitions are known from here on */
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    CHECK(!rd_kafka_header_add(headers, "app", -1, "kept", -1));
    for (int i = 0; i < 5; i++) {
        CHECK(send_to(rk, 99, headers) == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION);
        CHECK(rd_kafka_header_cnt(headers) == 1 && headers_named(headers, "app") == 1);
    }
    CHECK(!send_to(rk, 0, headers));
    CHECK(!rd_kafka_flush(rk, 30000));
    rd_kafka_destroy(rk);
}

/* Configurations and clients come and go in no order; some lead to nothing. */
static void order(void) {
    rd_kafka_conf_t *unused = configuration();
    rd_kafka_conf_t *copy = rd_kafka_conf_dup(unused), *second = rd_kafka_conf_dup(copy);
    rd_kafka_t *first = open_producer(), *other = open_client(RD_KAFKA_PRODUCER, copy);
    rd_kafka_conf_destroy(unused);
    send_all(first);
    rd_kafka_t *last = open_client(RD_KAFKA_PRODUCER, second);
    rd_kafka_destroy(first);
    send_all(last);
    send_all(other);
    rd_kafka_destroy(other);
    rd_kafka_destroy(last);
    rd_kafka_destroy(open_producer()); /* never used */
}

/* A refused configuration may be corrected and used again. (Before 2.13 librdkafka crashes.) */
static void refused(void) {
    char text[512];
    rd_kafka_conf_t *conf = configuration();
    if (rd_kafka_version() < 0x020d0000) {
        rd_kafka_conf_destroy(conf);
        produce();
        return;
    }
    CHECK(!rd_kafka_conf_set(conf, "security.protocol", "ssl", text, sizeof text));
    CHECK(!rd_kafka_conf_set(conf, "ssl.ca.location", "/nowhere", text, sizeof text));
    CHECK(!rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text));
    CHECK(!rd_kafka_conf_set(conf, "security.protocol", "plaintext", text, sizeof text));
    rd_kafka_t *rk = open_client(RD_KAFKA_PRODUCER, conf);
    send_all(rk);
    rd_kafka_destroy(rk);
}

/* The property twice, and the plugin twice in it. */
static void twice(void) {
    char text[512], paths[2048];
    rd_kafka_conf_t *conf = configuration();
    snprintf(paths, sizeof paths, "%s;%s", getenv("WEIR_PLUGIN"), getenv("WEIR_PLUGIN"));
    CHECK(!rd_kafka_conf_set(conf, "plugin.library.paths", paths, text, sizeof text));
    rd_kafka_t *rk = open_client(RD_KAFKA_PRODUCER, conf);
    send_all(rk);
    rd_kafka_destroy(rk);
}

static void await(pid_t child) {
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The parent has sent already; its child starts a client of its own, and one child does nothing. */
static void forked(void) {
    rd_kafka_t *rk = open_producer();
    send_all(rk);
    pid_t child = fork();
    if (child == 0) {
        produce();
        exit(0);
    }
    pid_t idle = fork();
    if (idle == 0) exit(0);
    await(child);
    await(idle);
    send_all(rk);
    rd_kafka_destroy(rk);
}

/* Workers use the configuration that was made before them. */
static void workers(void) {
    rd_kafka_conf_t *conf = configuration();
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        if ((children[i] = fork()) != 0) continue;
        rd_kafka_t *rk = open_client(RD_KAFKA_PRODUCER, rd_kafka_conf_dup(conf));
        send_all(rk);
        rd_kafka_destroy(rk);
        rd_kafka_conf_destroy(conf);
        exit(0);
    }
    for (int i = 0; i < 3; i++) await(children[i]);
    rd_kafka_conf_destroy(conf);
}

static void *produce_in_thread(void *arg) {
    produce();
    return arg;
}

static void threads(void) {
    pthread_t all[8];
    for (int i = 0; i < 8; i++) CHECK(!pthread_create(&all[i], NULL, produce_in_thread, NULL));
    for (int i = 0; i < 8; i++) pthread_join(all[i], NULL);
}

static void *produce_for_ever(void *rk) {
    for (;;) {
        send_to(rk, RD_KAFKA_PARTITION_UA, NULL);
        rd_kafka_poll(rk, 0);
    }
    return NULL;
}

/* Ends while sends and acknowledgements are in full swing. */
static void busy(void) {
    pthread_t thread;
    rd_kafka_t *rk = open_producer();
    send_all(rk);
    for (int i = 0; i < 3; i++) CHECK(!pthread_create(&thread, NULL, produce_for_ever, rk));
}

static rd_kafka_t *late_one;

static void close_late(void) {
    send_all(late_one);
    rd_kafka_destroy(late_one);
}

/* Its second client ends when the program does. (After OpenSSL's end librdkafka would crash.) */
static void late(void) {
    produce();
    CHECK(!atexit(close_late));
    late_one = open_producer();
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {{"produce", produce}, {"leave", leave},     {"abandon", abandon},
                {"consume", consume}, {"retry", retry},     {"order", order},
                {"refused", refused}, {"twice", twice},     {"forked", forked},
                {"workers", workers}, {"threads", threads}, {"busy", busy},
                {"late", late}};
    CHECK(argc >= 3);
    topic = argv[2];
    if (argc > 3) count = (int)strtol(argv[3], NULL, 10);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i].name, argv[1]) != 0) continue;
        ways[i].run();
        printf("done %s\n", rd_kafka_version_str());
        return 0;
    }
    fprintf(stderr, "no way '%s'\n", argv[1]);
    return 2;
}
