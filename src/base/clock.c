/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id) {
    struct timespec ts;
    if (clock_gettime(id, &ts) != 0) return 0;
    return (int64_t)ts.tv_sec * WEIR_NS_PER_S + ts.tv_nsec;
}

int64_t weir_clock_wall_ns(void) {
    return read_clock(CLOCK_REALTIME);
}

int64_t weir_clock_wall_coarse_ns(void) {
#ifdef CLOCK_REALTIME_COARSE
    return read_clock(CLOCK_REALTIME_COARSE);
#else
    return read_clock(CLOCK_REALTIME);
#endif
}

int64_t weir_clock_mono_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}

void weir_clock_sleep_ns(int64_t duration_ns) {
    if (duration_ns <= 0) return;
    struct timespec ts = {.tv_sec = duration_ns / WEIR_NS_PER_S,
                          .tv_nsec = duration_ns % WEIR_NS_PER_S};
    nanosleep(&ts, NULL);
}

void weir_clock_add_rfc3339(struct weir_buf *buf, int64_t wall_ns, int digits) {
    int64_t seconds = wall_ns / WEIR_NS_PER_S, rest = wall_ns % WEIR_NS_PER_S;
    if (rest < 0) rest += WEIR_NS_PER_S, seconds--;
    time_t when = (time_t)seconds;
    struct tm tm;
    gmtime_r(&when, &tm);
    weir_buf_printf(buf, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (digits == 3) weir_buf_printf(buf, ".%03d", (int)(rest / 1000000));
    if (digits == 6) weir_buf_printf(buf, ".%06d", (int)(rest / 1000));
    if (digits == 9) weir_buf_printf(buf, ".%09d", (int)rest);
    weir_buf_add_char(buf, 'Z');
}

/* Reads exactly `count` digits at *v and moves behind them. */
static bool take_digits(struct weir_view *v, size_t count, int *ret) {
    uint64_t number;
    if (v->len < count || !weir_view_to_u64(weir_view_upto(*v, count), &number)) return false;
    *ret = (int)number;
    *v = weir_view_from(*v, count);
    return true;
}

static bool take_char(struct weir_view *v, const char *allowed) {
    if (v->len == 0 || !strchr(allowed, v->ptr[0])) return false;
    *v = weir_view_from(*v, 1);
    return true;
}

static bool take_fraction(struct weir_view *v, int64_t *ret_ns) {
    int64_t ns = 0, unit = WEIR_NS_PER_S;
    size_t digits = 0;
    while (digits < v->len && v->ptr[digits] >= '0' && v->ptr[digits] <= '9') {
        unit /= 10;
        ns += (v->ptr[digits++] - '0') * unit;
    }
    *v = weir_view_from(*v, digits);
    *ret_ns = ns;
    return digits > 0 && digits <= 9;
}

static bool take_offset(struct weir_view *v, int64_t *ret_seconds) {
    if (take_char(v, "Zz")) return true;
    int sign = v->len && v->ptr[0] == '-' ? -1 : 1, hours, minutes;
    if (!take_char(v, "+-") || !take_digits(v, 2, &hours) || !take_char(v, ":") ||
        !take_digits(v, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool weir_clock_parse_rfc3339(struct weir_view text, int64_t *ret_wall_ns) {
    struct tm tm = {0};
    int64_t fraction_ns = 0, offset_seconds = 0;
    if (!take_digits(&text, 4, &tm.tm_year) || !take_char(&text, "-") ||
        !take_digits(&text, 2, &tm.tm_mon) || !take_char(&text, "-") ||
        !take_digits(&text, 2, &tm.tm_mday) || !take_char(&text, "Tt ") ||
        !take_digits(&text, 2, &tm.tm_hour) || !take_char(&text, ":") ||
        !take_digits(&text, 2, &tm.tm_min) || !take_char(&text, ":") ||
        !take_digits(&text, 2, &tm.tm_sec))
        return false;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    if (take_char(&text, ".") && !take_fraction(&text, &fraction_ns)) return false;
    if (!take_offset(&text, &offset_seconds) || text.len) return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t seconds = (int64_t)timegm(&tm) - offset_seconds, ns;
    if (__builtin_mul_overflow(seconds, WEIR_NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, fraction_ns, ret_wall_ns))
        return false;
    return true;
}
