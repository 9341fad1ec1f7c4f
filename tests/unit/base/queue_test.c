/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include <stdatomic.h>

#include "base/pool.h"
#include "base/thread.h"
#include "unit.h"

enum { PRODUCERS = 3, CONSUMERS = 3, ITEMS = 20000 };
static _Atomic int seen[PRODUCERS * ITEMS + 1];
static struct weir_queue *queue;

static void *produce(void *arg) {
    uintptr_t base = (uintptr_t)arg * ITEMS;
    for (uintptr_t i = 1; i <= ITEMS; i++)
        if (!weir_queue_push(queue, (void *)(base + i))) return (void *)1;
    return NULL;
}

static void *consume(void *arg) {
    (void)arg;
    void *item;
    while ((item = weir_queue_pop(queue, -1))) seen[(uintptr_t)item]++;
    return NULL;
}

static void every_item_arrives_once(void **state) {
    (void)state;
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    queue = weir_queue_new(16);
    for (uintptr_t i = 0; i < CONSUMERS; i++)
        assert_int_equal(weir_thread_start(&consumers[i], "consume", consume, NULL), 0);
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(weir_thread_start(&producers[i], "produce", produce, (void *)i), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        void *failed;
        pthread_join(producers[i], &failed);
        assert_null(failed);
    }
    weir_queue_close(queue);
    for (int i = 0; i < CONSUMERS; i++) pthread_join(consumers[i], NULL);
    for (int i = 1; i <= PRODUCERS * ITEMS; i++) assert_int_equal(seen[i], 1);
    weir_queue_free(queue);
}

static void full_closed_and_empty(void **state) {
    (void)state;
    int a, b;
    queue = weir_queue_new(1);
    assert_null(weir_queue_pop(queue, 0));
    assert_null(weir_queue_pop(queue, 1000000));
    assert_true(weir_queue_try_push(queue, &a));
    assert_false(weir_queue_try_push(queue, &b));
    weir_queue_close(queue);
    assert_false(weir_queue_push(queue, &b));
    assert_ptr_equal(weir_queue_pop(queue, -1), &a);
    assert_null(weir_queue_pop(queue, -1));
    weir_queue_free(queue);
}

static _Atomic int runs;
static void count_run(void *arg) {
    runs += *(int *)arg;
}

static void pool_runs_what_it_took(void **state) {
    (void)state;
    int one = 1, taken = 0;
    struct weir_pool *pool = weir_pool_new("test", 2, 8);
    assert_non_null(pool);
    for (int i = 0; i < 1000; i++) taken += weir_pool_try_run(pool, count_run, &one);
    weir_pool_free(pool);
    assert_true(taken >= 8);
    assert_int_equal(runs, taken);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_arrives_once),
        cmocka_unit_test(full_closed_and_empty),
        cmocka_unit_test(pool_runs_what_it_took),
    };
    return cmocka_run_group_tests_name("base/queue", tests, NULL, NULL);
}
