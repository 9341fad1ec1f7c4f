/* SPDX-License-Identifier: Apache-2.0 */
/* The data folder, retention, live rows, names and values, budgets. */
#include "support.h"

#include <sys/stat.h>

static const int64_t day_ns = 86400 * WEIR_NS_PER_S;

static struct weir_store_options options_of(const char *path) {
    return (struct weir_store_options){.path = path,
                                       .sync_off = true,
                                       .retention_age_ns = -1,
                                       .retention_bytes_max = UINT64_MAX,
                                       .memory_bytes_max = 64 << 20,
                                       .upkeep_interval_ns = 3600 * WEIR_NS_PER_S};
}

static struct weir_source_stats stats_of(struct weir_store *store) {
    struct weir_source_stats stats;
    weir_store_source(store)->stats(weir_store_source(store), &stats);
    return stats;
}

/* ---- the folder ----------------------------------------------------------------------------- */

static void second_server_is_told_who_has_it(void **state) {
    (void)state;
    char path[64], pid[32];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options), *second = NULL;
    struct weir_error err = {0};
    assert_int_equal(weir_store_open(&options, &second, &err), WEIR_ECONFLICT);
    snprintf(pid, sizeof pid, "process %ld;", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    assert_non_null(strstr(err.message, path));
    weir_store_close(store);
    store = must_open(&options); /* free again */
    weir_store_close(store);
    temp_remove(path);
}

static void write_text(const char *folder, const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(weir_fs_write_file(path, weir_view_str(text), NULL), WEIR_OK);
}

static void newer_version_is_refused(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = NULL;
    struct weir_error err = {0};
    write_text(path, "version", "weir-store 2\n");
    assert_int_equal(weir_store_open(&options, &store, &err), WEIR_EVERSION);
    write_text(path, "version", "something else\n");
    assert_int_equal(weir_store_open(&options, &store, &err), WEIR_ECORRUPT);
    write_text(path, "version", "weir-store 1\n");
    weir_store_close(must_open(&options));
    temp_remove(path);
}

static void unusable_folder_is_named(void **state) {
    (void)state;
    char path[64], below[80];
    temp_make(path);
    write_text(path, "file", "in the way");
    snprintf(below, sizeof below, "%s/file", path);
    struct weir_store_options options = options_of(below);
    struct weir_store *store = NULL;
    struct weir_error err = {0};
    assert_true(weir_store_open(&options, &store, &err) != WEIR_OK);
    assert_non_null(strstr(err.message, below));
    assert_non_null(strstr(err.message, "--data"));
    temp_remove(path);
}

static void lost_manifest_is_no_reason_to_delete_parts(void **state) {
    (void)state;
    char path[64], manifest[100];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 3, weir_clock_wall_ns());
    assert_true(model_ingest(&model, store, WEIR_TABLE_SPANS, 10));
    weir_store_close(store);
    snprintf(manifest, sizeof manifest, "%s/spans/manifest", path);
    assert_int_equal(unlink(manifest), 0);
    struct weir_error err = {0};
    assert_int_equal(weir_store_open(&options, &store, &err), WEIR_ECORRUPT);
    assert_non_null(strstr(err.message, manifest));
    model_done(&model);
    temp_remove(path);
}

static int first_part(void *arg, const char *name) {
    char *path = arg;
    if (!strstr(name, ".part")) return WEIR_OK;
    snprintf(path + strlen(path), 60, "/%s", name);
    return 1;
}

static void damaged_part_is_set_aside(void **state) {
    (void)state;
    char path[64], part[200], bad[210];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 4, INT64_C(1760000000) * WEIR_NS_PER_S);
    assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 10));
    weir_store_close(store);
    snprintf(part, sizeof part, "%s/logs", path);
    weir_disk_list(part, first_part, part, NULL);
    assert_int_equal(truncate(part, 100), 0);
    store = must_open(&options);
    assert_true(stats_of(store).logs_count < 10);
    snprintf(bad, sizeof bad, "%s.bad", part);
    assert_int_equal(access(bad, F_OK), 0);
    assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 10));
    weir_store_close(store);
    weir_store_close(must_open(&options));
    model_done(&model);
    temp_remove(path);
}

/* ---- retention ------------------------------------------------------------------------------ */

