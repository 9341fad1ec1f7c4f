/* SPDX-License-Identifier: Apache-2.0 */
/* Names and values that a search box offers: from what parts remember, from dictionaries of blocks,
 * and from the rows in memory. */
#include "base/map.h"
#include "store/part_block.h"
#include "store/rows.h"

enum {
    ARENA_BYTES_MAX = 256 << 20,
    DISTINCT_MAX = 100000, /* values told of one column; nobody reads more */
};

/* What was told already: type or scope, then the bytes. */
struct seen {
    struct weir_map map;
    struct weir_arena *arena;
    bool stop, no_memory;
};

static bool is_new(struct seen *seen, unsigned char kind, unsigned char more,
                   struct weir_view bytes) {
    char text[256];
    char *key = bytes.len + 2 <= sizeof text ? text : weir_arena_alloc(seen->arena, bytes.len + 2);
    if (!key) {
        seen->no_memory = true;
        return false;
    }
    key[0] = (char)kind;
    key[1] = (char)more;
    if (bytes.len) memcpy(key + 2, bytes.ptr, bytes.len);
    struct weir_view v = weir_view(key, bytes.len + 2);
    if (weir_map_get(&seen->map, v)) return false;
    if (key == text) v = weir_arena_copy(seen->arena, v);
    if (!v.ptr || !weir_map_put(&seen->map, v, 0, NULL)) {
        seen->no_memory = true;
        return false;
    }
    return true;
}

static int no_memory(struct weir_error *reterr) {
    return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the query");
}

/* ---- names ---------------------------------------------------------------------------------- */

struct names {
    struct seen seen;
    weir_visit_name *visit;
    void *arg;
};

static bool tell_name(void *arg, struct weir_view name, enum weir_column_id scope,
                      enum weir_value_type type) {
    struct names *names = arg;
    if (is_new(&names->seen, (unsigned char)scope, (unsigned char)type, name) &&
        !names->visit(names->arg, name, scope, type))
        names->seen.stop = true;
    return !names->seen.stop && !names->seen.no_memory;
}

static bool tell_attrs(struct names *names, struct weir_attrs attrs, enum weir_column_id scope) {
    for (uint32_t i = 0; i < attrs.count; i++)
        if (!tell_name(names, attrs.items[i].key, scope, attrs.items[i].value.type)) return false;
    return true;
}

/* Calls `visit` for each row of the memtable within the time range, until it says false. */
static int each_row(struct weir_rows_snapshot *snapshot, uint32_t which, struct weir_query *query,
                    int64_t from_ns, int64_t until_ns,
                    bool (*visit)(void *arg, const struct weir_row *row), void *arg,
                    struct weir_error *reterr) {
    struct weir_memtable_chunk *chunk = snapshot->memtables[which]->first;
    for (uint64_t i = 0; i < snapshot->counts[which]; i++) {
        if (i % WEIR_MEMTABLE_CHUNK_ROWS == 0) {
            int rc = weir_query_check(query, reterr);
            if (rc != WEIR_OK) return rc;
            if (i) chunk = atomic_load_explicit(&chunk->next, memory_order_acquire);
        }
        const struct weir_row *row = &chunk->rows[i % WEIR_MEMTABLE_CHUNK_ROWS];
        query->rows_read++;
        if (row->time_ns >= from_ns && row->time_ns < until_ns && !visit(arg, row)) break;
    }
    return WEIR_OK;
}

static bool names_of_row(void *arg, const struct weir_row *row) {
    struct names *names = arg;
    return tell_attrs(names, row->resource->attrs, WEIR_COLUMN_RESOURCE_ATTR) &&
           tell_attrs(names, row->attrs, WEIR_COLUMN_ATTR);
}

int weir_rows_names(struct weir_store_table *table, struct weir_query *query, int64_t from_ns,
                    int64_t until_ns, weir_visit_name *visit, void *arg,
                    struct weir_error *reterr) {
    struct weir_rows_snapshot snapshot;
    int rc =
        weir_rows_snapshot_init((struct weir_rows *)table, from_ns, until_ns, &snapshot, reterr);
    if (rc != WEIR_OK) return rc;
    struct names names = {{.arena = &query->arena}, visit, arg};
    weir_map_init(&names.seen.map);
    bool go_on = true;
    for (uint32_t i = 0; i < snapshot.parts_count && go_on; i++)
        go_on = weir_part_names(snapshot.parts[i], tell_name, &names);
    for (uint32_t i = 0; i < snapshot.memtables_count && go_on && rc == WEIR_OK; i++) {
        rc = each_row(&snapshot, i, query, from_ns, until_ns, names_of_row, &names, reterr);
        go_on = !names.seen.stop && !names.seen.no_memory;
    }
    if (rc == WEIR_OK && names.seen.no_memory) rc = no_memory(reterr);
    weir_map_done(&names.seen.map);
    weir_rows_snapshot_done(&snapshot);
    return rc;
}

