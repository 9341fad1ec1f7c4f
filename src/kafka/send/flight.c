/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/send/flight.h"

#include <stdlib.h>

enum { POINTER_BITS = 42, ALIGN_BITS = 6, LEVEL_0_BITS = 12, LEVEL_STEP_BITS = 3 };
#define POINTER_MASK ((UINT64_C(1) << POINTER_BITS) - 1)

static size_t entries_in(unsigned level) {
    return (size_t)1 << (LEVEL_0_BITS + LEVEL_STEP_BITS * level);
}

static uint64_t hash_of(const void *message) {
    return ((uintptr_t)message >> 4) * 0x9e3779b97f4a7c15u;
}

/* Never zero: an empty entry is no one's. */
static uint64_t tag_of(uint64_t hash) {
    return ((hash & 0xFFFFFFFFu) >> (32 - (64 - POINTER_BITS)) | 1) << POINTER_BITS;
}

static _Atomic uint64_t *line_of(_Atomic uint64_t *entries, unsigned level, uint64_t hash) {
    unsigned bits = LEVEL_0_BITS + LEVEL_STEP_BITS * level - 3;
    return entries + (hash >> (64 - bits)) * WEIR_KAFKA_FLIGHT_WAYS;
}

static struct weir_kafka_record *record_of(uint64_t entry) {
    return (void *)(uintptr_t)((entry & POINTER_MASK) << ALIGN_BITS);
}

static bool is_of(uint64_t entry, const void *message) {
    return atomic_load_explicit(&record_of(entry)->message, memory_order_relaxed) == message;
}

static _Atomic uint64_t *new_level(unsigned level) {
    return calloc(1, entries_in(level) * sizeof(uint64_t) +
                         64); /* large: untouched pages cost nothing */
}

bool weir_kafka_flight_init(struct weir_kafka_flight *flight) {
    memset(flight, 0, sizeof *flight);
    _Atomic uint64_t *first = new_level(0);
    atomic_init(&flight->levels[0], first);
    atomic_init(&flight->levels_count, 1);
    return first != NULL;
}

void weir_kafka_flight_done(struct weir_kafka_flight *flight) {
    for (unsigned i = 0; i < WEIR_KAFKA_FLIGHT_LEVELS; i++)
        free((void *)(uintptr_t)atomic_load_explicit(&flight->levels[i], memory_order_relaxed));
}

/* calloc's blocks begin anywhere: lines are counted from the first whole one. */
static _Atomic uint64_t *level_at(const struct weir_kafka_flight *flight, unsigned level) {
    _Atomic uint64_t *entries = atomic_load_explicit(&flight->levels[level], memory_order_acquire);
    return (void *)(((uintptr_t)entries + 63) & ~(uintptr_t)63);
}

/* Another thread may make it at the same time: the first one counts. */
static bool open_level(struct weir_kafka_flight *flight, unsigned level) {
    _Atomic uint64_t *none = NULL, *made = new_level(level);
    if (!made) return false;
    if (!atomic_compare_exchange_strong_explicit(&flight->levels[level], &none, made,
                                                 memory_order_release, memory_order_relaxed))
        free((void *)(uintptr_t)made);
    unsigned count = level;
    atomic_compare_exchange_strong_explicit(&flight->levels_count, &count, level + 1,
                                            memory_order_release, memory_order_relaxed);
    return true;
}

static struct weir_kafka_record *take_from(_Atomic uint64_t *line, uint64_t tag,
                                           const void *message) {
    for (int i = 0; i < WEIR_KAFKA_FLIGHT_WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&line[i], memory_order_relaxed);
        if (__builtin_expect((entry ^ tag) >> POINTER_BITS != 0, 1)) continue;
        atomic_thread_fence(memory_order_acquire);
        /* The tags of two addresses may be equal; a record that is another's by now is not ours. */
        if (is_of(entry, message) &&
            atomic_compare_exchange_strong_explicit(&line[i], &entry, 0, memory_order_acquire,
                                                    memory_order_relaxed))
            return record_of(entry);
    }
    return NULL;
}

struct weir_kafka_record *weir_kafka_flight_take(struct weir_kafka_flight *flight,
                                                 const void *message) {
    uint64_t hash = hash_of(message), tag = tag_of(hash);
    unsigned levels = atomic_load_explicit(&flight->levels_count, memory_order_acquire);
    for (unsigned level = 0; level < levels; level++) {
        struct weir_kafka_record *record =
            take_from(line_of(level_at(flight, level), level, hash), tag, message);
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
    uint64_t hash = hash_of(message), pointer = (uintptr_t)record >> ALIGN_BITS;
    *ret_stale = weir_kafka_flight_take(flight, message);
    if (pointer & ~POINTER_MASK || (uintptr_t)record & ((1u << ALIGN_BITS) - 1)) return false;
    atomic_store_explicit(&record->message, message, memory_order_relaxed);
    for (unsigned level = 0; level < WEIR_KAFKA_FLIGHT_LEVELS; level++) {
        if (level >= atomic_load_explicit(&flight->levels_count, memory_order_acquire) &&
            !open_level(flight, level))
            return false;
        if (put_into(line_of(level_at(flight, level), level, hash), tag_of(hash) | pointer))
            return true;
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
                                                        memory_order_relaxed))
                to[count++] = record_of(entry);
        }
    }
    return count;
}
