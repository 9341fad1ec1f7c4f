/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/exponential.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "sdk/cell.h"
#include "sdk/metric.h"
#include "sdk/series.h"
#include "unit.h"
#include "weir/weir.h"

enum { VALUES = 3000 };

static uint64_t seed;

static void fill(struct weir_rand *rand, double *values, int count, double octaves) {
    for (int i = 0; i < count; i++) {
        double value = exp2((weir_rand_f64(rand) - 0.5) * octaves);
        values[i] = weir_rand_below(rand, 8) ? value : weir_rand_below(rand, 2) ? -value : 0;
    }
}

static void add_all(struct weir_exponential *to, const double *values, int count) {
    static _Atomic uint64_t cells[WEIR_EXPONENTIAL_CELLS];
    for (int i = 0; i < WEIR_EXPONENTIAL_CELLS; i++) weir_cell_set(&cells[i], 0);
    for (int i = 0; i < count; i++) weir_exponential_add(cells, values[i], 1);
    assert_true(weir_exponential_read(cells, to));
}

/* How many of the values lie in (base^index, base^(index + 1)], base = 2^(2^-scale). */
static uint64_t count_in(const double *values, int count, bool negative, int64_t index, int scale) {
    long double low = exp2l(ldexpl((long double)index, -scale));
    long double high = exp2l(ldexpl((long double)index + 1, -scale));
    uint64_t found = 0;
    for (int i = 0; i < count; i++) {
        double value = negative ? -values[i] : values[i];
        found += value > 0 && (long double)value > low && (long double)value <= high;
    }
    return found;
}

static void check_side(const struct weir_exponential *it, const double *values, int count,
                       bool negative) {
    const struct weir_exponential_side *side = negative ? &it->negative : &it->positive;
    int scale = WEIR_EXPONENTIAL_SCALE - (int)it->halvings;
    assert_true(side->count <= WEIR_EXPONENTIAL_BUCKETS);
    for (uint32_t i = 0; i < side->count; i++)
        assert_int_equal(side->counts[i], count_in(values, count, negative, side->low + i, scale));
}

/* Each bucket against counting by hand; the scale is the finest that fits. */
static void buckets_by_hand(void **state) {
    (void)state;
    static const double octaves[] = {0.001, 0.3, 2, 20, 200, 2000};
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    for (size_t n = 0; n < sizeof octaves / sizeof *octaves; n++) {
        double values[VALUES];
        struct weir_exponential it = {.halvings = 0};
        fill(&rand, values, VALUES, octaves[n]);
        add_all(&it, values, VALUES);
        assert_int_equal(weir_exponential_count(&it), VALUES);
        check_side(&it, values, VALUES, false);
        check_side(&it, values, VALUES, true);
        uint32_t widest =
            it.positive.count > it.negative.count ? it.positive.count : it.negative.count;
        if (it.halvings) assert_true(widest > WEIR_EXPONENTIAL_BUCKETS / 2 - 1);
    }
}

static void bounds_belong_below(void **state) {
    (void)state;
    for (int exponent = -1074; exponent < 1024; exponent += 7) {
        double values[] = {ldexp(1, exponent), nextafter(ldexp(1, exponent), INFINITY)};
        struct weir_exponential it = {.halvings = 0};
        add_all(&it, values, 1);
        assert_int_equal(it.halvings, 0);
        assert_int_equal(it.positive.low, exponent * (INT64_C(1) << WEIR_EXPONENTIAL_SCALE) - 1);
        add_all(&it, &values[1], 1);
        assert_int_equal(weir_exponential_count(&it), 2);
        if (exponent > -1000) assert_int_equal(it.positive.count, 2);
    }
}

static void the_whole_range_fits(void **state) {
    (void)state;
    double values[] = {DBL_TRUE_MIN, DBL_MAX, -DBL_TRUE_MIN, -DBL_MAX, 0, -0.0, 1};
    struct weir_exponential it = {.halvings = 0};
    add_all(&it, values, 7);
    assert_int_equal(weir_exponential_count(&it), 7);
    assert_int_equal(it.zero, 2);
    assert_true(it.positive.count <= WEIR_EXPONENTIAL_BUCKETS);
    check_side(&it, values, 7, false);
}

static bool same(const struct weir_exponential *a, const struct weir_exponential *b) {
    const struct weir_exponential_side *sides[][2] = {{&a->positive, &b->positive},
                                                      {&a->negative, &b->negative}};
    for (int i = 0; i < 2; i++)
        if (sides[i][0]->count != sides[i][1]->count || sides[i][0]->low != sides[i][1]->low ||
            memcmp(sides[i][0]->counts, sides[i][1]->counts,
                   sides[i][0]->count * sizeof(uint64_t)) != 0)
            return false;
    return a->halvings == b->halvings && a->zero == b->zero;
}

