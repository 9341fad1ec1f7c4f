/* SPDX-License-Identifier: Apache-2.0 */
/* Sends in flight: from a message's address to the record of its span.
 *
 *     level 0   2^13 entries   always there
 *     level 1   2^16           each opened by whoever finds no room in the one before;
 *     level 2   2^19           records go into the last one from then on, and those before
 *     level 3   2^22           run empty
 *
 *     entry     tag of the address (22 bits) │ record's address / 64 (42 bits)      0: empty
 *
 * Eight entries share a cache line: that of the KiB that the message lies in, since messages that
 * are sent one after the other mostly lie side by side, and are acknowledged in that order.
 *
 * An entry is put by one compare-and-swap and removed by one; a search reads one line of each level
 * that may hold something, which is one level but for a while after it grew. A message that has no
 * record costs one line.
 *
 * Threads: any. An address is put by one thread, and taken after that. put may allocate, and locks
 * when it opens a level; take does neither.
 * Memory: levels stay until the end; records are the caller's.
 */
#ifndef WEIR_KAFKA_SEND_FLIGHT_H
#define WEIR_KAFKA_SEND_FLIGHT_H

#include <pthread.h>

#include "kafka/send/record.h"

enum { WEIR_KAFKA_FLIGHT_LEVELS = 4, WEIR_KAFKA_FLIGHT_WAYS = 8 };

struct weir_kafka_flight_level {
    _Atomic uint64_t *entries;
    uint64_t mask; /* of line numbers */
    unsigned seen_empty;
    void *block; /* that the entries lie in */
};

struct weir_kafka_flight {
    _Atomic(const struct weir_kafka_flight_level *) only; /* the one level in use; NULL: several */
    atomic_uint from, to;                                 /* levels in use: from <= level < to */
    pthread_mutex_t lock; /* guards opening a level, and giving one up */
    struct weir_kafka_flight_level levels[WEIR_KAFKA_FLIGHT_LEVELS];
};

/* False: out of memory. */
bool weir_kafka_flight_init(struct weir_kafka_flight *flight);
/* The table is empty, or its records are lost. */
void weir_kafka_flight_done(struct weir_kafka_flight *flight);

/* Puts the record under the message's address. False: no room in any level, or memory is out.
 * `*ret_stale` gets the record that the address had before, never acknowledged; NULL: none. */
bool weir_kafka_flight_put(struct weir_kafka_flight *flight, const void *message,
                           struct weir_kafka_record *record, struct weir_kafka_record **ret_stale);
/* Takes out the message's record; NULL: it has none. */
struct weir_kafka_record *weir_kafka_flight_take(struct weir_kafka_flight *flight,
                                                 const void *message);

/* Takes out up to `room` records that started before the time (INT64_MAX: all), looking from
 * `*cursor` (0 at first) on; gives their number, less than `room` at the end. */
size_t weir_kafka_flight_expire(struct weir_kafka_flight *flight, int64_t before_ns,
                                uint64_t *cursor, struct weir_kafka_record **to, size_t room);

/* Looks whether levels have run empty, so that none need search them. Now and then; one thread. */
void weir_kafka_flight_settle(struct weir_kafka_flight *flight);

/* ── the usual case: it has none ─────────────────────────────────────────────────────────────── */

enum { WEIR_KAFKA_FLIGHT_POINTER_BITS = 42 };

/* Never zero: an empty entry is no one's. */
static inline uint64_t weir_kafka_flight_tag(const void *message) {
    uint32_t hash = (uint32_t)((uintptr_t)message >> 4) * 0x9e3779b9u;
    return hash >> (WEIR_KAFKA_FLIGHT_POINTER_BITS - 32) | 1;
}

/* Whether some entry of the line may have the tag. All at once: nearly always none has. What a race
 * hides here is not ours: the message's own entry was there before its acknowledgement. */
static inline bool weir_kafka_flight_may_hold(const _Atomic uint64_t *line, uint64_t tag) {
#if defined(__SANITIZE_THREAD__)
    bool found = false;
    for (int i = 0; i < WEIR_KAFKA_FLIGHT_WAYS; i++)
        found |= atomic_load_explicit(&line[i], memory_order_relaxed) >>
                     WEIR_KAFKA_FLIGHT_POINTER_BITS ==
                 tag;
    return found;
#else
    typedef uint64_t two __attribute__((vector_size(16)));
    typedef int32_t four __attribute__((vector_size(16)));
    const two *pairs = (const two *)(uintptr_t)line;
    const four wanted = {(int32_t)tag, 0, (int32_t)tag, 0};
    /* The upper halves are zero on both sides and always equal: the lower ones tell. */
    four same = ((four)(pairs[0] >> WEIR_KAFKA_FLIGHT_POINTER_BITS) == wanted) |
                ((four)(pairs[1] >> WEIR_KAFKA_FLIGHT_POINTER_BITS) == wanted) |
                ((four)(pairs[2] >> WEIR_KAFKA_FLIGHT_POINTER_BITS) == wanted) |
                ((four)(pairs[3] >> WEIR_KAFKA_FLIGHT_POINTER_BITS) == wanted);
    return (same[0] | same[2]) != 0;
#endif
}

static inline _Atomic uint64_t *weir_kafka_flight_line(const struct weir_kafka_flight_level *level,
                                                       const void *message) {
    uint64_t kib = (uintptr_t)message >> 10, region = (uintptr_t)message >> 24;
    return level->entries + ((kib + region * 40503u) & level->mask) * WEIR_KAFKA_FLIGHT_WAYS;
}

/* Whether take may find one: nearly always right, and never wrong when it says no. */
static inline bool weir_kafka_flight_may_take(const struct weir_kafka_flight *flight,
                                              const void *message) {
    const struct weir_kafka_flight_level *only =
        atomic_load_explicit(&flight->only, memory_order_acquire);
    return !only || weir_kafka_flight_may_hold(weir_kafka_flight_line(only, message),
                                               weir_kafka_flight_tag(message));
}

#endif
