/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "query/query.h"

static void fresh_query_may_go_on(void **state) {
    (void)state;
    struct weir_query query;
    weir_query_init(&query, 0, 0);
    query.bytes_read = query.rows_read = UINT64_MAX; /* no budget set */
    assert_int_equal(weir_query_check(&query, NULL), WEIR_OK);
    weir_query_done(&query);
    weir_query_done(NULL);
}

static void cancel_stops_it(void **state) {
    (void)state;
    struct weir_query query;
    struct weir_error err;
    weir_query_init(&query, 0, 0);
    weir_query_cancel(&query);
    assert_int_equal(weir_query_check(&query, &err), WEIR_ECANCELED);
    assert_int_equal(err.code, WEIR_ECANCELED);
    weir_query_done(&query);
}

static bool asker_left(void *arg) {
    return *(bool *)arg;
}

static void connection_flag_is_asked(void **state) {
    (void)state;
    struct weir_query query;
    bool left = false;
    weir_query_init(&query, 0, 0);
    query.is_canceled = asker_left;
    query.is_canceled_arg = &left;
    assert_int_equal(weir_query_check(&query, NULL), WEIR_OK);
    left = true;
    assert_int_equal(weir_query_check(&query, NULL), WEIR_ECANCELED);
    weir_query_done(&query);
}

static void deadline_passes(void **state) {
    (void)state;
    struct weir_query query;
    weir_query_init(&query, 0, 3600 * WEIR_NS_PER_S);
    assert_int_equal(weir_query_check(&query, NULL), WEIR_OK);
    query.deadline_ns = weir_clock_mono_ns() - 1;
    assert_int_equal(weir_query_check(&query, NULL), WEIR_ETIMEOUT);
    weir_query_done(&query);
}

static void budgets_are_limits(void **state) {
    (void)state;
    struct weir_query query;
    struct weir_error err;
    weir_query_init(&query, 0, 0);
    query.bytes_read_max = 100;
    query.bytes_read = 100;
    assert_int_equal(weir_query_check(&query, &err), WEIR_OK);
    query.bytes_read = 101;
    assert_int_equal(weir_query_check(&query, &err), WEIR_ELIMIT);
    assert_non_null(strstr(err.message, "100 bytes"));
    query.bytes_read = 0;
    query.rows_max = 5;
    query.rows_read = 6;
    assert_int_equal(weir_query_check(&query, &err), WEIR_ELIMIT);
    assert_non_null(strstr(err.message, "5 rows"));
    weir_query_done(&query);
}

static void memory_is_limited(void **state) {
    (void)state;
    struct weir_query query;
    weir_query_init(&query, 10000, 0);
    assert_non_null(weir_arena_alloc(&query.arena, 1000));
    assert_int_equal(weir_query_check(&query, NULL), WEIR_OK);
    assert_null(weir_arena_alloc(&query.arena, 20000));
    assert_int_equal(weir_query_check(&query, NULL), WEIR_ENOMEMORY);
    weir_query_done(&query);
}

static void explain_tells_costs(void **state) {
    (void)state;
    struct weir_query query;
    struct weir_buf json;
    weir_query_init(&query, 0, 0);
    weir_buf_init(&json, 4096);
    query.bytes_read = 1;
    query.bytes_decoded = 2;
    query.rows_read = 3;
    query.blocks_read = 4;
    query.blocks_skipped = 5;
    query.parts_read = 6;
    query.parts_skipped = 7;
    query.series_read = UINT64_MAX;
    weir_query_add_explain(&query, &json);
    assert_view_is(weir_buf_view(&json),
                   "{\"bytesRead\":1,\"bytesDecoded\":2,\"rowsRead\":3,\"blocksRead\":4,"
                   "\"blocksSkipped\":5,\"partsRead\":6,\"partsSkipped\":7,"
                   "\"seriesRead\":18446744073709551615,\"memoryBytes\":0}");
    weir_buf_done(&json);
    weir_query_done(&query);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_query_may_go_on),    cmocka_unit_test(cancel_stops_it),
        cmocka_unit_test(connection_flag_is_asked), cmocka_unit_test(deadline_passes),
        cmocka_unit_test(budgets_are_limits),       cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(explain_tells_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
