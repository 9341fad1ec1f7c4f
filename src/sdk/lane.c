/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/lane.h"

#include <stdlib.h>
#include <string.h>

enum { TURN = 512 /* records that are taken from one lane before the next has its turn */ };

static const size_t block_size[] = {WEIR_LANE_SMALL_SIZE, WEIR_LANE_LARGE_SIZE};
static struct weir_lane_record *free_small[WEIR_LANE_SMALL_MAX], *free_large[WEIR_LANE_LARGE_MAX];

static struct {
    pthread_mutex_t lock; /* guards all below but the atomics */
    struct weir_lane *_Atomic lanes;
    struct stack { /* of free blocks; room for all that there can be */
        struct weir_lane_record **blocks;
        size_t count, made, max;
    } stacks[WEIR_LANE_SIZES_COUNT];
    char *slabs; /* each begins with a pointer to the one before */
    _Atomic uint32_t waiting_max[2], batch[2];
    atomic_bool call; /* the exporter sleeps until the next log */
    void (*_Atomic wake)(bool is_log);
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .stacks = {{.blocks = free_small, .max = WEIR_LANE_SMALL_MAX},
                     {.blocks = free_large, .max = WEIR_LANE_LARGE_MAX}},
          .waiting_max = {2048, 2048},
          .batch = {512, 512}};

_Thread_local struct weir_lane *weir_lane_own;
static pthread_key_t own_key; /* only for its destructor */
static pthread_once_t own_once = PTHREAD_ONCE_INIT;
static bool own_key_made;

/* ── lanes ───────────────────────────────────────────────────────────────────────────────────── */

/* Call with the lock held. */
static void to_stack(enum weir_lane_size size, struct weir_lane_record *const *records,
                     size_t count) {
    struct stack *stack = &pool.stacks[size];
    if (count) memcpy(stack->blocks + stack->count, records, count * sizeof *records);
    stack->count += count;
}

/* Call with the lock held. */
static void empty_lane(struct weir_lane *lane) {
    for (int size = 0; size < WEIR_LANE_SIZES_COUNT; size++) {
        to_stack((enum weir_lane_size)size, lane->stock[size].records, lane->stock[size].count);
        lane->stock[size].count = 0;
    }
    lane->orphan = true;
}

static void thread_ended(void *arg) {
    struct weir_lane *lane = arg;
    weir_lane_own = NULL;
    pthread_mutex_lock(&pool.lock);
    empty_lane(lane);
    pthread_mutex_unlock(&pool.lock);
}

static void make_key(void) {
    own_key_made = pthread_key_create(&own_key, thread_ended) == 0;
}

/* The slots are not touched before they are used: most of them never cost memory. */
static struct weir_lane *make_lane(void) {
    struct weir_lane_record **slots = malloc(2 * WEIR_LANE_ROOM * sizeof *slots);
    struct weir_lane *lane = slots ? aligned_alloc(64, sizeof *lane) : NULL;
    if (!lane) {
        free(slots);
        return NULL;
    }
    memset(lane, 0, sizeof *lane);
    lane->rings[0].slots = slots;
    lane->rings[1].slots = slots + WEIR_LANE_ROOM;
    return lane;
}

static struct weir_lane *adopt_or_make(void) {
    struct weir_lane *lane;
    pthread_mutex_lock(&pool.lock);
    for (lane = pool.lanes; lane && !lane->orphan; lane = lane->next) {
    }
    if (lane) {
        lane->orphan = false;
    } else if ((lane = make_lane())) {
        lane->next = pool.lanes;
        atomic_store_explicit(&pool.lanes, lane, memory_order_release);
    }
    pthread_mutex_unlock(&pool.lock);
    return lane;
}

struct weir_lane *weir_lane_make(void) {
    pthread_once(&own_once, make_key);
    if (!own_key_made) return NULL;
    struct weir_lane *lane = adopt_or_make();
    if (!lane) return NULL;
    if (pthread_setspecific(own_key, lane) != 0) {
        thread_ended(lane);
        return NULL;
    }
    weir_rand_init(&lane->rand, weir_rand_u64());
    return weir_lane_own = lane;
}

/* New lanes go in front: from the first one on the list does not change. */
static struct weir_lane *first_lane(void) {
    return atomic_load_explicit(&pool.lanes, memory_order_acquire);
}

/* ── rings ───────────────────────────────────────────────────────────────────────────────────── */

static uint32_t mask_for(uint32_t waiting_max) {
    uint32_t size = 1;
    while (size < waiting_max && size < WEIR_LANE_ROOM) size *= 2;
    return size - 1;
}

