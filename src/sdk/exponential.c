/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/exponential.h"

#include <float.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sdk/cell.h"

enum { /* cells */
       VERSION,
       HALVINGS,
       ZERO,
       SIDES, /* two of (low, count) */
       LOW = 0,
       COUNT,
       SIDE_CELLS,
};
enum {
    BUCKETS = WEIR_EXPONENTIAL_BUCKETS,
    SHARE_TRIES = 2000,
    READ_TRIES = 100,  /* then pauses … */
    READ_PAUSES = 200, /* … of a millisecond */
};

/* The index at the finest scale of a finite value above 0. */
static int64_t index_of(double value) {
    const int64_t octave = INT64_C(1) << WEIR_EXPONENTIAL_SCALE;
    int exponent;
    double part = frexp(value, &exponent);               /* in [0.5, 1) */
    if (part == 0.5) return (exponent - 1) * octave - 1; /* a bound belongs to the bucket it ends */
    int64_t within = (int64_t)ceil((log2(part) + 1) * (double)octave) - 1;
    within = within < 0 ? 0 : within < octave ? within : octave - 1;
    return (exponent - 1) * octave + within;
}

/* Where a bucket's count lies among its side's: those in use are never more than there is room. */
static uint32_t slot_of(int64_t index) {
    int64_t rest = index % BUCKETS;
    return (uint32_t)(rest < 0 ? rest + BUCKETS : rest);
}

/* By how many halvings the indices from … to come to fit. */
static uint32_t halvings_for(int64_t from, int64_t to) {
    uint32_t by = 0;
    while ((to >> by) - (from >> by) >= BUCKETS) by++;
    return by;
}

/* ── one writer's cells ──────────────────────────────────────────────────────────────────────── */

/* While the version is odd, stores come after it and before it is even again. */
static void put(_Atomic uint64_t *cell, uint64_t value) {
    atomic_store_explicit(cell, value, memory_order_release);
}

static void halve(_Atomic uint64_t *side, _Atomic uint64_t *counts, uint32_t by) {
    int64_t low = (int64_t)weir_cell_read(&side[LOW]);
    int64_t count = (int64_t)weir_cell_read(&side[COUNT]), high = low + count - 1;
    uint64_t joined[BUCKETS] = {0};
    if (!count) return;
    for (int64_t i = low; i <= high; i++)
        joined[slot_of(i >> by)] += weir_cell_read(&counts[slot_of(i)]);
    for (uint32_t i = 0; i < BUCKETS; i++) put(&counts[i], joined[i]);
    put(&side[LOW], (uint64_t)(low >> by));
    put(&side[COUNT], (uint64_t)((high >> by) - (low >> by) + 1));
}

/* Makes room for the bucket of this index; gives its index afterwards. */
static int64_t widen(_Atomic uint64_t *cells, uint32_t negative, int64_t index) {
    _Atomic uint64_t *side = &cells[SIDES + negative * SIDE_CELLS];
    int64_t low = (int64_t)weir_cell_read(&side[LOW]);
    int64_t count = (int64_t)weir_cell_read(&side[COUNT]);
    uint64_t version = weir_cell_read(&cells[VERSION]);
    int64_t from = !count || index < low ? index : low;
    int64_t to = !count || index >= low + count ? index : low + count - 1;
    uint32_t by = halvings_for(from, to);
    weir_cell_set(&cells[VERSION], version + 1);
    for (int i = 0; by && i < 2; i++)
        halve(&cells[SIDES + i * SIDE_CELLS], &cells[WEIR_EXPONENTIAL_HEAD + i * BUCKETS], by);
    if (by) put(&cells[HALVINGS], weir_cell_read(&cells[HALVINGS]) + by);
    put(&side[LOW], (uint64_t)(from >> by));
    put(&side[COUNT], (uint64_t)((to >> by) - (from >> by) + 1));
    put(&cells[VERSION], version + 2);
    return index >> by;
}

void weir_exponential_add(_Atomic uint64_t *cells, double value, uint64_t count) {
    if (value == 0) {
        weir_cell_add(&cells[ZERO], count);
        return;
    }
    uint32_t negative = value < 0;
    const _Atomic uint64_t *side = &cells[SIDES + negative * SIDE_CELLS];
    int64_t index = index_of(fabs(value)) >> weir_cell_read(&cells[HALVINGS]);
    int64_t place = index - (int64_t)weir_cell_read(&side[LOW]);
    if (place < 0 || place >= (int64_t)weir_cell_read(&side[COUNT]))
        index = widen(cells, negative, index);
    weir_cell_add(&cells[WEIR_EXPONENTIAL_HEAD + negative * BUCKETS + slot_of(index)], count);
}

