/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/metric.h"

#include <math.h>
#include <stdio.h>

#include "base/rand.h"
#include "capture.h"
#include "sdk/sdk.h"

static uint64_t seed;
static struct weir_meter *meter;

/* The point of this instrument without attributes; instrument NULL if there is none. */
static struct weir_point find(const struct weir_snapshot *snapshot,
                              const struct weir_instrument *it) {
    for (uint32_t i = 0; i < snapshot->count; i++)
        if (snapshot->points[i].instrument == it && snapshot->points[i].attrs.len == 0)
            return snapshot->points[i];
    return (struct weir_point){.instrument = NULL};
}

static struct weir_point only(const struct weir_instrument *it) {
    struct weir_snapshot snapshot;
    assert_true(weir_metrics_collect(&snapshot));
    struct weir_point found = find(&snapshot, it);
    static uint64_t counts[WEIR_METRIC_BOUNDS_MAX + 1]; /* outlives the snapshot */
    if (found.counts)
        memcpy(counts, found.counts, (it->bounds_count + 1) * sizeof *counts),
            found.counts = counts;
    weir_snapshot_done(&snapshot);
    return found;
}

static uint32_t points_of(const struct weir_instrument *it) {
    struct weir_snapshot snapshot;
    uint32_t count = 0;
    assert_true(weir_metrics_collect(&snapshot));
    for (uint32_t i = 0; i < snapshot.count; i++) count += snapshot.points[i].instrument == it;
    weir_snapshot_done(&snapshot);
    return count;
}

