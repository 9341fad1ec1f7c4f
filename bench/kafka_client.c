/* SPDX-License-Identifier: Apache-2.0 */
/* One loop of a Kafka client, with or without instrumentation: what is measured differs in nothing
 * else.
 *
 *     kafka_client produce|consume|consume-batch BROKERS TOPIC MESSAGES BYTES [MODE]
 *
 *     raw             librdkafka alone
 *     instrument      weir_kafka_instrument(); OTEL_* and WEIR_KAFKA_* say what is recorded
 *     control         interceptors that do just what cannot be avoided when every message is
 *                     counted and some are sampled: a coarse clock, one random draw, the adds
 *     control-header  the application itself adds a traceparent to each message
 *     time            instrument, and how long on_send takes
 *     wrapper         consume-batch: weir_consumer_poll_batch; else librdkafka's own batch call
 *
 * Prints messages per second (wall), microseconds of CPU per message of this process and its
 * memory at half time and at the end (KiB). BROKERS "mock" is librdkafka's own mock cluster, in
 * this process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include <librdkafka/rdkafka.h>

#include "weir/kafka.h"

enum mode { RAW, INSTRUMENT, CONTROL, CONTROL_HEADER, TIME, WRAPPER, MODES_COUNT };

static const char *const mode_names[MODES_COUNT] = {
    "raw", "instrument", "control", "control-header", "time", "wrapper"};

struct run {
    const char *brokers, *topic;
    long messages;
    size_t size;
    enum mode mode;
    long half_kib; /* memory after half of the messages */
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

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
    if (file) fclose(file);
    return pages * 4;
}

/* ── the control ─────────────────────────────────────────────────────────────────────────────── */

static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5,
                                0.75,  1,    2.5,   5,    7.5,   10,  1e300};
static _Thread_local struct {
    unsigned long state[4], sampled, sent, counts[15];
    double sum;
} own = {.state = {1, 2, 3, 4}};

static unsigned long draw(void) {
    unsigned long *s = own.state, sum = s[0] + s[3];
    unsigned long result = (sum << 23 | sum >> 41) + s[0], t = s[1] << 17;
    s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

static rd_kafka_resp_err_t control_send(rd_kafka_t *rk, rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)message, (void)opaque;
    own.sampled += draw() < 184467440737095516u; /* 1 % */
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t control_ack(rd_kafka_t *rk, rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)opaque;
    struct timespec ts;
    rd_kafka_timestamp_type_t type;
    clock_gettime(CLOCK_REALTIME_COARSE, &ts);
    long sent_ms = rd_kafka_message_timestamp(message, &type);
    double seconds = (double)(ts.tv_sec * 1000000000 + ts.tv_nsec - sent_ms * 1000000) * 1e-9;
    int bucket = 0;
    while (seconds > bounds[bucket]) bucket++;
    own.sent++;
    own.counts[bucket]++;
    own.sum += seconds;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t control_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque,
                                       char *why, size_t size) {
    (void)conf, (void)why, (void)size;
    rd_kafka_interceptor_add_on_send(rk, "control", control_send, opaque);
    return rd_kafka_interceptor_add_on_acknowledgement(rk, "control", control_ack, opaque);
}

/* ── how long on_send takes: one interceptor before, one behind ──────────────────────────────── */

enum { TICKS_MAX = 1 << 20 };
static unsigned ticks[TICKS_MAX]; /* calls by how many counts of the clock they took */
static unsigned long before_ticks, calls;

static unsigned long clock_ticks(void) {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return (unsigned long)(now() * 1e9);
#endif
}

static rd_kafka_resp_err_t time_before(rd_kafka_t *rk, rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)message, (void)opaque;
    before_ticks = clock_ticks();
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t time_behind(rd_kafka_t *rk, rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)message, (void)opaque;
    unsigned long took = clock_ticks() - before_ticks;
    ticks[took < TICKS_MAX ? took : TICKS_MAX - 1]++;
    calls++;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t time_new_before(rd_kafka_t *rk, const rd_kafka_conf_t *conf,
                                           void *opaque, char *why, size_t size) {
    (void)conf, (void)why, (void)size;
    return rd_kafka_interceptor_add_on_send(rk, "before", time_before, opaque);
}

