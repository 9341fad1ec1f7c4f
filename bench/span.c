/* SPDX-License-Identifier: Apache-2.0 */
/* The price of one recorded span with six attributes on the caller's thread, beside its floor.
 *
 *     span floor|span|unsampled|disabled|enabled|empty COUNT    COUNT operations: for callgrind
 *     span pairs ROUNDS                                         each kind's median in nanoseconds
 *
 * `floor`: two clock reads, two random ids, one 96-byte copy. `disabled`: a whole span before
 * weir_init, `enabled`: the question whether there is a point, `empty`: a call that does nothing.
 *
 * `pairs` takes turns: a burst of the control, a burst of what is measured, and then a pause (not
 * measured) in which the exporter empties its queue; nothing is dropped, all is encoded, the
 * receiver is a function that accepts everything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "sdk/exporter.h"
#include "weir/trace.h"
#include "weir/weir.h"

enum { BURST = 1000, ROUNDS_MAX = 10000 };

static char ring[1024][96];
static struct weir_tracer *tracer;
static struct weir_attribute_set *bound;

__attribute__((noinline)) static void one_floor(long i) {
    char record[96] = {0};
    int64_t start = weir_clock_wall_ns();
    uint64_t id = weir_rand_u64(), other = weir_rand_u64();
    int64_t end = weir_clock_wall_ns();
    memcpy(record, &start, 8);
    memcpy(record + 8, &end, 8);
    memcpy(record + 16, &id, 8);
    memcpy(record + 24, &other, 8);
    memcpy(ring[i & 1023], record, sizeof record);
}

__attribute__((noinline)) static void one_span(long i) {
    struct weir_span_options options = {
        .struct_size = sizeof options, .kind = WEIR_KIND_PRODUCER, .bound = bound};
    struct weir_span *span = weir_span_start(tracer, "send orders", &options);
    weir_span_set(span, WEIR_INT("messaging.kafka.offset", i));
    weir_span_set(span, WEIR_STR("messaging.destination.partition.id", "3"));
    weir_span_end(span);
}

/* As much as a careful caller does when nothing is recorded. */
__attribute__((noinline)) static void one_start(long i) {
    (void)i;
    weir_span_end(weir_span_start(tracer, "send orders", NULL));
}

/* The calls that cost next to nothing: many, so that the loop around them does not count. */
enum { CALLS = 50 };

__attribute__((noinline)) static void calls_enabled(long i) {
    for (int n = 0; n < CALLS; n++) {
        bool is = weir_tracer_enabled(tracer);
        __asm__ volatile("" ::"r"(i), "r"(is));
    }
}

__attribute__((noinline)) static void calls_disabled(long i) {
    for (int n = 0; n < CALLS; n++) {
        const void *span = weir_span_start(tracer, "send orders", NULL);
        __asm__ volatile("" ::"r"(i), "r"(span));
    }
}

#ifdef __clang__ /* a call of which the compiler knows nothing */
#define UNKNOWN __attribute__((noinline, optnone))
#else
#define UNKNOWN __attribute__((noipa))
#endif

UNKNOWN static const void *callee(const void *a, const char *b, const void *c) {
    (void)a, (void)b, (void)c;
    return NULL;
}

__attribute__((noinline)) static void calls_empty(long i) {
    for (int n = 0; n < CALLS; n++) {
        const void *span = callee(tracer, "send orders", NULL);
        __asm__ volatile("" ::"r"(i), "r"(span));
    }
}

static const struct {
    const char *name;
    void (*run)(long i);
    int operations;      /* of one run */
    const char *sampler; /* NULL: before weir_init */
} kinds[] = {{"floor", one_floor, 1, "always_on"},      {"span", one_span, 1, "always_on"},
             {"unsampled", one_start, 1, "always_off"}, {"disabled", calls_disabled, CALLS, NULL},
             {"enabled", calls_enabled, CALLS, NULL},   {"empty", calls_empty, CALLS, NULL}};
enum { FLOOR, SPAN, UNSAMPLED, DISABLED, ENABLED, EMPTY, KINDS_COUNT };

