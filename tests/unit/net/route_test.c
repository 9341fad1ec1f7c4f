/* SPDX-License-Identifier: Apache-2.0 */
#include "net/route.h"

#include "unit.h"

static void handler(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    (void)req;
}

static const struct weir_http_route routes[] = {
    {"GET", "/", handler, 0, 0},
    {"GET", "/api/traces/{id}", handler, 0, 0},
    {"GET", "/api/traces/search", handler, 0, 0},
    {"DELETE", "/api/traces/search", handler, 0, 0},
    {"GET|POST", "/api/v1/query", handler, 0, 0},
    {"GET", "/api/v1/label/{name}/values", handler, 0, 0},
    {"GET", "/ui/*", handler, 0, 0},
    {"GET", "/ui/app.js", handler, 0, 0},
    {"*", "/any", handler, 0, 0},
    {"GET", "/api/*", handler, 0, 0},
};

static void test_best_route(void **state) {
    (void)state;
    static const struct {
        const char *method, *path, *pattern, *param, *value; /* pattern NULL: none */
    } cases[] = {
        {"GET", "/", "/", NULL, NULL},
        {"HEAD", "/", "/", NULL, NULL},
        {"POST", "/", NULL, NULL, NULL},
        {"GET", "/api/traces/abc", "/api/traces/{id}", "id", "abc"},
        {"GET", "/api/traces/a%2Fb%20c", "/api/traces/{id}", "id", "a/b c"},
        {"GET", "/api/traces/search", "/api/traces/search", NULL, NULL},
        {"GET", "/api/traces/sear%63h", "/api/traces/search", NULL, NULL},
        {"GET", "/api/traces/", "/api/*", "*", "traces/"},
        {"GET", "/api/traces/abc/", "/api/*", "*", "traces/abc/"},
        {"POST", "/api/v1/query", "/api/v1/query", NULL, NULL},
        {"GET", "/api/v1/label/job/values", "/api/v1/label/{name}/values", "name", "job"},
        {"GET", "/ui/", "/ui/*", "*", ""},
        {"GET", "/ui/a/b.css", "/ui/*", "*", "a/b.css"},
        {"GET", "/ui/app.js", "/ui/app.js", NULL, NULL},
        {"GET", "/ui", NULL, NULL, NULL},
        {"BREW", "/any", "/any", NULL, NULL},
        {"GET", "/an", NULL, NULL, NULL},
        {"GET", "/any/", NULL, NULL, NULL},
        {"GET", "//", NULL, NULL, NULL},
        {"get", "/", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_arena arena;
        struct weir_http_path_params params = {.count = 0};
        weir_arena_init(&arena, 0);
        const struct weir_http_route *route = weir_http_route_find(
            routes, sizeof routes / sizeof *routes, weir_view_str(cases[i].method),
            weir_view_str(cases[i].path), &arena, &params);
        if (!route != !cases[i].pattern) fail_msg("%s %s", cases[i].method, cases[i].path);
        if (route) assert_string_equal(route->pattern, cases[i].pattern);
        if (route && cases[i].param) {
            assert_int_equal(params.count, 1);
            assert_view_is(params.names[0], cases[i].param);
            assert_view_is(params.values[0], cases[i].value);
        }
        weir_arena_done(&arena);
    }
}

static void test_allowed_methods(void **state) {
    (void)state;
    struct weir_arena arena;
    struct weir_buf out;
    weir_arena_init(&arena, 0);
    weir_buf_init(&out, 256);
    size_t count = sizeof routes / sizeof *routes;
    weir_http_route_add_allowed(routes, count, WEIR_VIEW("/api/traces/search"), &arena, &out);
    assert_view_is(weir_buf_view(&out), "GET, HEAD, DELETE, OPTIONS");
    weir_buf_clear(&out);
    weir_http_route_add_allowed(routes, count, WEIR_VIEW("/nothing"), &arena, &out);
    assert_int_equal(out.len, 0);
    weir_buf_done(&out);
    weir_arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_route),
        cmocka_unit_test(test_allowed_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
