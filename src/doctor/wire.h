/* SPDX-License-Identifier: Apache-2.0 */
/* Two questions in Kafka's own protocol, for what must be known before, or without, librdkafka:
 * which requests does this very server understand, and which brokers does it know of?
 *
 *     request    size i32 | api i16 | version i16 | correlation i32 | client id string | body
 *     response   size i32 | correlation i32 | body
 *
 * Threads: any. Memory: the caller's; names are cut to their arrays. Answers are checked byte by
 * byte: a liar gets WEIR_EINVALID.
 * Source: Apache Kafka protocol, ApiVersions v0, Metadata v4.
 */
#ifndef WEIR_DOCTOR_WIRE_H
#define WEIR_DOCTOR_WIRE_H

#include "doctor/socket.h"

enum { WEIR_WIRE_APIS_MAX = 128, WEIR_WIRE_BROKERS_MAX = 256 };

struct weir_wire_versions {
    struct {
        int16_t min, max; /* max < min: the server does not know this request */
    } apis[WEIR_WIRE_APIS_MAX];
};

struct weir_wire_broker {
    int32_t id;
    struct weir_doctor_endpoint endpoint; /* as it calls itself: advertised.listeners */
};

struct weir_wire_cluster {
    char id[64];        /* "" when the broker does not tell */
    int32_t controller; /* -1: none */
    struct weir_wire_broker brokers[WEIR_WIRE_BROKERS_MAX];
    uint32_t brokers_count;
};

/* Over a connected socket. WEIR_EINVALID: the answer is not Kafka's, *ret_speech says what it looks
 * like; WEIR_ETIMEOUT; WEIR_ECLOSED. */
int weir_wire_versions_ask(int fd, int64_t deadline_ns, struct weir_wire_versions *ret,
                           enum weir_doctor_speech *ret_speech, struct weir_error *reterr);
int weir_wire_cluster_ask(int fd, int64_t deadline_ns, struct weir_wire_cluster *ret,
                          struct weir_error *reterr);
/* The bodies alone, behind the correlation id; false: malformed. */
bool weir_wire_versions_parse(struct weir_view body, struct weir_wire_versions *ret);
bool weir_wire_cluster_parse(struct weir_view body, struct weir_wire_cluster *ret);
/* True when records may have headers: version 2 of the record format, of 0.11. */
bool weir_wire_has_headers(const struct weir_wire_versions *versions);
/* "3.7": the oldest Kafka that understands what this server does. */
const char *weir_wire_release(const struct weir_wire_versions *versions);

#endif
