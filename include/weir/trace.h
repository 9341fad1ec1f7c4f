/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: tracers make spans; a span is one timed operation with attributes, events and links.
 *
 *     struct weir_span_options options = {.struct_size = sizeof options,
 *                                         .kind = WEIR_KIND_PRODUCER};
 *     struct weir_span *span = weir_span_start(tracer, "send orders", &options);
 *     weir_span_set(span, WEIR_INT("messaging.kafka.offset", offset));
 *     weir_span_end(span);
 *
 * Recording costs no heap allocation while a span's name, attributes, events and links fit in about
 * 700 bytes. weir_span_start gives a span that does not record (its identity still propagates) when
 * it is not sampled; NULL, which every function takes, before weir_init or when memory is out. A
 * span is released by weir_span_end and must not be used afterwards.
 *
 * Threads: one span belongs to one thread at a time and may be handed on, to be ended elsewhere.
 */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include "weir/attribute.h"
#include "weir/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_tracer;

enum weir_kind { /* 0 is taken as internal */
                 WEIR_KIND_INTERNAL = 1,
                 WEIR_KIND_SERVER,
                 WEIR_KIND_CLIENT,
                 WEIR_KIND_PRODUCER,
                 WEIR_KIND_CONSUMER
};

enum weir_status { WEIR_STATUS_UNSET, WEIR_STATUS_OK, WEIR_STATUS_ERROR };

/* The tracer of an instrumentation scope; the same for the same name and version. Copies both
 * (`version` may be NULL). May be called before weir_init. NULL only when memory is out. */
WEIR_API struct weir_tracer *weir_tracer_get(const char *name, const char *version);
/* False when spans of this tracer would go nowhere (not running, exporter "none"). */
WEIR_API bool weir_tracer_enabled(const struct weir_tracer *tracer);

struct weir_link {
    struct weir_span_context span_context; /* an invalid one is ignored */
    const struct weir_attribute *attributes;
    size_t attributes_count;
};

/* Zero it, set struct_size and what matters. Everything is borrowed during the call. */
struct weir_span_options {
    size_t struct_size;  /* sizeof(struct weir_span_options) */
    enum weir_kind kind; /* default internal */
    bool root;           /* no parent, whatever is current */
    bool sample_follows; /* take the sampling decision of `sample_parent`, not of the parent (a span
                            that belongs to one trace but tells about another's message) */
    const struct weir_span_context
        *sample_parent;                          /* with sample_follows; invalid: sampler decides */
    const struct weir_span_context *parent_span; /* parent by identity; wins over `parent` */
    const struct weir_context *parent;           /* parent by context; NULL: the current one */
    int64_t start_ns;                            /* wall clock; 0: now */
    const struct weir_link *links;
    size_t links_count;
    const struct weir_attribute_set *bound; /* a set made by weir_attributes_bind */
    const struct weir_attribute *attributes;
    size_t attributes_count;
};

/* Starts a span; `name` is copied, `options` may be NULL. Gives a span to end with weir_span_end.
 */
WEIR_API struct weir_span *weir_span_start(struct weir_tracer *tracer, const char *name,
                                           const struct weir_span_options *options);
/* Ends and releases the span. Takes NULL. */
WEIR_API void weir_span_end(struct weir_span *span);
/* The same at a given wall time (ns); 0: now. A time before the start is taken as the start. */
WEIR_API void weir_span_end_at(struct weir_span *span, int64_t end_ns);
/* Releases the span without exporting it (an operation that turned out not to have happened). */
WEIR_API void weir_span_cancel(struct weir_span *span);

/* False for NULL and for spans that are not sampled: then no data needs to be computed for it. */
WEIR_API bool weir_span_is_recording(const struct weir_span *span);
/* Its identity; zeroed (invalid) for NULL. Its tracestate is borrowed until the span ends. */
WEIR_API struct weir_span_context weir_span_context_get(const struct weir_span *span);
/* When it started, wall time in ns; 0 for NULL. Also known for spans that do not record, unless
 * they started without a clock reading. */
WEIR_API int64_t weir_span_start_ns(const struct weir_span *span);

/* Sets attributes; a later one of the same key replaces it. Past the limit they are dropped and
 * counted on the span (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT 128). */
WEIR_API void weir_span_set_all(struct weir_span *span, const struct weir_attribute *attrs,
                                size_t count);
static inline void weir_span_set(struct weir_span *span, struct weir_attribute attr) {
    weir_span_set_all(span, &attr, 1);
}
WEIR_API void weir_span_set_bound(struct weir_span *span, const struct weir_attribute_set *set);
WEIR_API void weir_span_update_name(struct weir_span *span, const char *name);
/* OK is final; ERROR replaces UNSET; the description (copied, may be NULL) counts for ERROR only.
 */
WEIR_API void weir_span_set_status(struct weir_span *span, enum weir_status status,
                                   const char *description);
/* Adds an event at `time_ns` (0: now); at most 128 (OTEL_SPAN_EVENT_COUNT_LIMIT), the rest counted.
 */
WEIR_API void weir_span_add_event(struct weir_span *span, const char *name, int64_t time_ns,
                                  const struct weir_attribute *attrs, size_t count);
/* An "exception" event with exception.type, .message and .stacktrace (each may be NULL) and more
 * attributes. Does not change the status. */
WEIR_API void weir_span_record_exception(struct weir_span *span, const char *type,
                                         const char *message, const char *stacktrace,
                                         const struct weir_attribute *attrs, size_t count);
/* Adds a link; at most 128 (OTEL_SPAN_LINK_COUNT_LIMIT), the rest counted. */
WEIR_API void weir_span_add_link(struct weir_span *span, const struct weir_link *link);

#ifdef __cplusplus
}
#endif
#endif
