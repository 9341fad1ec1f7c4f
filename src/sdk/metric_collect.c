/* SPDX-License-Identifier: Apache-2.0 */
/* Collections: callbacks, then all series, into a snapshot of points. */
#include <stdlib.h>

#include "base/clock.h"
#include "sdk/attr.h"
#include "sdk/sdk.h"
#include "sdk/series.h"

enum {
    ATTRS_SIZE_MAX = 64 << 10, /* of one point */
    SNAPSHOT_SIZE_MAX = 256 << 20,
    OBSERVED_FEW = 16,     /* points of one instrument that are looked through one by one */
    OBSERVED_SLOTS = 4096, /* twice WEIR_SERIES_MAX; a power of two */
};
_Static_assert(OBSERVED_SLOTS >= 2 * WEIR_SERIES_MAX, "some slots stay free");

struct weir_callback {
    struct weir_callback *next;
    int id;
    weir_observe *observe;
    void *arg;
};

struct weir_observer {
    struct weir_snapshot *snapshot;
    const struct weir_instrument *instrument;
    uint32_t first;    /* the instrument's first point */
    uint32_t overflow; /* the point that those past the limit share, + 1; 0: none yet */
    uint32_t *slots;   /* OBSERVED_SLOTS: points + 1 by the hash of their attributes; NULL: few */
};

/* A cumulative value that a callback reported, as it was when deltas were last taken. */
struct weir_observed {
    char *attrs;
    size_t attrs_size;
    double value;
};

static pthread_mutex_t collecting = PTHREAD_MUTEX_INITIALIZER; /* one collection at a time */
/* guarded by collecting; wall times, 0: not yet */
static int64_t started_ns; /* of the first collection */
static int64_t taken_ns;   /* of the latest that took deltas */

pthread_mutex_t *weir_metrics_collecting(void) {
    return &collecting;
}

static bool is_gauge(const struct weir_instrument *it) {
    return it->type == WEIR_INSTRUMENT_GAUGE || it->type == WEIR_INSTRUMENT_OBSERVABLE_GAUGE;
}

bool weir_instrument_is_delta(const struct weir_instrument *it,
                              enum weir_config_temporality temporality) {
    switch (it->type) {
    case WEIR_INSTRUMENT_COUNTER:
    case WEIR_INSTRUMENT_HISTOGRAM: return temporality != WEIR_CONFIG_CUMULATIVE;
    case WEIR_INSTRUMENT_OBSERVABLE_COUNTER: return temporality == WEIR_CONFIG_DELTA;
    case WEIR_INSTRUMENT_UPDOWN: /* a sum that also shrinks says little as a difference */
    case WEIR_INSTRUMENT_OBSERVABLE_UPDOWN:
    case WEIR_INSTRUMENT_GAUGE:
    case WEIR_INSTRUMENT_OBSERVABLE_GAUGE: break;
    }
    return false;
}

/* ── callbacks ───────────────────────────────────────────────────────────────────────────────── */

int weir_instrument_observe(struct weir_instrument *instrument, weir_observe *observe, void *arg) {
    static int last;
    if (!instrument || !observe || instrument->type < WEIR_INSTRUMENT_OBSERVABLE_COUNTER)
        return WEIR_EINVALID;
    struct weir_callback *callback = malloc(sizeof *callback);
    if (!callback) return WEIR_ENOMEMORY;
    pthread_mutex_lock(&collecting);
    *callback = (struct weir_callback){
        .next = instrument->callbacks, .id = ++last, .observe = observe, .arg = arg};
    instrument->callbacks = callback;
    int id = callback->id;
    pthread_mutex_unlock(&collecting);
    return id;
}

void weir_instrument_unobserve(struct weir_instrument *instrument, int id) {
    if (!instrument) return;
    pthread_mutex_lock(&collecting);
    struct weir_callback **at = &instrument->callbacks, *found;
    while (*at && (*at)->id != id) at = &(*at)->next;
    if ((found = *at)) *at = found->next;
    pthread_mutex_unlock(&collecting);
    free(found);
}

/* The slot of the point with these attributes, or the free one where it belongs. */
static uint32_t *slot_of(const struct weir_observer *observer, struct weir_view attrs) {
    uint32_t at = (uint32_t)weir_view_hash(attrs) & (OBSERVED_SLOTS - 1);
    while (observer->slots[at] &&
           !weir_view_eq(observer->snapshot->points[observer->slots[at] - 1].attrs, attrs))
        at = (at + 1) & (OBSERVED_SLOTS - 1);
    return &observer->slots[at];
}

