/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/receive/nesting.h"

#include <stdatomic.h>
#include <string.h>

#include "sdk/context.h"

enum { TRACE_STATE_MAX = 512 };

/* Open ones, by number. One that finds its place taken counts as ended, which costs the nesting. */
enum { OPEN_COUNT = 1024 };
static _Atomic uint64_t open_numbers[OPEN_COUNT];
static _Atomic uint64_t last_number;

static _Thread_local struct slot {
    uint64_t number; /* 0: not attached */
    struct weir_scope scope;
    struct weir_context ctx; /* borrows nothing but trace_state below */
    char trace_state[TRACE_STATE_MAX];
} slot;

static _Atomic uint64_t *place(uint64_t number) {
    return &open_numbers[number % OPEN_COUNT];
}

static bool is_open(uint64_t number) {
    return atomic_load_explicit(place(number), memory_order_relaxed) == number;
}

/* Whatever the application has attached since lies above ours and stays: then ours is emptied, and
 * goes with it. */
static void leave(void) {
    if (!slot.number) return;
    slot.number = 0;
    if (weir_context_current() == &slot.ctx)
        weir_scope_detach(&slot.scope);
    else
        memset(&slot.ctx.span, 0, sizeof slot.ctx.span);
}

uint64_t weir_kafka_nesting_begin(const struct weir_span_context *span) {
    leave();
    uint64_t number = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
    if (weir_context_current() == &slot.ctx) weir_scope_detach(&slot.scope); /* an emptied one */
    if (weir_context_current()) return number;
    slot.ctx.span = *span;
    slot.ctx.span.trace_state = NULL;
    slot.ctx.span.trace_state_size = 0;
    if (span->trace_state && span->trace_state_size <= TRACE_STATE_MAX) {
        memcpy(slot.trace_state, span->trace_state, span->trace_state_size);
        slot.ctx.span.trace_state = slot.trace_state;
        slot.ctx.span.trace_state_size = span->trace_state_size;
    }
    slot.number = number;
    atomic_store_explicit(place(number), number, memory_order_relaxed);
    weir_scope_attach(&slot.scope, &slot.ctx);
    return number;
}

void weir_kafka_nesting_end(uint64_t number) {
    if (!number) return;
    uint64_t expected = number;
    atomic_compare_exchange_strong_explicit(place(number), &expected, 0, memory_order_relaxed,
                                            memory_order_relaxed);
    if (slot.number == number) leave();
}

void weir_kafka_nesting_refresh(void) {
    if (slot.number && !is_open(slot.number)) leave();
}
