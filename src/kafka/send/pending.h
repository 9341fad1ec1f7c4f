/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements whose series is not there yet: kept by librdkafka's threads, which make none, until
 * the exporter's tick makes the series and hands them over.
 *
 * A slot belongs to one topic, partition and error while it is in use, and adds up.
 *
 * Threads: add any, without lock or allocation; drain one at a time.
 */
#ifndef WEIR_KAFKA_SEND_PENDING_H
#define WEIR_KAFKA_SEND_PENDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { WEIR_KAFKA_PENDING_SLOTS = 256, WEIR_KAFKA_PENDING_BUCKETS = 15 };

struct weir_kafka_pending_key {
    uint32_t topic;    /* its number, from 0 on */
    int32_t partition; /* -1: none */
    int err;           /* rd_kafka_resp_err_t */
};

/* Zeroed it is empty. */
struct weir_kafka_pending {
    struct weir_kafka_pending_slot {
        _Atomic uint64_t key;   /* 0: free */
        _Atomic uint32_t users; /* that look at it just now */
        _Atomic uint64_t count, sum_ns;
        _Atomic int64_t below_ns, max_ns; /* INT64_MAX less the least; the greatest */
        _Atomic uint64_t buckets[WEIR_KAFKA_PENDING_BUCKETS]; /* of weir_kafka_bounds */
    } slots[WEIR_KAFKA_PENDING_SLOTS];
    atomic_bool any; /* something was added since the last drain */
};

/* What one key has added up to. */
struct weir_kafka_pending_sum {
    struct weir_kafka_pending_key key;
    uint64_t count, buckets[WEIR_KAFKA_PENDING_BUCKETS];
    double sum, min, max; /* seconds */
};

/* False: all slots are others'. `ns` >= 0. */
bool weir_kafka_pending_add(struct weir_kafka_pending *pending, struct weir_kafka_pending_key key,
                            int64_t ns);
/* Gives each key's sum, once, and frees its slot. */
void weir_kafka_pending_drain(struct weir_kafka_pending *pending,
                              void (*visit)(void *arg, const struct weir_kafka_pending_sum *sum),
                              void *arg);

#endif