/* ---- values --------------------------------------------------------------------------------- */

struct values {
    struct seen seen;
    enum weir_table table;
    struct weir_column column;
    weir_visit_value *visit;
    void *arg;
};

static bool tell_value(struct values *values, struct weir_value value) {
    if (value.type == WEIR_VALUE_NONE) return true;
    uint64_t word = 0;
    struct weir_view bytes = weir_view(&word, sizeof word);
    if (value.type == WEIR_VALUE_STRING || value.type >= WEIR_VALUE_BYTES)
        bytes = value.str;
    else if (value.type == WEIR_VALUE_BOOL)
        word = value.boolean;
    else
        memcpy(&word, &value.i64, sizeof word);
    if (is_new(&values->seen, (unsigned char)value.type, 0, bytes) &&
        (!values->visit(values->arg, value) || values->seen.map.count >= DISTINCT_MAX))
        values->seen.stop = true;
    return !values->seen.stop && !values->seen.no_memory;
}

static bool value_of_row(void *arg, const struct weir_row *row) {
    struct values *values = arg;
    return tell_value(values, weir_row_value(row, values->table, &values->column));
}

static int values_of_block(struct values *values, struct weir_part_reader *reader,
                           struct weir_part *part, uint32_t index, struct weir_error *reterr) {
    struct weir_part_block block;
    const struct weir_value *found;
    uint32_t count;
    int rc = weir_part_block_init(&block, reader, part, index, reterr);
    if (rc == WEIR_OK)
        rc = weir_part_block_distinct(&block, &values->column, &found, &count, reterr);
    reader->query->blocks_read++;
    for (uint32_t i = 0; rc == WEIR_OK && i < count; i++)
        if (!tell_value(values, found[i])) break;
    return rc;
}

struct has_name {
    const struct weir_column *column;
    bool found;
};

static bool compare_name(void *arg, struct weir_view name, enum weir_column_id scope,
                         enum weir_value_type type) {
    (void)type;
    struct has_name *has = arg;
    has->found = weir_view_eq(name, has->column->key) &&
                 (has->column->id == WEIR_COLUMN_ANY_ATTR || has->column->id == scope);
    return !has->found;
}

/* Parts remember a limited number of names: a full list proves nothing. */
static bool may_have(const struct weir_part *part, const struct weir_column *column) {
    if (column->id != WEIR_COLUMN_ATTR && column->id != WEIR_COLUMN_RESOURCE_ATTR &&
        column->id != WEIR_COLUMN_ANY_ATTR)
        return true;
    struct has_name has = {.column = column};
    weir_part_names(part, compare_name, &has);
    return has.found || part->names_count >= WEIR_PART_NAMES_MAX;
}

static int values_of_part(struct values *values, struct weir_part_reader *reader,
                          struct weir_part *part, int64_t from_ns, int64_t until_ns,
                          struct weir_error *reterr) {
    if (!may_have(part, &values->column)) {
        reader->query->parts_skipped++;
        return WEIR_OK;
    }
    reader->query->parts_read++;
    int rc = WEIR_OK;
    for (uint32_t i = 0; i < part->blocks_count && rc == WEIR_OK; i++) {
        if (values->seen.stop || values->seen.no_memory) break;
        if (part->blocks[i].max_ns < from_ns || part->blocks[i].min_ns >= until_ns) continue;
        rc = weir_query_check(reader->query, reterr);
        if (rc == WEIR_OK) rc = values_of_block(values, reader, part, i, reterr);
    }
    return rc;
}

int weir_rows_values(struct weir_store_table *table, struct weir_query *query,
                     struct weir_column column, int64_t from_ns, int64_t until_ns,
                     weir_visit_value *visit, void *arg, struct weir_error *reterr) {
    struct weir_rows *rows = (struct weir_rows *)table;
    struct weir_rows_snapshot snapshot;
    struct weir_part_reader reader;
    int rc = weir_part_reader_init(&reader, query, ARENA_BYTES_MAX, reterr);
    if (rc != WEIR_OK) return rc;
    rc = weir_rows_snapshot_init(rows, from_ns, until_ns, &snapshot, reterr);
    struct values values = {{.arena = &query->arena}, rows->table, column, visit, arg};
    weir_map_init(&values.seen.map);
    for (uint32_t i = 0; rc == WEIR_OK && i < snapshot.memtables_count; i++)
        if (!values.seen.stop && !values.seen.no_memory)
            rc = each_row(&snapshot, i, query, from_ns, until_ns, value_of_row, &values, reterr);
    for (uint32_t i = 0; rc == WEIR_OK && i < snapshot.parts_count; i++)
        rc = values_of_part(&values, &reader, snapshot.parts[i], from_ns, until_ns, reterr);
    if (rc == WEIR_OK && values.seen.no_memory) rc = no_memory(reterr);
    weir_map_done(&values.seen.map);
    weir_part_reader_done(&reader);
    weir_rows_snapshot_done(&snapshot);
    return rc;
}
