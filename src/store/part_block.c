/* SPDX-License-Identifier: Apache-2.0 */
#include "store/part_block.h"

#include <zstd.h>

#include "base/crc.h"
#include "base/metric.h"

WEIR_COUNTER(corrupt_blocks, "weir_store_corrupt_total", "Damaged pieces found on disk.",
             "piece=\"block\"");

/* What was decoded of a column already. */
struct weir_part_block_cache {
    struct weir_view raw; /* decompressed bytes */
    const int64_t *i64;
    const uint8_t *ids;
    const struct weir_codec_values *values;
    const struct weir_attrs *attrs; /* RESOURCE: per dictionary entry; REST: per row */
};

/* ---- reader and directory ------------------------------------------------------------------- */

int weir_part_reader_init(struct weir_part_reader *reader, struct weir_query *query,
                          size_t memory_max, struct weir_error *reterr) {
    *reader = (struct weir_part_reader){.query = query, .zstd = ZSTD_createDCtx()};
    weir_arena_init(&reader->arena, memory_max);
    if (reader->zstd) return WEIR_OK;
    return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read a part");
}

void weir_part_reader_done(struct weir_part_reader *reader) {
    ZSTD_freeDCtx(reader->zstd);
    weir_arena_done(&reader->arena);
}

static int no_memory(const struct weir_part_block *block, struct weir_error *reterr) {
    weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to read a block of %s", block->part->path);
    return WEIR_ENOMEMORY;
}

static void say_what_failed(const struct weir_part_block *block, int rc, const char *what,
                            struct weir_error *reterr) {
    if (rc == WEIR_ENOMEMORY) {
        no_memory(block, reterr);
    } else if (rc != WEIR_ECORRUPT) {
        weir_error_set(reterr, rc, "cannot read %s: %s", block->part->path, weir_error_text(rc));
    } else {
        weir_metric_add(&corrupt_blocks, 1);
        atomic_store_explicit(&block->part->damaged, true, memory_order_relaxed);
        weir_error_set(
            reterr, rc,
            "%s: damaged %s in the block at byte %llu; restore the file from a backup, or "
            "stop the server and move the file away to give up its rows",
            block->part->path, what, (unsigned long long)block->entry->offset);
    }
}

/* Puts `rc` into words and gives it back. */
static int failed(const struct weir_part_block *block, int rc, const char *what,
                  struct weir_error *reterr) {
    say_what_failed(block, rc, what, reterr);
    return rc;
}

/* Reads bytes of the file and checks them. */
static int read_checked(struct weir_part_block *block, uint64_t offset, uint32_t len, uint32_t crc,
                        const char *what, const char **ret, struct weir_error *reterr) {
    struct weir_part_reader *reader = block->reader;
    char *bytes = weir_arena_alloc(&reader->arena, len);
    if (!bytes) return no_memory(block, reterr);
    int rc = weir_disk_read(block->part->disk, block->part->fd, bytes, len, offset);
    if (rc == WEIR_OK && weir_crc32c(0, bytes, len) != crc) rc = WEIR_ECORRUPT;
    if (rc != WEIR_OK) return failed(block, rc, what, reterr);
    if (reader->query) reader->query->bytes_read += len;
    *ret = bytes;
    return WEIR_OK;
}

static int parse_directory(struct weir_part_block *block, struct weir_view directory,
                           struct weir_error *reterr) {
    struct weir_arena *arena = &block->reader->arena;
    size_t room = directory.len / WEIR_PART_COLUMN_ENTRY_SIZE;
    block->columns = WEIR_NEW_ARRAY(arena, struct weir_part_column, room);
    block->cache = WEIR_NEW_ARRAY(arena, struct weir_part_block_cache, room);
    if (!block->columns || !block->cache) return no_memory(block, reterr);
    while (directory.len) {
        struct weir_part_column *column = &block->columns[block->columns_count];
        if (!weir_part_get_column(&directory, block->entry->columns_len, column))
            return failed(block, WEIR_ECORRUPT, "directory", reterr);
        block->columns_count++;
    }
    return WEIR_OK;
}

