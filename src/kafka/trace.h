/* SPDX-License-Identifier: Apache-2.0 */
/* The spans of receiving, and the metrics that go with them; sends are in kafka/send/send.h.
 *
 *     poll <topic>     CLIENT, one per poll that gave messages; links each message's context
 *     process <topic>  CONSUMER, child of the message's context, linked to it and to the poll
 *     commit <topic>   CLIENT, child of the last poll it covers, linked to the others
 *
 * Sampling: process follows its message, poll any sampled message of its own, commit its poll.
 *
 * Threads: any; one operation belongs to one thread at a time.
 * Source: OpenTelemetry semantic conventions 1.44, messaging spans.
 */
#ifndef WEIR_KAFKA_TRACE_H
#define WEIR_KAFKA_TRACE_H

#include "kafka/message.h"

/* Links of one span; more are counted by the span itself. */
#define WEIR_KAFKA_LINKS_MAX 128u

/* Records a poll that began at the given times (`start_ns` 0: not known) and gave these messages
 * (at least one), and notes its identity in each of them. */
void weir_kafka_poll_end(struct weir_kafka_client *client, int64_t start_wall_ns, int64_t start_ns,
                         struct weir_kafka_message *const *messages, size_t count, bool is_batch);

/* The pieces of it, for who sees a poll message by message. A poll in progress: `topic` NULL:
 * several; `sample`: whose sampling decision it takes, NULL: its own. */
struct weir_span *weir_kafka_poll_start(struct weir_kafka_client *client, int64_t start_wall_ns,
                                        const char *topic, const struct weir_span_context *sample);
/* Links a message; of a batch with its partition and offset. */
void weir_kafka_poll_link(const struct weir_kafka_client *client, struct weir_span *span,
                          const struct weir_kafka_message *message, bool is_batch);
/* Where its only message came from. */
void weir_kafka_poll_place(struct weir_kafka_client *client, struct weir_span *span,
                           const struct weir_kafka_message *message);

/* Starts the process span of a message, or of a batch that begins with it, at a wall time
 * (0: now). */
struct weir_span *weir_kafka_process_start(const struct weir_kafka_message *message, bool is_batch,
                                           int64_t start_ns);

/* A commit that was answered. */
struct weir_kafka_commit {
    int64_t start_wall_ns, start_ns;
    const rd_kafka_topic_partition_list_t *offsets; /* with each partition's error */
    const int64_t *from;                   /* first newly covered offset per element; -1, or
                                              the array is NULL: not known */
    const struct weir_span_context *polls; /* that it covers, oldest first */
    size_t polls_count;
    bool only_counts; /* no offset moved: the metadata alone was renewed. Counted, no span */
};
void weir_kafka_commit_end(struct weir_kafka_client *client, const struct weir_kafka_commit *commit,
                           rd_kafka_resp_err_t err);

#endif
