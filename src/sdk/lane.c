/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/lane.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLAB = 32,           /* blocks per allocation, and per trip to the pool */
    FREE_MAX = 3 * SLAB, /* records of a size that a lane keeps for itself */
};

static const size_t block_size[] = {WEIR_LANE_SMALL_SIZE, WEIR_LANE_LARGE_SIZE};
static const size_t blocks_max[] = {WEIR_LANE_SMALL_MAX, WEIR_LANE_LARGE_MAX};

static struct {
    pthread_mutex_t lock; /* guards all below but wake */
    struct weir_lane *lanes;
    struct weir_lane_record *free[WEIR_LANE_SIZES_COUNT];
    size_t blocks_count[WEIR_LANE_SIZES_COUNT];
    char *slabs; /* each begins with a pointer to the one before */
    void (*_Atomic wake)(void);
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct weir_lane *own;
static pthread_key_t own_key; /* only for its destructor */
static pthread_once_t own_once = PTHREAD_ONCE_INIT;
static bool own_key_made;

/* ── lanes ───────────────────────────────────────────────────────────────────────────────────── */

/* Call with the lock held. */
static void chain_to_pool(struct weir_lane_record *list, enum weir_lane_size size) {
    while (list) {
        struct weir_lane_record *next = list->next;
        list->next = pool.free[size];
        pool.free[size] = list;
        list = next;
    }
}

/* Call with the lock held. */
static void empty_lane(struct weir_lane *lane) {
    for (int size = 0; size < WEIR_LANE_SIZES_COUNT; size++) {
        chain_to_pool(lane->free[size].first, (enum weir_lane_size)size);
        lane->free[size] = (struct weir_lane_free){.first = NULL};
    }
    lane->orphan = true;
}

static void thread_ended(void *arg) {
    struct weir_lane *lane = arg;
    own = NULL;
    pthread_mutex_lock(&pool.lock);
    empty_lane(lane);
    pthread_mutex_unlock(&pool.lock);
}

static void make_key(void) {
    own_key_made = pthread_key_create(&own_key, thread_ended) == 0;
}

static struct weir_lane *adopt_or_make(void) {
    struct weir_lane *lane;
    pthread_mutex_lock(&pool.lock);
    for (lane = pool.lanes; lane && !lane->orphan; lane = lane->next) {
    }
    if (lane) {
        lane->orphan = false;
    } else if ((lane = aligned_alloc(64, sizeof *lane))) {
        memset(lane, 0, sizeof *lane);
        lane->next = pool.lanes;
        pool.lanes = lane;
    }
    pthread_mutex_unlock(&pool.lock);
    return lane;
}

static struct weir_lane *make_own(void) {
    pthread_once(&own_once, make_key);
    if (!own_key_made) return NULL;
    struct weir_lane *lane = adopt_or_make();
    if (!lane) return NULL;
    if (pthread_setspecific(own_key, lane) != 0) {
        thread_ended(lane);
        return NULL;
    }
    return own = lane;
}

struct weir_lane *weir_lane_get(void) {
    return __builtin_expect(own != NULL, 1) ? own : make_own();
}

bool weir_lane_push(struct weir_lane *lane, struct weir_lane_record *record) {
    uint32_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
    uint32_t waiting = tail - atomic_load_explicit(&lane->head, memory_order_acquire);
    if (waiting >= WEIR_LANE_ROOM) return false;
    lane->slots[tail % WEIR_LANE_ROOM] = record;
    atomic_store_explicit(&lane->tail, tail + 1, memory_order_release);
    if (__builtin_expect(waiting % (WEIR_LANE_ROOM / 8) == WEIR_LANE_ROOM / 8 - 1, 0)) {
        void (*wake)(void) = atomic_load_explicit(&pool.wake, memory_order_acquire);
        if (wake) wake();
    }
    return true;
}

static void drain(struct weir_lane *lane, void (*take)(void *arg, struct weir_lane_record *record),
                  void *arg) {
    uint32_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&lane->tail, memory_order_acquire);
    for (; head != tail; head++) {
        take(arg, lane->slots[head % WEIR_LANE_ROOM]);
        atomic_store_explicit(&lane->head, head + 1, memory_order_release);
    }
}

static struct weir_lane *first_lane(void) {
    pthread_mutex_lock(&pool.lock);
    struct weir_lane *lane = pool.lanes;
    pthread_mutex_unlock(&pool.lock);
    return lane; /* new lanes go in front: from here on the list does not change */
}

