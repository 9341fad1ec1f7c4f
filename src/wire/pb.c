/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/pb.h"

enum { NUMBER_MAX = (1 << 29) - 1, VARINT_SIZE_MAX = 10 };

bool weir_pb_varint(struct weir_pb *pb, uint64_t *ret) {
    uint64_t value = 0;
    const uint8_t *at = pb->at;
    for (unsigned i = 0; i < VARINT_SIZE_MAX && at < pb->end; i++) {
        uint8_t byte = *at++;
        if (i == VARINT_SIZE_MAX - 1 && byte > 1) return false; /* would pass 64 bits */
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            pb->at = at;
            *ret = value;
            return true;
        }
    }
    return false;
}

/* One byte is the common case for keys and lengths. */
static inline bool varint_quick(struct weir_pb *pb, uint64_t *ret) {
    if (pb->at < pb->end && *pb->at < 0x80) {
        *ret = *pb->at++;
        return true;
    }
    return weir_pb_varint(pb, ret);
}

static bool fixed(struct weir_pb *pb, size_t size, uint64_t *ret) {
    if ((size_t)(pb->end - pb->at) < size) return false;
    uint64_t value = 0; /* little-endian on the wire */
    for (size_t i = 0; i < size; i++) value |= (uint64_t)pb->at[i] << (8 * i);
    pb->at += size;
    *ret = value;
    return true;
}

static bool content(struct weir_pb *pb, struct weir_pb_field *ret) {
    switch (ret->wire) {
    case WEIR_PB_VARINT: return varint_quick(pb, &ret->value);
    case WEIR_PB_FIXED64: return fixed(pb, 8, &ret->value);
    case WEIR_PB_FIXED32: return fixed(pb, 4, &ret->value);
    case WEIR_PB_BYTES: break;
    default: return false; /* groups (3, 4) and what no version defines (6, 7) */
    }
    uint64_t len;
    if (!varint_quick(pb, &len) || len > (uint64_t)(pb->end - pb->at)) return false;
    ret->bytes = weir_view(pb->at, (size_t)len);
    pb->at += len;
    return true;
}

int weir_pb_next_any(struct weir_pb *pb, struct weir_pb_field *ret) {
    if (pb->at >= pb->end) return 0;
    const uint8_t *start = pb->at;
    uint64_t key;
    if (varint_quick(pb, &key) && key >> 3 >= 1 && key >> 3 <= NUMBER_MAX) {
        ret->number = (uint32_t)(key >> 3);
        ret->wire = (enum weir_pb_wire)(key & 7);
        ret->value = 0;
        ret->bytes = weir_view(NULL, 0);
        if (content(pb, ret)) return 1;
    }
    pb->at = start;
    return -1;
}

static size_t put_varint(uint8_t *to, uint64_t value) {
    size_t len = 0;
    while (value >= 0x80) {
        to[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[len++] = (uint8_t)value;
    return len;
}

void weir_pb_add_varint(struct weir_buf *buf, uint64_t value) {
    uint8_t bytes[VARINT_SIZE_MAX];
    weir_buf_add(buf, bytes, put_varint(bytes, value));
}

static void add_key(struct weir_buf *buf, uint32_t number, enum weir_pb_wire wire) {
    weir_pb_add_varint(buf, (uint64_t)number << 3 | wire);
}

void weir_pb_put_varint(struct weir_buf *buf, uint32_t number, uint64_t value) {
    add_key(buf, number, WEIR_PB_VARINT);
    weir_pb_add_varint(buf, value);
}

void weir_pb_put_sint(struct weir_buf *buf, uint32_t number, int64_t value) {
    weir_pb_put_varint(buf, number, weir_pb_from_sint(value));
}

static void put_fixed(struct weir_buf *buf, uint64_t value, size_t size) {
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * i));
    weir_buf_add(buf, bytes, size);
}

void weir_pb_put_fixed32(struct weir_buf *buf, uint32_t number, uint32_t value) {
    add_key(buf, number, WEIR_PB_FIXED32);
    put_fixed(buf, value, 4);
}

void weir_pb_put_fixed64(struct weir_buf *buf, uint32_t number, uint64_t value) {
    add_key(buf, number, WEIR_PB_FIXED64);
    put_fixed(buf, value, 8);
}

void weir_pb_put_f64(struct weir_buf *buf, uint32_t number, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    weir_pb_put_fixed64(buf, number, bits);
}

void weir_pb_put_bytes(struct weir_buf *buf, uint32_t number, struct weir_view bytes) {
    add_key(buf, number, WEIR_PB_BYTES);
    weir_pb_add_varint(buf, bytes.len);
    weir_buf_add_view(buf, bytes);
}

void weir_pb_put_varint_opt(struct weir_buf *buf, uint32_t number, uint64_t value) {
    if (value) weir_pb_put_varint(buf, number, value);
}

void weir_pb_put_fixed64_opt(struct weir_buf *buf, uint32_t number, uint64_t value) {
    if (value) weir_pb_put_fixed64(buf, number, value);
}

void weir_pb_put_bytes_opt(struct weir_buf *buf, uint32_t number, struct weir_view bytes) {
    if (bytes.len) weir_pb_put_bytes(buf, number, bytes);
}

/* One byte is kept for the length; a content of 128 bytes or more is moved up when it ends. */
size_t weir_pb_begin(struct weir_buf *buf, uint32_t number) {
    add_key(buf, number, WEIR_PB_BYTES);
    weir_buf_add_char(buf, 0);
    return buf->len;
}

void weir_pb_end(struct weir_buf *buf, size_t mark) {
    if (buf->failed) return; /* the mark may be of something that was never added */
    uint8_t length[VARINT_SIZE_MAX];
    size_t content_len = buf->len - mark, more = put_varint(length, content_len) - 1;
    if (more) {
        if (!weir_buf_reserve(buf, more)) return;
        memmove(buf->ptr + mark + more, buf->ptr + mark, content_len);
        buf->len += more;
    }
    memcpy(buf->ptr + mark - 1, length, more + 1);
}
