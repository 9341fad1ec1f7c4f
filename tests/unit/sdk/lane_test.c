/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/lane.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "unit.h"

struct small {
    struct weir_lane_record record;
    uint32_t thread, number;
};

static atomic_uint done_count, woken, called;

static void done(struct weir_lane_record *record) {
    (void)record;
    atomic_fetch_add(&done_count, 1);
}

static const struct weir_lane_class small_class = {.size = WEIR_LANE_SMALL, .done = done};
static const struct weir_lane_class log_class = {.is_log = true, .size = WEIR_LANE_LARGE};

static struct small *take(uint32_t thread, uint32_t number) {
    struct small *small = (void *)weir_lane_take(weir_lane_get(), &small_class, NULL);
    if (!small) abort();
    small->thread = thread;
    small->number = number;
    return small;
}

static uint32_t push(uint32_t thread, uint32_t from, uint32_t count) {
    uint32_t pushed = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct small *small = take(thread, from + i);
        if (weir_lane_push(weir_lane_get(), &small->record))
            pushed++;
        else
            weir_lane_give(weir_lane_get(), &small->record);
    }
    return pushed;
}

static void wake(bool is_log) {
    atomic_fetch_add(is_log ? &called : &woken, 1);
}

/* A ring holds what it was told, gives the oldest first, and changes its size when it is empty. */
static void limits(void **state) {
    static const uint32_t sizes[] = {16, 1, 300, 2048, WEIR_LANE_ROOM, 5};
    static struct weir_lane_record *records[WEIR_LANE_ROOM];
    (void)state;
    weir_lanes_wake_set(wake);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t size = sizes[i], before = atomic_load(&woken);
        weir_lanes_limit_set(false, size, size < 512 ? size : 512);
        assert_int_equal(push(0, 0, size + 7), size);
        assert_int_equal(weir_lanes_waiting(false), size);
        assert_int_equal(weir_lanes_waiting(true), 0);
        assert_true(atomic_load(&woken) > before);
        assert_int_equal(weir_lanes_drain(true, false, records, 10), 0);
        uint32_t some = size / 3;
        assert_int_equal(weir_lanes_drain(false, false, records, some), some);
        assert_int_equal(weir_lanes_drain(false, false, records + some, WEIR_LANE_ROOM - some),
                         size - some);
        for (uint32_t n = 0; n < size; n++)
            assert_int_equal(((struct small *)records[n])->number, n);
        uint32_t dones = atomic_load(&done_count);
        weir_lanes_give_back(records, size);
        assert_int_equal(atomic_load(&done_count), dones + size);
    }
    weir_lanes_wake_set(NULL);
}

/* What comes while a flush runs is not the flush's; logs have a ring of their own. */
static void marks(void **state) {
    struct weir_lane_record *records[32];
    (void)state;
    weir_lanes_limit_set(false, 100, 10);
    weir_lanes_limit_set(true, 2, 1);
    for (int i = 0; i < 3; i++) {
        struct weir_lane_record *log = weir_lane_take(weir_lane_get(), &log_class, NULL);
        bool fits = weir_lane_push(weir_lane_get(), log);
        assert_int_equal(fits, i < 2);
        if (!fits) weir_lane_give(weir_lane_get(), log);
    }
    push(0, 0, 5);
    weir_lanes_mark();
    push(0, 5, 5);
    assert_int_equal(weir_lanes_drain(false, true, records, 3), 3);
    assert_int_equal(weir_lanes_drain(false, true, records + 3, 29), 2);
    assert_int_equal(weir_lanes_drain(false, true, records + 5, 27), 0);
    assert_int_equal(weir_lanes_drain(false, false, records + 5, 27), 5);
    weir_lanes_give_back(records, 10);
    assert_int_equal(weir_lanes_drain(true, false, records, 32), 2);
    weir_lanes_give_back(records, 2);
}

static bool push_log(void) {
    struct weir_lane_record *log = weir_lane_take(weir_lane_get(), &log_class, NULL);
    return log && weir_lane_push(weir_lane_get(), log);
}

