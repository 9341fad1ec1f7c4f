/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

#include "base/rand.h"
#include "unit.h"

/* The C library's own calendar is the oracle. */
static void rfc3339_round_trips(void **state) {
    (void)state;
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int i = 0; i < 2000; i++) {
        int64_t ns = (int64_t)weir_rand_below(&rand, 4000000000U) * WEIR_NS_PER_S +
                     (int64_t)weir_rand_below(&rand, 1000000000);
        struct weir_buf buf;
        weir_buf_init(&buf, 100);
        weir_clock_add_rfc3339(&buf, ns, 9);
        char expected[64];
        time_t seconds = (time_t)(ns / WEIR_NS_PER_S);
        struct tm tm;
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.", gmtime_r(&seconds, &tm));
        assert_memory_equal(buf.ptr, expected, strlen(expected));
        int64_t back;
        assert_true(weir_clock_parse_rfc3339(weir_buf_view(&buf), &back));
        assert_true(back == ns);
        weir_buf_done(&buf);
    }
}

static void offsets_and_fractions(void **state) {
    (void)state;
    int64_t ns;
    assert_true(weir_clock_parse_rfc3339(WEIR_VIEW("1970-01-01T01:00:00.5+01:00"), &ns));
    assert_int_equal(ns, 500000000);
    assert_true(weir_clock_parse_rfc3339(WEIR_VIEW("1969-12-31 23:59:59Z"), &ns));
    assert_true(ns == -WEIR_NS_PER_S);
    static const char *const bad[] = {"",
                                      "2026-01-01",
                                      "2026-13-01T00:00:00Z",
                                      "2026-01-01T25:00:00Z",
                                      "2026-01-01T00:00:00",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00Zx",
                                      "2026-01-01T00:00:00+1:00",
                                      "9999-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(weir_clock_parse_rfc3339(weir_view_str(bad[i]), &ns));
}

static void clocks_run_forward(void **state) {
    (void)state;
    int64_t before = weir_clock_mono_ns();
    weir_clock_sleep_ns(2000000);
    assert_true(weir_clock_mono_ns() - before >= 2000000);
    assert_true(weir_clock_wall_ns() > 1700000000 * WEIR_NS_PER_S);
    int64_t coarse = weir_clock_wall_coarse_ns(), exact = weir_clock_wall_ns();
    assert_true(exact - coarse >= 0 && exact - coarse < 10 * WEIR_NS_PER_S);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_round_trips),
        cmocka_unit_test(offsets_and_fractions),
        cmocka_unit_test(clocks_run_forward),
    };
    return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