static void names(void **state) {
    (void)state;
    const char *const bad[] = {"", "1a", "_a", "a b", "a\xc3\xa9", NULL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(weir_counter_get(meter, bad[i], NULL, NULL));
    struct weir_instrument *one = weir_counter_get(meter, "names.a-b_c/d1", "s", "x");
    assert_non_null(one);
    assert_ptr_equal(weir_counter_get(meter, "Names.A-b_c/d1", NULL, NULL),
                     one);                                            /* case does not tell apart */
    assert_null(weir_gauge_get(meter, "names.a-b_c/d1", NULL, NULL)); /* another type */
    assert_null(weir_counter_get(NULL, "x", NULL, NULL));
    double falling[] = {2, 1};
    assert_null(weir_histogram_get(meter, "names.h", NULL, NULL, falling, 2));
    weir_instrument_add(NULL, 1, NULL, 0);
    weir_series_add(NULL, 1);
    weir_series_record(NULL, 1);
    weir_series_remove(NULL);
    weir_instrument_remove(NULL, NULL, 0);
    assert_int_equal(weir_instrument_observe(one, NULL, NULL), WEIR_EINVALID);
}

static void sums(void **state) {
    (void)state;
    struct weir_instrument *counter = weir_counter_get(meter, "sums.counter", NULL, NULL);
    struct weir_instrument *updown = weir_updown_get(meter, "sums.updown", NULL, NULL);
    struct weir_instrument_options options = {.struct_size = sizeof options, .is_double = true};
    struct weir_instrument *seconds =
        weir_instrument_get(meter, WEIR_INSTRUMENT_COUNTER, "sums.seconds", "s", NULL, &options);
    assert_null(only(counter).instrument); /* nothing measured: nothing told */
    weir_instrument_add(counter, 5, NULL, 0);
    weir_instrument_add(counter, -3, NULL, 0);
    weir_instrument_record(counter, 9, NULL, 0);
    weir_instrument_add_double(counter, 2.9, NULL, 0);
    weir_instrument_add(updown, -3, NULL, 0);
    weir_instrument_add_double(seconds, 0.25, NULL, 0);
    weir_instrument_add(seconds, 1, NULL, 0);
    weir_instrument_add_double(seconds, NAN, NULL, 0);
    assert_true(only(counter).is_int);
    assert_int_equal(only(counter).i64, 7);
    assert_int_equal(only(updown).i64, -3);
    assert_true(only(seconds).f64 == 1.25 && !only(seconds).is_int);
    assert_true(only(counter).start_ns > 0);
}

static void gauges(void **state) {
    (void)state;
    struct weir_instrument *gauge = weir_gauge_get(meter, "gauges.g", NULL, NULL);
    weir_instrument_record(gauge, 3, NULL, 0);
    weir_instrument_record(gauge, -2.5, NULL, 0);
    assert_true(only(gauge).f64 == -2.5);
    weir_instrument_remove(gauge, NULL, 0);
    assert_null(only(gauge).instrument);
    weir_instrument_record(gauge, 1, NULL, 0);
    assert_true(only(gauge).f64 == 1);
}

/* Against counting by hand. */
static void histograms(void **state) {
    (void)state;
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    double bounds[] = {0, 1, 2.5, 10}, sum = 0, min = INFINITY, max = -INFINITY;
    uint64_t expected[5] = {0};
    struct weir_instrument *histogram = weir_histogram_get(meter, "h.h", "s", NULL, bounds, 4);
    struct weir_series *series = weir_series_get(histogram, NULL, 0);
    for (int i = 0; i < 2000; i++) {
        double value = i < 4 ? bounds[i] : weir_rand_f64(&rand) * 14 - 2; /* bounds belong below */
        weir_series_record(series, value);
        int bucket = value <= 0 ? 0 : value <= 1 ? 1 : value <= 2.5 ? 2 : value <= 10 ? 3 : 4;
        expected[bucket]++;
        sum += value;
        min = fmin(min, value);
        max = fmax(max, value);
    }
    weir_series_record(series, NAN);
    struct weir_point point = only(histogram);
    assert_int_equal(point.count, 2000);
    assert_true(fabs(point.sum - sum) < 1e-6 && point.min == min && point.max == max);
    for (int i = 0; i < 5; i++) assert_int_equal(point.counts[i], expected[i]);
}

static void attribute_order_does_not_matter(void **state) {
    (void)state;
    struct weir_instrument *counter = weir_counter_get(meter, "order.c", NULL, NULL);
    struct weir_attribute ab[] = {WEIR_STR("a", "1"), WEIR_INT("b", 2)},
                          ba[] = {WEIR_INT("b", 2), WEIR_STR("a", "1")};
    struct weir_attribute twice[] = {WEIR_STR("a", "0"), WEIR_INT("b", 2), WEIR_STR("a", "1")};
    struct weir_attribute other[] = {WEIR_STR("a", "1"), WEIR_STR("b", "2")};
    assert_ptr_equal(weir_series_get(counter, ab, 2), weir_series_get(counter, ba, 2));
    assert_ptr_equal(weir_series_get(counter, ab, 2),
                     weir_series_get(counter, twice, 3)); /* the last wins */
    assert_ptr_not_equal(weir_series_get(counter, ab, 2), weir_series_get(counter, other, 2));
    assert_ptr_not_equal(weir_series_get(counter, ab, 2), weir_series_get(counter, NULL, 0));
    char large[3000];
    memset(large, 'x', sizeof large);
    struct weir_attribute big = weir_attribute_strn("a", large, sizeof large);
    assert_ptr_equal(weir_series_get(counter, &big, 1), weir_series_get(counter, &big, 1));
}

static void cardinality_limit(void **state) {
    (void)state;
    struct weir_instrument *counter = weir_counter_get(meter, "limit.c", NULL, NULL);
    for (int i = 0; i < 2500; i++) {
        struct weir_attribute attr = WEIR_INT("n", i);
        weir_instrument_add(counter, 1, &attr, 1);
    }
    assert_int_equal(points_of(counter), WEIR_SERIES_MAX);
    struct weir_snapshot snapshot;
    weir_metrics_collect(&snapshot);
    int64_t total = 0, overflow = 0;
    for (uint32_t i = 0; i < snapshot.count; i++) {
        if (snapshot.points[i].instrument != counter) continue;
        total += snapshot.points[i].i64;
        if (weir_view_find(snapshot.points[i].attrs, WEIR_VIEW("otel.metric.overflow")) != SIZE_MAX)
            overflow = snapshot.points[i].i64;
    }
    weir_snapshot_done(&snapshot);
    assert_int_equal(total, 2500);
    assert_int_equal(overflow, 2500 - (WEIR_SERIES_MAX - 1));
}

static void observe(void *arg, struct weir_observer *observer) {
    struct weir_attribute attr = WEIR_STR("q", "a");
    weir_observer_record(observer, *(double *)arg, NULL, 0);
    weir_observer_record(observer, 1, &attr, 1);
    weir_observer_record(observer, 2, &attr, 1); /* the same again: the later counts */
}

static void observables(void **state) {
    (void)state;
    double value = 4;
    struct weir_instrument *it =
        weir_instrument_get(meter, WEIR_INSTRUMENT_OBSERVABLE_COUNTER, "obs.c", NULL, NULL, NULL);
    int id = weir_instrument_observe(it, observe, &value);
    assert_true(id > 0);
    assert_true(only(it).f64 == 4);
    assert_int_equal(points_of(it), 2);
    value = 5;
    assert_true(only(it).f64 == 5);
    weir_instrument_unobserve(it, id);
    weir_instrument_unobserve(it, id);
    assert_int_equal(points_of(it), 0);
    weir_instrument_add(it, 1, NULL, 0); /* not for us */
    assert_int_equal(points_of(it), 0);
}

static void observe_many(void *arg, struct weir_observer *observer) {
    for (int i = 0; i < *(int *)arg; i++) {
        struct weir_attribute attr = WEIR_INT("n", i), before = WEIR_INT("n", i / 2);
        weir_observer_record(observer, 1, &attr, 1);
        if (i < 1000) weir_observer_record(observer, 1, &before, 1); /* known: nothing new */
    }
}

static void observables_have_the_limit_too(void **state) {
    (void)state;
    const enum weir_instrument_type types[] = {WEIR_INSTRUMENT_OBSERVABLE_COUNTER,
                                               WEIR_INSTRUMENT_OBSERVABLE_GAUGE};
    int count = 2500;
    for (int i = 0; i < 2; i++) {
        struct weir_instrument *it =
            weir_instrument_get(meter, types[i], i ? "many.g" : "many.c", NULL, NULL, NULL);
        int id = weir_instrument_observe(it, observe_many, &count);
        struct weir_snapshot snapshot;
        double total = 0, overflow = 0;
        uint32_t points = 0;
        assert_true(weir_metrics_collect(&snapshot));
        for (uint32_t n = 0; n < snapshot.count; n++) {
            const struct weir_point *point = &snapshot.points[n];
            if (point->instrument != it) continue;
            points++;
            total += point->f64;
            if (weir_view_find(point->attrs, WEIR_VIEW("otel.metric.overflow")) != SIZE_MAX)
                overflow = point->f64;
        }
        weir_snapshot_done(&snapshot);
        weir_instrument_unobserve(it, id);
        assert_int_equal(points, WEIR_SERIES_MAX);
        assert_true(overflow == (i ? 1 : count - (WEIR_SERIES_MAX - 1)));
        assert_true(total == (i ? WEIR_SERIES_MAX : count));
    }
}

enum { THREADS = 4, PER_THREAD = 20000 };

static void *add_some(void *arg) {
    struct weir_series *series = weir_series_get(arg, NULL, 0);
    for (int i = 0; i < PER_THREAD; i++) {
        struct weir_attribute attr = WEIR_INT("n", i % 7);
        weir_series_add(series, 1);
        if (i % 16 == 0) weir_instrument_add(arg, 1, &attr, 1);
    }
    return NULL;
}

static void threads(void **state) {
    (void)state;
    struct weir_instrument *counter = weir_counter_get(meter, "threads.c", NULL, NULL);
    pthread_t ids[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&ids[i], NULL, add_some, counter);
    for (int i = 0; i < 20; i++) points_of(counter); /* collections meanwhile */
    for (int i = 0; i < THREADS; i++) pthread_join(ids[i], NULL);
    assert_int_equal(only(counter).i64, THREADS * PER_THREAD);
    assert_int_equal(points_of(counter), 8);
}

static void text(void **state) {
    (void)state;
    capture_init("", NULL);
    struct weir_meter *other = weir_meter_get("text.other", NULL);
    struct weir_attribute odd[] = {WEIR_STR("a.b", "x\"y\\z\n"), WEIR_BOOL("ok", true)};
    weir_instrument_add(weir_counter_get(meter, "text.bytes", "By", "Bytes\nsent."), 3, odd, 2);
    weir_instrument_add(weir_counter_get(other, "text.bytes", "By", "Other words."), 4, NULL, 0);
    weir_instrument_record(weir_gauge_get(other, "text.bytes.total", NULL, NULL), 1, NULL,
                           0); /* same family, other type */
    size_t size;
    char *page = weir_metrics_text(&size);
    assert_non_null(page);
    assert_int_equal(strlen(page), size);
    assert_non_null(strstr(page, "# TYPE text_bytes_total counter\n"));
    assert_non_null(strstr(
        page,
        "text_bytes_total{a_b=\"x\\\"y\\\\z\\n\",ok=\"true\",otel_scope_name=\"metric\"} 3\n"));
    assert_non_null(strstr(page, "text_bytes_total{otel_scope_name=\"text.other\"} 4\n"));
    assert_non_null(strstr(page, "process_threads "));
    const char *first = strstr(page, "# TYPE text_bytes_total ");
    assert_null(strstr(first + 1, "# TYPE text_bytes_total "));
    free(page);
    capture_done();
    assert_null(weir_metrics_text(&size));
}

static void exported(void **state) {
    (void)state;
    capture_init("m", NULL);
    double bounds[] = {1, 2};
    struct weir_attribute attr = WEIR_STR("k", "v");
    weir_instrument_record(weir_histogram_get(meter, "exported.h", "s", "d", bounds, 2), 1.5, &attr,
                           1);
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    const struct weir_otlp_batch *batch = captured.batches[0];
    bool found = false;
    for (uint32_t i = 0; i < batch->points_count; i++) {
        const struct weir_otlp_point *point = &batch->points[i];
        const struct weir_otlp_metric *metric = &batch->metrics[point->metric];
        if (!weir_view_is(metric->name, "exported.h")) continue;
        found = true;
        assert_int_equal(metric->type, WEIR_METRIC_TYPE_HISTOGRAM);
        assert_int_equal(metric->temporality, WEIR_TEMPORALITY_CUMULATIVE);
        assert_int_equal(point->count, 1);
        assert_int_equal(point->counts[1], 1);
        assert_true(point->bounds[1] == 2 && point->sum == 1.5);
        assert_view_is(attr_str(point->attrs, "k"), "v");
    }
    assert_true(found);
    capture_done();
}

int main(void) {
    const char *given = getenv("WEIR_SEED");
    seed = given ? strtoull(given, NULL, 10) : weir_rand_seed();
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    meter = weir_meter_get("metric", NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(names),
                                       cmocka_unit_test(sums),
                                       cmocka_unit_test(gauges),
                                       cmocka_unit_test(histograms),
                                       cmocka_unit_test(attribute_order_does_not_matter),
                                       cmocka_unit_test(cardinality_limit),
                                       cmocka_unit_test(observables),
                                       cmocka_unit_test(observables_have_the_limit_too),
                                       cmocka_unit_test(threads),
                                       cmocka_unit_test(text),
                                       cmocka_unit_test(exported)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
