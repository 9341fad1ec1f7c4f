/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/attr.h"

#include <stdlib.h>

#include "otlp/value.h"
#include "sdk/attr_short.h"
#include "wire/pb.h"

enum {
    SIZE_MAX_ATTR = 1 << 20, /* bytes of one encoded attribute */
    SORTED_MAX = 128,        /* attributes of one series; more are dropped */
};

/* ── text ────────────────────────────────────────────────────────────────────────────────────── */

/* Length of the UTF-8 sequence that starts here; 0 if it is not one. */
static size_t sequence(const uint8_t *at, size_t len) {
    size_t need = *at < 0x80   ? 1
                  : *at < 0xC2 ? 0
                  : *at < 0xE0 ? 2
                  : *at < 0xF0 ? 3
                  : *at < 0xF5 ? 4
                               : 0;
    return need && need <= len && weir_view_is_utf8(weir_view(at, need)) ? need : 0;
}

static void mend(uint8_t *at, size_t len) {
    while (len) {
        size_t step = sequence(at, len);
        if (!step) *at = '?', step = 1;
        at += step;
        len -= step;
    }
}

static inline uint8_t *text_bytes(uint8_t *at, const char *ptr, size_t len) {
    if (__builtin_expect(!weir_attr_copy_is_ascii(at, ptr, len), 0) &&
        !weir_view_is_utf8(weir_view(ptr, len)))
        mend(at, len);
    return at + len;
}

uint8_t *weir_attr_text(uint8_t *at, uint8_t tag, const char *ptr, size_t len) {
    *at++ = tag;
    return text_bytes(weir_attr_varint(at, len), ptr, len);
}

/* The bytes of the first `chars_max` characters. */
static size_t cut(const char *str, size_t size, size_t chars_max) {
    if (!chars_max || size <= chars_max) return size;
    size_t chars = 0, at = 0;
    for (; at < size; at++)
        if (((unsigned char)str[at] & 0xC0) != 0x80 && chars++ == chars_max) break;
    return at;
}

/* ── one attribute ───────────────────────────────────────────────────────────────────────────── */

/* One element of an array, seen as an attribute of its own. */
static struct weir_attribute element(const struct weir_attribute *attr, size_t index) {
    struct weir_attribute one = {.type = WEIR_ATTRIBUTE_NONE};
    switch (attr->type) {
    case WEIR_ATTRIBUTE_STRINGS: {
        const char *str = attr->value.strs[index] ? attr->value.strs[index] : "";
        one.type = WEIR_ATTRIBUTE_STRING;
        one.size = strlen(str);
        one.value.str = str;
        break;
    }
    case WEIR_ATTRIBUTE_BOOLS:
        one.type = WEIR_ATTRIBUTE_BOOL;
        one.value.boolean = attr->value.bools[index];
        break;
    case WEIR_ATTRIBUTE_INTS:
        one.type = WEIR_ATTRIBUTE_INT;
        one.value.i64 = attr->value.i64s[index];
        break;
    case WEIR_ATTRIBUTE_DOUBLES:
        one.type = WEIR_ATTRIBUTE_DOUBLE;
        one.value.f64 = attr->value.f64s[index];
        break;
    case WEIR_ATTRIBUTE_NONE:
    case WEIR_ATTRIBUTE_STRING:
    case WEIR_ATTRIBUTE_BOOL:
    case WEIR_ATTRIBUTE_INT:
    case WEIR_ATTRIBUTE_DOUBLE:
    case WEIR_ATTRIBUTE_BYTES: break;
    }
    return one;
}

static size_t any_size(const struct weir_attribute *attr, size_t value_max);

static size_t array_size(const struct weir_attribute *attr, size_t value_max) {
    size_t size = 0;
    for (size_t i = 0; i < attr->size && size < SIZE_MAX_ATTR; i++) {
        struct weir_attribute one = element(attr, i);
        size += weir_attr_text_size(any_size(&one, value_max));
    }
    return size;
}

/* Bytes of the AnyValue, without its own tag and length. */
static size_t any_size(const struct weir_attribute *attr, size_t value_max) {
    switch (attr->type) {
    case WEIR_ATTRIBUTE_STRING:
        return weir_attr_text_size(cut(attr->value.str, attr->size, value_max));
    case WEIR_ATTRIBUTE_BYTES: return weir_attr_text_size(attr->size);
    case WEIR_ATTRIBUTE_BOOL: return 2;
    case WEIR_ATTRIBUTE_INT: return 1 + weir_attr_varint_size((uint64_t)attr->value.i64);
    case WEIR_ATTRIBUTE_DOUBLE: return 9;
    case WEIR_ATTRIBUTE_STRINGS:
    case WEIR_ATTRIBUTE_BOOLS:
    case WEIR_ATTRIBUTE_INTS:
    case WEIR_ATTRIBUTE_DOUBLES: return weir_attr_text_size(array_size(attr, value_max));
    case WEIR_ATTRIBUTE_NONE: break;
    }
    return 0;
}