void weir_lanes_drain(void (*take)(void *arg, struct weir_lane_record *record), void *arg) {
    for (struct weir_lane *lane = first_lane(); lane; lane = lane->next) drain(lane, take, arg);
}

static uint64_t read_counter(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void weir_lanes_sum(struct weir_lane_sums *ret) {
    memset(ret, 0, sizeof *ret);
    for (const struct weir_lane *lane = first_lane(); lane; lane = lane->next) {
        ret->spans_started += read_counter(&lane->spans_started);
        ret->spans_unsampled += read_counter(&lane->spans_unsampled);
        ret->logs_emitted += read_counter(&lane->logs_emitted);
        ret->spans_dropped_full += read_counter(&lane->spans_dropped_full);
        ret->logs_dropped_full += read_counter(&lane->logs_dropped_full);
        ret->spans_dropped_memory += read_counter(&lane->spans_dropped_memory);
        ret->logs_dropped_memory += read_counter(&lane->logs_dropped_memory);
        ret->records_waiting += atomic_load_explicit(&lane->tail, memory_order_relaxed) -
                                atomic_load_explicit(&lane->head, memory_order_relaxed);
    }
}

void weir_lanes_wake_set(void (*wake)(void)) {
    atomic_store_explicit(&pool.wake, wake, memory_order_release);
}

/* ── records ─────────────────────────────────────────────────────────────────────────────────── */

/* Call with the lock held. */
static void grow_pool(enum weir_lane_size size) {
    size_t block = block_size[size], head = 64;
    if (pool.blocks_count[size] + SLAB > blocks_max[size]) return;
    char *slab = aligned_alloc(64, head + SLAB * block);
    if (!slab) return;
    memcpy(slab, &pool.slabs, sizeof pool.slabs);
    pool.slabs = slab;
    pool.blocks_count[size] += SLAB;
    for (int i = SLAB - 1; i >= 0; i--) {
        struct weir_lane_record *record = (void *)(slab + head + (size_t)i * block);
        record->next = pool.free[size];
        pool.free[size] = record;
    }
}

static void refill(struct weir_lane_free *free, enum weir_lane_size size) {
    pthread_mutex_lock(&pool.lock);
    if (!pool.free[size]) grow_pool(size);
    while (pool.free[size] && free->count < SLAB) {
        struct weir_lane_record *record = pool.free[size];
        pool.free[size] = record->next;
        record->next = free->first;
        free->first = record;
        free->count++;
    }
    pthread_mutex_unlock(&pool.lock);
}

struct weir_lane_record *weir_lane_take(struct weir_lane *lane, const struct weir_lane_class *class,
                                        const struct weir_instrumentation *scope) {
    struct weir_lane_free *free = &lane->free[class->size];
    if (__builtin_expect(!free->first, 0)) refill(free, class->size);
    struct weir_lane_record *record = free->first;
    if (!record) return NULL;
    free->first = record->next;
    free->count--;
    record->class = class;
    record->scope = scope;
    return record;
}

void weir_lane_give(struct weir_lane *lane, struct weir_lane_record *record) {
    const struct weir_lane_class *class = record->class;
    struct weir_lane_free *free = &lane->free[class->size];
    if (class->done) class->done(record);
    record->next = free->first;
    free->first = record;
    if (++free->count < FREE_MAX) return;
    pthread_mutex_lock(&pool.lock);
    chain_to_pool(free->first, class->size);
    pthread_mutex_unlock(&pool.lock);
    *free = (struct weir_lane_free){.first = NULL};
}

void weir_lanes_give_back(struct weir_lane_record *list) {
    for (struct weir_lane_record *record = list; record; record = record->next)
        if (record->class->done) record->class->done(record);
    pthread_mutex_lock(&pool.lock);
    while (list) {
        struct weir_lane_record *next = list->next;
        list->next = NULL;
        chain_to_pool(list, list->class->size);
        list = next;
    }
    pthread_mutex_unlock(&pool.lock);
}

/* ── fork ────────────────────────────────────────────────────────────────────────────────────── */

pthread_mutex_t *weir_lanes_lock(void) {
    return &pool.lock;
}

static void forget(void *arg, struct weir_lane_record *record) {
    (void)arg;
    if (record->class->done) record->class->done(record);
    record->next = NULL;
    chain_to_pool(record, record->class->size);
}

void weir_lanes_forked(void) {
    for (struct weir_lane *lane = pool.lanes; lane; lane = lane->next) {
        drain(lane, forget, NULL);
        if (lane == own) continue;
        empty_lane(lane); /* its thread is not here */
    }
}