/* The number of the point that this collection's callbacks have reported for the same attributes,
 * from 1; 0: there is none. */
static uint32_t reported(const struct weir_observer *observer, struct weir_view attrs) {
    const struct weir_point *points = observer->snapshot->points;
    if (observer->slots) return *slot_of(observer, attrs);
    for (uint32_t i = observer->first; i < observer->snapshot->count; i++)
        if (weir_view_eq(points[i].attrs, attrs)) return i + 1;
    return 0;
}

/* From so many points on they are found by their hash, if memory is there. */
static void index_points(struct weir_observer *observer) {
    const struct weir_snapshot *snapshot = observer->snapshot;
    if (observer->slots)
        *slot_of(observer, snapshot->points[snapshot->count - 1].attrs) = snapshot->count;
    else if (snapshot->count - observer->first == OBSERVED_FEW &&
             (observer->slots = calloc(OBSERVED_SLOTS, sizeof *observer->slots)))
        for (uint32_t i = observer->first; i < snapshot->count; i++)
            *slot_of(observer, snapshot->points[i].attrs) = i + 1;
}

static struct weir_point *report(struct weir_observer *observer, struct weir_view attrs,
                                 double value) {
    struct weir_snapshot *snapshot = observer->snapshot;
    struct weir_point *point =
        WEIR_PUSH(&snapshot->arena, snapshot->points, snapshot->count, snapshot->room);
    if (!point) return NULL;
    *point = (struct weir_point){.instrument = observer->instrument,
                                 .attrs = weir_arena_copy(&snapshot->arena, attrs),
                                 .f64 = value};
    index_points(observer);
    return point;
}

/* Attribute sets past the limit share one point: sums add up there, of gauges the last is told. */
static void report_overflow(struct weir_observer *observer, double value) {
    struct weir_attribute attr = WEIR_BOOL("otel.metric.overflow", true);
    uint8_t bytes[64];
    uint8_t *end = weir_attr_encode(bytes, WEIR_ATTR_TAG_NUMBER, &attr, 0);
    weir_sdk_count(&weir_sdk_counters.series_overflowed, 1);
    if (!observer->overflow)
        observer->overflow = report(observer, weir_view(bytes, (size_t)(end - bytes)), 0)
                                 ? observer->snapshot->count
                                 : 0;
    if (!observer->overflow) return;
    struct weir_point *point = &observer->snapshot->points[observer->overflow - 1];
    point->f64 = is_gauge(observer->instrument) ? value : point->f64 + value;
}

void weir_observer_record(struct weir_observer *observer, double value,
                          const struct weir_attribute *attrs, size_t count) {
    struct weir_buf buf;
    weir_buf_init(&buf, ATTRS_SIZE_MAX);
    if (weir_attr_add_canonical(&buf, WEIR_ATTR_TAG_NUMBER, attrs, attrs ? count : 0)) {
        uint32_t number = reported(observer, weir_buf_view(&buf));
        if (number)
            observer->snapshot->points[number - 1].f64 = value;
        else if (observer->snapshot->count - observer->first < WEIR_SERIES_MAX - 1)
            report(observer, weir_buf_view(&buf), value);
        else
            report_overflow(observer, value);
    }
    weir_buf_done(&buf);
}

/* ── deltas of what callbacks report ─────────────────────────────────────────────────────────── */

/* The value that was taken last for these attributes. `hint`: where it probably is, since callbacks
 * tend to report in the same order. */
static const struct weir_observed *last_observed(const struct weir_instrument *it,
                                                 struct weir_view attrs, uint32_t hint) {
    for (uint32_t n = 0; n < it->observed_count; n++) {
        const struct weir_observed *last = &it->observed[(hint + n) % it->observed_count];
        if (weir_view_eq(weir_view(last->attrs, last->attrs_size), attrs)) return last;
    }
    return NULL;
}

static void free_observed(struct weir_observed *items, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) free(items[i].attrs);
    free(items);
}

