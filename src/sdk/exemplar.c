/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/exemplar.h"

#include <string.h>

#include "base/clock.h"
#include "base/rand.h"

enum { TAKE_TRIES = 1000 }; /* a writer is done within nanoseconds, unless it is not running */

static bool try_lock(struct weir_exemplar_slot *slot) {
    return !atomic_exchange_explicit(&slot->busy, true, memory_order_acquire);
}

static void unlock(struct weir_exemplar_slot *slot) {
    atomic_store_explicit(&slot->busy, false, memory_order_release);
}

/* After the n-th was kept, the number of the next: any later m-th is kept with odds of 1 in m, so
 * the next lies beyond m with odds of n in m. One draw for each that is kept, none for the rest. */
static uint64_t next_after(uint64_t n) {
    double chance = (double)((weir_rand_u64() >> 11) + 1) * 0x1p-53; /* in (0, 1] */
    double next = (double)n / chance;
    return next < 1e18 ? (uint64_t)next + 1 : UINT64_MAX;
}

static void put(struct weir_exemplar_slot *slot, double value,
                const struct weir_span_context *span) {
    if (!try_lock(slot)) return;
    slot->full = true;
    slot->exemplar = (struct weir_exemplar){.time_ns = weir_clock_wall_ns(), .value = value};
    if (span) {
        memcpy(slot->exemplar.trace_id, span->trace_id, sizeof slot->exemplar.trace_id);
        memcpy(slot->exemplar.span_id, span->span_id, sizeof slot->exemplar.span_id);
    }
    unlock(slot);
}

/* Two at once may count as one: that only shifts odds. */
void weir_exemplar_offer(struct weir_exemplar_slot *slot, double value,
                         const struct weir_span_context *span) {
    uint64_t seen = atomic_load_explicit(&slot->seen, memory_order_relaxed) + 1;
    atomic_store_explicit(&slot->seen, seen, memory_order_relaxed);
    if (__builtin_expect(seen < atomic_load_explicit(&slot->next, memory_order_relaxed), 1)) return;
    atomic_store_explicit(&slot->next, next_after(seen), memory_order_relaxed);
    put(slot, value, span);
}

void weir_exemplar_offer_any(struct weir_exemplar_slot *slots, uint32_t count, double value,
                             const struct weir_span_context *span) {
    uint32_t turn = atomic_load_explicit(&slots[0].turn, memory_order_relaxed);
    atomic_store_explicit(&slots[0].turn, turn + 1, memory_order_relaxed);
    weir_exemplar_offer(&slots[turn % count], value, span);
}

/* Empties the slot; true when it held something. */
static bool take(struct weir_exemplar_slot *slot, struct weir_exemplar *ret) {
    bool got = false;
    for (int tries = 0; !(got = try_lock(slot)) && tries < TAKE_TRIES; tries++) {
    }
    if (!got) return false;
    bool full = slot->full;
    *ret = slot->exemplar;
    slot->full = false;
    unlock(slot);
    atomic_store_explicit(&slot->seen, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->next, 0, memory_order_relaxed);
    return full;
}

uint32_t weir_exemplars_take(struct weir_exemplar_slot *slots, uint32_t count,
                             struct weir_arena *arena, const struct weir_exemplar **ret) {
    struct weir_exemplar *items = NULL;
    uint32_t taken = 0, room = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct weir_exemplar exemplar;
        if (!take(&slots[i], &exemplar)) continue;
        struct weir_exemplar *item = WEIR_PUSH(arena, items, taken, room);
        if (item) *item = exemplar;
    }
    *ret = items;
    return taken;
}

void weir_exemplars_clear(struct weir_exemplar_slot *slots, uint32_t count) {
    struct weir_exemplar forgotten;
    for (uint32_t i = 0; i < count; i++) take(&slots[i], &forgotten);
}
