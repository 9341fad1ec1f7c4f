/* SPDX-License-Identifier: Apache-2.0 */
/* An instrumented producer for the integration tests: sends, then tells what became of it.
 *
 *     send_worker TOPIC COUNT BYTES [timestamp=MS] [property=value …]
 *
 *     delivered 0 993          messages by librdkafka's error code
 *     memory 10240 10300       resident KiB after half of the messages and at the end
 *     stats started=… exported=… dropped=… open=… waiting=…
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/kafka.h"

enum { CODES = 512, BYTES_MAX = 1 << 20 };
static long delivered[CODES]; /* by error code + 256 */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)opaque;
    delivered[message->err + 256]++;
}

static void stop(const char *why) {
    fprintf(stderr, "error %s\n", why);
    exit(1);
}

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return pages * 4;
}

static rd_kafka_t *open_producer(int count, char **properties, int64_t *ret_timestamp_ms) {
    char why[512];
    struct weir_error err;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *brokers = getenv("KAFKA_BROKERS");
    if (weir_kafka_instrument(conf, 0, &err)) stop(err.message);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers ? brokers : "", NULL, 0);
    for (int i = 0; i < count; i++) {
        char *equals = strchr(properties[i], '=');
        if (!equals) stop("an argument without '='");
        *equals = 0;
        if (!strcmp(properties[i], "timestamp"))
            *ret_timestamp_ms = strtoll(equals + 1, NULL, 10);
        else if (rd_kafka_conf_set(conf, properties[i], equals + 1, why, sizeof why))
            stop(why);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk) stop(why);
    return rk;
}

static void send_all(rd_kafka_t *rk, const char *topic, long count, size_t size,
                     int64_t timestamp_ms) {
    static char value[BYTES_MAX];
    for (long i = 0; i < count; i++) {
        rd_kafka_resp_err_t err;
        while ((err = __extension__ rd_kafka_producev(
                    rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(value, size),
                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_TIMESTAMP(timestamp_ms),
                    RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 10);
        if (err) delivered[err + 256]++;
        if (i % 1000 == 0) rd_kafka_poll(rk, 0);
        if (i == count / 2) fprintf(stderr, "memory %ld ", resident_kib());
    }
    rd_kafka_flush(rk, 60000);
    fprintf(stderr, "%ld\n", resident_kib());
}

int main(int argc, char **argv) {
    if (argc < 4) stop("usage: send_worker TOPIC COUNT BYTES [property=value ...]");
    int64_t timestamp_ms = 0;
    size_t size = (size_t)strtoul(argv[3], NULL, 10);
    weir_init(NULL, NULL);
    rd_kafka_t *rk = open_producer(argc - 4, argv + 4, &timestamp_ms);
    send_all(rk, argv[1], strtol(argv[2], NULL, 10), size < BYTES_MAX ? size : BYTES_MAX,
             timestamp_ms);
    rd_kafka_destroy(rk);
    for (int i = 0; i < CODES; i++)
        if (delivered[i]) fprintf(stderr, "delivered %d %ld\n", i - 256, delivered[i]);
    struct weir_stats stats = {.struct_size = sizeof stats};
    weir_flush(10000, NULL);
    weir_stats_get(&stats);
    fprintf(stderr, "stats started=%llu exported=%llu dropped=%llu open=%llu waiting=%llu\n",
            (unsigned long long)stats.spans_started, (unsigned long long)stats.spans_exported,
            (unsigned long long)(stats.spans_dropped_queue + stats.spans_dropped_memory +
                                 stats.spans_dropped_export + stats.spans_dropped_closed +
                                 stats.spans_cancelled),
            (unsigned long long)stats.spans_open, (unsigned long long)stats.spans_waiting);
    weir_shutdown(5000, NULL);
    return 0;
}
