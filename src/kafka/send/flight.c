/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/send/flight.h"

#include <stdlib.h>

enum {
    POINTER_BITS = WEIR_KAFKA_FLIGHT_POINTER_BITS,
    ALIGN_BITS = 6,
    LEVEL_0_BITS = 13,
    LEVEL_STEP_BITS = 3,
    WAY_BITS = 3,
    EMPTY_ENOUGH = 3, /* looks in a row: whoever was about to put something there has done it */
};
#define POINTER_MASK ((UINT64_C(1) << POINTER_BITS) - 1)

static size_t entries_in(unsigned level) {
    return (size_t)1 << (LEVEL_0_BITS + LEVEL_STEP_BITS * level);
}

static struct weir_kafka_record *record_of(uint64_t entry) {
    return (void *)(uintptr_t)((entry & POINTER_MASK) << ALIGN_BITS);
}

static bool is_of(uint64_t entry, const void *message) {
    return atomic_load_explicit(&record_of(entry)->message, memory_order_relaxed) == message;
}

/* Makes the level after the last one that the caller knows, unless another thread has. Untouched
 * pages of it cost no memory; lines begin at the first whole one of the block. */
static bool open_level(struct weir_kafka_flight *flight, unsigned number) {
    struct weir_kafka_flight_level *level = &flight->levels[number];
    pthread_mutex_lock(&flight->lock);
    if (!level->block && (level->block = calloc(1, entries_in(number) * sizeof(uint64_t) + 64))) {
        level->entries = (void *)(((uintptr_t)level->block + 63) & ~(uintptr_t)63);
        level->mask = (entries_in(number) >> WAY_BITS) - 1;
        atomic_store_explicit(&flight->only, number ? NULL : level, memory_order_release);
        atomic_store_explicit(&flight->to, number + 1, memory_order_release);
    }
    pthread_mutex_unlock(&flight->lock);
    return level->block != NULL;
}

bool weir_kafka_flight_init(struct weir_kafka_flight *flight) {
    memset(flight, 0, sizeof *flight);
    pthread_mutex_init(&flight->lock, NULL);
    return open_level(flight, 0);
}

void weir_kafka_flight_done(struct weir_kafka_flight *flight) {
    for (unsigned i = 0; i < WEIR_KAFKA_FLIGHT_LEVELS; i++) free(flight->levels[i].block);
    pthread_mutex_destroy(&flight->lock);
}

static bool is_empty(const struct weir_kafka_flight_level *level, unsigned number) {
    for (size_t i = 0; i < entries_in(number); i++)
        if (atomic_load_explicit(&level->entries[i], memory_order_relaxed)) return false;
    return true;
}

void weir_kafka_flight_settle(struct weir_kafka_flight *flight) {
    if (atomic_load_explicit(&flight->only, memory_order_relaxed)) return;
    pthread_mutex_lock(&flight->lock);
    unsigned to = atomic_load_explicit(&flight->to, memory_order_relaxed);
    unsigned from = atomic_load_explicit(&flight->from, memory_order_relaxed);
    struct weir_kafka_flight_level *level = &flight->levels[from];
    level->seen_empty = is_empty(level, from) ? level->seen_empty + 1 : 0;
    if (from + 1 < to && level->seen_empty >= EMPTY_ENOUGH)
        atomic_store_explicit(&flight->from, ++from, memory_order_release);
    if (from + 1 == to)
        atomic_store_explicit(&flight->only, &flight->levels[from], memory_order_release);
    pthread_mutex_unlock(&flight->lock);
}

static struct weir_kafka_record *take_from(_Atomic uint64_t *line, uint64_t tag,
                                           const void *message) {
    for (int i = 0; i < WEIR_KAFKA_FLIGHT_WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&line[i], memory_order_acquire);
        /* The tags of two addresses may be equal; a record that is another's by now is not ours. */
        if (entry >> POINTER_BITS == tag && is_of(entry, message) &&
            atomic_compare_exchange_strong_explicit(&line[i], &entry, 0, memory_order_acquire,
                                                    memory_order_relaxed))
            return record_of(entry);
    }
    return NULL;
}

struct weir_kafka_record *weir_kafka_flight_take(struct weir_kafka_flight *flight,
                                                 const void *message) {
    uint64_t tag = weir_kafka_flight_tag(message);
    unsigned from = atomic_load_explicit(&flight->from, memory_order_relaxed);
    for (unsigned level = atomic_load_explicit(&flight->to, memory_order_acquire);
         level-- > from;) {
        _Atomic uint64_t *line = weir_kafka_flight_line(&flight->levels[level], message);
        if (!weir_kafka_flight_may_hold(line, tag)) continue;
        struct weir_kafka_record *record = take_from(line, tag, message);
        if (record) return record;
    }
    return NULL;
}

static bool put_into(_Atomic uint64_t *line, uint64_t entry) {
    for (int i = 0; i < WEIR_KAFKA_FLIGHT_WAYS; i++) {
        uint64_t found = atomic_load_explicit(&line[i], memory_order_relaxed);
        if (!found && atomic_compare_exchange_strong_explicit(
                          &line[i], &found, entry, memory_order_release, memory_order_relaxed))
            return true;
    }
    return false;
}

bool weir_kafka_flight_put(struct weir_kafka_flight *flight, const void *message,
                           struct weir_kafka_record *record, struct weir_kafka_record **ret_stale) {
    uint64_t tag = weir_kafka_flight_tag(message);
    uint64_t pointer = (uintptr_t)record >> ALIGN_BITS;
    *ret_stale = weir_kafka_flight_take(flight, message);
    if (pointer & ~POINTER_MASK || (uintptr_t)record & ((1u << ALIGN_BITS) - 1)) return false;
    atomic_store_explicit(&record->message, message, memory_order_relaxed);
    for (unsigned to = atomic_load_explicit(&flight->to, memory_order_acquire);; to++) {
        if (put_into(weir_kafka_flight_line(&flight->levels[to - 1], message),
                     tag << POINTER_BITS | pointer))
            return true;
        if (to == WEIR_KAFKA_FLIGHT_LEVELS || !open_level(flight, to)) return false;
    }
}

size_t weir_kafka_flight_expire(struct weir_kafka_flight *flight, int64_t before_ns,
                                uint64_t *cursor, struct weir_kafka_record **to, size_t room) {
    unsigned to_level = atomic_load_explicit(&flight->to, memory_order_acquire);
    uint64_t base = 0;
    size_t count = 0;
    for (unsigned level = 0; level < to_level; base += entries_in(level++)) {
        while (*cursor < base + entries_in(level) && count < room) {
            _Atomic uint64_t *at = &flight->levels[level].entries[(*cursor)++ - base];
            uint64_t entry = atomic_load_explicit(at, memory_order_acquire);
            if (entry &&
                atomic_load_explicit(&record_of(entry)->start_ns, memory_order_relaxed) <
                    before_ns &&
                atomic_compare_exchange_strong_explicit(at, &entry, 0, memory_order_acquire,
                                                        memory_order_relaxed))
                to[count++] = record_of(entry);
        }
    }
    return count;
}
