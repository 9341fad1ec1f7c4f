/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "query/regex.h"

static struct weir_regex *must_compile(const char *pattern, unsigned flags) {
    struct weir_regex *regex = NULL;
    struct weir_error err = {0};
    if (weir_regex_new(weir_view_str(pattern), flags, &regex, &err) != 0)
        fail_msg("%s: %s", pattern, err.message);
    return regex;
}

static int matches(const char *pattern, unsigned flags, const char *text) {
    struct weir_regex *regex = must_compile(pattern, flags);
    int rc = weir_regex_match(regex, weir_view_str(text));
    weir_regex_free(regex);
    return rc;
}

static void test_search_and_anchored(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        int search, anchored;
    } rows[] = {
        {"", "", 1, 1},
        {"", "a", 1, 0},
        {"abc", "xabcx", 1, 0},
        {"abc", "abc", 1, 1},
        {"a.c", "abc", 1, 1},
        {"a.c", "a\nc", 0, 1},
        {"a|bc", "bc", 1, 1},
        {"a|bc", "abc", 1, 0},
        {"colou?r", "color", 1, 1},
        {"colou?r", "colouur", 0, 0},
        {"ab*c", "xacx", 1, 0},
        {"ab+c", "ac", 0, 0},
        {"x{2,3}y", "xxy", 1, 1},
        {"x{,3}", "x{,3}", 1, 1},
        {"[[:alpha:]]+", "abc", 1, 1},
        {"(?i)ERROR", "an error", 1, 0},
        {"a\\.b", "a.b", 1, 1},
        {"a\\.b", "axb", 0, 0},
        {"\\Qa.b\\E", "a.b", 1, 1},
        {"\\Qa.b\\E", "axb", 0, 0},
        {"foo$", "foo\n", 0, 0},
        {"(foo)?bar", "bar", 1, 1},
        {"é+", "éé", 1, 1},
        {"\\vx", "\vx", 1, 1},
        {"\\vx", "\nx", 0, 0},
        {"(?P<n>a)b", "ab", 1, 1},
        {"(?<n>a)b", "ab", 1, 1},
        {"[]a]x", "]x", 1, 1},
        {"[^]a]x", "bx", 1, 1},
        {"\\d+ms", "took 12ms", 1, 0},
        {"aé?b", "ab", 1, 1},
        {"(a|b)c", "xbc", 1, 0},
        {"\\pL+", "äb", 1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int search = matches(rows[i].pattern, WEIR_REGEX_SEARCH, rows[i].text);
        int anchored = matches(rows[i].pattern, WEIR_REGEX_ANCHORED, rows[i].text);
        if (search != rows[i].search || anchored != rows[i].anchored)
            fail_msg("/%s/ on \"%s\": search %d, anchored %d", rows[i].pattern, rows[i].text,
                     search, anchored);
    }
}

static void test_refused_constructs(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "(?=a)",   "(?!a)",  "(?<=a)b", "(?<!a)b",    "(a)\\1", "\\k<n>",  "\\g1",
        "a++",     "a*+",    "a?+",     "a{2}+",      "(?>a)",  "(?R)",    "(?1)",
        "(?&n)",   "(?P>n)", "(?P=n)",  "(?(1)a|b)",  "(?C)",   "(*UTF)a", "(*FAIL)",
        "a\\Kb",   "\\Ga",   "\\R",     "\\X",        "\\h",    "\\Z",     "\\C",
        "(?|a|b)", "(?#c)",  "a**",     "*a",         "+",      "(a",      "a)",
        "[a",      "a\\",    "x{1001}", "[[:nope:]]", "(?x) a", "(?P<n",   "\\u0041",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct weir_regex *regex = NULL;
        struct weir_error err = {0};
        int rc = weir_regex_new(weir_view_str(patterns[i]), 0, &regex, &err);
        if (rc != WEIR_EINVALID) fail_msg("%s was not refused: %d", patterns[i], rc);
        assert_true(strlen(err.message) > 10);
    }
}

static void test_captures_and_names(void **state) {
    (void)state;
    struct weir_regex *regex = must_compile("(?P<key>\\w+)=(\\d+)(x)?", WEIR_REGEX_SEARCH);
    struct weir_view groups[5];
    assert_int_equal(weir_regex_groups_count(regex), 3);
    assert_view_is(weir_regex_group_name(regex, 1), "key");
    assert_view_is(weir_regex_group_name(regex, 2), "");
    assert_int_equal(weir_regex_captures(regex, WEIR_VIEW("a size=42;"), groups, 5), 1);
    assert_view_is(groups[0], "size=42");
    assert_view_is(groups[1], "size");
    assert_view_is(groups[2], "42");
    assert_null(groups[3].ptr);
    assert_null(groups[4].ptr);
    assert_int_equal(weir_regex_captures(regex, WEIR_VIEW("nothing"), groups, 5), 0);
    weir_regex_free(regex);
}

static void test_too_complex_is_an_error_not_a_hang(void **state) {
    (void)state;
    struct weir_regex *regex = must_compile("(x+x+)+y", WEIR_REGEX_SEARCH);
    char text[64];
    memset(text, 'x', sizeof text);
    text[63] = 'y' + 1;
    struct weir_error err = {0};
    assert_int_equal(weir_regex_check(regex, &err), 0);
    char with_y[66];
    memset(with_y, 'x', 64);
    memcpy(with_y + 60, "zy", 2); /* holds the literal, so the engine really runs */
    int rc = weir_regex_match(regex, weir_view(with_y, 62));
    if (rc == WEIR_ELIMIT)
        assert_int_equal(weir_regex_check(regex, &err), WEIR_ELIMIT);
    else
        assert_int_equal(rc, 0); /* an engine that is clever enough is welcome */
    weir_regex_free(regex);
}

/* A literal is only ever a necessary condition: both ways of matching agree on random texts. */
static void test_literal_prefilter_agrees(void **state) {
    (void)state;
    static const char *const patterns[] = {"ab?c",   "a(b)c", "abc|ca", "ab+ca",
                                           "(ab)*c", "a{2}b", "b.*c",   "[ab]ca"};
    unsigned seed = 20261121;
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        char guarded[64];
        snprintf(guarded, sizeof guarded, "(?:%s)", patterns[p]); /* a group hides the literal */
        struct weir_regex *plain = must_compile(patterns[p], 0);
        struct weir_regex *hidden = must_compile(guarded, 0);
        for (int i = 0; i < 2000; i++) {
            char text[8];
            size_t len = (size_t)(seed >> 8) % 8;
            for (size_t k = 0; k < len; k++) {
                seed = seed * 1103515245U + 12345U;
                text[k] = "abc"[(seed >> 16) % 3];
            }
            seed = seed * 1103515245U + 12345U;
            struct weir_view v = weir_view(text, len);
            assert_int_equal(weir_regex_match(plain, v), weir_regex_match(hidden, v));
        }
        weir_regex_free(plain);
        weir_regex_free(hidden);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search_and_anchored),
        cmocka_unit_test(test_refused_constructs),
        cmocka_unit_test(test_captures_and_names),
        cmocka_unit_test(test_too_complex_is_an_error_not_a_hang),
        cmocka_unit_test(test_literal_prefilter_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
