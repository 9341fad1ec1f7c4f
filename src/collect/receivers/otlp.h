/* SPDX-License-Identifier: Apache-2.0 */
/* The OTLP doors: POST /v1/{traces,metrics,logs} as protobuf or JSON, and the three gRPC Export
 * calls. Both tables serve both, since they may share a port.
 *
 *     request ─▶ budget ─▶ decode ─▶ sink … done ─▶ answer (never before the sink has answered)
 *
 * Answers: 200 or OK with partial success for records that are invalid by themselves; 400 for what
 * cannot be decoded, never to be tried again; 429/503 with Retry-After, RESOURCE_EXHAUSTED or
 * UNAVAILABLE with RetryInfo, for what may be tried again; 415 and 404 with words.
 *
 * Threads: handlers run on loop threads; the sink answers on any.
 * Source: opentelemetry-proto, docs/specification.md.
 */
#ifndef WEIR_COLLECT_RECEIVERS_OTLP_H
#define WEIR_COLLECT_RECEIVERS_OTLP_H

#include "collect/budget.h"
#include "net/http.h"
#include "otlp/sink.h"

struct weir_otlp_receiver;

struct weir_otlp_receiver_options {
    struct weir_sink *sink;     /* borrowed: outlives the receiver */
    struct weir_budget *budget; /* borrowed: outlives the receiver */
    const bool *signals;        /* by enum weir_signal: which are taken; NULL = all; read once */
};

/* NULL: out of memory. */
struct weir_otlp_receiver *weir_otlp_receiver_new(const struct weir_otlp_receiver_options *options);
/* No request may be under way: stop the server first. Takes NULL. */
void weir_otlp_receiver_free(struct weir_otlp_receiver *receiver);
/* For a door whose ctx is the receiver. */
const struct weir_http_route *weir_otlp_receiver_http_routes(size_t *ret_count);
const struct weir_http_route *weir_otlp_receiver_grpc_routes(size_t *ret_count);

#endif