static uint64_t get(const _Atomic uint64_t *cell) {
    return atomic_load_explicit(cell, memory_order_acquire);
}

static void copy_side(const _Atomic uint64_t *side, const _Atomic uint64_t *counts,
                      struct weir_exponential_side *ret) {
    ret->low = (int64_t)get(&side[LOW]);
    ret->count = (uint32_t)get(&side[COUNT]);
    for (uint32_t i = 0; i < ret->count && i < BUCKETS; i++)
        ret->counts[i] = get(&counts[slot_of(ret->low + i)]);
}

static bool try_copy(const _Atomic uint64_t *cells, struct weir_exponential *ret) {
    uint64_t version = get(&cells[VERSION]);
    if (version % 2) return false;
    ret->halvings = (uint32_t)get(&cells[HALVINGS]);
    ret->zero = get(&cells[ZERO]);
    copy_side(&cells[SIDES], &cells[WEIR_EXPONENTIAL_HEAD], &ret->positive);
    copy_side(&cells[SIDES + SIDE_CELLS], &cells[WEIR_EXPONENTIAL_HEAD + BUCKETS], &ret->negative);
    return get(&cells[VERSION]) == version;
}

bool weir_exponential_read(const _Atomic uint64_t *cells, struct weir_exponential *to) {
    struct weir_exponential one;
    int tries = 0;
    while (!try_copy(cells, &one)) {
        if (++tries == READ_TRIES + READ_PAUSES) return false;
        if (tries < READ_TRIES)
            sched_yield();
        else
            weir_clock_sleep_ns(WEIR_NS_PER_MS);
    }
    weir_exponential_merge(to, &one);
    return true;
}

/* ── values ──────────────────────────────────────────────────────────────────────────────────── */

static void halve_side(struct weir_exponential_side *side, uint32_t by) {
    uint64_t joined[BUCKETS] = {0};
    if (!side->count || !by) return;
    int64_t low = side->low >> by, high = (side->low + side->count - 1) >> by;
    for (uint32_t i = 0; i < side->count; i++)
        joined[((side->low + i) >> by) - low] += side->counts[i];
    memcpy(side->counts, joined, sizeof joined);
    side->low = low;
    side->count = (uint32_t)(high - low + 1);
}

static void halve_to(struct weir_exponential *it, uint32_t halvings) {
    uint32_t by = halvings - it->halvings;
    halve_side(&it->positive, by);
    halve_side(&it->negative, by);
    it->halvings = halvings;
}

/* The halvings that both sides need to become one. */
static uint32_t halvings_to_join(const struct weir_exponential_side *a,
                                 const struct weir_exponential_side *b) {
    if (!a->count || !b->count) return 0;
    int64_t a_high = a->low + a->count - 1, b_high = b->low + b->count - 1;
    return halvings_for(a->low < b->low ? a->low : b->low, a_high > b_high ? a_high : b_high);
}

static void join(struct weir_exponential_side *to, const struct weir_exponential_side *from) {
    if (!from->count) return;
    if (!to->count) {
        *to = *from;
        return;
    }
    int64_t low = to->low < from->low ? to->low : from->low;
    int64_t to_end = to->low + to->count, from_end = from->low + from->count;
    uint64_t joined[BUCKETS] = {0};
    for (uint32_t i = 0; i < to->count; i++) joined[to->low - low + i] += to->counts[i];
    for (uint32_t i = 0; i < from->count; i++) joined[from->low - low + i] += from->counts[i];
    memcpy(to->counts, joined, sizeof joined);
    to->count = (uint32_t)((to_end > from_end ? to_end : from_end) - low);
    to->low = low;
}

void weir_exponential_merge(struct weir_exponential *to, const struct weir_exponential *from) {
    struct weir_exponential other = *from;
    uint32_t halvings = to->halvings > other.halvings ? to->halvings : other.halvings;
    halve_to(to, halvings);
    halve_to(&other, halvings);
    uint32_t more = halvings_to_join(&to->positive, &other.positive);
    uint32_t more_negative = halvings_to_join(&to->negative, &other.negative);
    if (more_negative > more) more = more_negative;
    halve_to(to, halvings + more);
    halve_to(&other, halvings + more);
    to->zero += other.zero;
    join(&to->positive, &other.positive);
    join(&to->negative, &other.negative);
}

static void subtract_side(struct weir_exponential_side *from,
                          const struct weir_exponential_side *what) {
    for (uint32_t i = 0; i < what->count; i++) {
        int64_t place = what->low + i - from->low;
        if (place >= 0 && place < from->count) from->counts[place] -= what->counts[i];
    }
}

