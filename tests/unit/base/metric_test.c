/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include <string.h>

#include "unit.h"

WEIR_COUNTER(beta, "test_b_total", "B.", "reason=\"x\"");
WEIR_COUNTER(beta_other, "test_b_total", "B.", "reason=\"a\"");
WEIR_GAUGE(alpha, "test_a", "A.", "");
static double seven(void) {
    return 7;
}
WEIR_GAUGE_READ(gamma_, "test_c", "C.", "", seven);

struct seen {
    int count;
    const struct weir_metric *metrics[8];
};

static void remember(void *arg, const struct weir_metric *metric) {
    struct seen *seen = arg;
    if (strncmp(metric->name, "test_", 5) == 0) seen->metrics[seen->count++] = metric;
}

static void registered_before_main_in_order(void **state) {
    (void)state;
    struct seen seen = {0};
    weir_metric_each(remember, &seen);
    assert_int_equal(seen.count, 4);
    assert_ptr_equal(seen.metrics[0], &alpha);
    assert_ptr_equal(seen.metrics[1], &beta_other);
    assert_ptr_equal(seen.metrics[2], &beta);
    assert_ptr_equal(seen.metrics[3], &gamma_);
}

static void values_move(void **state) {
    (void)state;
    weir_metric_add(&beta, 3);
    weir_metric_add(&beta, 4);
    weir_metric_set(&alpha, -5);
    assert_true(weir_metric_get(&beta) == 7);
    assert_true(weir_metric_get(&beta_other) == 0);
    assert_true(weir_metric_get(&alpha) == -5);
    assert_true(weir_metric_get(&gamma_) == 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(registered_before_main_in_order),
                                       cmocka_unit_test(values_move)};
    return cmocka_run_group_tests_name("base/metric", tests, NULL, NULL);
}
