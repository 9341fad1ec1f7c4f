/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "api/ui.h"

/* The test's own table; the real one is built from ui/. */
static const unsigned char plain[] = "plain", packed[] = "packed";
const struct weir_ui_file weir_ui_files[] = {
    {"app-1A2B.js", "text/javascript; charset=utf-8", "\"a1\"", plain, 5, packed, 6},
    {"icon-7.svg", "image/svg+xml", "\"i7\"", plain, 5, NULL, 0},
    {"index.html", "text/html; charset=utf-8", "\"x9\"", plain, 5, packed, 6},
};
const size_t weir_ui_files_count = 3;

static struct weir_ui_answer ask(const char *path, const char *encoding, const char *tags) {
    return weir_ui_answer_for(weir_view_str(path), weir_view_str(encoding), weir_view_str(tags));
}

static void the_root_leads_to_the_page(void **state) {
    (void)state;
    assert_int_equal(ask("/", "", "").status, 302);
    assert_int_equal(ask("/ui", "", "").status, 302);
    assert_int_equal(ask("/uix", "", "").status, 404);
    assert_int_equal(ask("/api", "", "").status, 404);
}

static void every_address_of_the_page_is_the_page(void **state) {
    (void)state;
    static const char *const paths[] = {
        "/ui/", "/ui/traces", "/ui/trace/4bf92f3577b34da6a3ce929d0e0e4736", "/ui/index.html"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct weir_ui_answer answer = ask(paths[i], "", "");
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.file->path, "index.html");
        assert_false(answer.immutable);
    }
}

static void a_missing_file_is_no_page(void **state) {
    (void)state;
    static const char *const paths[] = {"/ui/app-old.js", "/ui/../secret.txt", "/ui/.",
                                        "/ui/app-1A2B.js/x.css"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct weir_ui_answer answer = ask(paths[i], "gzip", "");
        assert_int_equal(answer.status, 404);
        assert_null(answer.file);
    }
}

static void hashed_names_never_change(void **state) {
    (void)state;
    assert_true(ask("/ui/app-1A2B.js", "", "").immutable);
    assert_true(ask("/ui/icon-7.svg", "", "").immutable);
}

static void gzip_only_where_it_is_taken_and_there_is(void **state) {
    (void)state;
    assert_true(ask("/ui/app-1A2B.js", "br, gzip;q=0.5", "").gzip);
    assert_false(ask("/ui/app-1A2B.js", "gzip;q=0", "").gzip);
    assert_false(ask("/ui/app-1A2B.js", "", "").gzip);
    assert_false(ask("/ui/icon-7.svg", "gzip", "").gzip);
}

static void an_unchanged_file_is_not_sent_again(void **state) {
    (void)state;
    static const char *const same[] = {"\"x9\"", "W/\"x9\"", "\"a\", \"x9\"", "*"};
    static const char *const other[] = {"", "\"x8\"", "x9", "\"x9", ","};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_int_equal(ask("/ui/", "gzip", same[i]).status, 304);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_int_equal(ask("/ui/", "gzip", other[i]).status, 200);
    assert_false(ask("/ui/", "gzip", "*").gzip);
}

static void the_routes_are_readable_only(void **state) {
    (void)state;
    size_t count;
    const struct weir_http_route *routes = weir_api_ui_routes(&count);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) assert_string_equal(routes[i].method, "GET");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_leads_to_the_page),
        cmocka_unit_test(every_address_of_the_page_is_the_page),
        cmocka_unit_test(a_missing_file_is_no_page),
        cmocka_unit_test(hashed_names_never_change),
        cmocka_unit_test(gzip_only_where_it_is_taken_and_there_is),
        cmocka_unit_test(an_unchanged_file_is_not_sent_again),
        cmocka_unit_test(the_routes_are_readable_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
