/* SPDX-License-Identifier: Apache-2.0 */
/* Logs: records with a severity, text, attributes, and the trace and span they belong to.
 *
 *     struct weir_logger *logger = weir_logger_get("shop", NULL);
 *     weir_logger_printf(logger, WEIR_SEVERITY_INFO, "order %s taken", id);
 *
 * Records go to OTLP, to a file of JSON lines (10 MB, five old files kept), to the console: see
 * weir_options. They carry the active span of the calling thread by themselves.
 *
 * Threads: any.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include "weir/attribute.h"
#include "weir/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_logger;

enum weir_severity { /* OpenTelemetry's severity numbers; 1 … 24 are allowed */
                     WEIR_SEVERITY_TRACE = 1,
                     WEIR_SEVERITY_DEBUG = 5,
                     WEIR_SEVERITY_INFO = 9,
                     WEIR_SEVERITY_WARN = 13,
                     WEIR_SEVERITY_ERROR = 17,
                     WEIR_SEVERITY_FATAL = 21
};

/* The logger of that name; as weir_tracer_get. */
WEIR_API struct weir_logger *weir_logger_get(const char *name, const char *version);
/* False when a record of this severity would go nowhere. */
WEIR_API bool weir_logger_enabled(const struct weir_logger *logger, enum weir_severity severity);
/* Drops this logger's records below the severity (default: none are dropped). */
WEIR_API void weir_logger_set_severity_min(struct weir_logger *logger, enum weir_severity severity);

/* Zero it, set struct_size and what matters; all borrowed during the call. */
struct weir_log_record {
    size_t struct_size;
    enum weir_severity severity;
    int64_t time_ns;        /* wall clock; 0: now */
    const char *body;       /* text, or NULL */
    size_t body_size;       /* bytes; 0: body ends in NUL */
    const char *event_name; /* or NULL */
    const struct weir_attribute *attributes;
    size_t attributes_count;
    const struct weir_context *context;           /* whose active span; NULL: the current one */
    const struct weir_span_context *span_context; /* wins over context */
};

WEIR_API void weir_logger_emit(struct weir_logger *logger, const struct weir_log_record *record);
/* Text and attributes. */
WEIR_API void weir_logger_log(struct weir_logger *logger, enum weir_severity severity,
                              const char *body, const struct weir_attribute *attrs, size_t count);
/* Formatted text, cut at 1023 bytes. */
WEIR_API void weir_logger_printf(struct weir_logger *logger, enum weir_severity severity,
                                 const char *format, ...) WEIR_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