/* Who asked is called at the next log, once; nobody sleeps on logs that wait. */
static void calls(void **state) {
    struct weir_lane_record *records[32];
    (void)state;
    weir_lanes_limit_set(true, 1000, 1000);
    weir_lanes_wake_set(wake);
    atomic_store(&called, 0);
    assert_true(push_log());
    assert_int_equal(atomic_load(&called), 0);
    assert_false(weir_lanes_call_me());
    assert_int_equal(weir_lanes_drain(true, false, records, 32), 1);
    weir_lanes_give_back(records, 1);
    assert_true(weir_lanes_call_me());
    push(0, 0, 1); /* a span is none */
    assert_int_equal(atomic_load(&called), 0);
    for (int i = 0; i < 3; i++) assert_true(push_log());
    assert_int_equal(atomic_load(&called), 1);
    assert_int_equal(weir_lanes_drain(true, false, records, 32), 3);
    assert_int_equal(weir_lanes_drain(false, false, records + 3, 29), 1);
    weir_lanes_give_back(records, 4);
    weir_lanes_wake_set(NULL);
}

enum { THREADS = 4, EACH = 40000 };
static atomic_uint finished;

static void *produce(void *arg) {
    uint32_t thread = *(const uint32_t *)arg;
    for (uint32_t i = 0; i < EACH;) i += push(thread, i, 1);
    atomic_fetch_add(&finished, 1);
    return NULL;
}

/* Nothing is lost, doubled or out of order between several threads and the one that drains; blocks
 * go round; a thread's lane goes to the next thread. */
static void threads(void **state) {
    struct weir_lane_record *records[700];
    uint32_t next[THREADS] = {0}, numbers[THREADS], drained = 0;
    pthread_t ids[THREADS];
    (void)state;
    weir_lanes_limit_set(false, 1000, 100);
    for (int round = 0; round < 2; round++) {
        memset(next, 0, sizeof next);
        atomic_store(&finished, 0);
        drained = 0;
        for (uint32_t i = 0; i < THREADS; i++) {
            numbers[i] = i;
            pthread_create(&ids[i], NULL, produce, &numbers[i]);
        }
        while (drained < THREADS * EACH) {
            uint32_t count = weir_lanes_drain(false, false, records, 700);
            for (uint32_t i = 0; i < count; i++) {
                const struct small *small = (const struct small *)records[i];
                assert_int_equal(small->number, next[small->thread]++);
            }
            weir_lanes_give_back(records, count);
            drained += count;
            if (!count) weir_clock_sleep_ns(WEIR_NS_PER_MS / 10);
        }
        for (uint32_t i = 0; i < THREADS; i++) pthread_join(ids[i], NULL);
        assert_int_equal(drained, THREADS * EACH);
        assert_int_equal(weir_lanes_waiting(false), 0);
    }
}

/* Blocks are limited, and come back whoever gives them. */
static void blocks(void **state) {
    struct weir_lane *lane = weir_lane_get();
    struct weir_lane_record **all = calloc(WEIR_LANE_SMALL_MAX, sizeof *all);
    (void)state;
    assert_non_null(all);
    for (int round = 0; round < 2; round++) {
        uint32_t count = 0;
        while (count < WEIR_LANE_SMALL_MAX &&
               (all[count] = weir_lane_take(lane, &small_class, NULL)))
            count++;
        assert_true(count > WEIR_LANE_SMALL_MAX - 1000); /* other lanes have some in stock */
        assert_null(weir_lane_take(lane, &small_class, NULL));
        for (uint32_t i = 0; i < count; i++) weir_lane_give(i % 2 ? lane : NULL, all[i]);
    }
    free(all);
}

/* The quick clock lies between two readings of the wall clock, but for its error, over the whole
 * life of its anchors. */
static void clock_agrees(void **state) {
    struct weir_now now = {.window = 0};
    const int64_t error_ns = 20 * WEIR_NS_PER_US;
    (void)state;
    for (int i = 0; i < 3; i++) {
        weir_now_measure();
        weir_clock_sleep_ns(15 * WEIR_NS_PER_MS);
    }
    bool quick = false;
    for (int i = 0; i < 100000; i++) {
        int64_t before = weir_clock_wall_ns(), ns = weir_now_ns(&now), after = weir_clock_wall_ns();
        if (ns < before - error_ns || ns > after + error_ns)
            fail_msg("%lld is not between %lld and %lld", (long long)ns, (long long)before,
                     (long long)after);
        quick |= now.window > 0;
    }
    printf("the quick clock was %s\n", quick ? "quick" : "the wall clock itself");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits), cmocka_unit_test(marks),
                                       cmocka_unit_test(calls),  cmocka_unit_test(threads),
                                       cmocka_unit_test(blocks), cmocka_unit_test(clock_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
