/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/metric.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sdk/attr.h"
#include "sdk/sdk.h"

enum {
    STRIPES = WEIR_METRICS_LOCKS_COUNT - 1,
    SLOTS_MIN = 16,
    INSTRUMENTS_MAX = 4096,
    ATTRS_SIZE_MAX = 64 << 10, /* of one series */
    SNAPSHOT_SIZE_MAX = 256 << 20,
    TEXT_SIZE_MAX = 1024,
};

/* A thread adds to its own shard's cell only, so that cells are rarely shared. */
struct cell {
    _Alignas(64) _Atomic uint64_t bits; /* an integer or a double; histogram: the sum */
    _Atomic uint64_t min, max;          /* histogram: doubles */
    _Atomic uint64_t counts[];          /* histogram: one per bucket */
};

struct weir_series {
    struct weir_instrument *instrument;
    atomic_bool live; /* measured since made or removed */
    _Atomic int64_t start_ns;
    uint64_t hash;
    struct weir_view attrs;
    size_t cell_size;
    char *cells; /* WEIR_METRIC_SHARDS of cell_size */
};

struct weir_callback {
    struct weir_callback *next;
    int id;
    weir_observe *observe;
    void *arg;
};

struct weir_observer {
    struct weir_snapshot *snapshot;
    const struct weir_instrument *instrument;
    uint32_t first; /* the instrument's first point */
};

static pthread_mutex_t collecting = PTHREAD_MUTEX_INITIALIZER; /* one collection at a time */
#define FOUR                                                                                       \
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,               \
        PTHREAD_MUTEX_INITIALIZER
static pthread_mutex_t stripes[STRIPES] = {FOUR, FOUR, FOUR, FOUR};
static unsigned instruments_count; /* guarded by weir_instrumentation_lock */

static pthread_mutex_t *lock_of(const struct weir_instrument *instrument) {
    return &stripes[((uintptr_t)instrument >> 6) % STRIPES];
}

static bool is_histogram(const struct weir_instrument *it) {
    return it->type == WEIR_INSTRUMENT_HISTOGRAM;
}

static bool is_gauge(const struct weir_instrument *it) {
    return it->type == WEIR_INSTRUMENT_GAUGE || it->type == WEIR_INSTRUMENT_OBSERVABLE_GAUGE;
}

static bool is_counter(const struct weir_instrument *it) {
    return it->type == WEIR_INSTRUMENT_COUNTER || it->type == WEIR_INSTRUMENT_UPDOWN;
}

static uint8_t tag_of(const struct weir_instrument *it) {
    return is_histogram(it) ? WEIR_ATTR_TAG_SPAN : WEIR_ATTR_TAG_NUMBER;
}

/* ── cells ───────────────────────────────────────────────────────────────────────────────────── */

static uint64_t to_bits(double f64) {
    uint64_t bits;
    memcpy(&bits, &f64, 8);
    return bits;
}

static double to_f64(uint64_t bits) {
    double f64;
    memcpy(&f64, &bits, 8);
    return f64;
}

static unsigned own_shard(void) {
    static atomic_uint last;
    static _Thread_local unsigned own; /* shard + 1 */
    if (__builtin_expect(!own, 0))
        own = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) % WEIR_METRIC_SHARDS + 1;
    return own - 1;
}

static struct cell *cell_at(const struct weir_series *series, unsigned shard) {
    return (struct cell *)(void *)(series->cells + shard * series->cell_size);
}

