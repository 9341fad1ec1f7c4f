/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/cell.h"

#include <stdio.h>
#include <stdlib.h>

#include "sdk/metric.h"
#include "unit.h"

enum { MANY = 150 }; /* more threads than tables are made at once */

/* A range whose page no thread has: a whole page. */
static uint32_t fresh_range(void) {
    uint32_t first = weir_cells_reserve(WEIR_CELL_PAGE, 8);
    assert_int_not_equal(first, WEIR_CELLS_NONE);
    return first;
}

static uint64_t sum_of(uint32_t first) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < weir_cells_tables(); i++) {
        const _Atomic uint64_t *cells = weir_cells_at(i, first);
        if (cells) sum += weir_cell_read(cells);
    }
    return sum;
}

static void in_thread(void *(*run)(void *), void *arg) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    pthread_join(thread, NULL);
}

static void ranges(void **state) {
    (void)state;
    uint32_t last_end = weir_cells_reserve(1, 1) + 1;
    for (uint32_t n = 1; n < 400; n++) {
        uint32_t count = n * 7 % WEIR_CELL_PAGE + 1, align = n % 2 ? 8 : 1;
        uint32_t first = weir_cells_reserve(count, align);
        assert_true(first >= last_end && first % align == 0);
        assert_int_equal(first / WEIR_CELL_PAGE, (first + count - 1) / WEIR_CELL_PAGE);
        last_end = first + count;
    }
}

static void *wait_for_page(void *arg) {
    uint32_t first = *(uint32_t *)arg;
    if (weir_cells_get(first) || weir_cells_missed(first)) return NULL;
    weir_cells_tick();
    _Atomic uint64_t *cells = weir_cells_get(first);
    if (!cells || cells != weir_cells_missed(first)) return NULL;
    weir_cell_add(cells, 5);
    *(uint32_t *)arg = WEIR_CELLS_NONE; /* all was right */
    return NULL;
}

static void a_page_comes_with_the_tick(void **state) {
    (void)state;
    uint32_t first = fresh_range(), arg = first;
    in_thread(wait_for_page, &arg);
    assert_int_equal(arg, WEIR_CELLS_NONE);
    assert_int_equal(sum_of(first), 5);
}

static void *open_and_add(void *arg) {
    uint32_t first = *(uint32_t *)arg;
    weir_cells_open(first);
    _Atomic uint64_t *cells = weir_cells_get(first);
    if (cells) weir_cell_add(cells, 1);
    return cells;
}

static void values_outlive_their_thread(void **state) {
    (void)state;
    uint32_t first = fresh_range();
    unsigned tables = 0;
    for (int i = 1; i <= 5; i++) {
        in_thread(open_and_add, &first);
        assert_int_equal(sum_of(first), i);
        if (i == 1) tables = weir_cells_tables();
    }
    assert_int_equal(weir_cells_tables(), tables); /* one table, five threads */
}

struct many {
    pthread_barrier_t turn;
    uint32_t first;
    atomic_int without, served;
};

static void *one_of_many(void *arg) {
    struct many *many = arg;
    if (!weir_cells_missed(many->first)) atomic_fetch_add(&many->without, 1);
    for (int i = 0; i < 4; i++) { /* all have asked; tick; ask again … */
        pthread_barrier_wait(&many->turn);
        pthread_barrier_wait(&many->turn);
        weir_cells_missed(many->first);
    }
    _Atomic uint64_t *cells = weir_cells_get(many->first);
    if (cells) weir_cell_add(cells, 1);
    if (cells) atomic_fetch_add(&many->served, 1);
    pthread_barrier_wait(&many->turn);
    return NULL;
}

static void more_threads_than_tables(void **state) {
    (void)state;
    struct many many = {.first = fresh_range()};
    pthread_t threads[MANY];
    pthread_barrier_init(&many.turn, NULL, MANY + 1);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_of_many, &many), 0);
    for (int i = 0; i < 4; i++) {
        pthread_barrier_wait(&many.turn);
        weir_cells_tick();
        pthread_barrier_wait(&many.turn);
    }
    pthread_barrier_wait(&many.turn);
    for (int i = 0; i < MANY; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&many.turn);
    assert_int_equal(many.without, MANY);
    assert_int_equal(many.served, MANY);
    assert_int_equal(sum_of(many.first), MANY);
}

static struct weir_series *counter(const char *name) {
    return weir_series_get(weir_counter_get(weir_meter_get("cell", NULL), name, NULL, NULL), NULL,
                           0);
}

static int64_t value_of(const char *name) {
    struct weir_snapshot snapshot;
    int64_t value = 0;
    assert_true(weir_metrics_collect(&snapshot));
    for (uint32_t i = 0; i < snapshot.count; i++)
        if (weir_view_is(snapshot.points[i].instrument->name, name)) value = snapshot.points[i].i64;
    weir_snapshot_done(&snapshot);
    return value;
}

/* A destructor of the host's that measures, called before ours or after it. */
static void measure(void *series) {
    weir_series_add(series, 1);
}

struct ending {
    pthread_key_t key;
    struct weir_series *series;
};

static void *end(void *arg) {
    struct ending *ending = arg;
    weir_series_add(ending->series, 1);
    pthread_setspecific(ending->key, ending->series);
    return NULL;
}

static void threads_may_measure_while_they_end(void **state) {
    (void)state;
    struct ending ending = {.series = counter("ending")};
    assert_int_equal(pthread_key_create(&ending.key, measure), 0); /* after ours */
    in_thread(end, &ending);
    in_thread(end, &ending);
    pthread_key_delete(ending.key);
    assert_int_equal(value_of("ending"), 4);
}

static void *add_many(void *series) {
    for (int i = 0; i < 1000; i++) weir_series_add(series, 1);
    return NULL;
}

/* Last: it uses all numbers up. */
static void past_the_last_cell(void **state) {
    (void)state;
    uint32_t before = 0, first;
    while ((first = weir_cells_reserve(WEIR_CELL_PAGE, 1)) != WEIR_CELLS_NONE) {
        assert_true(first > before);
        before = first;
    }
    struct weir_series *series = counter("past");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, series), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    weir_cells_tick();
    add_many(series);
    assert_int_equal(value_of("past"), 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges),
                                       cmocka_unit_test(a_page_comes_with_the_tick),
                                       cmocka_unit_test(values_outlive_their_thread),
                                       cmocka_unit_test(more_threads_than_tables),
                                       cmocka_unit_test(threads_may_measure_while_they_end),
                                       cmocka_unit_test(past_the_last_cell)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
