/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/send/topic.h"

#include <stdlib.h>

#include "kafka/names.h"
#include "sdk/exporter.h"
#include "sdk/metric.h"
#include "sdk/series.h"

enum { TABLE_MIN = 64, PARTS_MIN = 16, PARTITIONS_MAX = 65535, ERR_OTHER = INT16_MAX };

/* ── parts ───────────────────────────────────────────────────────────────────────────────────── */

static const char *name_of(const struct weir_kafka_client *client, int err) {
    return err == ERR_OTHER ? "_OTHER" : weir_kafka_error_type(client->rd, err);
}

static struct weir_series *series(const struct weir_kafka_entry *entry,
                                  enum weir_kafka_metric metric, int err) {
    struct weir_attribute attrs[WEIR_KAFKA_ATTRS_MAX + 1];
    size_t count = weir_kafka_entry_attrs(entry, metric, attrs);
    if (err) attrs[count++] = WEIR_STR("error.type", name_of(entry->client, err));
    return weir_series_get(weir_kafka_instrument_get(metric), attrs, count);
}

static bool make_failed(struct weir_kafka_failed *failed, const struct weir_kafka_entry *entry,
                        int err) {
    failed->err = err;
    failed->sent = series(entry, WEIR_KAFKA_SENT, err);
    failed->duration = series(entry, WEIR_KAFKA_SEND_DURATION, err);
    return failed->sent && failed->duration;
}

/* Call with the lock held. Room for the partition in the topic's parts. */
static struct weir_kafka_parts *room_for(struct weir_kafka_topic *topic, uint32_t at) {
    struct weir_kafka_parts *parts = atomic_load_explicit(&topic->parts, memory_order_relaxed);
    uint32_t count = parts ? parts->count : PARTS_MIN;
    if (parts && at < count) return parts;
    while (at >= count) count *= 2;
    struct weir_kafka_parts *grown = calloc(1, sizeof *grown + count * sizeof grown->at[0]);
    if (!grown) return NULL;
    grown->before = parts;
    grown->count = count;
    for (uint32_t i = 0; parts && i < parts->count; i++)
        atomic_init(&grown->at[i], atomic_load_explicit(&parts->at[i], memory_order_relaxed));
    atomic_store_explicit(&topic->parts, grown, memory_order_release);
    return grown;
}

/* Call with the lock held. */
static struct weir_kafka_part *get_part(struct weir_kafka_topics *topics,
                                        struct weir_kafka_topic *topic, int32_t partition) {
    if (partition > PARTITIONS_MAX) return NULL;
    struct weir_kafka_parts *parts = room_for(topic, (uint32_t)(partition + 1));
    if (!parts) return NULL;
    struct weir_kafka_part *part =
        atomic_load_explicit(&parts->at[partition + 1], memory_order_relaxed);
    if (part) return part;
    struct weir_kafka_entry *entry = weir_kafka_entry_get(topics->client, topic->name, partition);
    if (!entry || !(part = calloc(1, sizeof *part))) return NULL;
    part->sent = series(entry, WEIR_KAFKA_SENT, 0);
    part->duration = series(entry, WEIR_KAFKA_SEND_DURATION, 0);
    if (!part->sent || !part->duration) {
        free(part);
        return NULL;
    }
    atomic_store_explicit(&parts->at[partition + 1], part, memory_order_release);
    return part;
}

static struct weir_kafka_failed *find_failed(const struct weir_kafka_part *part, int err) {
    struct weir_kafka_failed *failed = atomic_load_explicit(&part->failed, memory_order_acquire);
    while (failed && failed->err != err) failed = failed->next;
    return failed;
}

/* Call with the lock held. */
static struct weir_kafka_failed *get_failed(struct weir_kafka_topics *topics,
                                            const struct weir_kafka_topic *topic,
                                            struct weir_kafka_part *part, int32_t partition,
                                            int err) {
    struct weir_kafka_failed *failed = find_failed(part, err);
    if (failed) return failed;
    const struct weir_kafka_entry *entry =
        weir_kafka_entry_get(topics->client, topic->name, partition);
    if (!entry || !(failed = calloc(1, sizeof *failed))) return NULL;
    if (!make_failed(failed, entry, err)) {
        free(failed);
        return NULL;
    }
    failed->next = atomic_load_explicit(&part->failed, memory_order_relaxed);
    atomic_store_explicit(&part->failed, failed, memory_order_release);
    return failed;
}

/* ── topics ──────────────────────────────────────────────────────────────────────────────────── */