static uint8_t *any_encode(uint8_t *at, const struct weir_attribute *attr, size_t value_max) {
    switch (attr->type) {
    case WEIR_ATTRIBUTE_STRING:
        return weir_attr_text(at, WEIR_ATTR_ANY_STRING, attr->value.str,
                              cut(attr->value.str, attr->size, value_max));
    case WEIR_ATTRIBUTE_BYTES:
        *at++ = WEIR_ATTR_ANY_BYTES;
        at = weir_attr_varint(at, attr->size);
        if (attr->size) memcpy(at, attr->value.str, attr->size);
        return at + attr->size;
    case WEIR_ATTRIBUTE_BOOL:
        *at++ = WEIR_ATTR_ANY_BOOL;
        *at++ = attr->value.boolean;
        return at;
    case WEIR_ATTRIBUTE_INT:
        *at++ = WEIR_ATTR_ANY_INT;
        return weir_attr_varint(at, (uint64_t)attr->value.i64);
    case WEIR_ATTRIBUTE_DOUBLE:
        *at++ = WEIR_ATTR_ANY_DOUBLE;
        memcpy(at, &attr->value.f64, 8);
        return at + 8;
    case WEIR_ATTRIBUTE_STRINGS:
    case WEIR_ATTRIBUTE_BOOLS:
    case WEIR_ATTRIBUTE_INTS:
    case WEIR_ATTRIBUTE_DOUBLES:
        *at++ = WEIR_ATTR_ANY_ARRAY;
        at = weir_attr_varint(at, array_size(attr, value_max));
        for (size_t i = 0; i < attr->size; i++) {
            struct weir_attribute one = element(attr, i);
            *at++ = 0x0A; /* ArrayValue.values */
            at = any_encode(weir_attr_varint(at, any_size(&one, value_max)), &one, value_max);
        }
        return at;
    case WEIR_ATTRIBUTE_NONE: break;
    }
    return at;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "doubles and times are copied as they lie");

/* Whether there is something to encode, its total size aside. */
static inline bool usable(const struct weir_attribute *attr) {
    return attr->key && attr->key_size && attr->key_size <= SIZE_MAX_ATTR &&
           attr->type != WEIR_ATTRIBUTE_NONE && attr->size <= SIZE_MAX_ATTR &&
           (!attr->size || attr->value.str);
}

size_t weir_attr_size(const struct weir_attribute *attr, size_t value_max) {
    if (!usable(attr)) return 0;
    size_t body =
        weir_attr_text_size(attr->key_size) + weir_attr_text_size(any_size(attr, value_max));
    size_t size = weir_attr_text_size(body);
    return size <= SIZE_MAX_ATTR ? size : 0;
}

uint8_t *weir_attr_encode(uint8_t *at, uint8_t tag, const struct weir_attribute *attr,
                          size_t value_max) {
    size_t any = any_size(attr, value_max);
    *at++ = tag;
    at = weir_attr_varint(at, weir_attr_text_size(attr->key_size) + weir_attr_text_size(any));
    at = weir_attr_text(at, 0x0A, attr->key, attr->key_size);
    *at++ = 0x12;
    return any_encode(weir_attr_varint(at, any), attr, value_max);
}

bool weir_attr_add(struct weir_buf *buf, uint8_t tag, const struct weir_attribute *attr,
                   size_t value_max) {
    size_t size = weir_attr_size(attr, value_max);
    char *at = size ? weir_buf_reserve(buf, size) : NULL;
    if (!at) return false;
    weir_attr_encode((uint8_t *)at, tag, attr, value_max);
    buf->len += size;
    return true;
}

bool weir_attr_next(struct weir_view *rest, struct weir_attr *ret, struct weir_view *ret_raw) {
    struct weir_pb pb = weir_pb(*rest);
    struct weir_pb_field field;
    if (weir_pb_next(&pb, &field) <= 0 || field.wire != WEIR_PB_BYTES ||
        !weir_value_decode_attr(field.bytes, ret))
        return false;
    if (ret_raw) *ret_raw = field.bytes;
    *rest = weir_view(pb.at, (size_t)(pb.end - pb.at));
    return true;
}

/* ── sets ────────────────────────────────────────────────────────────────────────────────────── */

static int key_order(const struct weir_attribute *a, const struct weir_attribute *b) {
    return weir_view_cmp(weir_view(a->key, a->key_size), weir_view(b->key, b->key_size));
}

bool weir_attr_add_canonical(struct weir_buf *buf, uint8_t tag, const struct weir_attribute *attrs,
                             size_t count) {
    uint8_t order[SORTED_MAX];
    size_t sorted = 0;
    if (count > SORTED_MAX) count = SORTED_MAX;
    for (size_t i = 0; i < count; i++) {
        if (!usable(&attrs[i])) continue;
        size_t at = sorted;
        int before = -1;
        while (at && (before = key_order(&attrs[order[at - 1]], &attrs[i])) > 0) at--;
        if (at && before == 0) {
            order[at - 1] = (uint8_t)i;
            continue;
        }
        memmove(order + at + 1, order + at, sorted - at);
        order[at] = (uint8_t)i;
        sorted++;
    }
    for (size_t i = 0; i < sorted; i++)
        if (!weir_attr_add(buf, tag, &attrs[order[i]], 0)) return false;
    return !buf->failed;
}

struct weir_attribute_set *weir_attributes_bind(const struct weir_attribute *attrs, size_t count) {
    struct weir_buf buf;
    weir_buf_init(&buf, SIZE_MAX_ATTR);
    bool fits = weir_attr_add_canonical(&buf, WEIR_ATTR_TAG_SPAN, attrs, attrs ? count : 0);
    size_t padded = (buf.len + WEIR_ATTR_SET_STEP - 1) / WEIR_ATTR_SET_STEP * WEIR_ATTR_SET_STEP;
    struct weir_attribute_set *set = fits ? calloc(1, sizeof *set + padded) : NULL;
    if (set) {
        set->size = (uint32_t)buf.len;
        if (buf.len) memcpy(set->bytes, buf.ptr, buf.len);
        struct weir_view rest = weir_buf_view(&buf);
        struct weir_attr attr;
        while (rest.len && weir_attr_next(&rest, &attr, NULL)) {
            set->count++;
            set->keys |= weir_attr_key_bit(attr.key.ptr, attr.key.len);
        }
    }
    weir_buf_done(&buf);
    return set;
}

void weir_attributes_free(struct weir_attribute_set *set) {
    free(set);
}
