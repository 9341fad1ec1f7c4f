/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/exemplar.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "sdk/metric.h"
#include "sdk/sdk.h"
#include "unit.h"
#include "weir/trace.h"
#include "weir/weir.h"

static uint64_t seed;

static struct weir_span_context random_span(struct weir_rand *rand, bool sampled) {
    struct weir_span_context span = {.flags = sampled ? WEIR_FLAG_SAMPLED : 0};
    for (int i = 0; i < 16; i++) span.trace_id[i] = (uint8_t)(weir_rand_next(rand) | 1);
    for (int i = 0; i < 8; i++) span.span_id[i] = (uint8_t)(weir_rand_next(rand) | 1);
    return span;
}

static void last_of_an_empty_slot(void **state) {
    (void)state;
    struct weir_exemplar_slot slots[3] = {{.full = false}};
    struct weir_rand rand;
    struct weir_arena arena;
    const struct weir_exemplar *taken;
    weir_rand_init(&rand, seed);
    weir_arena_init(&arena, 1 << 20);
    struct weir_span_context span = random_span(&rand, true);
    assert_int_equal(weir_exemplars_take(slots, 3, &arena, &taken), 0);
    weir_exemplar_offer(&slots[1], 2.5, &span);
    assert_int_equal(weir_exemplars_take(slots, 3, &arena, &taken), 1);
    assert_true(taken[0].value == 2.5 && taken[0].time_ns > 0);
    assert_memory_equal(taken[0].trace_id, span.trace_id, 16);
    assert_memory_equal(taken[0].span_id, span.span_id, 8);
    assert_int_equal(weir_exemplars_take(slots, 3, &arena, &taken), 0); /* given once */
    weir_exemplar_offer(&slots[0], 1, NULL);
    weir_exemplars_clear(slots, 3);
    assert_int_equal(weir_exemplars_take(slots, 3, &arena, &taken), 0);
    weir_arena_done(&arena);
}

/* Each of 100 offered values is kept about equally often, whether there are slots for 1 or 4. */
static void kept_with_equal_odds(void **state) {
    (void)state;
    enum { OFFERED = 100, ROUNDS = 4000 };
    for (uint32_t count = 1; count <= 4; count += 3) {
        struct weir_exemplar_slot slots[4] = {{.full = false}};
        int kept[OFFERED] = {0}, quarters[4] = {0};
        for (int round = 0; round < ROUNDS; round++) {
            struct weir_arena arena;
            const struct weir_exemplar *taken;
            weir_arena_init(&arena, 1 << 20);
            for (int i = 0; i < OFFERED; i++) {
                if (count == 1)
                    weir_exemplar_offer(&slots[0], i, NULL);
                else
                    weir_exemplar_offer_any(slots, count, i, NULL);
            }
            assert_int_equal(weir_exemplars_take(slots, count, &arena, &taken), count);
            for (uint32_t i = 0; i < count; i++) kept[(int)taken[i].value]++;
            weir_arena_done(&arena);
        }
        for (int i = 0; i < OFFERED; i++) quarters[i * 4 / OFFERED] += kept[i];
        for (int i = 0; i < 4; i++) { /* ten standard deviations of count * ROUNDS draws */
            double mean = count * ROUNDS / 4.0;
            assert_true(abs(quarters[i] - (int)mean) < (int)(mean * 0.3));
        }
    }
}

static struct weir_exemplar_slot contended;
static atomic_bool stop;

/* All of an exemplar comes from one writer. */
static void *offer_own(void *arg) {
    struct weir_span_context span = {.flags = WEIR_FLAG_SAMPLED};
    memset(span.trace_id, (int)(intptr_t)arg, sizeof span.trace_id);
    memset(span.span_id, (int)(intptr_t)arg, sizeof span.span_id);
    while (!atomic_load(&stop)) weir_exemplar_offer(&contended, (double)(intptr_t)arg, &span);
    return NULL;
}

