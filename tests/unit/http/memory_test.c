/* SPDX-License-Identifier: Apache-2.0 */
/* A host's requests survive the n-th allocation failing, for every n. */
#include <stdio.h>

#include "../sdk/capture.h"
#include "failing_alloc.h"
#include "weir/http.h"

static const char *get(void *arg, const char *name, size_t *ret_size) {
    const char *value = !strcmp(name, "traceparent")
                            ? "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                            : "shop";
    (void)arg;
    *ret_size = strlen(value);
    return value;
}

static int set(void *arg, const char *name, const char *value, size_t size) {
    (void)name;
    (void)value;
    return arg || !size ? -1 : 0;
}

static void use_everything(long round) {
    char path[32];
    snprintf(path, sizeof path, "/p%ld", round); /* a new route: new series */
    struct weir_http_excluded lists = {.struct_size = sizeof lists, .paths = "/a,/b,/c"};
    struct weir_http_request request = {.struct_size = sizeof request,
                                        .method = "GET",
                                        .target = "http://u:p@h:1/x?sig=1&b=2#f",
                                        .route = path,
                                        .get = get};
    weir_http_exclude(&lists, NULL);
    struct weir_http *client = weir_http_client_begin(&request);
    weir_http_client_inject(client, set, NULL);
    struct weir_http *server = weir_http_server_begin(&request);
    weir_http_server_route(server, path);
    weir_http_server_end(server, 500, NULL);
    weir_http_client_end(client, 500, NULL);
    request.target = "/a";
    weir_http_server_end(weir_http_server_begin(&request), 200, NULL);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    capture_init("tm", NULL);
    long count = fail_each_alloc(use_everything);
    assert_in_range(count, 10, 1000);
    assert_null(weir_context_current());
    use_everything(count + 1); /* all is well again */
    weir_flush(5000, NULL);
    assert_true(captured_count(WEIR_SIGNAL_TRACE) > 0);
    weir_http_exclude(NULL, NULL);
    capture_done();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
