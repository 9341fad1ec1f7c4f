/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka with the headers that it needs first, and small helpers. */
#ifndef WEIR_TESTS_SUPPORT_UNIT_H
#define WEIR_TESTS_SUPPORT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/view.h"

/* Fails with both texts when the view is not the string. */
static inline void assert_view_is(struct weir_view v, const char *expected) {
    char text[4096];
    size_t len = v.len < sizeof text - 1 ? v.len : sizeof text - 1;
    if (len) memcpy(text, v.ptr, len);
    text[len] = 0;
    assert_string_equal(text, expected);
}

#endif
