/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's admin operations, each with a span: topics, partitions, records, settings, groups.
 *
 *     struct weir_admin *admin = weir_admin_open(NULL, NULL);                // $KAFKA_BROKERS
 *     struct weir_admin_topic topic = {.name = "orders", .partitions = 6};
 *     // span "create_topics orders"
 *     weir_admin_create_topics(admin, &topic, 1, 10000, NULL, &err);
 *     weir_admin_close(admin);
 *
 * Every call waits for the cluster's answer, up to its timeout, and makes a CLIENT span, child of
 * the current one: messaging.operation.name is the operation, messaging.destination.name the topic
 * where there is one only; a failure sets error.type and the status. What fails for one item says
 * so in that item's result; the others are not held up by it.
 *
 * The calls give WEIR_OK when every item succeeded, else the first failure's code, in words in
 * `reterr`. Codes: WEIR_ECONFLICT (there already), WEIR_ENOTFOUND, WEIR_EFORBIDDEN, WEIR_EAUTH,
 * WEIR_EINVALID (what the broker refuses, in its words), WEIR_ETIMEOUT (it may have happened all
 * the same), WEIR_EUNAVAILABLE, WEIR_EUNSUPPORTED (librdkafka or the broker cannot),
 * WEIR_ENOMEMORY.
 *
 * Threads: any, one call at a time per client: further ones wait. After a fork a client is its
 * parent's, as in weir/kafka.h. Memory: arguments are borrowed during the call, what visitors get
 * is theirs during the visit.
 */
#ifndef WEIR_ADMIN_H
#define WEIR_ADMIN_H

#include "weir/kafka.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_admin;

/* As weir_producer_open; joins nothing and sends nothing by itself. */
WEIR_API struct weir_admin *weir_admin_open(const struct weir_kafka_options *options,
                                            struct weir_error *reterr);
/* Takes NULL. */
WEIR_API void weir_admin_close(struct weir_admin *admin);
/* librdkafka's handle, for calls that Weir does not wrap. Borrowed. */
WEIR_API struct rd_kafka_s *weir_admin_handle(struct weir_admin *admin);

/* What became of one item. */
struct weir_admin_result {
    int code;               /* WEIR_OK, or as above */
    const char *error_type; /* Kafka's name of the error, static; NULL when it went well */
    char message[200];      /* the broker's words, "" when it went well */
};

struct weir_admin_setting {
    const char *name, *value; /* value NULL: back to the default */
};

struct weir_admin_topic {
    const char *name;
    int32_t partitions;                        /* 0: the broker's default */
    int32_t replicas;                          /* of each partition; 0: the broker's default */
    const struct weir_admin_setting *settings; /* values must not be NULL */
    size_t settings_count;
};

/* `ret`: room for `count` results, or NULL; likewise below. */
WEIR_API int weir_admin_create_topics(struct weir_admin *admin,
                                      const struct weir_admin_topic *topics, size_t count,
                                      int64_t timeout_ms, struct weir_admin_result *ret,
                                      struct weir_error *reterr);
WEIR_API int weir_admin_delete_topics(struct weir_admin *admin, const char *const *names,
                                      size_t count, int64_t timeout_ms,
                                      struct weir_admin_result *ret, struct weir_error *reterr);
/* Gives the topic this many partitions in all, more than it has. */
WEIR_API int weir_admin_create_partitions(struct weir_admin *admin, const char *topic,
                                          int32_t partitions, int64_t timeout_ms,
                                          struct weir_error *reterr);

struct weir_admin_records {
    const char *topic;
    int32_t partition;
    int64_t before_offset; /* records below it go; -1: all that are there now */
};
/* `ret_lowest`: room for `count` offsets, or NULL: the lowest that is left in each partition, -1
 * where it failed. */
WEIR_API int weir_admin_delete_records(struct weir_admin *admin,
                                       const struct weir_admin_records *records, size_t count,
                                       int64_t timeout_ms, struct weir_admin_result *ret,
                                       int64_t *ret_lowest, struct weir_error *reterr);

enum weir_admin_resource { WEIR_ADMIN_TOPIC, WEIR_ADMIN_BROKER /* by its id as text */ };

struct weir_admin_config {
    const char *name;
    const char *value; /* NULL: secret */
    bool is_default, is_read_only, is_secret;
};
typedef void weir_admin_visit_config(void *arg, const struct weir_admin_config *config);
/* Visits each setting of a topic or broker. */
WEIR_API int weir_admin_describe_configs(struct weir_admin *admin, enum weir_admin_resource type,
                                         const char *name, int64_t timeout_ms,
                                         weir_admin_visit_config *visit, void *arg,
                                         struct weir_error *reterr);
/* Changes these settings and leaves the others. librdkafka before 2.2 can only replace all of them
 * at once: there a topic's are read first, and who changes others meanwhile loses; a broker's give
 * WEIR_EUNSUPPORTED. */
WEIR_API int weir_admin_alter_configs(struct weir_admin *admin, enum weir_admin_resource type,
                                      const char *name, const struct weir_admin_setting *settings,
                                      size_t count, int64_t timeout_ms, struct weir_error *reterr);

struct weir_admin_group {
    const char *id;
    const char *state;    /* "Stable", "Empty", "Dead", "Unknown", …; Kafka's words */
    const char *assignor; /* of partitions; "" when not known */
    size_t members_count; /* 0 when listed only */
    int code;             /* WEIR_OK, or why it could not be described */
};
typedef void weir_admin_visit_group(void *arg, const struct weir_admin_group *group);
/* Visits every group that the brokers know: id and state. */
WEIR_API int weir_admin_list_groups(struct weir_admin *admin, int64_t timeout_ms,
                                    weir_admin_visit_group *visit, void *arg,
                                    struct weir_error *reterr);
/* Visits each of these. A group that does not exist is "Dead" on older brokers, and fails with
 * WEIR_ENOTFOUND on newer ones. */
WEIR_API int weir_admin_describe_groups(struct weir_admin *admin, const char *const *ids,
                                        size_t count, int64_t timeout_ms,
                                        weir_admin_visit_group *visit, void *arg,
                                        struct weir_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