static rd_kafka_resp_err_t time_new_behind(rd_kafka_t *rk, const rd_kafka_conf_t *conf,
                                           void *opaque, char *why, size_t size) {
    (void)conf, (void)why, (void)size;
    return rd_kafka_interceptor_add_on_send(rk, "behind", time_behind, opaque);
}

static void print_times(double ticks_a_ns) {
    static const double shares[] = {0.5, 0.99, 0.999, 0.9999};
    unsigned long seen = 0;
    size_t next = 0;
    for (unsigned i = 0; i < TICKS_MAX && next < 4; i++)
        for (seen += ticks[i]; next < 4 && (double)seen >= shares[next] * (double)calls; next++)
            printf("on_send p%g %.0f ns\n", shares[next] * 100, i / ticks_a_ns);
}

/* ── the client ──────────────────────────────────────────────────────────────────────────────── */

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK) return;
    fprintf(stderr, "kafka_client: %s\n", why);
    exit(1);
}

static rd_kafka_t *open_client(const struct run *run, rd_kafka_type_t type) {
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (strcmp(run->brokers, "mock") == 0)
        set(conf, "test.mock.num.brokers", "1");
    else
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
    if (run->mode == CONTROL)
        rd_kafka_conf_interceptor_add_on_new(conf, "control", control_new, NULL);
    if (run->mode == TIME)
        rd_kafka_conf_interceptor_add_on_new(conf, "before", time_new_before, NULL);
    if ((run->mode == INSTRUMENT || run->mode == TIME) &&
        weir_kafka_instrument(conf, 0, &err) != WEIR_OK) {
        fprintf(stderr, "kafka_client: %s\n", err.message);
        exit(1);
    }
    if (run->mode == TIME)
        rd_kafka_conf_interceptor_add_on_new(conf, "behind", time_new_behind, NULL);
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (rk) return rk;
    fprintf(stderr, "kafka_client: %s\n", why);
    exit(1);
}

