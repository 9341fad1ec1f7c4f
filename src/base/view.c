/* SPDX-License-Identifier: Apache-2.0 */
#include "base/view.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/number.h"
#include "base/text.h"

int weir_view_cmp(struct weir_view a, struct weir_view b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool weir_view_eq_nocase(struct weir_view a, struct weir_view b) {
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
    return true;
}

size_t weir_view_find(struct weir_view v, struct weir_view needle) {
    if (needle.len == 0) return 0;
    if (v.len < needle.len) return SIZE_MAX;
    const char *at = memmem(v.ptr, v.len, needle.ptr, needle.len);
    return at ? (size_t)(at - v.ptr) : SIZE_MAX;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct weir_view weir_view_trim(struct weir_view v) {
    while (v.len && is_blank(v.ptr[0])) v.ptr++, v.len--;
    while (v.len && is_blank(v.ptr[v.len - 1])) v.len--;
    return v;
}

struct weir_view weir_view_cut(struct weir_view *rest, char sep) {
    const char *at = rest->len ? memchr(rest->ptr, sep, rest->len) : NULL;
    struct weir_view head = *rest;
    if (!at) {
        *rest = (struct weir_view){NULL, 0};
        return head;
    }
    head.len = (size_t)(at - rest->ptr);
    *rest = weir_view_from(*rest, head.len + 1);
    return head;
}

bool weir_view_to_u64(struct weir_view v, uint64_t *ret) {
    if (v.len == 0 || v.len > 20) return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < v.len; i++) {
        unsigned digit = (unsigned)(v.ptr[i] - '0');
        if (digit > 9) return false;
        if (sum > (UINT64_MAX - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    *ret = sum;
    return true;
}

bool weir_view_to_i64(struct weir_view v, int64_t *ret) {
    bool negative = v.len && v.ptr[0] == '-';
    uint64_t size;
    if (!weir_view_to_u64(negative ? weir_view_from(v, 1) : v, &size)) return false;
    if (size > (uint64_t)INT64_MAX + (negative ? 1U : 0U)) return false;
    *ret = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

bool weir_view_to_f64(struct weir_view v, double *ret) {
    char text[64];
    if (v.len == 0 || v.len >= sizeof text || is_blank(v.ptr[0])) return false;
    memcpy(text, v.ptr, v.len);
    text[v.len] = 0;
    char *end;
    double value = weir_number_strtod(text, &end);
    if (end != text + v.len) return false;
    *ret = value;
    return true;
}

static bool unit_ns(struct weir_view *rest, double *ret) {
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},       {"us", 1e3},      {"\xc2\xb5s", 1e3}, {"ms", 1e6},
                 {"s", 1e9},      {"m", 60e9},      {"h", 3600e9},      {"d", 86400e9},
                 {"w", 604800e9}, {"y", 31536000e9}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct weir_view name = weir_view_str(units[i].name);
        if (!weir_view_starts(*rest, name)) continue;
        *rest = weir_view_from(*rest, name.len);
        *ret = units[i].ns;
        return true;
    }
    return false;
}

bool weir_view_to_duration_ns(struct weir_view v, int64_t *ret) {
    double sum = 0;
    bool negative = v.len && v.ptr[0] == '-';
    if (negative) v = weir_view_from(v, 1);
    if (v.len == 0) return false;
    while (v.len) {
        size_t digits = 0;
        while (digits < v.len &&
               ((v.ptr[digits] >= '0' && v.ptr[digits] <= '9') || v.ptr[digits] == '.'))
            digits++;
        double number, ns;
        if (!weir_view_to_f64(weir_view_upto(v, digits), &number)) return false;
        v = weir_view_from(v, digits);
        if (!unit_ns(&v, &ns)) return false;
        sum += number * ns;
    }
    if (sum > 9.2e18) return false;
    *ret = (int64_t)(negative ? -sum : sum);
    return true;
}

bool weir_view_to_bytes_hex(struct weir_view v, uint8_t *ret, size_t size) {
    if (v.len != 2 * size) return false;
    for (size_t i = 0; i < v.len; i++)
        if (weir_text_hex_digit(v.ptr[i]) < 0) return false;
    for (size_t i = 0; i < size; i++)
        ret[i] = (uint8_t)((unsigned)weir_text_hex_digit(v.ptr[2 * i]) << 4 |
                           (unsigned)weir_text_hex_digit(v.ptr[2 * i + 1]));
    return true;
}

uint64_t weir_view_hash(struct weir_view v) {
    return XXH3_64bits(v.ptr, v.len);
}

/* Length of the UTF-8 sequence at `s` (`left` bytes remain), or 0 when it is ill-formed. */
static size_t utf8_sequence(const uint8_t *s, size_t left) {
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xC2) return 0;
    if (s[0] < 0xE0) return left >= 2 && (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (s[0] < 0xF0) {
        if (left < 3 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80) return 0;
        if (s[0] == 0xE0 && s[1] < 0xA0) return 0;
        return s[0] == 0xED && s[1] > 0x9F ? 0 : 3;
    }
    if (s[0] > 0xF4 || left < 4) return 0;
    if ((s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 || (s[3] & 0xC0) != 0x80) return 0;
    if (s[0] == 0xF0 && s[1] < 0x90) return 0;
    return s[0] == 0xF4 && s[1] > 0x8F ? 0 : 4;
}

bool weir_view_is_utf8(struct weir_view v) {
    const uint8_t *s = (const uint8_t *)v.ptr;
    size_t i = 0;
    while (i < v.len) {
        uint64_t eight;
        if (v.len - i >= 8) {
            memcpy(&eight, s + i, 8);
            if ((eight & 0x8080808080808080U) == 0) {
                i += 8;
                continue;
            }
        }
        size_t step = utf8_sequence(s + i, v.len - i);
        if (step == 0) return false;
        i += step;
    }
    return true;
}

static size_t edit_distance(struct weir_view a, struct weir_view b) {
    size_t row[65];
    if (a.len > 64 || b.len > 64) return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++) row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = corner + (lower(a.ptr[i - 1]) != lower(b.ptr[j - 1]));
            corner = row[j];
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[b.len];
}

const char *weir_view_nearest(struct weir_view name, const char *const *names) {
    const char *nearest = NULL;
    size_t limit = name.len / 3 + 1, best = limit + 1;
    for (; *names; names++) {
        size_t distance = edit_distance(name, weir_view_str(*names));
        if (distance < best) best = distance, nearest = *names;
    }
    return nearest;
}
