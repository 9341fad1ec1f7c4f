/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: instruments aggregate measurements per attribute set, cumulatively.
 *
 *     struct weir_meter *meter = weir_meter_get("shop", "1.0");
 *     struct weir_instrument *orders =
 *         weir_counter_get(meter, "shop.orders", "{order}", "Orders taken.");
 *     weir_instrument_add(orders, 1, attrs, 2);
 *
 *     struct weir_series *series = weir_series_get(orders, attrs, 2);  // bound: look up once …
 *     weir_series_add(series, 1);                                      // … then a few ns each
 *
 * Each instrument keeps at most 2000 attribute sets; later ones share one with
 * otel.metric.overflow=true. Values go out through OTLP every interval and are served on /metrics.
 * Measurements that are made while a sampled span is current are kept as exemplars, some of them.
 *
 * Threads: any. The bound forms neither lock nor allocate: a thread adds to cells of its own.
 * Memory: instruments and series live until the process ends; getting one again gives the same.
 */
#ifndef WEIR_METRIC_H
#define WEIR_METRIC_H

#include "weir/attribute.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_meter;
struct weir_instrument;
struct weir_series;
struct weir_observer;

enum weir_instrument_type {
    WEIR_INSTRUMENT_COUNTER,            /* only grows: add */
    WEIR_INSTRUMENT_UPDOWN,             /* grows and shrinks: add */
    WEIR_INSTRUMENT_GAUGE,              /* a value now: record */
    WEIR_INSTRUMENT_HISTOGRAM,          /* a distribution: record */
    WEIR_INSTRUMENT_OBSERVABLE_COUNTER, /* these three: weir_instrument_observe */
    WEIR_INSTRUMENT_OBSERVABLE_UPDOWN,
    WEIR_INSTRUMENT_OBSERVABLE_GAUGE
};

/* The meter of an instrumentation scope; as weir_tracer_get. */
WEIR_API struct weir_meter *weir_meter_get(const char *name, const char *version);

/* Zero it, set struct_size. */
struct weir_instrument_options {
    size_t struct_size;
    const double *bounds; /* histogram: ascending upper bounds (copied), at most 64; NULL: 0, 5, 10,
                             25, … 10000 as OpenTelemetry has it */
    size_t bounds_count;
    bool is_double; /* add: sums are exported as doubles. Record is always a double */
};

/* Gives the instrument of that name in the meter, made when it is new. All text is copied; `unit`
 * is UCUM ("s", "By", "{message}"), may be NULL; `options` may be NULL. NULL (which every function
 * takes): an invalid name, another type under that name, or memory is out. */
WEIR_API struct weir_instrument *weir_instrument_get(struct weir_meter *meter,
                                                     enum weir_instrument_type type,
                                                     const char *name, const char *unit,
                                                     const char *description,
                                                     const struct weir_instrument_options *options);

/* Adds to a counter (negative amounts are dropped and counted) or up-down counter. */
WEIR_API void weir_instrument_add(struct weir_instrument *instrument, int64_t amount,
                                  const struct weir_attribute *attrs, size_t count);
WEIR_API void weir_instrument_add_double(struct weir_instrument *instrument, double amount,
                                         const struct weir_attribute *attrs, size_t count);
/* Sets a gauge or records into a histogram (NaN and, in histograms, negative values as they are).
 */
WEIR_API void weir_instrument_record(struct weir_instrument *instrument, double value,
                                     const struct weir_attribute *attrs, size_t count);
/* Forgets one attribute set (a partition that was revoked, say): it is exported no more. */
WEIR_API void weir_instrument_remove(struct weir_instrument *instrument,
                                     const struct weir_attribute *attrs, size_t count);

/* The bound forms; a series stays usable after weir_instrument_remove, and measuring revives it. */
WEIR_API struct weir_series *weir_series_get(struct weir_instrument *instrument,
                                             const struct weir_attribute *attrs, size_t count);
WEIR_API void weir_series_add(struct weir_series *series, int64_t amount);
WEIR_API void weir_series_add_double(struct weir_series *series, double amount);
WEIR_API void weir_series_record(struct weir_series *series, double value);
WEIR_API void weir_series_remove(struct weir_series *series);

/* Called on the exporter's or scrape's thread at each collection, never twice at once; quick.
 * Attribute sets that it does not report are left out of that collection. */
typedef void weir_observe(void *arg, struct weir_observer *observer);
/* Adds a callback to an observable instrument. Gives an id > 0, or a weir code. */
WEIR_API int weir_instrument_observe(struct weir_instrument *instrument, weir_observe *observe,
                                     void *arg);
/* After it returns the callback does not run and will not run again; not from within a callback. */
WEIR_API void weir_instrument_unobserve(struct weir_instrument *instrument, int id);
/* Reports one value, from within the callback. */
WEIR_API void weir_observer_record(struct weir_observer *observer, double value,
                                   const struct weir_attribute *attrs, size_t count);

/* Short forms. */
static inline struct weir_instrument *weir_counter_get(struct weir_meter *meter, const char *name,
                                                       const char *unit, const char *description) {
    return weir_instrument_get(meter, WEIR_INSTRUMENT_COUNTER, name, unit, description, NULL);
}
static inline struct weir_instrument *weir_updown_get(struct weir_meter *meter, const char *name,
                                                      const char *unit, const char *description) {
    return weir_instrument_get(meter, WEIR_INSTRUMENT_UPDOWN, name, unit, description, NULL);
}
static inline struct weir_instrument *weir_gauge_get(struct weir_meter *meter, const char *name,
                                                     const char *unit, const char *description) {
    return weir_instrument_get(meter, WEIR_INSTRUMENT_GAUGE, name, unit, description, NULL);
}
static inline struct weir_instrument *weir_histogram_get(struct weir_meter *meter, const char *name,
                                                         const char *unit, const char *description,
                                                         const double *bounds,
                                                         size_t bounds_count) {
    struct weir_instrument_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.bounds = bounds;
    options.bounds_count = bounds_count;
    return weir_instrument_get(meter, WEIR_INSTRUMENT_HISTOGRAM, name, unit, description, &options);
}

/* Prometheus text (format 0.0.4) of every instrument, as /metrics serves it. Gives malloc'ed bytes
 * (free() them), NUL-terminated; NULL when memory is out or nothing runs. */
WEIR_API char *weir_metrics_text(size_t *ret_size);

#ifdef __cplusplus
}
#endif
#endif
