/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdlib.h>

#include "unit.h"

static void adds_of_every_kind(void **state) {
    (void)state;
    struct weir_buf buf;
    weir_buf_init(&buf, 1000);
    weir_buf_add_str(&buf, "a");
    weir_buf_add_char(&buf, ',');
    weir_buf_add_u64(&buf, UINT64_MAX);
    weir_buf_add_char(&buf, ',');
    weir_buf_add_i64(&buf, INT64_MIN);
    weir_buf_add_char(&buf, ',');
    weir_buf_add_hex(&buf, "\x00\xff\x1a", 3);
    weir_buf_printf(&buf, ",%05.1f", 2.25);
    assert_view_is(weir_buf_view(&buf), "a,18446744073709551615,-9223372036854775808,00ff1a,002.2");
    weir_buf_drop(&buf, 2);
    assert_int_equal(buf.ptr[0], '1');
    weir_buf_done(&buf);
}

static void limit_holds_whatever_is_added(void **state) {
    (void)state;
    struct weir_buf buf;
    weir_buf_init(&buf, 10);
    weir_buf_add_str(&buf, "12345678");
    assert_false(buf.failed);
    weir_buf_add_str(&buf, "90a");
    assert_true(buf.failed);
    assert_int_equal(buf.len, 8);
    weir_buf_add_str(&buf, "9");
    assert_int_equal(buf.len, 8);
    weir_buf_clear(&buf);
    weir_buf_add_str(&buf, "0123456789");
    assert_false(buf.failed);
    assert_int_equal(buf.len, 10);
    weir_buf_done(&buf);
}

static void take_gives_the_bytes_away(void **state) {
    (void)state;
    struct weir_buf buf;
    weir_buf_init(&buf, 100);
    weir_buf_add_str(&buf, "mine");
    size_t len;
    char *ptr = weir_buf_take(&buf, &len);
    assert_int_equal(len, 4);
    assert_memory_equal(ptr, "mine", 4);
    assert_int_equal(buf.len, 0);
    free(ptr);
    weir_buf_add_str(&buf, "again");
    assert_view_is(weir_buf_view(&buf), "again");
    weir_buf_done(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_of_every_kind),
        cmocka_unit_test(limit_holds_whatever_is_added),
        cmocka_unit_test(take_gives_the_bytes_away),
    };
    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
