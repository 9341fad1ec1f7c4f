/* SPDX-License-Identifier: Apache-2.0 */
/* The quick way to encode what nearly all attributes are: a scalar of ASCII whose lengths all fit
 * in one byte and that needs no cutting, written in one pass.
 *
 * Gives the position behind it; NULL: nothing of use was written, take the long way (sdk/attr.h).
 * Both need WEIR_ATTR_SHORT_SIZE bytes of room.
 *
 * Threads: any. Memory: the caller's.
 */
#ifndef WEIR_SDK_ATTR_SHORT_H
#define WEIR_SDK_ATTR_SHORT_H

#include "sdk/attr.h"

enum { WEIR_ATTR_BODY_MAX = 127, WEIR_ATTR_SHORT_SIZE = 2 + WEIR_ATTR_BODY_MAX };

enum { /* tags of AnyValue */
       WEIR_ATTR_ANY_STRING = 0x0A,
       WEIR_ATTR_ANY_BOOL = 0x10,
       WEIR_ATTR_ANY_INT = 0x18,
       WEIR_ATTR_ANY_DOUBLE = 0x21,
       WEIR_ATTR_ANY_ARRAY = 0x2A,
       WEIR_ATTR_ANY_BYTES = 0x3A
};

typedef uint64_t weir_attr_pair __attribute__((vector_size(16)));

static inline weir_attr_pair weir_attr_copy_pair(uint8_t *to, const char *from) {
    weir_attr_pair words;
    memcpy(&words, from, sizeof words);
    memcpy(to, &words, sizeof words);
    return words;
}

static inline uint64_t weir_attr_copy_word(uint8_t *to, const char *from) {
    uint64_t word;
    memcpy(&word, from, sizeof word);
    memcpy(to, &word, sizeof word);
    return word;
}

static inline uint64_t weir_attr_copy_half(uint8_t *to, const char *from) {
    uint32_t half;
    memcpy(&half, from, sizeof half);
    memcpy(to, &half, sizeof half);
    return half;
}

/* Copies, and tells whether every byte was ASCII. The last words overlap: no loop over single
 * bytes. */
static inline bool weir_attr_copy_is_ascii(uint8_t *to, const char *from, size_t len) {
    uint64_t all = 0;
    if (len >= 16) {
        weir_attr_pair words = weir_attr_copy_pair(to + len - 16, from + len - 16);
        for (size_t i = 0; i + 16 < len; i += 16) words |= weir_attr_copy_pair(to + i, from + i);
        all = words[0] | words[1];
    } else if (len >= 8) {
        all = weir_attr_copy_word(to, from) | weir_attr_copy_word(to + len - 8, from + len - 8);
    } else if (len >= 4) {
        all = weir_attr_copy_half(to, from) | weir_attr_copy_half(to + len - 4, from + len - 4);
    } else {
        for (size_t i = 0; i < len; i++) all |= to[i] = (uint8_t)from[i];
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

/* Tag, length, text. */
static inline uint8_t *weir_attr_text_short(uint8_t *at, uint8_t tag, const char *ptr, size_t len) {
    if (len > WEIR_ATTR_BODY_MAX || !weir_attr_copy_is_ascii(at + 2, ptr, len)) return NULL;
    at[0] = tag;
    at[1] = (uint8_t)len;
    return at + 2 + len;
}

/* Behind the AnyValue, which begins at `at`. */
static inline uint8_t *weir_attr_value_short(uint8_t *at, const struct weir_attribute *attr,
                                             size_t room, size_t value_max) {
    size_t size = attr->size;
    switch (attr->type) {
    case WEIR_ATTRIBUTE_STRING:
        if (size + 2 > room || (value_max && size > value_max) || !attr->value.str) return NULL;
        return weir_attr_text_short(at, WEIR_ATTR_ANY_STRING, attr->value.str, size);
    case WEIR_ATTRIBUTE_INT:
        at[0] = WEIR_ATTR_ANY_INT;
        return weir_attr_varint(at + 1, (uint64_t)attr->value.i64);
    case WEIR_ATTRIBUTE_DOUBLE:
        at[0] = WEIR_ATTR_ANY_DOUBLE;
        memcpy(at + 1, &attr->value.f64, 8);
        return at + 9;
    case WEIR_ATTRIBUTE_BOOL:
        at[0] = WEIR_ATTR_ANY_BOOL;
        at[1] = attr->value.boolean;
        return at + 2;
    case WEIR_ATTRIBUTE_NONE:
    case WEIR_ATTRIBUTE_BYTES:
    case WEIR_ATTRIBUTE_STRINGS:
    case WEIR_ATTRIBUTE_BOOLS:
    case WEIR_ATTRIBUTE_INTS:
    case WEIR_ATTRIBUTE_DOUBLES: break;
    }
    return NULL;
}

/* The attribute, which has a key. */
static inline uint8_t *weir_attr_encode_short(uint8_t *at, uint8_t tag,
                                              const struct weir_attribute *attr, size_t value_max) {
    enum { NUMBER_MAX = 11, KEY_MAX = WEIR_ATTR_BODY_MAX - NUMBER_MAX - 4 };
    size_t key_size = attr->key_size;
    if (key_size > KEY_MAX || !weir_attr_copy_is_ascii(at + 4, attr->key, key_size)) return NULL;
    uint8_t *value = at + 4 + key_size + 2;
    uint8_t *end = weir_attr_value_short(value, attr, WEIR_ATTR_BODY_MAX - 4 - key_size, value_max);
    if (!end) return NULL;
    at[0] = tag;
    at[1] = (uint8_t)(end - at - 2);
    at[2] = 0x0A;
    at[3] = (uint8_t)key_size;
    value[-2] = 0x12;
    value[-1] = (uint8_t)(end - value);
    return end;
}

#endif
