/* SPDX-License-Identifier: Apache-2.0 */
#include "store/part_format.h"

#include <endian.h>

void weir_part_put_u32(struct weir_buf *out, uint32_t value) {
    value = htole32(value);
    weir_buf_add(out, &value, sizeof value);
}

void weir_part_put_u64(struct weir_buf *out, uint64_t value) {
    value = htole64(value);
    weir_buf_add(out, &value, sizeof value);
}

uint32_t weir_part_get_u32(const char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

uint64_t weir_part_get_u64(const char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

void weir_part_put_column(struct weir_buf *out, const struct weir_part_column *column) {
    weir_part_put_u32(out, (uint32_t)column->number | (uint32_t)column->flags << 8 |
                               (uint32_t)column->types << 16);
    weir_part_put_u32(out, column->key_len);
    weir_part_put_u32(out, column->offset);
    weir_part_put_u32(out, column->stored_len);
    weir_part_put_u32(out, column->raw_len);
    weir_part_put_u32(out, column->crc);
    weir_part_put_u64(out, column->hint);
    weir_part_put_u64(out, (uint64_t)column->min);
    weir_part_put_u64(out, (uint64_t)column->max);
    weir_buf_add_view(out, weir_view(column->key.ptr, column->key_len));
}

bool weir_part_get_column(struct weir_view *rest, uint32_t columns_len,
                          struct weir_part_column *ret) {
    if (rest->len < WEIR_PART_COLUMN_ENTRY_SIZE) return false;
    const char *at = rest->ptr;
    uint32_t word = weir_part_get_u32(at);
    *ret = (struct weir_part_column){
        .number = (uint8_t)word,
        .flags = (uint8_t)(word >> 8),
        .types = (uint16_t)(word >> 16),
        .key_len = (uint16_t)weir_part_get_u32(at + 4),
        .offset = weir_part_get_u32(at + 8),
        .stored_len = weir_part_get_u32(at + 12),
        .raw_len = weir_part_get_u32(at + 16),
        .crc = weir_part_get_u32(at + 20),
        .hint = weir_part_get_u64(at + 24),
        .min = (int64_t)weir_part_get_u64(at + 32),
        .max = (int64_t)weir_part_get_u64(at + 40),
    };
    *rest = weir_view_from(*rest, WEIR_PART_COLUMN_ENTRY_SIZE);
    if (rest->len < ret->key_len) return false;
    ret->key = weir_view_upto(*rest, ret->key_len);
    *rest = weir_view_from(*rest, ret->key_len);
    return ret->raw_len <= WEIR_PART_COLUMN_RAW_MAX && ret->offset <= columns_len &&
           ret->stored_len <= columns_len - ret->offset;
}

void weir_part_put_block_entry(struct weir_buf *out, const struct weir_part_block_entry *entry) {
    weir_part_put_u64(out, entry->offset);
    weir_part_put_u32(out, entry->columns_len);
    weir_part_put_u32(out, entry->directory_len);
    weir_part_put_u32(out, entry->directory_crc);
    weir_part_put_u32(out, entry->rows_count);
    weir_part_put_u64(out, (uint64_t)entry->min_ns);
    weir_part_put_u64(out, (uint64_t)entry->max_ns);
    weir_part_put_u64(out, (uint64_t)entry->min_number);
    weir_part_put_u64(out, (uint64_t)entry->max_number);
}

void weir_part_get_block_entry(const char *at, struct weir_part_block_entry *ret) {
    *ret = (struct weir_part_block_entry){
        .offset = weir_part_get_u64(at),
        .columns_len = weir_part_get_u32(at + 8),
        .directory_len = weir_part_get_u32(at + 12),
        .directory_crc = weir_part_get_u32(at + 16),
        .rows_count = weir_part_get_u32(at + 20),
        .min_ns = (int64_t)weir_part_get_u64(at + 24),
        .max_ns = (int64_t)weir_part_get_u64(at + 32),
        .min_number = (int64_t)weir_part_get_u64(at + 40),
        .max_number = (int64_t)weir_part_get_u64(at + 48),
    };
}

/* ---- bloom ---------------------------------------------------------------------------------- */

enum { BLOOM_PROBES = 5, BLOOM_BITS_PER_ID = 10 };

size_t weir_part_bloom_size(uint32_t ids_count) {
    size_t size = 8;
    while (size * 8 < (size_t)ids_count * BLOOM_BITS_PER_ID) size *= 2;
    return size;
}

void weir_part_bloom_add(uint8_t *bits, size_t size, const uint8_t *id) {
    uint64_t hash = weir_view_hash(weir_view(id, 16)), step = hash >> 32 | 1;
    for (int i = 0; i < BLOOM_PROBES; i++, hash += step)
        bits[(hash >> 3) & (size - 1)] |= (uint8_t)(1u << (hash & 7));
}

bool weir_part_bloom_has(const uint8_t *bits, size_t size, const uint8_t *id) {
    uint64_t hash = weir_view_hash(weir_view(id, 16)), step = hash >> 32 | 1;
    for (int i = 0; i < BLOOM_PROBES; i++, hash += step)
        if (!(bits[(hash >> 3) & (size - 1)] >> (hash & 7) & 1)) return false;
    return true;
}
