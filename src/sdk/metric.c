/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/metric.h"

#include <math.h>
#include <stdlib.h>

#include "sdk/attr.h"
#include "sdk/sdk.h"
#include "sdk/series.h"

enum {
    STRIPES = WEIR_METRICS_LOCKS_COUNT - 2,
    SLOTS_MIN = 16,
    INSTRUMENTS_MAX = 4096,
    ATTRS_SIZE_MAX = 64 << 10, /* of one series */
    TEXT_SIZE_MAX = 1024,
};

#define FOUR                                                                                       \
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,               \
        PTHREAD_MUTEX_INITIALIZER
static pthread_mutex_t stripes[STRIPES] = {FOUR, FOUR, FOUR, FOUR};
static unsigned instruments_count; /* guarded by weir_instrumentation_lock */

pthread_mutex_t *weir_instrument_lock(const struct weir_instrument *instrument) {
    return &stripes[((uintptr_t)instrument >> 6) % STRIPES];
}

static uint8_t tag_of(const struct weir_instrument *it) {
    if (it->type != WEIR_INSTRUMENT_HISTOGRAM) return WEIR_ATTR_TAG_NUMBER;
    return it->exponential ? WEIR_ATTR_TAG_RESOURCE : WEIR_ATTR_TAG_SPAN;
}

/* ── series ──────────────────────────────────────────────────────────────────────────────────── */

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
    return it->overflow = weir_series_make(it, weir_view(bytes, (size_t)(end - bytes)), 0);
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
    if ((*slot = weir_series_make(it, attrs, hash))) it->series_count++;
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
        pthread_mutex_lock(weir_instrument_lock(it));
        series = find_or_make(it, weir_buf_view(buf.failed ? &heap : &buf), make);
        pthread_mutex_unlock(weir_instrument_lock(it));
    }
    weir_buf_done(&heap);
    if (series && !series->attrs.len)
        atomic_store_explicit(&it->plain, series, memory_order_release);
    return series;
}

struct weir_series *weir_series_get(struct weir_instrument *instrument,
                                    const struct weir_attribute *attrs, size_t count) {
    struct weir_series *series = lookup(instrument, attrs, count, true);
    if (!series) return NULL;
    weir_cells_open(atomic_load_explicit(&series->first, memory_order_relaxed));
    if (series->exponential)
        weir_cells_open(atomic_load_explicit(&series->exponential->first, memory_order_relaxed));
    return series;
}

void weir_series_remove(struct weir_series *series) {
    if (!series) return;
    pthread_mutex_lock(weir_instrument_lock(series->instrument));
    weir_series_forget(series);
    pthread_mutex_unlock(weir_instrument_lock(series->instrument));
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
    size_t room = (bounds_count + 8) & ~(size_t)7; /* one +Inf at least */
    size_t text = name.len + unit.len + description.len + 3 * 11;
    if (!(it = calloc(1, sizeof *it + room * sizeof *bounds + text))) return NULL;
    it->meter = meter;
    it->type = type;
    it->is_double = options && options->is_double;
    const struct weir_config *config = weir_sdk_config();
    it->exponential = type == WEIR_INSTRUMENT_HISTOGRAM && config && config->exponential;
    double *own = (double *)(void *)(it + 1);
    memcpy(own, bounds, bounds_count * sizeof *bounds);
    for (size_t i = bounds_count; i < room; i++) own[i] = INFINITY;
    it->bounds = own;
    it->bounds_count = (uint32_t)bounds_count;
    it->bounds_room = (uint32_t)room;
    char *at = (char *)(own + room);
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

/* ── fork ────────────────────────────────────────────────────────────────────────────────────── */

pthread_mutex_t *weir_metrics_lock(int index) {
    return index == 0         ? weir_metrics_collecting()
           : index <= STRIPES ? &stripes[index - 1]
                              : weir_cells_lock();
}

void weir_metrics_forked(void) {
    weir_cells_forked();
    for (struct weir_instrumentation *scope = weir_instrumentation_first(); scope;
         scope = scope->next)
        for (struct weir_instrument *it = atomic_load(&scope->instruments); it; it = it->next) {
            for (uint32_t i = 0; i < it->slots_count; i++)
                if (it->slots[i]) weir_series_forked(it->slots[i]);
            if (it->overflow) weir_series_forked(it->overflow);
            it->observed = NULL; /* the parent may have been changing them: they stay as they are */
            it->observed_count = 0;
        }
}
