/* SPDX-License-Identifier: Apache-2.0 */
/* A librdkafka client that only looks: it joins no group, commits nothing, prints nothing, and
 * keeps the last words of what went wrong.
 *
 * Threads: the checks' one thread; librdkafka's own threads only write the last words.
 * Memory: results as said.
 */
#ifndef WEIR_DOCTOR_CLIENT_H
#define WEIR_DOCTOR_CLIENT_H

#include "doctor/check.h"

struct weir_doctor_client {
    const struct weir_rd *rd;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* answers of admin requests */
};

/* The properties in force: the file's, then ours. NULL with an error: a property is wrong. */
rd_kafka_conf_t *weir_doctor_conf(struct weir_doctor *doctor, const char *brokers,
                                  struct weir_error *reterr);
/* Frees a configuration that no client took; `is_failed`: one tried. */
void weir_doctor_conf_free(const struct weir_rd *rd, rd_kafka_conf_t *conf, bool is_failed);
/* A consumer that knows these brokers. WEIR_EINVALID: what is wrong with the configuration. */
int weir_doctor_client_open(struct weir_doctor *doctor, const char *brokers,
                            struct weir_doctor_client **ret, struct weir_error *reterr);
/* Takes NULL. */
void weir_doctor_client_close(struct weir_doctor_client *client);
/* Asks for metadata until an answer comes, a refusal that stays (TLS, SASL), or `timeout_ms`.
 * *ret: destroy with rd->metadata_destroy. The error has librdkafka's last words. */
int weir_doctor_client_metadata(struct weir_doctor_client *client, bool all_topics, int timeout_ms,
                                const struct rd_kafka_metadata **ret, struct weir_error *reterr);
/* What librdkafka said last that was an error; "" if nothing. Copied. */
void weir_doctor_client_words(struct weir_doctor_client *client, char *ret, size_t size);
/* Waits for the answer of an admin request. NULL with the error: it failed as a whole. */
rd_kafka_event_t *weir_doctor_client_answer(struct weir_doctor_client *client, int timeout_ms,
                                            struct weir_error *reterr);
/* Options with this timeout for a request, to be destroyed; NULL: memory is out. */
rd_kafka_AdminOptions_t *weir_doctor_client_options(struct weir_doctor_client *client,
                                                    rd_kafka_admin_op_t op, int timeout_ms);

#endif
