/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that call librdkafka themselves: interceptors on their configuration.
 *
 *     instrument.c          the configuration, the handle that is made from it, their ends
 *     instrument_send.c     on_send, on_acknowledgement
 *     instrument_receive.c  on_consume, on_commit
 *
 * Threads: interceptors run on the application's threads and on librdkafka's; on the latter they
 * wait for nothing.
 * Memory: one per configuration; it ends with the configuration, which is after the handle's last
 * thread has ended.
 */
#ifndef WEIR_KAFKA_INSTRUMENT_H
#define WEIR_KAFKA_INSTRUMENT_H

#include "kafka/trace.h"

#define WEIR_KAFKA_INTERCEPTOR "weir"

/* What a configuration and the handle made from it share. */
struct weir_kafka_instrumented {
    struct weir_kafka_client *client; /* NULL until on_new */
    const struct weir_rd *rd;
    struct weir_kafka_settings *settings; /* what the configuration says; the client has a copy */
    struct weir_kafka_sends *sends;       /* producers: instrument_send.c's; may be NULL */
    struct weir_kafka_receives *receives; /* consumers: instrument_receive.c's; may be NULL */
    struct weir_kafka_instrumented *next; /* in the list of those with a handle */
    int (*stats_cb)(rd_kafka_t *, char *, size_t, void *); /* the application's; NULL: none */
};

/* Within on_new, with `client` set: makes the half's state and adds its interceptors. Out of memory
 * it adds none. */
void weir_kafka_sends_attach(struct weir_kafka_instrumented *self, rd_kafka_t *rk);
void weir_kafka_receives_attach(struct weir_kafka_instrumented *self, rd_kafka_t *rk,
                                const rd_kafka_conf_t *conf);
/* The application destroys the handle: what its consumer's messages were processed by is over. */
void weir_kafka_receives_close(struct weir_kafka_receives *receives);
/* The consumer's explicit task begins for the message; gives its poll. */
struct weir_span_context weir_kafka_receives_supersede(struct weir_kafka_receives *receives,
                                                       const rd_kafka_message_t *message);
/* The application destroys the message. */
void weir_kafka_receives_destroyed(struct weir_kafka_receives *receives,
                                   const rd_kafka_message_t *message);
/* The application serves callbacks, on this thread: within a poll, if this is the thread that
 * polls. */
void weir_kafka_receives_idle(struct weir_kafka_receives *receives);

/* An application that is seen destroying messages (by who interposes rd_kafka_message_destroy)
 * tells so before it does. `rk` NULL: whose it is, is not known. Any thread. */
WEIR_API void weir_kafka_message_destroyed(struct rd_kafka_s *rk,
                                           const struct rd_kafka_message_s *message);

/* Within on_conf_destroy: ends what is open and frees the state. Both take NULL. */
void weir_kafka_sends_free(struct weir_kafka_sends *sends);
void weir_kafka_receives_free(struct weir_kafka_receives *receives);

#endif
