/* SPDX-License-Identifier: Apache-2.0 */
/* Rates and slopes of a window. */
#include <math.h>

#include "promql/functions.h"

/* How far the samples' own interval is stretched towards the window's ends, as a factor.
 *
 *     from_ms |··start··s──s──s──s··end··| until_ms
 *
 * An end that lies further away than 1.1 average intervals is not reached: the series is taken to
 * start (or stop) half an interval beyond its sample. A counter is not stretched to below zero. */
static double stretch(const struct weir_promql_window *w, double increase, bool is_counter) {
    uint32_t last = w->count - 1;
    double to_start = (double)(w->times_ms[0] - w->from_ms) / 1000;
    double to_end = (double)(w->until_ms - w->times_ms[last]) / 1000;
    double sampled = (double)(w->times_ms[last] - w->times_ms[0]) / 1000;
    double average = sampled / last, threshold = average * 1.1;
    if (to_start >= threshold) to_start = average / 2;
    if (is_counter && increase > 0 && w->values[0] >= 0) {
        double to_zero = sampled * (w->values[0] / increase);
        if (to_zero < to_start) to_start = to_zero;
    }
    if (to_end >= threshold) to_end = average / 2;
    return (sampled + to_start + to_end) / sampled;
}

static bool extrapolated(const struct weir_promql_window *w, bool is_counter, bool per_second,
                         double *ret) {
    if (w->count < 2) return false;
    double result = w->values[w->count - 1] - w->values[0];
    for (uint32_t i = 1; is_counter && i < w->count; i++)
        if (w->values[i] < w->values[i - 1]) result += w->values[i - 1];
    double factor = stretch(w, result, is_counter);
    if (per_second) factor /= (double)(w->until_ms - w->from_ms) / 1000;
    *ret = result * factor;
    return true;
}

bool weir_promql_window_rate(const struct weir_promql_window *w, double *ret) {
    return extrapolated(w, true, true, ret);
}

bool weir_promql_window_increase(const struct weir_promql_window *w, double *ret) {
    return extrapolated(w, true, false, ret);
}

bool weir_promql_window_delta(const struct weir_promql_window *w, double *ret) {
    return extrapolated(w, false, false, ret);
}

bool weir_promql_window_irate(const struct weir_promql_window *w, double *ret) {
    if (w->count < 2) return false;
    double last = w->values[w->count - 1], before = w->values[w->count - 2];
    double seconds = (double)(w->times_ms[w->count - 1] - w->times_ms[w->count - 2]) / 1000;
    *ret = (last < before ? last : last - before) / seconds;
    return true;
}

bool weir_promql_window_idelta(const struct weir_promql_window *w, double *ret) {
    if (w->count < 2) return false;
    *ret = w->values[w->count - 1] - w->values[w->count - 2];
    return true;
}

/* Least squares over the window, x in seconds after `intercept_ms`. */
static double slope(const struct weir_promql_window *w, int64_t intercept_ms,
                    double *ret_intercept) {
    double x = 0, y = 0, xy = 0, xx = 0, cx = 0, cy = 0, cxy = 0, cxx = 0;
    bool is_constant = true;
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->values[i] != w->values[0]) is_constant = false;
        double t = (double)(w->times_ms[i] - intercept_ms) / 1000;
        weir_promql_sum_add(t, &x, &cx);
        weir_promql_sum_add(w->values[i], &y, &cy);
        weir_promql_sum_add(t * w->values[i], &xy, &cxy);
        weir_promql_sum_add(t * t, &xx, &cxx);
    }
    if (is_constant) {
        *ret_intercept = isinf(w->values[0]) ? (double)NAN : w->values[0];
        return isinf(w->values[0]) ? (double)NAN : 0;
    }
    x += cx, y += cy, xy += cxy, xx += cxx;
    double n = w->count, covariance = xy - x * y / n, variance = xx - x * x / n;
    double result = covariance / variance;
    *ret_intercept = y / n - result * x / n;
    return result;
}

bool weir_promql_window_deriv(const struct weir_promql_window *w, double *ret) {
    double intercept;
    if (w->count < 2) return false;
    *ret = slope(w, w->times_ms[0], &intercept); /* near the samples: floats keep more digits */
    return true;
}

bool weir_promql_window_predict_linear(const struct weir_promql_window *w, double *ret) {
    double intercept;
    if (w->count < 2) return false;
    double per_second = slope(w, w->eval_ms, &intercept);
    *ret = per_second * w->args[0] + intercept;
    return true;
}

bool weir_promql_window_changes(const struct weir_promql_window *w, double *ret) {
    uint32_t n = 0;
    for (uint32_t i = 1; i < w->count; i++)
        n += w->values[i] != w->values[i - 1] && !(isnan(w->values[i]) && isnan(w->values[i - 1]));
    *ret = n;
    return true;
}

bool weir_promql_window_resets(const struct weir_promql_window *w, double *ret) {
    uint32_t n = 0;
    for (uint32_t i = 1; i < w->count; i++) n += w->values[i] < w->values[i - 1];
    *ret = n;
    return true;
}

bool weir_promql_window_double_exponential_smoothing(const struct weir_promql_window *w,
                                                     double *ret) {
    double smooth = w->args[0], trend = w->args[1];
    if (w->count < 2) return false;
    double level = w->values[0], step = w->values[1] - w->values[0];
    for (uint32_t i = 1; i < w->count; i++) {
        /* The first step is the samples' own; later ones follow the smoothed level. */
        double before = level;
        level = smooth * w->values[i] + (1 - smooth) * (level + step);
        step = trend * (level - before) + (1 - trend) * step;
    }
    *ret = level;
    return true;
}
