/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for Kafka on machines without Java: librdkafka's mock cluster in a process of its own.
 *
 * Prints its bootstrap servers and waits for SIGTERM or SIGINT. The cluster lives in memory, keeps
 * about 5 MB a partition and cannot list consumer groups; what it cannot do is said in
 * docs/demo.md. Only `make demo KAFKA=mock` and fault tests use it.
 *
 * Arguments are topics to begin with, `name:partitions`, since it takes no request to create one.
 *
 * Lines on its standard input plant faults: `fail API ERROR COUNT` answers the next COUNT requests
 * of that kind with that error, both by Kafka's numbers (8 is OffsetCommit). */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

static volatile sig_atomic_t stopping;

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

/* Reads one line of commands. False: there are no more. */
static bool obey(rd_kafka_mock_cluster_t *cluster) {
    char line[128];
    int api, error, count;
    if (!fgets(line, sizeof line, stdin)) return false;
    if (sscanf(line, "fail %d %d %d", &api, &error, &count) != 3) {
        fprintf(stderr, "kafka-mock: not a command: %s", line);
        return true;
    }
    for (int i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(cluster, (int16_t)api, 1, (rd_kafka_resp_err_t)error);
    printf("failing %d\n", count);
    fflush(stdout);
    return true;
}

/* Creates the topic of "name:partitions". False: it is no such text. */
static bool create(rd_kafka_mock_cluster_t *cluster, char *text) {
    char *colon = strrchr(text, ':');
    int partitions = colon ? atoi(colon + 1) : 0;
    if (partitions < 1 || partitions > 1000) return false;
    *colon = 0;
    return !rd_kafka_mock_topic_create(cluster, text, partitions, 1);
}

int main(int argc, char **argv) {
    sigset_t stop, none;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop,
                NULL); /* librdkafka's threads inherit it: we alone hear signals */
    sigemptyset(&none);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    setvbuf(stdin, NULL, _IONBF, 0); /* so that poll() sees what is not read yet */

    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk) {
        fprintf(stderr, "kafka-mock: %s\n", why);
        return 1;
    }
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(rk, 1);
    if (!cluster) {
        fprintf(stderr, "kafka-mock: cannot open a listening socket\n");
        rd_kafka_destroy(rk);
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        if (create(cluster, argv[i])) continue;
        fprintf(stderr, "kafka-mock: not a topic: %s\n", argv[i]);
        return 2;
    }
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (!stopping) {
        int ready = ppoll(&input, 1, NULL, &none);
        if (ready < 0 && errno != EINTR) break;
        if (ready > 0 && !obey(cluster)) input.fd = -1;
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return 0;
}
