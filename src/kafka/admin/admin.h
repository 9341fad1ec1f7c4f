/* SPDX-License-Identifier: Apache-2.0 */
/* One admin request: its span, its question, its answer.
 *
 *     begin ─▶ span ── ask ─▶ librdkafka ── await ─▶ note each item ─▶ end
 *
 * Threads: one request at a time per client, by its mutex.
 */
#ifndef WEIR_KAFKA_ADMIN_ADMIN_H
#define WEIR_KAFKA_ADMIN_ADMIN_H

#include <pthread.h>

#include "kafka/client.h"
#include "weir/admin.h"
#include "weir/trace.h"

struct weir_admin {
    struct weir_kafka_client *client;
    pthread_mutex_t mutex;   /* guards the queue: one request at a time */
    rd_kafka_queue_t *queue; /* answers */
};

struct weir_admin_request {
    struct weir_admin *admin;
    const struct weir_rd *rd;
    struct weir_span *span;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event; /* the answer, borrowed by what is read out of it */
    int timeout_ms;
    int code; /* first failure */
    struct weir_error *err;
};

/* Starts the span "<operation> <topic>" (`topic` NULL: none, or several) and makes the options.
 * False: it has ended already with a failure, see code. `is_there`: librdkafka has the calls. */
bool weir_admin_request_begin(struct weir_admin_request *request, struct weir_admin *admin,
                              const char *operation, rd_kafka_admin_op_t op, const char *topic,
                              int64_t timeout_ms, bool is_there, struct weir_error *reterr);
/* Waits for the answer of what was just asked; false: it failed as a whole. */
bool weir_admin_request_await(struct weir_admin_request *request);
/* A failure, of one item (`item` names it) or of the whole (NULL); the first one is the span's and
 * the call's. `ret`, if not NULL, gets it; err 0 writes success there. */
void weir_admin_request_note(struct weir_admin_request *request, const char *item,
                             rd_kafka_resp_err_t err, const char *words,
                             struct weir_admin_result *ret);
/* The same for what was wrong before anything was asked. */
void weir_admin_request_refuse(struct weir_admin_request *request, int code, const char *words);
/* Ends the span, frees the answer. Gives the code. */
int weir_admin_request_end(struct weir_admin_request *request);
/* The one topic of several items, or NULL. */
const char *weir_admin_only(const char *topic, size_t count);

#endif
