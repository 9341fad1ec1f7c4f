/* SPDX-License-Identifier: Apache-2.0 */
/* How one signal's encoded requests reach their receiver: OTLP over HTTP or gRPC, one attempt a
 * call.
 *
 * The answer says whether trying again makes sense, exactly as OTLP has it: HTTP 429, 502, 503,
 * 504; gRPC CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS, and
 * RESOURCE_EXHAUSTED when it carries a RetryInfo; and whenever no answer came, whatever TLS had
 * against it.
 *
 * Threads: the exporter only, but for cancel. Memory: as said.
 * Source: opentelemetry-proto 1.11, docs/specification.md.
 */
#ifndef WEIR_SDK_TRANSPORT_H
#define WEIR_SDK_TRANSPORT_H

#include "sdk/config.h"

struct weir_sdk_answer {
    int code;               /* WEIR_OK, or why not */
    bool retry;             /* the same request may succeed later */
    int64_t retry_after_ms; /* the receiver's wish; -1: none */
    uint64_t rejected;      /* records that were refused for good although code is WEIR_OK */
    char message[300];      /* "" or words of the receiver or the system */
};

struct weir_sdk_transport {
    /* One attempt; blocks up to timeout_ms. Borrows the encoded Export…ServiceRequest. */
    void (*send)(struct weir_sdk_transport *transport, struct weir_view body, int64_t timeout_ms,
                 struct weir_sdk_answer *ret);
    /* Makes the attempt that runs, and later ones, end soon. Any thread. */
    void (*cancel)(struct weir_sdk_transport *transport);
    void (*close)(struct weir_sdk_transport *transport);
};

typedef int weir_sdk_transport_open_fn(const struct weir_config_otlp *otlp,
                                       enum weir_sdk_signal signal, struct weir_sdk_transport **ret,
                                       struct weir_error *reterr);

/* Does not connect yet. `otlp` is kept by pointer. WEIR_EINVALID, WEIR_EUNSUPPORTED,
 * WEIR_ENOMEMORY. */
weir_sdk_transport_open_fn weir_sdk_transport_open;

/* What the two implementations share, apart for tests. */
bool weir_sdk_transport_retries_http(int status);
bool weir_sdk_transport_retries_grpc(int status, bool has_retry_info);
/* Reads partial_success out of an Export…ServiceResponse. */
void weir_sdk_transport_read_answer(struct weir_view body, struct weir_sdk_answer *ret);

#endif
