/* SPDX-License-Identifier: Apache-2.0 */
/* What librdkafka's statistics tell: lag, broker connections, queue, bytes, throttling, rebalances.
 * And what is observed of it. Of a consumer whose application never serves statistics, lag comes
 * from the offsets that librdkafka keeps anyway.
 *
 * Only paths that are wanted are read; everything else is skipped, so that newer fields do no harm.
 * Source: librdkafka 2.15, STATISTICS.md.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/client.h"
#include "wire/json.h"

/* Attempts without a connection that an awakening client may need: bootstrap, broker,
 * coordinator. */
#define CONNECTS_DOWN 2

/* All clients that are observed. */
static pthread_mutex_t clients_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards clients, their next */
static struct weir_kafka_client *clients;

/* ── reading ─────────────────────────────────────────────────────────────────────────────────── */

/* Calls `field` for every key of the object that was just opened; `field` reads or skips the value.
 */
static bool each_key(struct weir_json *json,
                     void (*field)(struct weir_json *, struct weir_view, void *), void *arg) {
    enum weir_json_token token;
    while ((token = weir_json_next(json)) == WEIR_JSON_KEY) field(json, json->text, arg);
    return token == WEIR_JSON_OBJECT_END;
}

static int64_t read_i64(struct weir_json *json) {
    int64_t value = 0;
    if (weir_json_next(json) == WEIR_JSON_NUMBER) weir_view_to_i64(json->text, &value);
    return value;
}

struct broker {
    int64_t connects; /* attempts since the start */
    int64_t throttle_ms;
    bool up;
};

static void window_field(struct weir_json *json, struct weir_view key, void *arg) {
    struct broker *broker = arg;
    if (weir_view_is(key, "max"))
        broker->throttle_ms = read_i64(json);
    else
        weir_json_skip(json);
}

static void broker_field(struct weir_json *json, struct weir_view key, void *arg) {
    struct broker *broker = arg;
    if (weir_view_is(key, "connects"))
        broker->connects = read_i64(json);
    else if (weir_view_is(key, "state"))
        broker->up = weir_json_next(json) == WEIR_JSON_STRING && weir_view_is(json->text, "UP");
    else if (!weir_view_is(key, "throttle"))
        weir_json_skip(json);
    else if (weir_json_next(json) == WEIR_JSON_OBJECT)
        each_key(json, window_field, broker);
}

static void broker_read(struct weir_json *json, struct weir_view key, void *arg) {
    (void)key;
    struct broker *sum = arg, broker = {0, 0, false};
    if (weir_json_next(json) == WEIR_JSON_OBJECT) each_key(json, broker_field, &broker);
    sum->up |= broker.up;
    sum->connects += broker.connects;
    if (broker.throttle_ms > sum->throttle_ms) sum->throttle_ms = broker.throttle_ms;
}

/* Brokers close idle connections, and librdkafka opens them again when it has something to say. So
 * no open connection means nothing by itself: down is who tried more than once and got none. */
static void brokers_seen(struct weir_kafka_client *client, const struct broker *sum) {
    if (sum->up) {
        client->connects_up = sum->connects;
        atomic_store(&client->connected, 1);
    } else if (sum->connects - client->connects_up > CONNECTS_DOWN) {
        atomic_store(&client->connected, 0);
    }
}

struct partition {
    int64_t id, lag;
    bool desired;
};

static void partition_field(struct weir_json *json, struct weir_view key, void *arg) {
    struct partition *partition = arg;
    if (weir_view_is(key, "partition"))
        partition->id = read_i64(json);
    else if (weir_view_is(key, "consumer_lag"))
        partition->lag = read_i64(json);
    else if (weir_view_is(key, "desired"))
        partition->desired = weir_json_next(json) == WEIR_JSON_TRUE;
    else
        weir_json_skip(json);
}

struct topic {
    struct weir_kafka_client *client;
    char name[256];
};

static void partition_read(struct weir_json *json, struct weir_view key, void *arg) {
    (void)key;
    struct topic *topic = arg;
    struct partition partition = {-1, -1, false};
    if (weir_json_next(json) == WEIR_JSON_OBJECT) each_key(json, partition_field, &partition);
    if (partition.id < 0 || topic->client->is_producer) return;
    struct weir_kafka_entry *entry =
        weir_kafka_entry_get(topic->client, topic->name, (int32_t)partition.id);
    if (entry) atomic_store(&entry->lag, partition.desired ? partition.lag : -1);
}

