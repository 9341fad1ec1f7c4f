/* SPDX-License-Identifier: Apache-2.0 */
/* Context: immutable values that travel with a piece of work: its active span, its baggage, own
 * keys.
 *
 *     struct weir_scope scope;
 *     weir_scope_attach_span(&scope, span);   // spans and logs of this thread now belong to span
 *     ...
 *     weir_scope_detach(&scope);
 *
 * A context never changes; "with" functions give a new one on top of it. NULL is the empty (root)
 * context wherever a context is asked for... except where a comment says that NULL means current.
 *
 * Threads: contexts may be shared; the current context and scopes belong to one thread.
 * Memory: reference-counted.
 */
#ifndef WEIR_CONTEXT_H
#define WEIR_CONTEXT_H

#include "weir/version.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_context;
struct weir_span;

/* A span's identity: what goes into a traceparent. A value; copy it freely. */
struct weir_span_context {
    uint8_t trace_id[16]; /* all zero: invalid */
    uint8_t span_id[8];   /* all zero: invalid */
    uint8_t flags;        /* W3C trace flags: WEIR_FLAG_SAMPLED, WEIR_FLAG_RANDOM, others kept */
    bool is_remote;       /* came from another process */
    uint16_t trace_state_size;
    const char *trace_state; /* W3C tracestate, borrowed from where the span context came from */
};
enum { WEIR_FLAG_SAMPLED = 1, WEIR_FLAG_RANDOM = 2 };

static inline bool weir_span_context_is_valid(const struct weir_span_context *sc) {
    uint8_t trace = 0, span = 0;
    int i;
    for (i = 0; i < 16; i++) trace |= sc->trace_id[i];
    for (i = 0; i < 8; i++) span |= sc->span_id[i];
    return trace != 0 && span != 0;
}
static inline bool weir_span_context_is_sampled(const struct weir_span_context *sc) {
    return (sc->flags & WEIR_FLAG_SAMPLED) != 0;
}

/* The calling thread's current context, borrowed until the next attach or detach; NULL if none. */
WEIR_API const struct weir_context *weir_context_current(void);
/* A reference that may be kept and used on any thread. Gives NULL for NULL or when memory is out.
 */
WEIR_API struct weir_context *weir_context_ref(const struct weir_context *ctx);
/* Takes NULL. */
WEIR_API void weir_context_unref(struct weir_context *ctx);

/* A key for own values; `name` is for debugging and kept by pointer. Gives a non-zero key. */
WEIR_API uint32_t weir_context_key_new(const char *name);
/* The value under the key in ctx, or NULL. */
WEIR_API void *weir_context_get(const struct weir_context *ctx, uint32_t key);
/* ctx with one value more (kept by pointer). Gives a reference; NULL when memory is out. */
WEIR_API struct weir_context *weir_context_with_value(const struct weir_context *ctx, uint32_t key,
                                                      void *value);
/* ctx with another active span. Only its identity is kept, so the span may end first. */
WEIR_API struct weir_context *weir_context_with_span(const struct weir_context *ctx,
                                                     const struct weir_span *span);
/* The same for an identity without a span (copied, with its tracestate). */
WEIR_API struct weir_context *weir_context_with_span_context(const struct weir_context *ctx,
                                                             const struct weir_span_context *sc);
/* The identity of ctx's active span; false (and *ret zeroed) if it has none. The tracestate is
 * borrowed from ctx. */
WEIR_API bool weir_context_span_context(const struct weir_context *ctx,
                                        struct weir_span_context *ret);

/* Room for an attached context, in the caller's memory; it must not move while attached. */
struct weir_scope {
    void *opaque[12];
};
/* Makes ctx current on this thread until the scope is detached. Keeps ctx by pointer: the caller's
 * reference must outlast the scope. No allocation. */
WEIR_API void weir_scope_attach(struct weir_scope *scope, const struct weir_context *ctx);
/* The same for the current context with another active span. No allocation. The span must not end
 * before the scope is detached, unless it ends on this thread. */
WEIR_API void weir_scope_attach_span(struct weir_scope *scope, struct weir_span *span);
/* Restores what was current before. Scopes nest like brackets; one detached out of order takes
 * those above it along; detaching twice or on another thread does nothing. */
WEIR_API void weir_scope_detach(struct weir_scope *scope);
/* The span that weir_scope_attach_span made active on this thread, borrowed; NULL if there is none
 * or the current context came from elsewhere. */
WEIR_API struct weir_span *weir_span_current(void);

#ifdef __cplusplus
}
#endif
#endif
