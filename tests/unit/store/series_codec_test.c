/* SPDX-License-Identifier: Apache-2.0 */
#include "store/series_codec.h"

#include <math.h>

#include "base/rand.h"
#include "unit.h"

static double of_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static size_t round_trip(const int64_t *times, const double *values, uint32_t count) {
    struct weir_buf buf;
    int64_t got_times[WEIR_SERIES_CHUNK_SAMPLES_MAX];
    double got[WEIR_SERIES_CHUNK_SAMPLES_MAX];
    weir_buf_init(&buf, 1 << 20);
    weir_series_chunk_encode(&buf, times, values, count);
    assert_false(buf.failed);
    assert_int_equal(weir_series_chunk_decode(weir_buf_view(&buf), got_times, got, count), 0);
    assert_memory_equal(got_times, times, count * sizeof *times);
    assert_memory_equal(got, values, count * sizeof *values);    /* to the bit */
    for (size_t len = 0; len < buf.len; len += 1 + buf.len / 50) /* cut anywhere: told, no crash */
        assert_int_equal(weir_series_chunk_decode(weir_view(buf.ptr, len), got_times, got, count),
                         WEIR_ECORRUPT);
    size_t len = buf.len;
    weir_buf_done(&buf);
    return len;
}

static void special_values(void **state) {
    (void)state;
    int64_t times[8] = {
        -5, 0, 1, 2, 1000, INT64_C(1) << 40, (INT64_C(1) << 40) + 1, INT64_C(1) << 50};
    double values[8] = {0,
                        -0.0,
                        (double)INFINITY,
                        (double)-INFINITY,
                        (double)NAN,
                        of_bits(WEIR_SERIES_STALE_BITS),
                        5e-324,
                        1.7976931348623157e308};
    round_trip(times, values, 8);
    for (uint32_t i = 0; i < 8; i++) round_trip(times + i, values + i, 1);
    double integers[8] = {1,
                          2,
                          of_bits(WEIR_SERIES_STALE_BITS),
                          3,
                          9007199254740992.0,
                          -9007199254740992.0,
                          of_bits(WEIR_SERIES_STALE_BITS),
                          0};
    round_trip(times, integers, 8);
    double cents[8] = {0.01, 0.1, 19.99, -3.5, 100, 1e-9, 0.3, of_bits(WEIR_SERIES_STALE_BITS)};
    round_trip(times, cents, 8);
}

/* A counter scraped at a fixed pace must cost about two bytes a sample before zstd. */
static void counters_are_small(void **state) {
    (void)state;
    int64_t times[512];
    double values[512];
    for (int i = 0; i < 512; i++) times[i] = 1700000000000 + i * 15000, values[i] = i * 37;
    assert_true(round_trip(times, values, 512) < 512 * 2 + 20);
}

static void random_chunks(void **state) {
    (void)state;
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int round = 0; round < 300; round++) {
        int64_t times[WEIR_SERIES_CHUNK_SAMPLES_MAX],
            t = (int64_t)weir_rand_below(&rand, UINT64_C(1) << 42);
        double values[WEIR_SERIES_CHUNK_SAMPLES_MAX];
        uint32_t count = 1 + (uint32_t)weir_rand_below(&rand, WEIR_SERIES_CHUNK_SAMPLES_MAX);
        uint64_t kind = weir_rand_below(&rand, 4);
        for (uint32_t i = 0; i < count; i++) {
            times[i] = t;
            t += kind == 0 ? 1000 : 1 + (int64_t)weir_rand_below(&rand, 100000);
            values[i] = kind == 1   ? weir_rand_f64(&rand)
                        : kind == 2 ? of_bits(weir_rand_next(&rand))
                                    : (double)weir_rand_below(&rand, 100000) / 100;
            if (weir_rand_below(&rand, 50) == 0) values[i] = of_bits(WEIR_SERIES_STALE_BITS);
        }
        round_trip(times, values, count);
    }
    /* Noise: an answer, never a crash. */
    for (int round = 0; round < 3000; round++) {
        char noise[64];
        int64_t times[64];
        double values[64];
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (char)weir_rand_below(&rand, i ? 256 : 8);
        weir_series_chunk_decode(weir_view(noise, weir_rand_below(&rand, 65)), times, values,
                                 1 + (uint32_t)weir_rand_below(&rand, 64));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_values),
        cmocka_unit_test(counters_are_small),
        cmocka_unit_test(random_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