int weir_part_block_init(struct weir_part_block *block, struct weir_part_reader *reader,
                         struct weir_part *part, uint32_t index, struct weir_error *reterr) {
    const struct weir_part_block_entry *entry = &part->blocks[index];
    *block = (struct weir_part_block){
        .reader = reader, .part = part, .entry = entry, .rows_count = entry->rows_count};
    weir_arena_reset(&reader->arena);
    const char *bytes;
    int rc = read_checked(block, entry->offset + entry->columns_len, entry->directory_len,
                          entry->directory_crc, "directory", &bytes, reterr);
    return rc == WEIR_OK ? parse_directory(block, weir_view(bytes, entry->directory_len), reterr)
                         : rc;
}

const struct weir_part_column *weir_part_block_find(const struct weir_part_block *block,
                                                    unsigned number, struct weir_view key) {
    for (uint32_t i = 0; i < block->columns_count; i++)
        if (block->columns[i].number == number && weir_view_eq(block->columns[i].key, key))
            return &block->columns[i];
    return NULL;
}

static struct weir_part_block_cache *cache_of(struct weir_part_block *block,
                                              const struct weir_part_column *column) {
    return &block->cache[column - block->columns];
}

/* ---- one column's bytes --------------------------------------------------------------------- */

int weir_part_block_load(struct weir_part_block *block, const struct weir_part_column *column,
                         struct weir_view *ret, struct weir_error *reterr) {
    struct weir_part_block_cache *cache = cache_of(block, column);
    if (!cache->raw.ptr) {
        const char *stored;
        int rc = read_checked(block, block->entry->offset + column->offset, column->stored_len,
                              column->crc, "column", &stored, reterr);
        if (rc != WEIR_OK) return rc;
        cache->raw = weir_view(stored, column->stored_len);
        if (column->flags & WEIR_PART_ZSTD) {
            char *raw = weir_arena_alloc(&block->reader->arena, column->raw_len);
            if (!raw) return no_memory(block, reterr);
            size_t len = ZSTD_decompressDCtx(block->reader->zstd, raw, column->raw_len, stored,
                                             column->stored_len);
            if (len != column->raw_len) return failed(block, WEIR_ECORRUPT, "column", reterr);
            cache->raw = weir_view(raw, len);
        }
        if (block->reader->query) block->reader->query->bytes_decoded += column->raw_len;
    }
    *ret = cache->raw;
    return WEIR_OK;
}

static int get_i64(struct weir_part_block *block, const struct weir_part_column *column,
                   const int64_t **ret, struct weir_error *reterr) {
    struct weir_part_block_cache *cache = cache_of(block, column);
    if (!cache->i64) {
        struct weir_view raw;
        int rc = weir_part_block_load(block, column, &raw, reterr);
        if (rc != WEIR_OK) return rc;
        rc = weir_codec_decode_i64(raw, block->rows_count, &block->reader->arena, &cache->i64);
        if (rc != WEIR_OK) return failed(block, rc, "column", reterr);
    }
    *ret = cache->i64;
    return WEIR_OK;
}

static int get_ids(struct weir_part_block *block, const struct weir_part_column *column,
                   uint32_t width, const uint8_t **ret, struct weir_error *reterr) {
    struct weir_part_block_cache *cache = cache_of(block, column);
    if (!cache->ids) {
        struct weir_view raw;
        int rc = weir_part_block_load(block, column, &raw, reterr);
        if (rc != WEIR_OK) return rc;
        rc = weir_codec_decode_ids(raw, width, block->rows_count, &block->reader->arena,
                                   &cache->ids);
        if (rc != WEIR_OK) return failed(block, rc, "column", reterr);
    }
    *ret = cache->ids;
    return WEIR_OK;
}

