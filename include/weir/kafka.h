/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka producers and consumers that trace and measure themselves, on librdkafka.
 *
 *     weir_init(NULL, NULL);
 *     struct weir_producer *producer = weir_producer_open(NULL, NULL);       // $KAFKA_BROKERS
 *     // span "send orders"
 *     weir_producer_send(producer, WEIR_RECORD("orders", "hello"), NULL, NULL);
 *     weir_producer_close(producer);
 *
 * Every send is a span that ends at the acknowledgement; the W3C context travels in the message's
 * headers; poll, process and commit are spans that parent and link as OpenTelemetry's conventions
 * for messaging (1.44) say. Metrics count every message, sampled or not. Programs that call
 * librdkafka themselves get the same from weir_kafka_instrument(). The processing runtime is
 * weir/runner.h.
 *
 * The program brings librdkafka 2.0.2 or newer (-lrdkafka); every property of it passes through.
 *
 * Threads: a producer may be used from any thread, a consumer from one at a time. After a fork a
 * client is its parent's: in the child every call on it fails at once, and close
 * only forgets it. */
#ifndef WEIR_KAFKA_H
#define WEIR_KAFKA_H

#include "weir/trace.h"
#include "weir/weir.h"

#ifdef __cplusplus
extern "C" {
#endif

/* librdkafka's own types: rd_kafka_t, rd_kafka_conf_t, rd_kafka_headers_t, rd_kafka_message_t. */
struct rd_kafka_s;
struct rd_kafka_conf_s;
struct rd_kafka_headers_s;
struct rd_kafka_message_s;

enum weir_kafka_flags {
    WEIR_KAFKA_NO_INJECT = 1,  /* no context in outgoing messages (for very old consumers) */
    WEIR_KAFKA_NO_SPANS = 2,   /* metrics and propagation only */
    WEIR_KAFKA_RECORD_KEYS = 4 /* messaging.kafka.message.key on spans, where the key is UTF-8 */
};

/* How to reach the cluster. Zero it, set struct_size; NULL or 0 means "not said". Borrowed during
 * the call. Later ones win: properties_file, properties, brokers, client_id, group_id. */
struct weir_kafka_options {
    size_t struct_size;     /* sizeof(struct weir_kafka_options) */
    unsigned flags;         /* enum weir_kafka_flags */
    const char *brokers;    /* bootstrap.servers; default $KAFKA_BROKERS, else localhost:9092 */
    const char *client_id;  /* client.id */
    const char *group_id;   /* group.id of consumers; default $KAFKA_GROUP_ID */
    const char *properties; /* more librdkafka properties, "name=value" lines */
    const char *properties_file; /* the same in a file (Java's clients read it too); default
                                    $KAFKA_PROPERTIES */
};

struct weir_header {
    const char *name;
    const void *value; /* may be NULL */
    size_t value_size;
};

/* ── producing ───────────────────────────────────────────────────────────────────────────────── */

/* A message to send. Borrowed during the call; what librdkafka needs is copied. */
struct weir_record {
    const char *topic;
    bool has_partition; /* send to `partition`; else librdkafka's partitioner decides */
    int32_t partition;
    const void *key; /* may be NULL */
    size_t key_size;
    const void *value; /* NULL: a tombstone */
    size_t value_size;
    int64_t timestamp_ms; /* 0: now */
    const struct weir_header *headers;
    size_t headers_count;
    const struct weir_context *context; /* parent of the send span; NULL: the current context */
};

/* The address of a record with a text as its value (C99; it lives as long as the
 * block around it). */
#define WEIR_RECORD(topic_name, text)                                                              \
    (&(struct weir_record){.topic = (topic_name), .value = (text), .value_size = strlen(text)})

/* What became of it. */
struct weir_delivery {
    int code;               /* WEIR_OK: acknowledged */
    int32_t partition;      /* -1 when it never got one */
    int64_t offset;         /* -1 when not acknowledged */
    const char *error_type; /* Kafka's name of the error, static; NULL when acknowledged */
};

struct weir_producer;

/* NULL with `reterr` set: WEIR_EUNSUPPORTED (no librdkafka), WEIR_EINVALID (a property, named),
 * WEIR_ENOMEMORY. Does not wait for a broker. Unless the properties say otherwise the producer is
 * idempotent with acks=all. */
WEIR_API struct weir_producer *weir_producer_open(const struct weir_kafka_options *options,
                                                  struct weir_error *reterr);
/* Flushes for up to 10 s, then closes; what is unacknowledged by then gets its callback with
 * WEIR_ECANCELED. Takes NULL. Not from a delivery callback. */
WEIR_API void weir_producer_close(struct weir_producer *producer);

/* Sends and waits for the acknowledgement (message.timeout.ms at most). `ret` may be NULL.
 * Errors: as the delivery's code, in words. Not from a delivery callback. */
WEIR_API int weir_producer_send(struct weir_producer *producer, const struct weir_record *record,
                                struct weir_delivery *ret, struct weir_error *reterr);

/* Called once per accepted message, on the producer's own thread; quick. */
typedef void weir_delivered(void *arg, const struct weir_delivery *delivery);
/* Queues and returns. `delivered` may be NULL. WEIR_EBUSY when librdkafka's queue is full: the
 * message was not taken and the callback will not come. */
WEIR_API int weir_producer_send_async(struct weir_producer *producer,
                                      const struct weir_record *record, weir_delivered *delivered,
                                      void *arg, struct weir_error *reterr);
/* Sends all and waits for all. `ret` has room for `count` deliveries or is NULL. Gives WEIR_OK when
 * every message was acknowledged, else the first failure. */
WEIR_API int weir_producer_send_batch(struct weir_producer *producer,
                                      const struct weir_record *records, size_t count,
                                      struct weir_delivery *ret, struct weir_error *reterr);
/* Waits until nothing is queued. WEIR_ETIMEOUT. */
WEIR_API int weir_producer_flush(struct weir_producer *producer, int64_t timeout_ms,
                                 struct weir_error *reterr);
/* librdkafka's handle, for calls that Weir does not wrap. Borrowed. */
WEIR_API struct rd_kafka_s *weir_producer_handle(struct weir_producer *producer);

/* Transactions: what is sent between begin and commit is seen by readers all at once, or, after
 * abort, not at all. The producer needs the property transactional.id. One transaction at a time,
 * from one thread; each call is a span, child of the current context.
 *
 *     weir_producer_begin(producer, &err);
 *     weir_producer_send_async(producer, record, NULL, NULL, &err);
 *     weir_producer_send_offsets(producer, consumer, 10000, &err);  // what was read for it
 *     if (weir_producer_commit(producer, 10000, &err)) weir_producer_abort(producer, 10000, NULL);
 *
 * Errors of all four: WEIR_EINVALID (no transactional.id, or not in a transaction), WEIR_ECONFLICT
 * (another producer has taken over the transactional.id: close this one), WEIR_ETIMEOUT and
 * WEIR_EUNAVAILABLE (try the same call again), WEIR_EUNSUPPORTED (librdkafka lacks them); the words
 * say when the transaction has to be aborted, and when the producer cannot go on. */
struct weir_consumer;
/* Starts one; the first one also makes the producer known to its coordinator, waiting for up to
 * transaction.timeout.ms. */
WEIR_API int weir_producer_begin(struct weir_producer *producer, struct weir_error *reterr);
/* Makes the consumer's given-out positions part of the transaction, instead of a commit of its own:
 * set enable.auto.commit=false there. Waits up to `timeout_ms` (-1: as long as it may take). */
WEIR_API int weir_producer_send_offsets(struct weir_producer *producer,
                                        struct weir_consumer *consumer, int64_t timeout_ms,
                                        struct weir_error *reterr);
/* Waits until all messages are acknowledged, then commits. */
WEIR_API int weir_producer_commit(struct weir_producer *producer, int64_t timeout_ms,
                                  struct weir_error *reterr);
/* Gives up what was sent since begin: messages that wait get their callback with WEIR_ECANCELED. */
WEIR_API int weir_producer_abort(struct weir_producer *producer, int64_t timeout_ms,
                                 struct weir_error *reterr);

/* ── consuming ───────────────────────────────────────────────────────────────────────────────── */

/* A received message; a view that lives until the message is freed or its handler returns. */
struct weir_message {
    const char *topic;
    int32_t partition;
    int64_t offset;
    const void *key; /* NULL: none */
    size_t key_size;
    const void *value; /* NULL: a tombstone */
    size_t value_size;
    int64_t timestamp_ms;               /* -1: none */
    const struct weir_context *context; /* what the sender put into the headers; NULL: nothing. Of
                                           a batch, from the 129th message on, and without spans:
                                           NULL until weir_task_begin or weir_message_header */
};
/* The last header of that name. False: there is none. */
WEIR_API bool weir_message_header(const struct weir_message *message, const char *name,
                                  const void **ret_value, size_t *ret_size);
/* Visits all headers in order. */
WEIR_API void weir_message_headers_each(const struct weir_message *message,
                                        void (*visit)(void *arg, const char *name,
                                                      const void *value, size_t size),
                                        void *arg);
/* Takes NULL. */
WEIR_API void weir_message_free(struct weir_message *message);

/* The processing of one message: its "process" span, active on this thread, and how it ended. */
struct weir_task;

/* Starts it. Gives a task to end with weir_task_end on the same thread; NULL when memory is out
 * (every function takes NULL). */
WEIR_API struct weir_task *weir_task_begin(struct weir_message *message);
WEIR_API void weir_task_end(struct weir_task *task);
/* Its span, for attributes and events. Borrowed; may be NULL. */
WEIR_API struct weir_span *weir_task_span(struct weir_task *task);
/* The processing failed: the span gets status ERROR, `type` (short, few different values) as
 * error.type, and an exception event. Copies both. */
WEIR_API void weir_task_fail(struct weir_task *task, const char *type, const char *message);
/* How many times this message was tried before by the runner. */
WEIR_API uint32_t weir_task_attempt(const struct weir_task *task);

struct weir_consumer;

/* Joins the group and subscribes; `topics` ends with NULL, and "^regex" is allowed. Errors as
 * weir_producer_open; WEIR_EINVALID without a group. Offsets of messages that were given out are
 * committed by librdkafka's timer unless enable.auto.commit=false. */
WEIR_API struct weir_consumer *weir_consumer_open(const struct weir_kafka_options *options,
                                                  const char *const *topics,
                                                  struct weir_error *reterr);
/* Commits, leaves the group, frees. Takes NULL. */
WEIR_API void weir_consumer_close(struct weir_consumer *consumer);
/* The next message, waiting up to `timeout_ms`. WEIR_OK gives one (free it); WEIR_END: none came.
 * Errors (authorization, unknown topic, all brokers down) are told in words and may pass. */
WEIR_API int weir_consumer_poll(struct weir_consumer *consumer, int64_t timeout_ms,
                                struct weir_message **ret, struct weir_error *reterr);
/* Up to `max` messages with one "poll" span; `ret` has room for them. Gives how many,
 * or an error. */
WEIR_API int weir_consumer_poll_batch(struct weir_consumer *consumer, int64_t timeout_ms,
                                      struct weir_message **ret, size_t max,
                                      struct weir_error *reterr);
/* Commits the given-out position of every partition now (`message` NULL), or up to and including a
 * message; waits for the answer. */
WEIR_API int weir_consumer_commit(struct weir_consumer *consumer,
                                  const struct weir_message *message, struct weir_error *reterr);
WEIR_API struct rd_kafka_s *weir_consumer_handle(struct weir_consumer *consumer);

/* A group handler: `setup` when partitions were assigned, `consume` for every message inside its
 * process span, `cleanup` before partitions go. All on the thread that calls weir_consumer_run; any
 * may be NULL but consume. What consume returns (0: fine) marks the message's span and metric; the
 * offset moves on. To retry, dead-letter or process in parallel use weir/runner.h. */
struct weir_group_handler {
    int (*setup)(void *arg, struct weir_consumer *consumer);
    int (*consume)(void *arg, struct weir_message *message, struct weir_task *task);
    void (*cleanup)(void *arg, struct weir_consumer *consumer);
    void *arg;
};
/* Runs until weir_consumer_stop, or setup fails, or librdkafka reports a fatal error. */
WEIR_API int weir_consumer_run(struct weir_consumer *consumer,
                               const struct weir_group_handler *handler, struct weir_error *reterr);
/* Makes weir_consumer_run return after the present message. Any thread, signal handlers too. */
WEIR_API void weir_consumer_stop(struct weir_consumer *consumer);

/* ── programs that call librdkafka themselves ────────────────────────────────────────────────── */

/* Adds send, consume and commit instrumentation to a configuration, before rd_kafka_new(). A second
 * call on the same configuration does nothing. A polled message is taken as processed until the
 * next one is polled (weir.process.end, docs/kafka.md), and its process span is active on the
 * thread that polled it; weir_kafka_process_begin tells it exactly. When a poll began is not seen.
 * With librdkafka before 2.13 do not destroy an instrumented configuration that rd_kafka_new() has
 * refused: it crashes (librdkafka #5240). */
WEIR_API int weir_kafka_instrument(struct rd_kafka_conf_s *conf, unsigned flags,
                                   struct weir_error *reterr);
/* Starts the processing of a message that rd_kafka_consumer_poll() gave: as weir_task_begin. The
 * message must outlive the task. */
WEIR_API struct weir_task *weir_kafka_process_begin(struct rd_kafka_s *rk,
                                                    struct rd_kafka_message_s *message);

/* Writes ctx (NULL: current) into message headers, replacing what is there of the same names: there
 * is exactly one traceparent afterwards. Gives the number of headers written. */
WEIR_API int weir_kafka_inject(const struct weir_context *ctx, struct rd_kafka_headers_s *headers);
/* ctx (NULL: empty) with what the headers carry. Gives a reference; NULL: nothing found. */
WEIR_API struct weir_context *weir_kafka_extract(const struct weir_context *ctx,
                                                 const struct rd_kafka_headers_s *headers);

#ifdef __cplusplus
}
#endif
#endif
