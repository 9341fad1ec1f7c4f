/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "unit.h"
#include "weir/weir.h"

enum { THREADS = 6, PER_THREAD = 5000, BOUNDS = 3 };

static uint64_t seed;
static struct weir_meter *meter;
static const double bounds[BOUNDS] = {1, 10, 100};

/* The instrument's only point as collected or taken; its counts outlive the snapshot. */
static bool point_of(const struct weir_instrument *it, const enum weir_config_temporality *take,
                     struct weir_point *ret) {
    static uint64_t counts[BOUNDS + 1];
    struct weir_snapshot snapshot;
    bool found = false;
    assert_true(take ? weir_metrics_take(&snapshot, *take) : weir_metrics_collect(&snapshot));
    for (uint32_t i = 0; i < snapshot.count; i++) {
        if (snapshot.points[i].instrument != it) continue;
        assert_false(found);
        found = true;
        *ret = snapshot.points[i];
        if (ret->counts) ret->counts = memcpy(counts, ret->counts, sizeof counts);
    }
    weir_snapshot_done(&snapshot);
    return found;
}

static struct weir_point read_of(const struct weir_instrument *it) {
    struct weir_point point = {.instrument = NULL};
    assert_true(point_of(it, NULL, &point));
    return point;
}

static bool is_gone(const struct weir_instrument *it) {
    struct weir_point point;
    return !point_of(it, NULL, &point);
}

/* ── threads ─────────────────────────────────────────────────────────────────────────────────── */

struct crowd {
    struct weir_series *sum, *doubles, *histogram;
    atomic_int running;
};

/* With series that the main thread looked up: shared cells first, own ones as soon as there are. */
static void *measure(void *arg) {
    struct crowd *crowd = arg;
    for (int i = 0; i < PER_THREAD; i++) {
        weir_series_add(crowd->sum, 2);
        weir_series_add_double(crowd->doubles, 0.5);
        weir_series_record(crowd->histogram, i % 200);
    }
    atomic_fetch_sub(&crowd->running, 1);
    return NULL;
}

static void nothing_is_lost_between_threads(void **state) {
    (void)state;
    struct weir_instrument_options is_double = {.struct_size = sizeof is_double, .is_double = true};
    struct weir_instrument *sum = weir_updown_get(meter, "crowd.sum", NULL, NULL);
    struct weir_instrument *doubles = weir_instrument_get(meter, WEIR_INSTRUMENT_COUNTER,
                                                          "crowd.doubles", NULL, NULL, &is_double);
    struct weir_instrument *histogram =
        weir_histogram_get(meter, "crowd.h", NULL, NULL, bounds, BOUNDS);
    struct crowd crowd = {weir_series_get(sum, NULL, 0), weir_series_get(doubles, NULL, 0),
                          weir_series_get(histogram, NULL, 0), THREADS};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, measure, &crowd), 0);
    int64_t before = 0;
    while (atomic_load(&crowd.running)) { /* collections tick; what was seen never shrinks */
        struct weir_point point;
        if (!point_of(sum, NULL, &point)) continue;
        assert_true(point.i64 >= before);
        before = point.i64;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    const int64_t all = THREADS * PER_THREAD;
    assert_int_equal(read_of(sum).i64, 2 * all);
    assert_true(read_of(doubles).f64 == 0.5 * (double)all);
    struct weir_point point = read_of(histogram);
    assert_int_equal(point.count, all);
    const int64_t expected[] = {2 * all / 200, 9 * all / 200, 90 * all / 200, 99 * all / 200};
    for (int i = 0; i <= BOUNDS; i++) assert_int_equal(point.counts[i], expected[i]);
    assert_true(point.sum == (double)all * 99.5 && point.min == 0 && point.max == 199);
}

/* ── removal ─────────────────────────────────────────────────────────────────────────────────── */

struct turns { /* another thread, which lives on while the main thread removes */
    pthread_barrier_t turn;
    struct weir_series *sum, *doubles, *histogram;
};

static void *measure_in_turns(void *arg) {
    struct turns *turns = arg;
    for (int i = 0; i < 4; i++) {
        weir_series_add(turns->sum, 10);
        weir_series_add_double(turns->doubles, 0.1);
        weir_series_record(turns->histogram, i ? 50 : 5000);
        pthread_barrier_wait(&turns->turn);
        pthread_barrier_wait(&turns->turn);
    }
    return NULL;
}

