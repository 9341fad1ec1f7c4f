/* SPDX-License-Identifier: Apache-2.0 */
/* Makes telemetry from a seed, sends it over OTLP/HTTP, and writes down what it sent.
 *
 *     generate --endpoint 127.0.0.1:4318 --seed 1 --spans 10000000 --logs 20000000
 *              --samples 50000000 --hours 48 --ledger FILE [--connections 2]
 *
 * The ledger (JSON) holds the answers that questions must give: totals, by service, errors, slow
 * spans, rare words, last values. It is counted here, from the generator's own numbers, and shares
 * no code with the store. The same seed and sizes give the same bytes but for the end of the time
 * range (--end-ns, default now). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/rand.h"
#include "bench/post.h"
#include "wire/pb.h"

enum {
    SERVICES = 20,
    TOPICS = 8,
    SPANS_PER_TRACE = 5,
    SPANS_PER_REQUEST = 1000,
    LOGS_PER_REQUEST = 2000,
    SERIES_PER_SERVICE = 100,
    SERIES = SERVICES * SERIES_PER_SERVICE,
    SAMPLE_TRACES = 200,
    REQUEST_BYTES_MAX = 8 << 20,
};

struct options {
    const char *endpoint, *ledger;
    uint64_t seed, spans, logs, samples;
    double hours;
    int64_t end_ns;
};

struct ledger {
    uint64_t spans[SERVICES], errors[SERVICES], slow[SERVICES]; /* slow: over one second */
    uint64_t logs[SERVICES], log_errors[SERVICES], needles;     /* needle: one line in 100,000 */
    uint64_t samples, series;
    double last[SERVICES]; /* sum of the last values of the service's series */
    char traces[SAMPLE_TRACES][33];
    size_t traces_count;
};

static const char *const operations[SPANS_PER_TRACE] = {
    "send orders", "poll orders", "process orders", "commit orders", "INSERT orders"};
static const unsigned kinds[SPANS_PER_TRACE] = {4, 3, 5, 3, 3};
static const char *const levels[] = {"INFO", "INFO",  "INFO", "INFO",
                                     "INFO", "DEBUG", "WARN", "ERROR"};
static const unsigned severities[] = {9, 9, 9, 9, 9, 5, 13, 17};

static void put_str_attr(struct weir_buf *buf, uint32_t field, const char *key,
                         struct weir_view value) {
    size_t attr = weir_pb_begin(buf, field);
    weir_pb_put_bytes(buf, 1, weir_view_str(key));
    size_t any = weir_pb_begin(buf, 2);
    weir_pb_put_bytes(buf, 1, value);
    weir_pb_end(buf, any);
    weir_pb_end(buf, attr);
}

static void put_int_attr(struct weir_buf *buf, uint32_t field, const char *key, uint64_t value) {
    size_t attr = weir_pb_begin(buf, field);
    weir_pb_put_bytes(buf, 1, weir_view_str(key));
    size_t any = weir_pb_begin(buf, 2);
    weir_pb_put_varint(buf, 3, value);
    weir_pb_end(buf, any);
    weir_pb_end(buf, attr);
}

static void put_resource(struct weir_buf *buf, size_t service) {
    char name[32];
    size_t resource = weir_pb_begin(buf, 1);
    snprintf(name, sizeof name, "service-%02zu", service);
    put_str_attr(buf, 1, "service.name", weir_view_str(name));
    put_str_attr(buf, 1, "service.version", WEIR_VIEW("1.4.2"));
    put_str_attr(buf, 1, "host.name", WEIR_VIEW("node-7"));
    weir_pb_end(buf, resource);
}

struct trace {
    uint8_t id[16], parent[8];
    int64_t start_ns;
};

