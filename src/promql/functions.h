/* SPDX-License-Identifier: Apache-2.0 */
/* The table of PromQL's functions: names, argument types, and what computes them.
 *
 * Three kinds compute: over one sample of one series (`instant`), over the samples of one window
 * (`window`), and those that the planner builds by hand (`special`: labels, sorting, absence,
 * histograms, time). A function with none of them is known to the grammar and not computed yet.
 *
 * Threads: tables are constant; functions are pure.
 * Source: Prometheus 3, "Query functions".
 */
#ifndef WEIR_PROMQL_FUNCTIONS_H
#define WEIR_PROMQL_FUNCTIONS_H

#include "promql/ast.h"

enum { WEIR_PROMQL_ARGS_MAX = 8 };

/* What a function over a window sees. */
struct weir_promql_window {
    const int64_t *times_ms; /* ascending; no stale markers */
    const double *values;
    uint32_t count;                    /* ≥ 1 */
    int64_t from_ms, until_ms;         /* the window: from < time ≤ until */
    int64_t eval_ms;                   /* the step's own time */
    double args[WEIR_PROMQL_ARGS_MAX]; /* the scalar arguments, in order */
};

enum weir_promql_special {
    WEIR_PROMQL_SPECIAL_NONE,
    WEIR_PROMQL_SPECIAL_TIME,
    WEIR_PROMQL_SPECIAL_PI,
    WEIR_PROMQL_SPECIAL_SCALAR,
    WEIR_PROMQL_SPECIAL_VECTOR,
    WEIR_PROMQL_SPECIAL_TIMESTAMP,
    WEIR_PROMQL_SPECIAL_ABSENT,
    WEIR_PROMQL_SPECIAL_ABSENT_OVER_TIME,
    WEIR_PROMQL_SPECIAL_SORT,
    WEIR_PROMQL_SPECIAL_SORT_DESC,
    WEIR_PROMQL_SPECIAL_SORT_BY_LABEL,
    WEIR_PROMQL_SPECIAL_SORT_BY_LABEL_DESC,
    WEIR_PROMQL_SPECIAL_LABEL_REPLACE,
    WEIR_PROMQL_SPECIAL_LABEL_JOIN,
    WEIR_PROMQL_SPECIAL_HISTOGRAM_QUANTILE,
    WEIR_PROMQL_SPECIAL_HISTOGRAM_FRACTION,
};

struct weir_promql_function {
    const char *name;
    const char *args; /* one letter an argument: s scalar, v vector, m matrix, t string */
    uint8_t optional; /* how many of the last may be left out */
    bool variadic;    /* the last may be repeated (or left out when optional) */
    bool counter;     /* wants a counter: says so when the metric's name does not */
    bool keeps_name;  /* the result keeps __name__ */
    enum weir_promql_type returns;
    enum weir_promql_special special;
    double (*instant)(double value, const double *args, uint32_t args_count);
    /* False: no result for this window. */
    bool (*window)(const struct weir_promql_window *window, double *ret);
};

/* The function of that name, or NULL. */
const struct weir_promql_function *weir_promql_function_get(struct weir_view name);
/* All of them, ascending by name; ends with a NULL name. For completion and documentation. */
const struct weir_promql_function *weir_promql_functions(void);
/* The name nearest to a mistyped one, or NULL: functions and aggregations. */
const char *weir_promql_function_nearest(struct weir_view name);
/* True when something computes it. */
bool weir_promql_function_is_implemented(const struct weir_promql_function *function);

/* Windows: functions_window.c, functions_rate.c. */
/* clang-format off */
#define WEIR_PROMQL_WINDOW_FUNCTIONS(X)                                                            \
    X(rate) X(increase) X(delta) X(irate) X(idelta) X(deriv) X(predict_linear) X(changes)          \
    X(resets) X(avg_over_time) X(sum_over_time) X(count_over_time) X(min_over_time)                \
    X(max_over_time) X(last_over_time) X(first_over_time) X(present_over_time)                     \
    X(stddev_over_time) X(stdvar_over_time) X(quantile_over_time) X(mad_over_time)                 \
    X(double_exponential_smoothing) X(ts_of_min_over_time) X(ts_of_max_over_time)                  \
    X(ts_of_last_over_time) X(ts_of_first_over_time)
/* clang-format on */
#define WEIR_PROMQL_WINDOW_DECLARE(name)                                                           \
    bool weir_promql_window_##name(const struct weir_promql_window *window, double *ret);
WEIR_PROMQL_WINDOW_FUNCTIONS(WEIR_PROMQL_WINDOW_DECLARE)

/* One sample: functions_instant.c. */
/* clang-format off */
#define WEIR_PROMQL_INSTANT_FUNCTIONS(X)                                                           \
    X(abs) X(ceil) X(floor) X(exp) X(ln) X(log2) X(log10) X(sqrt) X(sgn) X(round) X(clamp)         \
    X(clamp_min) X(clamp_max) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh)         \
    X(tanh) X(asinh) X(acosh) X(atanh) X(deg) X(rad) X(minute) X(hour) X(day_of_week)              \
    X(day_of_month) X(day_of_year) X(days_in_month) X(month) X(year)
/* clang-format on */
#define WEIR_PROMQL_INSTANT_DECLARE(name)                                                          \
    double weir_promql_instant_##name(double value, const double *args, uint32_t args_count);
WEIR_PROMQL_INSTANT_FUNCTIONS(WEIR_PROMQL_INSTANT_DECLARE)

/* φ-quantile of `count` values (sorted in place), as Prometheus interpolates; count 0 gives NaN. */
double weir_promql_quantile(double phi, double *values, uint32_t count);
/* Adds with the error kept apart (Neumaier): *sum + *rest is the sum. */
void weir_promql_sum_add(double value, double *sum, double *rest);

struct weir_promql_bucket {
    double upper, count; /* count: cumulative */
};
/* Sorts the buckets, joins equal bounds, mends what is not monotonic (*ret_forced says so). NaN
 * when there is no +Inf bucket or fewer than two. */
double weir_promql_bucket_quantile(double phi, struct weir_promql_bucket *buckets, uint32_t count,
                                   bool *ret_forced);
/* The share of observations in (lower, upper]. */
double weir_promql_bucket_fraction(double lower, double upper, struct weir_promql_bucket *buckets,
                                   uint32_t count);

#endif
