/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "comma_locale.h"

/* The host's locale holds where ours does not: before, after and between our calls. */
static void assert_host_has_commas(void) {
    char text[16];
    snprintf(text, sizeof text, "%.1f", 1.5);
    if (access(COMMA_SOURCE, R_OK) == 0) assert_string_equal(text, "1,5");
}

static void reads_points(void **state) {
    (void)state;
    char *end;
    assert_host_has_commas();
    assert_true(weir_number_strtod("2.5e-3x", &end) == 0.0025);
    assert_string_equal(end, "x");
    assert_true(weir_number_strtod("2,5", NULL) == 2);
    double value;
    assert_true(weir_view_to_f64(WEIR_VIEW("1.25"), &value));
    assert_true(value == 1.25);
    assert_false(weir_view_to_f64(WEIR_VIEW("1,25"), &value));
    int64_t ns;
    assert_true(weir_view_to_duration_ns(WEIR_VIEW("1.5s"), &ns));
    assert_int_equal(ns, 1500000000);
    assert_host_has_commas();
}

static void writes_points(void **state) {
    (void)state;
    char text[32];
    assert_host_has_commas();
    assert_int_equal(weir_number_snprintf(text, sizeof text, "%.2f|%g|%s", 1.5, -2.25, "a,b"), 14);
    assert_string_equal(text, "1.50|-2.25|a,b");
    assert_int_equal(weir_number_snprintf(NULL, 0, "%e", 1.5), 12);
    struct weir_buf buf;
    weir_buf_init(&buf, 100);
    weir_buf_printf(&buf, "%.3f", 1700000000.125);
    assert_view_is(weir_buf_view(&buf), "1700000000.125");
    weir_buf_done(&buf);
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    assert_view_is(weir_arena_printf(&arena, "%.15g", 0.1), "0.1");
    weir_arena_done(&arena);
    assert_host_has_commas();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_points),
        cmocka_unit_test(writes_points),
    };
    return cmocka_run_group_tests_name("base/number", tests, comma_locale_enter,
                                       comma_locale_leave);
}
