/* SPDX-License-Identifier: Apache-2.0 */
/* How one column of one block becomes bytes, before compression, and back.
 *
 *     i64      constant | deltas | offsets from the minimum, as varints
 *     ids      all zero | raw | dictionary and codes
 *     values   [which rows] then dictionary and codes | plain list; strings are values, too
 *     attrs    a list of key and value (a resource, or attributes too rare for a column)
 *
 * docs/formats/part.md draws the bytes. Decoders trust nothing: WEIR_ECORRUPT instead of a read
 * past the end.
 *
 * Threads: owner only. Memory: decoded strings borrow from the input, arrays lie in the arena.
 */
#ifndef WEIR_STORE_CODEC_H
#define WEIR_STORE_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "query/source.h"

enum { WEIR_CODEC_SLOTS = 4 * WEIR_BLOCK_ROWS_MAX };

/* The encoder's dictionary under construction; big, so it is kept from column to column. */
struct weir_codec_scratch {
    uint16_t slots[WEIR_CODEC_SLOTS];      /* entry + 1 */
    uint32_t entries[WEIR_BLOCK_ROWS_MAX]; /* the cell that brought the entry */
    uint32_t hashes[WEIR_BLOCK_ROWS_MAX];
    uint16_t codes[WEIR_BLOCK_ROWS_MAX];
};

/* One present value; cells come by ascending row. */
struct weir_codec_cell {
    uint32_t row;
    struct weir_value value;
};

/* What a filter may know of a column without reading it. */
struct weir_codec_hint {
    uint64_t bits;    /* two bits for each distinct value; all ones = anything may be inside */
    uint32_t types;   /* bit per enum weir_value_type of the present values */
    int64_t min, max; /* of the integers; min > max when there is none */
};

/* What a value sets in hint.bits. */
uint64_t weir_codec_hint_bits(struct weir_value value);
/* The same for a resource's attribute; `any` stands for values that are no strings. */
uint64_t weir_codec_hint_bits_attr(struct weir_view key, const struct weir_value *value);

void weir_codec_encode_i64(struct weir_buf *out, const int64_t *values, uint32_t count,
                           bool ascending, struct weir_codec_hint *ret_hint);
int weir_codec_decode_i64(struct weir_view in, uint32_t count, struct weir_arena *arena,
                          const int64_t **ret);

/* `width`: 8 or 16. */
void weir_codec_encode_ids(struct weir_buf *out, const uint8_t *ids, uint32_t width, uint32_t count,
                           struct weir_codec_scratch *scratch);
int weir_codec_decode_ids(struct weir_view in, uint32_t width, uint32_t count,
                          struct weir_arena *arena, const uint8_t **ret);

struct weir_codec_values {
    const struct weir_value *values; /* per row, NONE where absent; NULL with a dictionary */
    const uint32_t *codes;           /* per row; NULL without a dictionary */
    const struct weir_value *dict;   /* where rows lack the value, the last entry is NONE */
    uint32_t dict_count;
};

/* `dict_always`: a dictionary even when every value differs. */
void weir_codec_encode_values(struct weir_buf *out, const struct weir_codec_cell *cells,
                              uint32_t cells_count, uint32_t rows_count, bool dict_always,
                              struct weir_codec_scratch *scratch, struct weir_codec_hint *ret_hint);
int weir_codec_decode_values(struct weir_view in, uint32_t rows_count, struct weir_arena *arena,
                             struct weir_codec_values *ret);
/* The distinct values only (a superset: plain columns give all). */
int weir_codec_decode_distinct(struct weir_view in, uint32_t rows_count, struct weir_arena *arena,
                               const struct weir_value **ret, uint32_t *ret_count);

void weir_codec_encode_attrs(struct weir_buf *out, struct weir_attrs attrs);
int weir_codec_decode_attrs(struct weir_view in, struct weir_arena *arena, struct weir_attrs *ret);

#endif