static void put_span(struct weir_buf *buf, struct weir_rand *rand, struct trace *trace, size_t step,
                     size_t service, struct ledger *ledger) {
    uint64_t draw = weir_rand_next(rand);
    int64_t duration_ns = (int64_t)(1000000 + draw % 200000000);
    bool is_error = draw % 97 == 0, is_slow = draw % 211 == 0;
    if (is_slow) duration_ns += WEIR_NS_PER_S;
    uint64_t id = weir_rand_next(rand) | 1;
    size_t span = weir_pb_begin(buf, 2);
    weir_pb_put_bytes(buf, 1, weir_view(trace->id, 16));
    weir_pb_put_bytes(buf, 2, weir_view(&id, 8));
    if (step) weir_pb_put_bytes(buf, 4, weir_view(trace->parent, 8));
    weir_pb_put_bytes(buf, 5, weir_view_str(operations[step]));
    weir_pb_put_varint(buf, 6, kinds[step]);
    weir_pb_put_fixed64(buf, 7, (uint64_t)trace->start_ns);
    weir_pb_put_fixed64(buf, 8, (uint64_t)(trace->start_ns + duration_ns));
    put_str_attr(buf, 9, "messaging.system", WEIR_VIEW("kafka"));
    put_str_attr(buf, 9, "messaging.destination.name", WEIR_VIEW("orders"));
    put_int_attr(buf, 9, "messaging.kafka.offset", draw >> 32);
    char partition[8];
    snprintf(partition, sizeof partition, "%u", (unsigned)(draw % TOPICS));
    put_str_attr(buf, 9, "messaging.destination.partition.id", weir_view_str(partition));
    put_str_attr(buf, 9, "messaging.operation.type", weir_view_str(step == 2 ? "process" : "send"));
    if (is_error) {
        size_t status = weir_pb_begin(buf, 15);
        weir_pb_put_bytes(buf, 2, WEIR_VIEW("it failed"));
        weir_pb_put_varint(buf, 3, 2);
        weir_pb_end(buf, status);
    }
    weir_pb_end(buf, span);
    memcpy(trace->parent, &id, 8);
    trace->start_ns += 1000000;
    ledger->spans[service]++;
    ledger->errors[service] += is_error;
    ledger->slow[service] += is_slow;
}

static void keep_trace(struct ledger *ledger, const uint8_t id[16]) {
    if (ledger->traces_count == SAMPLE_TRACES) return;
    char *to = ledger->traces[ledger->traces_count++];
    for (size_t i = 0; i < 16; i++) snprintf(to + 2 * i, 3, "%02x", id[i]);
}

/* One request: whole traces of one service, close in time. */
static void make_spans(struct weir_buf *buf, struct weir_rand *rand, uint64_t count, int64_t at_ns,
                       bool keep, struct ledger *ledger) {
    size_t service = weir_rand_below(rand, SERVICES);
    size_t group = weir_pb_begin(buf, 1);
    put_resource(buf, service);
    size_t scope = weir_pb_begin(buf, 2);
    struct trace trace = {{0}, {0}, at_ns};
    for (uint64_t i = 0; i < count; i++) {
        if (i % SPANS_PER_TRACE == 0) {
            for (size_t j = 0; j < 2; j++) {
                uint64_t bits = weir_rand_next(rand) | 1;
                memcpy(trace.id + 8 * j, &bits, 8);
            }
            trace.start_ns = at_ns + (int64_t)(i * 1000);
            if (keep && i == 0) keep_trace(ledger, trace.id);
        }
        put_span(buf, rand, &trace, i % SPANS_PER_TRACE, service, ledger);
    }
    weir_pb_end(buf, scope);
    weir_pb_end(buf, group);
}

static void put_log(struct weir_buf *buf, struct weir_rand *rand, int64_t at_ns, size_t service,
                    struct ledger *ledger) {
    uint64_t draw = weir_rand_next(rand);
    size_t level = draw % (sizeof levels / sizeof *levels);
    bool is_needle = (draw >> 20) % 100000 == 0;
    char line[200];
    int len = snprintf(line, sizeof line, "%s order id=%llu customer=%u latency_ms=%u%s",
                       level == 7 ? "failed to process" : "processed",
                       (unsigned long long)(draw >> 24), (unsigned)(draw >> 8) % 5000,
                       (unsigned)(draw >> 40) % 900, is_needle ? " needle-in-the-stack" : "");
    size_t record = weir_pb_begin(buf, 2);
    weir_pb_put_fixed64(buf, 1, (uint64_t)at_ns);
    weir_pb_put_varint(buf, 2, severities[level]);
    weir_pb_put_bytes(buf, 3, weir_view_str(levels[level]));
    size_t body = weir_pb_begin(buf, 5);
    weir_pb_put_bytes(buf, 1, weir_view(line, (size_t)len));
    weir_pb_end(buf, body);
    put_int_attr(buf, 6, "partition", draw % TOPICS);
    weir_pb_end(buf, record);
    ledger->logs[service]++;
    ledger->log_errors[service] += level == 7;
    ledger->needles += is_needle;
}

