/* SPDX-License-Identifier: Apache-2.0 */
/* Sends in flight: from a message's address to the record of its span.
 *
 *     level 0   2^12 entries   always there
 *     level 1   2^15           made by whoever finds no room below
 *     level 2   2^18
 *     level 3   2^21
 *
 *     entry     tag of the address (22 bits) │ record's address / 64 (42 bits)      0: empty
 *
 * Eight entries share a cache line and a hash. An entry is put by one compare-and-swap and removed
 * by one; a search reads one line of each level in use. No lock anywhere; a message that has no
 * record costs one line.
 *
 * Threads: any. An address is put by one thread, and taken after that. put may allocate.
 * Memory: levels stay until the end; records are the caller's.
 */
#ifndef WEIR_KAFKA_SEND_FLIGHT_H
#define WEIR_KAFKA_SEND_FLIGHT_H

#include "kafka/send/record.h"

enum { WEIR_KAFKA_FLIGHT_LEVELS = 4, WEIR_KAFKA_FLIGHT_WAYS = 8 };

struct weir_kafka_flight {
    _Atomic(_Atomic uint64_t *) levels[WEIR_KAFKA_FLIGHT_LEVELS]; /* NULL: not there yet */
    atomic_uint levels_count;                                     /* in use: from the first on */
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

#endif
