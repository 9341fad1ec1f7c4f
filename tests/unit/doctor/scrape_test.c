/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/scrape.h"

#include "unit.h"

static void test_sums(void **state) {
    (void)state;
    static const char page[] = "# HELP x words\n# TYPE x counter\n"
                               "x{a=\"1\",b=\"}\\\",a=\\\"9\"} 2\n"
                               "x{a=\"2\"} 3.5 1700000000000\n"
                               "x 4 # {trace_id=\"ab\"} 1\n"
                               "x{a=\"1\"} NaN\n"
                               "xy 100\n"
                               "broken{a=\"1} 7\n"
                               "worse{ 8\n"
                               "z{a=\"1\"} +Inf\n";
    struct weir_arena arena;
    struct weir_scrape scrape;
    weir_arena_init(&arena, 1 << 20);
    assert_true(weir_scrape_parse(&arena, weir_view(page, sizeof page - 1), &scrape));
    assert_int_equal(weir_scrape_count(&scrape, "x"), 4);
    assert_true(weir_scrape_sum(&scrape, "x", NULL, NULL) == 9.5);
    assert_true(weir_scrape_sum(&scrape, "x", "a", "1") == 2);
    assert_true(weir_scrape_sum(&scrape, "x", "a", "") == 4);
    assert_true(weir_scrape_sum(&scrape, "x", "a", "*") == 5.5);
    assert_true(weir_scrape_sum(&scrape, "x", "b", "*") == 2);
    assert_true(weir_scrape_sum(&scrape, "z", NULL, NULL) == 0);
    assert_int_equal(weir_scrape_count(&scrape, "broken") + weir_scrape_count(&scrape, "worse"), 0);
    assert_false(weir_scrape_parse(&arena, WEIR_VIEW("<html></html>\n# x\n"), &scrape));
    assert_false(weir_scrape_parse(&arena, WEIR_VIEW(""), &scrape));
    weir_arena_done(&arena);
}

static void test_memory_is_out(void **state) {
    (void)state;
    struct weir_arena arena;
    struct weir_scrape scrape;
    weir_arena_init(&arena, 1);
    assert_false(weir_scrape_parse(&arena, WEIR_VIEW("x 1\n"), &scrape));
    weir_arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_memory_is_out),
    };
    return cmocka_run_group_tests_name("doctor/scrape", tests, NULL, NULL);
}
