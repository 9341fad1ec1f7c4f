/* SPDX-License-Identifier: Apache-2.0 */
/* What OTLP says of instruments: temporality, exemplars, and that no delta is lost on the way. */
#include <stdio.h>

#include "base/rand.h"
#include "capture.h"
#include "sdk/metric.h"
#include "weir/metric.h"

static uint64_t seed;
static struct weir_meter *meter;

static void start(const char *temporality) {
    struct weir_options options = {
        .struct_size = sizeof options, .traces_exporter = "none", .logs_exporter = "none"};
    struct weir_error err = {.message = ""};
    setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality, 1);
    capture_forget();
    weir_exporter_transport_set(capture_open);
    if (weir_init(&options, &err) != WEIR_OK) fail_msg("weir_init: %s", err.message);
    unsetenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE");
}

/* The metric's point in that request; none: both empty. */
static const struct weir_otlp_point *point_in(int request, const char *name,
                                              const struct weir_otlp_metric **ret) {
    const struct weir_otlp_batch *batch = captured.batches[request];
    static const struct weir_otlp_metric none;
    static const struct weir_otlp_point no_point;
    *ret = &none;
    for (uint32_t i = 0; i < batch->points_count; i++) {
        const struct weir_otlp_metric *metric = &batch->metrics[batch->points[i].metric];
        if (!weir_view_is(metric->name, name)) continue;
        *ret = metric;
        return &batch->points[i];
    }
    return &no_point;
}

static void observe(void *arg, struct weir_observer *observer) {
    weir_observer_record(observer, *(double *)arg, NULL, 0);
}

static void temporality_by_instrument(void **state) {
    (void)state;
    static const struct {
        const char *preference;
        enum weir_temporality sync, observed;
    } rows[] = {{"cumulative", WEIR_TEMPORALITY_CUMULATIVE, WEIR_TEMPORALITY_CUMULATIVE},
                {"delta", WEIR_TEMPORALITY_DELTA, WEIR_TEMPORALITY_DELTA},
                {"lowmemory", WEIR_TEMPORALITY_DELTA, WEIR_TEMPORALITY_CUMULATIVE}};
    double value = 1;
    struct weir_instrument *observed = weir_instrument_get(
        meter, WEIR_INSTRUMENT_OBSERVABLE_COUNTER, "kind.observed", NULL, NULL, NULL);
    int id = weir_instrument_observe(observed, observe, &value);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(rows[i].preference);
        weir_instrument_add(weir_counter_get(meter, "kind.counter", NULL, NULL), 1, NULL, 0);
        weir_instrument_add(weir_updown_get(meter, "kind.updown", NULL, NULL), 1, NULL, 0);
        weir_instrument_record(weir_gauge_get(meter, "kind.gauge", NULL, NULL), 1, NULL, 0);
        weir_instrument_record(weir_histogram_get(meter, "kind.h", NULL, NULL, NULL, 0), 1, NULL,
                               0);
        assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
        const struct weir_otlp_metric *metric;
        point_in(0, "kind.counter", &metric);
        assert_true(metric->name.len);
        assert_int_equal(metric->temporality, rows[i].sync);
        assert_true(metric->monotonic);
        const struct weir_otlp_point *point = point_in(0, "kind.h", &metric);
        assert_true(metric->name.len);
        assert_int_equal(metric->temporality, rows[i].sync);
        assert_int_equal(point->count, 1 + (i == 0 ? 0 : i == 1)); /* 2: the first delta has all */
        point_in(0, "kind.updown", &metric);
        assert_true(metric->name.len);
        assert_int_equal(metric->temporality, WEIR_TEMPORALITY_CUMULATIVE);
        point_in(0, "kind.observed", &metric);
        assert_true(metric->name.len);
        assert_int_equal(metric->temporality, rows[i].observed);
        point_in(0, "kind.gauge", &metric);
        assert_true(metric->name.len);
        assert_int_equal(metric->type, WEIR_METRIC_TYPE_GAUGE);
        capture_done();
    }
    weir_instrument_unobserve(observed, id);
}

/* The receiver refuses now and then, with a hint to come back: what arrives adds up. */
static void deltas_survive_a_receiver_that_is_away(void **state) {
    (void)state;
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    struct weir_instrument *counter = weir_counter_get(meter, "away.c", NULL, NULL);
    int64_t total = 0, arrived = 0, last_ns = 0;
    start("delta");
    for (int round = 0; round < 10; round++) {
        int64_t amount = 1 + (int64_t)weir_rand_below(&rand, 1000);
        weir_instrument_add(counter, amount, NULL, 0);
        total += amount;
        pthread_mutex_lock(&captured.lock);
        captured.script_count = captured.attempts = 0;
        for (uint64_t i = weir_rand_below(&rand, 4); i > 0; i--)
            captured.script[captured.script_count++] = (struct weir_outbound_answer){
                .code = WEIR_EBUSY, .retry = true, .retry_after_ms = 0};
        pthread_mutex_unlock(&captured.lock);
        weir_flush(5000, NULL);
    }
    pthread_mutex_lock(&captured.lock);
    captured.script_count = 0;
    pthread_mutex_unlock(&captured.lock);
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    for (int i = 0; i < captured.count; i++) {
        const struct weir_otlp_metric *metric;
        const struct weir_otlp_point *point = point_in(i, "away.c", &metric);
        if (!metric->name.len) continue;
        arrived += point->i64;
        assert_true(point->start_ns >= last_ns && point->time_ns > point->start_ns);
        last_ns = point->time_ns;
    }
    assert_int_equal(arrived, total);
    capture_done();
}

