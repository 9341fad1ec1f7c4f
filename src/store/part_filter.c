/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows of a block an asker wants: cheap looks first (directory hints, bloom filter), then one
 * predicate's column after the other, then the columns asked for, of the rows that are left. */
#include "store/part_block.h"

/* ---- hints ---------------------------------------------------------------------------------- */

/* A column of values: its types, range and hint bits. */
static bool values_may_hold(const struct weir_predicate *predicate,
                            const struct weir_part_column *column) {
    if (column->types == 0 || (column->types & ~(1u << predicate->value.type))) return true;
    if (predicate->value.type == WEIR_VALUE_INT && predicate->op != WEIR_OP_NE &&
        !weir_predicate_may_hold_range(predicate, column->min, column->max))
        return false;
    if (predicate->op != WEIR_OP_EQ || predicate->value.type == WEIR_VALUE_DOUBLE) return true;
    uint64_t bits = weir_codec_hint_bits(predicate->value);
    return (column->hint & bits) == bits;
}

static bool resource_may_hold(const struct weir_part_block *block,
                              const struct weir_predicate *predicate) {
    const struct weir_part_column *column =
        weir_part_block_find(block, WEIR_PART_RESOURCE, WEIR_VIEW(""));
    if (!column || predicate->op != WEIR_OP_EQ || predicate->value.type != WEIR_VALUE_STRING)
        return true;
    uint64_t bits = weir_codec_hint_bits_attr(predicate->column.key, &predicate->value);
    uint64_t others = weir_codec_hint_bits_attr(predicate->column.key, NULL);
    return (column->hint & bits) == bits || (column->hint & others) == others;
}

static bool attr_may_hold(const struct weir_part_block *block,
                          const struct weir_predicate *predicate) {
    const struct weir_part_column *column =
        weir_part_block_find(block, WEIR_PART_ATTR, predicate->column.key);
    if (column && predicate->op != WEIR_OP_NE && predicate->op != WEIR_OP_MATCH)
        return values_may_hold(predicate, column);
    return column || predicate->op == WEIR_OP_NE || predicate->op == WEIR_OP_MATCH ||
           weir_part_block_find(block, WEIR_PART_REST, WEIR_VIEW(""));
}

static bool plain_may_hold(const struct weir_part_block *block, const struct weir_row_column *plain,
                           const struct weir_predicate *predicate) {
    const struct weir_part_column *column =
        weir_part_block_find(block, plain->number, WEIR_VIEW(""));
    if (!column) return true;
    if (plain->type == WEIR_COLUMN_TYPE_I64)
        return weir_predicate_may_hold_range(predicate, column->min, column->max);
    return plain->type == WEIR_COLUMN_TYPE_BYTES || values_may_hold(predicate, column);
}

static bool may_hold(const struct weir_part_block *block, const struct weir_predicate *predicate) {
    const struct weir_row_column *plain =
        weir_row_column_get(block->part->table, predicate->column.id);
    if (plain) return plain_may_hold(block, plain, predicate);
    if (predicate->column.id == WEIR_COLUMN_RESOURCE_ATTR)
        return resource_may_hold(block, predicate);
    if (predicate->column.id == WEIR_COLUMN_ATTR) return attr_may_hold(block, predicate);
    if (predicate->column.id == WEIR_COLUMN_ANY_ATTR)
        return resource_may_hold(block, predicate) || attr_may_hold(block, predicate);
    return true;
}

/* Reads the bloom filter for `trace_id = …`. */
static int bloom_may_hold(struct weir_part_block *block, const struct weir_predicate *predicate,
                          bool *ret, struct weir_error *reterr) {
    *ret = true;
    if (predicate->column.id != WEIR_COLUMN_TRACE_ID || predicate->op != WEIR_OP_EQ ||
        (predicate->value.type != WEIR_VALUE_BYTES && predicate->value.type != WEIR_VALUE_STRING) ||
        predicate->value.str.len != 16)
        return WEIR_OK;
    const struct weir_part_column *column =
        weir_part_block_find(block, WEIR_PART_BLOOM, WEIR_VIEW(""));
    if (!column) return WEIR_OK;
    struct weir_view bits;
    int rc = weir_part_block_load(block, column, &bits, reterr);
    if (rc != WEIR_OK || bits.len == 0 || (bits.len & (bits.len - 1))) return rc;
    *ret = weir_part_bloom_has((const uint8_t *)bits.ptr, bits.len,
                               (const uint8_t *)predicate->value.str.ptr);
    return WEIR_OK;
}

/* ---- rows ----------------------------------------------------------------------------------- */

struct picked {
    uint32_t *rows;
    uint32_t count;
};

static struct weir_value data_value(const struct weir_column_data *data, uint32_t i) {
    switch (data->type) {
    case WEIR_COLUMN_TYPE_I64: return weir_value_i64(data->i64[i]);
    case WEIR_COLUMN_TYPE_STR: return weir_value_str(data->str[i]);
    case WEIR_COLUMN_TYPE_VALUE: return data->values[i];
    case WEIR_COLUMN_TYPE_BYTES:
        return (struct weir_value){
            .type = WEIR_VALUE_BYTES,
            .str = weir_view(data->bytes + (size_t)i * data->width, data->width)};
    case WEIR_COLUMN_TYPE_ATTRS: break;
    }
    return (struct weir_value){0};
}

