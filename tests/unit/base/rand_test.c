/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static void seeds_replay(void **state) {
    (void)state;
    struct weir_rand a, b, c;
    weir_rand_init(&a, 42);
    weir_rand_init(&b, 42);
    weir_rand_init(&c, 43);
    int differ = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t number = weir_rand_next(&a);
        assert_true(number == weir_rand_next(&b));
        differ += number != weir_rand_next(&c);
    }
    assert_int_equal(differ, 1000);
}

/* Chi-square over 16 buckets, 15 degrees of freedom; 50 is past one in 100,000, the
 * seed is fixed. */
static void below_is_uniform(void **state) {
    (void)state;
    struct weir_rand rand;
    weir_rand_init(&rand, 7);
    enum { BUCKETS = 16, DRAWS = 160000 };
    int counts[BUCKETS] = {0};
    for (int i = 0; i < DRAWS; i++) counts[weir_rand_below(&rand, BUCKETS)]++;
    double chi = 0, expected = (double)DRAWS / BUCKETS;
    for (int i = 0; i < BUCKETS; i++)
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    assert_true(chi < 50);
    for (int i = 0; i < 1000; i++) {
        double f = weir_rand_f64(&rand);
        assert_true(f >= 0 && f < 1);
    }
}

static void a_forked_child_draws_other_numbers(void **state) {
    (void)state;
    weir_rand_u64();
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        uint64_t number = weir_rand_u64();
        _exit(write(ends[1], &number, sizeof number) == sizeof number ? 0 : 1);
    }
    uint64_t of_child, own = weir_rand_u64();
    assert_int_equal(read(ends[0], &of_child, sizeof of_child), sizeof of_child);
    waitpid(child, NULL, 0);
    assert_true(own != of_child);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_replay),
        cmocka_unit_test(below_is_uniform),
        cmocka_unit_test(a_forked_child_draws_other_numbers),
    };
    return cmocka_run_group_tests_name("base/rand", tests, NULL, NULL);
}