static const struct weir_kafka_label *make_label(const struct weir_kafka_client *client,
                                                 const char *topic) {
    char name[WEIR_KAFKA_NAME_SIZE];
    weir_kafka_settings_name(client->settings, WEIR_KAFKA_SEND, topic[0] ? topic : NULL, NULL,
                             client->client_id, name, sizeof name);
    struct weir_attribute attrs[3 + WEIR_KAFKA_OLDER_MAX] = {
        WEIR_STR("messaging.operation.name", "send"), WEIR_STR("messaging.operation.type", "send"),
        WEIR_STR("messaging.destination.name", topic[0] ? topic : NULL)};
    size_t count =
        weir_kafka_names_apply(client->settings, attrs, 3, sizeof attrs / sizeof attrs[0]);
    return weir_kafka_label_get(client->rd, client->tracer, client->settings->semconv, name,
                                client->bound, attrs, count);
}

static void topic_free(struct weir_kafka_topic *topic) {
    if (!topic) return;
    struct weir_kafka_parts *parts = atomic_load_explicit(&topic->parts, memory_order_relaxed);
    for (uint32_t i = 0; parts && i < parts->count; i++) {
        struct weir_kafka_part *part = atomic_load_explicit(&parts->at[i], memory_order_relaxed);
        struct weir_kafka_failed *failed = part ? part->failed : NULL, *next;
        for (; failed; failed = next) {
            next = failed->next;
            free(failed);
        }
        free(part);
    }
    for (struct weir_kafka_parts *before; parts; parts = before) {
        before = parts->before;
        free(parts);
    }
    free(topic->name);
    free(topic);
}

/* Call with the lock held. */
static struct weir_kafka_topic *topic_new(struct weir_kafka_topics *topics, const char *name) {
    struct weir_kafka_topic *topic = calloc(1, sizeof *topic);
    if (!topic) return NULL;
    topic->name = strdup(name);
    topic->number = topics->count;
    if (topic->name) {
        topic->observed = weir_kafka_settings_observes(topics->client->settings, name);
        topic->propagates = weir_kafka_settings_propagates(topics->client->settings, name);
        topic->label = make_label(topics->client, name);
        if (room_for(topic, 0)) {
            topics->topics[topics->count++] = topic;
            return topic;
        }
    }
    topic_free(topic);
    return NULL;
}

static struct weir_kafka_topic_slot *slot_of(struct weir_kafka_topic_table *table,
                                             const void *key) {
    uint32_t at = (uint32_t)((uintptr_t)key >> 6 ^ (uintptr_t)key >> 14) & table->mask;
    for (;; at = (at + 1) & table->mask) {
        const void *found = atomic_load_explicit(&table->slots[at].key, memory_order_relaxed);
        if (!found || found == key) return &table->slots[at];
    }
}

static void put(struct weir_kafka_topic_table *table, const void *key,
                struct weir_kafka_topic *topic) {
    struct weir_kafka_topic_slot *slot = slot_of(table, key);
    atomic_store_explicit(&slot->topic, topic, memory_order_release);
    if (atomic_load_explicit(&slot->key, memory_order_relaxed)) return;
    atomic_store_explicit(&slot->key, key, memory_order_release);
    table->used++;
}

static struct weir_kafka_topic_table *table_new(struct weir_kafka_topic_table *before) {
    uint32_t count = before ? 2 * (before->mask + 1) : TABLE_MIN;
    struct weir_kafka_topic_table *table =
        calloc(1, sizeof *table + count * sizeof table->slots[0]);
    if (!table) return NULL;
    table->before = before;
    table->mask = count - 1;
    for (uint32_t i = 0; before && i <= before->mask; i++)
        if (before->slots[i].key) put(table, before->slots[i].key, before->slots[i].topic);
    return table;
}

/* Series that nothing was measured in are not exported. */
static bool make_rest(struct weir_kafka_topics *topics) {
    struct weir_kafka_topic *topic = topic_new(topics, "");
    const struct weir_kafka_entry *entry = weir_kafka_entry_get(topics->client, "", -1);
    return topic && entry && (topics->rest = get_part(topics, topic, -1)) &&
           make_failed(&topics->rest_failed, entry, ERR_OTHER);
}

struct weir_kafka_topics *weir_kafka_topics_new(struct weir_kafka_client *client) {
    struct weir_kafka_topics *topics = calloc(1, sizeof *topics);
    if (!topics) return NULL;
    topics->client = client;
    pthread_mutex_init(&topics->lock, NULL);
    atomic_init(&topics->table, table_new(NULL));
    if (topics->table && make_rest(topics)) return topics;
    weir_kafka_topics_free(topics);
    return NULL;
}