static int get_values(struct weir_part_block *block, const struct weir_part_column *column,
                      const struct weir_codec_values **ret, struct weir_error *reterr) {
    struct weir_part_block_cache *cache = cache_of(block, column);
    if (!cache->values) {
        struct weir_view raw;
        int rc = weir_part_block_load(block, column, &raw, reterr);
        if (rc != WEIR_OK) return rc;
        struct weir_codec_values *values =
            WEIR_NEW(&block->reader->arena, struct weir_codec_values);
        if (!values) return no_memory(block, reterr);
        rc = weir_codec_decode_values(raw, block->rows_count, &block->reader->arena, values);
        if (rc != WEIR_OK) return failed(block, rc, "column", reterr);
        cache->values = values;
    }
    *ret = cache->values;
    return WEIR_OK;
}

static struct weir_value value_at(const struct weir_codec_values *values, uint32_t row) {
    return values->codes ? values->dict[values->codes[row]] : values->values[row];
}

/* Decodes `count` encoded attribute lists (NONE gives no attributes). */
static int decode_all_attrs(struct weir_part_block *block, const struct weir_value *encoded,
                            uint32_t count, const struct weir_attrs **ret,
                            struct weir_error *reterr) {
    struct weir_attrs *attrs = WEIR_NEW_ARRAY(&block->reader->arena, struct weir_attrs, count);
    if (!attrs) return no_memory(block, reterr);
    for (uint32_t i = 0; i < count; i++) {
        if (encoded[i].type == WEIR_VALUE_NONE) continue;
        int rc = encoded[i].type != WEIR_VALUE_BYTES
                     ? WEIR_ECORRUPT
                     : weir_codec_decode_attrs(encoded[i].str, &block->reader->arena, &attrs[i]);
        if (rc != WEIR_OK) return failed(block, rc, "attributes", reterr);
    }
    *ret = attrs;
    return WEIR_OK;
}

/* The resource dictionary: codes per row, attributes per entry. */
static int get_resources(struct weir_part_block *block, const struct weir_codec_values **ret_values,
                         const struct weir_attrs **ret_attrs, struct weir_error *reterr) {
    const struct weir_part_column *column =
        weir_part_block_find(block, WEIR_PART_RESOURCE, WEIR_VIEW(""));
    if (!column) return failed(block, WEIR_ECORRUPT, "directory", reterr);
    int rc = get_values(block, column, ret_values, reterr);
    if (rc != WEIR_OK) return rc;
    if (!(*ret_values)->codes) return failed(block, WEIR_ECORRUPT, "resources", reterr);
    struct weir_part_block_cache *cache = cache_of(block, column);
    if (!cache->attrs)
        rc = decode_all_attrs(block, (*ret_values)->dict, (*ret_values)->dict_count, &cache->attrs,
                              reterr);
    *ret_attrs = cache->attrs;
    return rc;
}

/* Attributes that got no column, per row; NULL when the block has none. */
static int get_rest(struct weir_part_block *block, const struct weir_attrs **ret,
                    struct weir_error *reterr) {
    *ret = NULL;
    const struct weir_part_column *column =
        weir_part_block_find(block, WEIR_PART_REST, WEIR_VIEW(""));
    if (!column) return WEIR_OK;
    struct weir_part_block_cache *cache = cache_of(block, column);
    if (!cache->attrs) {
        const struct weir_codec_values *values;
        int rc = get_values(block, column, &values, reterr);
        if (rc != WEIR_OK) return rc;
        struct weir_value *encoded =
            WEIR_NEW_ARRAY(&block->reader->arena, struct weir_value, block->rows_count);
        if (!encoded) return no_memory(block, reterr);
        for (uint32_t i = 0; i < block->rows_count; i++) encoded[i] = value_at(values, i);
        rc = decode_all_attrs(block, encoded, block->rows_count, &cache->attrs, reterr);
        if (rc != WEIR_OK) return rc;
    }
    *ret = cache->attrs;
    return WEIR_OK;
}

/* ---- columns as the asker sees them --------------------------------------------------------- */

