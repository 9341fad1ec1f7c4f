/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary folders, and select compared with the model. */
#ifndef WEIR_TESTS_STORE_SUPPORT_H
#define WEIR_TESTS_STORE_SUPPORT_H

#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "model.h"

static inline void temp_make(char path[64]) {
    snprintf(path, 64, "%s", "/tmp/weir-store-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline void temp_remove(const char *path) {
    assert_int_equal(weir_fs_remove_all(path, NULL), WEIR_OK);
}

static inline struct weir_store *must_open(const struct weir_store_options *options) {
    struct weir_store *store = NULL;
    struct weir_error err = {0};
    if (weir_store_open(options, &store, &err) != WEIR_OK) fail_msg("open: %s", err.message);
    return store;
}

/* The value in row i of an answer's column. */
static inline struct weir_value data_at(const struct weir_column_data *data, uint32_t i) {
    switch (data->type) {
    case WEIR_COLUMN_TYPE_I64: return weir_value_i64(data->i64[i]);
    case WEIR_COLUMN_TYPE_BYTES:
        return model_bytes(data->bytes + (size_t)i * data->width, data->width);
    case WEIR_COLUMN_TYPE_STR: return weir_value_str(data->str[i]);
    case WEIR_COLUMN_TYPE_VALUE: return data->values[i];
    case WEIR_COLUMN_TYPE_ATTRS: break;
    }
    return (struct weir_value){0};
}

static inline void check_dict(const struct weir_column_data *data, uint32_t i) {
    if (!data->codes) return;
    assert_true(data->codes[i] < data->dict_count);
    if (data->dict_str) assert_true(weir_view_eq(data->dict_str[data->codes[i]], data->str[i]));
    if (data->dict_values)
        assert_true(model_same(data->dict_values[data->codes[i]], data->values[i]));
    if (data->dict_attrs)
        assert_true(model_same_attrs(data->dict_attrs[data->codes[i]], data->attrs[i]));
}

/* Column 0 is SPAN_ID, column 1 TIME_NS. Gives the row's place in the model. */
static inline struct model_row *check_row(struct model *model, const struct weir_select *select,
                                          const struct weir_block *block, uint32_t i) {
    uint64_t id;
    memcpy(&id, block->columns[0].bytes + (size_t)i * 8, 8);
    assert_in_range(id, 1, model->rows_count);
    struct model_row *row = model->rows[id - 1];
    assert_int_equal(row->table, select->table);
    assert_true(row->time_ns >= select->from_ns && row->time_ns < select->until_ns);
    for (uint32_t c = 0; c < block->columns_count; c++) {
        const struct weir_column_data *data = &block->columns[c];
        check_dict(data, i);
        if (select->columns[c].id == WEIR_COLUMN_ATTRS)
            assert_true(model_same_attrs(row->attrs, data->attrs[i]));
        else if (select->columns[c].id == WEIR_COLUMN_RESOURCE)
            assert_true(model_same_attrs(row->resource, data->attrs[i]));
        else
            assert_true(model_same(model_column(row, select->columns[c]), data_at(data, i)));
    }
    return row;
}

static inline void check_order(const struct weir_select *select, const struct weir_block *block,
                               int64_t *bound_ns) {
    const int64_t *times = block->columns[1].i64;
    assert_in_range(block->rows_count, 1, WEIR_BLOCK_ROWS_MAX);
    for (uint32_t i = 0; i < block->rows_count; i++) {
        if (i) assert_true(times[i - 1] <= times[i]);
        assert_true(select->newest_first ? times[i] <= *bound_ns : times[i] >= *bound_ns);
    }
    assert_true(select->newest_first ? block->bound_ns <= *bound_ns : block->bound_ns >= *bound_ns);
    *bound_ns = block->bound_ns;
}

/* Every wanted row of the model comes exactly once, with the right content, in the promised order.
 * Gives how many rows were wanted. */
static inline uint32_t check_select(struct model *model, struct weir_store *store,
                                    const struct weir_select *select) {
    struct weir_query query;
    weir_query_init(&query, 0, 0);
    struct weir_source *source = weir_store_source(store);
    struct weir_cursor *cursor;
    struct weir_error err = {0};
    if (source->select(source, &query, select, &cursor, &err) != WEIR_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < model->rows_count; i++) model->rows[i]->seen = 0;
    const struct weir_block *block;
    int64_t bound_ns = select->newest_first ? INT64_MAX : INT64_MIN;
    int rc;
    while ((rc = cursor->next(cursor, &block, &err)) == WEIR_OK) {
        check_order(select, block, &bound_ns);
        for (uint32_t i = 0; i < block->rows_count; i++) check_row(model, select, block, i)->seen++;
    }
    if (rc != WEIR_END) fail_msg("next: %s", err.message);
    cursor->close(cursor);
    weir_query_done(&query);
    uint32_t wanted_count = 0;
    for (size_t i = 0; i < model->rows_count; i++) {
        const struct model_row *row = model->rows[i];
        bool wanted = model_wanted(select, row);
        if (row->seen > 1) fail_msg("row %zu came %u times", i + 1, row->seen);
        if (wanted && !row->seen)
            fail_msg("row %zu of %zu is missing (time %lld)", i + 1, model->rows_count,
                     (long long)row->time_ns);
        if (row->seen && !row->acked && !row->maybe)
            fail_msg("row %zu was refused and is there", i + 1);
        wanted_count += wanted;
    }
    return wanted_count;
}

/* All columns of the table, SPAN_ID and TIME_NS first. */
static inline uint32_t all_columns(enum weir_table table, struct weir_column *ret) {
    static const enum weir_column_id both[] = {
        WEIR_COLUMN_SPAN_ID,    WEIR_COLUMN_TIME_NS,       WEIR_COLUMN_TRACE_ID,
        WEIR_COLUMN_NAME,       WEIR_COLUMN_FLAGS,         WEIR_COLUMN_RESOURCE,
        WEIR_COLUMN_SCOPE_NAME, WEIR_COLUMN_SCOPE_VERSION, WEIR_COLUMN_ATTRS};
    static const enum weir_column_id spans[] = {
        WEIR_COLUMN_DURATION_NS, WEIR_COLUMN_PARENT_SPAN_ID, WEIR_COLUMN_KIND,
        WEIR_COLUMN_STATUS_CODE, WEIR_COLUMN_STATUS_MESSAGE, WEIR_COLUMN_TRACE_STATE,
        WEIR_COLUMN_EVENTS,      WEIR_COLUMN_LINKS};
    static const enum weir_column_id logs[] = {WEIR_COLUMN_OBSERVED_NS, WEIR_COLUMN_SEVERITY_NUMBER,
                                               WEIR_COLUMN_SEVERITY_TEXT, WEIR_COLUMN_BODY};
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) ret[count++].id = both[i];
    for (size_t i = 0; table == WEIR_TABLE_SPANS && i < sizeof spans / sizeof *spans; i++)
        ret[count++].id = spans[i];
    for (size_t i = 0; table == WEIR_TABLE_LOGS && i < sizeof logs / sizeof *logs; i++)
        ret[count++].id = logs[i];
    ret[count++] = (struct weir_column){WEIR_COLUMN_ATTR, WEIR_VIEW("key.1")};
    ret[count++] = (struct weir_column){WEIR_COLUMN_RESOURCE_ATTR, WEIR_VIEW("service.name")};
    ret[count++] = (struct weir_column){WEIR_COLUMN_ATTR, WEIR_VIEW("no such key")};
    return count;
}

enum { COLUMNS_ROOM = 32 };

/* Everything there is, of both tables. */
static inline void check_all(struct model *model, struct weir_store *store) {
    for (int table = 0; table < 2; table++) {
        struct weir_column columns[COLUMNS_ROOM] = {0};
        struct weir_select select = {.table = (enum weir_table)table,
                                     .from_ns = INT64_MIN,
                                     .until_ns = INT64_MAX,
                                     .columns = columns,
                                     .newest_first = model_chance(model, 2)};
        select.columns_count = all_columns(select.table, columns);
        check_select(model, store, &select);
    }
}

#endif
