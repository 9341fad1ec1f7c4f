/* SPDX-License-Identifier: Apache-2.0 */
/* What librdkafka's broker threads tell: round trips of requests, by kind of request
 * (weir.kafka.broker.request.duration), and connections (weir.kafka.broker.connected).
 *
 * Broker threads must not wait: every series is made beforehand, and recording is a thread's own
 * add.
 *
 * Threads: recording any. Memory: the series live as long as the process.
 */
#ifndef WEIR_KAFKA_REQUESTS_H
#define WEIR_KAFKA_REQUESTS_H

#include "rd/rd.h"
#include "weir/metric.h"

struct weir_kafka_client;

enum { WEIR_KAFKA_APIS_MAX = 80 };

struct weir_kafka_requests {
    struct weir_series *series[WEIR_KAFKA_APIS_MAX]; /* by the protocol's number; NULL: not kept */
};

/* Makes the client's series; without metrics none. On the application's thread. */
void weir_kafka_requests_init(struct weir_kafka_client *client);
/* The interceptors' opaque is the client. */
rd_kafka_interceptor_f_on_broker_state_change_t weir_kafka_requests_on_state;
/* The interceptor on_response_received. A fetch waits at the broker for
 * data: it is no latency, and not recorded. */
rd_kafka_interceptor_f_on_response_received_t weir_kafka_requests_on_response;

#endif