static void never_torn(void **state) {
    (void)state;
    pthread_t threads[3];
    for (intptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, offer_own, (void *)(i + 1)), 0);
    for (int got = 0; got < 500;) {
        struct weir_arena arena;
        const struct weir_exemplar *taken;
        weir_arena_init(&arena, 1 << 20);
        if (weir_exemplars_take(&contended, 1, &arena, &taken)) {
            got++;
            for (int i = 0; i < 16; i++) assert_int_equal(taken->trace_id[i], (int)taken->value);
            for (int i = 0; i < 8; i++) assert_int_equal(taken->span_id[i], (int)taken->value);
        }
        weir_arena_done(&arena);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

/* ── through series ──────────────────────────────────────────────────────────────────────────── */

/* The exemplars of the meter's only live series, copied; their number. */
static uint32_t taken_of(const struct weir_instrument *it, struct weir_exemplar *to) {
    struct weir_snapshot snapshot;
    uint32_t count = 0;
    assert_true(weir_metrics_take(&snapshot, WEIR_CONFIG_CUMULATIVE));
    for (uint32_t i = 0; i < snapshot.count; i++) {
        const struct weir_point *point = &snapshot.points[i];
        if (point->instrument != it) continue;
        for (uint32_t n = 0; n < point->exemplars_count; n++) to[count++] = point->exemplars[n];
    }
    weir_snapshot_done(&snapshot);
    return count;
}

static void only_in_sampled_spans(void **state) {
    (void)state;
    struct weir_rand rand;
    struct weir_scope scope;
    struct weir_exemplar got[20];
    weir_rand_init(&rand, seed);
    double bounds[] = {1, 2, 3};
    struct weir_meter *meter = weir_meter_get("exemplar", NULL);
    struct weir_instrument *h = weir_histogram_get(meter, "h", NULL, NULL, bounds, 3);
    struct weir_instrument *c = weir_counter_get(meter, "c", NULL, NULL);
    struct weir_instrument *g = weir_gauge_get(meter, "g", NULL, NULL);
    struct weir_span_context yes = random_span(&rand, true), no = random_span(&rand, false);
    struct weir_context *sampled = weir_context_with_span_context(NULL, &yes),
                        *unsampled = weir_context_with_span_context(NULL, &no);
    struct weir_series *series = weir_series_get(h, NULL, 0);
    for (int i = 0; i < 5; i++) weir_series_record(series, i);
    weir_scope_attach(&scope, unsampled);
    for (int i = 0; i < 5; i++) weir_series_record(series, i);
    weir_scope_detach(&scope);
    assert_int_equal(taken_of(h, got), 0);

    weir_scope_attach(&scope, sampled);
    for (int i = 0; i < 3; i++) weir_series_record(series, i + 0.5);
    weir_instrument_add(c, 7, NULL, 0);
    weir_instrument_record(g, -3, NULL, 0);
    weir_scope_detach(&scope);
    weir_series_record(series, 2.25);
    weir_instrument_add(c, 8, NULL, 0);
    assert_int_equal(taken_of(h, got), 3); /* one a bucket */
    for (int i = 0; i < 3; i++) {
        assert_true(got[i].value == i + 0.5);
        assert_memory_equal(got[i].trace_id, yes.trace_id, 16);
        assert_memory_equal(got[i].span_id, yes.span_id, 8);
    }
    assert_int_equal(taken_of(h, got), 0);
    weir_scope_attach(&scope, sampled);
    weir_instrument_add(c, 7, NULL, 0);
    weir_instrument_record(g, -3, NULL, 0);
    weir_scope_detach(&scope);
    assert_int_equal(taken_of(c, got), 1);
    assert_true(got[0].value == 7);
    weir_scope_attach(&scope, sampled);
    weir_instrument_record(g, -3, NULL, 0);
    weir_scope_detach(&scope);
    assert_int_equal(taken_of(g, got), 1);
    assert_true(got[0].value == -3);
    weir_context_unref(sampled);
    weir_context_unref(unsampled);
}

static void of_another_thread(void **state) {
    (void)state;
    struct weir_rand rand;
    struct weir_scope scope;
    struct weir_exemplar got[20];
    weir_rand_init(&rand, seed);
    struct weir_meter *meter = weir_meter_get("exemplar", NULL);
    struct weir_instrument *h = weir_histogram_get(meter, "with.h", NULL, NULL, NULL, 0);
    struct weir_instrument *c = weir_counter_get(meter, "with.c", NULL, NULL);
    struct weir_series *durations = weir_series_get(h, NULL, 0),
                       *sums = weir_series_get(c, NULL, 0);
    struct weir_span_context yes = random_span(&rand, true), other = random_span(&rand, true);
    struct weir_context *current = weir_context_with_span_context(NULL, &other);
    weir_scope_attach(&scope, current); /* does not matter */
    weir_series_record_with(durations, 3, NULL);
    weir_series_add_with(sums, 3, NULL);
    assert_int_equal(taken_of(h, got), 0);
    weir_series_record_with(durations, 7, &yes);
    yes.flags = 0;
    weir_series_record_with(durations, 30, &yes);
    assert_int_equal(taken_of(h, got), 1);
    assert_true(got[0].value == 7);
    assert_memory_equal(got[0].span_id, yes.span_id, 8);
    yes.flags = WEIR_FLAG_SAMPLED;
    weir_series_add_with(sums, 9, &yes);
    weir_series_add_with(sums, -9, &yes); /* dropped */
    assert_int_equal(taken_of(c, got), 1);
    assert_true(got[0].value == 9);
    weir_series_add_with(NULL, 1, &yes);
    weir_series_record_with(NULL, 1, &yes);
    weir_scope_detach(&scope);
    weir_context_unref(current);
}

static void filters(void **state) {
    (void)state;
    struct weir_exemplar got[20];
    struct weir_scope scope;
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    struct weir_instrument *c =
        weir_counter_get(weir_meter_get("exemplar", NULL), "filters.c", NULL, NULL);
    struct weir_span_context yes = random_span(&rand, true);
    struct weir_context *current = weir_context_with_span_context(NULL, &yes);
    struct weir_options options = {.struct_size = sizeof options,
                                   .traces_exporter = "none",
                                   .metrics_exporter = "none",
                                   .logs_exporter = "none"};
    const char *const names[] = {"always_on", "ALWAYS_OFF", "trace_based"};
    for (int i = 0; i < 3; i++) {
        setenv("OTEL_METRICS_EXEMPLAR_FILTER", names[i], 1);
        assert_int_equal(weir_init(&options, NULL), WEIR_OK);
        weir_instrument_add(c, 1, NULL, 0);
        assert_int_equal(taken_of(c, got), i == 0);
        if (i == 0) assert_int_equal(got[0].trace_id[0], 0);
        weir_scope_attach(&scope, current);
        weir_instrument_add(c, 1, NULL, 0);
        weir_scope_detach(&scope);
        assert_int_equal(taken_of(c, got), i != 1);
        if (i != 1) assert_memory_equal(got[0].trace_id, yes.trace_id, 16);
        weir_shutdown(1000, NULL);
    }
    unsetenv("OTEL_METRICS_EXEMPLAR_FILTER");
    weir_context_unref(current);
}

int main(void) {
    const char *given = getenv("WEIR_SEED");
    seed = given ? strtoull(given, NULL, 10) : weir_rand_seed();
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(last_of_an_empty_slot),
                                       cmocka_unit_test(kept_with_equal_odds),
                                       cmocka_unit_test(never_torn),
                                       cmocka_unit_test(only_in_sampled_spans),
                                       cmocka_unit_test(of_another_thread),
                                       cmocka_unit_test(filters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
