/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uri.h"

#include "unit.h"

static struct weir_arena arena;

static int begin(void **state) {
    (void)state;
    weir_arena_init(&arena, 1 << 20);
    return 0;
}

static int end(void **state) {
    (void)state;
    weir_arena_done(&arena);
    return 0;
}

static void test_targets(void **state) {
    (void)state;
    static const struct {
        const char *target, *path, *query, *authority; /* path NULL: refused */
    } cases[] = {
        {"/", "/", "", ""},
        {"/a/b?x=1&y", "/a/b", "x=1&y", ""},
        {"/a?b?c", "/a", "b?c", ""},
        {"/?", "/", "", ""},
        {"http://host:80/a?q", "/a", "q", "host:80"},
        {"HTTP://host", "/", "", "host"},
        {"https://host?x", "/", "x", "host"},
        {"*", "*", "", ""},
        {"/a://b", "/a://b", "", ""},
        {"", NULL, NULL, NULL},
        {"a/b", NULL, NULL, NULL},
        {"/a#b", NULL, NULL, NULL},
        {"ftp://host/a", NULL, NULL, NULL},
        {"http:///a", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_view path, query, authority;
        bool good =
            weir_uri_split_target(weir_view_str(cases[i].target), &path, &query, &authority);
        if (good != (cases[i].path != NULL)) fail_msg("%s", cases[i].target);
        if (!good) continue;
        assert_view_is(path, cases[i].path);
        assert_view_is(query, cases[i].query);
        assert_view_is(authority, cases[i].authority);
    }
}

static void test_paths(void **state) {
    (void)state;
    struct weir_view v;
    assert_true(weir_uri_decode_path(&arena, WEIR_VIEW("/a%20b/%C3%a4"), &v));
    assert_view_is(v, "/a b/\xc3\xa4");
    static const char *const bad[] = {"/a%",     "/a%2",        "/a%zz", "/a%00",     "/..",
                                      "/a/../b", "/a/%2e%2e/b", "/%2e",  "/a/..%2fb", "/./a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (weir_uri_decode_path(&arena, weir_view_str(bad[i]), &v)) fail_msg("%s", bad[i]);
    assert_true(weir_uri_decode_path(&arena, WEIR_VIEW("/a/...b/c.."), &v));
}

static void test_forms(void **state) {
    (void)state;
    struct weir_http_param_item *items = NULL;
    uint32_t count = 0, room = 0;
    assert_true(weir_uri_parse_form(&arena,
                                    WEIR_VIEW("a=1&b=x+y%2B&&c&=d&match%5B%5D=%7B%7D&e=%zz&f=a=b"),
                                    &items, &count, &room));
    static const char *const expected[] = {"a", "1",       "b",  "x y+", "c",   "",  "",
                                           "d", "match[]", "{}", "e",    "%zz", "f", "a=b"};
    assert_int_equal(count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_view_is(items[i].name, expected[2 * i]);
        assert_view_is(items[i].value, expected[2 * i + 1]);
    }
    char many[3 * (WEIR_HTTP_PARAMS_MAX + 1)];
    for (size_t i = 0; i <= WEIR_HTTP_PARAMS_MAX; i++) memcpy(many + 3 * i, "a=&", 3);
    count = 0;
    assert_false(weir_uri_parse_form(&arena, weir_view(many, sizeof many), &items, &count, &room));
    assert_int_equal(count, WEIR_HTTP_PARAMS_MAX);
}

static void test_encoding_round_trip(void **state) {
    (void)state;
    char all[256];
    struct weir_buf out;
    weir_buf_init(&out, 4096);
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    weir_uri_add_encoded(&out, weir_view(all, sizeof all));
    assert_true(weir_view_eq(weir_uri_decode_form(&arena, weir_buf_view(&out)),
                             weir_view(all, sizeof all)));
    weir_buf_done(&out);
}

static void test_authorities(void **state) {
    (void)state;
    static const struct {
        const char *authority, *host; /* NULL: refused */
        int port;
    } cases[] = {
        {"a", "a", -1},       {"a:80", "a", 80},    {"[::1]:3000", "::1", 3000},
        {"[::1]", "::1", -1}, {"a:", "a", -1},      {"", NULL, 0},
        {":80", NULL, 0},     {"a:65536", NULL, 0}, {"a:b", NULL, 0},
        {"[::1", NULL, 0},    {"[::1]x", NULL, 0},  {"u@a", NULL, 0},
        {"a b", NULL, 0},     {"a/b", NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_view host;
        int port;
        bool good = weir_uri_split_authority(weir_view_str(cases[i].authority), &host, &port);
        if (good != (cases[i].host != NULL)) fail_msg("%s", cases[i].authority);
        if (!good) continue;
        assert_view_is(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

static void test_loopback(void **state) {
    (void)state;
    static const char *const ours[] = {"localhost", "LOCALHOST", "localhost.", "a.localhost",
                                       "127.0.0.1", "127.9.9.9", "::1"};
    static const char *const foreign[] = {"localhost.evil.com",
                                          "evil-localhost",
                                          "128.0.0.1",
                                          "127.0.0.1.nip.io",
                                          "::2",
                                          "0.0.0.0",
                                          ".localhost",
                                          ""};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!weir_uri_host_is_loopback(weir_view_str(ours[i]))) fail_msg("%s", ours[i]);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (weir_uri_host_is_loopback(weir_view_str(foreign[i]))) fail_msg("%s", foreign[i]);
    assert_true(weir_uri_host_is_literal(WEIR_VIEW("10.0.0.1")));
    assert_true(weir_uri_host_is_literal(WEIR_VIEW("fe80::1")));
    assert_false(weir_uri_host_is_literal(WEIR_VIEW("example.com")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_targets, begin, end),
        cmocka_unit_test_setup_teardown(test_paths, begin, end),
        cmocka_unit_test_setup_teardown(test_forms, begin, end),
        cmocka_unit_test_setup_teardown(test_encoding_round_trip, begin, end),
        cmocka_unit_test_setup_teardown(test_authorities, begin, end),
        cmocka_unit_test_setup_teardown(test_loopback, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
