/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes in their encoded form: what the application hands over becomes OTLP KeyValue fields at
 * once, so that the exporter only copies bytes.
 *
 *     tag  len  0x0A keylen key  0x12 len AnyValue
 *     └─ of the message that the attributes belong to: span 9, event 3, link 4, resource 1, …
 *
 * Text that is not UTF-8 is mended here (each bad byte becomes '?'), since one bad string would
 * make receivers refuse the whole batch.
 *
 * Threads: any. Memory: the caller's.
 * Source: opentelemetry-proto 1.11, common/v1/common.proto.
 */
#ifndef WEIR_SDK_ATTR_H
#define WEIR_SDK_ATTR_H

#include "base/buf.h"
#include "base/value.h"
#include "weir/attribute.h"

/* Tags (field number << 3 | 2) of the attributes field of each message. */
enum {
    WEIR_ATTR_TAG_RESOURCE = 0x0A,
    WEIR_ATTR_TAG_EVENT = 0x1A,
    WEIR_ATTR_TAG_LINK = 0x22,
    WEIR_ATTR_TAG_LOG = 0x32,
    WEIR_ATTR_TAG_NUMBER = 0x3A, /* NumberDataPoint 7 */
    WEIR_ATTR_TAG_SPAN = 0x4A,   /* Span 9, HistogramDataPoint 9 */
};

/* Bytes of one encoded attribute with its tag; 0: to be dropped (no key, no type, or over 1 MiB).
 * `value_max`: longest string value in characters (0: no limit). */
size_t weir_attr_size(const struct weir_attribute *attr, size_t value_max);
/* Writes exactly weir_attr_size bytes and gives the position behind them. */
uint8_t *weir_attr_encode(uint8_t *at, uint8_t tag, const struct weir_attribute *attr,
                          size_t value_max);
/* Appends one; false when it was dropped or did not fit. */
bool weir_attr_add(struct weir_buf *buf, uint8_t tag, const struct weir_attribute *attr,
                   size_t value_max);

/* Walks encoded attributes of any tag. False at the end (or where the bytes are malformed). */
bool weir_attr_next(struct weir_view *rest, struct weir_attr *ret, struct weir_view *ret_raw);

/* The set in its canonical form, for a metric's series: sorted by key, the last of equal keys wins.
 * Appends to buf; false when something did not fit. */
bool weir_attr_add_canonical(struct weir_buf *buf, uint8_t tag, const struct weir_attribute *attrs,
                             size_t count);

/* A 64-bit mask with one bit set that depends on the key: a cheap "seen before?" */
static inline uint64_t weir_attr_key_bit(const char *key, size_t size) {
    uint64_t first = 0, last = 0;
    if (__builtin_expect(size >= 8, 1)) {
        memcpy(&first, key, 8);
        memcpy(&last, key + size - 8, 8);
    } else {
        first = (unsigned char)key[0], last = (unsigned char)key[size - 1];
    }
    return UINT64_C(1) << ((first + last * 3 + size) * UINT64_C(0x9E3779B97F4A7C15) >> 58);
}

enum { WEIR_ATTR_SET_STEP = 32 };
struct weir_attribute_set {
    uint32_t size;   /* of bytes */
    uint32_t count;  /* attributes */
    uint64_t keys;   /* weir_attr_key_bit of all keys */
    uint8_t bytes[]; /* encoded with WEIR_ATTR_TAG_SPAN; padded to whole steps */
};
/* Copies the set's bytes in whole steps: `to` has room for size + WEIR_ATTR_SET_STEP. */
static inline void weir_attr_set_copy(uint8_t *to, const struct weir_attribute_set *set) {
    const uint8_t *from = set->bytes, *end = from + set->size;
    for (; from < end; from += WEIR_ATTR_SET_STEP, to += WEIR_ATTR_SET_STEP)
        memcpy(to, from, WEIR_ATTR_SET_STEP);
}

/* Varint helpers for writers that count first. */
static inline size_t weir_attr_varint_size(uint64_t value) {
    size_t size = 1;
    while (value >= 0x80) value >>= 7, size++;
    return size;
}
static inline uint8_t *weir_attr_varint(uint8_t *at, uint64_t value) {
    while (value >= 0x80) *at++ = (uint8_t)(value | 0x80), value >>= 7;
    *at++ = (uint8_t)value;
    return at;
}
/* Tag, length, bytes mended to UTF-8. */
uint8_t *weir_attr_text(uint8_t *at, uint8_t tag, const char *ptr, size_t len);
static inline size_t weir_attr_text_size(size_t len) {
    return 1 + weir_attr_varint_size(len) + len;
}

#endif
