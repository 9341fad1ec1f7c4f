/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one sample. */
#include <math.h>

#include "promql/functions.h"

#define PLAIN(name_, expression)                                                                   \
    double weir_promql_instant_##name_(double value, const double *args, uint32_t args_count) {    \
        (void)args, (void)args_count;                                                              \
        return expression;                                                                         \
    }

PLAIN(abs, fabs(value))
PLAIN(ceil, ceil(value))
PLAIN(floor, floor(value))
PLAIN(exp, exp(value))
PLAIN(ln, log(value))
PLAIN(log2, log2(value))
PLAIN(log10, log10(value))
PLAIN(sqrt, sqrt(value))
PLAIN(sgn, value<0 ? -1 : value> 0 ? 1 : value)
PLAIN(sin, sin(value))
PLAIN(cos, cos(value))
PLAIN(tan, tan(value))
PLAIN(asin, asin(value))
PLAIN(acos, acos(value))
PLAIN(atan, atan(value))
PLAIN(sinh, sinh(value))
PLAIN(cosh, cosh(value))
PLAIN(tanh, tanh(value))
PLAIN(asinh, asinh(value))
PLAIN(acosh, acosh(value))
PLAIN(atanh, atanh(value))
PLAIN(deg, value * 180 / M_PI)
PLAIN(rad, value *M_PI / 180)
/* Without limits crossing, NaN limits give NaN. */
PLAIN(clamp_max, isnan(value) || isnan(args[0]) ? (double)NAN : fmin(args[0], value))
PLAIN(clamp_min, isnan(value) || isnan(args[0]) ? (double)NAN : fmax(args[0], value))

double weir_promql_instant_clamp(double value, const double *args, uint32_t args_count) {
    (void)args_count;
    if (isnan(value) || isnan(args[0]) || isnan(args[1])) return (double)NAN;
    return fmax(args[0], fmin(args[1], value)); /* lower > upper: the caller gives no result */
}

double weir_promql_instant_round(double value, const double *args, uint32_t args_count) {
    /* Multiplying by the inverse is exact for 0.1, 0.01, … where dividing is not. */
    double inverse = 1 / (args_count ? args[0] : 1);
    return floor(value * inverse + 0.5) / inverse;
}

struct date {
    int64_t year;
    int month, day; /* 1 … 12, 1 … 31 */
    int64_t days;   /* since 1970-01-01 */
    int64_t second_of_day;
};

/* Howard Hinnant's civil_from_days. */
static struct date date_of(double seconds) {
    struct date d;
    int64_t s = fabs(seconds) < 9e15 ? (int64_t)seconds : 0;
    d.days = s / 86400 - (s % 86400 < 0);
    d.second_of_day = s - d.days * 86400;
    int64_t z = d.days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    d.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    d.month = (int)(month < 10 ? month + 3 : month - 9);
    d.year = year_of_era + era * 400 + (d.month <= 2);
    return d;
}

static bool is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(const struct date *d) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return d->month == 2 && is_leap(d->year) ? 29 : days[d->month - 1];
}

static int day_of_year(const struct date *d) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return before[d->month - 1] + d->day + (d->month > 2 && is_leap(d->year));
}

#define DATE(name_, expression)                                                                    \
    double weir_promql_instant_##name_(double value, const double *args, uint32_t args_count) {    \
        (void)args, (void)args_count;                                                              \
        if (isnan(value) || isinf(value)) return (double)NAN;                                      \
        struct date d = date_of(value);                                                            \
        int result = (int)(expression);                                                            \
        return result;                                                                             \
    }

DATE(minute, (int)(d.second_of_day / 60 % 60))
DATE(hour, (int)(d.second_of_day / 3600))
DATE(day_of_week, ((d.days + 4) % 7 + 7) % 7)
DATE(day_of_month, d.day)
DATE(day_of_year, day_of_year(&d))
DATE(days_in_month, month_days(&d))
DATE(month, d.month)
DATE(year, d.year)