static void merged_and_taken_apart(void **state) {
    (void)state;
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    for (int round = 0; round < 200; round++) {
        double values[2 * 50];
        struct weir_exponential a = {.halvings = 0}, b = {.halvings = 0}, both = {.halvings = 0};
        fill(&rand, values, 50, weir_rand_f64(&rand) * 100);
        fill(&rand, values + 50, 50, weir_rand_f64(&rand) * 1000);
        add_all(&a, values, 50);
        add_all(&b, values + 50, 50);
        add_all(&both, values, 100);
        struct weir_exponential merged = a, back;
        weir_exponential_merge(&merged, &b);
        assert_true(same(&merged, &both));
        back = merged;
        weir_exponential_subtract(&back, &a);
        assert_int_equal(weir_exponential_count(&back), 50);
        weir_exponential_subtract(&back, &b);
        assert_int_equal(weir_exponential_count(&back), 0);
    }
}

static void either_sign_may_need_room(void **state) {
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        double values[] = {sign * 1e-300, sign * 1e300};
        struct weir_exponential a = {.halvings = 0}, b = {.halvings = 0}, both = {.halvings = 0};
        add_all(&a, values, 1);
        add_all(&b, values + 1, 1);
        add_all(&both, values, 2);
        weir_exponential_merge(&a, &b);
        assert_true(same(&a, &both));
    }
}

static _Atomic uint64_t contended[WEIR_EXPONENTIAL_CELLS];
static atomic_uint added;
static atomic_bool done;

enum { ROUNDS = 300, WIDER = 60 };

static void *widen_often(void *arg) {
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < WIDER; i++) {
            weir_exponential_add(contended, exp2(i % 2 ? i * 8 : -i * 8), 1);
            atomic_fetch_add(&added, 1);
        }
        while (atomic_load(&added) && !atomic_load(&done)) { /* until the reader starts anew */
        }
    }
    return NULL;
}

/* A reader sees what was there before, and no more than there is after, while the scale changes. */
static void readers_see_whole_scales(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, widen_often, NULL), 0);
    for (int round = 0; round < ROUNDS;) {
        struct weir_exponential it = {.halvings = 0};
        unsigned before = atomic_load(&added);
        assert_true(weir_exponential_read(contended, &it));
        uint64_t count = weir_exponential_count(&it);
        if (count < before || count > atomic_load(&added) + 1u)
            fail_msg("round %d: %llu of %u", round, (unsigned long long)count, before);
        if (before < WIDER) continue;
        for (int i = 0; i < WEIR_EXPONENTIAL_CELLS; i++) weir_cell_set(&contended[i], 0);
        if (++round == ROUNDS) atomic_store(&done, true);
        atomic_store(&added, 0);
    }
    pthread_join(thread, NULL);
    weir_cell_set(&contended[0], 1); /* a writer that never ends */
    struct weir_exponential it = {.halvings = 0};
    assert_false(weir_exponential_read(contended, &it));
}

/* ── series ──────────────────────────────────────────────────────────────────────────────────── */

enum { THREADS = 4, PER_THREAD = 8000 };

static atomic_int running;