/* Whether there is room for one more record; wakes the exporter if it has enough to do. */
bool weir_lane_look(struct weir_lane_ring *ring, bool is_log) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t waiting = tail - atomic_load_explicit(&ring->head, memory_order_acquire);
    uint32_t max = atomic_load_explicit(&pool.waiting_max[is_log], memory_order_relaxed);
    uint32_t batch = atomic_load_explicit(&pool.batch[is_log], memory_order_relaxed);
    if (!waiting) /* the exporter looks at no slot: the size may change */
        atomic_store_explicit(&ring->mask, mask_for(max), memory_order_relaxed);
    uint32_t size = atomic_load_explicit(&ring->mask, memory_order_relaxed) + 1;
    if (max > size) max = size;
    uint32_t enough = batch < max - max / 2 ? batch : max - max / 2;
    if (waiting >= enough) {
        void (*wake)(bool) = atomic_load_explicit(&pool.wake, memory_order_acquire);
        if (wake) wake(is_log);
    }
    if (waiting >= max) return false;
    uint64_t step = waiting < enough ? enough - waiting : enough / 2 + 1;
    if (step > max - waiting) step = max - waiting;
    atomic_store_explicit(&ring->look_at, tail + step, memory_order_relaxed);
    return true;
}

/* In one order with weir_lanes_call_me: one of the two sees what the other has written. */
void weir_lane_push_log(struct weir_lane_ring *ring, uint64_t tail) {
    atomic_store_explicit(&ring->tail, tail, memory_order_seq_cst);
    if (!atomic_load_explicit(&pool.call, memory_order_seq_cst) ||
        !atomic_exchange_explicit(&pool.call, false, memory_order_relaxed))
        return;
    void (*wake)(bool) = atomic_load_explicit(&pool.wake, memory_order_acquire);
    if (wake) wake(true);
}

bool weir_lanes_call_me(void) {
    atomic_store_explicit(&pool.call, true, memory_order_seq_cst);
    if (!weir_lanes_waiting(true)) return true;
    atomic_store_explicit(&pool.call, false, memory_order_relaxed);
    return false;
}

/* Takes up to `room` of one ring's oldest, none from `end` on. */
static uint32_t drain(struct weir_lane_ring *ring, uint64_t end, struct weir_lane_record **to,
                      uint32_t room) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t mask = atomic_load_explicit(&ring->mask, memory_order_relaxed), count = 0;
    while (count < room && head < end) to[count++] = ring->slots[head++ & mask];
    atomic_store_explicit(&ring->head, head, memory_order_release);
    return count;
}

uint32_t weir_lanes_drain(bool is_log, bool marked, struct weir_lane_record **to, uint32_t room) {
    uint32_t count = 0, before;
    do {
        before = count;
        for (struct weir_lane *lane = first_lane(); lane && count < room; lane = lane->next) {
            struct weir_lane_ring *ring = &lane->rings[is_log];
            uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
            uint32_t most = room - count < TURN ? room - count : TURN;
            count += drain(ring, marked && ring->mark < tail ? ring->mark : tail, to + count, most);
        }
    } while (count > before && count < room);
    return count;
}

void weir_lanes_mark(void) {
    for (struct weir_lane *lane = first_lane(); lane; lane = lane->next)
        for (int i = 0; i < 2; i++)
            lane->rings[i].mark = atomic_load_explicit(&lane->rings[i].tail, memory_order_acquire);
}

static uint64_t waiting_in(const struct weir_lane_ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    return atomic_load_explicit(&ring->tail, memory_order_seq_cst) - head;
}

uint64_t weir_lanes_waiting(bool is_log) {
    uint64_t sum = 0;
    for (const struct weir_lane *lane = first_lane(); lane; lane = lane->next)
        sum += waiting_in(&lane->rings[is_log]);
    return sum;
}

void weir_lanes_limit_set(bool is_log, uint32_t waiting_max, uint32_t batch) {
    atomic_store_explicit(&pool.waiting_max[is_log], waiting_max, memory_order_relaxed);
    atomic_store_explicit(&pool.batch[is_log], batch, memory_order_relaxed);
    for (struct weir_lane *lane = first_lane(); lane; lane = lane->next)
        atomic_store_explicit(&lane->rings[is_log].look_at, 0, memory_order_relaxed);
}

void weir_lanes_wake_set(void (*wake)(bool is_log)) {
    atomic_store_explicit(&pool.wake, wake, memory_order_release);
}

/* ── counters ────────────────────────────────────────────────────────────────────────────────── */

