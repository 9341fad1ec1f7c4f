/* SPDX-License-Identifier: Apache-2.0 */
#include "store/part_writer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/crc.h"
#include "base/map.h"
#include "store/codec.h"
#include "store/part_format.h"

enum {
    BLOCK_BYTES_MAX = 4 << 20, /* estimate of a block's rows in memory: closes the block */
    BUF_BYTES_MAX = 1 << 30,
    ZSTD_LEVEL = 1,
    SMALL_COLUMN = 32, /* not worth a frame */
    ROW_BYTES = sizeof(struct weir_row) + sizeof(void *),
};

struct weir_part_writer {
    struct weir_disk *disk;
    char path[PATH_MAX];
    int fd;
    bool finished;
    enum weir_table table;
    uint64_t offset; /* bytes written */
    const struct weir_row *rows[WEIR_BLOCK_ROWS_MAX];
    uint32_t rows_count;
    size_t rows_bytes;       /* estimate */
    struct weir_arena arena; /* of one block's encoding */
    struct weir_codec_scratch scratch;
    struct weir_buf raw;       /* one column before compression */
    struct weir_buf block;     /* the block's bytes so far */
    struct weir_buf directory; /* its directory so far */
    uint32_t columns_count;
    struct weir_buf index; /* block entries so far */
    uint32_t blocks_count;
    uint64_t rows_total;
    struct weir_arena names_arena;
    struct weir_map names; /* scope byte and key → bits of types seen */
    ZSTD_CCtx *zstd;
};

/* ---- life ----------------------------------------------------------------------------------- */

static int write_header(struct weir_part_writer *writer, struct weir_error *reterr) {
    weir_buf_add_str(&writer->block, WEIR_PART_MAGIC);
    weir_part_put_u32(&writer->block, WEIR_PART_VERSION);
    weir_part_put_u32(&writer->block, writer->table);
    int rc = weir_disk_write(writer->disk, writer->fd, writer->block.ptr, writer->block.len, 0);
    writer->offset = writer->block.len;
    weir_buf_clear(&writer->block);
    if (rc == WEIR_OK) return rc;
    return weir_error_set(reterr, rc, "cannot write %s: %s", writer->path, weir_error_text(rc));
}

int weir_part_writer_open(struct weir_disk *disk, const char *path, enum weir_table table,
                          struct weir_part_writer **ret, struct weir_error *reterr) {
    struct weir_part_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", path);
    writer->disk = disk;
    writer->table = table;
    writer->fd = -1;
    snprintf(writer->path, sizeof writer->path, "%s", path);
    weir_arena_init(&writer->arena, 0);
    weir_arena_init(&writer->names_arena, 0);
    weir_map_init(&writer->names);
    weir_buf_init(&writer->raw, BUF_BYTES_MAX);
    weir_buf_init(&writer->block, BUF_BYTES_MAX);
    weir_buf_init(&writer->directory, BUF_BYTES_MAX);
    weir_buf_init(&writer->index, WEIR_PART_META_MAX);
    writer->zstd = ZSTD_createCCtx();
    int rc = writer->zstd ? weir_disk_create(disk, path, &writer->fd, reterr)
                          : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", path);
    if (rc == WEIR_OK) rc = write_header(writer, reterr);
    if (rc == WEIR_OK)
        *ret = writer;
    else
        weir_part_writer_close(writer);
    return rc;
}

void weir_part_writer_close(struct weir_part_writer *writer) {
    if (!writer) return;
    if (writer->fd >= 0) {
        close(writer->fd);
        if (!writer->finished) weir_disk_remove(writer->disk, writer->path, NULL);
    }
    ZSTD_freeCCtx(writer->zstd);
    weir_buf_done(&writer->raw);
    weir_buf_done(&writer->block);
    weir_buf_done(&writer->directory);
    weir_buf_done(&writer->index);
    weir_map_done(&writer->names);
    weir_arena_done(&writer->names_arena);
    weir_arena_done(&writer->arena);
    free(writer);
}