/* ── a receiver that accepts everything ──────────────────────────────────────────────────────── */

static void accept_all(struct weir_outbound *transport, struct weir_view body, int64_t timeout_ms,
                       struct weir_outbound_answer *ret) {
    (void)transport, (void)body, (void)timeout_ms;
    *ret = (struct weir_outbound_answer){.retry_after_ms = -1};
}

static void do_nothing(struct weir_outbound *transport) {
    (void)transport;
}

static int open_accept_all(const struct weir_config_otlp *otlp, enum weir_sdk_signal signal,
                           struct weir_outbound **ret, struct weir_error *reterr) {
    static struct weir_outbound transport = {accept_all, do_nothing, do_nothing};
    (void)otlp, (void)signal, (void)reterr;
    *ret = &transport;
    return WEIR_OK;
}

static bool begin(const char *sampler) {
    struct weir_options init = {
        .struct_size = sizeof init, .flags = WEIR_INIT_NO_ENVIRONMENT, .sampler = sampler};
    return !sampler || weir_init(&init, NULL) == WEIR_OK;
}

/* ── measuring ───────────────────────────────────────────────────────────────────────────────── */

static double burst(int kind) {
    int64_t started = weir_clock_mono_ns();
    long runs = BURST / kinds[kind].operations;
    for (long i = 0; i < runs; i++) kinds[kind].run(i);
    return (double)(weir_clock_mono_ns() - started) / BURST;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, long count) {
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

/* Bursts of the control and of the kind in turn; prints both medians. */
static bool pair(int kind, int control, long rounds) {
    static double ns[2][ROUNDS_MAX];
    const int turns[] = {control, kind};
    if (!begin(kinds[kind].sampler)) return false;
    for (long round = 0; round < rounds; round++)
        for (int i = 0; i < 2; i++) {
            ns[i][round] = burst(turns[i]);
            weir_flush(1000, NULL);
        }
    weir_shutdown(1000, NULL);
    printf("%s %.2f %s %.2f\n", kinds[kind].name, median(ns[1], rounds), kinds[control].name,
           median(ns[0], rounds));
    return true;
}

static int pairs(long rounds) {
    struct weir_stats stats = {.struct_size = sizeof stats};
    if (rounds < 1 || rounds > ROUNDS_MAX) return 2;
    if (!pair(DISABLED, EMPTY, rounds) || !pair(ENABLED, EMPTY, rounds) ||
        !pair(SPAN, FLOOR, rounds) || !pair(UNSAMPLED, FLOOR, rounds))
        return 1;
    weir_stats_get(&stats);
    if (stats.spans_exported == (uint64_t)rounds * BURST &&
        stats.spans_exported == stats.spans_started)
        return 0;
    fprintf(stderr, "void: %llu of %llu spans were exported\n",
            (unsigned long long)stats.spans_exported, (unsigned long long)stats.spans_started);
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 3) return fputs("usage: span KIND|pairs COUNT\n", stderr), 2;
    long count = strtol(argv[2], NULL, 10);
    const struct weir_attribute fixed[] = {WEIR_STR("messaging.system", "kafka"),
                                           WEIR_STR("messaging.operation.name", "send"),
                                           WEIR_STR("messaging.operation.type", "send"),
                                           WEIR_STR("messaging.destination.name", "orders")};
    weir_exporter_transport_set(open_accept_all);
    tracer = weir_tracer_get("bench", NULL);
    bound = weir_attributes_bind(fixed, 4);
    if (!strcmp(argv[1], "pairs")) return pairs(count);
    for (int kind = 0; kind < KINDS_COUNT; kind++) {
        if (strcmp(argv[1], kinds[kind].name) != 0) continue;
        if (!begin(kinds[kind].sampler)) return 1;
        for (long i = 0; i < count; i += kinds[kind].operations) {
            if (i % BURST == 0) weir_flush(1000, NULL);
            kinds[kind].run(i);
        }
        return 0;
    }
    return 2;
}
