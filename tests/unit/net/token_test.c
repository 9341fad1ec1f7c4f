/* SPDX-License-Identifier: Apache-2.0 */
#include "net/token.h"

#include "unit.h"

static void test_classes(void **state) {
    (void)state;
    size_t tokens = 0;
    for (int c = 0; c < 256; c++) tokens += weir_http_char_is((char)c, WEIR_HTTP_CHAR_TOKEN);
    assert_int_equal(tokens, 26 + 26 + 10 + 15); /* RFC 9110, 5.6.2 */
    assert_true(weir_http_is_token(WEIR_VIEW("x-y_z.1|2~3")));
    assert_false(weir_http_is_token(WEIR_VIEW("")));
    assert_false(weir_http_is_token(WEIR_VIEW("a b")));
    assert_true(weir_http_is_value(WEIR_VIEW("a\tb \xff")));
    assert_false(weir_http_is_value(WEIR_VIEW("a\x7f")));
    assert_false(weir_http_is_value(weir_view("a\0b", 3)));
    assert_false(weir_http_is_target(WEIR_VIEW("/a b")));
}

static void test_lists(void **state) {
    (void)state;
    assert_true(weir_http_list_has(WEIR_VIEW("keep-alive, Upgrade"), "upgrade"));
    assert_true(weir_http_list_has(WEIR_VIEW(" ,, close;x=1"), "close"));
    assert_false(weir_http_list_has(WEIR_VIEW("closed"), "close"));
    assert_false(weir_http_list_has(WEIR_VIEW(""), "close"));
    assert_true(
        weir_http_media_is(WEIR_VIEW("Application/JSON ; charset=utf-8"), "application/json"));
    assert_false(weir_http_media_is(WEIR_VIEW("application/jsonx"), "application/json"));
}

static void test_accepts(void **state) {
    (void)state;
    static const struct {
        const char *value;
        bool gzip;
    } cases[] = {
        {"", false},         {"gzip", true},        {"deflate, GZIP;q=0.5", true},
        {"gzip;q=0", false}, {"gzip;q=0.0", false}, {"*", true},
        {"*;q=0", false},    {"identity", false},   {"*;q=1, gzip;q=0", false},
        {"br, zstd", false}, {"gzip ; q=1", true},  {"*;q=0, gzip", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (weir_http_accepts(weir_view_str(cases[i].value), "gzip") != cases[i].gzip)
            fail_msg("%s", cases[i].value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_accepts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
