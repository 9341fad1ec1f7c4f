/* SPDX-License-Identifier: Apache-2.0 */
/* What time it is, for whoever asks twice a microsecond: the processor's counter, read without a
 * call, counted from an anchor that each thread takes from the wall clock every millisecond.
 *
 *     wall = anchor.wall + (counter − anchor.counter) · scale
 *
 * Only where the kernel itself keeps time by this counter (clocksource "tsc": it runs at one rate
 * and alike on all processors); elsewhere, and until the rate has been measured, it is the wall
 * clock. The exporter's thread measures the rate, anew each second, so that slewing is followed; a
 * step of the wall clock, a suspended machine and a counter that jumps are seen at the next anchor,
 * within a millisecond. Two threads differ by nanoseconds.
 *
 * Threads: an anchor has one owner. Memory: the caller's; zeroed is a good anchor.
 */
#ifndef WEIR_SDK_NOW_H
#define WEIR_SDK_NOW_H

#include <stdint.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct weir_now {
    uint64_t counter; /* of the processor, at wall_ns */
    int64_t wall_ns;
    uint64_t scale;  /* nanoseconds of one count, times 2^32 */
    uint64_t window; /* counts for which this anchor is good; 0: it is none */
};

/* Takes a new anchor; gives the wall clock. */
int64_t weir_now_anchor(struct weir_now *now);

static inline int64_t weir_now_ns(struct weir_now *now) {
#if defined(__x86_64__)
    uint64_t since = __rdtsc() - now->counter;
    if (__builtin_expect(since < now->window, 1))
        return now->wall_ns + (int64_t)(since * now->scale >> 32);
#endif
    return weir_now_anchor(now);
}

/* Measures the counter's rate since the last call, if that was WEIR_NOW_MEASURE_MS ago. The
 * exporter, each second or so. */
enum { WEIR_NOW_MEASURE_MS = 11 };
void weir_now_measure(void);

#endif