void weir_exponential_subtract(struct weir_exponential *from, const struct weir_exponential *what) {
    struct weir_exponential other = *what;
    if (other.halvings < from->halvings) halve_to(&other, from->halvings);
    from->zero -= other.zero;
    subtract_side(&from->positive, &other.positive);
    subtract_side(&from->negative, &other.negative);
}

void weir_exponential_merge_value(struct weir_exponential *to, double value, uint64_t count) {
    struct weir_exponential one = {.halvings = 0};
    struct weir_exponential_side *side = value < 0 ? &one.negative : &one.positive;
    if (value == 0) {
        to->zero += count;
        return;
    }
    side->low = index_of(fabs(value));
    side->count = 1;
    side->counts[0] = count;
    weir_exponential_merge(to, &one);
}

uint64_t weir_exponential_count(const struct weir_exponential *it) {
    uint64_t count = it->zero;
    for (uint32_t i = 0; i < it->positive.count; i++) count += it->positive.counts[i];
    for (uint32_t i = 0; i < it->negative.count; i++) count += it->negative.counts[i];
    return count;
}

/* ── series ──────────────────────────────────────────────────────────────────────────────────── */

struct weir_exponential_series *weir_exponential_series_new(void) {
    struct weir_exponential_series *series = calloc(1, sizeof *series);
    if (series) atomic_init(&series->first, weir_cells_reserve(WEIR_EXPONENTIAL_CELLS, 8));
    return series;
}

static bool share(struct weir_exponential_series *series, double value, uint64_t count) {
    for (int i = 0; i < SHARE_TRIES; i++) {
        int place = i % 2;
        if (atomic_exchange_explicit(&series->shared[place].busy, true, memory_order_acquire))
            continue;
        weir_exponential_add(series->shared[place].cells, value, count);
        atomic_store_explicit(&series->shared[place].busy, false, memory_order_release);
        return true;
    }
    return false;
}

void weir_exponential_series_add(struct weir_exponential_series *series, double value,
                                 uint64_t count, uint32_t bucket) {
    uint32_t first = atomic_load_explicit(&series->first, memory_order_relaxed);
    _Atomic uint64_t *cells = weir_cells_get(first);
    if (!cells) cells = weir_cells_missed(first);
    if (cells)
        weir_exponential_add(cells, value, count);
    else if (!share(series, value, count))
        atomic_fetch_add_explicit(&series->unplaced[bucket], count, memory_order_relaxed);
}

/* What stands for a value of this bucket, always the same: its upper bound, past the last just more
 * than that. */
static double bound_of(const double *bounds, uint32_t bounds_count, uint32_t bucket) {
    if (!bounds_count) return 0;
    double bound =
        bucket < bounds_count ? bounds[bucket] : nextafter(bounds[bounds_count - 1], DBL_MAX);
    return fmax(-DBL_MAX, fmin(bound, DBL_MAX));
}

bool weir_exponential_series_read(const struct weir_exponential_series *series,
                                  const double *bounds, uint32_t bounds_count,
                                  struct weir_exponential *ret) {
    uint32_t first = atomic_load_explicit(&series->first, memory_order_relaxed);
    unsigned tables = first == WEIR_CELLS_NONE ? 0 : weir_cells_tables();
    memset(ret, 0, sizeof *ret);
    for (int i = 0; i < 2; i++)
        if (!weir_exponential_read(series->shared[i].cells, ret)) return false;
    for (unsigned i = 0; i < tables; i++) {
        const _Atomic uint64_t *cells = weir_cells_at(i, first);
        if (cells && !weir_exponential_read(cells, ret)) return false;
    }
    for (uint32_t i = 0; i <= bounds_count; i++) {
        uint64_t count = weir_cell_read(&series->unplaced[i]);
        if (count) weir_exponential_merge_value(ret, bound_of(bounds, bounds_count, i), count);
    }
    return true;
}

void weir_exponential_series_forked(struct weir_exponential_series *series) {
    for (int i = 0; i < 2; i++) {
        atomic_store(&series->shared[i].busy, false);
        for (uint32_t n = 0; n < WEIR_EXPONENTIAL_CELLS; n++)
            weir_cell_set(&series->shared[i].cells[n], 0);
    }
    for (uint32_t i = 0; i <= WEIR_EXPONENTIAL_BOUNDS_MAX; i++)
        weir_cell_set(&series->unplaced[i], 0);
    memset(&series->forgotten, 0, sizeof series->forgotten);
    memset(&series->last, 0, sizeof series->last);
}
