/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/functions.h"

#include <math.h>
#include <time.h>

#include "unit.h"

static void table_is_sorted_and_found(void **state) {
    (void)state;
    const struct weir_promql_function *f = weir_promql_functions();
    for (; f->name; f++) {
        assert_ptr_equal(weir_promql_function_get(weir_view_str(f->name)), f);
        if (f[1].name) assert_true(strcmp(f->name, f[1].name) < 0);
    }
    assert_null(weir_promql_function_get(WEIR_VIEW("rat")));
    assert_string_equal(weir_promql_function_nearest(WEIR_VIEW("ratee")), "rate");
    assert_string_equal(weir_promql_function_nearest(WEIR_VIEW("histogramquantile")),
                        "histogram_quantile");
}

/* Dates against gmtime, over four centuries. */
static void dates_agree_with_the_library(void **state) {
    (void)state;
    for (int64_t t = -3000000000; t < 12000000000; t += 7777777) {
        time_t seconds = (time_t)t;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        double v = (double)t;
        assert_true(weir_promql_instant_year(v, NULL, 0) == tm.tm_year + 1900);
        assert_true(weir_promql_instant_month(v, NULL, 0) == tm.tm_mon + 1);
        assert_true(weir_promql_instant_day_of_month(v, NULL, 0) == tm.tm_mday);
        assert_true(weir_promql_instant_day_of_week(v, NULL, 0) == tm.tm_wday);
        assert_true(weir_promql_instant_day_of_year(v, NULL, 0) == tm.tm_yday + 1);
        assert_true(weir_promql_instant_hour(v, NULL, 0) == tm.tm_hour);
        assert_true(weir_promql_instant_minute(v, NULL, 0) == tm.tm_min);
    }
    assert_true(weir_promql_instant_days_in_month(951782400, NULL, 0) == 29); /* February 2000 */
    assert_true(isnan(weir_promql_instant_year((double)NAN, NULL, 0)));
}

static void quantiles(void **state) {
    (void)state;
    double v[] = {4, 1, 3, 2};
    assert_true(weir_promql_quantile(0.5, v, 4) == 2.5);
    assert_true(weir_promql_quantile(0, v, 4) == 1);
    assert_true(weir_promql_quantile(1, v, 4) == 4);
    assert_true(isinf(weir_promql_quantile(2, v, 4)));
    assert_true(isnan(weir_promql_quantile(0.5, v, 0)));
    struct weir_promql_bucket b[] = {{(double)INFINITY, 10}, {1, 5}, {2, 8}};
    bool forced = false;
    assert_true(weir_promql_bucket_quantile(0.5, b, 3, &forced) == 1);
    assert_true(fabs(weir_promql_bucket_quantile(0.65, b, 3, &forced) - 1.5) < 1e-12);
    assert_true(weir_promql_bucket_quantile(0.95, b, 3, &forced) == 2);
    assert_false(forced);
    assert_true(fabs(weir_promql_bucket_fraction(0, 1.5, b, 3) - 0.65) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sorted_and_found),
        cmocka_unit_test(dates_agree_with_the_library),
        cmocka_unit_test(quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
