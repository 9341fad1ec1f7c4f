/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>

#include "rd/resolve.h"

/* librdkafka is linked in or shared, as this program was built: found either way, by the address of
 * one of its functions. */
static void test_callers_librdkafka_is_found(void **state) {
    (void)state;
    struct weir_error err = {0};
    const struct weir_rd *rd = weir_rd_resolve((const void *)(uintptr_t)rd_kafka_version, &err);
    if (!rd) fail_msg("%s", err.message);
    assert_ptr_equal((void *)(uintptr_t)rd->new, (void *)(uintptr_t)rd_kafka_new);
    assert_ptr_equal((void *)(uintptr_t)rd->header_add, (void *)(uintptr_t)rd_kafka_header_add);
    assert_int_equal(rd->version(), rd_kafka_version());
    assert_ptr_equal(rd, weir_rd_resolve((const void *)(uintptr_t)rd_kafka_new, NULL));
}

/* Not the nearest librdkafka, but the caller's own. */
static void test_a_caller_without_one(void **state) {
    (void)state;
    struct weir_error err = {0};
    assert_null(weir_rd_resolve((const void *)(uintptr_t)malloc, &err));
    assert_int_not_equal(err.code, WEIR_OK);
    err = (struct weir_error){0};
    assert_null(weir_rd_resolve((const void *)(uintptr_t)malloc, &err));
    assert_int_not_equal(err.code, WEIR_OK);
    assert_null(weir_rd_resolve(&err, &err)); /* the stack is no program */
    assert_int_equal(err.code, WEIR_EUNSUPPORTED);
}

static void test_two_tables_in_one_process(void **state) {
    (void)state;
    const struct weir_rd *own = weir_rd(NULL);
    static struct weir_rd other;
    assert_non_null(own);
    assert_true(weir_rd_adopt(own));
    assert_false(weir_rd_adopt(&other));
    assert_null(weir_rd_enter(&other));
    assert_ptr_equal(weir_rd(NULL), &other);
    assert_ptr_equal(weir_rd_enter(NULL), &other);
    assert_ptr_equal(weir_rd(NULL), own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_callers_librdkafka_is_found),
        cmocka_unit_test(test_a_caller_without_one),
        cmocka_unit_test(test_two_tables_in_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
