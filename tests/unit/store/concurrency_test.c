/* SPDX-License-Identifier: Apache-2.0 */
/* Pushers, readers, flush, merge, tails all at once: every answer holds what was acknowledged
 * before it was asked for, and nothing twice. Run it under ThreadSanitizer, too. */
#include "support.h"

enum { PUSHERS = 2, READERS = 2, BATCHES = 240, BATCH_ROWS = 40, ROWS = BATCHES * BATCH_ROWS };

static const int64_t base_ns = INT64_C(1760000000) * WEIR_NS_PER_S;

struct field {
    struct weir_store *store;
    struct weir_otlp_batch *batches[BATCHES];
    _Atomic uint32_t next_batch;
    atomic_bool acked[BATCHES];
    atomic_bool pushed_all;
    _Atomic uint32_t failures, answers;
    _Atomic uint64_t tailed;
};

static void *push_all(void *arg) {
    struct field *field = arg;
    for (uint32_t i; (i = atomic_fetch_add(&field->next_batch, 1)) < BATCHES;) {
        struct model_answer answer;
        do {
            answer = model_push(field->store, weir_otlp_batch_ref(field->batches[i]));
            if (answer.code == WEIR_EBUSY) nanosleep(&(struct timespec){0, 1000000}, NULL);
        } while (answer.code == WEIR_EBUSY);
        if (answer.code != WEIR_OK) atomic_fetch_add(&field->failures, 1);
        atomic_store(&field->acked[i], true);
    }
    return NULL;
}

/* One question; false when something is missing or comes twice. */
static bool read_once(struct field *field, bool newest_first) {
    static const struct weir_column columns[] = {{.id = WEIR_COLUMN_SPAN_ID},
                                                 {.id = WEIR_COLUMN_ATTRS}};
    struct weir_select select = {.table = WEIR_TABLE_SPANS,
                                 .from_ns = INT64_MIN,
                                 .until_ns = INT64_MAX,
                                 .columns = columns,
                                 .columns_count = 2,
                                 .newest_first = newest_first};
    bool before[BATCHES], *seen = calloc(ROWS + 1, sizeof *seen), fine = true;
    for (uint32_t i = 0; i < BATCHES; i++) before[i] = atomic_load(&field->acked[i]);
    struct weir_source *source = weir_store_source(field->store);
    struct weir_query query;
    struct weir_cursor *cursor;
    const struct weir_block *block;
    weir_query_init(&query, 0, 0);
    int rc = source->select(source, &query, &select, &cursor, NULL);
    if (rc != WEIR_OK) return false;
    while ((rc = cursor->next(cursor, &block, NULL)) == WEIR_OK)
        for (uint32_t i = 0; i < block->rows_count; i++) {
            uint64_t id;
            memcpy(&id, block->columns[0].bytes + (size_t)i * 8, 8);
            fine = fine && id <= ROWS && !seen[id];
            if (fine) seen[id] = true;
        }
    cursor->close(cursor);
    weir_query_done(&query);
    for (uint32_t i = 0; i < BATCHES; i++)
        for (uint64_t id = (uint64_t)i * BATCH_ROWS + 1;
             before[i] && id <= (uint64_t)(i + 1) * BATCH_ROWS; id++)
            fine = fine && seen[id];
    free(seen);
    return fine && rc == WEIR_END;
}

static void *read_all(void *arg) {
    struct field *field = arg;
    for (uint32_t i = 0; !atomic_load(&field->pushed_all) || i < 3; i++) {
        if (!read_once(field, i % 2)) atomic_fetch_add(&field->failures, 1);
        atomic_fetch_add(&field->answers, 1);
    }
    return NULL;
}

static bool count_value(void *arg, struct weir_value value) {
    (void)value;
    ++*(uint32_t *)arg;
    return true;
}

static void *tend(void *arg) {
    struct field *field = arg;
    struct weir_source *source = weir_store_source(field->store);
    while (!atomic_load(&field->pushed_all)) {
        uint32_t count = 0;
        struct weir_query query;
        struct weir_source_stats stats;
        weir_query_init(&query, 0, 0);
        if (weir_store_flush(field->store, NULL) != WEIR_OK) atomic_fetch_add(&field->failures, 1);
        if (weir_store_merge(field->store, NULL) != WEIR_OK) atomic_fetch_add(&field->failures, 1);
        source->values(source, &query, WEIR_TABLE_SPANS,
                       (struct weir_column){WEIR_COLUMN_RESOURCE_ATTR, WEIR_VIEW("service.name")},
                       INT64_MIN, INT64_MAX, count_value, &count, NULL);
        if (count > 5) atomic_fetch_add(&field->failures, 1);
        source->stats(source, &stats);
        weir_query_done(&query);
    }
    return NULL;
}

static void tailed(void *arg, const struct weir_block *block) {
    struct field *field = arg;
    atomic_fetch_add(&field->tailed, block->rows_count);
}

static void everything_at_once(void **state) {
    (void)state;
    char path[64];
    temp_make(path);
    static struct field field;
    struct model model;
    model_init(&model, 5, base_ns);
    for (int i = 0; i < BATCHES; i++) {
        size_t first;
        field.batches[i] = model_batch(&model, WEIR_TABLE_SPANS, BATCH_ROWS, &first);
    }
    struct weir_store_options options = {.path = path,
                                         .sync_off = true,
                                         .retention_age_ns = -1,
                                         .retention_bytes_max = UINT64_MAX,
                                         .memory_bytes_max = 32 << 20,
                                         .flush_age_ns = 20 * WEIR_NS_PER_MS,
                                         .upkeep_interval_ns = 5 * WEIR_NS_PER_MS,
                                         .wal_segment_bytes = 64 << 10};
    field.store = must_open(&options);
    struct weir_source *source = weir_store_source(field.store);
    struct weir_column column = {WEIR_COLUMN_NAME, WEIR_VIEW("")};
    struct weir_tail *tail;
    assert_int_equal(
        source->tail(source, WEIR_TABLE_SPANS, &column, 1, tailed, &field, &tail, NULL), WEIR_OK);
    pthread_t pushers[PUSHERS], readers[READERS], tender;
    for (int i = 0; i < PUSHERS; i++) pthread_create(&pushers[i], NULL, push_all, &field);
    for (int i = 0; i < READERS; i++) pthread_create(&readers[i], NULL, read_all, &field);
    pthread_create(&tender, NULL, tend, &field);
    for (int i = 0; i < PUSHERS; i++) pthread_join(pushers[i], NULL);
    atomic_store(&field.pushed_all, true);
    for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    pthread_join(tender, NULL);
    source->tail_close(source, tail);
    assert_int_equal(field.failures, 0);
    assert_int_equal(field.tailed, ROWS);
    assert_true(field.answers > 0);
    assert_true(read_once(&field, false));
    weir_store_close(field.store);
    for (int i = 0; i < BATCHES; i++) weir_otlp_batch_unref(field.batches[i]);
    model_done(&model);
    temp_remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
