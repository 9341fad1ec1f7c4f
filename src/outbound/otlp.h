/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded OTLP requests to a receiver, over HTTP or gRPC, one attempt a call: for libweir's
 * exporter and for the server's.
 *
 * The answer says whether trying again makes sense, exactly as OTLP has it: HTTP 429, 502, 503,
 * 504; gRPC CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS, and
 * RESOURCE_EXHAUSTED when it carries a RetryInfo; and whenever no answer came.
 *
 * Threads: one, but for cancel. Memory: as said.
 * Source: opentelemetry-proto 1.11, docs/specification.md.
 */
#ifndef WEIR_OUTBOUND_OTLP_H
#define WEIR_OUTBOUND_OTLP_H

#include "net/tls.h"
#include "net/token.h"
#include "otlp/batch.h"

struct weir_outbound_options {
    const char *url; /* with scheme; HTTP: with the signal's path; copied */
    enum weir_signal signal;
    bool grpc, gzip;
    const struct weir_http_field *fields; /* more headers, or metadata in lower case; their
                                             texts are borrowed while it is open */
    size_t fields_count;
    const char *user_agent;      /* borrowed as well */
    struct weir_tls_options tls; /* of https */
};

struct weir_outbound_answer {
    int code;               /* WEIR_OK, or why not */
    bool retry;             /* the same request may succeed later */
    int64_t retry_after_ms; /* the receiver's wish; -1: none */
    uint64_t rejected;      /* records that were refused for good although code is WEIR_OK */
    char message[300];      /* "" or words of the receiver or the system */
};

struct weir_outbound {
    /* One attempt; blocks up to timeout_ms. Borrows the encoded Export…ServiceRequest. */
    void (*send)(struct weir_outbound *outbound, struct weir_view body, int64_t timeout_ms,
                 struct weir_outbound_answer *ret);
    /* Makes the attempt that runs, and later ones, end soon. Any thread. */
    void (*cancel)(struct weir_outbound *outbound);
    void (*close)(struct weir_outbound *outbound);
};

/* Does not connect yet. WEIR_EINVALID, WEIR_EUNSUPPORTED, WEIR_ENOMEMORY. */
int weir_outbound_otlp_open(const struct weir_outbound_options *options, struct weir_outbound **ret,
                            struct weir_error *reterr);

/* What the two protocols share, apart for tests. */
bool weir_outbound_retries_http(int status);
bool weir_outbound_retries_grpc(int status, bool has_retry_info);
/* Reads partial_success out of an Export…ServiceResponse. */
void weir_outbound_read_answer(struct weir_view body, struct weir_outbound_answer *ret);

#endif
