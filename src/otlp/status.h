/* SPDX-License-Identifier: Apache-2.0 */
/* What OTLP answers: Export…ServiceResponse with partial success, and google.rpc.Status with
 * RetryInfo, both as protobuf and as JSON, written and read.
 *
 * Threads: any. Memory: the caller's buffers; views into the caller's bytes.
 * Source: opentelemetry-proto, docs/specification.md; googleapis google/rpc/{status,error_details}.
 */
#ifndef WEIR_OTLP_STATUS_H
#define WEIR_OTLP_STATUS_H

#include "otlp/batch.h"
#include "wire/json.h"

/* The answer to a request that was accepted. Nothing rejected and no words: an empty message, as
 * the specification wants it. Rejected 0 with words is a warning. */
struct weir_otlp_response {
    uint64_t rejected_count;
    struct weir_view message;
};
void weir_otlp_response_encode(struct weir_buf *buf, const struct weir_otlp_response *response);
void weir_otlp_response_encode_json(struct weir_buf *buf, enum weir_signal signal,
                                    const struct weir_otlp_response *response);
/* False when malformed. */
bool weir_otlp_response_decode(struct weir_view bytes, struct weir_otlp_response *ret);

/* The answer to a request that was refused. */
struct weir_otlp_status {
    int grpc_code; /* 3 invalid argument, 8 resource exhausted, 14 unavailable, … */
    struct weir_view message;
    int64_t retry_after_ms; /* > 0 adds a RetryInfo; -1 after decode: there was none */
};
void weir_otlp_status_encode(struct weir_buf *buf, const struct weir_otlp_status *status);
void weir_otlp_status_encode_json(struct weir_buf *buf, const struct weir_otlp_status *status);
bool weir_otlp_status_decode(struct weir_view bytes, struct weir_otlp_status *ret);

#endif
