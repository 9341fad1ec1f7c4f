/* SPDX-License-Identifier: Apache-2.0 */
/* Time, in nanoseconds everywhere (`_ns`). Wall time counts from 1970-01-01 UTC.
 *
 * Threads: any.
 */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include "base/buf.h"

#define WEIR_NS_PER_US INT64_C(1000)
#define WEIR_NS_PER_MS INT64_C(1000000)
#define WEIR_NS_PER_S  INT64_C(1000000000)

/* Wall clock now. */
int64_t weir_clock_wall_ns(void);
/* Wall clock as of the last kernel tick: about five times cheaper, up to 4 ms behind. */
int64_t weir_clock_wall_coarse_ns(void);
/* Monotonic clock now: for durations and deadlines. */
int64_t weir_clock_mono_ns(void);
/* Sleeps; returns early on a signal. */
void weir_clock_sleep_ns(int64_t duration_ns);

/* Appends RFC 3339 in UTC with `digits` (0, 3, 6 or 9)
 * fraction digits: 2026-01-31T23:59:59.123Z. */
void weir_clock_add_rfc3339(struct weir_buf *buf, int64_t wall_ns, int digits);
/* Parses RFC 3339 (any offset, 0-9 fraction digits, 'T' or ' '). */
bool weir_clock_parse_rfc3339(struct weir_view text, int64_t *ret_wall_ns);

#endif