/* ---- columns -------------------------------------------------------------------------------- */

/* Compresses `raw` into the block when that helps, and writes the directory entry. */
static void end_column(struct weir_part_writer *writer, unsigned number, struct weir_view key,
                       const struct weir_codec_hint *hint) {
    struct weir_buf *raw = &writer->raw, *block = &writer->block;
    struct weir_part_column column = {
        .number = (uint8_t)number,
        .types = (uint16_t)hint->types,
        .key_len = (uint16_t)key.len,
        .key = key,
        .offset = (uint32_t)block->len,
        .raw_len = (uint32_t)raw->len,
        .hint = hint->bits,
        .min = hint->min,
        .max = hint->max,
    };
    size_t bound = ZSTD_compressBound(raw->len), packed = 0;
    char *at = weir_buf_reserve(block, bound);
    if (!at || raw->failed) {
        block->failed = true;
        return;
    }
    if (raw->len > SMALL_COLUMN) {
        packed = ZSTD_compressCCtx(writer->zstd, at, bound, raw->ptr, raw->len, ZSTD_LEVEL);
        if (ZSTD_isError(packed)) packed = 0;
    }
    if (packed && packed < raw->len - raw->len / 16) {
        column.flags = WEIR_PART_ZSTD;
        column.stored_len = (uint32_t)packed;
    } else {
        memcpy(at, raw->ptr, raw->len);
        column.stored_len = (uint32_t)raw->len;
    }
    column.crc = weir_crc32c(0, at, column.stored_len);
    block->len += column.stored_len;
    weir_part_put_column(&writer->directory, &column);
    writer->columns_count++;
    weir_buf_clear(raw);
}

static struct weir_codec_hint anything(void) {
    return (struct weir_codec_hint){~UINT64_C(0), 0, INT64_MAX, INT64_MIN};
}

static bool add_plain(struct weir_part_writer *writer, const struct weir_row_column *plain) {
    uint32_t count = writer->rows_count, cells_count = 0;
    struct weir_codec_hint hint = anything();
    if (plain->type == WEIR_COLUMN_TYPE_I64) {
        int64_t *numbers = weir_arena_alloc(&writer->arena, count * sizeof *numbers);
        if (!numbers) return false;
        for (uint32_t i = 0; i < count; i++)
            numbers[i] = weir_row_field(writer->rows[i], plain).i64;
        weir_codec_encode_i64(&writer->raw, numbers, count, plain->id == WEIR_COLUMN_TIME_NS,
                              &hint);
    } else if (plain->type == WEIR_COLUMN_TYPE_BYTES) {
        uint8_t *ids = weir_arena_alloc(&writer->arena, (size_t)count * plain->width);
        if (!ids) return false;
        for (uint32_t i = 0; i < count; i++)
            memcpy(ids + (size_t)i * plain->width, weir_row_field(writer->rows[i], plain).str.ptr,
                   plain->width);
        weir_codec_encode_ids(&writer->raw, ids, plain->width, count, &writer->scratch);
    } else {
        struct weir_codec_cell *cells = weir_arena_alloc(&writer->arena, count * sizeof *cells);
        if (!cells) return false;
        for (uint32_t i = 0; i < count; i++) {
            struct weir_value value = weir_row_field(writer->rows[i], plain);
            if (value.type != WEIR_VALUE_NONE)
                cells[cells_count++] = (struct weir_codec_cell){i, value};
        }
        weir_codec_encode_values(&writer->raw, cells, cells_count, count, false, &writer->scratch,
                                 &hint);
    }
    end_column(writer, plain->number, WEIR_VIEW(""), &hint);
    return true;
}

