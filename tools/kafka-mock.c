/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for Kafka on machines without Java: librdkafka's mock cluster in a process of its own.
 *
 * Prints its bootstrap servers and waits for SIGTERM or SIGINT. The cluster lives in memory, keeps
 * about 5 MB a partition and cannot list consumer groups; what it cannot do is said in
 * docs/demo.md. Only `make demo KAFKA=mock` and fault tests use it. */
#include <signal.h>
#include <stdio.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

int main(void) {
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);

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
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    int number;
    sigwait(&stop, &number);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return 0;
}