static int values_to_data(struct weir_part_block *block, const struct weir_codec_values *values,
                          struct weir_column_data *ret, struct weir_error *reterr) {
    ret->type = WEIR_COLUMN_TYPE_VALUE;
    ret->values = values->values;
    if (!values->codes) return WEIR_OK;
    struct weir_value *all =
        weir_arena_alloc(&block->reader->arena, block->rows_count * sizeof *all);
    if (!all) return no_memory(block, reterr);
    for (uint32_t i = 0; i < block->rows_count; i++) all[i] = values->dict[values->codes[i]];
    ret->values = all;
    ret->codes = values->codes;
    ret->dict_values = values->dict;
    ret->dict_count = values->dict_count;
    return WEIR_OK;
}

static int strings_to_data(struct weir_part_block *block, const struct weir_codec_values *values,
                           struct weir_column_data *ret, struct weir_error *reterr) {
    struct weir_arena *arena = &block->reader->arena;
    struct weir_view *all = weir_arena_alloc(arena, block->rows_count * sizeof *all);
    struct weir_view *dict =
        values->codes ? weir_arena_alloc(arena, values->dict_count * sizeof *dict) : NULL;
    if (!all || (values->codes && !dict)) return no_memory(block, reterr);
    ret->type = WEIR_COLUMN_TYPE_STR;
    ret->str = all;
    for (uint32_t i = 0; i < values->dict_count && dict; i++)
        dict[i] = values->dict[i].type == WEIR_VALUE_STRING ? values->dict[i].str : WEIR_VIEW("");
    for (uint32_t i = 0; i < block->rows_count; i++) {
        struct weir_value value = value_at(values, i);
        all[i] = value.type == WEIR_VALUE_STRING ? value.str : WEIR_VIEW("");
    }
    if (!dict) return WEIR_OK;
    ret->codes = values->codes;
    ret->dict_str = dict;
    ret->dict_count = values->dict_count;
    return WEIR_OK;
}

static int plain_column(struct weir_part_block *block, const struct weir_row_column *plain,
                        struct weir_column_data *ret, struct weir_error *reterr) {
    const struct weir_part_column *column =
        weir_part_block_find(block, plain->number, WEIR_VIEW(""));
    if (!column) return failed(block, WEIR_ECORRUPT, "directory", reterr);
    ret->type = plain->type;
    ret->width = plain->width;
    if (plain->type == WEIR_COLUMN_TYPE_I64) return get_i64(block, column, &ret->i64, reterr);
    if (plain->type == WEIR_COLUMN_TYPE_BYTES)
        return get_ids(block, column, plain->width, &ret->bytes, reterr);
    const struct weir_codec_values *values;
    int rc = get_values(block, column, &values, reterr);
    if (rc != WEIR_OK) return rc;
    return plain->type == WEIR_COLUMN_TYPE_STR ? strings_to_data(block, values, ret, reterr)
                                               : values_to_data(block, values, ret, reterr);
}

/* A list of attributes per code becomes one attribute's value per code. */
static int resource_attr(struct weir_part_block *block, struct weir_view key,
                         struct weir_codec_values *ret, struct weir_error *reterr) {
    const struct weir_codec_values *values;
    const struct weir_attrs *attrs;
    int rc = get_resources(block, &values, &attrs, reterr);
    if (rc != WEIR_OK) return rc;
    struct weir_value *dict =
        WEIR_NEW_ARRAY(&block->reader->arena, struct weir_value, values->dict_count);
    if (!dict) return no_memory(block, reterr);
    for (uint32_t i = 0; i < values->dict_count; i++) {
        const struct weir_value *value = weir_attrs_get(attrs[i], key);
        if (value) dict[i] = *value;
    }
    *ret = (struct weir_codec_values){
        .codes = values->codes, .dict = dict, .dict_count = values->dict_count};
    return WEIR_OK;
}