/* Remembers an attribute's name (scope RESOURCE_ATTR or ATTR) for names(). */
static bool note_name(struct weir_part_writer *writer, unsigned number, struct weir_view key,
                      uint32_t types) {
    if (writer->names.count >= WEIR_PART_NAMES_MAX) return true;
    char text[512];
    if (key.len >= sizeof text) return true; /* a name that long is nothing to offer to anyone */
    text[0] = (char)number;
    if (key.len) memcpy(text + 1, key.ptr, key.len);
    struct weir_view name = weir_view(text, key.len + 1);
    uint64_t *seen = weir_map_get(&writer->names, name);
    if (!seen) {
        name = weir_arena_copy(&writer->names_arena, name);
        if (!name.ptr || !(seen = weir_map_put(&writer->names, name, 0, NULL))) return false;
    }
    *seen |= types;
    return true;
}

/* Rows next to each other mostly share their resource: look at each change only. */
static bool add_resources(struct weir_part_writer *writer) {
    uint32_t count = writer->rows_count;
    struct weir_codec_cell *cells = weir_arena_alloc(&writer->arena, count * sizeof *cells);
    if (!cells) return false;
    struct weir_map seen;
    weir_map_init(&seen);
    bool fine = true;
    uint64_t bits = 0;
    for (uint32_t i = 0; i < count && fine; i++) {
        const struct weir_row_resource *resource = writer->rows[i]->resource;
        cells[i].row = i;
        cells[i].value = (struct weir_value){.type = WEIR_VALUE_BYTES, .str = resource->encoded};
        if (i && resource == writer->rows[i - 1]->resource) continue;
        bool is_new = false;
        if (!weir_map_put(&seen, resource->encoded, 0, &is_new)) fine = false;
        for (uint32_t j = 0; fine && is_new && j < resource->attrs.count; j++) {
            const struct weir_attr *attr = &resource->attrs.items[j];
            bits |= weir_codec_hint_bits_attr(attr->key, &attr->value);
            fine = note_name(writer, WEIR_PART_RESOURCE, attr->key, 1u << attr->value.type);
        }
    }
    weir_map_done(&seen);
    if (!fine) return false;
    struct weir_codec_hint hint;
    weir_codec_encode_values(&writer->raw, cells, count, count, true, &writer->scratch, &hint);
    hint.bits = bits;
    end_column(writer, WEIR_PART_RESOURCE, WEIR_VIEW(""), &hint);
    return true;
}

static bool add_bloom(struct weir_part_writer *writer) {
    const uint8_t *previous = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < writer->rows_count; i++) {
        const uint8_t *id = writer->rows[i]->trace_id;
        if (!previous || memcmp(previous, id, 16) != 0) count++;
        previous = id;
    }
    size_t size = weir_part_bloom_size(count);
    uint8_t *bits = (uint8_t *)weir_buf_reserve(&writer->raw, size);
    if (!bits) return false;
    memset(bits, 0, size);
    for (uint32_t i = 0; i < writer->rows_count; i++)
        weir_part_bloom_add(bits, size, writer->rows[i]->trace_id);
    writer->raw.len += size;
    struct weir_codec_hint hint = anything();
    end_column(writer, WEIR_PART_BLOOM, WEIR_VIEW(""), &hint);
    return true;
}

/* ---- attributes ----------------------------------------------------------------------------- */

/* The block's attributes by key: cells of key k are cells[starts[k] … starts[k + 1]). */
struct keys {
    struct weir_map map; /* key → index */
    uint32_t *starts;
    struct weir_codec_cell *cells;
    bool *rest; /* too rare or too long for a column */
};

static bool collect_keys(struct weir_part_writer *writer, struct keys *keys,
                         uint32_t **ret_attr_keys) {
    size_t attrs_count = 0, at = 0;
    for (uint32_t i = 0; i < writer->rows_count; i++) attrs_count += writer->rows[i]->attrs.count;
    uint32_t *attr_keys = weir_arena_alloc(&writer->arena, attrs_count * sizeof *attr_keys);
    keys->cells = weir_arena_alloc(&writer->arena, attrs_count * sizeof *keys->cells);
    if (!attr_keys || !keys->cells) return false;
    for (uint32_t i = 0; i < writer->rows_count; i++) {
        struct weir_attrs attrs = writer->rows[i]->attrs;
        for (uint32_t j = 0; j < attrs.count; j++) {
            uint64_t *key = weir_map_put(&keys->map, attrs.items[j].key, keys->map.count, NULL);
            if (!key) return false;
            attr_keys[at++] = (uint32_t)*key;
        }
    }
    *ret_attr_keys = attr_keys;
    return true;
}

