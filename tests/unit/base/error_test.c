/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>

#include "unit.h"

static void table_is_in_order(void **state) {
    (void)state;
#define CHECK(name, value, text, http, grpc, retry)                                                \
    assert_string_equal(weir_error_name(WEIR_##name), #name);                                      \
    assert_string_equal(weir_error_text(WEIR_##name), text);                                       \
    assert_int_equal(weir_error_http(WEIR_##name), http);                                          \
    assert_int_equal(weir_error_grpc(WEIR_##name), grpc);                                          \
    assert_int_equal(weir_error_retriable(WEIR_##name), (retry) != 0);
    WEIR_ERRORS(CHECK)
#undef CHECK
    assert_int_equal(weir_error_http(WEIR_OK), 200);
    assert_int_equal(weir_error_grpc(WEIR_OK), 0);
    assert_string_equal(weir_error_name(-999), "UNKNOWN");
    assert_string_equal(weir_error_name(7), "UNKNOWN");
    assert_int_equal(weir_error_http(-999), 500);
}

/* gRPC's retry rules and HTTP's must tell a sender the same thing. */
static void retriable_codes_agree_with_http(void **state) {
    (void)state;
#define CHECK(name, value, text, http, grpc, retry)                                                \
    assert_int_equal((retry) != 0, (http) == 429 || (http) == 503 || (http) == 504);
    WEIR_ERRORS(CHECK)
#undef CHECK
}

static void set_fills_and_returns(void **state) {
    (void)state;
    struct weir_error err;
    assert_int_equal(weir_error_at(&err, WEIR_EINVALID, 3, 7, "bad %s", "thing"), WEIR_EINVALID);
    assert_string_equal(err.message, "bad thing");
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 7);
    assert_int_equal(weir_error_set(NULL, WEIR_EIO, "nobody listens"), WEIR_EIO);
    assert_int_equal(weir_error_set(&err, WEIR_EIO, "%0600d", 1), WEIR_EIO);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(weir_error_from_errno(ENOSPC), WEIR_EFULL);
    assert_int_equal(weir_error_from_errno(0), WEIR_OK);
    assert_int_equal(weir_error_from_errno(EIO), WEIR_EIO);
}

static int bugs;
static void count_bug(const char *file, int line, const char *message) {
    (void)file, (void)line;
    assert_string_equal(message, "1 == 2");
    bugs++;
}

static void bug_handler_can_be_replaced(void **state) {
    (void)state;
    weir_bug_handler_set(count_bug);
    WEIR_ASSERT(1 == 1);
    WEIR_ASSERT(1 == 2);
    weir_bug_handler_set(NULL);
    assert_int_equal(bugs, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_in_order),
        cmocka_unit_test(retriable_codes_agree_with_http),
        cmocka_unit_test(set_fills_and_returns),
        cmocka_unit_test(bug_handler_can_be_replaced),
    };
    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
