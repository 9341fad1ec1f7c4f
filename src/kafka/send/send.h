/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning and the end of a send, for our own producers and for instrumented ones: what is
 * recorded, and what the message's headers say.
 *
 *     context of the message itself ─▶ stays; the span links it
 *     sampled                       ─▶ record, header of the span
 *     not sampled                   ─▶ header with flags 00 (propagate=always), or none
 *     no spans asked for            ─▶ header of the current context, if there is one
 *
 * Threads: begin the application's; end any, without lock or allocation where the spare records
 * suffice.
 * Source: OpenTelemetry semantic conventions 1.44, messaging spans; W3C Trace Context.
 */
#ifndef WEIR_KAFKA_SEND_SEND_H
#define WEIR_KAFKA_SEND_SEND_H

#include "kafka/send/topic.h"

enum { WEIR_KAFKA_SPARES = 1024 /* a power of two */ };

/* What one producer's sends share. Zero it first. */
struct weir_kafka_sender {
    struct weir_kafka_client *client; /* borrowed */
    const struct weir_rd *rd;
    const struct weir_kafka_settings *settings;
    struct weir_kafka_topics *topics;
    size_t message_max; /* message.max.bytes */
    int64_t slow_ns;    /* sends that took so long are kept; INT64_MAX: none */
    bool filters;       /* weir_kafka_settings_filters */
    bool plain;         /* nothing but the draw decides, and unsampled messages get no header */
    /* Records for whoever may not allocate: failures and slow acknowledgements that were not
     * sampled. The exporter's tick fills them up. */
    _Atomic(struct weir_kafka_record *) spares[WEIR_KAFKA_SPARES];
    _Atomic uint32_t spares_at;     /* where the next is looked for */
    _Atomic uint32_t spares_wanted; /* so many are kept */
    uint32_t spares_filled_at;      /* the exporter's: spares_at, when it filled them up */
    _Atomic(struct weir_kafka_record *) returned;   /* blocks that are free again: a list */
    void (*tick)(struct weir_kafka_sender *sender); /* also called by the exporter's; or NULL */
    struct weir_kafka_sender *next;                 /* of all in the process */
};

/* A message that is being sent. */
struct weir_kafka_outgoing {
    const struct weir_context *ctx; /* its parent; NULL: none */
    struct weir_view key;
    size_t value_size;
    bool is_tombstone;
    rd_kafka_headers_t *headers; /* NULL: none yet */
    rd_kafka_message_t *raw;     /* takes new headers, where there are none yet; NULL: not */
    uint16_t injected;           /* given: which headers were added */
};

/* Keeps the client by pointer; `conf` is borrowed. The exporter's thread looks after it from now
 * on: series that were missed, spares. False: out of memory. */
bool weir_kafka_sender_init(struct weir_kafka_sender *sender, struct weir_kafka_client *client,
                            const rd_kafka_conf_t *conf);
void weir_kafka_sender_done(struct weir_kafka_sender *sender);

/* Begins a send: gives its record, NULL when none is made, and puts headers into the message. */
struct weir_kafka_record *weir_kafka_sending_begin(struct weir_kafka_sender *sender,
                                                   const struct weir_kafka_topic *topic,
                                                   struct weir_kafka_outgoing *message);
/* The same with the sampler's draw already made: it fell on sampling, in a root. */
struct weir_kafka_record *weir_kafka_sending_drawn(struct weir_kafka_sender *sender,
                                                   const struct weir_kafka_topic *topic,
                                                   struct weir_kafka_outgoing *message,
                                                   uint64_t draw);
/* Takes out what begin has put in: the call failed, and the headers are the application's again. */
void weir_kafka_sending_undo(const struct weir_kafka_sender *sender, rd_kafka_headers_t *headers,
                             uint16_t injected);
/* Ends a send with a record, now: gives its duration, and in `*ret_context` whose it was. */
int64_t weir_kafka_sending_end(struct weir_kafka_sender *sender, struct weir_kafka_record *record,
                               int err, int32_t partition, int64_t offset,
                               struct weir_span_context *ret_context);
/* The send was not sampled, but is kept, since it failed or was slow: a record for it that began so
 * long ago. `headers` may be NULL. Gives NULL when there are to be none of it, or no spare. */
struct weir_kafka_record *weir_kafka_sending_late(struct weir_kafka_sender *sender,
                                                  const struct weir_kafka_topic *topic,
                                                  struct weir_view key, bool is_tombstone,
                                                  const rd_kafka_headers_t *headers,
                                                  int64_t duration_ns);
/* Forgets a send that was never acknowledged: counted. */
void weir_kafka_sending_abandon(struct weir_kafka_sender *sender, struct weir_kafka_record *record);

/* What is left out, and why: weir.kafka.sends.unobserved. Any thread. */
enum weir_kafka_skip {
    WEIR_KAFKA_SKIP_ABANDONED, /* a span whose acknowledgement never came */
    WEIR_KAFKA_SKIP_UNTRACKED, /* a span for which the table of sends in flight had no room */
    WEIR_KAFKA_SKIP_TOO_LARGE, /* headers that would have made the message too large */
    WEIR_KAFKA_SKIPS_COUNT
};
void weir_kafka_skip(enum weir_kafka_skip reason);

#endif