static bool sort_cells(struct weir_part_writer *writer, struct keys *keys,
                       const uint32_t *attr_keys) {
    uint32_t count = keys->map.count;
    keys->starts = WEIR_NEW_ARRAY(&writer->arena, uint32_t, count + 2);
    if (!keys->starts) return false;
    size_t at = 0;
    for (uint32_t i = 0; i < writer->rows_count; i++)
        for (uint32_t j = 0; j < writer->rows[i]->attrs.count; j++)
            keys->starts[attr_keys[at++] + 2]++;
    for (uint32_t k = 0; k < count; k++) keys->starts[k + 2] += keys->starts[k + 1];
    at = 0;
    for (uint32_t i = 0; i < writer->rows_count; i++)
        for (uint32_t j = 0; j < writer->rows[i]->attrs.count; j++)
            keys->cells[keys->starts[attr_keys[at++] + 1]++] =
                (struct weir_codec_cell){i, writer->rows[i]->attrs.items[j].value};
    return true;
}

/* Which keys get no column: those too long, and when there are too many the rarer ones. */
static bool choose_rest(struct weir_part_writer *writer, struct keys *keys) {
    uint32_t count = keys->map.count, columns = 0;
    keys->rest = WEIR_NEW_ARRAY(&writer->arena, bool, count);
    if (!keys->rest) return false;
    uint32_t cells_min = 0;
    if (count > WEIR_PART_KEY_COLUMNS_MAX) {
        uint32_t *histogram = WEIR_NEW_ARRAY(&writer->arena, uint32_t, WEIR_BLOCK_ROWS_MAX + 2);
        if (!histogram) return false;
        for (uint32_t k = 0; k < count; k++) histogram[keys->starts[k + 1] - keys->starts[k]]++;
        uint32_t sum = 0;
        cells_min = WEIR_BLOCK_ROWS_MAX + 1;
        while (cells_min > 0 && sum + histogram[cells_min] <= WEIR_PART_KEY_COLUMNS_MAX)
            sum += histogram[cells_min--];
        cells_min++;
    }
    for (uint32_t k = 0; k < count; k++) {
        keys->rest[k] = keys->map.entries[k].key.len > UINT16_MAX ||
                        keys->starts[k + 1] - keys->starts[k] < cells_min;
        columns += !keys->rest[k];
    }
    return columns <= WEIR_PART_KEY_COLUMNS_MAX;
}

static bool add_rest(struct weir_part_writer *writer, const struct keys *keys,
                     const uint32_t *attr_keys) {
    struct weir_codec_cell *cells =
        WEIR_NEW_ARRAY(&writer->arena, struct weir_codec_cell, writer->rows_count);
    if (!cells) return false;
    uint32_t cells_count = 0;
    size_t at = 0;
    struct weir_buf text;
    weir_buf_init(&text, BUF_BYTES_MAX);
    bool fine = true;
    for (uint32_t i = 0; i < writer->rows_count && fine; i++) {
        struct weir_attrs attrs = writer->rows[i]->attrs, few = {0};
        struct weir_attr *items = WEIR_NEW_ARRAY(&writer->arena, struct weir_attr, attrs.count);
        if (!items) fine = false;
        for (uint32_t j = 0; fine && j < attrs.count; j++)
            if (keys->rest[attr_keys[at++]]) items[few.count++] = attrs.items[j];
        if (!fine || !few.count) continue;
        few.items = items;
        weir_buf_clear(&text);
        weir_codec_encode_attrs(&text, few);
        struct weir_view copy = weir_arena_copy(&writer->arena, weir_buf_view(&text));
        fine = copy.ptr && !text.failed;
        cells[cells_count++] = (struct weir_codec_cell){i, {.type = WEIR_VALUE_BYTES, .str = copy}};
    }
    weir_buf_done(&text);
    if (!fine || !cells_count) return fine;
    struct weir_codec_hint hint;
    weir_codec_encode_values(&writer->raw, cells, cells_count, writer->rows_count, false,
                             &writer->scratch, &hint);
    hint = anything();
    end_column(writer, WEIR_PART_REST, WEIR_VIEW(""), &hint);
    return true;
}

