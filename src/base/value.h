/* SPDX-License-Identifier: Apache-2.0 */
/* OpenTelemetry's AnyValue and attributes, as borrowed views.
 *
 * Arrays and maps stay encoded: `str` holds the bytes of the protobuf ArrayValue or KeyValueList
 * message. Whoever needs their inside decodes them (otlp/value.h).
 *
 * Threads: values. Memory: borrowed from the batch, block or arena that they came from.
 * Source: opentelemetry-proto, common/v1/common.proto, AnyValue.
 */
#ifndef WEIR_BASE_VALUE_H
#define WEIR_BASE_VALUE_H

#include "base/view.h"

enum weir_value_type {
    WEIR_VALUE_NONE, /* absent, or an AnyValue with nothing set */
    WEIR_VALUE_STRING,
    WEIR_VALUE_BOOL,
    WEIR_VALUE_INT,
    WEIR_VALUE_DOUBLE,
    WEIR_VALUE_BYTES,
    WEIR_VALUE_ARRAY, /* str: encoded ArrayValue */
    WEIR_VALUE_MAP,   /* str: encoded KeyValueList */
};

struct weir_value {
    enum weir_value_type type;
    union {
        struct weir_view str; /* STRING, BYTES, ARRAY, MAP */
        int64_t i64;          /* INT */
        double f64;           /* DOUBLE */
        bool boolean;         /* BOOL */
    };
};

struct weir_attr {
    struct weir_view key;
    struct weir_value value;
};

struct weir_attrs {
    const struct weir_attr *items;
    uint32_t count;
};

static inline struct weir_value weir_value_str(struct weir_view str) {
    return (struct weir_value){.type = WEIR_VALUE_STRING, .str = str};
}
static inline struct weir_value weir_value_i64(int64_t i64) {
    return (struct weir_value){.type = WEIR_VALUE_INT, .i64 = i64};
}
static inline struct weir_value weir_value_f64(double f64) {
    return (struct weir_value){.type = WEIR_VALUE_DOUBLE, .f64 = f64};
}
static inline struct weir_value weir_value_bool(bool boolean) {
    return (struct weir_value){.type = WEIR_VALUE_BOOL, .boolean = boolean};
}

/* The value under a key, or NULL. The first wins. */
static inline const struct weir_value *weir_attrs_get(struct weir_attrs attrs,
                                                      struct weir_view key) {
    for (uint32_t i = 0; i < attrs.count; i++)
        if (weir_view_eq(attrs.items[i].key, key)) return &attrs.items[i].value;
    return NULL;
}

#endif
