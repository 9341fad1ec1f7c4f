/* SPDX-License-Identifier: Apache-2.0 */
#include "promql/functions.h"

#include <stdlib.h>

#define S WEIR_PROMQL_SCALAR
#define V WEIR_PROMQL_VECTOR
#define INSTANT(name_, args_)                                                                      \
    { .name = #name_, .args = args_, .returns = V, .instant = weir_promql_instant_##name_ }
#define DATE(name_)                                                                                \
    {                                                                                              \
        .name = #name_, .args = "v", .optional = 1, .returns = V,                                  \
        .instant = weir_promql_instant_##name_                                                     \
    }
#define WINDOW(name_, args_, ...)                                                                  \
    {                                                                                              \
        .name = #name_, .args = args_, .returns = V, .window = weir_promql_window_##name_,         \
        __VA_ARGS__                                                                                \
    }
#define SPECIAL(name_, args_, returns_, special_, ...)                                             \
    {                                                                                              \
        .name = name_, .args = args_, .returns = returns_,                                         \
        .special = WEIR_PROMQL_SPECIAL_##special_, __VA_ARGS__                                     \
    }
#define UNKNOWN(name_, args_)                                                                      \
    { .name = name_, .args = args_, .returns = V }

/* Ascending by name. */
static const struct weir_promql_function table[] = {
    INSTANT(abs, "v"),
    SPECIAL("absent", "v", V, ABSENT, .optional = 0),
    SPECIAL("absent_over_time", "m", V, ABSENT_OVER_TIME, .optional = 0),
    INSTANT(acos, "v"),
    INSTANT(acosh, "v"),
    INSTANT(asin, "v"),
    INSTANT(asinh, "v"),
    INSTANT(atan, "v"),
    INSTANT(atanh, "v"),
    WINDOW(avg_over_time, "m", .optional = 0),
    INSTANT(ceil, "v"),
    WINDOW(changes, "m", .optional = 0),
    INSTANT(clamp, "vss"),
    INSTANT(clamp_max, "vs"),
    INSTANT(clamp_min, "vs"),
    INSTANT(cos, "v"),
    INSTANT(cosh, "v"),
    WINDOW(count_over_time, "m", .optional = 0),
    DATE(day_of_month),
    DATE(day_of_week),
    DATE(day_of_year),
    DATE(days_in_month),
    INSTANT(deg, "v"),
    WINDOW(delta, "m", .optional = 0),
    WINDOW(deriv, "m", .optional = 0),
    WINDOW(double_exponential_smoothing, "mss", .optional = 0),
    INSTANT(exp, "v"),
    WINDOW(first_over_time, "m", .keeps_name = true),
    INSTANT(floor, "v"),
    UNKNOWN("histogram_avg", "v"),
    UNKNOWN("histogram_count", "v"),
    SPECIAL("histogram_fraction", "ssv", V, HISTOGRAM_FRACTION, .optional = 0),
    SPECIAL("histogram_quantile", "sv", V, HISTOGRAM_QUANTILE, .optional = 0),
    UNKNOWN("histogram_stddev", "v"),
    UNKNOWN("histogram_stdvar", "v"),
    UNKNOWN("histogram_sum", "v"),
    {.name = "holt_winters",
     .args = "mss",
     .returns = V,
     .window = weir_promql_window_double_exponential_smoothing},
    DATE(hour),
    WINDOW(idelta, "m", .optional = 0),
    WINDOW(increase, "m", .counter = true),
    {.name = "info", .args = "vv", .optional = 1, .returns = V},
    WINDOW(irate, "m", .counter = true),
    SPECIAL("label_join", "vttt", V, LABEL_JOIN, .optional = 1, .variadic = true,
            .keeps_name = true),
    SPECIAL("label_replace", "vtttt", V, LABEL_REPLACE, .keeps_name = true),
    WINDOW(last_over_time, "m", .keeps_name = true),
    INSTANT(ln, "v"),
    INSTANT(log10, "v"),
    INSTANT(log2, "v"),
    WINDOW(mad_over_time, "m", .optional = 0),
    WINDOW(max_over_time, "m", .optional = 0),
    WINDOW(min_over_time, "m", .optional = 0),
    DATE(minute),
    DATE(month),
    SPECIAL("pi", "", S, PI, .optional = 0),
    WINDOW(predict_linear, "ms", .optional = 0),
    WINDOW(present_over_time, "m", .optional = 0),
    WINDOW(quantile_over_time, "sm", .optional = 0),
    INSTANT(rad, "v"),
    WINDOW(rate, "m", .counter = true),
    WINDOW(resets, "m", .optional = 0),
    {.name = "round",
     .args = "vs",
     .optional = 1,
     .returns = V,
     .instant = weir_promql_instant_round},
    SPECIAL("scalar", "v", S, SCALAR, .optional = 0),
    INSTANT(sgn, "v"),
    INSTANT(sin, "v"),
    INSTANT(sinh, "v"),
    SPECIAL("sort", "v", V, SORT, .keeps_name = true),
    SPECIAL("sort_by_label", "vt", V, SORT_BY_LABEL, .optional = 1, .variadic = true,
            .keeps_name = true),
    SPECIAL("sort_by_label_desc", "vt", V, SORT_BY_LABEL_DESC, .optional = 1, .variadic = true,
            .keeps_name = true),
    SPECIAL("sort_desc", "v", V, SORT_DESC, .keeps_name = true),
    INSTANT(sqrt, "v"),
    WINDOW(stddev_over_time, "m", .optional = 0),
    WINDOW(stdvar_over_time, "m", .optional = 0),
    WINDOW(sum_over_time, "m", .optional = 0),
    INSTANT(tan, "v"),
    INSTANT(tanh, "v"),
    SPECIAL("time", "", S, TIME, .optional = 0),
    SPECIAL("timestamp", "v", V, TIMESTAMP, .optional = 0),
    WINDOW(ts_of_first_over_time, "m", .optional = 0),
    WINDOW(ts_of_last_over_time, "m", .optional = 0),
    WINDOW(ts_of_max_over_time, "m", .optional = 0),
    WINDOW(ts_of_min_over_time, "m", .optional = 0),
    SPECIAL("vector", "s", V, VECTOR, .optional = 0),
    DATE(year),
    {.name = NULL},
};
enum { TABLE_COUNT = sizeof table / sizeof *table - 1 };

const struct weir_promql_function *weir_promql_functions(void) {
    return table;
}

const struct weir_promql_function *weir_promql_function_get(struct weir_view name) {
    size_t from = 0, until = TABLE_COUNT;
    while (from < until) {
        size_t middle = (from + until) / 2;
        int order = weir_view_cmp(name, weir_view_str(table[middle].name));
        if (order == 0) return &table[middle];
        if (order < 0)
            until = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

const char *weir_promql_function_nearest(struct weir_view name) {
    const char *names[TABLE_COUNT + WEIR_PROMQL_AGGREGATIONS_COUNT + 1];
    size_t n = 0;
    for (size_t i = 0; i < TABLE_COUNT; i++) names[n++] = table[i].name;
    for (int i = 0; i < WEIR_PROMQL_AGGREGATIONS_COUNT; i++)
        names[n++] = weir_promql_aggregation_name((enum weir_promql_aggregation)i);
    names[n] = NULL;
    return weir_view_nearest(name, names);
}

bool weir_promql_function_is_implemented(const struct weir_promql_function *function) {
    return function->instant || function->window || function->special != WEIR_PROMQL_SPECIAL_NONE;
}