static void removed_series_start_from_zero(void **state) {
    (void)state;
    struct weir_instrument_options is_double = {.struct_size = sizeof is_double, .is_double = true};
    struct weir_instrument *sum = weir_counter_get(meter, "removed.sum", NULL, NULL);
    struct weir_instrument *doubles = weir_instrument_get(
        meter, WEIR_INSTRUMENT_COUNTER, "removed.doubles", NULL, NULL, &is_double);
    struct weir_instrument *histogram =
        weir_histogram_get(meter, "removed.h", NULL, NULL, bounds, BOUNDS);
    struct turns turns = {.sum = weir_series_get(sum, NULL, 0),
                          .doubles = weir_series_get(doubles, NULL, 0),
                          .histogram = weir_series_get(histogram, NULL, 0)};
    pthread_t thread;
    pthread_barrier_init(&turns.turn, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, measure_in_turns, &turns), 0);
    for (int i = 0; i < 4; i++) {
        weir_series_record(turns.histogram, 0.5);
        weir_series_add(turns.sum, 1);
        pthread_barrier_wait(&turns.turn);
        int64_t since_removal = i < 2 ? i + 1 : i - 1; /* it is removed in the second round */
        struct weir_point point = read_of(histogram);
        assert_int_equal(point.count, 2 * since_removal);
        assert_int_equal(point.counts[0], since_removal);
        assert_true(point.min == 0.5 && point.max == (i < 2 ? 5000 : 50));
        assert_true(point.sum == 0.5 * (double)since_removal +
                                     (i < 2 ? 5000 + 50.0 * i : 50.0 * (double)since_removal));
        assert_int_equal(read_of(sum).i64, 11 * since_removal);
        assert_true(fabs(read_of(doubles).f64 - 0.1 * (double)since_removal) < 1e-12);
        if (i == 1) {
            weir_series_remove(turns.sum);
            weir_series_remove(turns.doubles);
            weir_instrument_remove(histogram, NULL, 0);
            assert_true(is_gone(sum) && is_gone(doubles) && is_gone(histogram));
            weir_series_remove(turns.sum); /* twice is once */
        }
        pthread_barrier_wait(&turns.turn);
    }
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&turns.turn);
}

static void infinity_goes_with_its_series(void **state) {
    (void)state;
    struct weir_instrument *histogram =
        weir_histogram_get(meter, "infinite.h", NULL, NULL, bounds, BOUNDS);
    struct weir_series *series = weir_series_get(histogram, NULL, 0);
    weir_series_record(series, INFINITY);
    assert_true(isinf(read_of(histogram).sum));
    assert_int_equal(read_of(histogram).counts[BOUNDS], 1);
    weir_series_remove(series);
    weir_series_record(series, 5);
    struct weir_point point = read_of(histogram);
    assert_true(point.sum == 5 && point.min == 5 && point.max == 5 && point.count == 1);
}

static void disabled_means_disabled(void **state) {
    (void)state;
    struct weir_options options = {.struct_size = sizeof options};
    struct weir_instrument *sum = weir_counter_get(meter, "disabled.sum", NULL, NULL);
    struct weir_instrument *histogram =
        weir_histogram_get(meter, "disabled.h", NULL, NULL, bounds, BOUNDS);
    struct weir_span_context span = {.flags = WEIR_FLAG_SAMPLED};
    setenv("OTEL_SDK_DISABLED", "true", 1);
    assert_int_equal(weir_init(&options, NULL), WEIR_OK);
    weir_instrument_add(sum, 1, NULL, 0);
    weir_instrument_add_double(sum, 1, NULL, 0);
    weir_instrument_record(histogram, 1, NULL, 0);
    weir_series_add_with(weir_series_get(sum, NULL, 0), 1, &span);
    weir_series_record_with(weir_series_get(histogram, NULL, 0), 1, &span);
    weir_shutdown(1000, NULL);
    unsetenv("OTEL_SDK_DISABLED");
    assert_true(is_gone(sum) && is_gone(histogram));
    weir_instrument_add(sum, 1, NULL, 0);
    assert_int_equal(read_of(sum).i64, 1);
}

static void *add_hundred(void *series) {
    weir_series_add(series, 100);
    return NULL;
}

