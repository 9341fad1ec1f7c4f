/* SPDX-License-Identifier: Apache-2.0 */
/* The narrow waist: an OTLP batch. Immutable bytes, reference-counted, and an index of where each
 * resource, scope, record, id, time and attribute lies, all in one arena.
 *
 *     bytes   ┌ ResourceSpans ┬ ScopeSpans ┬ Span … Span ┬ … ┐     an Export…ServiceRequest
 *     index   resources[] ◀─ scopes[] ◀─ spans[] | logs[] | metrics[] ◀─ points[]
 *
 * Everything that enters becomes a batch; receivers of other formats write OTLP bytes first. Every
 * view in the index points into `bytes` or into the arena. Records that are invalid by themselves
 * (bad id length, …) are left out of the index and counted in `rejected`; a body that is malformed
 * as a whole gives no batch.
 *
 * Threads: immutable after decode; ref and unref from any thread.
 * Memory: one arena per batch, freed with the last reference.
 * Source: opentelemetry-proto 1.11, {trace,metrics,logs}/v1.
 */
#ifndef WEIR_OTLP_BATCH_H
#define WEIR_OTLP_BATCH_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"

enum weir_signal { WEIR_SIGNAL_TRACE, WEIR_SIGNAL_METRIC, WEIR_SIGNAL_LOG };
enum { WEIR_SIGNALS_COUNT = 3 };

/* "traces", "metrics", "logs". */
const char *weir_signal_name(enum weir_signal signal);

struct weir_otlp_resource {
    struct weir_attrs attrs;
    struct weir_view schema_url;
    struct weir_view raw; /* the encoded Resource message */
    uint64_t hash;        /* of raw and schema_url: equal resources hash alike within a batch */
};

struct weir_otlp_scope {
    uint32_t resource; /* index into resources */
    struct weir_view name, version;
    struct weir_attrs attrs;
    struct weir_view schema_url;
    struct weir_view raw; /* the encoded InstrumentationScope message; empty: there is none */
};

struct weir_otlp_event {
    int64_t time_ns;
    struct weir_view name;
    struct weir_attrs attrs;
    uint32_t dropped_attrs_count;
};

struct weir_otlp_link {
    const uint8_t *trace_id; /* 16 bytes */
    const uint8_t *span_id;  /* 8 bytes */
    struct weir_view trace_state;
    struct weir_attrs attrs;
    uint32_t flags, dropped_attrs_count;
};

enum weir_span_kind { /* as in the proto */
                      WEIR_SPAN_KIND_UNSPECIFIED,
                      WEIR_SPAN_KIND_INTERNAL,
                      WEIR_SPAN_KIND_SERVER,
                      WEIR_SPAN_KIND_CLIENT,
                      WEIR_SPAN_KIND_PRODUCER,
                      WEIR_SPAN_KIND_CONSUMER,
};
enum weir_span_status { WEIR_SPAN_STATUS_UNSET, WEIR_SPAN_STATUS_OK, WEIR_SPAN_STATUS_ERROR };

struct weir_otlp_span {
    uint32_t scope;                /* index into scopes */
    const uint8_t *trace_id;       /* 16 bytes, not all zero */
    const uint8_t *span_id;        /* 8 bytes, not all zero */
    const uint8_t *parent_span_id; /* 8 bytes, or NULL for a root */
    struct weir_view trace_state;
    uint32_t flags; /* W3C flags, bits 8-9: remoteness of the parent */
    struct weir_view name;
    enum weir_span_kind kind;
    int64_t start_ns, end_ns; /* wall time; end ≥ start is not promised */
    struct weir_attrs attrs;
    const struct weir_otlp_event *events;
    const struct weir_otlp_link *links;
    uint32_t events_count, links_count;
    uint32_t dropped_attrs_count, dropped_events_count, dropped_links_count;
    enum weir_span_status status_code;
    struct weir_view status_message;
    struct weir_view raw; /* the encoded Span message */
};

struct weir_otlp_log {
    uint32_t scope;
    int64_t time_ns;         /* 0 when the sender did not know: use observed_ns */
    int64_t observed_ns;     /* 0 when absent */
    int32_t severity_number; /* 0 … 24 */
    struct weir_view severity_text;
    struct weir_value body;
    struct weir_attrs attrs;
    uint32_t dropped_attrs_count, flags;
    const uint8_t *trace_id; /* 16 bytes or NULL */
    const uint8_t *span_id;  /* 8 bytes or NULL */
    struct weir_view event_name;
    struct weir_view raw; /* the encoded LogRecord message */
};