static void make_logs(struct weir_buf *buf, struct weir_rand *rand, uint64_t count, int64_t at_ns,
                      struct ledger *ledger) {
    size_t service = weir_rand_below(rand, SERVICES);
    size_t group = weir_pb_begin(buf, 1);
    put_resource(buf, service);
    size_t scope = weir_pb_begin(buf, 2);
    for (uint64_t i = 0; i < count; i++)
        put_log(buf, rand, at_ns + (int64_t)(i * 1000), service, ledger);
    weir_pb_end(buf, scope);
    weir_pb_end(buf, group);
}

/* One request: one scrape-like round over all series, a counter that grows. */
static void make_samples(struct weir_buf *buf, struct weir_rand *rand, uint64_t count,
                         int64_t at_ns, int64_t start_ns, double *values, struct ledger *ledger) {
    uint64_t made = 0;
    for (size_t service = 0; service < SERVICES && made < count; service++) {
        size_t group = weir_pb_begin(buf, 1);
        put_resource(buf, service);
        size_t scope = weir_pb_begin(buf, 2);
        size_t metric = weir_pb_begin(buf, 2);
        weir_pb_put_bytes(buf, 1, WEIR_VIEW("bench.work"));
        size_t sum = weir_pb_begin(buf, 7);
        for (size_t i = 0; i < SERIES_PER_SERVICE && made < count; i++, made++) {
            double *value = &values[service * SERIES_PER_SERVICE + i];
            *value += (double)weir_rand_below(rand, 50);
            size_t point = weir_pb_begin(buf, 1);
            weir_pb_put_fixed64(buf, 2, (uint64_t)start_ns);
            weir_pb_put_fixed64(buf, 3, (uint64_t)at_ns);
            weir_pb_put_f64(buf, 4, *value);
            put_int_attr(buf, 7, "shard", i);
            weir_pb_end(buf, point);
        }
        weir_pb_put_varint(buf, 2, 2);
        weir_pb_put_varint(buf, 3, 1);
        weir_pb_end(buf, sum);
        weir_pb_end(buf, metric);
        weir_pb_end(buf, scope);
        weir_pb_end(buf, group);
    }
    ledger->samples += made;
}

static int64_t time_of(const struct options *options, uint64_t done, uint64_t all) {
    double window_ns = options->hours * 3600e9;
    return options->end_ns - (int64_t)(window_ns * (1.0 - (double)done / (double)(all ? all : 1)));
}

static void progress(const char *what, uint64_t done, uint64_t all) {
    fprintf(stderr, "\r%s %llu of %llu", what, (unsigned long long)done, (unsigned long long)all);
    if (done >= all) fputc('\n', stderr);
}

static int send_all(const struct options *options, struct bench_post *post, struct ledger *ledger) {
    static double values[SERIES];
    struct weir_rand rand;
    struct weir_buf buf;
    weir_buf_init(&buf, REQUEST_BYTES_MAX);
    weir_rand_init(&rand, options->seed);
    uint64_t rounds = 0;
    for (uint64_t done = 0, step; done < options->spans; done += step, rounds++) {
        step =
            options->spans - done < SPANS_PER_REQUEST ? options->spans - done : SPANS_PER_REQUEST;
        weir_buf_clear(&buf);
        make_spans(&buf, &rand, step, time_of(options, done, options->spans),
                   done % (options->spans / SAMPLE_TRACES + 1) < step, ledger);
        if (!bench_post_send(post, "/v1/traces", weir_buf_view(&buf))) return 1;
        if (rounds % 100 == 0 || done + step >= options->spans)
            progress("spans", done + step, options->spans);
    }
    for (uint64_t done = 0, step; done < options->logs; done += step, rounds++) {
        step = options->logs - done < LOGS_PER_REQUEST ? options->logs - done : LOGS_PER_REQUEST;
        weir_buf_clear(&buf);
        make_logs(&buf, &rand, step, time_of(options, done, options->logs), ledger);
        if (!bench_post_send(post, "/v1/logs", weir_buf_view(&buf))) return 1;
        if (rounds % 100 == 0 || done + step >= options->logs)
            progress("log lines", done + step, options->logs);
    }
    for (uint64_t done = 0, step; done < options->samples; done += step, rounds++) {
        step = options->samples - done < SERIES ? options->samples - done : SERIES;
        weir_buf_clear(&buf);
        int64_t at_ns = time_of(options, done + step, options->samples),
                start_ns = time_of(options, 0, options->samples);
        make_samples(&buf, &rand, step, at_ns, start_ns, values, ledger);
        if (!bench_post_send(post, "/v1/metrics", weir_buf_view(&buf))) return 1;
        if (rounds % 100 == 0 || done + step >= options->samples)
            progress("samples", done + step, options->samples);
    }
    for (size_t i = 0; i < SERIES; i++) ledger->last[i / SERIES_PER_SERVICE] += values[i];
    weir_buf_done(&buf);
    return 0;
}