static void a_child_starts_from_zero(void **state) {
    (void)state;
    struct weir_options options = {.struct_size = sizeof options,
                                   .traces_exporter = "none",
                                   .metrics_exporter = "none",
                                   .logs_exporter = "none"};
    struct weir_instrument *sum = weir_counter_get(meter, "forked.sum", NULL, NULL);
    struct weir_instrument *histogram =
        weir_histogram_get(meter, "forked.h", NULL, NULL, bounds, BOUNDS);
    struct weir_series *sums = weir_series_get(sum, NULL, 0);
    struct weir_series *durations = weir_series_get(histogram, NULL, 0);
    pthread_t thread;
    assert_int_equal(weir_init(&options, NULL), WEIR_OK);
    weir_series_add(sums, 5);
    weir_series_record(durations, 500);
    assert_int_equal(pthread_create(&thread, NULL, add_hundred, sums), 0);
    pthread_join(thread, NULL);
    assert_int_equal(read_of(sum).i64, 105);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct weir_point point = {.i64 = -1};
        if (point_of(sum, NULL, &point) || point_of(histogram, NULL, &point)) _exit(1);
        weir_series_add(sums, 3);
        weir_series_record(durations, 7);
        if (!point_of(sum, NULL, &point) || point.i64 != 3) _exit(2);
        if (!point_of(histogram, NULL, &point) || point.count != 1) _exit(3);
        _exit(point.min == 7 && point.max == 7 && point.sum == 7 ? 0 : 4);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    weir_series_add(sums, 1);
    assert_int_equal(read_of(sum).i64, 106);
    weir_shutdown(1000, NULL);
}

/* ── deltas ──────────────────────────────────────────────────────────────────────────────────── */

/* Random measurements; each delta against counting by hand, while others look in between. */
static void deltas(void **state) {
    (void)state;
    const enum weir_config_temporality delta = WEIR_CONFIG_DELTA;
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    struct weir_instrument *sum = weir_counter_get(meter, "delta.sum", NULL, NULL);
    struct weir_instrument *updown = weir_updown_get(meter, "delta.updown", NULL, NULL);
    struct weir_instrument *histogram =
        weir_histogram_get(meter, "delta.h", NULL, NULL, bounds, BOUNDS);
    struct weir_series *sums = weir_series_get(sum, NULL, 0),
                       *durations = weir_series_get(histogram, NULL, 0);
    int64_t all = 0, taken_ns = 0;
    for (int round = 0; round < 40; round++) {
        int64_t added = 0;
        bool lived = all > 0;
        uint64_t counts[BOUNDS + 1] = {0}, count = weir_rand_below(&rand, 4);
        double total = 0, least = INFINITY, greatest = -INFINITY;
        for (uint64_t i = 0; i < count; i++) {
            int64_t amount = 1 + (int64_t)weir_rand_below(&rand, 100);
            weir_series_add(sums, amount);
            weir_instrument_add(updown, -1, NULL, 0);
            double value = (double)weir_rand_below(&rand, 300);
            weir_series_record(durations, value);
            added += amount;
            all++;
            total += value;
            least = fmin(least, value);
            greatest = fmax(greatest, value);
            counts[value <= 1 ? 0 : value <= 10 ? 1 : value <= 100 ? 2 : 3]++;
        }
        if (all) assert_int_equal(read_of(updown).i64, -all); /* looking takes nothing */
        int64_t before_ns = weir_clock_wall_ns();
        struct weir_snapshot snapshot;
        assert_true(weir_metrics_take(&snapshot, delta));
        int found = 0;
        for (uint32_t i = 0; i < snapshot.count; i++) {
            const struct weir_point *point = &snapshot.points[i];
            if (point->instrument == updown) assert_int_equal(point->i64, -all); /* cumulative */
            if (point->instrument != sum && point->instrument != histogram) continue;
            found++;
            assert_true(point->start_ns >= taken_ns && point->start_ns <= before_ns);
            if (lived) assert_int_equal(point->start_ns, taken_ns);
            if (point->instrument == sum) assert_int_equal(point->i64, added);
            if (point->instrument != histogram) continue;
            assert_int_equal(point->count, count);
            assert_true(point->sum == total && point->min == least && point->max == greatest);
            for (int n = 0; n <= BOUNDS; n++) assert_int_equal(point->counts[n], counts[n]);
        }
        assert_int_equal(found, count ? 2 : 0); /* nothing new: nothing told */
        taken_ns = snapshot.time_ns;
        weir_snapshot_done(&snapshot);
    }
    weir_series_add(sums, 5);
    weir_series_remove(sums);
    weir_series_add(sums, 6);
    struct weir_point point;
    assert_true(point_of(sum, &delta, &point));
    assert_int_equal(point.i64, 6);
}

