/* SPDX-License-Identifier: Apache-2.0 */
/* on_consume: the message counts, and its span "poll" links it. on_commit: span "commit". */
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/instrument.h"

struct weir_kafka_receives {
    struct weir_kafka_client *client; /* the instrumented one's */
    pthread_mutex_t mutex;            /* guards poll */
    struct weir_span_context poll;    /* the latest one */
};

static rd_kafka_resp_err_t on_consume(rd_kafka_t *rk, rd_kafka_message_t *raw, void *opaque) {
    (void)rk;
    struct weir_kafka_receives *self = opaque;
    struct weir_kafka_message message, *pointer = &message;
    weir_kafka_message_borrow(&message, self->client, raw);
    weir_kafka_message_count(&message);
    weir_kafka_poll_end(self->client, weir_clock_wall_ns(), 0, &pointer, 1, false);
    pthread_mutex_lock(&self->mutex);
    self->poll = message.poll;
    pthread_mutex_unlock(&self->mutex);
    weir_kafka_message_done(&message);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_commit(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets,
                                     rd_kafka_resp_err_t err, void *opaque) {
    (void)rk;
    struct weir_kafka_receives *self = opaque;
    pthread_mutex_lock(&self->mutex);
    struct weir_span_context poll = self->poll;
    pthread_mutex_unlock(&self->mutex);
    struct weir_kafka_commit commit = {
        .offsets = offsets, .polls = &poll, .polls_count = weir_span_context_is_valid(&poll)};
    weir_kafka_commit_end(self->client, &commit, err);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void weir_kafka_receives_attach(struct weir_kafka_instrumented *self, rd_kafka_t *rk) {
    struct weir_kafka_receives *receives = calloc(1, sizeof *receives);
    if (!receives) return;
    receives->client = self->client;
    pthread_mutex_init(&receives->mutex, NULL);
    self->receives = receives;
    self->rd->interceptor_add_on_consume(rk, WEIR_KAFKA_INTERCEPTOR, on_consume, receives);
    self->rd->interceptor_add_on_commit(rk, WEIR_KAFKA_INTERCEPTOR, on_commit, receives);
}

void weir_kafka_receives_free(struct weir_kafka_receives *receives) {
    if (!receives) return;
    pthread_mutex_destroy(&receives->mutex);
    free(receives);
}
