/* SPDX-License-Identifier: Apache-2.0 */
/* The whole store against the naive model: random rows, questions, flushes, merges, reopenings. */
#include "support.h"

static const int64_t base_ns = INT64_C(1760000000) * WEIR_NS_PER_S;

static struct weir_store_options options_of(const char *path) {
    return (struct weir_store_options){.path = path,
                                       .sync_off = true,
                                       .retention_age_ns = -1,
                                       .retention_bytes_max = UINT64_MAX,
                                       .memory_bytes_max = 64 << 20};
}

/* ---- random questions ----------------------------------------------------------------------- */

static bool ends_in_7(const void *ctx, struct weir_view str) {
    (void)ctx;
    return str.len && str.ptr[str.len - 1] == '7';
}

/* A column and a value that some row has: otherwise most questions would find nothing. */
static struct weir_predicate random_predicate(struct model *model, enum weir_table table) {
    static const enum weir_column_id ids[] = {WEIR_COLUMN_NAME,
                                              WEIR_COLUMN_TRACE_ID,
                                              WEIR_COLUMN_SPAN_ID,
                                              WEIR_COLUMN_DURATION_NS,
                                              WEIR_COLUMN_KIND,
                                              WEIR_COLUMN_STATUS_CODE,
                                              WEIR_COLUMN_SEVERITY_NUMBER,
                                              WEIR_COLUMN_SEVERITY_TEXT,
                                              WEIR_COLUMN_BODY,
                                              WEIR_COLUMN_TIME_NS,
                                              WEIR_COLUMN_SCOPE_NAME,
                                              WEIR_COLUMN_ATTR,
                                              WEIR_COLUMN_RESOURCE_ATTR,
                                              WEIR_COLUMN_ANY_ATTR};
    struct weir_predicate predicate = {0};
    for (int attempt = 0; attempt < 100; attempt++) {
        const struct model_row *row = model->rows[model_below(model, model->rows_count)];
        enum weir_column_id id = ids[model_below(model, sizeof ids / sizeof *ids)];
        bool spans_only = id == WEIR_COLUMN_DURATION_NS || id == WEIR_COLUMN_KIND ||
                          id == WEIR_COLUMN_STATUS_CODE;
        bool logs_only = id == WEIR_COLUMN_SEVERITY_NUMBER || id == WEIR_COLUMN_SEVERITY_TEXT ||
                         id == WEIR_COLUMN_BODY;
        if ((spans_only && table != WEIR_TABLE_SPANS) || (logs_only && table != WEIR_TABLE_LOGS))
            continue;
        struct weir_column column = {id, WEIR_VIEW("")};
        if (id == WEIR_COLUMN_RESOURCE_ATTR ||
            (id == WEIR_COLUMN_ANY_ATTR && model_chance(model, 2)))
            column.key =
                model_chance(model, 2) ? WEIR_VIEW("service.name") : model_text(model, "res.", 4);
        else if (id == WEIR_COLUMN_ATTR || id == WEIR_COLUMN_ANY_ATTR)
            column.key = model_text(model, "key.", model->keys_max + 1);
        predicate.column = column;
        predicate.value = model_column(row, column);
        enum weir_value_type type = predicate.value.type;
        if (type == WEIR_VALUE_NONE) continue;
        predicate.op =
            type == WEIR_VALUE_INT || type == WEIR_VALUE_DOUBLE
                ? (enum weir_op)model_below(model, 6)
            : type == WEIR_VALUE_STRING
                ? (const enum weir_op[]){WEIR_OP_EQ, WEIR_OP_EQ, WEIR_OP_NE, WEIR_OP_MATCH,
                                         WEIR_OP_CONTAINS}[model_below(model, 5)]
                : (enum weir_op)model_below(model, 2);
        predicate.match = ends_in_7;
        break;
    }
    return predicate;
}

static uint32_t ask_something(struct model *model, struct weir_store *store) {
    struct weir_predicate predicates[3];
    struct weir_column columns[COLUMNS_ROOM] = {0};
    struct weir_select select = {.table = (enum weir_table)model_below(model, 2),
                                 .from_ns = INT64_MIN,
                                 .until_ns = INT64_MAX,
                                 .columns = columns,
                                 .predicates = predicates,
                                 .newest_first = model_chance(model, 2)};
    if (!model->rows_count) return 0;
    uint32_t count = all_columns(select.table, columns);
    select.columns_count = 2 + (uint32_t)model_below(model, count - 1);
    select.predicates_count = (uint32_t)model_below(model, 3);
    if (model_chance(model, 2)) {
        select.from_ns = model->rows[model_below(model, model->rows_count)]->time_ns;
        select.until_ns = select.from_ns + 1 + (int64_t)model_below(model, 3600) * WEIR_NS_PER_S;
    }
    for (uint32_t i = 0; i < select.predicates_count; i++)
        predicates[i] = random_predicate(model, select.table);
    return check_select(model, store, &select);
}

static void run_model(uint64_t seed, int steps, uint32_t batch_max) {
    char path[64];
    temp_make(path);
    struct weir_store_options options = options_of(path);
    struct weir_store *store = must_open(&options);
    struct model model;
    model_init(&model, seed, base_ns);
    print_message("seed %llu\n", (unsigned long long)seed);
    uint64_t found = 0;
    for (int i = 0; i < steps; i++) {
        struct weir_error err = {0};
        uint64_t dice = model_below(&model, 100);
        model.keys_max = dice == 99 ? 700 : 12; /* more keys than a block has columns for */
        if (dice < 45 || dice == 99)
            assert_true(model_ingest(&model, store, (enum weir_table)model_below(&model, 2),
                                     (uint32_t)model_below(&model, batch_max)));
        else if (dice < 75)
            found += ask_something(&model, store);
        else if (dice < 88)
            assert_int_equal(weir_store_flush(store, &err), WEIR_OK);
        else if (dice < 93)
            assert_int_equal(weir_store_merge(store, &err), WEIR_OK);
        else if (dice < 97) {
            weir_store_close(store);
            store = must_open(&options);
        } else
            check_all(&model, store);
    }
    check_all(&model, store);
    struct weir_source_stats stats;
    weir_store_source(store)->stats(weir_store_source(store), &stats);
    assert_int_equal(stats.spans_count + stats.logs_count, model.rows_count);
    assert_true(found > 0);
    weir_store_close(store);
    model_done(&model);
    temp_remove(path);
}

static void behaves_like_the_model(void **state) {
    (void)state;
    run_model(1, 150, 40);
    run_model(2, 60, 900);
    uint64_t seed = weir_rand_seed();
    run_model(seed, 80, 120);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_like_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