static void old_parts_are_dropped(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    options.retention_age_ns = 7 * day_ns;
    struct weir_store *store = must_open(&options);
    int64_t now_ns = weir_clock_wall_ns();
    for (int days = 12; days >= 1; days--) {
        struct model model;
        model_init(&model, 1, now_ns - days * day_ns);
        size_t first;
        struct weir_otlp_batch *batch = model_batch(&model, WEIR_TABLE_SPANS, 3, &first);
        assert_int_equal(model_push(store, batch).code, WEIR_OK);
        assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
        model_done(&model);
    }
    assert_int_equal(stats_of(store).spans_count, 36);
    assert_int_equal(weir_store_retain(store, NULL), WEIR_OK);
    struct weir_source_stats stats = stats_of(store);
    assert_in_range(stats.spans_count, 3 * 6, 3 * 8);
    assert_true(stats.oldest_ns > now_ns - 8 * day_ns);
    weir_store_close(store);
    store = must_open(&options); /* they stay away */
    assert_int_equal(stats_of(store).spans_count, stats.spans_count);
    weir_store_close(store);
    temp_remove(path);
}

static void size_drops_the_oldest_of_all_tables(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    for (int i = 0; i < 10; i++) {
        struct model model;
        model_init(&model, 1, INT64_C(1760000000) * WEIR_NS_PER_S + i * day_ns);
        size_t first;
        enum weir_table table = i % 2 ? WEIR_TABLE_LOGS : WEIR_TABLE_SPANS;
        assert_int_equal(model_push(store, model_batch(&model, table, 40, &first)).code, WEIR_OK);
        assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
        model_done(&model);
    }
    struct weir_source_stats before = stats_of(store);
    weir_store_close(store);
    options.retention_bytes_max = (before.disk_bytes[0] + before.disk_bytes[2]) / 2;
    store = must_open(&options);
    assert_int_equal(weir_store_retain(store, NULL), WEIR_OK);
    struct weir_source_stats after = stats_of(store);
    assert_true(after.disk_bytes[0] + after.disk_bytes[2] + after.wal_bytes <=
                options.retention_bytes_max);
    assert_true(after.parts_count > 0 && after.parts_count < before.parts_count);
    assert_true(after.oldest_ns > before.oldest_ns);
    assert_int_equal(after.newest_ns, before.newest_ns);
    weir_store_close(store);
    temp_remove(path);
}

/* A reader goes on reading what was merged and dropped under it. */
static void cursors_outlive_parts(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    options.retention_age_ns = day_ns;
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 11, INT64_C(1760000000) * WEIR_NS_PER_S);
    for (int i = 0; i < 6; i++) {
        assert_true(model_ingest(&model, store, WEIR_TABLE_SPANS, 50));
        assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
    }
    struct weir_source *source = weir_store_source(store);
    struct weir_column column = {WEIR_COLUMN_SPAN_ID, WEIR_VIEW("")};
    struct weir_select select = {.table = WEIR_TABLE_SPANS,
                                 .from_ns = INT64_MIN,
                                 .until_ns = INT64_MAX,
                                 .columns = &column,
                                 .columns_count = 1};
    struct weir_query query;
    struct weir_cursor *cursor;
    weir_query_init(&query, 0, 0);
    assert_int_equal(source->select(source, &query, &select, &cursor, NULL), WEIR_OK);
    assert_int_equal(weir_store_merge(store, NULL), WEIR_OK);
    assert_int_equal(weir_store_retain(store, NULL), WEIR_OK);
    assert_int_equal(stats_of(store).spans_count, 0); /* all of it is older than a day */
    const struct weir_block *block;
    uint64_t rows = 0;
    while (cursor->next(cursor, &block, NULL) == WEIR_OK) rows += block->rows_count;
    assert_int_equal(rows, model.rows_count);
    cursor->close(cursor);
    weir_query_done(&query);
    weir_store_close(store);
    model_done(&model);
    temp_remove(path);
}

/* ---- merge ---------------------------------------------------------------------------------- */

static void merges_make_few_parts(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 12, INT64_C(1760000000) * WEIR_NS_PER_S);
    for (int i = 0; i < 20; i++) {
        assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 30));
        assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
    }
    uint64_t before = stats_of(store).parts_count;
    assert_int_equal(weir_store_merge(store, NULL), WEIR_OK);
    assert_true(stats_of(store).parts_count < before / 2);
    check_all(&model, store);
    weir_store_close(store);
    store = must_open(&options);
    check_all(&model, store);
    weir_store_close(store);
    model_done(&model);
    temp_remove(path);
}

/* ---- live rows ------------------------------------------------------------------------------ */

struct heard {
    struct model *model;
    struct weir_select select;
    uint32_t rows;
};

static void hear(void *arg, const struct weir_block *block) {
    struct heard *heard = arg;
    for (uint32_t i = 0; i < block->rows_count; i++)
        check_row(heard->model, &heard->select, block, i);
    heard->rows += block->rows_count;
}

