/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers on the wire: a cursor to read fields with, and calls that append them.
 *
 *     struct weir_pb pb = weir_pb(bytes);
 *     struct weir_pb_field field;
 *     while ((rc = weir_pb_next(&pb, &field)) > 0)
 *         switch (field.number) { case 1: use(field.bytes); ... }
 *     if (rc < 0) malformed at pb.at;
 *
 * Nothing is allocated, every read is bounds-checked, unknown fields are skipped, groups refused.
 *
 * Threads: owner only. Memory: views into the caller's bytes.
 * Source: protobuf.dev, Encoding.
 */
#ifndef WEIR_WIRE_PB_H
#define WEIR_WIRE_PB_H

#include "base/buf.h"

enum weir_pb_wire {
    WEIR_PB_VARINT = 0,
    WEIR_PB_FIXED64 = 1,
    WEIR_PB_BYTES = 2,
    WEIR_PB_FIXED32 = 5,
};

struct weir_pb {
    const uint8_t *at;  /* next byte */
    const uint8_t *end; /* behind the last byte */
};

struct weir_pb_field {
    uint32_t number;        /* field number, 1 … 2^29-1 */
    enum weir_pb_wire wire; /* how it was encoded */
    uint64_t value;         /* VARINT, FIXED64, FIXED32 */
    struct weir_view bytes; /* BYTES: the content */
};

/* Number and wire type in one value, to switch over: a known number that comes with a foreign wire
 * type is then no case, hence skipped like an unknown field. WEIR_PB_KEY(2, BYTES). */
#define WEIR_PB_KEY(number, wire) ((number) << 3 | WEIR_PB_##wire)
static inline uint32_t weir_pb_key(const struct weir_pb_field *field) {
    return field->number << 3 | field->wire;
}

static inline struct weir_pb weir_pb(struct weir_view bytes) {
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return (struct weir_pb){at, at ? at + bytes.len : at};
}

/* Reads one field: 1, at the end 0, malformed -1 (the cursor then stands at the bad field). Short
 * content under a low number is most of what there is: that is read here, all else in pb.c. */
int weir_pb_next_any(struct weir_pb *pb, struct weir_pb_field *ret);
static inline int weir_pb_next(struct weir_pb *pb, struct weir_pb_field *ret) {
    const uint8_t *at = pb->at;
    ptrdiff_t left = pb->end - at;
    if (left < 2 || at[0] < 8 || (at[0] & 0x87) != WEIR_PB_BYTES || at[1] >= 0x80 ||
        at[1] > left - 2)
        return weir_pb_next_any(pb, ret);
    *ret = (struct weir_pb_field){
        .number = at[0] >> 3, .wire = WEIR_PB_BYTES, .bytes = {(const char *)at + 2, at[1]}};
    pb->at = at + 2 + at[1];
    return 1;
}
/* Reads one bare varint; false at the end or when it is malformed (over 10 bytes). */
bool weir_pb_varint(struct weir_pb *pb, uint64_t *ret);

/* Value conversions; wire types must have been checked. */
static inline double weir_pb_to_f64(uint64_t value) {
    double f64;
    memcpy(&f64, &value, sizeof f64);
    return f64;
}
static inline int64_t weir_pb_to_sint(uint64_t value) { /* zigzag */
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}
static inline uint64_t weir_pb_from_sint(int64_t value) {
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

/* Writers: append one field. `_opt` forms skip proto3 defaults (0, empty). */
void weir_pb_add_varint(struct weir_buf *buf, uint64_t value); /* bare, without a key */
void weir_pb_put_varint(struct weir_buf *buf, uint32_t number, uint64_t value);
void weir_pb_put_sint(struct weir_buf *buf, uint32_t number, int64_t value);
void weir_pb_put_fixed32(struct weir_buf *buf, uint32_t number, uint32_t value);
void weir_pb_put_fixed64(struct weir_buf *buf, uint32_t number, uint64_t value);
void weir_pb_put_f64(struct weir_buf *buf, uint32_t number, double value);
void weir_pb_put_bytes(struct weir_buf *buf, uint32_t number, struct weir_view bytes);
void weir_pb_put_varint_opt(struct weir_buf *buf, uint32_t number, uint64_t value);
void weir_pb_put_fixed64_opt(struct weir_buf *buf, uint32_t number, uint64_t value);
void weir_pb_put_bytes_opt(struct weir_buf *buf, uint32_t number, struct weir_view bytes);

/* A nested message: begin, write its fields, end with the mark. Lengths are minimal varints. */
size_t weir_pb_begin(struct weir_buf *buf, uint32_t number);
void weir_pb_end(struct weir_buf *buf, size_t mark);

#endif
