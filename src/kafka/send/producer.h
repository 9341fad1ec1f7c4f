/* SPDX-License-Identifier: Apache-2.0 */
/* Our own producer: shared by its sending (kafka/producer.c) and its transactions.
 *
 * Threads: any, but what is marked.
 */
#ifndef WEIR_KAFKA_SEND_PRODUCER_H
#define WEIR_KAFKA_SEND_PRODUCER_H

#include "kafka/send/send.h"

struct weir_producer {
    struct weir_kafka_client *client;
    struct weir_kafka_sender sender;
    pthread_t thread; /* takes delivery reports */
    atomic_bool stopping;
    bool transacts; /* its coordinator knows it; the thread of its transactions */
};

#endif
