/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes that a test is sure of. */
#ifndef WEIR_TESTS_SUPPORT_ATTRS_H
#define WEIR_TESTS_SUPPORT_ATTRS_H

#include "base/value.h"
#include "unit.h"

/* The value under a key; fails when there is none. */
static inline const struct weir_value *attr_of(struct weir_attrs attrs, const char *key) {
    static const struct weir_value none;
    const struct weir_value *value = weir_attrs_get(attrs, weir_view_str(key));
    if (!value) fail_msg("no attribute %s", key);
    return value ? value : &none;
}

#endif