static void topic_field(struct weir_json *json, struct weir_view key, void *arg) {
    if (!weir_view_is(key, "partitions"))
        weir_json_skip(json);
    else if (weir_json_next(json) == WEIR_JSON_OBJECT)
        each_key(json, partition_read, arg);
}

static void topic_read(struct weir_json *json, struct weir_view key, void *arg) {
    struct topic topic = {.client = arg};
    size_t len = key.len < sizeof topic.name - 1 ? key.len : sizeof topic.name - 1;
    memcpy(topic.name, key.ptr, len); /* Kafka's topic names need no escapes */
    if (weir_json_next(json) == WEIR_JSON_OBJECT) each_key(json, topic_field, &topic);
}

/* Whose own callback is told of rebalances counts them itself. */
static void group_field(struct weir_json *json, struct weir_view key, void *arg) {
    struct weir_kafka_client *client = arg;
    if (!weir_view_is(key, "rebalance_cnt")) {
        weir_json_skip(json);
        return;
    }
    int64_t count = read_i64(json), more = count - client->rebalances;
    if (!client->owns_rk && more > 0)
        weir_kafka_entry_add(weir_kafka_entry_get(client, "", -1), WEIR_KAFKA_REBALANCES, more,
                             NULL);
    client->rebalances = count;
}

static void top_field(struct weir_json *json, struct weir_view key, void *arg) {
    struct weir_kafka_client *client = arg;
    struct broker sum = {0, 0, false};
    if (weir_view_is(key, "msg_cnt")) {
        atomic_store(&client->queue, read_i64(json));
    } else if (weir_view_is(key, "tx_bytes")) {
        atomic_store(&client->bytes_sent, read_i64(json));
    } else if (weir_view_is(key, "rx_bytes")) {
        atomic_store(&client->bytes_received, read_i64(json));
    } else if (weir_view_is(key, "cgrp")) {
        if (weir_json_next(json) == WEIR_JSON_OBJECT) each_key(json, group_field, client);
    } else if (weir_view_is(key, "brokers")) {
        if (weir_json_next(json) != WEIR_JSON_OBJECT || !each_key(json, broker_read, &sum)) return;
        brokers_seen(client, &sum);
        atomic_store(&client->throttle_ms, sum.throttle_ms);
    } else if (weir_view_is(key, "topics")) {
        if (weir_json_next(json) == WEIR_JSON_OBJECT) each_key(json, topic_read, client);
    } else {
        weir_json_skip(json);
    }
}

/* Whether librdkafka may be asked about it: not in a forked child, where a thread that is not there
 * may hold its locks. */
static bool is_askable(const struct weir_kafka_client *client) {
    return client->rk && !weir_kafka_client_is_foreign(client);
}

/* Asks librdkafka for the cluster's id, which it has from its metadata; waits for nothing. */
static void resolve_cluster(struct weir_kafka_client *client) {
    if (weir_kafka_client_cluster(client) || !is_askable(client)) return;
    char *id = client->rd->clusterid(client->rk, 0), *none = NULL;
    char *copy = id && id[0] ? strdup(id) : NULL;
    if (copy && !atomic_compare_exchange_strong(&client->cluster, &none, copy)) free(copy);
    if (id) client->rd->mem_free(client->rk, id);
}

void weir_kafka_stats_read(struct weir_kafka_client *client, struct weir_view text) {
    struct weir_json json;
    atomic_store(&client->has_statistics, true);
    resolve_cluster(client);
    weir_json_init(&json, text);
    if (weir_json_next(&json) == WEIR_JSON_OBJECT) each_key(&json, top_field, client);
}

/* ── observing ───────────────────────────────────────────────────────────────────────────────── */

static double lag_seconds(const struct weir_kafka_entry *entry, int64_t lag) {
    int64_t timestamp_ms = atomic_load(&entry->timestamp_ms);
    if (lag == 0) return 0;
    if (timestamp_ms < 0) return -1; /* took none yet: not known */
    double age = (double)(weir_clock_wall_ns() - timestamp_ms * WEIR_NS_PER_MS) / 1e9;
    return age > 0 ? age : 0;
}

/* Between what was received last and the end of the partition, as the latest fetch told it. */
static int64_t lag_by_offsets(const struct weir_kafka_entry *entry) {
    const struct weir_kafka_client *client = entry->client;
    int64_t next = atomic_load(&entry->next_offset), low, high;
    if (next < 0 || atomic_load(&client->has_statistics) || client->owns_rk ||
        !is_askable(client) ||
        atomic_load(&entry->assignment) != atomic_load(&client->assignment) ||
        client->rd->get_watermark_offsets(client->rk, entry->topic, entry->partition, &low,
                                          &high) ||
        high < 0)
        return -1;
    return high > next ? high - next : 0;
}

