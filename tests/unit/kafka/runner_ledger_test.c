/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "kafka/runner/ledger.h"

static void test_round_trip_makes_open_unknown(void **state) {
    (void)state;
    struct weir_ledger ledger = {.committed = 1200, .outcomes = {1150, 2, 3, 4}, .unknown = 1},
                       back;
    assert_int_equal(weir_ledger_open(&ledger), 40);
    char text[WEIR_LEDGER_SIZE];
    weir_ledger_encode(&ledger, text);
    assert_string_equal(text, "weir1 c=1200 o=1150 f=2 d=3 s=4 u=1");
    assert_true(weir_ledger_decode(weir_view_str(text), &back));
    assert_int_equal(back.committed, 1200);
    assert_int_equal(back.outcomes[WEIR_OUTCOME_DEAD_LETTERED], 3);
    assert_int_equal(back.unknown, 41);
    assert_int_equal(weir_ledger_open(&back), 0);
    assert_int_equal(weir_ledger_lost_min(&back), 2);
    assert_int_equal(weir_ledger_lost_max(&back), 43);
}

static void test_biggest_fits(void **state) {
    (void)state;
    struct weir_ledger ledger = {.committed = UINT64_MAX,
                                 .outcomes = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
                                 .unknown = UINT64_MAX};
    char text[WEIR_LEDGER_SIZE];
    weir_ledger_encode(&ledger, text);
    assert_true(strlen(text) < WEIR_LEDGER_SIZE - 1);
    assert_non_null(strstr(text, "u=18446744073709551615"));
}

static void test_foreign_metadata_counts_from_zero(void **state) {
    (void)state;
    const char *const texts[] = {"",
                                 "x",
                                 "weir1 c",
                                 "weir1 c=",
                                 "weir1 c=-1",
                                 "weir1 c=1 o=2",
                                 "weir2 c=1",
                                 "weir1 c=18446744073709551615",
                                 "{\"offset\":1}",
                                 "weir1 c=1  o=1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct weir_ledger ledger;
        memset(&ledger, 0xff, sizeof ledger);
        assert_false(weir_ledger_decode(weir_view_str(texts[i]), &ledger));
        assert_int_equal(ledger.committed, 0);
        assert_int_equal(ledger.unknown, 0);
    }
    struct weir_ledger ledger;
    assert_true(weir_ledger_decode(WEIR_VIEW("weir1 c=5 o=5 z=77"), &ledger));
    assert_int_equal(ledger.committed, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_makes_open_unknown),
        cmocka_unit_test(test_biggest_fits),
        cmocka_unit_test(test_foreign_metadata_counts_from_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