/* librdkafka's RD_KAFKA_V_… are statement expressions */
static rd_kafka_resp_err_t send_one(const struct run *run, rd_kafka_t *rk, char *payload,
                                    const char *traceparent) {
    if (run->mode == CONTROL_HEADER)
        return __extension__ rd_kafka_producev(
            rk, RD_KAFKA_V_TOPIC(run->topic), RD_KAFKA_V_VALUE(payload, run->size),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_HEADER("traceparent", traceparent, 55), RD_KAFKA_V_END);
    return __extension__ rd_kafka_producev(
        rk, RD_KAFKA_V_TOPIC(run->topic), RD_KAFKA_V_VALUE(payload, run->size),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
}

/* As different from one message to the next as a real one. */
static void write_traceparent(char text[56]) {
    static const char digits[] = "0123456789abcdef";
    unsigned long random[3] = {draw(), draw(), draw()};
    memcpy(text, "00-", 3);
    for (int i = 0; i < 48; i++)
        text[3 + i + (i >= 32)] = digits[random[i / 16] >> (i % 16 * 4) & 15];
    text[35] = '-';
    memcpy(text + 52, "-01", 4);
}

static void produce(struct run *run, rd_kafka_t *rk) {
    char *payload = calloc(1, run->size), traceparent[56];
    if (!payload) exit(1);
    for (long i = 0; i < run->messages; i++) {
        snprintf(payload, run->size, "%ld", i);
        if (run->mode == CONTROL_HEADER) write_traceparent(traceparent);
        while (send_one(run, rk, payload, traceparent) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 10);
        if (i % 1000 == 0) rd_kafka_poll(rk, 0);
        if (i == run->messages / 2) run->half_kib = resident_kib();
    }
    rd_kafka_flush(rk, 60000);
    free(payload);
}

static void subscribe(const struct run *run, rd_kafka_t *rk) {
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, run->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
}

static void consume(const struct run *run, rd_kafka_t *rk, double *ret_started, double *ret_cpu) {
    subscribe(run, rk);
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

enum { BATCH = 1000 };

/* The first call takes one message: joining the group is not measured. */
static void consume_batch(const struct run *run, rd_kafka_t *rk, double *ret_started,
                          double *ret_cpu) {
    rd_kafka_message_t *messages[BATCH];
    subscribe(run, rk);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    double deadline = now() + 120;
    for (long seen = 0; seen < run->messages && now() < deadline;) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 10, messages, seen ? BATCH : 1);
        if (count > 0 && seen == 0) *ret_started = now(), *ret_cpu = cpu();
        for (ssize_t i = 0; i < count; i++) {
            seen += !messages[i]->err;
            rd_kafka_message_destroy(messages[i]);
        }
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(rk);
}

static void consume_wrapped(const struct run *run, double *ret_started, double *ret_cpu) {
    char group[64];
    snprintf(group, sizeof group, "bench-%ld-%ld", (long)time(NULL), (long)clock());
    const char *const topics[] = {run->topic, NULL};
    struct weir_message *messages[BATCH];
    struct weir_error err;
    struct weir_kafka_options options = {
        .struct_size = sizeof options,
        .brokers = run->brokers,
        .group_id = group,
        .properties = "enable.auto.commit=false\nfetch.queue.backoff.ms=5\n"};
    struct weir_consumer *consumer = weir_consumer_open(&options, topics, &err);
    if (!consumer) {
        fprintf(stderr, "kafka_client: %s\n", err.message);
        exit(1);
    }
    double deadline = now() + 120;
    for (long seen = 0; seen < run->messages && now() < deadline;) {
        int count = weir_consumer_poll_batch(consumer, 10, messages, seen ? BATCH : 1, NULL);
        if (count > 0 && seen == 0) *ret_started = now(), *ret_cpu = cpu();
        for (int i = 0; i < count; i++) weir_message_free(messages[i]);
        seen += count > 0 ? count : 0;
    }
    weir_consumer_close(consumer);
}

static enum mode mode_of(const char *name) {
    int mode = 0;
    while (mode < MODES_COUNT && strcmp(mode_names[mode], name) != 0) mode++;
    if (mode < MODES_COUNT) return (enum mode)mode;
    fprintf(stderr, "kafka_client: no mode \"%s\"\n", name);
    exit(2);
}

int main(int argc, char **argv) {
    if (argc < 6)
        return fputs(
                   "usage: kafka_client produce|consume|consume-batch BROKERS TOPIC MESSAGES BYTES "
                   "[raw|instrument|control|control-header|time|wrapper]\n",
                   stderr),
               2;
    int producing = strcmp(argv[1], "produce") == 0;
    struct run run = {.brokers = argv[2],
                      .topic = argv[3],
                      .messages = strtol(argv[4], NULL, 10),
                      .size = (size_t)strtol(argv[5], NULL, 10),
                      .mode = argc > 6 ? mode_of(argv[6]) : RAW};
    int instrumented = run.mode == INSTRUMENT || run.mode == TIME || run.mode == WRAPPER;
    if (instrumented) weir_init(NULL, NULL);
    rd_kafka_t *rk = open_client(&run, producing ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER);
    double started = now(), used = cpu();
    unsigned long ticks_started = clock_ticks();
    if (producing)
        produce(&run, rk);
    else if (run.mode == WRAPPER)
        consume_wrapped(&run, &started, &used);
    else if (strcmp(argv[1], "consume-batch") == 0)
        consume_batch(&run, rk, &started, &used);
    else
        consume(&run, rk, &started, &used);
    double seconds = now() - started, cpu_seconds = cpu() - used;
    printf("%.0f %.4f %ld %ld\n", (double)run.messages / seconds,
           cpu_seconds * 1e6 / (double)run.messages, run.half_kib, resident_kib());
    if (run.mode == TIME && producing)
        print_times((double)(clock_ticks() - ticks_started) / (seconds * 1e9));
    rd_kafka_destroy(rk);
    if (instrumented) weir_shutdown(5000, NULL);
    return 0;
}
