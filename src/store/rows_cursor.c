/* SPDX-License-Identifier: Apache-2.0 */
/* select: blocks of parts and chunks of memtables, in order of their times, one at a time.
 *
 * The order is that of each block's newest (or oldest) row; blocks may overlap, the bound that each
 * answer carries says from where on nothing can come any more. */
#include <stdlib.h>

#include "store/part_block.h"
#include "store/rows.h"

enum { ARENA_BYTES_MAX = 256 << 20 };

/* A block of a part, or a chunk of a memtable. */
struct unit {
    int64_t min_ns, max_ns;
    uint32_t source; /* index into the snapshot's parts, or behind them its memtables */
    uint32_t index;
    const struct weir_memtable_chunk *chunk; /* NULL: of a part */
};

struct cursor {
    struct weir_cursor base; /* must be first */
    struct weir_query *query;
    struct weir_select select; /* columns and predicates: copies */
    struct weir_rows_snapshot snapshot;
    struct weir_part_reader reader;
    struct unit *units;
    uint32_t units_count, next_unit;
    bool *part_seen; /* counted in query->parts_read */
    struct weir_block block;
    struct weir_column_data *data; /* columns_count many */
};

/* ---- units ---------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b) {
    const struct unit *x = a, *y = b;
    return x->max_ns > y->max_ns ? -1 : x->max_ns < y->max_ns;
}

static int oldest_first(const void *a, const void *b) {
    const struct unit *x = a, *y = b;
    return x->min_ns < y->min_ns ? -1 : x->min_ns > y->min_ns;
}

static void add_unit(struct cursor *cursor, struct unit unit) {
    if (unit.max_ns < cursor->select.from_ns || unit.min_ns >= cursor->select.until_ns) {
        cursor->query->blocks_skipped++;
        return;
    }
    cursor->units[cursor->units_count++] = unit;
}

/* Block entries know the range of durations: no need to read even the directory. */
static bool entry_may_hold(const struct cursor *cursor, const struct weir_part_block_entry *entry) {
    for (uint32_t i = 0; i < cursor->select.predicates_count; i++) {
        const struct weir_predicate *predicate = &cursor->select.predicates[i];
        if (cursor->select.table == WEIR_TABLE_SPANS &&
            predicate->column.id == WEIR_COLUMN_DURATION_NS &&
            !weir_predicate_may_hold_range(predicate, entry->min_number, entry->max_number))
            return false;
    }
    return true;
}

static void add_part(struct cursor *cursor, uint32_t source) {
    const struct weir_part *part = cursor->snapshot.parts[source];
    for (uint32_t i = 0; i < part->blocks_count; i++) {
        const struct weir_part_block_entry *entry = &part->blocks[i];
        if (entry_may_hold(cursor, entry))
            add_unit(cursor, (struct unit){entry->min_ns, entry->max_ns, source, i, NULL});
        else
            cursor->query->blocks_skipped++;
    }
}

static void add_memtable(struct cursor *cursor, uint32_t which) {
    struct weir_memtable *memtable = cursor->snapshot.memtables[which];
    struct weir_memtable_chunk *chunk = memtable->first;
    for (uint32_t i = 0; weir_memtable_chunk_rows(cursor->snapshot.counts[which], i); i++) {
        if (i) chunk = atomic_load_explicit(&chunk->next, memory_order_acquire);
        add_unit(cursor, (struct unit){atomic_load_explicit(&chunk->min_ns, memory_order_relaxed),
                                       atomic_load_explicit(&chunk->max_ns, memory_order_relaxed),
                                       cursor->snapshot.parts_count + which, i, chunk});
    }
}

