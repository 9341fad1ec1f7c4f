/* SPDX-License-Identifier: Apache-2.0 */
/* What producers, consumers, runners and instrumented configurations share: one librdkafka handle's
 * attributes, instruments and per-partition series.
 *
 * Threads: any; the partition table has a lock of its own.
 * Memory: reference-counted, since librdkafka's threads may still call in while the owner closes,
 * and messages may outlive it; the last reference destroys a handle that we have made.
 */
#ifndef WEIR_KAFKA_CLIENT_H
#define WEIR_KAFKA_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/view.h"
#include "kafka/metrics.h"
#include "kafka/requests.h"
#include "kafka/settings.h"
#include "rd/rd.h"
#include "weir/kafka.h"

/* Partitions that one client keeps series of; past it their metrics are not split. */
#define WEIR_KAFKA_ENTRIES_MAX 65536u
#define WEIR_KAFKA_BUCKETS     1024u
enum { WEIR_KAFKA_UP_WORDS = 4 };

/* One topic and partition (-1: the topic as a whole) of a client. Lives as long as the client. */
struct weir_kafka_entry {
    struct weir_kafka_client *client;
    struct weir_kafka_entry *next; /* in its bucket */
    char *topic;
    int32_t partition;
    void *owner; /* the runner's part, or NULL; set and read by the poll thread only */
    char partition_text[12];
    _Atomic(struct weir_series *) series[WEIR_KAFKA_METRIC_COUNT]; /* made when first needed */
    _Atomic int64_t lag;          /* records; -1: not known or not ours */
    _Atomic int64_t timestamp_ms; /* of the record taken last; -1: none */
    _Atomic int64_t next_offset;  /* behind the last message that was counted; -1: none */
    _Atomic uint32_t assignment;  /* of the client, when next_offset was set */
    bool observed;                /* else the settings exclude the topic */
};

struct weir_kafka_client {
    atomic_uint refs;
    const struct weir_rd *rd;
    rd_kafka_t *rk;                       /* NULL until rd_kafka_new() has succeeded */
    bool owns_rk;                         /* destroyed with the client; else the application's */
    struct weir_kafka_settings *settings; /* immutable */
    unsigned forks;                       /* weir_kafka_client_is_foreign compares */
    bool is_producer;
    void *owner; /* whose callbacks these are: the producer, consumer or runner */
    char *group; /* NULL: none */
    char *client_id;
    char *server;                     /* first bootstrap server: host … */
    int port;                         /* … and port */
    struct weir_attribute_set *bound; /* of every span of this client */
    struct weir_kafka_requests requests;
    _Atomic(char *) cluster;     /* cluster id; NULL: not known (yet) */
    _Atomic uint32_t assignment; /* consumers: changes whenever the group's may have */
    _Atomic uint32_t topics;     /* changes before librdkafka can have made a topic object */
    struct weir_tracer *tracer;

    pthread_mutex_t mutex; /* guards entries, entries_count, last_error */
    struct weir_kafka_entry *entries[WEIR_KAFKA_BUCKETS];
    uint32_t entries_count;
    char last_error[200];

    _Atomic int connected;                    /* 1, 0, -1: not known yet */
    _Atomic uint64_t up[WEIR_KAFKA_UP_WORDS]; /* brokers with a connection, by id; instrumented */
    _Atomic uint32_t connects;                /* attempts since one was up; instrumented */
    int64_t connects_up;   /* connection attempts when one was last up; statistics only */
    _Atomic int64_t queue; /* producer: messages not yet acknowledged */
    _Atomic int64_t bytes_sent, bytes_received;
    _Atomic int64_t throttle_ms;    /* longest of the last interval */
    int64_t rebalances;             /* that statistics have told of; statistics only */
    atomic_bool has_statistics;     /* they have been read */
    atomic_bool retired;            /* closing: observes nothing more */
    struct weir_kafka_client *next; /* in the list of those that are observed */
};

/* Builds the configuration that the options describe, with a client attached (as the conf's opaque)
 * and its callbacks set. Gives both. Errors as weir_producer_open. */
int weir_kafka_client_new(const struct weir_kafka_options *options, bool is_producer,
                          rd_kafka_conf_t **ret_conf, struct weir_kafka_client **ret,
                          struct weir_error *reterr);
/* A client around an existing handle (instrumented configurations). Takes the settings, even when
 * it fails. NULL: out of memory, or `settings` is NULL. */
struct weir_kafka_client *weir_kafka_client_wrap(const struct weir_rd *rd,
                                                 const rd_kafka_conf_t *conf, bool is_producer,
                                                 struct weir_kafka_settings *settings);
/* Takes the conf, makes the handle. */
int weir_kafka_client_open(struct weir_kafka_client *client, rd_kafka_conf_t *conf,
                           struct weir_error *reterr);
struct weir_kafka_client *weir_kafka_client_ref(struct weir_kafka_client *client);
void weir_kafka_client_unref(struct weir_kafka_client *client);
/* Whether it was opened before a fork that made this process: librdkafka's threads are not here,
 * and every call that waits for them would wait for ever. */
bool weir_kafka_client_is_foreign(const struct weir_kafka_client *client);
/* weir_error_set with the words for that. */
int weir_kafka_client_refuse(struct weir_error *reterr);
/* The cluster's id as far as it is known; NULL: not yet. Borrowed. Any thread. */
static inline const char *weir_kafka_client_cluster(const struct weir_kafka_client *client) {
    return atomic_load_explicit(&client->cluster, memory_order_acquire);
}
/* No more observations of it: its owner closes. */
void weir_kafka_client_retire(struct weir_kafka_client *client);

/* Finds or makes an entry; NULL when memory is out or there are too many. */
struct weir_kafka_entry *weir_kafka_entry_get(struct weir_kafka_client *client, const char *topic,
                                              int32_t partition);

/* Attributes of a metric: up to WEIR_KAFKA_ATTRS_MAX, given out as views of the entry. */
enum { WEIR_KAFKA_ATTRS_MAX = 12 };
size_t weir_kafka_entry_attrs(const struct weir_kafka_entry *entry, enum weir_kafka_metric metric,
                              struct weir_attribute ret[WEIR_KAFKA_ATTRS_MAX]);
/* The entry's series, made when first asked for. */
struct weir_series *weir_kafka_entry_series(struct weir_kafka_entry *entry,
                                            enum weir_kafka_metric metric);
/* Adds to or records into the entry's series, if the settings want metrics of the topic.
 * `error_type` NULL: it went well. Takes a NULL entry. */
void weir_kafka_entry_add(struct weir_kafka_entry *entry, enum weir_kafka_metric metric,
                          int64_t amount, const char *error_type);
void weir_kafka_entry_record(struct weir_kafka_entry *entry, enum weir_kafka_metric metric,
                             double seconds, const char *error_type);

/* librdkafka's statistics, as JSON: lag, connections, queue. */
void weir_kafka_stats_read(struct weir_kafka_client *client, struct weir_view json);
/* Puts the client into the observed gauges. */
void weir_kafka_stats_observe(struct weir_kafka_client *client);
void weir_kafka_stats_forget(struct weir_kafka_client *client);

#endif
