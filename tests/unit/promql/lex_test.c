/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/lex.h"

#include <math.h>

#include "comma_locale.h"

static int lex_one(struct weir_arena *arena, const char *text, struct weir_promql_token *ret,
                   struct weir_error *err) {
    struct weir_promql_lex lex = {.input = weir_view_str(text), .arena = arena};
    return weir_promql_lex_next(&lex, ret, err);
}

static void numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"1", 1},           {"0x1F", 31},          {".5", .5},
                 {"1.", 1},          {"2.5e-3", .0025},     {"1E6", 1e6},
                 {"1_000_000", 1e6}, {".123_456", .123456}, {"0x_53_AB", 0x53AB},
                 {"017", 17},        {"1e3", 1000}};
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_promql_token token;
        assert_int_equal(lex_one(&arena, cases[i].text, &token, NULL), 0);
        assert_int_equal(token.kind, WEIR_PROMQL_TOKEN_NUMBER);
        assert_true(fabs(token.number - cases[i].value) < 1e-12);
    }
    static const char *const bad[] = {"1__0", "1_",   "0x",   "5x",  "1.2.3",
                                      "3mm",  "1s1m", "1.5h", "1e5_"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weir_promql_token token;
        struct weir_error err = {0};
        if (lex_one(&arena, bad[i], &token, &err) != WEIR_EINVALID)
            fail_msg("%s was taken", bad[i]);
    }
    weir_arena_done(&arena);
}

static void durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"5m", 300000},    {"1h30m", 5400000}, {"1d", 86400000},    {"250ms", 250},
                 {"1s500ms", 1500}, {"1w", 604800000},  {"1y", 31536000000}, {"0s", 0}};
    int64_t ms;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(weir_promql_to_duration_ms(weir_view_str(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
    static const char *const bad[] = {"",     "5",   "m",   "1m1h",
                                      "1m1m", "5 m", "-5m", "99999999999999y"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(weir_promql_to_duration_ms(weir_view_str(bad[i]), &ms));
}

static void strings(void **state) {
    (void)state;
    static const struct {
        const char *text, *value;
    } cases[] = {{"\"a\\tb\"", "a\tb"},
                 {"'it\\'s'", "it's"},
                 {"`raw\\n`", "raw\\n"},
                 {"\"\\x41\\101\"", "AA"},
                 {"\"\\u00e9\"", "\xc3\xa9"},
                 {"\"\\U0001F600\"", "\xf0\x9f\x98\x80"},
                 {"''", ""},
                 {"`a\nb`", "a\nb"}};
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_promql_token token;
        assert_int_equal(lex_one(&arena, cases[i].text, &token, NULL), 0);
        assert_int_equal(token.kind, WEIR_PROMQL_TOKEN_STRING);
        assert_view_is(token.str, cases[i].value);
    }
    static const char *const bad[] = {"\"a",       "'a\nb'",      "\"\\q\"", "\"\\'\"",
                                      "\"\\xff\"", "\"\\ud800\"", "\"\\"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weir_promql_token token;
        struct weir_error err = {0};
        if (lex_one(&arena, bad[i], &token, &err) != WEIR_EINVALID)
            fail_msg("%s was taken", bad[i]);
    }
    weir_arena_done(&arena);
}

static void positions_count_lines(void **state) {
    (void)state;
    struct weir_error err;
    struct weir_promql_token token;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    assert_int_equal(lex_one(&arena, "# comment\n  \t# two\n  \xc3\xa9", &token, &err),
                     WEIR_EINVALID);
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 3);
    weir_arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test_setup_teardown(numbers, comma_locale_enter, comma_locale_leave),
        cmocka_unit_test(durations),
        cmocka_unit_test(strings),
        cmocka_unit_test(positions_count_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