static void exemplars(void **state) {
    (void)state;
    struct weir_span_context span = {.flags = WEIR_FLAG_SAMPLED};
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    for (int i = 0; i < 16; i++) span.trace_id[i] = (uint8_t)(weir_rand_next(&rand) | 1);
    for (int i = 0; i < 8; i++) span.span_id[i] = (uint8_t)(weir_rand_next(&rand) | 1);
    struct weir_context *ctx = weir_context_with_span_context(NULL, &span);
    struct weir_scope scope;
    double bounds[] = {1, 2};
    start("cumulative");
    weir_scope_attach(&scope, ctx);
    weir_instrument_record(weir_histogram_get(meter, "ex.h", NULL, NULL, bounds, 2), 1.5, NULL, 0);
    weir_instrument_add(weir_counter_get(meter, "ex.c", NULL, NULL), 42, NULL, 0);
    weir_scope_detach(&scope);
    weir_instrument_record(weir_histogram_get(meter, "ex.h", NULL, NULL, bounds, 2), 0.5, NULL, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
        const struct weir_otlp_metric *metric;
        const struct weir_otlp_point *points[] = {point_in(i, "ex.h", &metric),
                                                  point_in(i, "ex.c", &metric)};
        for (int n = 0; n < 2; n++) {
            assert_true(points[n]->time_ns > 0);
            assert_int_equal(points[n]->exemplars_count, i == 0); /* each is given once */
            if (i) continue;
            const struct weir_otlp_exemplar *exemplar = points[n]->exemplars;
            assert_true(exemplar->value == (n ? 42 : 1.5));
            assert_memory_equal(exemplar->trace_id, span.trace_id, 16);
            assert_memory_equal(exemplar->span_id, span.span_id, 8);
            assert_true(exemplar->time_ns >= points[n]->start_ns &&
                        exemplar->time_ns <= points[n]->time_ns);
        }
    }
    capture_done();
    weir_context_unref(ctx);
}

static void exponential_histograms(void **state) {
    (void)state;
    const char *variable = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    struct weir_attribute attr = WEIR_STR("k", "v");
    const double values[] = {0, 1, 1, 1.5, 4, -2};
    setenv(variable, "base2_exponential_bucket_histogram", 1);
    start("delta");
    unsetenv(variable);
    struct weir_instrument *it = weir_histogram_get(meter, "exponential.h", "s", NULL, NULL, 0);
    for (int i = 0; i < 6; i++) weir_instrument_record(it, values[i], &attr, 1);
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    const struct weir_otlp_metric *metric;
    const struct weir_otlp_point *point = point_in(0, "exponential.h", &metric);
    assert_true(metric->name.len);
    assert_int_equal(metric->type, WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM);
    assert_int_equal(metric->temporality, WEIR_TEMPORALITY_DELTA);
    assert_view_is(attr_str(point->attrs, "k"), "v");
    assert_int_equal(point->count, 6);
    assert_true(point->sum == 5.5 && point->min == -2 && point->max == 4);
    assert_int_equal(point->zero_count, 1);
    /* From 1 to 4 are two octaves: at scale 6 at most 129 buckets, at scale 7 too many. */
    assert_int_equal(point->scale, 6);
    assert_int_equal(point->positive.offset, -1); /* 1 ends its bucket */
    assert_int_equal(point->positive.counts_count, 129);
    assert_int_equal(point->positive.counts[0], 2);
    assert_int_equal(point->positive.counts[1 + 37], 1); /* 64 * log2(1.5) = 37.4 */
    assert_int_equal(point->positive.counts[128], 1);
    assert_int_equal(point->negative.offset, 63);
    assert_int_equal(point->negative.counts_count, 1);
    assert_int_equal(point->negative.counts[0], 1);
    char *page = weir_metrics_text(NULL); /* has the bounds' own buckets, as ever */
    assert_non_null(strstr(page, "exponential_h_seconds_bucket{k=\"v\",otel_scope_name=\"encode\","
                                 "le=\"5\"} 6\n"));
    free(page);
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    point_in(1, "exponential.h", &metric);
    assert_false(metric->name.len); /* nothing new */
    weir_instrument_record(it, 4, &attr, 1);
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    point = point_in(2, "exponential.h", &metric);
    assert_int_equal(point->count, 1);
    assert_int_equal(point->positive.offset, 127);
    assert_int_equal(point->positive.counts_count, 1); /* no more than holds something */
    assert_int_equal(point->negative.counts_count, 0);
    capture_done();
}

int main(void) {
    const char *given = getenv("WEIR_SEED");
    seed = given ? strtoull(given, NULL, 10) : weir_rand_seed();
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    meter = weir_meter_get("encode", NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(temporality_by_instrument),
                                       cmocka_unit_test(deltas_survive_a_receiver_that_is_away),
                                       cmocka_unit_test(exemplars),
                                       cmocka_unit_test(exponential_histograms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
