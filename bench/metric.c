/* SPDX-License-Identifier: Apache-2.0 */
/* The price of one measurement on the caller's thread, beside its floor in the same program.
 *
 *     metric counter|histogram|disabled|exemplar ours|floor COUNT
 *     metric counter|histogram|disabled|exemplar both COUNT ROUNDS
 *
 * Floors are calls that are not inlined: `counter` a plain add to a cell of the thread; `histogram`
 * and `exemplar` (measured in a sampled span) the same search among 14 bounds and two such adds;
 * `disabled` nothing. The first form is for callgrind. The second does both in turns and prints, in
 * nanoseconds: ours least greatest floor least greatest ratio (medians but for the extremes, ratio
 * the median of each round's). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "sdk/bucket.h"
#include "weir/metric.h"
#include "weir/trace.h"
#include "weir/weir.h"

enum { BOUNDS = 14, ROOM = 16, VALUES = 4096, ROUNDS_MAX = 999 };

static const double bounds[ROOM] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,     0.5,
                                    0.75,  1,    2.5,   5,    7.5,   10,  1.0 / 0., 1.0 / 0.};
static double values[VALUES]; /* in no order */
static struct weir_series *series;

static _Thread_local struct {
    int64_t sum;
    double f64;
    uint64_t counts[ROOM];
} * own;

__attribute__((noinline, aligned(64))) static void floor_add(int64_t amount) {
    own->sum += amount;
}

__attribute__((noinline, aligned(64))) static void floor_record(double value) {
    own->counts[weir_bucket_of(bounds, ROOM, value)]++;
    own->f64 += value;
}

__attribute__((noinline, aligned(64))) static void floor_empty(struct weir_series *it,
                                                               int64_t amount) {
    __asm__ volatile("" ::"r"(it), "r"(amount));
}

enum { COUNTER, HISTOGRAM, DISABLED, EXEMPLAR, CASES };
static const char *const names[CASES] = {"counter", "histogram", "disabled", "exemplar"};

static void do_ours(int what, long count) {
    if (what == HISTOGRAM || what == EXEMPLAR)
        for (long i = 0; i < count; i++) weir_series_record(series, values[i % VALUES]);
    else
        for (long i = 0; i < count; i++) weir_series_add(series, i);
}

static void do_floor(int what, long count) {
    if (what == HISTOGRAM || what == EXEMPLAR)
        for (long i = 0; i < count; i++) floor_record(values[i % VALUES]);
    else if (what == DISABLED)
        for (long i = 0; i < count; i++) floor_empty(series, i);
    else
        for (long i = 0; i < count; i++) floor_add(i);
}

static double timed(void (*run)(int what, long count), int what, long count) {
    int64_t started = weir_clock_mono_ns();
    run(what, count);
    return (double)(weir_clock_mono_ns() - started) / (double)count;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_sorted(double *times, int rounds, int all) {
    qsort(times, (size_t)rounds, sizeof *times, by_size);
    printf("%.3f ", times[rounds / 2]);
    if (all) printf("%.3f %.3f ", times[0], times[rounds - 1]);
}

static void compare(int what, long count, int rounds) {
    double ours[ROUNDS_MAX], floors[ROUNDS_MAX], ratios[ROUNDS_MAX];
    if (rounds < 1 || rounds > ROUNDS_MAX) rounds = ROUNDS_MAX;
    for (int i = 0; i < rounds; i++) {
        ours[i] = timed(do_ours, what, count);
        floors[i] = timed(do_floor, what, count);
        ratios[i] = ours[i] / floors[i];
    }
    print_sorted(ours, rounds, 1);
    print_sorted(floors, rounds, 1);
    print_sorted(ratios, rounds, 0);
    printf("\n");
}

static void prepare(int what) {
    struct weir_rand rand;
    weir_rand_init(&rand, 1);
    for (int i = 0; i < VALUES; i++) /* as often below 0.005 as between 5 and 10 */
        values[i] = bounds[weir_rand_below(&rand, BOUNDS)] * weir_rand_f64(&rand) * 1.2;
    if (!(own = calloc(1, sizeof *own))) abort();
    if (what == DISABLED) setenv("OTEL_SDK_DISABLED", "true", 1);
    struct weir_options init = {.struct_size = sizeof init, .sampler = "always_on"};
    if (weir_init(&init, NULL) != 0) abort();
    struct weir_meter *meter = weir_meter_get("bench", NULL);
    series = weir_series_get(
        what == HISTOGRAM || what == EXEMPLAR
            ? weir_histogram_get(meter, "bench.duration", "s", "Durations.", bounds, BOUNDS)
            : weir_counter_get(meter, "bench.count", "{item}", "Counts."),
        NULL, 0);
}

int main(int argc, char **argv) {
    int what = 0;
    while (argc > 3 && what < CASES && strcmp(argv[1], names[what]) != 0) what++;
    if (argc < 4 || what == CASES)
        return fputs("usage: metric counter|histogram|disabled|exemplar ours|floor|both COUNT "
                     "[ROUNDS]\n",
                     stderr),
               2;
    long count = strtol(argv[3], NULL, 10);
    prepare(what);
    struct weir_scope scope;
    struct weir_span *span = weir_span_start(weir_tracer_get("bench", NULL), "one", NULL);
    if (what == EXEMPLAR) weir_scope_attach_span(&scope, span);
    if (!strcmp(argv[2], "both"))
        compare(what, count, argc > 4 ? (int)strtol(argv[4], NULL, 10) : 401);
    else
        printf("%.3f\n", timed(argv[2][0] == 'o' ? do_ours : do_floor, what, count));
    if (what == EXEMPLAR) weir_scope_detach(&scope);
    weir_span_end(span);
    return 0;
}