static void observe_entry(struct weir_observer *observer, const struct weir_kafka_entry *entry,
                          enum weir_kafka_metric metric) {
    if (!entry->observed || entry->partition < 0) return;
    int64_t lag = atomic_load(&entry->lag);
    if (lag < 0) lag = lag_by_offsets(entry);
    if (lag < 0) return;
    double value = metric == WEIR_KAFKA_LAG ? (double)lag : lag_seconds(entry, lag);
    if (value < 0) return;
    struct weir_attribute attrs[WEIR_KAFKA_ATTRS_MAX];
    weir_observer_record(observer, value, attrs, weir_kafka_entry_attrs(entry, metric, attrs));
}

static void observe_entries(struct weir_observer *observer, struct weir_kafka_client *client,
                            enum weir_kafka_metric metric) {
    pthread_mutex_lock(&client->mutex);
    for (size_t i = 0; i < sizeof client->entries / sizeof client->entries[0]; i++)
        for (const struct weir_kafka_entry *entry = client->entries[i]; entry; entry = entry->next)
            observe_entry(observer, entry, metric);
    pthread_mutex_unlock(&client->mutex);
}

/* librdkafka knows it at any time; its statistics are asked for no sake of it. */
static int64_t queue_of(struct weir_kafka_client *client) {
    if (client->owns_rk || !is_askable(client)) return atomic_load(&client->queue);
    return client->rd->outq_len(client->rk);
}

static void observe_client(struct weir_observer *observer, struct weir_kafka_client *client,
                           enum weir_kafka_metric metric) {
    struct weir_attribute attrs[6] = {
        WEIR_STR("messaging.system", "kafka"), WEIR_STR("messaging.client.id", client->client_id),
        WEIR_STR("messaging.consumer.group.name", client->group),
        WEIR_STR("server.address", client->server), WEIR_INT("server.port", client->port)};
    size_t count = 5;
    int connected = atomic_load(&client->connected);
    if (metric == WEIR_KAFKA_CONNECTED && connected >= 0)
        weir_observer_record(observer, connected, attrs, count);
    if (metric == WEIR_KAFKA_QUEUE && client->is_producer)
        weir_observer_record(observer, (double)queue_of(client), attrs, count);
    if (!atomic_load(&client->has_statistics)) return;
    if (metric == WEIR_KAFKA_THROTTLE)
        weir_observer_record(observer, (double)atomic_load(&client->throttle_ms) / 1e3, attrs,
                             count);
    if (metric != WEIR_KAFKA_IO) return;
    attrs[count] = WEIR_STR("network.io.direction", "transmit");
    weir_observer_record(observer, (double)atomic_load(&client->bytes_sent), attrs, count + 1);
    attrs[count] = WEIR_STR("network.io.direction", "receive");
    weir_observer_record(observer, (double)atomic_load(&client->bytes_received), attrs, count + 1);
}

static void observe(void *arg, struct weir_observer *observer) {
    enum weir_kafka_metric metric = (enum weir_kafka_metric)(uintptr_t)arg;
    pthread_mutex_lock(&clients_mutex);
    for (struct weir_kafka_client *client = clients; client; client = client->next) {
        if (!client->settings->metrics) continue;
        resolve_cluster(client);
        if (metric == WEIR_KAFKA_LAG || metric == WEIR_KAFKA_LAG_TIME)
            observe_entries(observer, client, metric);
        else
            observe_client(observer, client, metric);
    }
    pthread_mutex_unlock(&clients_mutex);
}

static void observe_once(void) {
    for (int metric = WEIR_KAFKA_LAG; metric <= WEIR_KAFKA_IO; metric++)
        weir_instrument_observe(weir_kafka_instrument_get((enum weir_kafka_metric)metric), observe,
                                (void *)(uintptr_t)metric);
}

void weir_kafka_stats_observe(struct weir_kafka_client *client) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, observe_once);
    pthread_mutex_lock(&clients_mutex);
    client->next = clients;
    clients = client;
    pthread_mutex_unlock(&clients_mutex);
}

void weir_kafka_stats_forget(struct weir_kafka_client *client) {
    pthread_mutex_lock(&clients_mutex);
    struct weir_kafka_client **at = &clients;
    while (*at && *at != client) at = &(*at)->next;
    if (*at) *at = client->next;
    pthread_mutex_unlock(&clients_mutex);
}
