/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking client for unary gRPC calls, over TLS or over cleartext HTTP/2 with prior knowledge,
 * one at a time, on one connection that is kept and opened anew when it broke.
 *
 * A guest in its process: no signal, no output, no abort; every allocation is checked. After fork
 * the child may close its copy: only the descriptor goes, the parent's connection stays usable.
 *
 * Threads: a client has one owner at a time. Memory: answers borrow until the next call.
 * Source: grpc/doc/PROTOCOL-HTTP2.md; RFC 9113.
 */
#ifndef WEIR_NET_GRPC_CLIENT_H
#define WEIR_NET_GRPC_CLIENT_H

#include "base/error.h"
#include "net/tls.h"
#include "net/token.h"

struct weir_grpc_client;

struct weir_grpc_client_options {
    const char *endpoint; /* "http://host:4317", "https://host:4317", or "host:4317" without TLS */
    const struct weir_tls_options *tls; /* as of the HTTP client */
    int64_t connect_timeout_ms;         /* default 5 s */
    size_t answer_size_max;             /* message, default 4 MiB */
};

struct weir_grpc_client_call {
    const char *path; /* "/opentelemetry.proto.collector.trace.v1.TraceService/Export" */
    const struct weir_http_field *metadata; /* lower-case names; borrowed */
    size_t metadata_count;
    struct weir_view message; /* borrowed */
    bool gzip;                /* message is one gzip member already: sent with the flag set */
    int64_t timeout_ms;       /* deadline, also told to the server; default 10 s */
};

struct weir_grpc_client_answer {
    int status;               /* grpc-status; a plain HTTP error is mapped as gRPC says */
    struct weir_view message; /* of the status, decoded; "" if there is none */
    struct weir_view
        details;            /* grpc-status-details-bin, decoded: google.rpc.Status; may be empty */
    struct weir_view body;  /* the answer's message when status is 0 */
    int64_t retry_after_ms; /* from google.rpc.RetryInfo in the details; -1: none */
};

/* Does not connect, reads no file; https loads OpenSSL. WEIR_EINVALID, WEIR_ENOMEMORY. */
int weir_grpc_client_open(const struct weir_grpc_client_options *options,
                          struct weir_grpc_client **ret, struct weir_error *reterr);
void weir_grpc_client_close(struct weir_grpc_client *client);
/* One call. Any gRPC status from the server is a success here. WEIR_EUNAVAILABLE: cannot connect or
 * the connection broke; WEIR_ETIMEOUT; WEIR_ECANCELED; WEIR_EINVALID: the peer does not speak
 * HTTP/2 or gRPC, or TLS is misconfigured; WEIR_EAUTH, WEIR_EUNSUPPORTED as of the HTTP client;
 * WEIR_ETOOBIG; WEIR_ENOMEMORY. */
int weir_grpc_client_do(struct weir_grpc_client *client, const struct weir_grpc_client_call *call,
                        struct weir_grpc_client_answer *ret, struct weir_error *reterr);
/* As weir_http_client_cancel. Any thread. */
void weir_grpc_client_cancel(struct weir_grpc_client *client);

#endif