static int record_attr(struct weir_part_block *block, struct weir_view key,
                       struct weir_codec_values *ret, struct weir_error *reterr) {
    const struct weir_part_column *column = weir_part_block_find(block, WEIR_PART_ATTR, key);
    if (column) {
        const struct weir_codec_values *values;
        int rc = get_values(block, column, &values, reterr);
        if (rc == WEIR_OK) *ret = *values;
        return rc;
    }
    const struct weir_attrs *rest;
    int rc = get_rest(block, &rest, reterr);
    if (rc != WEIR_OK) return rc;
    struct weir_value *all =
        WEIR_NEW_ARRAY(&block->reader->arena, struct weir_value, block->rows_count);
    if (!all) return no_memory(block, reterr);
    for (uint32_t i = 0; rest && i < block->rows_count; i++) {
        const struct weir_value *value = weir_attrs_get(rest[i], key);
        if (value) all[i] = *value;
    }
    *ret = (struct weir_codec_values){.values = all};
    return WEIR_OK;
}

/* The record's attribute where it has one, else the resource's. */
static int any_attr(struct weir_part_block *block, struct weir_view key,
                    struct weir_codec_values *ret, struct weir_error *reterr) {
    struct weir_codec_values own, outer;
    int rc = resource_attr(block, key, &outer, reterr);
    if (rc != WEIR_OK) return rc;
    if (!weir_part_block_find(block, WEIR_PART_ATTR, key) &&
        !weir_part_block_find(block, WEIR_PART_REST, WEIR_VIEW(""))) {
        *ret = outer;
        return WEIR_OK;
    }
    rc = record_attr(block, key, &own, reterr);
    if (rc != WEIR_OK) return rc;
    struct weir_value *all =
        weir_arena_alloc(&block->reader->arena, block->rows_count * sizeof *all);
    if (!all) return no_memory(block, reterr);
    for (uint32_t i = 0; i < block->rows_count; i++) {
        all[i] = value_at(&own, i);
        if (all[i].type == WEIR_VALUE_NONE) all[i] = value_at(&outer, i);
    }
    *ret = (struct weir_codec_values){.values = all};
    return WEIR_OK;
}

static int resource_column(struct weir_part_block *block, struct weir_column_data *ret,
                           struct weir_error *reterr) {
    const struct weir_codec_values *values;
    const struct weir_attrs *dict;
    int rc = get_resources(block, &values, &dict, reterr);
    if (rc != WEIR_OK) return rc;
    struct weir_attrs *all =
        weir_arena_alloc(&block->reader->arena, block->rows_count * sizeof *all);
    if (!all) return no_memory(block, reterr);
    for (uint32_t i = 0; i < block->rows_count; i++) all[i] = dict[values->codes[i]];
    *ret = (struct weir_column_data){.type = WEIR_COLUMN_TYPE_ATTRS,
                                     .attrs = all,
                                     .codes = values->codes,
                                     .dict_attrs = dict,
                                     .dict_count = values->dict_count};
    return WEIR_OK;
}

static int attr_values(struct weir_part_block *block, const struct weir_column *column,
                       struct weir_codec_values *ret, struct weir_error *reterr) {
    if (column->id == WEIR_COLUMN_RESOURCE_ATTR)
        return resource_attr(block, column->key, ret, reterr);
    if (column->id == WEIR_COLUMN_ATTR) return record_attr(block, column->key, ret, reterr);
    if (column->id == WEIR_COLUMN_ANY_ATTR) return any_attr(block, column->key, ret, reterr);
    struct weir_value *none =
        WEIR_NEW_ARRAY(&block->reader->arena, struct weir_value, block->rows_count);
    if (!none) return no_memory(block, reterr);
    *ret = (struct weir_codec_values){.values = none}; /* a column of the other table */
    return WEIR_OK;
}

int weir_part_block_column(struct weir_part_block *block, const struct weir_column *column,
                           struct weir_column_data *ret, struct weir_error *reterr) {
    *ret = (struct weir_column_data){0};
    const struct weir_row_column *plain = weir_row_column_get(block->part->table, column->id);
    if (plain) return plain_column(block, plain, ret, reterr);
    if (column->id == WEIR_COLUMN_RESOURCE) return resource_column(block, ret, reterr);
    if (column->id == WEIR_COLUMN_ATTRS) {
        ret->type = WEIR_COLUMN_TYPE_ATTRS;
        return weir_part_block_attrs(block, NULL, block->rows_count, &ret->attrs, reterr);
    }
    struct weir_codec_values values;
    int rc = attr_values(block, column, &values, reterr);
    return rc == WEIR_OK ? values_to_data(block, &values, ret, reterr) : rc;
}

