/* SPDX-License-Identifier: Apache-2.0 */
/* What a producer knows of its topics: labels of their spans, and series per partition and error.
 *
 *     key (librdkafka's topic object, or a hash) ─▶ topic ─ partition ─▶ part ─ error ─▶ two series
 *
 * The application's thread makes a topic when it first sends to it. librdkafka's threads count into
 * parts that are there; what they miss goes through `pending` and is there after the next tick.
 * Nothing that a thread may look at is changed or freed before the producer's end.
 *
 * Threads: find and count any, without lock or allocation; get takes a lock; tick the exporter's.
 * Memory: as the producer; at most WEIR_KAFKA_TOPICS_MAX, all others share one without a name.
 */
#ifndef WEIR_KAFKA_SEND_TOPIC_H
#define WEIR_KAFKA_SEND_TOPIC_H

#include <string.h>

#include "kafka/client.h"
#include "kafka/send/pending.h"
#include "kafka/send/record.h"

enum { WEIR_KAFKA_TOPICS_MAX = 4096 };

struct weir_kafka_failed { /* series of one error */
    struct weir_kafka_failed *next;
    int err;
    struct weir_series *sent, *duration;
};

struct weir_kafka_part { /* one partition */
    struct weir_series *sent, *duration;
    _Atomic(struct weir_kafka_failed *) failed; /* a list that only grows */
    _Atomic uint32_t acks;                      /* about so many; its broker's thread counts */
};

struct weir_kafka_parts {
    struct weir_kafka_parts *before; /* smaller, still looked at by someone */
    uint32_t count;
    _Atomic(struct weir_kafka_part *) at[]; /* [partition + 1]; NULL: not there yet */
};

struct weir_kafka_topic {
    char *name; /* "": all that are too many */
    uint32_t number;
    bool observed, propagates;            /* the settings' words on it */
    const struct weir_kafka_label *label; /* NULL: memory is out, or there are too many */
    atomic_bool exact; /* its messages' timestamps are not the times of their sends */
    _Atomic(struct weir_kafka_parts *) parts;
};

struct weir_kafka_topic_slot {
    _Atomic(const void *) key; /* NULL: free; never changes */
    _Atomic(struct weir_kafka_topic *) topic;
};

struct weir_kafka_topic_table {
    struct weir_kafka_topic_table *before; /* smaller, still looked at by someone */
    uint32_t mask, used;
    struct weir_kafka_topic_slot slots[];
};

struct weir_kafka_topics {
    struct weir_kafka_client *client; /* borrowed */
    _Atomic(struct weir_kafka_topic_table *) table;
    struct weir_kafka_pending pending;
    atomic_bool waking;   /* the exporter's thread was told that something is pending */
    pthread_mutex_t lock; /* guards what follows, and whoever makes something */
    struct weir_kafka_topic *topics[WEIR_KAFKA_TOPICS_MAX]; /* by number; 0 has no name */
    uint32_t count;
    /* What finds no room in `pending` is counted without topic and partition. */
    struct weir_kafka_part *rest;
    struct weir_kafka_failed rest_failed;
};

/* NULL: out of memory. The client outlives it. */
struct weir_kafka_topics *weir_kafka_topics_new(struct weir_kafka_client *client);
/* Takes NULL. */
void weir_kafka_topics_free(struct weir_kafka_topics *topics);

/* The topic of that key if it has that name; NULL: get makes it. */
static inline struct weir_kafka_topic *weir_kafka_topic_find(const struct weir_kafka_topics *topics,
                                                             const void *key, const char *name) {
    const struct weir_kafka_topic_table *table =
        atomic_load_explicit(&topics->table, memory_order_acquire);
    uint32_t at = (uint32_t)((uintptr_t)key >> 6 ^ (uintptr_t)key >> 14) & table->mask;
    for (;; at = (at + 1) & table->mask) {
        const struct weir_kafka_topic_slot *slot = &table->slots[at];
        const void *found = atomic_load_explicit(&slot->key, memory_order_acquire);
        if (!found) return NULL;
        if (found != key) continue;
        struct weir_kafka_topic *topic = atomic_load_explicit(&slot->topic, memory_order_acquire);
        return strcmp(topic->name, name) == 0 ? topic : NULL;
    }
}
/* Finds or makes it, or gives the one without a name. */
struct weir_kafka_topic *weir_kafka_topic_get(struct weir_kafka_topics *topics, const void *key,
                                              const char *name);
/* The one without a name. */
static inline struct weir_kafka_topic *weir_kafka_topic_other(
    const struct weir_kafka_topics *topics) {
    return topics->topics[0];
}
/* A key for those that have only the name. */
const void *weir_kafka_topic_key(const char *name);

/* The partition's part, if it is there. */
static inline struct weir_kafka_part *weir_kafka_part_find(const struct weir_kafka_topic *topic,
                                                           int32_t partition) {
    const struct weir_kafka_parts *parts =
        atomic_load_explicit(&topic->parts, memory_order_acquire);
    uint32_t at = (uint32_t)partition + 1;
    return at < parts->count ? atomic_load_explicit(&parts->at[at], memory_order_acquire) : NULL;
}

/* Counts one message, and its duration: partition -1: none; `exemplar` may be NULL. */
void weir_kafka_topic_count(struct weir_kafka_topics *topics, struct weir_kafka_topic *topic,
                            int32_t partition, int err, int64_t duration_ns,
                            const struct weir_span_context *exemplar);
/* Makes the series that were missed, with what was counted meanwhile. */
void weir_kafka_topics_tick(struct weir_kafka_topics *topics);

#endif
