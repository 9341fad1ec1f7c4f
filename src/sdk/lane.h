/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: how records get from the application's threads to the exporter without locks.
 *
 *     app thread ── take ─▶ record ── fill ─▶ push ─▶ [ring of its lane] ─▶ exporter drains ─▶ give
 *          ▲                                                                      │
 *          └──────── this lane's stock of records ◀── pool (32 at a time) ◀───────┘
 *
 * One lane per thread, with a ring for spans and a ring for logs, each with one producer and one
 * consumer. The rings are the batch processors' queues: a record waits there until a batch takes
 * it, and one that finds its ring full is dropped by the thread that made it.
 *
 * Records are fixed blocks of two sizes from pools that only grow, up to a limit: small ones for
 * spans whose shape is known (a Kafka send), large ones for those that hold whatever the
 * application adds (sdk/encoded.h). What a record is, only its class knows: the exporter asks it to
 * write itself as OTLP. Free blocks are never looked into: the exporter's processor wrote to none
 * of their lines, and the owner fetches the next one while it fills the present one.
 *
 * A record may be taken on one thread and pushed on another (taken by produce(), pushed by the
 * thread that got the acknowledgement). A thread that only pushes takes no lock and allocates
 * nothing, but for its first call, which makes its lane.
 *
 * When a thread ends its lane waits for the next new thread. After a fork the child keeps its own
 * lane and forgets what the parent still had to send.
 *
 * Accounts: every span that is started (spans_started) ends in exactly one of: pushed,
 * dropped_full, dropped_memory, dropped_closed, cancelled. Whoever ends it counts; the ring counts
 * pushes itself.
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
#include "base/rand.h"
#include "sdk/now.h"

enum weir_lane_size { WEIR_LANE_SMALL, WEIR_LANE_LARGE };
enum { WEIR_LANE_SIZES_COUNT = 2 };

enum {
    WEIR_LANE_ROOM = 1 << 16, /* most records that wait in one ring; a power of two */
    WEIR_LANE_SMALL_SIZE = 128,
    WEIR_LANE_LARGE_SIZE = 1024,
    WEIR_LANE_SMALL_MAX = 1 << 18, /* blocks of the process: 32 MiB */
    WEIR_LANE_LARGE_MAX = 1 << 16, /* 64 MiB */
    WEIR_LANE_SLAB = 32,           /* blocks per allocation, and per trip to the pool */
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
    struct weir_lane_record *next; /* the present owner's, to make a list */
    const struct weir_lane_class *class;
    const struct weir_instrumentation *scope; /* tracer or logger that it came from */
};

/* From one thread to the exporter. Positions only grow. */
struct weir_lane_ring {
    /* the owning thread's */
    _Alignas(64) _Atomic uint64_t tail; /* records pushed so far */
    _Atomic uint64_t look_at;           /* at this tail the owner has to look at head */
    struct weir_lane_record **slots;    /* WEIR_LANE_ROOM, of which mask + 1 are in use */
    _Atomic uint32_t mask;              /* changed only while the ring is empty */
    /* the exporter's */
    _Alignas(64) _Atomic uint64_t head; /* records drained so far */
    uint64_t mark;                      /* tail when a flush began */
};

struct weir_lane {
    /* the owning thread's; counters have one writer, so plain adds through relaxed accesses */
    _Atomic uint64_t spans_started; /* recorded ones */
    _Atomic uint64_t spans_unsampled, logs_emitted;
    _Atomic uint64_t spans_dropped_full, logs_dropped_full;
    _Atomic uint64_t spans_dropped_memory, logs_dropped_memory;
    _Atomic uint64_t spans_dropped_closed; /* ended when nothing took them any more */
    _Atomic uint64_t spans_cancelled;
    struct weir_rand rand; /* ids; seeded anew in a forked child */
    struct weir_now now;
    struct weir_lane_stock {
        uint32_t count;
        struct weir_lane_record *records[2 * WEIR_LANE_SLAB]; /* at hand */
    } stock[WEIR_LANE_SIZES_COUNT];
    struct weir_lane_ring rings[2]; /* by is_log */
    /* guarded by the pool's lock */
    struct weir_lane *next; /* list of all lanes */
    bool orphan;            /* its thread has ended */
};

/* Adds to one of the owner's counters. */
static inline void weir_lane_count(_Atomic uint64_t *counter) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* The calling thread's lane; NULL when memory is out. */
extern _Thread_local struct weir_lane *weir_lane_own
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
struct weir_lane *weir_lane_make(void); /* at a thread's first call */
static inline struct weir_lane *weir_lane_get(void) {
    return __builtin_expect(weir_lane_own != NULL, 1) ? weir_lane_own : weir_lane_make();
}

