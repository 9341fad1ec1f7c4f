/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: typed key-value pairs on spans, events, links, metrics, logs and the resource.
 *
 *     weir_span_set(span, WEIR_STR("messaging.system", "kafka"));
 *     struct weir_attribute attrs[] = {WEIR_INT("shard", 7), WEIR_BOOL("cold", true)};
 *
 * An attribute borrows its key and value for the duration of the call that it is given to; the
 * library copies. Keys are UTF-8 and not empty; an attribute with an empty or NULL key is dropped
 * and counted. Text that is not UTF-8 is mended on export, never refused.
 *
 * Threads: values, no sharing.
 */
#ifndef WEIR_ATTRIBUTE_H
#define WEIR_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "weir/version.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weir_attribute_type {
    WEIR_ATTRIBUTE_NONE, /* dropped silently: lets a caller leave holes */
    WEIR_ATTRIBUTE_STRING,
    WEIR_ATTRIBUTE_BOOL,
    WEIR_ATTRIBUTE_INT,
    WEIR_ATTRIBUTE_DOUBLE,
    WEIR_ATTRIBUTE_BYTES,
    WEIR_ATTRIBUTE_STRINGS, /* arrays: `size` elements */
    WEIR_ATTRIBUTE_BOOLS,
    WEIR_ATTRIBUTE_INTS,
    WEIR_ATTRIBUTE_DOUBLES
};

struct weir_attribute {
    const char *key;
    size_t key_size;               /* bytes of key */
    enum weir_attribute_type type; /* which member of value holds */
    size_t size;                   /* STRING, BYTES: bytes; arrays: elements; else 0 */
    union {
        const char *str;         /* STRING, BYTES; need not end in NUL */
        int64_t i64;             /* INT */
        double f64;              /* DOUBLE */
        bool boolean;            /* BOOL */
        const char *const *strs; /* STRINGS: NUL-terminated each */
        const bool *bools;
        const int64_t *i64s;
        const double *f64s;
    } value;
};

/* The makers. With a literal key its length is computed by the compiler. A NULL string value makes
 * an attribute of type NONE. */
static inline struct weir_attribute weir_attribute_make(const char *key,
                                                        enum weir_attribute_type type,
                                                        size_t size) {
    struct weir_attribute attr;
    attr.key = key;
    attr.key_size = key ? strlen(key) : 0;
    attr.type = type;
    attr.size = size;
    attr.value.i64 = 0;
    return attr;
}
static inline struct weir_attribute weir_attribute_strn(const char *key, const char *str,
                                                        size_t size) {
    struct weir_attribute attr =
        weir_attribute_make(key, str ? WEIR_ATTRIBUTE_STRING : WEIR_ATTRIBUTE_NONE, size);
    attr.value.str = str;
    return attr;
}
static inline struct weir_attribute weir_attribute_str(const char *key, const char *str) {
    return weir_attribute_strn(key, str, str ? strlen(str) : 0);
}
static inline struct weir_attribute weir_attribute_bytes(const char *key, const void *ptr,
                                                         size_t size) {
    struct weir_attribute attr =
        weir_attribute_make(key, ptr ? WEIR_ATTRIBUTE_BYTES : WEIR_ATTRIBUTE_NONE, size);
    attr.value.str = (const char *)ptr;
    return attr;
}
static inline struct weir_attribute weir_attribute_int(const char *key, int64_t i64) {
    struct weir_attribute attr = weir_attribute_make(key, WEIR_ATTRIBUTE_INT, 0);
    attr.value.i64 = i64;
    return attr;
}
static inline struct weir_attribute weir_attribute_double(const char *key, double f64) {
    struct weir_attribute attr = weir_attribute_make(key, WEIR_ATTRIBUTE_DOUBLE, 0);
    attr.value.f64 = f64;
    return attr;
}
static inline struct weir_attribute weir_attribute_bool(const char *key, bool boolean) {
    struct weir_attribute attr = weir_attribute_make(key, WEIR_ATTRIBUTE_BOOL, 0);
    attr.value.boolean = boolean;
    return attr;
}
static inline struct weir_attribute weir_attribute_strs(const char *key, const char *const *strs,
                                                        size_t count) {
    struct weir_attribute attr = weir_attribute_make(key, WEIR_ATTRIBUTE_STRINGS, count);
    attr.value.strs = strs;
    return attr;
}
static inline struct weir_attribute weir_attribute_ints(const char *key, const int64_t *i64s,
                                                        size_t count) {
    struct weir_attribute attr = weir_attribute_make(key, WEIR_ATTRIBUTE_INTS, count);
    attr.value.i64s = i64s;
    return attr;
}
static inline struct weir_attribute weir_attribute_doubles(const char *key, const double *f64s,
                                                           size_t count) {
    struct weir_attribute attr = weir_attribute_make(key, WEIR_ATTRIBUTE_DOUBLES, count);
    attr.value.f64s = f64s;
    return attr;
}
static inline struct weir_attribute weir_attribute_bools(const char *key, const bool *bools,
                                                         size_t count) {
    struct weir_attribute attr = weir_attribute_make(key, WEIR_ATTRIBUTE_BOOLS, count);
    attr.value.bools = bools;
    return attr;
}
#define WEIR_STR(key, str)      weir_attribute_str(key, str)
#define WEIR_INT(key, i64)      weir_attribute_int(key, i64)
#define WEIR_DOUBLE(key, f64)   weir_attribute_double(key, f64)
#define WEIR_BOOL(key, boolean) weir_attribute_bool(key, boolean)

/* A set of attributes that repeats, encoded once; giving it to a span costs one small copy.
 * Gives a handle; NULL when memory is out, and NULL is a fine (empty) set everywhere. Copies. */
struct weir_attribute_set;
WEIR_API struct weir_attribute_set *weir_attributes_bind(const struct weir_attribute *attrs,
                                                         size_t count);
/* Takes NULL. Spans that were given the set keep their own copy. */
WEIR_API void weir_attributes_free(struct weir_attribute_set *set);

#ifdef __cplusplus
}
#endif
#endif