static void add_f64(_Atomic uint64_t *to, double amount) {
    uint64_t old = atomic_load_explicit(to, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(to, &old, to_bits(to_f64(old) + amount),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void lower_to(_Atomic uint64_t *to, double value) {
    uint64_t old = atomic_load_explicit(to, memory_order_relaxed);
    while (value < to_f64(old) &&
           !atomic_compare_exchange_weak_explicit(to, &old, to_bits(value), memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

static void raise_to(_Atomic uint64_t *to, double value) {
    uint64_t old = atomic_load_explicit(to, memory_order_relaxed);
    while (value > to_f64(old) &&
           !atomic_compare_exchange_weak_explicit(to, &old, to_bits(value), memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

static uint32_t bucket_of(const struct weir_instrument *it, double value) {
    uint32_t low = 0, high = it->bounds_count; /* the first bound that is not below the value */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (it->bounds[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void clear_cells(struct weir_series *series) {
    for (unsigned shard = 0; shard < WEIR_METRIC_SHARDS; shard++) {
        struct cell *cell = cell_at(series, shard);
        atomic_store_explicit(&cell->bits, 0, memory_order_relaxed);
        if (!is_histogram(series->instrument)) continue;
        atomic_store_explicit(&cell->min, to_bits(INFINITY), memory_order_relaxed);
        atomic_store_explicit(&cell->max, to_bits(-INFINITY), memory_order_relaxed);
        for (uint32_t i = 0; i <= series->instrument->bounds_count; i++)
            atomic_store_explicit(&cell->counts[i], 0, memory_order_relaxed);
    }
}

static void revive(struct weir_series *series) {
    atomic_store_explicit(&series->start_ns, weir_clock_wall_ns(), memory_order_relaxed);
    atomic_store_explicit(&series->live, true, memory_order_release);
}

static inline void touch(struct weir_series *series) {
    if (__builtin_expect(!atomic_load_explicit(&series->live, memory_order_relaxed), 0))
        revive(series);
}

static void drop_measurement(void) {
    weir_sdk_count(&weir_sdk_counters.measurements_dropped, 1);
}

/* ── series ──────────────────────────────────────────────────────────────────────────────────── */

static struct weir_series *make_series(struct weir_instrument *it, struct weir_view attrs,
                                       uint64_t hash) {
    size_t cell_size = sizeof(struct cell);
    if (is_histogram(it)) cell_size += (it->bounds_count + 1) * sizeof(uint64_t);
    cell_size = (cell_size + 63) & ~(size_t)63;
    size_t cells_size = cell_size * WEIR_METRIC_SHARDS;
    size_t size = (cells_size + sizeof(struct weir_series) + attrs.len + 63) & ~(size_t)63;
    char *block = aligned_alloc(64, size);
    if (!block) return NULL;
    memset(block, 0, size);
    struct weir_series *series = (void *)(block + cells_size);
    series->instrument = it;
    series->hash = hash;
    series->cells = block;
    series->cell_size = cell_size;
    char *copy = (char *)(series + 1);
    if (attrs.len) memcpy(copy, attrs.ptr, attrs.len);
    series->attrs = weir_view(copy, attrs.len);
    clear_cells(series);
    return series;
}

static bool grow_slots(struct weir_instrument *it) {
    uint32_t count = it->slots_count ? 2 * it->slots_count : SLOTS_MIN;
    struct weir_series **slots = calloc(count, sizeof *slots);
    if (!slots) return false;
    for (uint32_t i = 0; i < it->slots_count; i++) {
        struct weir_series *series = it->slots[i];
        if (!series) continue;
        uint32_t at = (uint32_t)series->hash & (count - 1);
        while (slots[at]) at = (at + 1) & (count - 1);
        slots[at] = series;
    }
    free(it->slots);
    it->slots = slots;
    it->slots_count = count;
    return true;
}

/* The slot that holds the series, or the free one where it belongs. Lock held, slots_count > 0. */
static struct weir_series **slot_of(const struct weir_instrument *it, struct weir_view attrs,
                                    uint64_t hash) {
    uint32_t at = (uint32_t)hash & (it->slots_count - 1);
    while (it->slots[at] &&
           !(it->slots[at]->hash == hash && weir_view_eq(it->slots[at]->attrs, attrs)))
        at = (at + 1) & (it->slots_count - 1);
    return &it->slots[at];
}

static struct weir_series *overflow_series(struct weir_instrument *it) {
    weir_sdk_count(&weir_sdk_counters.series_overflowed, 1);
    if (it->overflow) return it->overflow;
    struct weir_attribute attr = WEIR_BOOL("otel.metric.overflow", true);
    uint8_t bytes[64];
    uint8_t *end = weir_attr_encode(bytes, tag_of(it), &attr, 0);
    return it->overflow = make_series(it, weir_view(bytes, (size_t)(end - bytes)), 0);
}

static struct weir_series *find_or_make(struct weir_instrument *it, struct weir_view attrs,
                                        bool make) {
    uint64_t hash = weir_view_hash(attrs);
    if (2 * it->series_count >= it->slots_count && !grow_slots(it) &&
        it->series_count + 1 >= it->slots_count)
        return NULL;
    struct weir_series **slot = slot_of(it, attrs, hash);
    if (*slot || !make) return *slot;
    if (it->series_count >= WEIR_SERIES_MAX - 1) return overflow_series(it);
    if ((*slot = make_series(it, attrs, hash))) it->series_count++;
    return *slot;
}

static struct weir_series *lookup(struct weir_instrument *it, const struct weir_attribute *attrs,
                                  size_t count, bool make) {
    if (!it || it->type >= WEIR_INSTRUMENT_OBSERVABLE_COUNTER) return NULL;
    if (!attrs) count = 0;
    if (!count) {
        struct weir_series *plain = atomic_load_explicit(&it->plain, memory_order_acquire);
        if (plain) return plain;
    }
    char room[1024];
    struct weir_buf buf = {.ptr = room, .room = sizeof room, .size_max = sizeof room};
    struct weir_buf heap;
    weir_buf_init(&heap, ATTRS_SIZE_MAX);
    bool fits = weir_attr_add_canonical(&buf, tag_of(it), attrs, count) ||
                weir_attr_add_canonical(&heap, tag_of(it), attrs, count);
    struct weir_series *series = NULL;
    if (fits) {
        pthread_mutex_lock(lock_of(it));
        series = find_or_make(it, weir_buf_view(buf.failed ? &heap : &buf), make);
        pthread_mutex_unlock(lock_of(it));
    }
    weir_buf_done(&heap);
    if (series && !series->attrs.len)
        atomic_store_explicit(&it->plain, series, memory_order_release);
    return series;
}

struct weir_series *weir_series_get(struct weir_instrument *instrument,
                                    const struct weir_attribute *attrs, size_t count) {
    return lookup(instrument, attrs, count, true);
}

void weir_series_add(struct weir_series *series, int64_t amount) {
    if (!series) return;
    const struct weir_instrument *it = series->instrument;
    if (__builtin_expect(it->is_double || !is_counter(it), 0)) {
        weir_series_add_double(series, (double)amount);
        return;
    }
    if (__builtin_expect(amount < 0 && it->type == WEIR_INSTRUMENT_COUNTER, 0)) {
        drop_measurement();
        return;
    }
    touch(series);
    atomic_fetch_add_explicit(&cell_at(series, own_shard())->bits, (uint64_t)amount,
                              memory_order_relaxed);
}

void weir_series_add_double(struct weir_series *series, double amount) {
    if (!series) return;
    const struct weir_instrument *it = series->instrument;
    if (!is_counter(it) || isnan(amount) || (amount < 0 && it->type == WEIR_INSTRUMENT_COUNTER)) {
        drop_measurement();
        return;
    }
    if (!it->is_double) {
        weir_series_add(series, (int64_t)amount);
        return;
    }
    touch(series);
    add_f64(&cell_at(series, own_shard())->bits, amount);
}

void weir_series_record(struct weir_series *series, double value) {
    if (!series) return;
    const struct weir_instrument *it = series->instrument;
    if (is_gauge(it)) {
        touch(series);
        atomic_store_explicit(&cell_at(series, 0)->bits, to_bits(value), memory_order_relaxed);
        return;
    }
    if (!is_histogram(it) || isnan(value)) {
        drop_measurement();
        return;
    }
    touch(series);
    struct cell *cell = cell_at(series, own_shard());
    atomic_fetch_add_explicit(&cell->counts[bucket_of(it, value)], 1, memory_order_relaxed);
    add_f64(&cell->bits, value);
    lower_to(&cell->min, value);
    raise_to(&cell->max, value);
}

void weir_series_remove(struct weir_series *series) {
    if (!series) return;
    atomic_store_explicit(&series->live, false, memory_order_relaxed);
    clear_cells(series);
}

/* ── instruments ─────────────────────────────────────────────────────────────────────────────── */

void weir_instrument_add(struct weir_instrument *instrument, int64_t amount,
                         const struct weir_attribute *attrs, size_t count) {
    weir_series_add(lookup(instrument, attrs, count, true), amount);
}

void weir_instrument_add_double(struct weir_instrument *instrument, double amount,
                                const struct weir_attribute *attrs, size_t count) {
    weir_series_add_double(lookup(instrument, attrs, count, true), amount);
}

void weir_instrument_record(struct weir_instrument *instrument, double value,
                            const struct weir_attribute *attrs, size_t count) {
    weir_series_record(lookup(instrument, attrs, count, true), value);
}

void weir_instrument_remove(struct weir_instrument *instrument, const struct weir_attribute *attrs,
                            size_t count) {
    weir_series_remove(lookup(instrument, attrs, count, false));
}

/* A letter, then letters, digits, _ . - / up to 255 characters. */
static bool is_name(struct weir_view name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], lower = (char)(c | 0x20);
        bool letter = lower >= 'a' && lower <= 'z';
        if (!letter && (i == 0 || !c || !((c >= '0' && c <= '9') || strchr("_.-/", c))))
            return false;
    }
    return name.len > 0 && name.len <= 255;
}

static const double default_bounds[] = {0,   5,   10,   25,   50,   75,   100,  250,
                                        500, 750, 1000, 2500, 5000, 7500, 10000};

static char *put(char **at, struct weir_view v, struct weir_view *ret) {
    char *start = *at;
    uint8_t *end = weir_attr_text((uint8_t *)start, 0, v.ptr, v.len); /* mends to UTF-8 */
    *ret = weir_view((char *)end - v.len, v.len);
    *at = (char *)end;
    return start;
}

static struct weir_instrument *make_instrument(struct weir_meter *meter,
                                               enum weir_instrument_type type,
                                               struct weir_view name, struct weir_view unit,
                                               struct weir_view description,
                                               const struct weir_instrument_options *options) {
    const double *bounds = default_bounds;
    size_t bounds_count = sizeof default_bounds / sizeof *default_bounds;
    if (options && options->bounds) bounds = options->bounds, bounds_count = options->bounds_count;
    if (bounds_count > WEIR_METRIC_BOUNDS_MAX) bounds_count = WEIR_METRIC_BOUNDS_MAX;
    for (size_t i = 1; i < bounds_count; i++)
        if (!(bounds[i - 1] < bounds[i])) return NULL;
    unit = weir_view_upto(unit, 63);
    description = weir_view_upto(description, TEXT_SIZE_MAX);
    struct weir_instrument *it;
    size_t text = name.len + unit.len + description.len + 3 * 11;
    if (!(it = calloc(1, sizeof *it + bounds_count * sizeof *bounds + text))) return NULL;
    it->meter = meter;
    it->type = type;
    it->is_double = options && options->is_double;
    double *own = (double *)(void *)(it + 1);
    memcpy(own, bounds, bounds_count * sizeof *bounds);
    it->bounds = own;
    it->bounds_count = (uint32_t)bounds_count;
    char *at = (char *)(own + bounds_count);
    put(&at, name, &it->name);
    put(&at, unit, &it->unit);
    put(&at, description, &it->description);
    return it;
}

struct weir_instrument *weir_instrument_get(struct weir_meter *meter,
                                            enum weir_instrument_type type, const char *name,
                                            const char *unit, const char *description,
                                            const struct weir_instrument_options *options) {
    struct weir_instrument_options known = {.struct_size = 0};
    struct weir_view n = weir_view_str(name);
    if (!meter || !is_name(n) || (unsigned)type > WEIR_INSTRUMENT_OBSERVABLE_GAUGE) return NULL;
    if (options)
        memcpy(&known, options,
               options->struct_size < sizeof known ? options->struct_size : sizeof known);
    weir_sdk_continue_after_fork();
    pthread_mutex_lock(weir_instrumentation_lock());
    struct weir_instrument *_Atomic *at = &meter->info.instruments, *it;
    while ((it = *at) && !weir_view_eq_nocase(it->name, n)) at = &it->next;
    if (it && it->type != type) {
        it = NULL;
    } else if (!it && instruments_count < INSTRUMENTS_MAX &&
               (it = make_instrument(meter, type, n, weir_view_str(unit),
                                     weir_view_str(description), &known))) {
        *at = it;
        instruments_count++;
    }
    pthread_mutex_unlock(weir_instrumentation_lock());
    return it;
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

/* The point that this collection's callbacks have reported for the same attributes, or NULL. */
static struct weir_point *reported(const struct weir_observer *observer, struct weir_view attrs) {
    for (uint32_t i = observer->first; i < observer->snapshot->count; i++)
        if (weir_view_eq(observer->snapshot->points[i].attrs, attrs))
            return &observer->snapshot->points[i];
    return NULL;
}

void weir_observer_record(struct weir_observer *observer, double value,
                          const struct weir_attribute *attrs, size_t count) {
    struct weir_snapshot *snapshot = observer->snapshot;
    struct weir_buf buf;
    weir_buf_init(&buf, ATTRS_SIZE_MAX);
    if (weir_attr_add_canonical(&buf, WEIR_ATTR_TAG_NUMBER, attrs, attrs ? count : 0)) {
        struct weir_point *point = reported(observer, weir_buf_view(&buf));
        if (!point && (point = WEIR_PUSH(&snapshot->arena, snapshot->points, snapshot->count,
                                         snapshot->room)))
            *point = (struct weir_point){
                .instrument = observer->instrument,
                .attrs = weir_arena_copy(&snapshot->arena, weir_buf_view(&buf))};
        if (point) point->f64 = value;
    }
    weir_buf_done(&buf);
}

/* ── collection ──────────────────────────────────────────────────────────────────────────────── */

static void read_histogram(const struct weir_series *series, struct weir_snapshot *snapshot,
                           struct weir_point *point) {
    uint32_t buckets = series->instrument->bounds_count + 1;
    uint64_t *counts = WEIR_NEW_ARRAY(&snapshot->arena, uint64_t, buckets);
    point->min = INFINITY;
    point->max = -INFINITY;
    for (unsigned shard = 0; counts && shard < WEIR_METRIC_SHARDS; shard++) {
        const struct cell *cell = cell_at(series, shard);
        for (uint32_t i = 0; i < buckets; i++) {
            uint64_t n = atomic_load_explicit(&cell->counts[i], memory_order_relaxed);
            counts[i] += n;
            point->count += n;
        }
        point->sum += to_f64(atomic_load_explicit(&cell->bits, memory_order_relaxed));
        point->min =
            fmin(point->min, to_f64(atomic_load_explicit(&cell->min, memory_order_relaxed)));
        point->max =
            fmax(point->max, to_f64(atomic_load_explicit(&cell->max, memory_order_relaxed)));
    }
    point->counts = counts;
}

static void read_series(const struct weir_series *series, struct weir_snapshot *snapshot) {
    const struct weir_instrument *it = series->instrument;
    if (!atomic_load_explicit(&series->live, memory_order_acquire)) return;
    struct weir_point *point =
        WEIR_PUSH(&snapshot->arena, snapshot->points, snapshot->count, snapshot->room);
    if (!point) return;
    *point = (struct weir_point){
        .instrument = it, .attrs = series->attrs, .is_int = is_counter(it) && !it->is_double};
    if (!is_gauge(it))
        point->start_ns = atomic_load_explicit(&series->start_ns, memory_order_relaxed);
    if (is_histogram(it)) {
        read_histogram(series, snapshot, point);
        return;
    }
    for (unsigned shard = 0; shard < WEIR_METRIC_SHARDS; shard++) {
        uint64_t bits = atomic_load_explicit(&cell_at(series, shard)->bits, memory_order_relaxed);
        if (point->is_int)
            point->i64 += (int64_t)bits;
        else
            point->f64 += to_f64(bits);
    }
}

static void collect_instrument(struct weir_instrument *it, struct weir_snapshot *snapshot) {
    static _Atomic int64_t started_ns;
    struct weir_observer observer = {snapshot, it, snapshot->count};
    int64_t none = 0;
    atomic_compare_exchange_strong(&started_ns, &none, snapshot->time_ns);
    for (struct weir_callback *cb = it->callbacks; cb; cb = cb->next)
        cb->observe(cb->arg, &observer);
    for (uint32_t i = observer.first; i < snapshot->count && !is_gauge(it); i++)
        snapshot->points[i].start_ns = started_ns;
    pthread_mutex_lock(lock_of(it));
    for (uint32_t i = 0; i < it->slots_count; i++)
        if (it->slots[i]) read_series(it->slots[i], snapshot);
    if (it->overflow) read_series(it->overflow, snapshot);
    pthread_mutex_unlock(lock_of(it));
}

bool weir_metrics_collect(struct weir_snapshot *ret) {
    memset(ret, 0, sizeof *ret);
    weir_arena_init(&ret->arena, SNAPSHOT_SIZE_MAX);
    ret->time_ns = weir_clock_wall_ns();
    pthread_mutex_lock(&collecting);
    for (struct weir_instrumentation *scope = weir_instrumentation_first(); scope;
         scope = scope->next) {
        if (scope->kind != WEIR_INSTRUMENTATION_METER) continue;
        for (struct weir_instrument *it = atomic_load(&scope->instruments); it; it = it->next)
            collect_instrument(it, ret);
    }
    pthread_mutex_unlock(&collecting);
    return !ret->arena.failed;
}

void weir_snapshot_done(struct weir_snapshot *snapshot) {
    weir_arena_done(&snapshot->arena);
}

/* ── fork ────────────────────────────────────────────────────────────────────────────────────── */

pthread_mutex_t *weir_metrics_lock(int index) {
    return index == 0 ? &collecting : &stripes[index - 1];
}

void weir_metrics_forked(void) {
    for (struct weir_instrumentation *scope = weir_instrumentation_first(); scope;
         scope = scope->next)
        for (struct weir_instrument *it = atomic_load(&scope->instruments); it; it = it->next) {
            for (uint32_t i = 0; i < it->slots_count; i++)
                if (it->slots[i]) weir_series_remove(it->slots[i]);
            if (it->overflow) weir_series_remove(it->overflow);
        }
}
