/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of a window, quantiles, histogram buckets. */
#include <math.h>
#include <stdlib.h>

#include "promql/functions.h"

void weir_promql_sum_add(double value, double *sum, double *rest) {
    double total = *sum + value;
    if (isinf(total))
        *rest = 0;
    else if (fabs(*sum) >= fabs(value))
        *rest += (*sum - total) + value;
    else
        *rest += (value - total) + *sum;
    *sum = total;
}

bool weir_promql_window_sum_over_time(const struct weir_promql_window *w, double *ret) {
    double sum = 0, rest = 0;
    for (uint32_t i = 0; i < w->count; i++) weir_promql_sum_add(w->values[i], &sum, &rest);
    *ret = isinf(sum) ? sum : sum + rest;
    return true;
}

/* The mean of values whose sum is too large for a double. */
static double mean_incremental(const struct weir_promql_window *w, uint32_t from, double sum,
                               double rest) {
    double mean = sum / from, c = rest / from;
    for (uint32_t i = from; i < w->count; i++) {
        double n = i + 1, share = i / n;
        mean *= share, c *= share;
        weir_promql_sum_add(w->values[i] / n, &mean, &c);
    }
    return mean + c;
}

bool weir_promql_window_avg_over_time(const struct weir_promql_window *w, double *ret) {
    double sum = w->values[0], rest = 0;
    for (uint32_t i = 1; i < w->count; i++) {
        double next = sum, c = rest;
        weir_promql_sum_add(w->values[i], &next, &c);
        if (isinf(next)) {
            *ret = mean_incremental(w, i, sum, rest);
            return true;
        }
        sum = next, rest = c;
    }
    *ret = sum / w->count + rest / w->count;
    return true;
}

bool weir_promql_window_count_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = w->count;
    return true;
}

bool weir_promql_window_present_over_time(const struct weir_promql_window *w, double *ret) {
    (void)w;
    *ret = 1;
    return true;
}

/* Index of the sample that `better` keeps; a NaN stays only where there is nothing else. */
static uint32_t extreme(const struct weir_promql_window *w, bool max, bool last) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < w->count; i++) {
        double a = w->values[i], b = w->values[best];
        if ((max ? a > b : a < b) || isnan(b) || (last && a == b)) best = i;
    }
    return best;
}

bool weir_promql_window_min_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = w->values[extreme(w, false, false)];
    return true;
}

bool weir_promql_window_max_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = w->values[extreme(w, true, false)];
    return true;
}

bool weir_promql_window_ts_of_min_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = (double)w->times_ms[extreme(w, false, true)] / 1000;
    return true;
}

bool weir_promql_window_ts_of_max_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = (double)w->times_ms[extreme(w, true, true)] / 1000;
    return true;
}

bool weir_promql_window_ts_of_last_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = (double)w->times_ms[w->count - 1] / 1000;
    return true;
}

bool weir_promql_window_ts_of_first_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = (double)w->times_ms[0] / 1000;
    return true;
}

bool weir_promql_window_last_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = w->values[w->count - 1];
    return true;
}

bool weir_promql_window_first_over_time(const struct weir_promql_window *w, double *ret) {
    *ret = w->values[0];
    return true;
}

bool weir_promql_window_stdvar_over_time(const struct weir_promql_window *w, double *ret) {
    double mean = 0, mean_rest = 0, sum = 0, sum_rest = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        double delta = w->values[i] - (mean + mean_rest);
        weir_promql_sum_add(delta / (i + 1), &mean, &mean_rest);
        weir_promql_sum_add(delta * (w->values[i] - (mean + mean_rest)), &sum, &sum_rest);
    }
    *ret = (sum + sum_rest) / w->count;
    return true;
}

bool weir_promql_window_stddev_over_time(const struct weir_promql_window *w, double *ret) {
    weir_promql_window_stdvar_over_time(w, ret);
    *ret = sqrt(*ret);
    return true;
}

static int compare_f64(const void *a, const void *b) {
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    if (isnan(x) || isnan(y)) return isnan(y) - isnan(x); /* NaN first */
    return (x > y) - (x < y);
}

double weir_promql_quantile(double phi, double *values, uint32_t count) {
    if (count == 0 || isnan(phi)) return (double)NAN;
    if (phi < 0) return (double)-INFINITY;
    if (phi > 1) return (double)INFINITY;
    qsort(values, count, sizeof *values, compare_f64);
    double rank = phi * (count - 1), lower = floor(rank), weight = rank - lower;
    uint32_t low = (uint32_t)lower, high = low + 1 < count ? low + 1 : count - 1;
    return values[low] * (1 - weight) + values[high] * weight;
}

