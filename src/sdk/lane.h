/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: how records get from the application's threads to the exporter without locks.
 *
 *     app thread ── take ─▶ record ── fill ─▶ push ─▶ [ring of its lane] ─▶ exporter drains ─▶ give
 *          ▲                                                                      │
 *          └───────────── this lane's free records ◀── pool (32 at a time) ◀──────┘
 *
 * One lane per thread, a ring with one producer and one consumer. Records are fixed blocks of two
 * sizes from pools that only grow, up to a limit: small ones for spans whose shape is known (a
 * Kafka send), large ones for those that hold whatever the application adds (sdk/encoded.h). What a
 * record is, only its class knows: the exporter asks it to write itself as OTLP.
 *
 * A record may be taken on one thread and pushed on another (taken by produce(), pushed by the
 * thread that got the acknowledgement). A thread that only pushes takes no lock and allocates
 * nothing, but for its first call, which makes its lane.
 *
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

#include "base/buf.h"

enum weir_lane_size { WEIR_LANE_SMALL, WEIR_LANE_LARGE };
enum { WEIR_LANE_SIZES_COUNT = 2 };

enum {
    WEIR_LANE_ROOM = 4096, /* records that wait in one ring; a power of two */
    WEIR_LANE_SMALL_SIZE = 128,
    WEIR_LANE_LARGE_SIZE = 1024,
    WEIR_LANE_SMALL_MAX = 1 << 18, /* blocks of the process: 32 MiB */
    WEIR_LANE_LARGE_MAX = 1 << 16, /* 64 MiB */
};

struct weir_instrumentation;
struct weir_lane_record;

/* What a record is. */
struct weir_lane_class {
    bool is_log; /* else a span */
    enum weir_lane_size size;
    /* Bytes that `encode` appends at most. */
    size_t (*encoded_size)(const struct weir_lane_record *record);
    /* Appends the record as field 2 (`spans`, `log_records`) of its Scope… message. */
    void (*encode)(const struct weir_lane_record *record, struct weir_buf *buf);
    /* Frees what the record owns besides its block; NULL: nothing. */
    void (*done)(struct weir_lane_record *record);
};

/* The first member of what lies in a block. */
struct weir_lane_record {
    struct weir_lane_record *next; /* in free lists */
    const struct weir_lane_class *class;
    const struct weir_instrumentation *scope; /* tracer or logger that it came from */
};

struct weir_lane {
    /* the owning thread's */
    _Alignas(64) _Atomic uint32_t tail; /* records pushed so far */
    _Atomic uint64_t spans_started;     /* one writer, so plain adds through relaxed accesses */
    _Atomic uint64_t spans_unsampled, logs_emitted;
    _Atomic uint64_t spans_dropped_full, logs_dropped_full;
    _Atomic uint64_t spans_dropped_memory, logs_dropped_memory;
    struct weir_lane_free {
        struct weir_lane_record *first; /* records at hand */
        uint32_t count;
    } free[WEIR_LANE_SIZES_COUNT];
    /* the exporter's */
    _Alignas(64) _Atomic uint32_t head; /* records drained so far */
    /* guarded by the pool's lock */
    struct weir_lane *next; /* list of all lanes */
    bool orphan;            /* its thread has ended */
    struct weir_lane_record *slots[WEIR_LANE_ROOM];
};

/* Adds to one of the owner's counters. */
static inline void weir_lane_count(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* The calling thread's lane; NULL when memory is out. */
struct weir_lane *weir_lane_get(void);
/* A block of the class's size, with class and scope set and the rest as it was; NULL when memory is
 * out or too many are in use. Lane's owner. */
struct weir_lane_record *weir_lane_take(struct weir_lane *lane, const struct weir_lane_class *class,
                                        const struct weir_instrumentation *scope);
/* Back to the owner's free list, after the class's `done`. Lane's owner; the record may come from
 * another lane. */
void weir_lane_give(struct weir_lane *lane, struct weir_lane_record *record);
/* Hands the record to the exporter, waking it when the ring is half full. False when the ring is
 * full: the record stays the caller's. Lane's owner. */
bool weir_lane_push(struct weir_lane *lane, struct weir_lane_record *record);

/* Calls `take` for each record that waits in any lane. The exporter only. */
void weir_lanes_drain(void (*take)(void *arg, struct weir_lane_record *record), void *arg);
/* Back to the pools, `next`-linked, after each one's `done`. Any thread. */
void weir_lanes_give_back(struct weir_lane_record *list);
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