int weir_part_block_distinct(struct weir_part_block *block, const struct weir_column *column,
                             const struct weir_value **ret, uint32_t *ret_count,
                             struct weir_error *reterr) {
    const struct weir_row_column *plain = weir_row_column_get(block->part->table, column->id);
    const struct weir_part_column *found = NULL;
    *ret = NULL;
    *ret_count = 0;
    if (plain && (plain->type == WEIR_COLUMN_TYPE_STR || plain->type == WEIR_COLUMN_TYPE_VALUE))
        found = weir_part_block_find(block, plain->number, WEIR_VIEW(""));
    else if (column->id == WEIR_COLUMN_ATTR)
        found = weir_part_block_find(block, WEIR_PART_ATTR, column->key);
    if (found) {
        struct weir_view raw;
        int rc = weir_part_block_load(block, found, &raw, reterr);
        if (rc != WEIR_OK) return rc;
        rc = weir_codec_decode_distinct(raw, block->rows_count, &block->reader->arena, ret,
                                        ret_count);
        return rc == WEIR_OK ? rc : failed(block, rc, "column", reterr);
    }
    if (column->id == WEIR_COLUMN_ATTR &&
        !weir_part_block_find(block, WEIR_PART_REST, WEIR_VIEW("")))
        return WEIR_OK;
    if (plain) {
        struct weir_column_data data;
        int rc = plain_column(block, plain, &data, reterr);
        if (rc != WEIR_OK || !data.i64) return rc;
        struct weir_value *values =
            WEIR_NEW_ARRAY(&block->reader->arena, struct weir_value, block->rows_count);
        if (!values) return no_memory(block, reterr);
        for (uint32_t i = 0; i < block->rows_count; i++) values[i] = weir_value_i64(data.i64[i]);
        *ret = values;
        *ret_count = block->rows_count;
        return WEIR_OK;
    }
    struct weir_codec_values values;
    int rc = attr_values(block, column, &values, reterr);
    if (rc != WEIR_OK) return rc;
    *ret = values.codes ? values.dict : values.values;
    *ret_count = values.codes ? values.dict_count : block->rows_count;
    return WEIR_OK;
}

/* ---- all attributes of a row ---------------------------------------------------------------- */

/* One pass counts, the other fills; items of row i end at ends[i]. */
struct attrs_build {
    const uint32_t *picked; /* NULL = all */
    uint32_t count;
    uint32_t *ends; /* first the counts */
    struct weir_attr *items;
};

static int each_attr(struct weir_part_block *block, struct attrs_build *build, bool fill,
                     struct weir_error *reterr) {
    const struct weir_attrs *rest;
    int rc = get_rest(block, &rest, reterr);
    for (uint32_t c = 0; c < block->columns_count && rc == WEIR_OK; c++) {
        const struct weir_part_column *column = &block->columns[c];
        if (column->number != WEIR_PART_ATTR) continue;
        const struct weir_codec_values *values;
        rc = get_values(block, column, &values, reterr);
        for (uint32_t i = 0; i < build->count && rc == WEIR_OK; i++) {
            struct weir_value value = value_at(values, build->picked ? build->picked[i] : i);
            if (value.type == WEIR_VALUE_NONE) continue;
            if (fill) build->items[build->ends[i]] = (struct weir_attr){column->key, value};
            build->ends[i]++;
        }
    }
    for (uint32_t i = 0; i < build->count && rest && rc == WEIR_OK; i++) {
        struct weir_attrs more = rest[build->picked ? build->picked[i] : i];
        if (fill && more.count)
            memcpy(build->items + build->ends[i], more.items, more.count * sizeof *more.items);
        build->ends[i] += more.count;
    }
    return rc;
}