/* Copies the window's values; NULL when memory is out. */
static double *values_copy(const struct weir_promql_window *w) {
    double *copy = malloc(w->count * sizeof *copy);
    if (copy) memcpy(copy, w->values, w->count * sizeof *copy);
    return copy;
}

bool weir_promql_window_quantile_over_time(const struct weir_promql_window *w, double *ret) {
    double *copy = values_copy(w);
    if (!copy) return false;
    *ret = weir_promql_quantile(w->args[0], copy, w->count);
    free(copy);
    return true;
}

bool weir_promql_window_mad_over_time(const struct weir_promql_window *w, double *ret) {
    double *copy = values_copy(w);
    if (!copy) return false;
    double median = weir_promql_quantile(0.5, copy, w->count);
    for (uint32_t i = 0; i < w->count; i++) copy[i] = fabs(w->values[i] - median);
    *ret = weir_promql_quantile(0.5, copy, w->count);
    free(copy);
    return true;
}

static int compare_bucket(const void *a, const void *b) {
    const struct weir_promql_bucket *x = a, *y = b;
    return (x->upper > y->upper) - (x->upper < y->upper);
}

/* Sorts, joins buckets of the same bound, and raises counts that fall (differences below 1e-12 of
 * the count are rounding and not told). Gives the new count of buckets. */
static uint32_t mend_buckets(struct weir_promql_bucket *buckets, uint32_t count, bool *ret_forced) {
    qsort(buckets, count, sizeof *buckets, compare_bucket);
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (n && buckets[n - 1].upper == buckets[i].upper)
            buckets[n - 1].count += buckets[i].count;
        else
            buckets[n++] = buckets[i];
    }
    for (uint32_t i = 1; i < n; i++) {
        double before = buckets[i - 1].count;
        if (!(buckets[i].count < before)) continue;
        if (before - buckets[i].count > 1e-12 * fabs(before)) *ret_forced = true;
        buckets[i].count = before;
    }
    return n;
}

double weir_promql_bucket_quantile(double phi, struct weir_promql_bucket *buckets, uint32_t count,
                                   bool *ret_forced) {
    if (count == 0 || isnan(phi)) return (double)NAN;
    if (phi < 0) return (double)-INFINITY;
    if (phi > 1) return (double)INFINITY;
    uint32_t n = mend_buckets(buckets, count, ret_forced);
    if (!isinf(buckets[n - 1].upper) || n < 2) return (double)NAN;
    double observations = buckets[n - 1].count;
    if (observations == 0 || isnan(observations)) return (double)NAN;
    double rank = phi * observations;
    uint32_t b = 0;
    while (b < n - 1 && !(buckets[b].count >= rank)) b++;
    if (b == n - 1) return buckets[n - 2].upper;
    if (b == 0 && buckets[0].upper <= 0) return buckets[0].upper;
    double start = b ? buckets[b - 1].upper : 0, before = b ? buckets[b - 1].count : 0;
    return start + (buckets[b].upper - start) * ((rank - before) / (buckets[b].count - before));
}

/* The cumulative count at `bound`, interpolated within its bucket. */
static double count_at(double bound, const struct weir_promql_bucket *buckets, uint32_t count) {
    double start = buckets[0].upper > 0 ? 0 : (double)-INFINITY, before = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (bound <= start) return before;
        if (bound < buckets[i].upper) {
            if (isinf(buckets[i].upper) || isinf(start)) return before;
            return before +
                   (buckets[i].count - before) * (bound - start) / (buckets[i].upper - start);
        }
        start = buckets[i].upper;
        before = buckets[i].count;
    }
    return before;
}

double weir_promql_bucket_fraction(double lower, double upper, struct weir_promql_bucket *buckets,
                                   uint32_t count) {
    bool forced = false;
    if (count == 0 || isnan(lower) || isnan(upper)) return (double)NAN;
    uint32_t n = mend_buckets(buckets, count, &forced);
    if (!isinf(buckets[n - 1].upper)) return (double)NAN;
    double observations = buckets[n - 1].count;
    if (observations == 0 || isnan(observations)) return (double)NAN;
    if (lower >= upper) return 0;
    return (count_at(upper, buckets, n) - count_at(lower, buckets, n)) / observations;
}