enum weir_metric_type {
    WEIR_METRIC_TYPE_GAUGE,
    WEIR_METRIC_TYPE_SUM,
    WEIR_METRIC_TYPE_HISTOGRAM,
    WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM,
    WEIR_METRIC_TYPE_SUMMARY,
};
enum weir_temporality {
    WEIR_TEMPORALITY_UNSPECIFIED,
    WEIR_TEMPORALITY_DELTA,
    WEIR_TEMPORALITY_CUMULATIVE,
};

struct weir_otlp_metric {
    uint32_t scope;
    struct weir_view name, unit, description;
    enum weir_metric_type type;
    enum weir_temporality temporality;
    bool monotonic;
};

struct weir_otlp_exemplar {
    int64_t time_ns;
    double value;
    const uint8_t *trace_id, *span_id; /* or NULL */
    struct weir_attrs attrs;
};

struct weir_otlp_buckets { /* one side of an exponential histogram */
    int32_t offset;
    const uint64_t *counts;
    uint32_t counts_count;
};

struct weir_otlp_quantile {
    double quantile, value;
};

struct weir_otlp_point {
    uint32_t metric; /* index into metrics */
    struct weir_attrs attrs;
    int64_t start_ns, time_ns;
    uint32_t flags; /* bit 0: no recorded value (stale) */
    bool is_int;    /* GAUGE, SUM: the value was an integer, see `i64` */
    int64_t i64;
    double value;           /* GAUGE, SUM (integers converted) */
    uint64_t count;         /* HISTOGRAM, EXPONENTIAL, SUMMARY */
    double sum, min, max;   /* NaN when absent */
    const double *bounds;   /* HISTOGRAM: upper bounds, ascending */
    const uint64_t *counts; /* HISTOGRAM: bounds_count + 1 counts, or none */
    uint32_t bounds_count, counts_count;
    int32_t scale; /* EXPONENTIAL */
    uint64_t zero_count;
    double zero_threshold;
    struct weir_otlp_buckets positive, negative;
    const struct weir_otlp_quantile *quantiles; /* SUMMARY */
    uint32_t quantiles_count;
    const struct weir_otlp_exemplar *exemplars;
    uint32_t exemplars_count;
    struct weir_view raw; /* the encoded …DataPoint message */
};

struct weir_otlp_batch {
    atomic_uint refs;
    enum weir_signal signal;
    struct weir_arena arena; /* holds this struct's arrays */
    struct weir_view bytes;  /* the encoded Export…ServiceRequest, in the arena or in `owned` */
    char *owned;             /* malloc'ed body that bytes lies in, or NULL */
    const struct weir_otlp_resource *resources;
    const struct weir_otlp_scope *scopes;
    const struct weir_otlp_span *spans;
    const struct weir_otlp_log *logs;
    const struct weir_otlp_metric *metrics;
    const struct weir_otlp_point *points;
    uint32_t resources_count, scopes_count, spans_count, logs_count, metrics_count, points_count;
    uint32_t rejected_count;    /* records left out as invalid */
    char rejected_message[200]; /* why, for the first of them */
};

/* Spans, log records or points in the batch. */
static inline uint32_t weir_otlp_batch_records_count(const struct weir_otlp_batch *batch) {
    return batch->signal == WEIR_SIGNAL_TRACE    ? batch->spans_count
           : batch->signal == WEIR_SIGNAL_METRIC ? batch->points_count
                                                 : batch->logs_count;
}

/* Decodes an Export{Trace,Metrics,Logs}ServiceRequest.
 * `body`: malloc'ed bytes; **taken** in every case, success or not. `arena_size_max`: bytes that
 * the index may use (0 = 16 × len + 1 MiB). Gives a batch with one reference. Errors: WEIR_EINVALID
 * with the byte offset in words (malformed protobuf, not UTF-8), WEIR_ETOOBIG (index over its
 * limit), WEIR_ENOMEMORY. */
int weir_otlp_batch_decode(enum weir_signal signal, char *body, size_t len, size_t arena_size_max,
                           struct weir_otlp_batch **ret_batch, struct weir_error *reterr);
/* The same from OTLP/JSON text (borrowed): converts to protobuf bytes first. Errors have line and
 * column. */
int weir_otlp_batch_decode_json(enum weir_signal signal, struct weir_view text,
                                size_t arena_size_max, struct weir_otlp_batch **ret_batch,
                                struct weir_error *reterr);
struct weir_otlp_batch *weir_otlp_batch_ref(struct weir_otlp_batch *batch);
/* Takes NULL. */
void weir_otlp_batch_unref(struct weir_otlp_batch *batch);

#endif
