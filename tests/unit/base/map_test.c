/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdio.h>

#include "base/rand.h"
#include "unit.h"

enum { KEYS = 5000 };
static char names[KEYS][16];

/* A plain array over the same keys is the oracle. */
static void behaves_like_an_array(void **state) {
    (void)state;
    static uint64_t values[KEYS];
    static bool known[KEYS];
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int i = 0; i < KEYS; i++) snprintf(names[i], sizeof names[i], "key-%d", i);
    struct weir_map map;
    weir_map_init(&map);
    uint32_t count = 0;
    for (int step = 0; step < 20000; step++) {
        size_t i = weir_rand_below(&rand, KEYS);
        bool is_new;
        uint64_t *value = weir_map_put(&map, weir_view_str(names[i]), (uint64_t)step, &is_new);
        assert_non_null(value);
        assert_int_equal(is_new, !known[i]);
        if (is_new) values[i] = (uint64_t)step, known[i] = true, count++;
        assert_true(*value == values[i]);
    }
    assert_int_equal(map.count, count);
    for (size_t i = 0; i < KEYS; i++) {
        const uint64_t *value = weir_map_get(&map, weir_view_str(names[i]));
        assert_int_equal(value != NULL, known[i]);
        if (value) assert_true(*value == values[i]);
    }
    uint64_t before = 0;
    for (uint32_t i = 0; i < map.count; i++) { /* insertion order: steps ascend */
        assert_true(i == 0 || map.entries[i].value > before);
        before = map.entries[i].value;
    }
    weir_map_clear(&map);
    assert_null(weir_map_get(&map, WEIR_VIEW("key-1")));
    weir_map_done(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(behaves_like_an_array)};
    return cmocka_run_group_tests_name("base/map", tests, NULL, NULL);
}
