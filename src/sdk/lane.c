/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/lane.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLAB = 32,           /* blocks per allocation, and per trip to the pool */
    FREE_MAX = 3 * SLAB, /* records that a lane keeps for itself */
};

static struct {
    pthread_mutex_t lock; /* guards all below but wake */
    struct weir_lane *lanes;
    struct weir_record *free;
    struct slab *slabs;
    size_t records_count;
    void (*_Atomic wake)(void);
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct slab {
    _Alignas(64) struct slab *next;
    _Alignas(64) char blocks[SLAB][WEIR_RECORD_BLOCK_SIZE];
};

static _Thread_local struct weir_lane *own;
static pthread_key_t own_key; /* only for its destructor */
static pthread_once_t own_once = PTHREAD_ONCE_INIT;
static bool own_key_made;

/* ── lanes ───────────────────────────────────────────────────────────────────────────────────── */

static void chain_to_pool(struct weir_record *list) {
    while (list) {
        struct weir_record *next = list->next;
        list->next = pool.free;
        pool.free = list;
        list = next;
    }
}

static void thread_ended(void *arg) {
    struct weir_lane *lane = arg;
    own = NULL;
    pthread_mutex_lock(&pool.lock);
    chain_to_pool(lane->free);
    lane->free = NULL;
    lane->free_count = 0;
    lane->orphan = true;
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

bool weir_lane_push(struct weir_lane *lane, struct weir_record *record) {
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

static void drain(struct weir_lane *lane, void (*take)(void *arg, struct weir_record *record),
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

void weir_lanes_drain(void (*take)(void *arg, struct weir_record *record), void *arg) {
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
static void grow_pool(void) {
    if (pool.records_count + SLAB > WEIR_RECORDS_MAX) return;
    struct slab *slab = aligned_alloc(64, sizeof *slab);
    if (!slab) return;
    slab->next = pool.slabs;
    pool.slabs = slab;
    pool.records_count += SLAB;
    for (int i = 0; i < SLAB; i++) {
        struct weir_record *record = (void *)slab->blocks[i];
        record->data = weir_record_inline(record);
        record->next = pool.free;
        pool.free = record;
    }
}

static void refill(struct weir_lane *lane) {
    pthread_mutex_lock(&pool.lock);
    if (!pool.free) grow_pool();
    while (pool.free && lane->free_count < SLAB) {
        struct weir_record *record = pool.free;
        pool.free = record->next;
        record->next = lane->free;
        lane->free = record;
        lane->free_count++;
    }
    pthread_mutex_unlock(&pool.lock);
}

struct weir_record *weir_record_take(struct weir_lane *lane) {
    if (__builtin_expect(!lane->free, 0)) refill(lane);
    struct weir_record *record = lane->free;
    if (!record) return NULL;
    lane->free = record->next;
    lane->free_count--;
    record->size = 0;
    record->room = WEIR_RECORD_INLINE_SIZE;
    return record;
}

static void forget_data(struct weir_record *record) {
    if (record->data != weir_record_inline(record)) free(record->data);
    record->data = weir_record_inline(record);
}

void weir_record_give(struct weir_lane *lane, struct weir_record *record) {
    forget_data(record);
    record->next = lane->free;
    lane->free = record;
    if (++lane->free_count < FREE_MAX) return;
    pthread_mutex_lock(&pool.lock);
    chain_to_pool(lane->free);
    pthread_mutex_unlock(&pool.lock);
    lane->free = NULL;
    lane->free_count = 0;
}

void weir_records_give_back(struct weir_record *list) {
    for (struct weir_record *record = list; record; record = record->next) forget_data(record);
    pthread_mutex_lock(&pool.lock);
    chain_to_pool(list);
    pthread_mutex_unlock(&pool.lock);
}

uint8_t *weir_record_reserve(struct weir_record *record, size_t size) {
    if (__builtin_expect(size <= record->room - record->size, 1))
        return record->data + record->size;
    if (size > WEIR_RECORD_DATA_SIZE_MAX - record->size) return NULL;
    size_t room = record->room;
    while (room - record->size < size) room *= 2;
    bool is_inline = record->data == weir_record_inline(record);
    uint8_t *data = realloc(is_inline ? NULL : record->data, room);
    if (!data) return NULL;
    if (is_inline) memcpy(data, weir_record_inline(record), record->size);
    record->data = data;
    record->room = (uint32_t)room;
    return data + record->size;
}

/* ── fork ────────────────────────────────────────────────────────────────────────────────────── */

pthread_mutex_t *weir_lanes_lock(void) {
    return &pool.lock;
}

static void forget(void *arg, struct weir_record *record) {
    (void)arg;
    forget_data(record);
    record->next = pool.free;
    pool.free = record;
}

void weir_lanes_forked(void) {
    for (struct weir_lane *lane = pool.lanes; lane; lane = lane->next) {
        drain(lane, forget, NULL);
        if (lane == own) continue;
        chain_to_pool(lane->free); /* its thread is not here */
        lane->free = NULL;
        lane->free_count = 0;
        lane->orphan = true;
    }
}
