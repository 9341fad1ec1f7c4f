/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/series.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sdk/context.h"
#include "sdk/sdk.h"

_Static_assert((int)WEIR_EXPONENTIAL_BOUNDS_MAX >= (int)WEIR_METRIC_BOUNDS_MAX,
               "a bucket has no place");

static bool is_histogram(const struct weir_instrument *it) {
    return it->type == WEIR_INSTRUMENT_HISTOGRAM;
}

static bool is_counter(const struct weir_instrument *it) {
    return it->type == WEIR_INSTRUMENT_COUNTER;
}

static bool is_sum(const struct weir_instrument *it) {
    return is_counter(it) || it->type == WEIR_INSTRUMENT_UPDOWN;
}

static bool is_int(const struct weir_instrument *it) {
    return is_sum(it) && !it->is_double;
}

static void drop_measurement(void) {
    weir_sdk_count(&weir_sdk_counters.measurements_dropped, 1);
}

/* ── shared cells ────────────────────────────────────────────────────────────────────────────── */

static void share_f64(_Atomic uint64_t *to, double amount) {
    uint64_t old = weir_cell_read(to);
    while (!atomic_compare_exchange_weak_explicit(to, &old,
                                                  weir_cell_bits(weir_cell_f64(old) + amount),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void share_min(_Atomic uint64_t *to, double value) {
    uint64_t old = weir_cell_read(to);
    while (value < weir_cell_f64(old) &&
           !atomic_compare_exchange_weak_explicit(to, &old, weir_cell_bits(value),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void share_max(_Atomic uint64_t *to, double value) {
    uint64_t old = weir_cell_read(to);
    while (value > weir_cell_f64(old) &&
           !atomic_compare_exchange_weak_explicit(to, &old, weir_cell_bits(value),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* The place of a period's least and greatest value among a histogram's cells. */
static inline uint32_t period_at(uint64_t period) {
    return WEIR_SERIES_PERIODS + (uint32_t)(period & 1) * WEIR_SERIES_PERIOD_CELLS;
}

static void share_in_histogram(struct weir_series *series, uint32_t bucket, double value) {
    uint64_t period = atomic_load_explicit(&series->period, memory_order_acquire);
    _Atomic uint64_t *place = &series->shared[period_at(period)];
    atomic_fetch_add_explicit(&series->shared[WEIR_SERIES_COUNTS + bucket], 1,
                              memory_order_relaxed);
    share_f64(&series->shared[WEIR_SERIES_SUM], value);
    share_min(&place[WEIR_SERIES_LEAST], value);
    share_max(&place[WEIR_SERIES_GREATEST], value);
}

/* The shared place is cleared before the period begins, since many write to it. */
static void begin_period(struct weir_series *series) {
    uint64_t period = atomic_load_explicit(&series->period, memory_order_relaxed) + 1;
    _Atomic uint64_t *place = &series->shared[period_at(period)];
    weir_cell_set(&place[WEIR_SERIES_LEAST], weir_cell_bits(INFINITY));
    weir_cell_set(&place[WEIR_SERIES_GREATEST], weir_cell_bits(-INFINITY));
    atomic_store_explicit(&series->period, period, memory_order_release);
}

/* ── life ────────────────────────────────────────────────────────────────────────────────────── */

static void clear_shared(struct weir_series *series) {
    for (uint32_t i = 0; i < series->cells_count; i++) weir_cell_set(&series->shared[i], 0);
    if (is_histogram(series->instrument)) begin_period(series);
}

static uint32_t reserve_cells(const struct weir_series *series) {
    switch (series->instrument->type) {
    case WEIR_INSTRUMENT_COUNTER:
    case WEIR_INSTRUMENT_UPDOWN: return weir_cells_reserve(1, 1);
    case WEIR_INSTRUMENT_HISTOGRAM: return weir_cells_reserve(series->cells_count, 8);
    case WEIR_INSTRUMENT_GAUGE:
    case WEIR_INSTRUMENT_OBSERVABLE_COUNTER:
    case WEIR_INSTRUMENT_OBSERVABLE_UPDOWN:
    case WEIR_INSTRUMENT_OBSERVABLE_GAUGE: break;
    }
    return WEIR_CELLS_NONE;
}

struct weir_series *weir_series_make(const struct weir_instrument *it, struct weir_view attrs,
                                     uint64_t hash) {
    uint32_t buckets = it->bounds_count + 1;
    uint32_t cells = is_histogram(it) ? WEIR_SERIES_COUNTS + buckets : 1;
    uint32_t slots = is_histogram(it) ? buckets : is_sum(it) ? WEIR_EXEMPLARS_OF_SUM : 1;
    size_t slots_at = sizeof(struct weir_series) + cells * sizeof(uint64_t);
    size_t attrs_at = slots_at + slots * sizeof(struct weir_exemplar_slot);
    size_t size = (attrs_at + attrs.len + 63) & ~(size_t)63;
    char *block = aligned_alloc(64, size);
    if (!block) return NULL;
    memset(block, 0, size);
    struct weir_series *series = (void *)block;
    series->instrument = it;
    series->hash = hash;
    series->cells_count = cells;
    series->bounds_room = it->bounds_room;
    series->slots = (void *)(block + slots_at);
    series->slots_count = slots;
    if (attrs.len) memcpy(block + attrs_at, attrs.ptr, attrs.len);
    series->attrs = weir_view(block + attrs_at, attrs.len);
    atomic_init(&series->above, INT64_MAX);
    atomic_init(&series->first, reserve_cells(series));
    if (it->exponential && !(series->exponential = weir_exponential_series_new())) {
        free(block);
        return NULL;
    }
    clear_shared(series);
    return series;
}

static void revive(struct weir_series *series) {
    const struct weir_instrument *it = series->instrument;
    atomic_store_explicit(&series->start_ns, weir_clock_wall_ns(), memory_order_relaxed);
    atomic_store_explicit(&series->live, true, memory_order_release);
    if (is_histogram(it) && !it->exponential)
        atomic_store_explicit(&series->bounds, it->bounds, memory_order_release);
    else if (is_int(it))
        atomic_store_explicit(&series->above, is_counter(it) ? -1 : INT64_MIN,
                              memory_order_relaxed);
}

static void touch(struct weir_series *series) {
    if (!atomic_load_explicit(&series->live, memory_order_relaxed)) revive(series);
}

static void fall_asleep(struct weir_series *series) {
    atomic_store_explicit(&series->above, INT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&series->bounds, NULL, memory_order_relaxed);
    atomic_store_explicit(&series->live, false, memory_order_relaxed);
    free(series->last);
    series->last = NULL;
    series->last_sum = 0;
    weir_exemplars_clear(series->slots, series->slots_count);
}

void weir_series_forked(struct weir_series *series) {
    fall_asleep(series);
    clear_shared(series);
    if (series->exponential) weir_exponential_series_forked(series->exponential);
}

/* ── measuring ───────────────────────────────────────────────────────────────────────────────── */

static _Atomic uint64_t *own_cells(const struct weir_series *series) {
    uint32_t first = atomic_load_explicit(&series->first, memory_order_relaxed);
    _Atomic uint64_t *cells = weir_cells_get(first);
    return cells ? cells : weir_cells_missed(first);
}

static inline void add_own_f64(_Atomic uint64_t *cell, double amount) {
    weir_cell_own_set_f64(cell, weir_cell_own_f64(cell) + amount);
}

static uint32_t bucket_in(const struct weir_series *series, double value) {
    return weir_bucket_of(series->instrument->bounds, series->bounds_room, value);
}

static inline void add_to_histogram(const struct weir_series *series, _Atomic uint64_t *cells,
                                    uint32_t bucket, double value) {
    uint64_t period = atomic_load_explicit(&series->period, memory_order_relaxed);
    _Atomic uint64_t *place = &cells[period_at(period)];
    weir_cell_add(&cells[WEIR_SERIES_COUNTS + bucket], 1);
    add_own_f64(&cells[WEIR_SERIES_SUM], value);
    bool first = weir_cell_read(&place[WEIR_SERIES_PERIOD]) != period;
    if (__builtin_expect(first || value < weir_cell_own_f64(&place[WEIR_SERIES_LEAST]), 0))
        weir_cell_own_set_f64(&place[WEIR_SERIES_LEAST], value);
    if (__builtin_expect(first || value > weir_cell_own_f64(&place[WEIR_SERIES_GREATEST]), 0))
        weir_cell_own_set_f64(&place[WEIR_SERIES_GREATEST], value);
    if (__builtin_expect(first, 0))
        atomic_store_explicit(&place[WEIR_SERIES_PERIOD], period, memory_order_release);
}

/* The usual case, complete: a live series, own cells at hand. Else nothing is done. */
static inline bool add_plainly(struct weir_series *series, int64_t amount) {
    if (amount <= atomic_load_explicit(&series->above, memory_order_relaxed)) return false;
    _Atomic uint64_t *cells =
        weir_cells_get(atomic_load_explicit(&series->first, memory_order_relaxed));
    if (__builtin_expect(cells == NULL, 0)) return false;
    weir_cell_add(cells, (uint64_t)amount);
    return true;
}

static bool add_f64(struct weir_series *series, double amount) {
    const struct weir_instrument *it = series->instrument;
    if (!is_sum(it) || !it->is_double || isnan(amount) || (amount < 0 && is_counter(it))) {
        drop_measurement();
        return false;
    }
    touch(series);
    _Atomic uint64_t *cells = own_cells(series);
    if (cells)
        add_own_f64(cells, amount);
    else
        share_f64(&series->shared[0], amount);
    return true;
}

/* The other cases. False: dropped. */
static bool add_i64(struct weir_series *series, int64_t amount) {
    const struct weir_instrument *it = series->instrument;
    if (!is_int(it)) return add_f64(series, (double)amount);
    if (amount < 0 && is_counter(it)) {
        drop_measurement();
        return false;
    }
    touch(series);
    _Atomic uint64_t *cells = own_cells(series);
    if (cells)
        weir_cell_add(cells, (uint64_t)amount);
    else
        atomic_fetch_add_explicit(&series->shared[0], (uint64_t)amount, memory_order_relaxed);
    return true;
}

static inline bool record_plainly(struct weir_series *series, double value) {
    const double *bounds = atomic_load_explicit(&series->bounds, memory_order_acquire);
    if (__builtin_expect(!bounds || isnan(value), 0)) return false;
    _Atomic uint64_t *cells =
        weir_cells_get(atomic_load_explicit(&series->first, memory_order_relaxed));
    if (__builtin_expect(cells == NULL, 0)) return false;
    add_to_histogram(series, cells, weir_bucket_of(bounds, series->bounds_room, value), value);
    return true;
}

/* False: dropped. */
static bool record(struct weir_series *series, double value) {
    const struct weir_instrument *it = series->instrument;
    if (it->type == WEIR_INSTRUMENT_GAUGE) {
        touch(series);
        weir_cell_set(&series->shared[0], weir_cell_bits(value));
        return true;
    }
    if (!is_histogram(it) || isnan(value) || (series->exponential && isinf(value))) {
        drop_measurement();
        return false;
    }
    touch(series);
    if (series->exponential)
        weir_exponential_series_add(series->exponential, value, 1, bucket_in(series, value));
    _Atomic uint64_t *cells = own_cells(series);
    if (cells)
        add_to_histogram(series, cells, bucket_in(series, value), value);
    else
        share_in_histogram(series, bucket_in(series, value), value);
    return true;
}

static __attribute__((noinline)) void offer(struct weir_series *series, double value,
                                            const struct weir_span_context *span) {
    unsigned bits = weir_sdk_bits();
    if (bits & WEIR_SDK_EXEMPLARS_NONE) return;
    if (!(bits & WEIR_SDK_EXEMPLARS_ALL) && !(span && weir_span_context_is_sampled(span))) return;
    if (is_histogram(series->instrument))
        weir_exemplar_offer(&series->slots[bucket_in(series, value)], value, span);
    else
        weir_exemplar_offer_any(series->slots, series->slots_count, value, span);
    if (!atomic_load_explicit(&series->exemplified, memory_order_relaxed))
        atomic_store_explicit(&series->exemplified, true, memory_order_relaxed);
}

static inline bool is_offered(const struct weir_span_context *span) {
    return span && (weir_span_context_is_sampled(span) || weir_sdk_bits() & WEIR_SDK_EXEMPLARS_ALL);
}

static void offer_current(struct weir_series *series, double value) {
    const struct weir_context *ctx = weir_context_current();
    offer(series, value, ctx && weir_span_context_is_valid(&ctx->span) ? &ctx->span : NULL);
}

static __attribute__((noinline, cold)) void add_specially(struct weir_series *series,
                                                          int64_t amount) {
    if (series && add_i64(series, amount)) offer_current(series, (double)amount);
}

static __attribute__((noinline, cold)) void record_specially(struct weir_series *series,
                                                             double value) {
    if (series && record(series, value)) offer_current(series, value);
}

/* The two that programs call most begin on a cache line, and their usual case jumps nowhere: that
 * is worth a quarter of their time. */
__attribute__((aligned(64))) void weir_series_add(struct weir_series *series, int64_t amount) {
    unsigned bits = weir_sdk_bits();
    if (__builtin_expect(bits & (WEIR_SDK_NO_METRICS | WEIR_SDK_EXEMPLARS_ALL), 0)) {
        if (!(bits & WEIR_SDK_NO_METRICS)) add_specially(series, amount);
    } else if (__builtin_expect(!series || !add_plainly(series, amount), 0)) {
        add_specially(series, amount);
    } else if (__builtin_expect(weir_context_sampled != NULL, 0)) {
        offer(series, (double)amount, weir_context_sampled);
    }
}

__attribute__((aligned(64))) void weir_series_record(struct weir_series *series, double value) {
    unsigned bits = weir_sdk_bits();
    if (__builtin_expect(bits & (WEIR_SDK_NO_METRICS | WEIR_SDK_EXEMPLARS_ALL), 0)) {
        if (!(bits & WEIR_SDK_NO_METRICS)) record_specially(series, value);
    } else if (__builtin_expect(!series || !record_plainly(series, value), 0)) {
        record_specially(series, value);
    } else if (__builtin_expect(weir_context_sampled != NULL, 0)) {
        offer(series, value, weir_context_sampled);
    }
}

void weir_series_add_double(struct weir_series *series, double amount) {
    if (!series || weir_sdk_bits() & WEIR_SDK_NO_METRICS) return;
    bool truncates = is_int(series->instrument) && !isnan(amount);
    if (truncates ? add_i64(series, (int64_t)amount) : add_f64(series, amount))
        offer_current(series, amount);
}

void weir_series_add_with(struct weir_series *series, int64_t amount,
                          const struct weir_span_context *exemplar) {
    if (!series || weir_sdk_bits() & WEIR_SDK_NO_METRICS) return;
    if ((add_plainly(series, amount) || add_i64(series, amount)) && is_offered(exemplar))
        offer(series, (double)amount, exemplar);
}

void weir_series_record_with(struct weir_series *series, double value,
                             const struct weir_span_context *exemplar) {
    if (!series || weir_sdk_bits() & WEIR_SDK_NO_METRICS) return;
    if ((record_plainly(series, value) || record(series, value)) && is_offered(exemplar))
        offer(series, value, exemplar);
}

void weir_series_record_first(struct weir_series_run *run, struct weir_series *series,
                              double value) {
    weir_series_record_with(series, value, NULL);
    _Atomic uint64_t *cells =
        weir_cells_get(atomic_load_explicit(&series->first, memory_order_relaxed));
    uint64_t period = atomic_load_explicit(&series->period, memory_order_relaxed);
    run->series = NULL;
    /* Least and greatest of the period are the thread's own, and hold the value. */
    if (!cells || isnan(value) ||
        weir_cell_read(&cells[period_at(period) + WEIR_SERIES_PERIOD]) != period)
        return;
    *run = (struct weir_series_run){.series = series,
                                    .sum = &cells[WEIR_SERIES_SUM],
                                    .count = &cells[WEIR_SERIES_COUNTS + bucket_in(series, value)],
                                    .period = period,
                                    .value = value};
}

/* A value of this bucket when only the least and the greatest of all are known: its middle. */
static double likely_value(const struct weir_series *series, uint32_t bucket, double min,
                           double max) {
    const struct weir_instrument *it = series->instrument;
    double low = bucket ? fmax(it->bounds[bucket - 1], min) : min;
    double high = bucket < it->bounds_count ? fmin(it->bounds[bucket], max) : max;
    return low > 0 ? sqrt(low * high) : (low + high) / 2;
}

void weir_series_merge(struct weir_series *series, const uint64_t *counts, double sum, double min,
                       double max) {
    if (!series || !is_histogram(series->instrument) || weir_sdk_bits() & WEIR_SDK_NO_METRICS)
        return;
    touch(series);
    uint64_t period = atomic_load_explicit(&series->period, memory_order_acquire);
    _Atomic uint64_t *place = &series->shared[period_at(period)];
    for (uint32_t i = 0; i <= series->instrument->bounds_count; i++)
        atomic_fetch_add_explicit(&series->shared[WEIR_SERIES_COUNTS + i], counts[i],
                                  memory_order_relaxed);
    share_f64(&series->shared[WEIR_SERIES_SUM], sum);
    share_min(&place[WEIR_SERIES_LEAST], min);
    share_max(&place[WEIR_SERIES_GREATEST], max);
    for (uint32_t i = 0; series->exponential && i <= series->instrument->bounds_count; i++)
        if (counts[i])
            weir_exponential_series_add(series->exponential, likely_value(series, i, min, max),
                                        counts[i], i);
}

/* ── reading ─────────────────────────────────────────────────────────────────────────────────── */

/* Adds a period's least and greatest value from one set of cells; threads say which period. */
static void read_period(const _Atomic uint64_t *cells, uint64_t period, bool shared,
                        struct weir_point *point) {
    const _Atomic uint64_t *place = &cells[period_at(period)];
    if (!shared && atomic_load_explicit(&place[WEIR_SERIES_PERIOD], memory_order_acquire) != period)
        return;
    point->min = fmin(point->min, weir_cell_read_f64(&place[WEIR_SERIES_LEAST]));
    point->max = fmax(point->max, weir_cell_read_f64(&place[WEIR_SERIES_GREATEST]));
}

static void read_histogram(const _Atomic uint64_t *cells, uint64_t *counts,
                           struct weir_point *point) {
    for (uint32_t i = 0; i <= point->instrument->bounds_count; i++) {
        uint64_t count = weir_cell_read(&cells[WEIR_SERIES_COUNTS + i]);
        counts[i] += count;
        point->count += count;
    }
    point->sum += weir_cell_read_f64(&cells[WEIR_SERIES_SUM]);
}

/* One set of cells: the shared ones, or a thread's. */
static void read_cells(const _Atomic uint64_t *cells, uint64_t *counts, struct weir_point *point) {
    if (counts)
        read_histogram(cells, counts, point);
    else if (point->is_int)
        point->i64 = (int64_t)((uint64_t)point->i64 + weir_cell_read(cells));
    else
        point->f64 += weir_cell_read_f64(cells);
}

/* All sums, into a point of zeros. `counts` (zeros, one per bucket) with histograms only. */
static void read_sums(const struct weir_series *series, uint64_t *counts,
                      struct weir_point *point) {
    uint32_t first = atomic_load_explicit(&series->first, memory_order_relaxed);
    unsigned tables = first == WEIR_CELLS_NONE ? 0 : weir_cells_tables();
    read_cells(series->shared, counts, point);
    for (unsigned i = 0; i < tables; i++) {
        const _Atomic uint64_t *cells = weir_cells_at(i, first);
        if (cells) read_cells(cells, counts, point);
    }
    point->counts = counts;
    /* What removing has taken off a sum of doubles may leave the last bit of rounding. */
    if (is_counter(point->instrument) && point->f64 < 0) point->f64 = 0;
    if (counts && !point->count) point->sum = 0;
}

static void read_least_and_greatest(const struct weir_series *series, uint64_t period,
                                    struct weir_point *point) {
    uint32_t first = atomic_load_explicit(&series->first, memory_order_relaxed);
    unsigned tables = first == WEIR_CELLS_NONE ? 0 : weir_cells_tables();
    point->min = INFINITY;
    point->max = -INFINITY;
    read_period(series->shared, period, true, point);
    for (unsigned i = 0; i < tables; i++) {
        const _Atomic uint64_t *cells = weir_cells_at(i, first);
        if (cells) read_period(cells, period, false, point);
    }
}

static uint64_t period_of(const struct weir_series *series) {
    return atomic_load_explicit(&series->period, memory_order_relaxed);
}

/* Threads' cells have one writer, so what they hold is taken off the shared ones. */
void weir_series_forget(struct weir_series *series) {
    const struct weir_instrument *it = series->instrument;
    struct weir_point point = {.instrument = it, .is_int = is_int(it)};
    uint64_t counts[WEIR_METRIC_BOUNDS_MAX + 1] = {0};
    fall_asleep(series);
    if (series->exponential) {
        weir_exponential_series_read(series->exponential, it->bounds, it->bounds_count,
                                     &series->exponential->forgotten);
        memset(&series->exponential->last, 0, sizeof series->exponential->last);
    }
    read_sums(series, is_histogram(it) ? counts : NULL, &point);
    double sum = is_histogram(it) ? point.sum : point.f64;
    if (!isfinite(sum)) { /* nothing takes that off again: the series moves */
        atomic_store_explicit(&series->first, reserve_cells(series), memory_order_relaxed);
        clear_shared(series);
        return;
    }
    if (is_histogram(it)) {
        share_f64(&series->shared[WEIR_SERIES_SUM], -sum);
        for (uint32_t i = 0; i <= it->bounds_count; i++)
            atomic_fetch_sub_explicit(&series->shared[WEIR_SERIES_COUNTS + i], counts[i],
                                      memory_order_relaxed);
        begin_period(series);
    } else if (point.is_int) {
        atomic_fetch_sub_explicit(&series->shared[0], (uint64_t)point.i64, memory_order_relaxed);
    } else {
        share_f64(&series->shared[0], -sum);
    }
}

/* Someone may have been reviving the series just while it was forgotten: then it lives. */
static bool is_live(struct weir_series *series) {
    if (atomic_load_explicit(&series->live, memory_order_acquire)) return true;
    bool awake = atomic_load_explicit(&series->above, memory_order_relaxed) != INT64_MAX ||
                 atomic_load_explicit(&series->bounds, memory_order_relaxed);
    if (awake) atomic_store_explicit(&series->live, true, memory_order_relaxed);
    return awake;
}

/* NULL: out of memory, or a thread was interrupted while it changed its cells. */
static struct weir_exponential *read_exponential(const struct weir_series *series,
                                                 struct weir_arena *arena) {
    const struct weir_instrument *instrument = series->instrument;
    struct weir_exponential *it = WEIR_NEW(arena, struct weir_exponential);
    if (!it || !weir_exponential_series_read(series->exponential, instrument->bounds,
                                             instrument->bounds_count, it))
        return NULL;
    weir_exponential_subtract(it, &series->exponential->forgotten);
    return it;
}

struct weir_point *weir_series_read(struct weir_series *series, struct weir_snapshot *snapshot) {
    const struct weir_instrument *it = series->instrument;
    uint64_t *counts = NULL;
    if (!is_live(series)) return NULL;
    struct weir_exponential *exponential = NULL;
    if (is_histogram(it) &&
        !(counts = WEIR_NEW_ARRAY(&snapshot->arena, uint64_t, it->bounds_count + 1)))
        return NULL;
    if (series->exponential && !(exponential = read_exponential(series, &snapshot->arena)))
        return NULL;
    struct weir_point *point =
        WEIR_PUSH(&snapshot->arena, snapshot->points, snapshot->count, snapshot->room);
    if (!point) return NULL;
    *point = (struct weir_point){
        .instrument = it, .attrs = series->attrs, .is_int = is_int(it), .exponential = exponential};
    if (it->type != WEIR_INSTRUMENT_GAUGE)
        point->start_ns = atomic_load_explicit(&series->start_ns, memory_order_relaxed);
    read_sums(series, counts, point);
    if (counts) read_least_and_greatest(series, period_of(series), point);
    return point;
}

/* ── deltas ──────────────────────────────────────────────────────────────────────────────────── */

/* Makes of a histogram's cumulative point the difference from the last; false: nothing is new. */
static bool subtract_histogram(struct weir_series *series, struct weir_point *point,
                               uint64_t *counts) {
    uint64_t total = 0;
    for (uint32_t i = 0; i <= point->instrument->bounds_count; i++) {
        uint64_t now = counts[i];
        counts[i] -= series->last[i];
        series->last[i] = now;
        total += counts[i];
    }
    double sum = point->sum;
    point->count = total;
    point->sum -= series->last_sum;
    if (!total) return false;
    series->last_sum = sum;
    uint64_t period = period_of(series);
    begin_period(series);
    read_least_and_greatest(series, period, point);
    return true;
}

static bool subtract_sum(struct weir_series *series, struct weir_point *point) {
    if (point->is_int) {
        uint64_t now = (uint64_t)point->i64;
        point->i64 = (int64_t)(now - series->last[0]);
        series->last[0] = now;
        return point->i64 != 0;
    }
    double now = point->f64;
    point->f64 -= series->last_sum;
    series->last_sum = now;
    return point->f64 != 0;
}

static void subtract_exponential(struct weir_series *series, struct weir_point *point) {
    struct weir_exponential now = *point->exponential, *last = &series->exponential->last;
    weir_exponential_subtract((struct weir_exponential *)(uintptr_t)point->exponential, last);
    *last = now;
}

static bool subtract(struct weir_series *series, struct weir_point *point) {
    uint32_t words = is_histogram(series->instrument) ? series->instrument->bounds_count + 1 : 1;
    if (!series->last && !(series->last = calloc(words, sizeof *series->last))) return false;
    return point->counts ? subtract_histogram(series, point, (uint64_t *)(uintptr_t)point->counts)
                         : subtract_sum(series, point);
}

void weir_series_take(struct weir_series *series, bool delta, int64_t since_ns,
                      struct weir_snapshot *snapshot) {
    struct weir_point *point = weir_series_read(series, snapshot);
    if (!point) return;
    if (delta) {
        if (!subtract(series, point)) {
            snapshot->count--;
            return;
        }
        if (point->start_ns < since_ns) point->start_ns = since_ns;
        if (point->exponential) subtract_exponential(series, point);
    }
    if (atomic_exchange_explicit(&series->exemplified, false, memory_order_relaxed))
        point->exemplars_count = weir_exemplars_take(series->slots, series->slots_count,
                                                     &snapshot->arena, &point->exemplars);
}
