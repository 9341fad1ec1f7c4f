/* SPDX-License-Identifier: Apache-2.0 */
/* One writer, a flusher, a merger and two readers at once: a reader always sees every sample that
 * was appended before it asked, once. Meant for the thread sanitizer, too. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "store/series.h"
#include "unit.h"

enum { SERIES = 50, ROUNDS = 400, FREEZE_EVERY = 7, READERS = 2 };

static struct weir_store_table *table;
static atomic_bool stop;
static atomic_uint appended; /* samples that each series has for sure */
static atomic_uint answers, mistakes;

static void read_all(void) {
    struct weir_query query;
    struct weir_series_cursor *cursor;
    const struct weir_series *series;
    struct weir_matcher name = {.name = WEIR_VIEW("__name__"), .value = WEIR_VIEW("temp")};
    struct weir_series_select select = {
        .matchers = &name, .matchers_count = 1, .from_ms = 0, .until_ms = INT64_MAX};
    unsigned least = atomic_load(&appended), found = 0;
    weir_query_init(&query, 0, 0);
    if (weir_store_series_select(table, &query, &select, &cursor, NULL)) abort();
    while (cursor->next(cursor, &series, NULL) == 0) {
        found++;
        if (series->samples_count < least) atomic_fetch_add(&mistakes, 1);
        for (uint32_t i = 0; i < series->samples_count; i++)
            if (series->times_ms[i] != (1000 + i) * 1000 || series->values[i] != i)
                atomic_fetch_add(&mistakes, 1);
    }
    if (least && found != SERIES) atomic_fetch_add(&mistakes, 1);
    cursor->close(cursor);
    weir_query_done(&query);
    atomic_fetch_add(&answers, 1);
}

static void *run_reader(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) read_all();
    return NULL;
}

static void *run_flusher(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) table->flush(table, NULL);
    return NULL;
}

static void *run_merger(void *arg) {
    (void)arg;
    atomic_bool never = false;
    struct weir_store_table_stats stats;
    bool did;
    while (!atomic_load(&stop)) {
        table->merge(table, &never, &did, NULL);
        table->stats(table, &stats);
    }
    return NULL;
}

static void append_rounds(void) {
    struct weir_otlp_resource resource = {0};
    struct weir_otlp_scope scope = {0};
    struct weir_otlp_metric metric = {.name = WEIR_VIEW("temp"), .type = WEIR_METRIC_TYPE_GAUGE};
    struct weir_otlp_point points[SERIES];
    struct weir_attr attrs[SERIES];
    char names[SERIES][16];
    struct weir_store_table_load load;
    for (int i = 0; i < SERIES; i++) {
        snprintf(names[i], sizeof names[i], "p%d", i);
        attrs[i] = (struct weir_attr){WEIR_VIEW("pod"), weir_value_str(weir_view_str(names[i]))};
        points[i] = (struct weir_otlp_point){.attrs = {&attrs[i], 1}, .sum = (double)NAN};
    }
    struct weir_otlp_batch batch = {.signal = WEIR_SIGNAL_METRIC,
                                    .resources = &resource,
                                    .scopes = &scope,
                                    .metrics = &metric,
                                    .points = points,
                                    .resources_count = 1,
                                    .scopes_count = 1,
                                    .metrics_count = 1,
                                    .points_count = SERIES};
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SERIES; i++) {
            points[i].time_ns = (INT64_C(1000) + round) * 1000000000;
            points[i].value = round;
        }
        assert_int_equal(table->append(table, &batch, round + 1, NULL), 0);
        atomic_store(&appended, round + 1);
        if (round % FREEZE_EVERY == 0) assert_int_equal(table->freeze(table, NULL), 0);
        table->load(table, &load);
    }
}

static void readers_see_what_was_appended(void **state) {
    (void)state;
    char path[] = "/tmp/weir-series-XXXXXX";
    struct weir_disk disk;
    pthread_t threads[READERS + 2];
    assert_non_null(mkdtemp(path));
    weir_disk_init(&disk, false);
    struct weir_store_table_options options = {
        .disk = &disk, .path = path, .memory_bytes_max = 1 << 26};
    assert_int_equal(weir_store_series_open(&options, &table, NULL), 0);
    for (int i = 0; i < READERS; i++) pthread_create(&threads[i], NULL, run_reader, NULL);
    pthread_create(&threads[READERS], NULL, run_flusher, NULL);
    pthread_create(&threads[READERS + 1], NULL, run_merger, NULL);
    append_rounds();
    while (atomic_load(&answers) == 0) continue;
    atomic_store(&stop, true);
    for (int i = 0; i < READERS + 2; i++) pthread_join(threads[i], NULL);
    read_all();
    assert_int_equal(atomic_load(&mistakes), 0);
    table->close(table);
    weir_fs_remove_all(path, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_what_was_appended)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
