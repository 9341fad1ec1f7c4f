/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and pools where no server is; with one: server_test.c. */
#include "../sdk/capture.h"
#include "attrs.h"
#include "weir/metric.h"
#include "weir/pq.h"

#define NOWHERE "host=127.0.0.1 port=1 user=nobody dbname=shop password=hunter2"

static void no_server(void **state) {
    (void)state;
    struct weir_error err = {.code = 0};
    capture_init("t", NULL);
    assert_null(weir_pq_open(NOWHERE, &err));
    assert_int_equal(err.code, WEIR_EUNAVAILABLE);
    weir_flush(5000, NULL);
    const struct weir_otlp_span *span = captured_span(0);
    assert_view_is(span->name, "connect shop");
    assert_int_equal(span->kind, WEIR_SPAN_KIND_CLIENT);
    assert_int_equal(span->status_code, 2);
    assert_view_is(attr_str(span->attrs, "error.type"), "CONNECTION_BAD");
    assert_view_is(attr_str(span->attrs, "db.system.name"), "postgresql");
    assert_view_is(attr_str(span->attrs, "db.namespace"), "shop");
    assert_view_is(attr_str(span->attrs, "server.address"), "127.0.0.1");
    assert_int_equal(attr_of(span->attrs, "server.port")->i64, 1);
    assert_int_equal(weir_view_find(span->raw, WEIR_VIEW("hunter2")), SIZE_MAX);
    capture_done();
}

static void a_bad_connection_string(void **state) {
    (void)state;
    struct weir_error err = {.code = 0};
    assert_null(weir_pq_open("no_such_word=1", &err));
    assert_int_equal(err.code, WEIR_EINVALID);
    assert_non_null(strstr(err.message, "no_such_word"));
    struct weir_pq_pool_options options = {.struct_size = sizeof options, .conninfo = "port"};
    assert_null(weir_pq_pool_open(&options, &err));
    assert_int_equal(err.code, WEIR_EINVALID);
    assert_null(weir_pq_pool_open(NULL, &err));
    options = (struct weir_pq_pool_options){.struct_size = sizeof options, .wait_ms = -1};
    assert_null(weir_pq_pool_open(&options, &err));
    assert_int_equal(err.code, WEIR_EINVALID);
}

static void a_pool_without_a_server(void **state) {
    (void)state;
    struct weir_error err = {.code = 0};
    struct weir_pq_pool_options options = {
        .struct_size = sizeof options, .conninfo = NOWHERE, .max = 3};
    capture_init("m", NULL);
    struct weir_pq_pool *pool = weir_pq_pool_open(&options, &err);
    assert_non_null(pool);
    for (int i = 0; i < 5; i++) { /* a failed one leaves its place free */
        assert_null(weir_pq_pool_take(pool, &err));
        assert_int_equal(err.code, WEIR_EUNAVAILABLE);
    }
    struct weir_pq_pool_stats stats = {.struct_size = sizeof stats};
    weir_pq_pool_stats_get(pool, &stats);
    assert_int_equal(stats.used + stats.idle + stats.waiting, 0);
    assert_int_equal(stats.opened + stats.timeouts, 0);
    size_t size;
    char *text = weir_metrics_text(&size);
    assert_non_null(strstr(text, "db_client_connection_max{"));
    assert_non_null(strstr(text, "db_client_connection_pool_name=\"127.0.0.1:1/shop\""));
    free(text);
    weir_pq_pool_close(pool);
    capture_done();
}

static void null_is_taken(void **state) {
    (void)state;
    struct weir_error err = {.code = 0};
    weir_pq_close(NULL);
    weir_pq_pool_close(NULL);
    weir_pq_pool_give(NULL, NULL);
    assert_null(weir_pq_pool_take(NULL, &err));
    assert_null(weir_pq_adopt(NULL));
    assert_null(weir_pq_handle(NULL));
    assert_null(weir_pq_exec(NULL, "SELECT 1"));
    assert_null(weir_pq_exec_prepared(NULL, "x", 0, NULL, NULL, NULL, 0));
    assert_int_equal(weir_pq_begin(NULL, &err), WEIR_EINVALID);
    assert_int_equal(weir_pq_copy_begin(NULL, "COPY t FROM STDIN", &err), WEIR_EINVALID);
    assert_int_equal(weir_pq_copy_put(NULL, "", 0, &err), WEIR_EINVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_server), cmocka_unit_test(a_bad_connection_string),
        cmocka_unit_test(a_pool_without_a_server), cmocka_unit_test(null_is_taken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