static void *take_often(void *arg) {
    struct crowd *crowd = arg;
    const enum weir_config_temporality delta = WEIR_CONFIG_DELTA;
    const struct weir_instrument *sum = crowd->sum->instrument;
    static int64_t total;
    do {
        struct weir_point point;
        if (point_of(sum, &delta, &point)) total += point.i64;
    } while (atomic_load(&crowd->running));
    struct weir_point point;
    if (point_of(sum, &delta, &point)) total += point.i64;
    return &total;
}

static void deltas_add_up_between_threads(void **state) {
    (void)state;
    struct weir_instrument_options is_double = {.struct_size = sizeof is_double, .is_double = true};
    struct weir_instrument *sum = weir_counter_get(meter, "sums.sum", NULL, NULL);
    struct weir_instrument *doubles =
        weir_instrument_get(meter, WEIR_INSTRUMENT_COUNTER, "sums.doubles", NULL, NULL, &is_double);
    struct weir_instrument *histogram =
        weir_histogram_get(meter, "sums.h", NULL, NULL, bounds, BOUNDS);
    struct crowd crowd = {weir_series_get(sum, NULL, 0), weir_series_get(doubles, NULL, 0),
                          weir_series_get(histogram, NULL, 0), THREADS};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, measure, &crowd), 0);
    const int64_t *total = take_often(&crowd);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(*total, 2 * THREADS * PER_THREAD);
}

static void observe(void *arg, struct weir_observer *observer) {
    struct weir_attribute attr = WEIR_STR("a", "b");
    const double *values = arg;
    if (values[1] >= 0) weir_observer_record(observer, values[1], &attr, 1);
    weir_observer_record(observer, values[0], NULL, 0);
}

static void take_observed(enum weir_config_temporality temporality,
                          const struct weir_instrument *it, double *ret_plain, double *ret_with) {
    struct weir_snapshot snapshot;
    *ret_plain = *ret_with = -1;
    assert_true(weir_metrics_take(&snapshot, temporality));
    for (uint32_t i = 0; i < snapshot.count; i++)
        if (snapshot.points[i].instrument == it)
            *(snapshot.points[i].attrs.len ? ret_with : ret_plain) = snapshot.points[i].f64;
    weir_snapshot_done(&snapshot);
}

static void observed_deltas(void **state) {
    (void)state;
    double values[2] = {10, 100}, plain, with;
    struct weir_instrument *it = weir_instrument_get(meter, WEIR_INSTRUMENT_OBSERVABLE_COUNTER,
                                                     "observed.c", NULL, NULL, NULL);
    int id = weir_instrument_observe(it, observe, values);
    take_observed(WEIR_CONFIG_LOWMEMORY, it, &plain, &with);
    assert_true(plain == 10 && with == 100);
    take_observed(WEIR_CONFIG_DELTA, it, &plain, &with);
    assert_true(plain == 10 && with == 100); /* the first: from nothing */
    values[0] = 13, values[1] = 107;
    take_observed(WEIR_CONFIG_DELTA, it, &plain, &with);
    assert_true(plain == 3 && with == 7);
    take_observed(WEIR_CONFIG_LOWMEMORY, it, &plain, &with);
    assert_true(plain == 13 && with == 107);
    values[0] = 14, values[1] = -1;
    take_observed(WEIR_CONFIG_DELTA, it, &plain, &with);
    assert_true(plain == 1 && with == -1);
    values[0] = 2; /* it began anew */
    take_observed(WEIR_CONFIG_DELTA, it, &plain, &with);
    assert_true(plain == 2);
    weir_instrument_unobserve(it, id);
    take_observed(WEIR_CONFIG_DELTA, it, &plain, &with);
    assert_true(plain == -1);
}

int main(void) {
    const char *given = getenv("WEIR_SEED");
    seed = given ? strtoull(given, NULL, 10) : weir_rand_seed();
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    meter = weir_meter_get("series", NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost_between_threads),
                                       cmocka_unit_test(removed_series_start_from_zero),
                                       cmocka_unit_test(infinity_goes_with_its_series),
                                       cmocka_unit_test(disabled_means_disabled),
                                       cmocka_unit_test(a_child_starts_from_zero),
                                       cmocka_unit_test(deltas),
                                       cmocka_unit_test(deltas_add_up_between_threads),
                                       cmocka_unit_test(observed_deltas)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
