/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts from the inside: see weir/context.h for what they are.
 *
 * A context holds everything itself (no chain to walk): the active span's identity, the baggage and
 * a list of own values, the latter two shared by reference. One that lives in a weir_scope has
 * refs 0 and borrows from the context below it.
 *
 * Threads: immutable but for the counts.
 */
#ifndef WEIR_SDK_CONTEXT_H
#define WEIR_SDK_CONTEXT_H

#include <stdatomic.h>

#include "base/view.h"
#include "weir/context.h"

struct weir_baggage_item {
    struct weir_view name, value, properties; /* each followed by a NUL; properties as they came */
};

struct weir_baggage {
    atomic_uint refs;
    uint32_t count;
    struct weir_baggage_item items[]; /* their bytes follow in the same block */
};

struct weir_context_value {
    atomic_uint refs;
    uint32_t key;
    void *value;
    struct weir_context_value *next; /* older values */
};

struct weir_context {
    atomic_uint refs;              /* 0: lives in a scope */
    struct weir_span_context span; /* all zero if none; on the heap its tracestate follows us */
    struct weir_baggage *baggage;  /* or NULL */
    struct weir_context_value *values;
};

/* The span context that is current on this thread if it is sampled, else NULL. */
extern _Thread_local const struct weir_span_context *weir_context_sampled
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* A heap context with these parts: copies the span context with its tracestate, takes references of
 * its own. NULL: out of memory. */
struct weir_context *weir_context_make(const struct weir_span_context *span,
                                       struct weir_baggage *baggage,
                                       struct weir_context_value *values);
/* What lies in a struct weir_scope. */
struct weir_context_scope {
    struct weir_context_scope *below; /* attached before */
    const struct weir_context *ctx;   /* current while this is the top */
    struct weir_span *span;           /* active, when attached as a span */
    struct weir_context own;          /* ctx points here, when attached as a span */
};
extern _Thread_local struct weir_context_scope *weir_context_top
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* A span is ending on this thread: it is no longer what weir_span_current gives. */
void weir_context_span_left(const struct weir_span *span);
static inline void weir_context_span_ended(const struct weir_span *span) {
    if (weir_context_top) weir_context_span_left(span);
}

/* Both take NULL. */
struct weir_baggage *weir_baggage_ref(struct weir_baggage *baggage);
void weir_baggage_unref(struct weir_baggage *baggage);
/* A block with copies of the items; NULL: out of memory. One reference. */
struct weir_baggage *weir_baggage_make(const struct weir_baggage_item *items, uint32_t count);

enum { WEIR_BAGGAGE_ITEMS_MAX = 64, WEIR_BAGGAGE_SIZE_MAX = 8192 };
/* Parses a baggage header into items that lie in `scratch` (WEIR_BAGGAGE_SIZE_MAX bytes). Gives
 * their number, or -1 when it is malformed or over the limits. */
int weir_baggage_parse(struct weir_view header, char *scratch,
                       struct weir_baggage_item items[WEIR_BAGGAGE_ITEMS_MAX]);
/* Writes the header's text; gives its length, 0 if it would pass `room`. */
size_t weir_baggage_format(const struct weir_baggage *baggage, char *to, size_t room);

#endif
