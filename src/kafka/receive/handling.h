/* SPDX-License-Identifier: Apache-2.0 */
/* What an application does with the messages that it polls itself, as far as interceptors see it.
 *
 *     on_consume ─▶ poll span ┐
 *                   process ──┴── … ──▶ next on_consume │ message destroyed │ explicit task │ close
 *                                       statistics callback on the same thread: it idles in poll
 *
 * One process span is open per consumer (by message, when only their destruction ends them). It is
 * active on the polling thread where the settings say so.
 *
 * Messages of one batch call come one right behind the other, on one thread, with nothing in
 * between: no handler is that fast. Such messages share a poll span, and a process span that is
 * its child and links them all. (What waits within a batch call is not told from handling: use
 * weir_kafka_process_begin there.)
 *
 * Threads: any; the state is under its own lock, which is held for no longer than a span takes.
 * Memory: within its owner.
 */
#ifndef WEIR_KAFKA_RECEIVE_HANDLING_H
#define WEIR_KAFKA_RECEIVE_HANDLING_H

#include "kafka/receive/nesting.h"
#include "kafka/trace.h"

enum {
    WEIR_KAFKA_JOIN_NS = 1000,    /* a message that comes so soon after another is of its batch */
    WEIR_KAFKA_HANDLED_MAX = 256, /* open at once, when only destruction ends them */
};

/* What ends processing. */
enum weir_kafka_ended {
    WEIR_KAFKA_ENDED,       /* it was seen to end */
    WEIR_KAFKA_ENDED_IDLE,  /* some time before: the application waits for messages */
    WEIR_KAFKA_ENDED_CLOSE, /* some time before: the consumer is closed */
    WEIR_KAFKA_SUPERSEDED   /* it is told explicitly, by its own span */
};

struct weir_kafka_handled { /* one process span */
    const void *message;    /* the one message, or the first of a batch; NULL: none is open */
    struct weir_span *span; /* NULL: not recorded */
    struct weir_kafka_entry *entry;
    int64_t start_ns;  /* wall */
    int64_t origin_ms; /* wall time of the first send; -1: not known */
    struct weir_kafka_nested nesting;
};

struct weir_kafka_handling {
    struct weir_kafka_client *client;
    bool nests;
    pthread_mutex_t mutex;                /* guards the rest */
    struct weir_kafka_handled latest;     /* what was polled last */
    struct weir_kafka_handled *others;    /* by message, WEIR_KAFKA_HANDLED_MAX; NULL: none yet */
    struct weir_span *poll;               /* open: what comes next may belong to it */
    struct weir_span_context polled;      /* the latest poll's identity, recorded or not */
    struct weir_span_context first;       /* sender of the first message */
    uint32_t count;                       /* messages of the poll */
    const struct weir_kafka_entry *entry; /* of the latest one */
    const void *lane;                     /* of the polling thread */
    uint64_t started;                     /* spans that it had started when on_consume returned */
    int64_t left_ns;                      /* wall time then */
};

void weir_kafka_handling_init(struct weir_kafka_handling *self, struct weir_kafka_client *client,
                              bool nests);
/* After the last end. */
void weir_kafka_handling_done(struct weir_kafka_handling *self);

/* The application gets this message now, on this thread. */
void weir_kafka_handling_polled(struct weir_kafka_handling *self, const rd_kafka_message_t *raw,
                                struct weir_kafka_entry *entry);
/* What was polled is not handled any more. */
void weir_kafka_handling_end(struct weir_kafka_handling *self, enum weir_kafka_ended how);
/* The same, if this thread is the one that polls. */
void weir_kafka_handling_idle(struct weir_kafka_handling *self);
/* The application destroys the message. */
void weir_kafka_handling_destroyed(struct weir_kafka_handling *self, const void *message);
/* An explicit task begins for the message: its automatic process span never was. Gives the poll. */
struct weir_span_context weir_kafka_handling_supersede(struct weir_kafka_handling *self,
                                                       const void *message);
/* The latest poll; invalid: there was none. */
struct weir_span_context weir_kafka_handling_poll(struct weir_kafka_handling *self);

#endif
