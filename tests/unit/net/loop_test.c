/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "unit.h"

static struct weir_loop *loop;

static int open_loop(void **state) {
    (void)state;
    loop = weir_loop_open("test");
    return loop ? 0 : -1;
}

static int close_loop(void **state) {
    (void)state;
    weir_loop_close(loop);
    return 0;
}

static void add_one(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void *post_many(void *arg) {
    struct weir_loop_task *tasks = arg;
    for (int i = 0; i < 1000; i++) assert_true(weir_loop_post(loop, &tasks[i]));
    return NULL;
}

static void nothing(void *arg) {
    (void)arg;
}

static void test_posts_from_many_threads(void **state) {
    (void)state;
    static struct weir_loop_task tasks[4][1000];
    pthread_t threads[4];
    atomic_int count = 0;
    for (int t = 0; t < 4; t++) {
        for (int i = 0; i < 1000; i++)
            tasks[t][i] = (struct weir_loop_task){.run = add_one, .arg = &count};
        pthread_create(&threads[t], NULL, post_many, tasks[t]);
    }
    for (int t = 0; t < 4; t++) pthread_join(threads[t], NULL);
    weir_loop_call(loop, nothing, NULL);
    assert_int_equal(atomic_load(&count), 4000);
}

/* Timers in random order, some moved, some removed: they fire in the order of their times. */
enum { timers_count = 500 };
static struct weir_loop_timer timers[timers_count];
static int64_t fired_at[timers_count]; /* planned times in firing order */
static int fired_count;

static void note(void *arg) {
    struct weir_loop_timer *timer = arg;
    fired_at[fired_count++] = timer->at_ns;
}

static void arm_timers(void *arg) {
    struct weir_rand *rand = arg;
    int64_t now_ns = weir_loop_now_ns(loop);
    fired_count = 0;
    for (int i = 0; i < timers_count; i++) {
        timers[i] = (struct weir_loop_timer){.fire = note, .arg = &timers[i]};
        assert_true(weir_loop_timer_set(loop, &timers[i],
                                        now_ns + (int64_t)weir_rand_below(rand, 20000000)));
    }
    for (int i = 0; i < timers_count; i += 3)
        weir_loop_timer_set(loop, &timers[i], now_ns + (int64_t)weir_rand_below(rand, 20000000));
    for (int i = 0; i < timers_count; i += 5) weir_loop_timer_remove(loop, &timers[i]);
    weir_loop_timer_remove(loop, &timers[0]); /* a second time does nothing */
}

static void count_armed(void *arg) {
    int *count = arg;
    for (int i = 0; i < timers_count; i++) *count += timers[i].slot != 0;
}

static void test_timers_fire_in_order(void **state) {
    (void)state;
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    weir_loop_call(loop, arm_timers, &rand);
    for (int i = 0; i < 500; i++) {
        weir_clock_sleep_ns(5 * WEIR_NS_PER_MS);
        int count = 0;
        weir_loop_call(loop, count_armed, &count);
        if (count == 0) break;
    }
    assert_int_equal(fired_count, timers_count - timers_count / 5);
    for (int i = 1; i < fired_count; i++) assert_true(fired_at[i - 1] <= fired_at[i]);
}

/* Two sockets are ready in one turn; the first that runs removes the other's watch. */
static struct weir_loop_watch watches[2];
static int calls_count;

static void remove_other(void *arg, uint32_t events) {
    struct weir_loop_watch *self = arg;
    assert_true(events & EPOLLIN);
    calls_count++;
    weir_loop_watch_remove(loop, &watches[self == &watches[0]]);
    weir_loop_watch_remove(loop, self);
}

static void watch_both(void *arg) {
    int *fds = arg;
    for (int i = 0; i < 2; i++) {
        watches[i] = (struct weir_loop_watch){.ready = remove_other, .arg = &watches[i]};
        assert_int_equal(weir_loop_watch_add(loop, &watches[i], fds[i], EPOLLIN), 0);
    }
}

static void test_removed_watch_is_not_called(void **state) {
    (void)state;
    int pair[2], fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fds[0] = pair[0];
    fds[1] = dup(pair[0]);
    calls_count = 0;
    assert_int_equal(write(pair[1], "x", 1), 1);
    weir_loop_call(loop, watch_both, fds);
    weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
    weir_loop_call(loop, nothing, NULL);
    assert_int_equal(calls_count, 1);
    close(pair[0]);
    close(pair[1]);
    close(fds[1]);
}

static void test_ended_loop_takes_nothing(void **state) {
    (void)state;
    atomic_int count = 0;
    struct weir_loop *other = weir_loop_ref(weir_loop_open("other"));
    struct weir_loop_task before = {.run = add_one, .arg = &count}, after = before;
    assert_true(weir_loop_post(other, &before));
    assert_false(weir_loop_is_current(other));
    weir_loop_close(other);
    assert_int_equal(atomic_load(&count), 1);
    assert_false(weir_loop_post(other, &after));
    weir_loop_unref(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_posts_from_many_threads),
        TEST(test_timers_fire_in_order),
        TEST(test_removed_watch_is_not_called),
        TEST(test_ended_loop_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
