/* SPDX-License-Identifier: Apache-2.0 */
/* One block of a part under the eyes of a reader: columns are read, checked and decoded when first
 * asked for, and kept until the block is left.
 *
 * Threads: owner only. Memory: all in the reader's arena, which the reader resets per block.
 */
#ifndef WEIR_STORE_PART_BLOCK_H
#define WEIR_STORE_PART_BLOCK_H

#include "store/codec.h"
#include "store/part.h"
#include "store/row.h"

/* What lives from block to block. */
struct weir_part_reader {
    struct weir_arena arena;
    void *zstd;               /* ZSTD_DCtx */
    struct weir_query *query; /* costs are added here; NULL = not counted */
};

struct weir_part_block_cache;

struct weir_part_block {
    struct weir_part_reader *reader;
    struct weir_part *part; /* borrowed */
    const struct weir_part_block_entry *entry;
    struct weir_part_column *columns;
    struct weir_part_block_cache *cache; /* per column */
    uint32_t columns_count;
    uint32_t rows_count;
};

/* `memory_max`: bytes the arena may hold; 0 = none. */
int weir_part_reader_init(struct weir_part_reader *reader, struct weir_query *query,
                          size_t memory_max, struct weir_error *reterr);
void weir_part_reader_done(struct weir_part_reader *reader);

/* Forgets the block before and reads the directory of block `index`. */
int weir_part_block_init(struct weir_part_block *block, struct weir_part_reader *reader,
                         struct weir_part *part, uint32_t index, struct weir_error *reterr);

/* The directory's entry, or NULL. `key`: of WEIR_PART_ATTR, else empty. */
const struct weir_part_column *weir_part_block_find(const struct weir_part_block *block,
                                                    unsigned number, struct weir_view key);

/* The column's bytes, checked and decompressed. */
int weir_part_block_load(struct weir_part_block *block, const struct weir_part_column *column,
                         struct weir_view *ret, struct weir_error *reterr);

/* All rows of a column, with its dictionary where it has one. ATTRS: for `picked` rows only (NULL =
 * all rows), `picked_count` of them. */
int weir_part_block_column(struct weir_part_block *block, const struct weir_column *column,
                           struct weir_column_data *ret, struct weir_error *reterr);
int weir_part_block_attrs(struct weir_part_block *block, const uint32_t *picked,
                          uint32_t picked_count, const struct weir_attrs **ret,
                          struct weir_error *reterr);
/* The distinct values of a column (a superset), without decoding its rows. */
int weir_part_block_distinct(struct weir_part_block *block, const struct weir_column *column,
                             const struct weir_value **ret, uint32_t *ret_count,
                             struct weir_error *reterr);

/* Which rows satisfy time range and predicates: gives their numbers, ascending, in the reader's
 * arena. `*ret_count` 0: nothing here (mostly found without reading columns). */
int weir_part_block_filter(struct weir_part_block *block, int64_t from_ns, int64_t until_ns,
                           const struct weir_predicate *predicates, uint32_t predicates_count,
                           const uint32_t **ret_rows, uint32_t *ret_count,
                           struct weir_error *reterr);
/* The columns asked for, of the picked rows. */
int weir_part_block_pick(struct weir_part_block *block, const uint32_t *picked,
                         uint32_t picked_count, const struct weir_column *columns,
                         uint32_t columns_count, struct weir_column_data *ret,
                         struct weir_error *reterr);
/* Every row, whole. */
int weir_part_block_rows(struct weir_part_block *block, const struct weir_row **ret,
                         struct weir_error *reterr);

#endif