static void tail_shows_each_row_once(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 13, INT64_C(1760000000) * WEIR_NS_PER_S);
    assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 5)); /* before: not heard */
    struct weir_column columns[COLUMNS_ROOM] = {0};
    struct heard heard = {.model = &model,
                          .select = {.table = WEIR_TABLE_LOGS,
                                     .from_ns = INT64_MIN,
                                     .until_ns = INT64_MAX,
                                     .columns = columns}};
    heard.select.columns_count = all_columns(WEIR_TABLE_LOGS, columns);
    struct weir_source *source = weir_store_source(store);
    struct weir_tail *tail;
    assert_int_equal(source->tail(source, WEIR_TABLE_LOGS, columns, heard.select.columns_count,
                                  hear, &heard, &tail, NULL),
                     WEIR_OK);
    assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 7));
    assert_true(model_ingest(&model, store, WEIR_TABLE_SPANS, 7)); /* the other table */
    assert_int_equal(heard.rows, 7);
    assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 5000)); /* several chunks */
    assert_int_equal(heard.rows, 5007);
    source->tail_close(source, tail);
    assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 7));
    assert_int_equal(heard.rows, 5007);
    weir_store_close(store);
    model_done(&model);
    temp_remove(path);
}

/* ---- names and values ----------------------------------------------------------------------- */

struct told {
    struct weir_arena arena;
    struct weir_value values[4096];
    struct weir_view names[4096];
    enum weir_column_id scopes[4096];
    uint32_t count;
};

static bool tell_value(void *arg, struct weir_value value) {
    struct told *told = arg;
    for (uint32_t i = 0; i < told->count; i++) assert_false(model_same(told->values[i], value));
    if (value.type == WEIR_VALUE_STRING || value.type == WEIR_VALUE_BYTES)
        value.str = weir_arena_copy(&told->arena, value.str);
    told->values[told->count++] = value;
    return true;
}

static bool tell_name(void *arg, struct weir_view name, enum weir_column_id scope,
                      enum weir_value_type type) {
    struct told *told = arg;
    assert_true(type != WEIR_VALUE_NONE);
    for (uint32_t i = 0; i < told->count; i++)
        if (weir_view_eq(told->names[i], name) && told->scopes[i] == scope) return true;
    told->names[told->count] = weir_arena_copy(&told->arena, name);
    told->scopes[told->count++] = scope;
    return true;
}

static void check_values(struct model *model, struct weir_store *store, struct weir_column column) {
    static struct told told;
    memset(&told, 0, sizeof told);
    struct weir_query query;
    weir_query_init(&query, 0, 0);
    struct weir_source *source = weir_store_source(store);
    assert_int_equal(source->values(source, &query, WEIR_TABLE_SPANS, column, INT64_MIN, INT64_MAX,
                                    tell_value, &told, NULL),
                     WEIR_OK);
    for (size_t i = 0; i < model->rows_count; i++) {
        struct weir_value value = model_column(model->rows[i], column);
        bool found = value.type == WEIR_VALUE_NONE;
        for (uint32_t j = 0; j < told.count && !found; j++)
            found = model_same(value, told.values[j]);
        assert_true(found);
    }
    for (uint32_t j = 0; j < told.count; j++) {
        bool found = false;
        for (size_t i = 0; i < model->rows_count && !found; i++)
            found = model_same(model_column(model->rows[i], column), told.values[j]);
        assert_true(found);
    }
    weir_query_done(&query);
    weir_arena_done(&told.arena);
}

static void check_names(struct model *model, struct weir_store *store) {
    static struct told told;
    memset(&told, 0, sizeof told);
    struct weir_query query;
    weir_query_init(&query, 0, 0);
    struct weir_source *source = weir_store_source(store);
    assert_int_equal(source->names(source, &query, WEIR_TABLE_SPANS, INT64_MIN, INT64_MAX,
                                   tell_name, &told, NULL),
                     WEIR_OK);
    uint32_t own = 0;
    for (uint32_t i = 0; i < told.count; i++) {
        struct weir_column column = {told.scopes[i], told.names[i]};
        bool found = false;
        for (size_t j = 0; j < model->rows_count && !found; j++)
            found = model_column(model->rows[j], column).type != WEIR_VALUE_NONE;
        assert_true(found);
        own += told.scopes[i] == WEIR_COLUMN_ATTR;
    }
    assert_int_equal(own, model->keys_max); /* enough rows to have every key */
    weir_query_done(&query);
    weir_arena_done(&told.arena);
}

