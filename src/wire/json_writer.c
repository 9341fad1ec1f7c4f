/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static void separate(struct weir_json_writer *w) {
    if (w->comma) weir_buf_add_char(w->buf, ',');
    w->comma = true;
}

static void begin(struct weir_json_writer *w, char bracket) {
    separate(w);
    weir_buf_add_char(w->buf, bracket);
    w->comma = false;
}

static void end(struct weir_json_writer *w, char bracket) {
    weir_buf_add_char(w->buf, bracket);
    w->comma = true;
}

void weir_json_begin_object(struct weir_json_writer *w) {
    begin(w, '{');
}

void weir_json_end_object(struct weir_json_writer *w) {
    end(w, '}');
}

void weir_json_begin_array(struct weir_json_writer *w) {
    begin(w, '[');
}

void weir_json_end_array(struct weir_json_writer *w) {
    end(w, ']');
}

/* ---- strings --------------------------------------------------------------------------------- */

/* How many bytes from the start need no escape and are no part of a rune. */
static size_t plain_ascii(struct weir_view v) {
    size_t at = 0;
    uint64_t word;
    while (v.len - at >= 8) {
        memcpy(&word, v.ptr + at, 8);
        uint64_t quote = word ^ ONES * '"', slash = word ^ ONES * '\\';
        uint64_t stops = ((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
                         ((word - ONES * 0x20) & ~word) | word;
        if (stops & HIGHS) break;
        at += 8;
    }
    while (at < v.len && (uint8_t)v.ptr[at] >= 0x20 && (uint8_t)v.ptr[at] < 0x80 &&
           v.ptr[at] != '"' && v.ptr[at] != '\\')
        at++;
    return at;
}

/* The rune at the start of `v`: added as it is, or U+FFFD for one byte that starts none. */
static size_t add_rune(struct weir_buf *buf, struct weir_view v) {
    uint8_t lead = (uint8_t)v.ptr[0];
    size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (len <= v.len && weir_view_is_utf8(weir_view_upto(v, len))) {
        weir_buf_add(buf, v.ptr, len);
        return len;
    }
    weir_buf_add_str(buf, "\xEF\xBF\xBD");
    return 1;
}

static void add_escape(struct weir_buf *buf, char c) {
    switch (c) {
    case '"': weir_buf_add(buf, "\\\"", 2); return;
    case '\\': weir_buf_add(buf, "\\\\", 2); return;
    case '\n': weir_buf_add(buf, "\\n", 2); return;
    case '\r': weir_buf_add(buf, "\\r", 2); return;
    case '\t': weir_buf_add(buf, "\\t", 2); return;
    default: weir_buf_add(buf, "\\u00", 4); weir_buf_add_hex(buf, &c, 1);
    }
}

static void add_quoted(struct weir_buf *buf, struct weir_view v) {
    weir_buf_add_char(buf, '"');
    for (;;) {
        size_t plain = plain_ascii(v);
        weir_buf_add(buf, v.ptr, plain);
        v = weir_view_from(v, plain);
        if (v.len == 0) break;
        size_t used = 1;
        if ((uint8_t)v.ptr[0] >= 0x80)
            used = add_rune(buf, v);
        else
            add_escape(buf, v.ptr[0]);
        v = weir_view_from(v, used);
    }
    weir_buf_add_char(buf, '"');
}

void weir_json_key_view(struct weir_json_writer *w, struct weir_view key) {
    separate(w);
    add_quoted(w->buf, key);
    weir_buf_add_char(w->buf, ':');
    w->comma = false;
}

void weir_json_key(struct weir_json_writer *w, const char *key) {
    weir_json_key_view(w, weir_view_str(key));
}

void weir_json_add_str(struct weir_json_writer *w, struct weir_view str) {
    separate(w);
    add_quoted(w->buf, str);
}

void weir_json_add_cstr(struct weir_json_writer *w, const char *str) {
    weir_json_add_str(w, weir_view_str(str));
}

void weir_json_add_raw(struct weir_json_writer *w, struct weir_view json) {
    separate(w);
    weir_buf_add_view(w->buf, json);
}

void weir_json_add_hex(struct weir_json_writer *w, const void *ptr, size_t len) {
    separate(w);
    weir_buf_add_char(w->buf, '"');
    weir_buf_add_hex(w->buf, ptr, len);
    weir_buf_add_char(w->buf, '"');
}

void weir_json_add_base64(struct weir_json_writer *w, struct weir_view bytes) {
    separate(w);
    weir_buf_add_char(w->buf, '"');
    weir_text_base64_add_padded(w->buf, bytes);
    weir_buf_add_char(w->buf, '"');
}

/* ---- scalars --------------------------------------------------------------------------------- */

void weir_json_add_i64(struct weir_json_writer *w, int64_t value) {
    separate(w);
    weir_buf_add_i64(w->buf, value);
}

void weir_json_add_u64(struct weir_json_writer *w, uint64_t value) {
    separate(w);
    weir_buf_add_u64(w->buf, value);
}

void weir_json_add_i64_str(struct weir_json_writer *w, int64_t value) {
    separate(w);
    weir_buf_add_char(w->buf, '"');
    weir_buf_add_i64(w->buf, value);
    weir_buf_add_char(w->buf, '"');
}

void weir_json_add_u64_str(struct weir_json_writer *w, uint64_t value) {
    separate(w);
    weir_buf_add_char(w->buf, '"');
    weir_buf_add_u64(w->buf, value);
    weir_buf_add_char(w->buf, '"');
}

void weir_json_add_bool(struct weir_json_writer *w, bool value) {
    weir_json_add_raw(w, value ? WEIR_VIEW("true") : WEIR_VIEW("false"));
}

void weir_json_add_null(struct weir_json_writer *w) {
    weir_json_add_raw(w, WEIR_VIEW("null"));
}

void weir_json_add_f64(struct weir_json_writer *w, double value) {
    if (isnan(value)) {
        weir_json_add_cstr(w, "NaN");
    } else if (isinf(value)) {
        weir_json_add_cstr(w, value < 0 ? "-Infinity" : "Infinity");
    } else {
        separate(w);
        weir_json_format_f64(w->buf, value);
    }
}

/* ---- shortest decimals ----------------------------------------------------------------------- */

/* A decimal: 0.d1d2d3… × 10^point. */
struct decimal {
    char digits[24];
    int count, point;
};

/* Most values have few decimal places: value = whole / 10^places with whole < 2^53. The quotient of
 * two exact doubles is correctly rounded, hence equality proves that the digits read back, and the
 * smallest `places` that passes gives the fewest digits. */
static bool few_places(double value, struct decimal *ret) {
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    if (value >= 1e15 || value < 1e-5) return false;
    for (int places = 0; places < 10; places++) {
        double whole = rint(value * powers[places]);
        if (whole >= 9007199254740992.0) return false;
        if (whole / powers[places] != value) continue;
        ret->count = snprintf(ret->digits, sizeof ret->digits, "%llu", (unsigned long long)whole);
        ret->point = ret->count - places;
        while (ret->count > 1 && ret->digits[ret->count - 1] == '0') ret->count--;
        return true;
    }
    return false;
}

/* The fewest significant digits that strtod reads back as the same value (positive and finite). */
static void shortest(double value, struct decimal *ret) {
    if (few_places(value, ret)) return;
    char text[40];
    /* 15 digits always tell two normal numbers apart that were written with so many. */
    for (int precision = value < DBL_MIN ? 0 : 14; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (precision == 16 || strtod(text, NULL) == value) break;
    }
    const char *exponent = strchr(text, 'e');
    ret->point = (int)strtol(exponent + 1, NULL, 10) + 1;
    ret->count = 0;
    for (const char *c = text; c < exponent; c++) /* skips the point, whatever the locale's is */
        if (*c >= '0' && *c <= '9') ret->digits[ret->count++] = *c;
    while (ret->count > 1 && ret->digits[ret->count - 1] == '0') ret->count--;
}

static void add_zeros(struct weir_buf *buf, int count) {
    for (; count > 0; count--) weir_buf_add_char(buf, '0');
}

static void add_plain(struct weir_buf *buf, const struct decimal *d) {
    int whole = d->point < 0 ? 0 : d->point < d->count ? d->point : d->count;
    if (whole)
        weir_buf_add(buf, d->digits, (size_t)whole);
    else
        weir_buf_add_char(buf, '0');
    add_zeros(buf, d->point - d->count);
    if (whole == d->count) return;
    weir_buf_add_char(buf, '.');
    add_zeros(buf, -d->point);
    weir_buf_add(buf, d->digits + whole, (size_t)(d->count - whole));
}

static void add_scientific(struct weir_buf *buf, const struct decimal *d) {
    int exponent = d->point - 1;
    weir_buf_add_char(buf, d->digits[0]);
    if (d->count > 1) {
        weir_buf_add_char(buf, '.');
        weir_buf_add(buf, d->digits + 1, (size_t)d->count - 1);
    }
    weir_buf_add_str(buf, exponent < 0 ? "e-" : "e+");
    int size = abs(exponent);
    if (size < 10) weir_buf_add_char(buf, '0');
    weir_buf_add_u64(buf, (uint64_t)size);
}

void weir_json_format_f64(struct weir_buf *buf, double value) {
    if (isnan(value)) {
        weir_buf_add_str(buf, "NaN");
        return;
    }
    if (isinf(value)) {
        weir_buf_add_str(buf, value < 0 ? "-Inf" : "+Inf");
        return;
    }
    if (signbit(value)) weir_buf_add_char(buf, '-');
    double size = fabs(value);
    if (size == 0) {
        weir_buf_add_char(buf, '0');
        return;
    }
    struct decimal decimal = {.count = 0};
    shortest(size, &decimal);
    /* Prometheus' own bounds between plain and scientific notation. */
    if (size < 1e-6 || size >= 1e21)
        add_scientific(buf, &decimal);
    else
        add_plain(buf, &decimal);
}