static bool add_keys(struct weir_part_writer *writer, struct keys *keys) {
    uint32_t *attr_keys;
    if (!collect_keys(writer, keys, &attr_keys) || !sort_cells(writer, keys, attr_keys) ||
        !choose_rest(writer, keys))
        return false;
    for (uint32_t k = 0; k < keys->map.count; k++) {
        struct weir_view key = keys->map.entries[k].key;
        const struct weir_codec_cell *cells = keys->cells + keys->starts[k];
        uint32_t cells_count = keys->starts[k + 1] - keys->starts[k];
        uint32_t types = 0;
        for (uint32_t i = 0; i < cells_count; i++) types |= 1u << cells[i].value.type;
        if (!note_name(writer, WEIR_PART_ATTR, key, types)) return false;
        if (keys->rest[k]) continue;
        struct weir_codec_hint hint;
        weir_codec_encode_values(&writer->raw, cells, cells_count, writer->rows_count, false,
                                 &writer->scratch, &hint);
        end_column(writer, WEIR_PART_ATTR, key, &hint);
    }
    return add_rest(writer, keys, attr_keys);
}

static bool add_attrs(struct weir_part_writer *writer) {
    struct keys keys = {0};
    weir_map_init(&keys.map);
    bool fine = add_keys(writer, &keys);
    weir_map_done(&keys.map);
    return fine;
}

/* ---- blocks --------------------------------------------------------------------------------- */

static void add_block_entry(struct weir_part_writer *writer, uint32_t columns_len) {
    const struct weir_row *first = writer->rows[0], *last = writer->rows[writer->rows_count - 1];
    struct weir_part_block_entry entry = {
        .offset = writer->offset,
        .columns_len = columns_len,
        .directory_len = (uint32_t)writer->directory.len,
        .directory_crc = weir_crc32c(0, writer->directory.ptr, writer->directory.len),
        .rows_count = writer->rows_count,
        .min_ns = first->time_ns,
        .max_ns = last->time_ns,
        .min_number = INT64_MAX,
        .max_number = INT64_MIN,
    };
    for (uint32_t i = 0; i < writer->rows_count; i++) {
        int64_t number = writer->rows[i]->duration_ns;
        if (number < entry.min_number) entry.min_number = number;
        if (number > entry.max_number) entry.max_number = number;
    }
    weir_part_put_block_entry(&writer->index, &entry);
}

static bool encode_block(struct weir_part_writer *writer) {
    for (const struct weir_row_column *plain = weir_row_columns; plain->tables; plain++)
        if ((plain->tables >> writer->table & 1) && !add_plain(writer, plain)) return false;
    return add_resources(writer) && add_bloom(writer) && add_attrs(writer) &&
           !writer->block.failed && !writer->directory.failed;
}

