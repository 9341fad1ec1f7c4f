/* SPDX-License-Identifier: Apache-2.0 */
/* Context across processes: W3C traceparent, tracestate and baggage, or B3, in any carrier.
 *
 * The process-wide propagators (OTEL_PROPAGATORS) decide which headers are used. Malformed headers
 * are ignored and counted (weir_stats.headers_malformed). tracestate and baggage are written only
 * when they are not empty. With several propagators for traces all are written, and the W3C's wins
 * in reading.
 *
 * Threads: any. Source: W3C Trace Context level 2, W3C Baggage, openzipkin/b3-propagation.
 */
#ifndef WEIR_PROPAGATION_H
#define WEIR_PROPAGATION_H

#include "weir/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Looks up a header (names are lower case) and sets *ret_size; gives a pointer that stays valid
 * during the extract call, or NULL. If a header occurs several times, the last one counts. */
typedef const char *weir_carrier_get(void *carrier, const char *name, size_t *ret_size);
/* Sets a header, replacing one of that name. `value` is borrowed, not NUL-terminated. Gives 0, or
 * anything else if the carrier refused. */
typedef int weir_carrier_set(void *carrier, const char *name, const char *value, size_t size);

/* Writes ctx (NULL: the current context) into a carrier. Gives the number of headers set; 0 when
 * there is nothing to tell or before weir_init. */
WEIR_API int weir_inject(const struct weir_context *ctx, weir_carrier_set *set, void *carrier);
/* Reads a carrier: ctx (NULL: the empty context) with what was found there. Gives a reference, NULL
 * when nothing was found (or memory is out) and ctx was NULL. */
WEIR_API struct weir_context *weir_extract(const struct weir_context *ctx, weir_carrier_get *get,
                                           void *carrier);

enum { WEIR_TRACEPARENT_SIZE = 55 };
/* Writes "00-<trace id>-<span id>-<flags>" (55 bytes, no NUL). No allocation, a few ns. */
WEIR_API void weir_traceparent_format(const struct weir_span_context *sc,
                                      char ret[WEIR_TRACEPARENT_SIZE]);
/* Strict: false for anything malformed (not counted here); a version above 00 is read by its first
 * 55 bytes. Sets is_remote and clears the tracestate. No allocation. */
WEIR_API bool weir_traceparent_parse(const char *value, size_t size, struct weir_span_context *ret);

/* ── baggage ─────────────────────────────────────────────────────────────────────────────────── */
/* The value of a baggage entry, decoded, borrowed from ctx (NULL: current); NULL if absent. */
WEIR_API const char *weir_baggage_get(const struct weir_context *ctx, const char *name,
                                      size_t *ret_size);
/* ctx (NULL: the empty context) with the entry set, or removed when `value` is NULL. Gives a
 * reference; NULL: memory is out, the name is no token, or over the limits of 64 entries, 8192
 * bytes. */
WEIR_API struct weir_context *weir_baggage_set(const struct weir_context *ctx, const char *name,
                                               const char *value);
/* Calls visit for each entry, in order; strings are NUL-terminated and borrowed. */
WEIR_API void weir_baggage_each(const struct weir_context *ctx,
                                void (*visit)(void *arg, const char *name, const char *value),
                                void *arg);

#ifdef __cplusplus
}
#endif
#endif
