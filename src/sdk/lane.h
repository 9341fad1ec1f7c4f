/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: how records get from the application's threads to the exporter without locks.
 *
 *     app thread ── take ─▶ record ── fill ─▶ push ─▶ [ring of its lane] ─▶ exporter drains ─▶ give
 *          ▲                                                                      │
 *          └───────────── this lane's free records ◀── pool (32 at a time) ◀──────┘
 *
 * One lane per thread, a ring with one producer and one consumer. Records are fixed blocks from a
 * pool that only grows, up to a limit; a record whose data outgrows its block gets a heap buffer.
 * When a thread ends its lane waits for the next new thread. After a fork the child keeps its own
 * lane and forgets what the parent still had to send.
 *
 * Threads: as said. Memory: lanes and blocks live until the process ends.
 */
#ifndef WEIR_SDK_LANE_H
#define WEIR_SDK_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEIR_LANE_ROOM = 4096, /* records that wait in one ring; a power of two */
    WEIR_RECORD_BLOCK_SIZE = 1024,
    WEIR_RECORD_HEAD_SIZE = 256, /* of the block: struct weir_span, or just struct weir_record */
    WEIR_RECORD_INLINE_SIZE =
        WEIR_RECORD_BLOCK_SIZE - WEIR_RECORD_HEAD_SIZE, /* data in the block */
    WEIR_RECORD_DATA_SIZE_MAX = 1 << 20,                /* data bytes of one record */
    WEIR_RECORDS_MAX = 1 << 16,                         /* blocks of the process: 64 MiB */
};

enum weir_record_type { WEIR_RECORD_SPAN, WEIR_RECORD_LOG };

struct weir_instrumentation;

/* The first member of what lies in a block's head. */
struct weir_record {
    struct weir_record *next;                 /* in free lists */
    const struct weir_instrumentation *scope; /* tracer or logger that it came from */
    uint8_t *data;                            /* encoded fields: in the block, or the heap's */
    uint32_t size, room;                      /* of data */
    enum weir_record_type type;
};

/* Where the block's own data room begins. */
static inline uint8_t *weir_record_inline(struct weir_record *record) {
    return (uint8_t *)record + WEIR_RECORD_HEAD_SIZE;
}

struct weir_lane {
    /* the owning thread's */
    _Alignas(64) _Atomic uint32_t tail; /* records pushed so far */
    _Atomic uint64_t spans_started;     /* one writer, so plain adds through relaxed accesses */
    _Atomic uint64_t spans_unsampled, logs_emitted;
    _Atomic uint64_t spans_dropped_full, logs_dropped_full;
    _Atomic uint64_t spans_dropped_memory, logs_dropped_memory;
    struct weir_record *free; /* records at hand */
    uint32_t free_count;
    /* the exporter's */
    _Alignas(64) _Atomic uint32_t head; /* records drained so far */
    /* guarded by the pool's lock */
    struct weir_lane *next; /* list of all lanes */
    bool orphan;            /* its thread has ended */
    struct weir_record *slots[WEIR_LANE_ROOM];
};

/* Adds to one of the owner's counters. */
static inline void weir_lane_count(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* The calling thread's lane; NULL when memory is out. */
struct weir_lane *weir_lane_get(void);
/* A record with `size` 0; NULL when memory is out or RECORDS_MAX are in use. Lane's owner. */
struct weir_record *weir_record_take(struct weir_lane *lane);
/* Back to the owner's free list. Lane's owner; the record may come from another lane. */
void weir_record_give(struct weir_lane *lane, struct weir_record *record);
/* Room for `size` more bytes of data: gives where they go (add to record->size yourself), NULL when
 * refused. The record's owner. */
uint8_t *weir_record_reserve(struct weir_record *record, size_t size);
/* Hands the record to the exporter, waking it when the ring is half full. False when the ring is
 * full: the record stays the caller's. Lane's owner. */
bool weir_lane_push(struct weir_lane *lane, struct weir_record *record);

/* Calls `take` for each record that waits in any lane. The exporter only. */
void weir_lanes_drain(void (*take)(void *arg, struct weir_record *record), void *arg);
/* Back to the pool, `next`-linked. The exporter only. */
void weir_records_give_back(struct weir_record *list);
/* Sums of all lanes' counters into a lane-shaped struct's counters. Any thread. */
struct weir_lane_sums {
    uint64_t spans_started, spans_unsampled, logs_emitted;
    uint64_t spans_dropped_full, logs_dropped_full, spans_dropped_memory, logs_dropped_memory;
    uint32_t records_waiting; /* in the rings now */
};
void weir_lanes_sum(struct weir_lane_sums *ret);

/* Called by weir_lane_push when a ring becomes half full; set once by the exporter. Must not block.
 */
void weir_lanes_wake_set(void (*wake)(void));

/* Fork: the lock to hold across it, and what the child does (holding it). */
pthread_mutex_t *weir_lanes_lock(void);
void weir_lanes_forked(void);

#endif
