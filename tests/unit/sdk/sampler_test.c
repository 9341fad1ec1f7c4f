/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "unit.h"

static uint64_t seed;

static struct weir_sampler sampler_of(const char *name, const char *arg) {
    struct weir_sampler sampler;
    assert_int_equal(weir_sampler_parse(weir_view_str(name), weir_view_str(arg), &sampler, NULL),
                     WEIR_OK);
    return sampler;
}

static void names(void **state) {
    (void)state;
    const uint64_t all = UINT64_C(1) << 63;
    struct {
        const char *name, *arg;
        bool parent_based;
        uint64_t threshold;
    } rows[] = {
        {"", "", true, all},
        {"always_on", "", false, all},
        {"always_off", "", false, 0},
        {"traceidratio", "0.5", false, all / 2},
        {"traceidratio", "", false, all},
        {"traceidratio", "0", false, 0},
        {"parentbased_always_on", "", true, all},
        {"parentbased_always_off", "", true, 0},
        {"parentbased_traceidratio", "0.25", true, all / 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_sampler sampler = sampler_of(rows[i].name, rows[i].arg);
        assert_int_equal(sampler.parent_based, rows[i].parent_based);
        assert_true(sampler.threshold == rows[i].threshold);
    }
    const char *const bad[][2] = {{"sometimes", ""},        {"traceidratio", "2"},
                                  {"traceidratio", "-0.1"}, {"traceidratio", "half"},
                                  {"traceidratio", "NaN"},  {"parentbased_", "x"}};
    for (size_t i = 0; i < 5; i++) {
        struct weir_error err = {.message = ""};
        struct weir_sampler sampler;
        assert_int_equal(
            weir_sampler_parse(weir_view_str(bad[i][0]), weir_view_str(bad[i][1]), &sampler, &err),
            WEIR_EINVALID);
        assert_non_null(strstr(err.message, "OTEL_TRACES_SAMPLER"));
    }
}

/* The share that is sampled lies within five standard deviations of the ratio. */
static void ratio(void **state) {
    (void)state;
    const int draws = 200000;
    const char *const ratios[] = {"0.01", "0.1", "0.5", "0.9"};
    struct weir_rand rand;
    weir_rand_init(&rand, seed);
    for (int i = 0; i < 4; i++) {
        struct weir_sampler sampler = sampler_of("traceidratio", ratios[i]);
        double p = strtod(ratios[i], NULL), hits = 0;
        for (int n = 0; n < draws; n++) {
            uint64_t id[2] = {weir_rand_next(&rand), weir_rand_next(&rand)};
            hits += weir_sampler_root(&sampler, (const uint8_t *)id);
        }
        double deviation = sqrt(p * (1 - p) * draws);
        if (fabs(hits - p * draws) > 5 * deviation)
            fail_msg("seed %llu: %.0f of %d for ratio %s", (unsigned long long)seed, hits, draws,
                     ratios[i]);
    }
}

/* Pairs computed with the reference rule: the last eight bytes, big-endian, against
 * ratio * 2^64. */
static void same_as_other_sdks(void **state) {
    (void)state;
    struct {
        uint8_t low[8];
        bool half;
    } rows[] = {{{0x00, 0, 0, 0, 0, 0, 0, 1}, true},
                {{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true},
                {{0x80, 0, 0, 0, 0, 0, 0, 0}, false},
                {{0xff, 0, 0, 0, 0, 0, 0, 0}, false}};
    struct weir_sampler half = sampler_of("traceidratio", "0.5");
    for (size_t i = 0; i < 4; i++) {
        uint8_t id[16] = {0xff, 0xff, 0xff, 0xff};
        memcpy(id + 8, rows[i].low, 8);
        assert_int_equal(weir_sampler_root(&half, id), rows[i].half);
    }
}

static void parents(void **state) {
    (void)state;
    struct weir_sampler off = sampler_of("parentbased_always_off", ""),
                        plain = sampler_of("always_off", "");
    uint8_t id[16] = {1};
    struct weir_span_context parent = {.trace_id = {1}, .span_id = {2}, .flags = WEIR_FLAG_SAMPLED},
                             none = {.flags = 1};
    assert_true(weir_sampler_decide(&off, &parent, id));
    assert_false(weir_sampler_decide(&plain, &parent, id));
    assert_false(weir_sampler_decide(&off, &none, id));
    assert_false(weir_sampler_decide(&off, NULL, id));
    struct weir_sampler on = sampler_of("parentbased_always_on", "");
    parent.flags = 0;
    assert_false(weir_sampler_decide(&on, &parent, id));
    assert_true(weir_sampler_decide(&on, NULL, id));
}

int main(void) {
    const char *text = getenv("WEIR_SEED");
    seed = text ? strtoull(text, NULL, 10) : weir_rand_seed();
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(ratio),
                                       cmocka_unit_test(same_as_other_sdks),
                                       cmocka_unit_test(parents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
