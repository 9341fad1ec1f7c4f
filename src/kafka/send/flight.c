/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/send/flight.h"

#include <stdlib.h>

enum {
    POINTER_BITS = WEIR_KAFKA_FLIGHT_POINTER_BITS,
    ALIGN_BITS = 6,
    LEVEL_0_BITS = WEIR_KAFKA_FLIGHT_LEVEL_0_BITS,
    LEVEL_STEP_BITS = 3
};
#define POINTER_MASK ((UINT64_C(1) << POINTER_BITS) - 1)

static size_t entries_in(unsigned level) {
    return (size_t)1 << (LEVEL_0_BITS + LEVEL_STEP_BITS * level);
}

static _Atomic uint64_t *level_at(const struct weir_kafka_flight *flight, unsigned level) {
    return atomic_load_explicit(&flight->levels[level], memory_order_acquire);
}

static _Atomic uint64_t *line_of(const struct weir_kafka_flight *flight, unsigned level,
                                 uint64_t hash) {
    unsigned bits = LEVEL_0_BITS + LEVEL_STEP_BITS * level - 3;
    return level_at(flight, level) + (hash >> (64 - bits)) * WEIR_KAFKA_FLIGHT_WAYS;
}

static struct weir_kafka_record *record_of(uint64_t entry) {
    return (void *)(uintptr_t)((entry & POINTER_MASK) << ALIGN_BITS);
}

static bool is_of(uint64_t entry, const void *message) {
    return atomic_load_explicit(&record_of(entry)->message, memory_order_relaxed) == message;
}

/* Untouched pages of it cost no memory. Another thread may make it at the same time: the first one
 * counts. Lines begin at the first whole one of the block. */
static bool open_level(struct weir_kafka_flight *flight, unsigned level) {
    void *block = calloc(1, entries_in(level) * sizeof(uint64_t) + 64);
    if (!block) return false;
    _Atomic uint64_t *none = NULL, *entries = (void *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
    if (atomic_compare_exchange_strong_explicit(&flight->levels[level], &none, entries,
                                                memory_order_release, memory_order_relaxed))
        flight->blocks[level] = block;
    else
        free(block);
    unsigned count = level;
    atomic_compare_exchange_strong_explicit(&flight->levels_count, &count, level + 1,
                                            memory_order_release, memory_order_relaxed);
    return true;
}

bool weir_kafka_flight_init(struct weir_kafka_flight *flight) {
    memset(flight, 0, sizeof *flight);
    return open_level(flight, 0);
}

void weir_kafka_flight_done(struct weir_kafka_flight *flight) {
    for (unsigned i = 0; i < WEIR_KAFKA_FLIGHT_LEVELS; i++) free(flight->blocks[i]);
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
    uint64_t hash = weir_kafka_flight_hash(message), tag = weir_kafka_flight_tag(hash);
    unsigned levels = atomic_load_explicit(&flight->levels_count, memory_order_acquire);
    for (unsigned level = 0; level < levels; level++) {
        _Atomic uint64_t *line = line_of(flight, level, hash);
        if (!weir_kafka_flight_may_hold(line, tag)) continue;
        struct weir_kafka_record *record = take_from(line, tag, message);
        if (!record) continue;
        if (level) atomic_fetch_sub_explicit(&flight->above, 1, memory_order_relaxed);
        return record;
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
    uint64_t hash = weir_kafka_flight_hash(message), tag = weir_kafka_flight_tag(hash);
    uint64_t pointer = (uintptr_t)record >> ALIGN_BITS;
    *ret_stale = weir_kafka_flight_take(flight, message);
    if (pointer & ~POINTER_MASK || (uintptr_t)record & ((1u << ALIGN_BITS) - 1)) return false;
    atomic_store_explicit(&record->message, message, memory_order_relaxed);
    for (unsigned level = 0; level < WEIR_KAFKA_FLIGHT_LEVELS; level++) {
        if (level >= atomic_load_explicit(&flight->levels_count, memory_order_acquire) &&
            !open_level(flight, level))
            return false;
        /* Counted before it is there: whoever looks for it finds it counted. */
        if (level) atomic_fetch_add_explicit(&flight->above, 1, memory_order_release);
        if (put_into(line_of(flight, level, hash), tag << POINTER_BITS | pointer)) return true;
        if (level) atomic_fetch_sub_explicit(&flight->above, 1, memory_order_relaxed);
    }
    return false;
}

size_t weir_kafka_flight_expire(struct weir_kafka_flight *flight, int64_t before_ns,
                                uint64_t *cursor, struct weir_kafka_record **to, size_t room) {
    unsigned levels = atomic_load_explicit(&flight->levels_count, memory_order_acquire);
    uint64_t base = 0;
    size_t count = 0;
    for (unsigned level = 0; level < levels; base += entries_in(level++)) {
        _Atomic uint64_t *entries = level_at(flight, level);
        while (*cursor < base + entries_in(level) && count < room) {
            _Atomic uint64_t *at = &entries[(*cursor)++ - base];
            uint64_t entry = atomic_load_explicit(at, memory_order_acquire);
            if (entry &&
                atomic_load_explicit(&record_of(entry)->start_ns, memory_order_relaxed) <
                    before_ns &&
                atomic_compare_exchange_strong_explicit(at, &entry, 0, memory_order_acquire,
                                                        memory_order_relaxed)) {
                if (level) atomic_fetch_sub_explicit(&flight->above, 1, memory_order_relaxed);
                to[count++] = record_of(entry);
            }
        }
    }
    return count;
}
