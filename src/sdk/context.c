/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/context.h"

#include <stdlib.h>

#include "weir/trace.h"

_Static_assert(sizeof(struct weir_context_scope) <= sizeof(struct weir_scope),
               "weir_scope has too little room");

_Thread_local struct weir_context_scope *weir_context_top;
_Thread_local const struct weir_span_context *weir_context_sampled;

/* ── heap contexts ───────────────────────────────────────────────────────────────────────────── */

static struct weir_context_value *values_ref(struct weir_context_value *values) {
    if (values) atomic_fetch_add_explicit(&values->refs, 1, memory_order_relaxed);
    return values;
}

static void values_unref(struct weir_context_value *values) {
    while (values && atomic_fetch_sub_explicit(&values->refs, 1, memory_order_acq_rel) == 1) {
        struct weir_context_value *next = values->next;
        free(values);
        values = next;
    }
}

struct weir_context *weir_context_make(const struct weir_span_context *span,
                                       struct weir_baggage *baggage,
                                       struct weir_context_value *values) {
    size_t state_size = span && span->trace_state ? span->trace_state_size : 0;
    struct weir_context *ctx = malloc(sizeof *ctx + state_size);
    if (!ctx) return NULL;
    memset(ctx, 0, sizeof *ctx);
    atomic_init(&ctx->refs, 1);
    if (span) ctx->span = *span;
    char *state = (char *)(ctx + 1);
    ctx->span.trace_state = state_size ? state : NULL;
    ctx->span.trace_state_size = (uint16_t)state_size;
    if (state_size) memcpy(state, span->trace_state, state_size);
    ctx->baggage = weir_baggage_ref(baggage);
    ctx->values = values_ref(values);
    return ctx;
}

struct weir_context *weir_context_ref(const struct weir_context *ctx) {
    if (!ctx) return NULL;
    struct weir_context *mutable = (struct weir_context *)(uintptr_t)ctx;
    if (atomic_load_explicit(&mutable->refs, memory_order_relaxed) == 0)
        return weir_context_make(&ctx->span, ctx->baggage, ctx->values);
    atomic_fetch_add_explicit(&mutable->refs, 1, memory_order_relaxed);
    return mutable;
}

void weir_context_unref(struct weir_context *ctx) {
    if (!ctx || atomic_load_explicit(&ctx->refs, memory_order_relaxed) == 0 ||
        atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
        return;
    weir_baggage_unref(ctx->baggage);
    values_unref(ctx->values);
    free(ctx);
}

/* ── values ──────────────────────────────────────────────────────────────────────────────────── */

uint32_t weir_context_key_new(const char *name) {
    static atomic_uint last;
    (void)name;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

void *weir_context_get(const struct weir_context *ctx, uint32_t key) {
    const struct weir_context_value *it = ctx ? ctx->values : NULL;
    while (it && it->key != key) it = it->next;
    return it ? it->value : NULL;
}

struct weir_context *weir_context_with_value(const struct weir_context *ctx, uint32_t key,
                                             void *value) {
    struct weir_context_value *node = malloc(sizeof *node);
    if (!node) return NULL;
    *node = (struct weir_context_value){
        .key = key, .value = value, .next = values_ref(ctx ? ctx->values : NULL)};
    atomic_init(&node->refs, 1);
    struct weir_context *with =
        weir_context_make(ctx ? &ctx->span : NULL, ctx ? ctx->baggage : NULL, node);
    values_unref(node);
    return with;
}

struct weir_context *weir_context_with_span_context(const struct weir_context *ctx,
                                                    const struct weir_span_context *sc) {
    return weir_context_make(sc, ctx ? ctx->baggage : NULL, ctx ? ctx->values : NULL);
}

struct weir_context *weir_context_with_span(const struct weir_context *ctx,
                                            const struct weir_span *span) {
    struct weir_span_context sc = weir_span_context_get(span);
    return weir_context_with_span_context(ctx, &sc);
}

bool weir_context_span_context(const struct weir_context *ctx, struct weir_span_context *ret) {
    if (ctx)
        *ret = ctx->span;
    else
        memset(ret, 0, sizeof *ret);
    return ctx && weir_span_context_is_valid(&ctx->span);
}

/* ── the current context ─────────────────────────────────────────────────────────────────────── */

const struct weir_context *weir_context_current(void) {
    return weir_context_top ? weir_context_top->ctx : NULL;
}

static void set_top(struct weir_context_scope *it) {
    const struct weir_context *ctx = it ? it->ctx : NULL;
    weir_context_top = it;
    weir_context_sampled = ctx && weir_span_context_is_sampled(&ctx->span) ? &ctx->span : NULL;
}

void weir_scope_attach(struct weir_scope *scope, const struct weir_context *ctx) {
    struct weir_context_scope *it = (void *)scope;
    it->below = weir_context_top;
    it->ctx = ctx;
    it->span = NULL;
    set_top(it);
}

void weir_scope_attach_span(struct weir_scope *scope, struct weir_span *span) {
    struct weir_context_scope *it = (void *)scope;
    const struct weir_context *below = weir_context_current();
    it->below = weir_context_top;
    it->ctx = span ? &it->own : below;
    it->span = span;
    if (span) {
        atomic_init(&it->own.refs, 0);
        it->own.span = weir_span_context_get(span);
        it->own.baggage = below ? below->baggage : NULL;
        it->own.values = below ? below->values : NULL;
    }
    set_top(it);
}

void weir_scope_detach(struct weir_scope *scope) {
    struct weir_context_scope *it = weir_context_top;
    while (it && it != (void *)scope) it = it->below;
    if (it) set_top(it->below);
}

struct weir_span *weir_span_current(void) {
    return weir_context_top ? weir_context_top->span : NULL;
}

void weir_context_span_left(const struct weir_span *span) {
    for (struct weir_context_scope *it = weir_context_top; it; it = it->below) {
        if (it->span != span) continue;
        it->span = NULL;
        it->own.span.trace_state = NULL; /* lay in the span */
        it->own.span.trace_state_size = 0;
    }
}