/* Fetches a line that is about to be written. */
static inline void weir_lane_prefetch(const char *line) {
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" ::"m"(*line));
#else
    __builtin_prefetch(line, 1);
#endif
}

/* A block of the class's size, with class and scope set and the rest as it was; NULL when memory is
 * out or too many are in use. Lane's owner. */
bool weir_lane_refill(struct weir_lane_stock *stock, enum weir_lane_size size);
static inline struct weir_lane_record *weir_lane_take(struct weir_lane *lane,
                                                      const struct weir_lane_class *class,
                                                      const struct weir_instrumentation *scope) {
    struct weir_lane_stock *stock = &lane->stock[class->size];
    if (__builtin_expect(!stock->count, 0) && !weir_lane_refill(stock, class->size)) return NULL;
    struct weir_lane_record *record = stock->records[--stock->count];
    if (stock->count) {
        const char *next = (const char *)stock->records[stock->count - 1];
        for (int line = 0; line < (class->size == WEIR_LANE_SMALL ? 2 : 6); line++)
            weir_lane_prefetch(next + line * 64);
    }
    record->class = class;
    record->scope = scope;
    return record;
}
/* Back to the owner's stock, after the class's `done`. Lane's owner, or NULL: straight to the pool.
 * The record may come from another lane. */
void weir_lane_give(struct weir_lane *lane, struct weir_lane_record *record);
/* Hands the record to the exporter, waking it when a batch may be complete. False when the ring is
 * full: the record stays the caller's. Lane's owner. */
bool weir_lane_look(struct weir_lane_ring *ring, bool is_log);
void weir_lane_push_log(struct weir_lane_ring *ring, uint64_t tail);
static inline bool weir_lane_push_kind(struct weir_lane *lane, struct weir_lane_record *record,
                                       bool is_log) {
    struct weir_lane_ring *ring = &lane->rings[is_log];
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (__builtin_expect(tail >= atomic_load_explicit(&ring->look_at, memory_order_relaxed), 0) &&
        !weir_lane_look(ring, is_log))
        return false;
    ring->slots[tail & atomic_load_explicit(&ring->mask, memory_order_relaxed)] = record;
    if (is_log)
        weir_lane_push_log(ring, tail + 1);
    else
        atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}
static inline bool weir_lane_push(struct weir_lane *lane, struct weir_lane_record *record) {
    return weir_lane_push_kind(lane, record, record->class->is_log);
}

/* How many records may wait in each ring of the kind, and how many make a batch. The exporter, as
 * it starts. */
void weir_lanes_limit_set(bool is_log, uint32_t waiting_max, uint32_t batch);
/* Takes up to `room` waiting records of the kind, each lane's oldest first, turn by turn; gives
 * their number. `marked`: only those from before weir_lanes_mark. The exporter only. */
uint32_t weir_lanes_drain(bool is_log, bool marked, struct weir_lane_record **to, uint32_t room);
/* Asks to be woken at the next log, once; false when some wait already. The exporter only. */
bool weir_lanes_call_me(void);
/* Begins a flush: marks what waits now. The exporter only. */
void weir_lanes_mark(void);
/* Records of the kind that wait. Any thread. */
uint64_t weir_lanes_waiting(bool is_log);
/* Back to the pools, after each one's `done`. Any thread. */
void weir_lanes_give_back(struct weir_lane_record **records, uint32_t count);
/* Sums of all lanes' counters. Any thread. */
struct weir_lane_sums {
    uint64_t spans_started, spans_unsampled, logs_emitted;
    uint64_t spans_dropped_full, logs_dropped_full, spans_dropped_memory, logs_dropped_memory;
    uint64_t spans_dropped_closed, spans_cancelled;
    uint64_t spans_open;    /* started, recorded and not ended */
    uint64_t spans_waiting; /* in the rings now */
    uint64_t logs_waiting;
};
void weir_lanes_sum(struct weir_lane_sums *ret);

/* Called by weir_lane_push when a ring may hold a batch; set once by the exporter. Must not
 * block. */
void weir_lanes_wake_set(void (*wake)(bool is_log));

/* Fork: the lock to hold across it, and what the child does (holding it). */
pthread_mutex_t *weir_lanes_lock(void);
void weir_lanes_forked(void);

#endif
