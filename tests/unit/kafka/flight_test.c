/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sends in flight: what is put is found, once; many at a time; from many threads. */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/rand.h"
#include "kafka/send/flight.h"

enum { MANY = 250000 };

static struct weir_kafka_flight flight;
static struct weir_kafka_record *records;

/* As librdkafka's: from malloc, 16 bytes apart at least. */
static const void *address(uint64_t number) {
    return (const void *)(uintptr_t)(0x7f0000000000u + number * 304);
}

static int setup(void **state) {
    (void)state;
    records = aligned_alloc(64, MANY * sizeof *records);
    if (!records || !weir_kafka_flight_init(&flight)) return -1;
    memset((void *)records, 0, MANY * sizeof *records);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weir_kafka_flight_done(&flight);
    free(records);
    return 0;
}

static void put(uint64_t number, struct weir_kafka_record *record) {
    struct weir_kafka_record *stale;
    assert_true(weir_kafka_flight_put(&flight, address(number), record, &stale));
    assert_null(stale);
}

static void test_put_and_take(void **state) {
    (void)state;
    assert_null(weir_kafka_flight_take(&flight, address(1)));
    put(1, &records[0]);
    put(2, &records[1]);
    assert_true(weir_kafka_flight_may_take(&flight, address(1)));
    assert_ptr_equal(weir_kafka_flight_take(&flight, address(1)), &records[0]);
    assert_null(weir_kafka_flight_take(&flight, address(1)));
    assert_ptr_equal(weir_kafka_flight_take(&flight, address(2)), &records[1]);
}

/* An address comes again without an acknowledgement in between: the old record is given out. */
static void test_a_stale_one_is_replaced(void **state) {
    (void)state;
    struct weir_kafka_record *stale;
    put(7, &records[0]);
    assert_true(weir_kafka_flight_put(&flight, address(7), &records[1], &stale));
    assert_ptr_equal(stale, &records[0]);
    assert_ptr_equal(weir_kafka_flight_take(&flight, address(7)), &records[1]);
    assert_null(weir_kafka_flight_take(&flight, address(7)));
}

/* As many as there are blocks: through all levels, and out again in another order. */
static void test_many(void **state) {
    (void)state;
    struct weir_rand rng;
    uint64_t seed = weir_rand_seed(), lost = 0;
    weir_rand_init(&rng, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    uint32_t *order = malloc(MANY * sizeof *order);
    for (uint32_t i = 0; i < MANY; i++) {
        struct weir_kafka_record *stale;
        order[i] = i;
        if (!weir_kafka_flight_put(&flight, address(i), &records[i], &stale)) lost++;
        assert_null(stale);
    }
    assert_int_equal(lost, 0);
    for (uint32_t i = MANY; i-- > 1;) {
        uint32_t j = (uint32_t)weir_rand_below(&rng, i + 1), old = order[i];
        order[i] = order[j];
        order[j] = old;
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_null(weir_kafka_flight_take(&flight, address(MANY + i)));
        assert_ptr_equal(weir_kafka_flight_take(&flight, address(order[i])), &records[order[i]]);
    }
    assert_null(flight.only);
    for (int i = 0; i < 20; i++) weir_kafka_flight_settle(&flight);
    assert_ptr_equal(flight.only, &flight.levels[flight.to - 1]);
    for (uint32_t i = 0; i < MANY; i += 100)
        assert_false(weir_kafka_flight_may_take(&flight, address(i)));
    free(order);
}

static void test_old_ones_expire(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    struct weir_kafka_record *out[256];
    bool seen[COUNT] = {false};
    uint64_t cursor = 0;
    size_t found, total = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        records[i].start_ns = i;
        put(i, &records[i]);
    }
    do {
        found = weir_kafka_flight_expire(&flight, COUNT / 2, &cursor, out, 256);
        for (size_t i = 0; i < found; i++) {
            size_t index = (size_t)(out[i] - records);
            assert_true(index < COUNT / 2);
            assert_false(seen[index]);
            seen[index] = true;
        }
        total += found;
    } while (found == 256);
    assert_int_equal(total, COUNT / 2);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct weir_kafka_record *left = weir_kafka_flight_take(&flight, address(i));
        assert_ptr_equal(left, i < COUNT / 2 ? NULL : &records[i]);
    }
}

/* ── threads ─────────────────────────────────────────────────────────────────────────────────── */

enum { THREADS = 4, EACH = 20000, WINDOW = 400 };

static atomic_uint wrong;

/* One puts what the next takes, as the application's thread and a broker's do. */
struct channel {
    uint64_t first;
    atomic_uint done; /* so many were put */
};

static void *put_all(void *arg) {
    struct channel *channel = arg;
    for (uint32_t i = 0; i < EACH; i++) {
        struct weir_kafka_record *stale, *record = &records[channel->first + i];
        wrong += !weir_kafka_flight_put(&flight, address(channel->first + i), record, &stale);
        atomic_store_explicit(&channel->done, i + 1, memory_order_release);
    }
    return NULL;
}

static void *take_all(void *arg) {
    struct channel *channel = arg;
    for (uint32_t i = 0; i < EACH; i++) {
        while (atomic_load_explicit(&channel->done, memory_order_acquire) <= i) sched_yield();
        const void *message = address(channel->first + i);
        wrong += !weir_kafka_flight_may_take(&flight, message);
        wrong += weir_kafka_flight_take(&flight, message) != &records[channel->first + i];
        wrong += weir_kafka_flight_take(&flight, message) != NULL;
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct channel channels[THREADS];
    pthread_t putters[THREADS], takers[THREADS];
    wrong = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        channels[i] = (struct channel){.first = i * EACH};
        pthread_create(&putters[i], NULL, put_all, &channels[i]);
        pthread_create(&takers[i], NULL, take_all, &channels[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(putters[i], NULL);
        pthread_join(takers[i], NULL);
    }
    assert_int_equal(wrong, 0);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_put_and_take), TEST(test_a_stale_one_is_replaced),
                                       TEST(test_many), TEST(test_old_ones_expire),
                                       TEST(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