/* What the next deltas start from: the points as reported. NULL: out of memory. */
static struct weir_observed *observed_of(const struct weir_point *points, uint32_t count) {
    struct weir_observed *items = calloc(count, sizeof *items);
    for (uint32_t i = 0; items && i < count; i++) {
        struct weir_view attrs = points[i].attrs;
        items[i].value = points[i].f64;
        items[i].attrs_size = attrs.len;
        if (!attrs.len) continue;
        if (!(items[i].attrs = malloc(attrs.len))) {
            free_observed(items, i);
            return NULL;
        }
        memcpy(items[i].attrs, attrs.ptr, attrs.len);
    }
    return items;
}

/* Turns the points of this collection's callbacks into deltas; a value that fell has begun anew.
 * Without memory they are left out now, and their time counts next. */
static void subtract_observed(struct weir_instrument *it, struct weir_snapshot *snapshot,
                              uint32_t first) {
    uint32_t count = snapshot->count - first;
    struct weir_observed *now = count ? observed_of(&snapshot->points[first], count) : NULL;
    if (count && !now) {
        snapshot->count = first;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct weir_point *point = &snapshot->points[first + i];
        const struct weir_observed *last = last_observed(it, point->attrs, i);
        if (last && last->value <= point->f64) point->f64 -= last->value;
        if (taken_ns) point->start_ns = taken_ns;
    }
    free_observed(it->observed, it->observed_count);
    it->observed = now;
    it->observed_count = count;
}

/* ── collection ──────────────────────────────────────────────────────────────────────────────── */

static void collect_observed(struct weir_instrument *it, struct weir_snapshot *snapshot,
                             bool take) {
    struct weir_observer observer = {
        .snapshot = snapshot, .instrument = it, .first = snapshot->count};
    for (struct weir_callback *cb = it->callbacks; cb; cb = cb->next)
        cb->observe(cb->arg, &observer);
    free(observer.slots);
    for (uint32_t i = observer.first; i < snapshot->count && !is_gauge(it); i++)
        snapshot->points[i].start_ns = started_ns;
    if (take && weir_instrument_is_delta(it, snapshot->temporality))
        subtract_observed(it, snapshot, observer.first);
}

static void collect_series(struct weir_series *series, struct weir_snapshot *snapshot, bool take) {
    bool delta = weir_instrument_is_delta(series->instrument, snapshot->temporality);
    if (take)
        weir_series_take(series, delta, taken_ns, snapshot);
    else
        weir_series_read(series, snapshot);
}

static void collect_instrument(struct weir_instrument *it, struct weir_snapshot *snapshot,
                               bool take) {
    if (it->type >= WEIR_INSTRUMENT_OBSERVABLE_COUNTER) {
        collect_observed(it, snapshot, take);
        return;
    }
    pthread_mutex_lock(weir_instrument_lock(it));
    for (uint32_t i = 0; i < it->slots_count; i++)
        if (it->slots[i]) collect_series(it->slots[i], snapshot, take);
    if (it->overflow) collect_series(it->overflow, snapshot, take);
    pthread_mutex_unlock(weir_instrument_lock(it));
}

static bool collect(struct weir_snapshot *ret, enum weir_config_temporality temporality,
                    bool take) {
    memset(ret, 0, sizeof *ret);
    weir_arena_init(&ret->arena, SNAPSHOT_SIZE_MAX);
    ret->temporality = temporality;
    weir_cells_tick();
    pthread_mutex_lock(&collecting);
    ret->time_ns = weir_clock_wall_ns();
    if (!started_ns) started_ns = ret->time_ns;
    for (struct weir_instrumentation *scope = weir_instrumentation_first(); scope;
         scope = scope->next) {
        if (scope->kind != WEIR_INSTRUMENTATION_METER) continue;
        for (struct weir_instrument *it = atomic_load(&scope->instruments); it; it = it->next)
            collect_instrument(it, ret, take);
    }
    if (take && temporality != WEIR_CONFIG_CUMULATIVE) taken_ns = ret->time_ns;
    pthread_mutex_unlock(&collecting);
    return !ret->arena.failed;
}

bool weir_metrics_collect(struct weir_snapshot *ret) {
    return collect(ret, WEIR_CONFIG_CUMULATIVE, false);
}

bool weir_metrics_take(struct weir_snapshot *ret, enum weir_config_temporality temporality) {
    return collect(ret, temporality, true);
}

void weir_snapshot_done(struct weir_snapshot *snapshot) {
    weir_arena_done(&snapshot->arena);
}