static int write_block(struct weir_part_writer *writer, struct weir_error *reterr) {
    if (!encode_block(writer))
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", writer->path);
    uint32_t columns_len = (uint32_t)writer->block.len;
    add_block_entry(writer, columns_len);
    weir_buf_add_view(&writer->block, weir_buf_view(&writer->directory));
    if (writer->block.failed || writer->index.failed)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", writer->path);
    int rc = weir_disk_write(writer->disk, writer->fd, writer->block.ptr, writer->block.len,
                             writer->offset);
    if (rc != WEIR_OK)
        return weir_error_set(reterr, rc, "cannot write %s: %s", writer->path, weir_error_text(rc));
    writer->offset += writer->block.len;
    writer->rows_total += writer->rows_count;
    writer->blocks_count++;
    writer->rows_count = 0;
    writer->rows_bytes = 0;
    writer->columns_count = 0;
    weir_buf_clear(&writer->block);
    weir_buf_clear(&writer->directory);
    weir_arena_reset(&writer->arena);
    return WEIR_OK;
}

static size_t row_bytes(const struct weir_row *row) {
    size_t size = ROW_BYTES + row->name.len + row->status_message.len + row->trace_state.len +
                  row->events.len + row->links.len;
    if (row->body.type == WEIR_VALUE_STRING || row->body.type >= WEIR_VALUE_BYTES)
        size += row->body.str.len;
    for (uint32_t i = 0; i < row->attrs.count; i++) {
        const struct weir_value *value = &row->attrs.items[i].value;
        size += sizeof(struct weir_attr);
        if (value->type == WEIR_VALUE_STRING || value->type >= WEIR_VALUE_BYTES)
            size += value->str.len;
    }
    return size;
}

int weir_part_writer_add(struct weir_part_writer *writer, const struct weir_row *row,
                         bool *ret_wrote, struct weir_error *reterr) {
    writer->rows[writer->rows_count++] = row;
    writer->rows_bytes += row_bytes(row);
    *ret_wrote = writer->rows_count == WEIR_BLOCK_ROWS_MAX || writer->rows_bytes >= BLOCK_BYTES_MAX;
    return *ret_wrote ? write_block(writer, reterr) : WEIR_OK;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Meta: block entries, then names, each {scope, types, length, bytes}. */
static void add_meta(struct weir_part_writer *writer, struct weir_buf *out) {
    weir_part_put_u32(out, writer->blocks_count);
    weir_part_put_u32(out, writer->names.count);
    weir_part_put_u64(out, writer->rows_total);
    weir_buf_add_view(out, weir_buf_view(&writer->index));
    for (uint32_t i = 0; i < writer->names.count; i++) {
        const struct weir_map_entry *entry = &writer->names.entries[i];
        weir_buf_add_char(out, entry->key.ptr[0]);
        weir_buf_add_char(out, 0);
        weir_buf_add_char(out, (char)entry->value);
        weir_buf_add_char(out, (char)(entry->value >> 8));
        weir_part_put_u32(out, (uint32_t)entry->key.len - 1);
        weir_buf_add_view(out, weir_view_from(entry->key, 1));
    }
}

int weir_part_writer_finish(struct weir_part_writer *writer, struct weir_error *reterr) {
    int rc = writer->rows_count ? write_block(writer, reterr) : WEIR_OK;
    if (rc != WEIR_OK) return rc;
    struct weir_buf *out = &writer->block;
    add_meta(writer, out);
    uint32_t meta_len = (uint32_t)out->len, crc = weir_crc32c(0, out->ptr, out->len);
    weir_part_put_u64(out, writer->offset);
    weir_part_put_u32(out, meta_len);
    weir_part_put_u32(out, crc);
    weir_part_put_u32(out, WEIR_PART_VERSION);
    weir_part_put_u32(out, weir_crc32c(0, out->ptr + meta_len, 20));
    weir_buf_add_str(out, WEIR_PART_MAGIC);
    if (out->failed)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to write %s", writer->path);
    rc = weir_disk_write(writer->disk, writer->fd, out->ptr, out->len, writer->offset);
    if (rc == WEIR_OK) rc = weir_disk_sync(writer->disk, writer->fd);
    if (rc != WEIR_OK)
        return weir_error_set(reterr, rc, "cannot write %s: %s", writer->path, weir_error_text(rc));
    writer->finished = true;
    return WEIR_OK;
}
