/* SPDX-License-Identifier: Apache-2.0 */
/* Instruments and their series; what they hold is read by a collection into a snapshot.
 *
 *     instrument ─ attributes ─▶ series ─ thread's table ─▶ cells     (add, record: no lock)
 *                                   └──── collect: sum of all threads' cells ─▶ point
 *
 * Threads: measuring any; an instrument's table of series under one of 16 locks; one collection at
 * a time.
 * Memory: series live until the process ends; a snapshot owns an arena.
 */
#ifndef WEIR_SDK_METRIC_H
#define WEIR_SDK_METRIC_H

#include "base/arena.h"
#include "base/buf.h"
#include "sdk/config.h"
#include "sdk/exemplar.h"
#include "sdk/exponential.h"
#include "sdk/instrumentation.h"
#include "weir/metric.h"

enum {
    WEIR_SERIES_MAX = 2000, /* of one instrument; the last is the overflow series */
    WEIR_METRIC_BOUNDS_MAX = 64,
};

struct weir_instrument {
    struct weir_instrument
        *_Atomic next; /* of the same meter, in the order in which they were made */
    const struct weir_meter *meter;
    enum weir_instrument_type type;
    bool is_double;
    bool exponential; /* histogram: of this kind besides its bounds' */
    struct weir_view name, unit, description;
    const double *bounds; /* histogram; +Inf from bounds_count to bounds_room, a multiple of 8 */
    uint32_t bounds_count, bounds_room;
    _Atomic(struct weir_series *) plain; /* the series without attributes */
    /* guarded by the instrument's lock */
    struct weir_series **slots; /* open addressing by hash */
    uint32_t slots_count, series_count;
    struct weir_series *overflow;
    /* guarded by the collection's lock */
    struct weir_callback *callbacks;
    struct weir_observed *observed; /* observable counters: what was taken last, for deltas */
    uint32_t observed_count;
};

struct weir_point {
    const struct weir_instrument *instrument;
    struct weir_view attrs; /* encoded, with the point's tag */
    int64_t start_ns;       /* wall time; gauges: 0 */
    bool is_int;
    int64_t i64;
    double f64;     /* when not is_int */
    uint64_t count; /* histogram, also below */
    double sum, min, max;
    const uint64_t *counts;                     /* bounds_count + 1 */
    const struct weir_exponential *exponential; /* NULL: not of this kind */
    const struct weir_exemplar *exemplars;
    uint32_t exemplars_count;
};

struct weir_snapshot {
    struct weir_arena arena;
    struct weir_point *points; /* of one instrument together, of one meter together */
    uint32_t count, room;
    int64_t time_ns; /* wall time of the collection */
    enum weir_config_temporality temporality;
};

/* Fills *ret with cumulative points, runs the callbacks. done in every case. False: memory ran out
 * on the way. */
bool weir_metrics_collect(struct weir_snapshot *ret);
/* The same for the exporter: takes the exemplars, and what was measured since the last time where
 * `temporality` wants deltas. What is taken is given once. */
bool weir_metrics_take(struct weir_snapshot *ret, enum weir_config_temporality temporality);
void weir_snapshot_done(struct weir_snapshot *snapshot);
/* Whether such an instrument's points are deltas then. */
bool weir_instrument_is_delta(const struct weir_instrument *instrument,
                              enum weir_config_temporality temporality);

/* weir_series_add and _record for code that measures after the fact, on another thread: with this
 * span context as exemplar if it is sampled (NULL: none), whatever context is current. */
void weir_series_add_with(struct weir_series *series, int64_t amount,
                          const struct weir_span_context *exemplar);
void weir_series_record_with(struct weir_series *series, double value,
                             const struct weir_span_context *exemplar);

/* Takes all points and appends them as an ExportMetricsServiceRequest with this encoded resource
 * field; gives their number. */
uint64_t weir_metrics_encode(const struct weir_config *config, struct weir_view resource,
                             struct weir_buf *buf);
/* Appends Prometheus text 0.0.4. */
void weir_metrics_add_text(struct weir_buf *buf);

/* Fork: the locks to hold across it, in this order; in the child all series start from zero. */
enum { WEIR_METRICS_LOCKS_COUNT = 18 };
pthread_mutex_t *weir_metrics_lock(int index); /* 0: one collection at a time */
void weir_metrics_forked(void);
/* Guards the instrument's table of series; one of those locks. */
pthread_mutex_t *weir_instrument_lock(const struct weir_instrument *instrument);
pthread_mutex_t *weir_metrics_collecting(void);

#endif