static uint64_t read_counter(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void weir_lanes_sum(struct weir_lane_sums *ret) {
    uint64_t ended = 0;
    memset(ret, 0, sizeof *ret);
    for (const struct weir_lane *lane = first_lane(); lane; lane = lane->next) {
        ret->spans_waiting += waiting_in(&lane->rings[0]);
        ret->logs_waiting += waiting_in(&lane->rings[1]);
        ended += read_counter(&lane->rings[0].tail);
        ret->spans_unsampled += read_counter(&lane->spans_unsampled);
        ret->logs_emitted += read_counter(&lane->logs_emitted);
        ret->spans_dropped_full += read_counter(&lane->spans_dropped_full);
        ret->logs_dropped_full += read_counter(&lane->logs_dropped_full);
        ret->spans_dropped_memory += read_counter(&lane->spans_dropped_memory);
        ret->logs_dropped_memory += read_counter(&lane->logs_dropped_memory);
        ret->spans_dropped_closed += read_counter(&lane->spans_dropped_closed);
        ret->spans_cancelled += read_counter(&lane->spans_cancelled);
    }
    /* Last, so that a span that starts meanwhile is rather open than ended before it began. */
    for (const struct weir_lane *lane = first_lane(); lane; lane = lane->next)
        ret->spans_started += read_counter(&lane->spans_started);
    ended += ret->spans_dropped_full + ret->spans_dropped_memory + ret->spans_dropped_closed +
             ret->spans_cancelled;
    ret->spans_open = ret->spans_started > ended ? ret->spans_started - ended : 0;
}

/* ── records ─────────────────────────────────────────────────────────────────────────────────── */

/* Call with the lock held. */
static void grow(enum weir_lane_size size) {
    struct stack *stack = &pool.stacks[size];
    size_t block = block_size[size], head = 64;
    if (stack->made + WEIR_LANE_SLAB > stack->max) return;
    char *slab = aligned_alloc(64, head + WEIR_LANE_SLAB * block);
    if (!slab) return;
    memcpy(slab, &pool.slabs, sizeof pool.slabs);
    pool.slabs = slab;
    stack->made += WEIR_LANE_SLAB;
    for (size_t i = WEIR_LANE_SLAB; i-- > 0;)
        stack->blocks[stack->count++] = (void *)(slab + head + i * block);
}

bool weir_lane_refill(struct weir_lane_stock *stock, enum weir_lane_size size) {
    pthread_mutex_lock(&pool.lock);
    struct stack *from = &pool.stacks[size];
    if (!from->count) grow(size);
    uint32_t count = from->count < WEIR_LANE_SLAB ? (uint32_t)from->count : WEIR_LANE_SLAB;
    from->count -= count;
    memcpy(stock->records, from->blocks + from->count, count * sizeof *stock->records);
    pthread_mutex_unlock(&pool.lock);
    stock->count = count;
    return count > 0;
}

void weir_lane_give(struct weir_lane *lane, struct weir_lane_record *record) {
    if (!lane) {
        weir_lanes_give_back(&record, 1);
        return;
    }
    enum weir_lane_size size = record->class->size;
    struct weir_lane_stock *stock = &lane->stock[size];
    if (record->class->done) record->class->done(record);
    if (stock->count == 2 * WEIR_LANE_SLAB) {
        stock->count -= WEIR_LANE_SLAB;
        pthread_mutex_lock(&pool.lock);
        to_stack(size, stock->records + stock->count, WEIR_LANE_SLAB);
        pthread_mutex_unlock(&pool.lock);
    }
    stock->records[stock->count++] = record;
}

void weir_lanes_give_back(struct weir_lane_record **records, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (records[i]->class->done) records[i]->class->done(records[i]);
    pthread_mutex_lock(&pool.lock);
    for (uint32_t i = 0, run; i < count; i += run) {
        enum weir_lane_size size = records[i]->class->size;
        for (run = 1; i + run < count && records[i + run]->class->size == size;) run++;
        to_stack(size, records + i, run);
    }
    pthread_mutex_unlock(&pool.lock);
}

/* ── fork ────────────────────────────────────────────────────────────────────────────────────── */

pthread_mutex_t *weir_lanes_lock(void) {
    return &pool.lock;
}

static void forget(struct weir_lane_ring *ring) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    struct weir_lane_record *record;
    while (drain(ring, tail, &record, 1)) {
        if (record->class->done) record->class->done(record);
        to_stack(record->class->size, &record, 1);
    }
    atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->look_at, 0, memory_order_relaxed);
    ring->mark = 0;
}

static void reset_counters(struct weir_lane *lane) {
    _Atomic uint64_t *const all[] = {
        &lane->spans_started,       &lane->spans_unsampled,      &lane->logs_emitted,
        &lane->spans_dropped_full,  &lane->logs_dropped_full,    &lane->spans_dropped_memory,
        &lane->logs_dropped_memory, &lane->spans_dropped_closed, &lane->spans_cancelled};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        atomic_store_explicit(all[i], 0, memory_order_relaxed);
}

/* Spans that were open are open in the child, too; all else is counted from zero. */
void weir_lanes_forked(void) {
    struct weir_lane_sums sums;
    weir_lanes_sum(&sums);
    for (struct weir_lane *lane = first_lane(); lane; lane = lane->next) {
        forget(&lane->rings[0]);
        forget(&lane->rings[1]);
        reset_counters(lane);
        if (!lane->next)
            atomic_store_explicit(&lane->spans_started, sums.spans_open, memory_order_relaxed);
        if (lane == weir_lane_own)
            weir_rand_init(&lane->rand, weir_rand_seed());
        else
            empty_lane(lane); /* its thread is not here */
    }
}
