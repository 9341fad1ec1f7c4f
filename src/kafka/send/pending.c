/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/send/pending.h"

#include "kafka/metrics.h"

enum { BUSY = 1 /* a slot's key while it is being freed */ };

/* Never 0 or BUSY: bit 63 is set. 24 bits of topic, 23 of partition + 1, 16 of the error. */
static uint64_t pack(struct weir_kafka_pending_key key) {
    return UINT64_C(1) << 63 | (uint64_t)(key.topic & 0xFFFFFF) << 39 |
           (uint64_t)((uint32_t)(key.partition + 1) & 0x7FFFFF) << 16 | (uint16_t)key.err;
}

static struct weir_kafka_pending_key unpack(uint64_t key) {
    return (struct weir_kafka_pending_key){.topic = (uint32_t)(key >> 39) & 0xFFFFFF,
                                           .partition = (int32_t)(key >> 16 & 0x7FFFFF) - 1,
                                           .err = (int16_t)key};
}

static void raise_to(_Atomic int64_t *to, int64_t value) {
    int64_t old = atomic_load(to);
    while (value > old && !atomic_compare_exchange_weak(to, &old, value)) {
    }
}

static void add_to(struct weir_kafka_pending_slot *slot, int64_t ns) {
    double seconds = (double)ns / 1e9;
    unsigned bucket = 0;
    while (bucket < weir_kafka_bounds_count && seconds > weir_kafka_bounds[bucket]) bucket++;
    atomic_fetch_add(&slot->buckets[bucket], 1);
    atomic_fetch_add(&slot->sum_ns, (uint64_t)ns);
    raise_to(&slot->below_ns, INT64_MAX - ns);
    raise_to(&slot->max_ns, ns);
    atomic_fetch_add(&slot->count, 1);
}

/* A slot is only freed while nobody looks at it: users and key are in one order for all threads. */
static bool try_add(struct weir_kafka_pending_slot *slot, uint64_t key, int64_t ns) {
    uint64_t found = atomic_load(&slot->key);
    if (found && found != key) return false;
    atomic_fetch_add(&slot->users, 1);
    found = 0;
    bool ours = atomic_compare_exchange_strong(&slot->key, &found, key) || found == key;
    if (ours) add_to(slot, ns);
    atomic_fetch_sub(&slot->users, 1);
    return ours;
}

bool weir_kafka_pending_add(struct weir_kafka_pending *pending, struct weir_kafka_pending_key key,
                            int64_t ns) {
    uint64_t packed = pack(key), hash = packed * 0x9e3779b97f4a7c15u >> 32;
    for (unsigned i = 0; i < WEIR_KAFKA_PENDING_SLOTS; i++)
        if (try_add(&pending->slots[(hash + i) % WEIR_KAFKA_PENDING_SLOTS], packed, ns)) {
            if (!atomic_load_explicit(&pending->any, memory_order_relaxed))
                atomic_store(&pending->any, true);
            return true;
        }
    return false;
}

static bool take(struct weir_kafka_pending_slot *slot, struct weir_kafka_pending_sum *ret) {
    uint64_t key = atomic_load(&slot->key), locked = key;
    if (!key || !atomic_compare_exchange_strong(&slot->key, &locked, BUSY)) return false;
    if (atomic_load(&slot->users)) { /* the next time, then */
        atomic_store(&slot->key, key);
        return false;
    }
    ret->key = unpack(key);
    ret->count = atomic_exchange(&slot->count, 0);
    ret->sum = (double)atomic_exchange(&slot->sum_ns, 0) / 1e9;
    ret->min = (double)(INT64_MAX - atomic_exchange(&slot->below_ns, 0)) / 1e9;
    ret->max = (double)atomic_exchange(&slot->max_ns, 0) / 1e9;
    for (unsigned i = 0; i < WEIR_KAFKA_PENDING_BUCKETS; i++)
        ret->buckets[i] = atomic_exchange(&slot->buckets[i], 0);
    atomic_store(&slot->key, 0);
    return ret->count > 0;
}

void weir_kafka_pending_drain(struct weir_kafka_pending *pending,
                              void (*visit)(void *arg, const struct weir_kafka_pending_sum *sum),
                              void *arg) {
    struct weir_kafka_pending_sum sum;
    if (!atomic_exchange(&pending->any, false)) return;
    for (unsigned i = 0; i < WEIR_KAFKA_PENDING_SLOTS; i++) {
        if (take(&pending->slots[i], &sum)) visit(arg, &sum);
        if (atomic_load(&pending->slots[i].key)) atomic_store(&pending->any, true);
    }
}
