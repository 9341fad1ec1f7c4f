/* SPDX-License-Identifier: Apache-2.0 */
/* A received message with what its spans need, and a task: the processing of one.
 *
 * Threads: the reference count is atomic; the rest belongs to whoever handles the message.
 * Memory: reference-counted (a runner's queue and its worker hold one each).
 */
#ifndef WEIR_KAFKA_MESSAGE_H
#define WEIR_KAFKA_MESSAGE_H

#include "kafka/client.h"
#include "weir/runner.h"

struct weir_kafka_message {
    struct weir_message pub; /* first: the two convert into each other */
    atomic_uint refs;
    rd_kafka_message_t *raw;          /* NULL: someone else's */
    const rd_kafka_message_t *unread; /* whose headers nobody has looked at; NULL: somebody has */
    rd_kafka_headers_t *headers;      /* borrowed from raw; NULL: none */
    struct weir_kafka_client *client; /* referenced, by the message or by its batch */
    struct weir_kafka_batch *batch;   /* where it lies; NULL: by itself */
    struct weir_kafka_entry *entry;   /* of its partition; may be NULL */
    struct weir_context *context;     /* pub.context */
    struct weir_span_context sender;  /* identity in `context`; invalid: none */
    struct weir_span_context poll;    /* span that fetched it; invalid: none */
    struct weir_span_context process; /* latest process span; invalid: none yet */
    int64_t fetched_ns;               /* monotonic */
    bool has_spans;                   /* the settings want spans of it */
    uint32_t attempt;                 /* tries before this one */
    char *error_type, *error_message; /* of the latest failed try, or NULL */
};

static inline struct weir_kafka_message *weir_kafka_message_of(struct weir_message *message) {
    return (struct weir_kafka_message *)(void *)message;
}

/* Takes `raw` (unless NULL is given back: out of memory). Counts it as consumed. */
struct weir_kafka_message *weir_kafka_message_new(struct weir_kafka_client *client,
                                                  rd_kafka_message_t *raw);
/* The same not counted and with its headers left unread, behind another of the same poll (NULL: it
 * is the first). */
struct weir_kafka_message *weir_kafka_message_behind(struct weir_kafka_client *client,
                                                     rd_kafka_message_t *raw,
                                                     const struct weir_kafka_message *before);
/* Room for the messages of one call, which is freed when the last of them and the caller are done
 * with it. NULL: out of memory. */
struct weir_kafka_batch *weir_kafka_batch_new(struct weir_kafka_client *client, size_t room);
/* As weir_kafka_message_behind; there is room. */
struct weir_kafka_message *weir_kafka_batch_add(struct weir_kafka_batch *batch,
                                                rd_kafka_message_t *raw,
                                                const struct weir_kafka_message *before);
void weir_kafka_batch_unref(struct weir_kafka_batch *batch);
/* Reads the headers, unless that has been done: context, sender, has_spans. */
void weir_kafka_message_read(struct weir_kafka_message *message);
/* Fills a caller's message around a raw one that stays the caller's; end with _done. */
void weir_kafka_message_borrow(struct weir_kafka_message *message, struct weir_kafka_client *client,
                               rd_kafka_message_t *raw);
void weir_kafka_message_done(struct weir_kafka_message *message);
/* Counts them as consumed, which came together just now; _new has done so. */
void weir_kafka_messages_count(struct weir_kafka_message *const *messages, size_t count);
struct weir_kafka_message *weir_kafka_message_ref(struct weir_kafka_message *message);
void weir_kafka_message_unref(struct weir_kafka_message *message);

struct weir_task {
    struct weir_kafka_message *message;
    struct weir_span *span;
    struct weir_scope scopes[2]; /* the sender's baggage, and the span on top of it */
    int64_t start_ns;            /* monotonic */
    bool is_batch_child;         /* mode link: the poll is the parent */
    char error_type[64];         /* "" while it goes well */
};

/* Starts processing in the caller's memory: makes the span and makes it active on this thread. */
void weir_kafka_task_start(struct weir_task *task, struct weir_kafka_message *message);
/* Ends it. What was told to weir_task_fail stays with the message. */
void weir_kafka_task_finish(struct weir_task *task);

#endif
