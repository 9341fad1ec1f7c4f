/* SPDX-License-Identifier: Apache-2.0 */
#include "base/view.h"

#include <math.h>

#include "unit.h"

static void numbers_are_strict(void **state) {
    (void)state;
    uint64_t u64;
    int64_t i64;
    double f64;
    assert_true(weir_view_to_u64(WEIR_VIEW("18446744073709551615"), &u64));
    assert_true(u64 == UINT64_MAX);
    assert_false(weir_view_to_u64(WEIR_VIEW("18446744073709551616"), &u64));
    assert_false(weir_view_to_u64(WEIR_VIEW(""), &u64));
    assert_false(weir_view_to_u64(WEIR_VIEW(" 1"), &u64));
    assert_false(weir_view_to_u64(WEIR_VIEW("+1"), &u64));
    assert_true(weir_view_to_i64(WEIR_VIEW("-9223372036854775808"), &i64));
    assert_true(i64 == INT64_MIN);
    assert_false(weir_view_to_i64(WEIR_VIEW("9223372036854775808"), &i64));
    assert_true(weir_view_to_f64(WEIR_VIEW("-1.5e3"), &f64) && f64 == -1500);
    assert_true(weir_view_to_f64(WEIR_VIEW("+Inf"), &f64) && isinf(f64));
    assert_true(weir_view_to_f64(WEIR_VIEW("NaN"), &f64) && isnan(f64));
    assert_false(weir_view_to_f64(WEIR_VIEW("1.5x"), &f64));
}

static void durations_in_all_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"250ms", 250000000},     {"1.5s", 1500000000},    {"5m", 300000000000},
        {"1h30m", 5400000000000}, {"7d", 604800000000000}, {"3ns", 3},
        {"-2s", -2000000000},     {"2us", 2000},           {"2\xc2\xb5s", 2000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ns = 0;
        assert_true(weir_view_to_duration_ns(weir_view_str(cases[i].text), &ns));
        assert_int_equal(ns, cases[i].ns);
    }
    static const char *const bad[] = {"", "5", "s", "5x", "1h-3m", "1..5s", "400y"};
    int64_t ns;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(weir_view_to_duration_ns(weir_view_str(bad[i]), &ns));
}

static void cutting_and_trimming(void **state) {
    (void)state;
    struct weir_view rest = WEIR_VIEW("a,,b");
    assert_view_is(weir_view_cut(&rest, ','), "a");
    assert_view_is(weir_view_cut(&rest, ','), "");
    assert_non_null(rest.ptr);
    assert_view_is(weir_view_cut(&rest, ','), "b");
    assert_null(rest.ptr);
    assert_view_is(weir_view_trim(WEIR_VIEW(" \t x y\r\n")), "x y");
    assert_int_equal(weir_view_find(WEIR_VIEW("hello"), WEIR_VIEW("ll")), 2);
    assert_true(weir_view_find(WEIR_VIEW("hello"), WEIR_VIEW("lx")) == SIZE_MAX);
    assert_true(weir_view_cmp(WEIR_VIEW("ab"), WEIR_VIEW("abc")) < 0);
    assert_true(weir_view_eq_nocase(WEIR_VIEW("Content-Type"), WEIR_VIEW("content-tYPE")));
}

static void hex_to_bytes(void **state) {
    (void)state;
    uint8_t bytes[2];
    assert_true(weir_view_to_bytes_hex(WEIR_VIEW("0aFf"), bytes, 2));
    assert_int_equal(bytes[0], 0x0a);
    assert_int_equal(bytes[1], 0xff);
    assert_false(weir_view_to_bytes_hex(WEIR_VIEW("0af"), bytes, 2));
    assert_false(weir_view_to_bytes_hex(WEIR_VIEW("0ag0"), bytes, 2));
}

/* Markus Kuhn's classes of ill-formed sequences, each also behind eight ASCII bytes. */
static void utf8_is_checked(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "plain ascii text",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x92\xa1",
                                       "\xef\xbf\xbf",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xed\x9f\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\xaf",
                                      "\xc1\xbf",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xf0\x9f\x92",
                                      "\xc3(",
                                      "\xff"};
    char text[64];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(weir_view_is_utf8(weir_view_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(weir_view_is_utf8(weir_view_str(bad[i])));
        size_t len = strlen(bad[i]);
        memcpy(text, "12345678", 8);
        memcpy(text + 8, bad[i], len);
        assert_false(weir_view_is_utf8(weir_view(text, 8 + len)));
    }
}

static void nearest_name(void **state) {
    (void)state;
    static const char *const names[] = {"--config", "--data", "--memory", NULL};
    assert_string_equal(weir_view_nearest(WEIR_VIEW("--confg"), names), "--config");
    assert_string_equal(weir_view_nearest(WEIR_VIEW("--Data"), names), "--data");
    assert_null(weir_view_nearest(WEIR_VIEW("--something-else"), names));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_strict),   cmocka_unit_test(durations_in_all_units),
        cmocka_unit_test(cutting_and_trimming), cmocka_unit_test(hex_to_bytes),
        cmocka_unit_test(utf8_is_checked),      cmocka_unit_test(nearest_name),
    };
    return cmocka_run_group_tests_name("base/view", tests, NULL, NULL);
}