static void names_and_values_are_complete(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 14, INT64_C(1760000000) * WEIR_NS_PER_S);
    for (int round = 0; round < 3; round++) { /* in memory; on disk and in memory; on disk */
        if (round < 2) assert_true(model_ingest(&model, store, WEIR_TABLE_SPANS, 300));
        if (round == 2) assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
        check_names(&model, store);
        check_values(&model, store, (struct weir_column){WEIR_COLUMN_NAME, WEIR_VIEW("")});
        check_values(&model, store, (struct weir_column){WEIR_COLUMN_STATUS_CODE, WEIR_VIEW("")});
        check_values(&model, store, (struct weir_column){WEIR_COLUMN_ATTR, WEIR_VIEW("key.3")});
        check_values(&model, store, (struct weir_column){WEIR_COLUMN_ATTR, WEIR_VIEW("nowhere")});
        check_values(&model, store,
                     (struct weir_column){WEIR_COLUMN_RESOURCE_ATTR, WEIR_VIEW("service.name")});
        if (round == 0) assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
    }
    weir_store_close(store);
    model_done(&model);
    temp_remove(path);
}

/* ---- costs ---------------------------------------------------------------------------------- */

static struct weir_query ask(struct weir_store *store, const struct weir_select *select,
                             uint64_t bytes_max, int *ret_rc, uint64_t *ret_rows) {
    struct weir_source *source = weir_store_source(store);
    struct weir_query query;
    struct weir_cursor *cursor;
    const struct weir_block *block;
    weir_query_init(&query, 0, 0);
    query.bytes_read_max = bytes_max;
    *ret_rows = 0;
    assert_int_equal(source->select(source, &query, select, &cursor, NULL), WEIR_OK);
    while ((*ret_rc = cursor->next(cursor, &block, NULL)) == WEIR_OK)
        *ret_rows += block->rows_count;
    cursor->close(cursor);
    weir_query_done(&query);
    return query;
}

static void only_what_is_needed_is_read(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 15, INT64_C(1760000000) * WEIR_NS_PER_S);
    for (int i = 0; i < 10; i++) assert_true(model_ingest(&model, store, WEIR_TABLE_SPANS, 2000));
    assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
    struct weir_column columns[COLUMNS_ROOM] = {0}, name = {WEIR_COLUMN_NAME, WEIR_VIEW("")};
    struct weir_select all = {
        .table = WEIR_TABLE_SPANS, .from_ns = INT64_MIN, .until_ns = INT64_MAX, .columns = columns};
    all.columns_count = all_columns(WEIR_TABLE_SPANS, columns);
    int rc;
    uint64_t rows;
    struct weir_query whole = ask(store, &all, 0, &rc, &rows);
    assert_int_equal(rc, WEIR_END);
    assert_int_equal(rows, 20000);
    assert_true(whole.blocks_read >= 3 && whole.bytes_decoded > whole.bytes_read);

    struct weir_select narrow = all;
    narrow.columns = &name;
    narrow.columns_count = 1;
    struct weir_query one = ask(store, &narrow, 0, &rc, &rows);
    assert_int_equal(rows, 20000);
    assert_true(one.bytes_read * 10 < whole.bytes_read); /* one column of many */

    struct weir_predicate predicate = {
        .column = {WEIR_COLUMN_RESOURCE_ATTR, WEIR_VIEW("service.name")},
        .op = WEIR_OP_EQ,
        .value = weir_value_str(WEIR_VIEW("nobody"))};
    struct weir_select none = all;
    none.predicates = &predicate;
    none.predicates_count = 1;
    struct weir_query missed = ask(store, &none, 0, &rc, &rows);
    assert_int_equal(rows, 0);
    assert_true(missed.bytes_read * 10 < whole.bytes_read);

    uint8_t trace_id[16] = "no such trace...";
    predicate = (struct weir_predicate){.column = {WEIR_COLUMN_TRACE_ID, WEIR_VIEW("")},
                                        .op = WEIR_OP_EQ,
                                        .value = model_bytes(trace_id, 16)};
    struct weir_query unknown = ask(store, &none, 0, &rc, &rows);
    assert_int_equal(rows, 0);
    assert_true(unknown.bytes_read * 10 < whole.bytes_read);
    assert_true(unknown.blocks_skipped > 0);

    ask(store, &all, 1000, &rc, &rows);
    assert_int_equal(rc, WEIR_ELIMIT);
    weir_store_close(store);
    model_done(&model);
    temp_remove(path);
}

