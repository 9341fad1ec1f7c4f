/* SPDX-License-Identifier: Apache-2.0 */
/* Instruments and their series; what they hold is read by a collection into a snapshot.
 *
 *     instrument ─ attributes ─▶ series ─ thread's shard ─▶ cell      (add, record: no lock)
 *                                   └──── collect: sum of the shards ─▶ point
 *
 * Threads: cells any, through relaxed atomics; an instrument's table under one of 16 locks; one
 * collection at a time.
 * Memory: series live until the process ends; a snapshot owns an arena.
 */
#ifndef WEIR_SDK_METRIC_H
#define WEIR_SDK_METRIC_H

#include "base/arena.h"
#include "base/buf.h"
#include "sdk/instrumentation.h"
#include "weir/metric.h"

enum {
    WEIR_SERIES_MAX = 2000, /* of one instrument; the last is the overflow series */
    WEIR_METRIC_SHARDS = 4,
    WEIR_METRIC_BOUNDS_MAX = 64,
};

struct weir_instrument {
    struct weir_instrument
        *_Atomic next; /* of the same meter, in the order in which they were made */
    const struct weir_meter *meter;
    enum weir_instrument_type type;
    bool is_double;
    struct weir_view name, unit, description;
    const double *bounds; /* histogram */
    uint32_t bounds_count;
    _Atomic(struct weir_series *) plain; /* the series without attributes */
    /* guarded by the instrument's lock */
    struct weir_series **slots; /* open addressing by hash */
    uint32_t slots_count, series_count;
    struct weir_series *overflow;
    /* guarded by the collection's lock */
    struct weir_callback *callbacks;
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
    const uint64_t *counts; /* bounds_count + 1 */
};

struct weir_snapshot {
    struct weir_arena arena;
    struct weir_point *points; /* of one instrument together, of one meter together */
    uint32_t count, room;
    int64_t time_ns; /* wall time of the collection */
};

/* Fills *ret, runs the callbacks. done in every case. False: memory ran out on the way. */
bool weir_metrics_collect(struct weir_snapshot *ret);
void weir_snapshot_done(struct weir_snapshot *snapshot);

/* Appends an ExportMetricsServiceRequest with this encoded resource field; gives its points. */
uint64_t weir_metrics_encode(struct weir_view resource, struct weir_buf *buf);
/* Appends Prometheus text 0.0.4. */
void weir_metrics_add_text(struct weir_buf *buf);

/* Fork: the locks to hold across it, in this order; in the child all series start from zero. */
enum { WEIR_METRICS_LOCKS_COUNT = 17 };
pthread_mutex_t *weir_metrics_lock(int index);
void weir_metrics_forked(void);

#endif