static int write_ledger(const struct options *options, const struct ledger *ledger) {
    FILE *out = fopen(options->ledger, "w");
    if (!out) return perror(options->ledger), 1;
    fprintf(out,
            "{\"seed\": %llu, \"end_ns\": %lld, \"start_ns\": %lld, \"samples\": %llu, "
            "\"needles\": %llu, \"services\": {",
            (unsigned long long)options->seed, (long long)options->end_ns,
            (long long)time_of(options, 0, 1), (unsigned long long)ledger->samples,
            (unsigned long long)ledger->needles);
    for (size_t i = 0; i < SERVICES; i++)
        fprintf(out,
                "%s\"service-%02zu\": {\"spans\": %llu, \"errors\": %llu, \"slow\": %llu, "
                "\"logs\": %llu, \"log_errors\": %llu, \"last\": %.17g}",
                i ? ", " : "", i, (unsigned long long)ledger->spans[i],
                (unsigned long long)ledger->errors[i], (unsigned long long)ledger->slow[i],
                (unsigned long long)ledger->logs[i], (unsigned long long)ledger->log_errors[i],
                ledger->last[i]);
    fprintf(out, "}, \"traces\": [");
    for (size_t i = 0; i < ledger->traces_count; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "", ledger->traces[i]);
    fprintf(out, "]}\n");
    return fclose(out) == 0 ? 0 : 1;
}

static int usage(void) {
    fputs("usage: generate --endpoint HOST:PORT --ledger FILE [--seed N] [--spans N] [--logs N] "
          "[--samples N] [--hours H] [--end-ns N]\n",
          stderr);
    return 2;
}

static bool parse(int argc, char **argv, struct options *options) {
    static const struct option names[] = {
        {"endpoint", 1, 0, 'e'}, {"ledger", 1, 0, 'l'}, {"seed", 1, 0, 's'},
        {"spans", 1, 0, 'p'},    {"logs", 1, 0, 'g'},   {"samples", 1, 0, 'm'},
        {"hours", 1, 0, 'h'},    {"end-ns", 1, 0, 'n'}, {0}};
    int name;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case 'e': options->endpoint = optarg; break;
        case 'l': options->ledger = optarg; break;
        case 's': options->seed = strtoull(optarg, NULL, 10); break;
        case 'p': options->spans = strtoull(optarg, NULL, 10); break;
        case 'g': options->logs = strtoull(optarg, NULL, 10); break;
        case 'm': options->samples = strtoull(optarg, NULL, 10); break;
        case 'h': options->hours = strtod(optarg, NULL); break;
        case 'n': options->end_ns = strtoll(optarg, NULL, 10); break;
        default: return false;
        }
    }
    return options->endpoint && options->ledger;
}

int main(int argc, char **argv) {
    struct options options = {.seed = 1, .hours = 48, .end_ns = weir_clock_wall_ns()};
    static struct ledger ledger;
    if (!parse(argc, argv, &options)) return usage();
    struct weir_error err;
    struct bench_post *post = bench_post_open(options.endpoint, &err);
    if (!post) return fprintf(stderr, "generate: %s\n", err.message), 1;
    int rc = send_all(&options, post, &ledger);
    if (rc) fprintf(stderr, "\ngenerate: %s\n", bench_post_error(post));
    bench_post_close(post);
    return rc ? rc : write_ledger(&options, &ledger);
}
