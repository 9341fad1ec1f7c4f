/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/budget.h"

#include <pthread.h>

#include "unit.h"

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    struct weir_budget *budget = weir_budget_new(100);
    assert_true(weir_budget_try_take(budget, 60));
    assert_false(weir_budget_try_take(budget, 41));
    assert_true(weir_budget_try_take(budget, 40));
    assert_false(weir_budget_try_take(budget, 1));
    assert_true(weir_budget_try_take(budget, 0));
    weir_budget_give(budget, 60);
    assert_int_equal(weir_budget_used(budget), 40);
    assert_true(weir_budget_try_take(budget, 60));
    weir_budget_give(budget, 100);
    weir_budget_free(budget);
    weir_budget_free(NULL);
}

static void lets_a_giant_in_when_alone(void **state) {
    (void)state;
    struct weir_budget *budget = weir_budget_new(100);
    assert_true(weir_budget_try_take(budget, 1000));
    assert_false(weir_budget_try_take(budget, 1));
    assert_false(weir_budget_try_take(budget, SIZE_MAX));
    weir_budget_give(budget, 1000);
    assert_true(weir_budget_try_take(budget, 1));
    assert_false(weir_budget_try_take(budget, SIZE_MAX));
    weir_budget_give(budget, 1);
    weir_budget_free(budget);
}

enum { ROUNDS = 20000, BYTES = 30, LIMIT = 100 };

static void *take_and_give(void *arg) {
    struct weir_budget *budget = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (!weir_budget_try_take(budget, BYTES)) continue;
        if (weir_budget_used(budget) > LIMIT) return budget;
        weir_budget_give(budget, BYTES);
    }
    return NULL;
}

static void holds_between_threads(void **state) {
    (void)state;
    struct weir_budget *budget = weir_budget_new(LIMIT);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, budget), 0);
    for (int i = 0; i < 4; i++) {
        void *broken;
        pthread_join(threads[i], &broken);
        assert_null(broken);
    }
    assert_int_equal(weir_budget_used(budget), 0);
    weir_budget_free(budget);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(lets_a_giant_in_when_alone),
        cmocka_unit_test(holds_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