/* "The latest 20" reads few blocks: the bound tells when to stop. */
static void bound_stops_early(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    struct model model;
    for (int i = 0; i < 30; i++) {
        model_init(&model, 16, INT64_C(1760000000) * WEIR_NS_PER_S + i * day_ns);
        size_t first;
        assert_int_equal(model_push(store, model_batch(&model, WEIR_TABLE_LOGS, 100, &first)).code,
                         WEIR_OK);
        model_done(&model);
        assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
    }
    struct weir_column time = {WEIR_COLUMN_TIME_NS, WEIR_VIEW("")};
    struct weir_select select = {.table = WEIR_TABLE_LOGS,
                                 .from_ns = INT64_MIN,
                                 .until_ns = INT64_MAX,
                                 .columns = &time,
                                 .columns_count = 1,
                                 .newest_first = true};
    struct weir_source *source = weir_store_source(store);
    struct weir_query query;
    struct weir_cursor *cursor;
    const struct weir_block *block;
    weir_query_init(&query, 0, 0);
    assert_int_equal(source->select(source, &query, &select, &cursor, NULL), WEIR_OK);
    uint32_t rows = 0;
    int64_t twentieth_ns = INT64_MIN;
    do {
        assert_int_equal(cursor->next(cursor, &block, NULL), WEIR_OK);
        rows += block->rows_count;
        if (block->rows_count >= 20) twentieth_ns = block->columns[0].i64[block->rows_count - 20];
    } while (rows < 20 || block->bound_ns > twentieth_ns);
    assert_true(query.blocks_read <= 4);
    cursor->close(cursor);
    weir_query_done(&query);
    weir_store_close(store);
    temp_remove(path);
}

static void log_is_cut_when_rows_are_in_parts(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    options.wal_segment_bytes = 4096;
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 17, INT64_C(1760000000) * WEIR_NS_PER_S);
    for (int i = 0; i < 30; i++) assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 20));
    assert_int_equal(weir_store_flush(store, NULL), WEIR_OK);
    assert_true(stats_of(store).wal_bytes < 4 * options.wal_segment_bytes); /* a batch is larger */
    assert_true(model_ingest(&model, store, WEIR_TABLE_SPANS, 20));
    weir_store_close(store);
    store = must_open(&options);
    assert_int_equal(stats_of(store).wal_bytes, 0); /* a clean end leaves nothing to replay */
    check_all(&model, store);
    assert_true(
        model_ingest(&model, store, WEIR_TABLE_SPANS, 20)); /* numbers go on behind the parts' */
    check_all(&model, store);
    weir_store_close(store);
    store = must_open(&options);
    check_all(&model, store);
    weir_store_close(store);
    model_done(&model);
    temp_remove(path);
}

/* Nobody asks for a flush and nothing is old or large: one early span must not keep the log of all
 * the lines that came after it. */
static void quiet_table_does_not_keep_the_log(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    options.wal_segment_bytes = 4096;
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, 23, INT64_C(1760000000) * WEIR_NS_PER_S);
    assert_true(model_ingest(&model, store, WEIR_TABLE_SPANS, 1));
    for (int i = 0; i < 60; i++) assert_true(model_ingest(&model, store, WEIR_TABLE_LOGS, 20));
    uint64_t bytes = UINT64_MAX, most = 20 * options.wal_segment_bytes;
    for (int i = 0; i < 1000 && bytes > most; i++) {
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
        bytes = stats_of(store).wal_bytes;
    }
    assert_in_range(bytes, 0, most);
    assert_true(stats_of(store).disk_bytes[WEIR_SIGNAL_TRACE] > 0);
    check_all(&model, store);
    weir_store_close(store);
    model_done(&model);
    temp_remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_server_is_told_who_has_it),
        cmocka_unit_test(newer_version_is_refused),
        cmocka_unit_test(unusable_folder_is_named),
        cmocka_unit_test(lost_manifest_is_no_reason_to_delete_parts),
        cmocka_unit_test(damaged_part_is_set_aside),
        cmocka_unit_test(old_parts_are_dropped),
        cmocka_unit_test(size_drops_the_oldest_of_all_tables),
        cmocka_unit_test(cursors_outlive_parts),
        cmocka_unit_test(merges_make_few_parts),
        cmocka_unit_test(tail_shows_each_row_once),
        cmocka_unit_test(names_and_values_are_complete),
        cmocka_unit_test(only_what_is_needed_is_read),
        cmocka_unit_test(bound_stops_early),
        cmocka_unit_test(log_is_cut_when_rows_are_in_parts),
        cmocka_unit_test(quiet_table_does_not_keep_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
