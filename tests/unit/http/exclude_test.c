/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exclude.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "unit.h"
#include "weir/http.h"

static void defaults(void **state) {
    (void)state;
    static const char *const excluded[] = {"/health", "/healthz", "/metrics",   "/ready",
                                           "/live",   "/ping",    "/v1/health", "/x/ping"};
    static const char *const told[] = {"",         "/",           "/orders",      "/health/",
                                       "/healthy", "/a/b/health", "/v1/healthz2", "health"};
    for (size_t i = 0; i < sizeof excluded / sizeof excluded[0]; i++)
        if (!weir_http_is_excluded(excluded[i])) fail_msg("%s", excluded[i]);
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        if (weir_http_is_excluded(told[i])) fail_msg("%s", told[i]);
    assert_false(weir_http_is_excluded(NULL));
}

static void lists_of_the_program(void **state) {
    (void)state;
    struct weir_error err = {.code = 0};
    struct weir_http_excluded lists = {.struct_size = sizeof lists,
                                       .paths = " /a ,,/b/c,",
                                       .prefixes = "/static/,/internal",
                                       .patterns = ""};
    assert_int_equal(weir_http_exclude(&lists, &err), WEIR_OK);
    assert_true(weir_http_is_excluded("/a"));
    assert_true(weir_http_is_excluded("/b/c"));
    assert_true(weir_http_is_excluded("/static/x/y"));
    assert_true(weir_http_is_excluded("/internals"));
    assert_false(weir_http_is_excluded("/static"));
    assert_false(weir_http_is_excluded("/health"));    /* the default is replaced */
    assert_false(weir_http_is_excluded("/v1/health")); /* switched off */
    assert_int_equal(weir_http_exclude(NULL, &err), WEIR_OK);
    assert_true(weir_http_is_excluded("/v1/health"));
    lists.struct_size = 1;
    assert_int_equal(weir_http_exclude(&lists, &err), WEIR_EINVALID);
}

static void variables_win(void **state) {
    (void)state;
    struct weir_http_excluded lists = {
        .struct_size = sizeof lists, .paths = "/a", .prefixes = "/p", .patterns = "/g*"};
    setenv("WEIR_EXCLUDED_PATHS", "/b", 1);
    setenv("LAST9_EXCLUDED_PATHS", "/c", 1);
    setenv("LAST9_EXCLUDED_PATH_PREFIXES", "/q", 1);
    setenv("WEIR_EXCLUDED_PATH_PATTERNS", "", 1);
    setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, PURGE", 1);
    assert_int_equal(weir_http_exclude(&lists, NULL), WEIR_OK);
    assert_true(weir_http_is_excluded("/b"));
    assert_false(weir_http_is_excluded("/a"));
    assert_false(weir_http_is_excluded("/c"));
    assert_true(weir_http_is_excluded("/q1"));
    assert_false(weir_http_is_excluded("/p1"));
    assert_false(weir_http_is_excluded("/g1"));
    assert_true(weir_http_method_known(WEIR_VIEW("PURGE")));
    assert_false(weir_http_method_known(WEIR_VIEW("POST")));
    unsetenv("WEIR_EXCLUDED_PATHS");
    unsetenv("LAST9_EXCLUDED_PATHS");
    unsetenv("LAST9_EXCLUDED_PATH_PREFIXES");
    unsetenv("WEIR_EXCLUDED_PATH_PATTERNS");
    unsetenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS");
    assert_int_equal(weir_http_exclude(NULL, NULL), WEIR_OK);
    assert_true(weir_http_method_known(WEIR_VIEW("POST")));
    assert_false(weir_http_method_known(WEIR_VIEW("post"))); /* case counts */
}

static void globs(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "abc", true},
        {"*", "a/b", false},
        {"/*/health", "/v1/health", true},
        {"/*/health", "//health", true},
        {"/*/health", "/v1/v2/health", false},
        {"/*/health", "/health", false},
        {"/a*c*e", "/abcde", true},
        {"/a*c*e", "/ace", true},
        {"/a*c*e", "/acd", false},
        {"/a*b/c*d", "/axbxb/cd", true},
        {"/a?c", "/abc", true},
        {"/a?c", "/a/c", false},
        {"/[a-c]x", "/bx", true},
        {"/[a-c]x", "/dx", false},
        {"/[^a-c]x", "/dx", true},
        {"/[^a-c]x", "//x", false},
        {"/[]x]y", "/]y", true},
        {"/[a", "/a", false},
        {"/\\*", "/*", true},
        {"/\\*", "/a", false},
        {"/[\\]]", "/]", true},
        {"a**b", "ab", true},
        {"**", "a/b", false},
        {"*/*", "a/b", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (weir_http_glob(weir_view_str(cases[i].pattern), weir_view_str(cases[i].text)) !=
            cases[i].matches)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
}

/* Many stars on a long path: no more than a step back for each. */
static void stars_are_cheap(void **state) {
    (void)state;
    static char text[20000];
    memset(text, 'a', sizeof text);
    assert_false(
        weir_http_glob(WEIR_VIEW("*a*a*a*a*a*a*a*a*a*a*a*a*b"), weir_view(text, sizeof text)));
}

static atomic_bool stop;

static void *ask(void *arg) {
    size_t *wrong = arg;
    while (!atomic_load(&stop)) *wrong += !weir_http_is_excluded("/always");
    return NULL;
}

/* Readers see the old lists or the new ones, never something in between. */
static void lists_change_under_readers(void **state) {
    (void)state;
    pthread_t threads[2];
    size_t wrong[2] = {0, 0};
    struct weir_http_excluded lists = {.struct_size = sizeof lists, .paths = "/always,/x"};
    assert_int_equal(weir_http_exclude(&lists, NULL), WEIR_OK);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, ask, &wrong[i]);
    for (int i = 0; i < 500; i++) {
        lists.paths = i % 2 ? "/always" : "/a,/b,/always,/c";
        assert_int_equal(weir_http_exclude(&lists, NULL), WEIR_OK);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_int_equal(wrong[0] + wrong[1], 0);
    weir_http_exclude(NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),        cmocka_unit_test(lists_of_the_program),
        cmocka_unit_test(variables_win),   cmocka_unit_test(globs),
        cmocka_unit_test(stars_are_cheap), cmocka_unit_test(lists_change_under_readers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