static void *measure(void *series) {
    struct weir_rand rand;
    weir_rand_init(&rand, seed + (uintptr_t)&rand);
    for (int i = 0; i < PER_THREAD; i++) /* ever wider, so that scales change all the time */
        weir_series_record(series, exp2((weir_rand_f64(&rand) - 0.5) * i / 20));
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* The count of the instrument's only exponential point, or 0. */
static uint64_t count_of(const struct weir_instrument *it, bool take,
                         enum weir_config_temporality temporality, uint64_t *ret_explicit) {
    struct weir_snapshot snapshot;
    uint64_t count = 0;
    assert_true(take ? weir_metrics_take(&snapshot, temporality) : weir_metrics_collect(&snapshot));
    for (uint32_t i = 0; i < snapshot.count; i++) {
        if (snapshot.points[i].instrument != it) continue;
        assert_non_null(snapshot.points[i].exponential);
        count += weir_exponential_count(snapshot.points[i].exponential);
        *ret_explicit = snapshot.points[i].count;
    }
    weir_snapshot_done(&snapshot);
    return count;
}

static struct weir_instrument *histogram(const char *name) {
    struct weir_options options = {.struct_size = sizeof options,
                                   .traces_exporter = "none",
                                   .metrics_exporter = "none",
                                   .logs_exporter = "none"};
    const char *variable = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    setenv(variable, "base2_exponential_bucket_histogram", 1);
    assert_int_equal(weir_init(&options, NULL), WEIR_OK);
    unsetenv(variable);
    struct weir_instrument *it =
        weir_histogram_get(weir_meter_get("exponential", NULL), name, NULL, NULL, NULL, 0);
    weir_shutdown(1000, NULL);
    assert_true(it && it->exponential);
    return it;
}

static void nothing_is_lost_between_threads(void **state) {
    (void)state;
    struct weir_instrument *it = histogram("threads");
    struct weir_series *series = weir_series_get(it, NULL, 0);
    const uint64_t all = THREADS * PER_THREAD;
    uint64_t seen = 0, before = 0, counted = 0;
    pthread_t threads[THREADS];
    atomic_store(&running, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, measure, series), 0);
    while (atomic_load(&running)) {
        seen += count_of(it, true, WEIR_CONFIG_DELTA, &counted);
        uint64_t now = count_of(it, false, WEIR_CONFIG_CUMULATIVE, &counted);
        assert_true(now >= before && now >= seen);
        before = now;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    seen += count_of(it, true, WEIR_CONFIG_DELTA, &counted);
    assert_int_equal(seen, all);
    assert_int_equal(count_of(it, false, WEIR_CONFIG_CUMULATIVE, &counted), all);
    assert_int_equal(counted, all); /* the bounds' own buckets, for /metrics */
}

static void removed_and_merged(void **state) {
    (void)state;
    struct weir_instrument *it = histogram("removed");
    struct weir_series *series = weir_series_get(it, NULL, 0);
    uint64_t counted, counts[16] = {[2] = 3, [5] = 4};
    weir_series_record(series, 0.001);
    weir_series_record(series, 1e6);
    assert_int_equal(count_of(it, false, WEIR_CONFIG_CUMULATIVE, &counted), 2);
    weir_series_remove(series);
    assert_int_equal(count_of(it, false, WEIR_CONFIG_CUMULATIVE, &counted), 0);
    weir_series_record(series, 3);
    weir_series_record(series, INFINITY); /* fits no bucket of this kind: dropped from both */
    assert_int_equal(count_of(it, false, WEIR_CONFIG_CUMULATIVE, &counted), 1);
    assert_int_equal(counted, 1);
    weir_series_merge(series, counts, 7 * 30, 6, 70);
    assert_int_equal(count_of(it, true, WEIR_CONFIG_DELTA, &counted), 8);
    weir_series_remove(series);
    weir_series_record(series, 3);
    assert_int_equal(count_of(it, true, WEIR_CONFIG_DELTA, &counted), 1);
}

/* Both shared places are held by threads that do not run: nothing waits, nothing is lost. */
static void nobody_waits_for_a_place(void **state) {
    (void)state;
    struct weir_instrument *it = histogram("places");
    struct weir_series *series = weir_series_get(it, NULL, 0);
    uint64_t counted;
    atomic_store(&series->exponential->first, WEIR_CELLS_NONE);
    weir_series_record(series, 30);
    for (int i = 0; i < 2; i++) atomic_store(&series->exponential->shared[i].busy, true);
    weir_series_record(series, 30);
    weir_series_record(series, 1e6);
    weir_series_record(series, 0);
    for (int i = 0; i < 2; i++) atomic_store(&series->exponential->shared[i].busy, false);
    weir_series_record(series, 30);
    assert_int_equal(count_of(it, true, WEIR_CONFIG_DELTA, &counted), 5);
    assert_int_equal(count_of(it, true, WEIR_CONFIG_DELTA, &counted), 0);
    weir_series_remove(series);
    weir_series_record(series, 30);
    assert_int_equal(count_of(it, false, WEIR_CONFIG_CUMULATIVE, &counted), 1);
}

int main(void) {
    const char *given = getenv("WEIR_SEED");
    seed = given ? strtoull(given, NULL, 10) : weir_rand_seed();
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(buckets_by_hand),
                                       cmocka_unit_test(bounds_belong_below),
                                       cmocka_unit_test(the_whole_range_fits),
                                       cmocka_unit_test(merged_and_taken_apart),
                                       cmocka_unit_test(either_sign_may_need_room),
                                       cmocka_unit_test(readers_see_whole_scales),
                                       cmocka_unit_test(nothing_is_lost_between_threads),
                                       cmocka_unit_test(removed_and_merged),
                                       cmocka_unit_test(nobody_waits_for_a_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