/* Asks the predicate once per dictionary entry. NULL: out of memory. */
static bool *judge_dict(struct weir_arena *arena, const struct weir_predicate *predicate,
                        const struct weir_column_data *data) {
    bool *holds = weir_arena_alloc(arena, data->dict_count);
    for (uint32_t i = 0; i < data->dict_count && holds; i++)
        holds[i] = weir_predicate_holds(
            predicate, data->dict_str ? weir_value_str(data->dict_str[i]) : data->dict_values[i]);
    return holds;
}

static int narrow(struct weir_part_block *block, const struct weir_predicate *predicate,
                  struct picked *picked, struct weir_error *reterr) {
    if (predicate->column.id == WEIR_COLUMN_RESOURCE || predicate->column.id == WEIR_COLUMN_ATTRS)
        return WEIR_OK; /* no such comparison */
    struct weir_column_data data;
    int rc = weir_part_block_column(block, &predicate->column, &data, reterr);
    if (rc != WEIR_OK) return rc;
    const bool *holds = NULL;
    if (data.codes && !(holds = judge_dict(&block->reader->arena, predicate, &data)))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read a block");
    uint32_t count = 0;
    for (uint32_t i = 0; i < picked->count; i++) {
        uint32_t row = picked->rows[i];
        if (holds ? holds[data.codes[row]]
                  : weir_predicate_holds(predicate, data_value(&data, row)))
            picked->rows[count++] = row;
    }
    picked->count = count;
    return WEIR_OK;
}

static int pick_times(struct weir_part_block *block, int64_t from_ns, int64_t until_ns,
                      struct picked *picked, struct weir_error *reterr) {
    bool whole = from_ns <= block->entry->min_ns && block->entry->max_ns < until_ns;
    struct weir_column_data times = {0};
    if (!whole) {
        int rc = weir_part_block_column(block, &(struct weir_column){.id = WEIR_COLUMN_TIME_NS},
                                        &times, reterr);
        if (rc != WEIR_OK) return rc;
    }
    for (uint32_t i = 0; i < block->rows_count; i++)
        if (whole || (from_ns <= times.i64[i] && times.i64[i] < until_ns))
            picked->rows[picked->count++] = i;
    return WEIR_OK;
}

int weir_part_block_filter(struct weir_part_block *block, int64_t from_ns, int64_t until_ns,
                           const struct weir_predicate *predicates, uint32_t predicates_count,
                           const uint32_t **ret_rows, uint32_t *ret_count,
                           struct weir_error *reterr) {
    *ret_count = 0;
    for (uint32_t i = 0; i < predicates_count; i++)
        if (!may_hold(block, &predicates[i])) return WEIR_OK;
    for (uint32_t i = 0; i < predicates_count; i++) {
        bool holds;
        int rc = bloom_may_hold(block, &predicates[i], &holds, reterr);
        if (rc != WEIR_OK || !holds) return rc;
    }
    struct picked picked = {0};
    picked.rows = weir_arena_alloc(&block->reader->arena, block->rows_count * sizeof *picked.rows);
    if (!picked.rows) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read a block");
    int rc = pick_times(block, from_ns, until_ns, &picked, reterr);
    for (uint32_t i = 0; i < predicates_count && picked.count && rc == WEIR_OK; i++)
        rc = narrow(block, &predicates[i], &picked, reterr);
    *ret_rows = picked.rows;
    *ret_count = rc == WEIR_OK ? picked.count : 0;
    return rc;
}

/* ---- columns of the picked rows ------------------------------------------------------------- */

static const void *gather(struct weir_arena *arena, const void *from, size_t size,
                          const uint32_t *picked, uint32_t count) {
    if (!from) return NULL;
    char *to = weir_arena_alloc(arena, size * count);
    for (uint32_t i = 0; i < count && to; i++)
        memcpy(to + i * size, (const char *)from + picked[i] * size, size);
    return to;
}

static void gather_column(struct weir_arena *arena, struct weir_column_data *data,
                          const uint32_t *picked, uint32_t count) {
    data->i64 = gather(arena, data->i64, sizeof *data->i64, picked, count);
    data->bytes = gather(arena, data->bytes, data->width, picked, count);
    data->str = gather(arena, data->str, sizeof *data->str, picked, count);
    data->values = gather(arena, data->values, sizeof *data->values, picked, count);
    data->attrs = gather(arena, data->attrs, sizeof *data->attrs, picked, count);
    data->codes = gather(arena, data->codes, sizeof *data->codes, picked, count);
}

int weir_part_block_pick(struct weir_part_block *block, const uint32_t *picked,
                         uint32_t picked_count, const struct weir_column *columns,
                         uint32_t columns_count, struct weir_column_data *ret,
                         struct weir_error *reterr) {
    for (uint32_t i = 0; i < columns_count; i++) {
        int rc;
        if (columns[i].id == WEIR_COLUMN_ATTRS) {
            ret[i] = (struct weir_column_data){.type = WEIR_COLUMN_TYPE_ATTRS};
            rc = weir_part_block_attrs(block, picked, picked_count, &ret[i].attrs, reterr);
        } else {
            rc = weir_part_block_column(block, &columns[i], &ret[i], reterr);
            if (rc == WEIR_OK && picked_count < block->rows_count)
                gather_column(&block->reader->arena, &ret[i], picked, picked_count);
        }
        if (rc != WEIR_OK) return rc;
    }
    if (block->reader->arena.failed)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read a block");
    return WEIR_OK;
}
