/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a part file of rows, as docs/formats/part.md draws them. All numbers are
 * little-endian.
 *
 *     header │ block 0: column … column bloom directory │ block 1 … │ meta │ trailer
 *
 * Threads: constants and pure functions.
 */
#ifndef WEIR_STORE_PART_FORMAT_H
#define WEIR_STORE_PART_FORMAT_H

#include "base/buf.h"
#include "query/source.h"

enum {
    WEIR_PART_VERSION = 1,
    WEIR_PART_HEADER_SIZE = 16,
    WEIR_PART_TRAILER_SIZE = 32,
    WEIR_PART_BLOCK_ENTRY_SIZE = 56,
    WEIR_PART_COLUMN_ENTRY_SIZE = 48,   /* without the key behind it */
    WEIR_PART_NAMES_MAX = 4096,         /* attribute names that one part remembers */
    WEIR_PART_KEY_COLUMNS_MAX = 256,    /* attributes of a block that get a column of their own */
    WEIR_PART_COLUMN_RAW_MAX = 1 << 30, /* sanity: one column of one block, decoded */
    WEIR_PART_META_MAX = 64 << 20,
};

#define WEIR_PART_MAGIC "WEIRPART"

/* Column numbers on disk beyond the plain ones (weir_row_columns). */
enum weir_part_number {
    WEIR_PART_RESOURCE = 32, /* dictionary of encoded attributes */
    WEIR_PART_ATTR = 33,     /* one attribute of the record, named by the key */
    WEIR_PART_REST = 34,     /* encoded attributes that got no column */
    WEIR_PART_BLOOM = 35,    /* trace ids */
};

enum weir_part_column_flag { WEIR_PART_ZSTD = 1 };

/* One column of one block, as its directory tells. */
struct weir_part_column {
    uint8_t number, flags;
    uint16_t types; /* bit per enum weir_value_type */
    uint16_t key_len;
    uint32_t offset; /* from the block's start */
    uint32_t stored_len, raw_len;
    uint32_t crc;  /* of the stored bytes */
    uint64_t hint; /* see struct weir_codec_hint */
    int64_t min, max;
    struct weir_view key;
};

/* One block, as the part's meta tells. */
struct weir_part_block_entry {
    uint64_t offset;      /* in the file */
    uint32_t columns_len; /* the directory lies behind so many bytes */
    uint32_t directory_len, directory_crc;
    uint32_t rows_count;
    int64_t min_ns, max_ns;         /* times */
    int64_t min_number, max_number; /* durations (spans); observed times (logs) */
};

/* Appending to, and reading from, little-endian bytes. */
void weir_part_put_u32(struct weir_buf *out, uint32_t value);
void weir_part_put_u64(struct weir_buf *out, uint64_t value);
uint32_t weir_part_get_u32(const char *at);
uint64_t weir_part_get_u64(const char *at);

void weir_part_put_column(struct weir_buf *out, const struct weir_part_column *column);
/* Reads one entry and its key, moves *rest behind it; false when it is cut or out of its block. */
bool weir_part_get_column(struct weir_view *rest, uint32_t columns_len,
                          struct weir_part_column *ret);
void weir_part_put_block_entry(struct weir_buf *out, const struct weir_part_block_entry *entry);
void weir_part_get_block_entry(const char *at, struct weir_part_block_entry *ret);

/* Bloom filter over 16-byte ids: ten bits an id, five probes. `bits` is of a power of two bytes. */
size_t weir_part_bloom_size(uint32_t ids_count);
void weir_part_bloom_add(uint8_t *bits, size_t size, const uint8_t *id);
bool weir_part_bloom_has(const uint8_t *bits, size_t size, const uint8_t *id);

#endif