static int plan(struct cursor *cursor, struct weir_error *reterr) {
    const struct weir_rows_snapshot *snapshot = &cursor->snapshot;
    uint64_t room = 1;
    for (uint32_t i = 0; i < snapshot->parts_count; i++) room += snapshot->parts[i]->blocks_count;
    for (uint32_t i = 0; i < snapshot->memtables_count; i++)
        room += snapshot->counts[i] / WEIR_MEMTABLE_CHUNK_ROWS + 1;
    cursor->units = malloc(room * sizeof *cursor->units);
    cursor->part_seen = calloc(snapshot->parts_count + 1, sizeof *cursor->part_seen);
    if (!cursor->units || !cursor->part_seen)
        return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the query");
    cursor->query->parts_skipped += snapshot->parts_skipped;
    for (uint32_t i = 0; i < snapshot->parts_count; i++) add_part(cursor, i);
    for (uint32_t i = 0; i < snapshot->memtables_count; i++) add_memtable(cursor, i);
    qsort(cursor->units, cursor->units_count, sizeof *cursor->units,
          cursor->select.newest_first ? newest_first : oldest_first);
    return WEIR_OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_block(struct cursor *cursor, const struct unit *unit, uint32_t *ret_count,
                      struct weir_error *reterr) {
    const struct weir_select *select = &cursor->select;
    struct weir_part *part = cursor->snapshot.parts[unit->source];
    if (!cursor->part_seen[unit->source]) cursor->query->parts_read++;
    cursor->part_seen[unit->source] = true;
    struct weir_part_block block;
    int rc = weir_part_block_init(&block, &cursor->reader, part, unit->index, reterr);
    const uint32_t *picked = NULL;
    if (rc == WEIR_OK)
        rc = weir_part_block_filter(&block, select->from_ns, select->until_ns, select->predicates,
                                    select->predicates_count, &picked, ret_count, reterr);
    if (rc != WEIR_OK) return rc;
    if (!picked) {
        cursor->query->blocks_skipped++;
        return WEIR_OK;
    }
    cursor->query->blocks_read++;
    cursor->query->rows_read += block.rows_count;
    if (*ret_count == 0) return WEIR_OK;
    return weir_part_block_pick(&block, picked, *ret_count, select->columns, select->columns_count,
                                cursor->data, reterr);
}

static bool wanted(const struct weir_select *select, const struct weir_row *row) {
    if (row->time_ns < select->from_ns || row->time_ns >= select->until_ns) return false;
    for (uint32_t i = 0; i < select->predicates_count; i++) {
        const struct weir_predicate *predicate = &select->predicates[i];
        if (predicate->column.id == WEIR_COLUMN_RESOURCE ||
            predicate->column.id == WEIR_COLUMN_ATTRS)
            continue;
        struct weir_value value = weir_row_value(row, select->table, &predicate->column);
        if (!weir_predicate_holds(predicate, value)) return false;
    }
    return true;
}

static int read_chunk(struct cursor *cursor, const struct unit *unit, uint32_t *ret_count,
                      struct weir_error *reterr) {
    const struct weir_select *select = &cursor->select;
    struct weir_arena *arena = &cursor->reader.arena;
    weir_arena_reset(arena);
    uint64_t visible = cursor->snapshot.counts[unit->source - cursor->snapshot.parts_count];
    uint32_t chunk_rows = weir_memtable_chunk_rows(visible, unit->index), count = 0;
    const struct weir_row **rows =
        weir_arena_alloc(arena, 2 * chunk_rows * sizeof(struct weir_row *));
    if (!rows) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the query");
    for (uint32_t i = 0; i < chunk_rows; i++)
        if (wanted(select, &unit->chunk->rows[i])) rows[count++] = &unit->chunk->rows[i];
    cursor->query->blocks_read++;
    cursor->query->rows_read += chunk_rows;
    *ret_count = count;
    if (count == 0) return WEIR_OK;
    weir_rows_sort(rows, rows + chunk_rows, count);
    if (weir_rows_to_columns(arena, select->table, rows, count, select->columns,
                             select->columns_count, cursor->data))
        return WEIR_OK;
    return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the query");
}

static int64_t bound_of(const struct cursor *cursor) {
    bool newest = cursor->select.newest_first;
    if (cursor->next_unit == cursor->units_count) return newest ? INT64_MIN : INT64_MAX;
    const struct unit *unit = &cursor->units[cursor->next_unit];
    if (!newest) return unit->min_ns;
    int64_t last_ns = cursor->select.until_ns - 1; /* some unit lies before it: no overflow */
    return unit->max_ns < last_ns ? unit->max_ns : last_ns;
}

static int next(struct weir_cursor *base, const struct weir_block **ret,
                struct weir_error *reterr) {
    struct cursor *cursor = (struct cursor *)base;
    while (cursor->next_unit < cursor->units_count) {
        int rc = weir_query_check(cursor->query, reterr);
        if (rc != WEIR_OK) return rc;
        const struct unit *unit = &cursor->units[cursor->next_unit++];
        uint32_t count = 0;
        rc = unit->chunk ? read_chunk(cursor, unit, &count, reterr)
                         : read_block(cursor, unit, &count, reterr);
        if (rc != WEIR_OK) return rc;
        if (count == 0) continue;
        cursor->block = (struct weir_block){
            .rows_count = count,
            .columns = cursor->data,
            .columns_count = cursor->select.columns_count,
            .bound_ns = bound_of(cursor),
        };
        *ret = &cursor->block;
        return WEIR_OK;
    }
    return WEIR_END;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void close_cursor(struct weir_cursor *base) {
    struct cursor *cursor = (struct cursor *)base;
    if (!cursor) return;
    weir_part_reader_done(&cursor->reader);
    weir_rows_snapshot_done(&cursor->snapshot);
    free(cursor->units);
    free(cursor->part_seen);
    free((void *)(uintptr_t)cursor->select.columns);
    free((void *)(uintptr_t)cursor->select.predicates);
    free(cursor->data);
    free(cursor);
}

static void *copy_array(const void *from, size_t count, size_t size) {
    void *to = calloc(count + 1, size);
    return to && count ? memcpy(to, from, count * size) : to;
}

int weir_rows_select(struct weir_store_table *table, struct weir_query *query,
                     const struct weir_select *select, struct weir_cursor **ret,
                     struct weir_error *reterr) {
    struct cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the query");
    cursor->base = (struct weir_cursor){next, close_cursor};
    cursor->query = query;
    cursor->select = *select;
    cursor->select.columns =
        copy_array(select->columns, select->columns_count, sizeof *select->columns);
    cursor->select.predicates =
        copy_array(select->predicates, select->predicates_count, sizeof *select->predicates);
    cursor->data = calloc(select->columns_count + 1, sizeof *cursor->data);
    int rc = cursor->select.columns && cursor->select.predicates && cursor->data
                 ? weir_part_reader_init(&cursor->reader, query, ARENA_BYTES_MAX, reterr)
                 : weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the query");
    if (rc == WEIR_OK && select->from_ns < select->until_ns) {
        rc = weir_rows_snapshot_init((struct weir_rows *)table, select->from_ns, select->until_ns,
                                     &cursor->snapshot, reterr);
        if (rc == WEIR_OK) rc = plan(cursor, reterr);
    }
    if (rc == WEIR_OK)
        *ret = &cursor->base;
    else
        close_cursor(&cursor->base);
    return rc;
}