int weir_part_block_attrs(struct weir_part_block *block, const uint32_t *picked,
                          uint32_t picked_count, const struct weir_attrs **ret,
                          struct weir_error *reterr) {
    struct weir_arena *arena = &block->reader->arena;
    struct attrs_build build = {.picked = picked, .count = picked_count};
    build.ends = WEIR_NEW_ARRAY(arena, uint32_t, picked_count);
    struct weir_attrs *attrs = WEIR_NEW_ARRAY(arena, struct weir_attrs, picked_count);
    if (!build.ends || !attrs) return no_memory(block, reterr);
    int rc = each_attr(block, &build, false, reterr);
    if (rc != WEIR_OK) return rc;
    uint32_t total = 0;
    for (uint32_t i = 0; i < picked_count; i++) {
        attrs[i].count = build.ends[i];
        build.ends[i] = total;
        total += attrs[i].count;
    }
    build.items = weir_arena_alloc(arena, total * sizeof *build.items);
    if (!build.items) return no_memory(block, reterr);
    for (uint32_t i = 0; i < picked_count; i++) attrs[i].items = build.items + build.ends[i];
    *ret = attrs;
    return each_attr(block, &build, true, reterr);
}

/* ---- whole rows ----------------------------------------------------------------------------- */

static void set_field(struct weir_row *row, const struct weir_row_column *plain,
                      const struct weir_column_data *data, uint32_t i) {
    const void *from = NULL;
    size_t size = plain->width;
    switch (plain->type) {
    case WEIR_COLUMN_TYPE_I64: from = &data->i64[i], size = sizeof *data->i64; break;
    case WEIR_COLUMN_TYPE_STR: from = &data->str[i], size = sizeof *data->str; break;
    case WEIR_COLUMN_TYPE_VALUE: from = &data->values[i], size = sizeof *data->values; break;
    case WEIR_COLUMN_TYPE_BYTES: from = data->bytes + (size_t)i * size; break;
    case WEIR_COLUMN_TYPE_ATTRS: break;
    }
    if (from) memcpy((char *)row + plain->offset, from, size);
}

static int set_resources(struct weir_part_block *block, struct weir_row *rows,
                         struct weir_error *reterr) {
    const struct weir_codec_values *values;
    const struct weir_attrs *dict;
    int rc = get_resources(block, &values, &dict, reterr);
    if (rc != WEIR_OK) return rc;
    struct weir_row_resource *resources =
        WEIR_NEW_ARRAY(&block->reader->arena, struct weir_row_resource, values->dict_count);
    if (!resources) return no_memory(block, reterr);
    for (uint32_t i = 0; i < values->dict_count; i++)
        resources[i] = (struct weir_row_resource){dict[i], values->dict[i].str};
    for (uint32_t i = 0; i < block->rows_count; i++)
        rows[i].resource = &resources[values->codes[i]];
    return WEIR_OK;
}

int weir_part_block_rows(struct weir_part_block *block, const struct weir_row **ret,
                         struct weir_error *reterr) {
    struct weir_row *rows =
        WEIR_NEW_ARRAY(&block->reader->arena, struct weir_row, block->rows_count);
    if (!rows) return no_memory(block, reterr);
    for (const struct weir_row_column *plain = weir_row_columns; plain->tables; plain++) {
        if (!(plain->tables >> block->part->table & 1)) continue;
        struct weir_column_data data = {0};
        int rc = plain_column(block, plain, &data, reterr);
        if (rc != WEIR_OK) return rc;
        for (uint32_t i = 0; i < block->rows_count; i++) set_field(&rows[i], plain, &data, i);
    }
    int rc = set_resources(block, rows, reterr);
    const struct weir_attrs *attrs = NULL;
    if (rc == WEIR_OK) rc = weir_part_block_attrs(block, NULL, block->rows_count, &attrs, reterr);
    if (rc != WEIR_OK) return rc;
    for (uint32_t i = 0; i < block->rows_count; i++) rows[i].attrs = attrs[i];
    *ret = rows;
    return WEIR_OK;
}
