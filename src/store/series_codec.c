/* SPDX-License-Identifier: Apache-2.0 */
#include "store/series_codec.h"

#include <math.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/crc.h"

enum { ZSTD_LEVEL = 3, EXPONENT_MAX = 9 };

/* Chunk head byte. */
enum { REGULAR = 1, INTEGERS = 2, STALES = 4 };

void weir_series_put_varint(struct weir_buf *out, uint64_t value) {
    char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) bytes[n++] = (char)(value | 0x80);
    bytes[n++] = (char)value;
    weir_buf_add(out, bytes, n);
}

void weir_series_put_zigzag(struct weir_buf *out, int64_t value) {
    weir_series_put_varint(out, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

void weir_series_put_view(struct weir_buf *out, struct weir_view v) {
    weir_series_put_varint(out, v.len);
    weir_buf_add_view(out, v);
}

bool weir_series_get_varint(struct weir_view *rest, uint64_t *ret) {
    uint64_t value = 0;
    for (unsigned shift = 0, i = 0; i < rest->len && shift < 64; i++, shift += 7) {
        uint8_t byte = (uint8_t)rest->ptr[i];
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte & 0x80) continue;
        *rest = weir_view_from(*rest, i + 1);
        *ret = value;
        return true;
    }
    return false;
}

bool weir_series_get_u32(struct weir_view *rest, uint32_t *ret) {
    uint64_t value;
    if (!weir_series_get_varint(rest, &value) || value > UINT32_MAX) return false;
    *ret = (uint32_t)value;
    return true;
}

bool weir_series_get_zigzag(struct weir_view *rest, int64_t *ret) {
    uint64_t value;
    if (!weir_series_get_varint(rest, &value)) return false;
    *ret = (int64_t)(value >> 1 ^ (0 - (value & 1)));
    return true;
}

bool weir_series_get_view(struct weir_view *rest, struct weir_view *ret) {
    uint64_t len;
    if (!weir_series_get_varint(rest, &len) || len > rest->len) return false;
    *ret = weir_view_upto(*rest, len);
    *rest = weir_view_from(*rest, len);
    return true;
}

/* ---- chunks ---- */

static const double powers[EXPONENT_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* value × 10^exponent when that is a whole number which gives the very same double back. */
static bool to_scaled(double value, unsigned exponent, int64_t *ret) {
    double scaled = nearbyint(value * powers[exponent]);
    if (!(fabs(scaled) <= 9007199254740992.0)) return false;
    *ret = (int64_t)scaled;
    return bits_of((double)*ret / powers[exponent]) == bits_of(value);
}

/* The smallest exponent that makes all values whole, stale markers left out; -1 if there is none.
 */
static int find_exponent(const double *values, uint32_t count) {
    unsigned exponent = 0;
    int64_t scaled;
    for (uint32_t i = 0; i < count; i++) {
        if (bits_of(values[i]) == WEIR_SERIES_STALE_BITS) continue;
        while (exponent <= EXPONENT_MAX && !to_scaled(values[i], exponent, &scaled)) exponent++;
        if (exponent > EXPONENT_MAX) return -1;
    }
    for (uint32_t i = 0; i < count; i++) /* a larger exponent may not fit what came before */
        if (bits_of(values[i]) != WEIR_SERIES_STALE_BITS &&
            !to_scaled(values[i], exponent, &scaled))
            return -1;
    return (int)exponent;
}

static void put_integers(struct weir_buf *out, const double *values, uint32_t count, int exponent,
                         uint32_t stales) {
    int64_t before = 0, scaled = 0;
    weir_buf_add_char(out, (char)exponent);
    if (stales) {
        weir_series_put_varint(out, stales);
        for (uint32_t i = 0; i < count; i++)
            if (bits_of(values[i]) == WEIR_SERIES_STALE_BITS) weir_series_put_varint(out, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (bits_of(values[i]) != WEIR_SERIES_STALE_BITS)
            to_scaled(values[i], (unsigned)exponent, &scaled);
        weir_series_put_zigzag(out, scaled - before);
        before = scaled;
    }
}

/* XOR with the value before, byte 7 of all, then byte 6 of all, …: what is alike comes together. */
static void put_planes(struct weir_buf *out, const double *values, uint32_t count) {
    char *planes = weir_buf_reserve(out, (size_t)count * 8);
    uint64_t before = 0;
    if (!planes) return;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bits = bits_of(values[i]), x = bits ^ before;
        for (unsigned b = 0; b < 8; b++) planes[b * count + i] = (char)(x >> (8 * (7 - b)));
        before = bits;
    }
    out->len += (size_t)count * 8;
}

void weir_series_chunk_encode(struct weir_buf *out, const int64_t *times_ms, const double *values,
                              uint32_t count) {
    int64_t step = count > 1 ? times_ms[1] - times_ms[0] : 0;
    bool regular = true;
    uint32_t stales = 0;
    for (uint32_t i = 0; i < count; i++) {
        regular = regular && (i == 0 || times_ms[i] - times_ms[i - 1] == step);
        stales += bits_of(values[i]) == WEIR_SERIES_STALE_BITS;
    }
    int exponent = find_exponent(values, count);
    weir_buf_add_char(out, (char)((regular ? REGULAR : 0) | (exponent >= 0 ? INTEGERS : 0) |
                                  (exponent >= 0 && stales ? STALES : 0)));
    weir_series_put_zigzag(out, times_ms[0]);
    if (count > 1) weir_series_put_zigzag(out, step);
    for (uint32_t i = 2; i < count && !regular; i++) {
        int64_t delta = times_ms[i] - times_ms[i - 1];
        weir_series_put_zigzag(out, delta - step);
        step = delta;
    }
    if (exponent >= 0)
        put_integers(out, values, count, exponent, stales);
    else
        put_planes(out, values, count);
}

static bool get_times(struct weir_view *in, int64_t *times_ms, uint32_t count, bool regular) {
    int64_t step = 0, change;
    if (!weir_series_get_zigzag(in, &times_ms[0])) return false;
    if (count > 1 && !weir_series_get_zigzag(in, &step)) return false;
    for (uint32_t i = 1; i < count; i++) {
        if (i > 1 && !regular) {
            if (!weir_series_get_zigzag(in, &change)) return false;
            step = (int64_t)((uint64_t)step + (uint64_t)change);
        }
        times_ms[i] = (int64_t)((uint64_t)times_ms[i - 1] + (uint64_t)step);
        if (times_ms[i] < times_ms[i - 1]) return false;
    }
    return true;
}

static bool get_integers(struct weir_view *in, double *values, uint32_t count, bool has_stales) {
    uint32_t stales = 0, at[WEIR_SERIES_CHUNK_SAMPLES_MAX];
    if (in->len == 0 || (uint8_t)in->ptr[0] > EXPONENT_MAX) return false;
    double power = powers[(uint8_t)in->ptr[0]];
    *in = weir_view_from(*in, 1);
    if (has_stales && (!weir_series_get_u32(in, &stales) || stales > count)) return false;
    for (uint32_t i = 0; i < stales; i++)
        if (!weir_series_get_u32(in, &at[i]) || at[i] >= count) return false;
    int64_t scaled = 0, delta;
    for (uint32_t i = 0; i < count; i++) {
        if (!weir_series_get_zigzag(in, &delta)) return false;
        scaled = (int64_t)((uint64_t)scaled + (uint64_t)delta);
        values[i] = (double)scaled / power;
    }
    for (uint32_t i = 0; i < stales; i++) values[at[i]] = double_of(WEIR_SERIES_STALE_BITS);
    return true;
}

static bool get_planes(struct weir_view *in, double *values, uint32_t count) {
    uint64_t bits = 0;
    if (in->len < (size_t)count * 8) return false;
    const uint8_t *planes = (const uint8_t *)in->ptr;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t x = 0;
        for (unsigned b = 0; b < 8; b++) x = x << 8 | planes[b * count + i];
        bits ^= x;
        values[i] = double_of(bits);
    }
    return true;
}

int weir_series_chunk_decode(struct weir_view in, int64_t *times_ms, double *values,
                             uint32_t count) {
    if (in.len == 0 || count == 0 || count > WEIR_SERIES_CHUNK_SAMPLES_MAX) return WEIR_ECORRUPT;
    unsigned head = (uint8_t)in.ptr[0];
    in = weir_view_from(in, 1);
    if (head > 7 || !get_times(&in, times_ms, count, head & REGULAR)) return WEIR_ECORRUPT;
    bool ok = head & INTEGERS ? get_integers(&in, values, count, head & STALES)
                              : get_planes(&in, values, count);
    return ok ? 0 : WEIR_ECORRUPT;
}

/* ---- pages ---- */

void weir_series_put_page(struct weir_buf *out, const struct weir_series_page *page) {
    weir_series_put_varint(out, page->offset);
    weir_series_put_varint(out, page->stored_len);
    weir_series_put_varint(out, page->raw_len);
    weir_series_put_varint(out, page->crc);
}

bool weir_series_get_page(struct weir_view *rest, struct weir_series_page *ret) {
    return weir_series_get_varint(rest, &ret->offset) &&
           weir_series_get_u32(rest, &ret->stored_len) &&
           weir_series_get_u32(rest, &ret->raw_len) && weir_series_get_u32(rest, &ret->crc) &&
           ret->raw_len <= WEIR_SERIES_PAGE_RAW_MAX && ret->stored_len <= ret->raw_len;
}

int weir_series_page_write(struct weir_disk *disk, int fd, struct weir_view raw, uint64_t *offset,
                           struct weir_series_page *ret) {
    if (raw.len > WEIR_SERIES_PAGE_RAW_MAX) return WEIR_ETOOBIG;
    size_t bound = ZSTD_compressBound(raw.len);
    char *packed = malloc(bound);
    if (!packed) return WEIR_ENOMEMORY;
    size_t len = ZSTD_compress(packed, bound, raw.ptr, raw.len, ZSTD_LEVEL);
    struct weir_view stored = raw;
    if (!ZSTD_isError(len) && len < raw.len) stored = weir_view(packed, len);
    *ret = (struct weir_series_page){*offset, (uint32_t)stored.len, (uint32_t)raw.len,
                                     weir_crc32c(0, stored.ptr, stored.len)};
    int code = weir_disk_write(disk, fd, stored.ptr, stored.len, *offset);
    if (code == 0) *offset += stored.len;
    free(packed);
    return code;
}

int weir_series_page_read(struct weir_disk *disk, int fd, const struct weir_series_page *page,
                          struct weir_buf *raw, struct weir_query *query) {
    weir_buf_clear(raw);
    bool plain = page->stored_len == page->raw_len;
    char *out = weir_buf_reserve(raw, page->raw_len + 1U);
    char *stored = plain ? out : malloc(page->stored_len + 1U);
    if (!out || !stored) {
        if (!plain) free(stored);
        return WEIR_ENOMEMORY;
    }
    int code = weir_disk_read(disk, fd, stored, page->stored_len, page->offset);
    if (code == 0 && weir_crc32c(0, stored, page->stored_len) != page->crc) code = WEIR_ECORRUPT;
    if (code == 0 && !plain &&
        ZSTD_decompress(out, page->raw_len, stored, page->stored_len) != page->raw_len)
        code = WEIR_ECORRUPT;
    if (!plain) free(stored);
    if (code) return code;
    raw->len = page->raw_len;
    if (query) {
        query->bytes_read += page->stored_len;
        query->bytes_decoded += page->raw_len;
        query->blocks_read++;
    }
    return 0;
}