void weir_kafka_topics_free(struct weir_kafka_topics *topics) {
    if (!topics) return;
    weir_kafka_topics_tick(topics); /* what was counted last */
    for (uint32_t i = 0; i < topics->count; i++) topic_free(topics->topics[i]);
    for (struct weir_kafka_topic_table *table = topics->table, *before; table; table = before) {
        before = table->before;
        free(table);
    }
    pthread_mutex_destroy(&topics->lock);
    free(topics);
}

/* Call with the lock held. False: the key stays unknown. */
static bool remember(struct weir_kafka_topics *topics, const void *key,
                     struct weir_kafka_topic *topic) {
    struct weir_kafka_topic_table *table =
        atomic_load_explicit(&topics->table, memory_order_relaxed);
    if (2 * table->used >= table->mask && table->mask < 4 * WEIR_KAFKA_TOPICS_MAX) {
        struct weir_kafka_topic_table *grown = table_new(table);
        if (grown) atomic_store_explicit(&topics->table, table = grown, memory_order_release);
    }
    if (table->used + 1 > table->mask && !slot_of(table, key)->key) return false;
    put(table, key, topic);
    return true;
}

struct weir_kafka_topic *weir_kafka_topic_get(struct weir_kafka_topics *topics, const void *key,
                                              const char *name) {
    struct weir_kafka_topic *topic = weir_kafka_topic_find(topics, key, name);
    if (topic) return topic;
    pthread_mutex_lock(&topics->lock);
    for (uint32_t i = 1; i < topics->count && !topic; i++)
        if (strcmp(topics->topics[i]->name, name) == 0) topic = topics->topics[i];
    if (!topic && topics->count < WEIR_KAFKA_TOPICS_MAX) topic = topic_new(topics, name);
    if (topic) remember(topics, key, topic);
    pthread_mutex_unlock(&topics->lock);
    return topic ? topic : weir_kafka_topic_other(topics);
}

const void *weir_kafka_topic_key(const char *name) {
    return (const void *)(uintptr_t)(weir_view_hash(weir_view_str(name)) | 1);
}

/* ── counting ────────────────────────────────────────────────────────────────────────────────── */

static void count_in(struct weir_series *sent, struct weir_series *duration, int64_t ns,
                     const struct weir_span_context *exemplar) {
    weir_series_add_with(sent, 1, NULL); /* the histogram's exemplars are enough */
    weir_series_record_with(duration, (double)ns * 1e-9, exemplar);
}

void weir_kafka_topic_count(struct weir_kafka_topics *topics, struct weir_kafka_topic *topic,
                            int32_t partition, int err, int64_t duration_ns,
                            const struct weir_span_context *exemplar) {
    struct weir_kafka_part *part = weir_kafka_part_find(topic, partition);
    if (duration_ns < 0) duration_ns = 0;
    if (__builtin_expect(part && !err, 1)) {
        count_in(part->sent, part->duration, duration_ns, exemplar);
        return;
    }
    const struct weir_kafka_failed *failed = part ? find_failed(part, err) : NULL;
    struct weir_kafka_pending_key key = {topic->number, partition, err};
    if (!failed && weir_kafka_pending_add(&topics->pending, key, duration_ns)) {
        /* So that as few as possible go this way. */
        if (!atomic_exchange_explicit(&topics->waking, true, memory_order_relaxed))
            weir_exporter_wake(NULL);
        return;
    }
    if (!err) {
        count_in(topics->rest->sent, topics->rest->duration, duration_ns, exemplar);
        return;
    }
    if (!failed) failed = &topics->rest_failed;
    count_in(failed->sent, failed->duration, duration_ns, exemplar);
}

static void hand_over(void *arg, const struct weir_kafka_pending_sum *sum) {
    struct weir_kafka_topics *topics = arg;
    struct weir_kafka_topic *topic = topics->topics[sum->key.topic];
    struct weir_kafka_part *part = get_part(topics, topic, sum->key.partition);
    struct weir_kafka_failed *failed =
        part && sum->key.err ? get_failed(topics, topic, part, sum->key.partition, sum->key.err)
                             : NULL;
    if (!failed && sum->key.err) failed = &topics->rest_failed;
    if (!part) part = topics->rest;
    weir_series_add_with(failed ? failed->sent : part->sent, (int64_t)sum->count, NULL);
    weir_series_merge(failed ? failed->duration : part->duration, sum->buckets, sum->sum, sum->min,
                      sum->max);
}

void weir_kafka_topics_tick(struct weir_kafka_topics *topics) {
    if (!atomic_load_explicit(&topics->pending.any, memory_order_relaxed)) return;
    atomic_store_explicit(&topics->waking, false, memory_order_relaxed);
    pthread_mutex_lock(&topics->lock);
    weir_kafka_pending_drain(&topics->pending, hand_over, topics);
    pthread_mutex_unlock(&topics->lock);
}
