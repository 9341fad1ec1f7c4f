/* SPDX-License-Identifier: Apache-2.0 */
/* One attribute set of an instrument: where its measurements go, and how they are read.
 *
 *     sum:        cell 0
 *     histogram:  sum │ period least greatest │ again │ – │ counts, one a bucket    (8-byte cells)
 *     gauge:      no cells of threads, only the shared one
 *
 * Each thread adds to cells of its own (sdk/cell.h) and, while it has none, to the shared ones in
 * the series. All of it is cumulative; a delta is the difference from what was taken last. Least
 * and greatest value are kept per period, alternately in two places: a new period begins when a
 * series is removed or its deltas are taken, and who measures first in it clears the thread's
 * place.
 *
 * Threads: measuring any, without lock or allocation; the rest under the instrument's lock.
 */
#ifndef WEIR_SDK_SERIES_H
#define WEIR_SDK_SERIES_H

#include "sdk/bucket.h"
#include "sdk/cell.h"
#include "sdk/exemplar.h"
#include "sdk/metric.h"
#include "sdk/sdk.h"

enum weir_series_cell { /* of a histogram */
                        WEIR_SERIES_SUM,
                        WEIR_SERIES_PERIODS, /* two of (period, min, max) */
                        WEIR_SERIES_COUNTS = 8,
};
enum { WEIR_SERIES_PERIOD, WEIR_SERIES_LEAST, WEIR_SERIES_GREATEST, WEIR_SERIES_PERIOD_CELLS };

struct weir_series {
    /* what measuring reads */
    _Alignas(64) _Atomic int64_t above; /* live integer sums: greater amounts are added as they
                                           are; INT64_MAX: look closer */
    const double *_Atomic bounds;       /* live histograms: the instrument's; NULL: look closer */
    _Atomic uint64_t period;            /* histograms: from 1 on */
    _Atomic uint32_t first;             /* number of the first cell */
    uint32_t bounds_room;
    struct weir_exemplar_slot *slots;
    uint32_t slots_count;
    atomic_bool live;        /* measured since made or removed */
    atomic_bool exemplified; /* some slot may be full */
    /* the rest */
    const struct weir_instrument *instrument;
    uint64_t hash;
    struct weir_view attrs;
    _Atomic int64_t start_ns;
    uint32_t cells_count;
    uint64_t *last; /* delta: what was taken last, counts or the sum first; NULL: nothing yet */
    double last_sum;
    struct weir_exponential_series *exponential; /* NULL: the instrument is of no such kind */
    _Alignas(64) _Atomic uint64_t shared[];      /* cells_count; then slots, attributes */
};

/* Makes one that nothing was measured in; copies `attrs`. NULL: out of memory. */
struct weir_series *weir_series_make(const struct weir_instrument *instrument,
                                     struct weir_view attrs, uint64_t hash);
/* Forgets what was measured; measuring again revives it. */
void weir_series_forget(struct weir_series *series);
/* The same in a forked child, where threads' cells are zero already. */
void weir_series_forked(struct weir_series *series);

/* A run: one thread measures the same value into the same histogram again and again. The first of
 * them finds the bucket, the others need not look. No exemplars. Zeroed is a good run. */
struct weir_series_run {
    struct weir_series *series;
    _Atomic uint64_t *sum, *count; /* the thread's own cells */
    uint64_t period;
    double value;
};
void weir_series_record_first(struct weir_series_run *run, struct weir_series *series,
                              double value);
static inline void weir_series_record_run(struct weir_series_run *run, struct weir_series *series,
                                          double value) {
    if (__builtin_expect(run->series != series || run->value != value ||
                             run->period !=
                                 atomic_load_explicit(&series->period, memory_order_relaxed) ||
                             !atomic_load_explicit(&series->bounds, memory_order_relaxed) ||
                             weir_sdk_bits() & (WEIR_SDK_NO_METRICS | WEIR_SDK_EXEMPLARS_ALL),
                         0)) {
        weir_series_record_first(run, series, value);
        return;
    }
    weir_cell_add(run->count, 1);
    weir_cell_own_set_f64(run->sum, weir_cell_own_f64(run->sum) + value);
}
/* weir_series_add_with(series, 1, NULL), in line. */
static inline void weir_series_add_one(struct weir_series *series) {
    _Atomic uint64_t *cells =
        weir_cells_get(atomic_load_explicit(&series->first, memory_order_relaxed));
    if (__builtin_expect(!cells ||
                             atomic_load_explicit(&series->above, memory_order_relaxed) >= 1 ||
                             weir_sdk_bits() & (WEIR_SDK_NO_METRICS | WEIR_SDK_EXEMPLARS_ALL),
                         0))
        weir_series_add_with(series, 1, NULL);
    else
        weir_cell_add(cells, 1);
}

/* Adds to a histogram what was measured elsewhere: a count for each of its buckets (the last: above
 * all bounds), and of all values the sum, the least and the greatest. Any thread, without lock. */
void weir_series_merge(struct weir_series *series, const uint64_t *counts, double sum, double min,
                       double max);

/* Adds the cumulative point if the series is live. NULL: it is not, or memory is out. */
struct weir_point *weir_series_read(struct weir_series *series, struct weir_snapshot *snapshot);
/* As read, then makes it the delta since it was last taken (before `since_ns`, 0: never), if
 * `delta`; adds and empties its exemplars. Leaves the point out when nothing is new. */
void weir_series_take(struct weir_series *series, bool delta, int64_t since_ns,
                      struct weir_snapshot *snapshot);

#endif
