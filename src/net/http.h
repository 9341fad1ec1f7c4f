/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server that every door of weir uses: HTTP/1.1, HTTP/2 (h2c, or ALPN over TLS) and gRPC
 * unary calls on one port, WebSocket upgrades, chunked and gzip bodies.
 *
 *     loop threads: read, parse, run quick handlers        pool threads: run blocking handlers
 *            └── whole request (body within its limit) ──▶ handler ──▶ reply from any thread
 *
 * A handler gets a request that is complete, and answers it exactly once: with a reply, a stream, a
 * gRPC reply or a WebSocket; at once or later, from any thread. The answer ends the handler's right
 * to the request. A request that nobody answered by the end of a *blocking* handler gets a 500.
 *
 * Threads: as said per function. Memory: a request owns an arena; all its views lie there.
 * Source: RFC 9110, 9112, 9113, 6455; gRPC over HTTP/2.
 */
#ifndef WEIR_NET_HTTP_H
#define WEIR_NET_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/pool.h"

struct weir_http_server;

struct weir_http_request {
    struct weir_arena *arena; /* lives until the answer is sent */
    struct weir_view method;  /* "GET" */
    struct weir_view path;    /* percent-decoded, starts with '/' */
    struct weir_view query;   /* raw, without '?' */
    struct weir_view body;    /* decompressed; gRPC: the one message */
    size_t body_size_wire;    /* bytes received, before decompression */
    struct weir_view peer;    /* "127.0.0.1:50123" */
    bool is_grpc;             /* answer with weir_http_reply_grpc */
    bool is_websocket;        /* asks for an upgrade: answer with weir_http_accept_websocket */
};

typedef void weir_http_handler(void *ctx, struct weir_http_request *req);

enum weir_http_route_flags {
    WEIR_HTTP_BLOCKING = 1, /* runs on the pool; may block */
    WEIR_HTTP_FORM = 2,     /* POST with application/x-www-form-urlencoded is taken as parameters */
};

struct weir_http_route {
    const char *method;  /* "GET", "POST", "GET|POST", … ; GET serves HEAD too; "*" = any */
    const char *pattern; /* "/api/traces/{id}": {name} is one segment; a trailing "*" is the rest */
    weir_http_handler *handler;
    unsigned flags;
    size_t body_size_max; /* after decompression; 0 = the door's */
};

struct weir_tls_options; /* net/tls.h */

struct weir_http_door {
    const char *listen;                   /* "127.0.0.1:4318", "[::1]:0" (0 = any free port) */
    const char *name;                     /* for logs and errors: "otlp/http" */
    const struct weir_http_route *routes; /* borrowed for the life of the server */
    size_t routes_count;
    void *ctx;            /* given to the handlers */
    size_t body_size_max; /* default 20 MiB */
    const char *const
        *hosts;      /* allowed Host names besides loopback and the listen address; NULL-ended
                        or NULL; a request with another Host or a foreign Origin gets 403 */
    bool check_host; /* the Host and Origin check above (browser-facing doors) */
    const struct weir_tls_options
        *tls; /* the door speaks TLS and nothing else; NULL: plain; copied */
};

struct weir_http_options {
    size_t loops_count;        /* I/O threads, default 1 */
    struct weir_pool *pool;    /* for blocking handlers; borrowed */
    size_t connections_max;    /* default 1024 */
    int64_t idle_timeout_ms;   /* default 60 s */
    int64_t header_timeout_ms; /* default 10 s */
    size_t bodies_size_max;    /* request bodies in memory, of all connections; default 256 MiB */
};

/* Threads: owner (the app's main thread) only. */
int weir_http_server_open(const struct weir_http_options *options, struct weir_http_server **ret,
                          struct weir_error *reterr);
/* Starts to listen; errors name the address and the remedy (port taken: by whom to look), and what
 * is wrong with a certificate. */
int weir_http_server_add_door(struct weir_http_server *server, const struct weir_http_door *door,
                              uint16_t *ret_port, struct weir_error *reterr);
/* Looks whether certificates have changed, without waiting for the next connection, which would do
 * it too. The first door that cannot use its new ones gives the error; it keeps the old. */
int weir_http_server_refresh_tls(struct weir_http_server *server, struct weir_error *reterr);
/* Stops accepting, finishes what is in flight up to the deadline, then closes every connection:
 * requests that nobody answered by then are canceled. */
void weir_http_server_stop(struct weir_http_server *server, int64_t drain_timeout_ns);
/* Stops (at once, if stop was not called) and frees. Handlers may still run: free the pool before
 * what their ctx points to. An answer that comes later is dropped. Takes NULL. */
void weir_http_server_close(struct weir_http_server *server);

/* Threads: the request's present owner. Views live as long as the request. */
struct weir_view weir_http_header(const struct weir_http_request *req,
                                  const char *name); /* any case; "" if absent */
struct weir_view weir_http_path_param(const struct weir_http_request *req, const char *name);
/* The first parameter of that name, decoded, from the query (or the form body); ptr
 * NULL if absent. */
struct weir_view weir_http_param(const struct weir_http_request *req, const char *name);
/* The `index`-th of that name (match[]); false past the last. */
bool weir_http_param_at(const struct weir_http_request *req, const char *name, size_t index,
                        struct weir_view *ret);
/* True once the peer has gone: nobody reads the answer. Any thread. */
bool weir_http_is_canceled(void *req);

/* Extra answer headers, before the reply; both copied. */
void weir_http_reply_header(struct weir_http_request *req, const char *name,
                            struct weir_view value);
/* One whole answer; the body is copied (`_view`) or taken (`_buf`, done by the callee). Large
 * bodies are gzipped when the peer accepts it. Any thread. */
void weir_http_reply_view(struct weir_http_request *req, int status, const char *content_type,
                          struct weir_view body);
void weir_http_reply_buf(struct weir_http_request *req, int status, const char *content_type,
                         struct weir_buf *body);
/* {"status":"error","errorType":…,"error":message} is API-specific; this one is plain text. */
void weir_http_reply_error(struct weir_http_request *req, const struct weir_error *err);

/* A streamed answer, from a pool thread: write blocks while the peer is slow (back-pressure) and
 * gives WEIR_ECANCELED when it has gone. end is called in every case, exactly once. */
void weir_http_stream_begin(struct weir_http_request *req, int status, const char *content_type);
int weir_http_stream_write(struct weir_http_request *req, struct weir_view bytes);
void weir_http_stream_end(struct weir_http_request *req);

/* gRPC: status 0 with a message, or a status with words and optional encoded google.rpc.Status
 * details. Any thread. */
void weir_http_reply_grpc(struct weir_http_request *req, int grpc_status, const char *grpc_message,
                          struct weir_view message, struct weir_view status_details);

/* WebSocket, from a pool thread: accept, then send texts; send blocks while the peer is slow, gives
 * WEIR_ECANCELED when it closed. Pings are answered by the server. */
int weir_http_accept_websocket(struct weir_http_request *req);
int weir_http_websocket_send(struct weir_http_request *req, struct weir_view text);
void weir_http_websocket_close(struct weir_http_request *req);

#endif
