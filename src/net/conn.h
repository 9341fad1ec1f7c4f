/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the server: socket, deadline, what waits to be written, and the protocol it
 * speaks.
 *
 *     accept ─▶ sniff ─┬─▶ HTTP/1.1 ──▶ WebSocket
 *                      └─▶ HTTP/2 (preface "PRI * HTTP/2.0")
 *
 * Every event ends in conn_settle: write what can be written, then watch and wait for what the
 * protocol wants next. A closed connection is freed by a task, after the turn in which it was
 * closed.
 *
 * Threads: the worker's loop only. Memory: heap; owned by its worker's list.
 */
#ifndef WEIR_NET_CONN_H
#define WEIR_NET_CONN_H

#include "net/call.h"
#include "net/http1.h"
#include "net/loop.h"
#include "net/outq.h"
#include "net/transport.h"

#define WEIR_HTTP_OUT_HIGH (256 * 1024) /* protocols add no more while so much waits */
#define WEIR_HTTP_NEVER    INT64_MAX

struct weir_http_conn;
struct weir_http2;
struct weir_http_websocket;

struct weir_http_protocol {
    /* Consumes from the front of `bytes`; gives how much. The rest is offered again with more
     * behind it. */
    size_t (*input)(struct weir_http_conn *conn, struct weir_view bytes);
    /* A call's answer has changed. */
    void (*answer)(struct weir_http_conn *conn, struct weir_http_call *call);
    /* `out` has room again. */
    void (*refill)(struct weir_http_conn *conn);
    /* The peer sends nothing more. */
    void (*eof)(struct weir_http_conn *conn);
    /* Reads only while true. */
    bool (*wants_input)(const struct weir_http_conn *conn);
    /* When to call timeout, or WEIR_HTTP_NEVER. */
    int64_t (*deadline_ns)(const struct weir_http_conn *conn);
    void (*timeout)(struct weir_http_conn *conn);
    /* The server stops: finish what is in flight, then close. */
    void (*drain)(struct weir_http_conn *conn);
};

extern const struct weir_http_protocol weir_http_protocol_h1, weir_http_protocol_h2;

enum weir_http1_state {
    WEIR_HTTP1_HEAD,    /* waits for a request */
    WEIR_HTTP1_BODY,    /* reads its body */
    WEIR_HTTP1_BUSY,    /* waits for the answer */
    WEIR_HTTP1_CLOSING, /* answered for the last time; reads and drops until the peer closes */
};

struct weir_http1_conn {
    enum weir_http1_state state;
    struct weir_http1_scan scan;
    struct weir_http1_body body;
    struct weir_http_call *call; /* in BODY and BUSY */
    int minor;
    bool keep_alive;
    bool chunked_reply;
    int64_t started_ns; /* of the head, or of the body */
    int64_t last_input_ns;
    uint64_t body_size; /* bytes of body so far */
};

struct weir_http_conn {
    struct weir_http_worker *worker;
    struct weir_http_door_state *door;
    struct weir_http_server *server; /* referenced */
    const struct weir_http_protocol *protocol;
    struct weir_transport transport;
    struct weir_loop_watch watch;
    struct weir_loop_timer timer;
    struct weir_loop_task free_task;
    struct weir_http_conn *next, **link; /* the worker's connections */
    struct weir_http_call *calls;        /* whose answers are awaited */
    size_t calls_count;
    struct weir_buf in; /* input that the protocol could not use yet */
    struct weir_outq out;
    int64_t stalled_ns; /* since when the socket takes nothing of `out`; 0 while it is empty */
    bool sniffed;       /* the protocol is known */
    bool peer_ended;    /* EOF was read */
    bool half_closed;   /* the peer ended its side behind bytes that are not read yet */
    bool close_when_sent;
    bool draining; /* the server stops */
    bool closed;
    char peer[56];
    struct weir_http1_conn h1;
    struct weir_http2 *h2;
    struct weir_http_websocket *ws;
};

/* Takes the socket. */
void weir_http_conn_open(struct weir_http_worker *worker, struct weir_http_door_state *door, int fd,
                         const char *peer);
/* Closes now; calls in flight are canceled. Safe to call twice. */
void weir_http_conn_close(struct weir_http_conn *conn);
/* After any change: feed buffered input, write, watch. */
void weir_http_conn_settle(struct weir_http_conn *conn);
/* Finish and close; idle ones at once. */
void weir_http_conn_drain(struct weir_http_conn *conn);

/* For protocols. */
void weir_http2_free(struct weir_http2 *h2);
bool weir_http2_start(struct weir_http_conn *conn);
void weir_http_websocket_free(struct weir_http_websocket *ws);
bool weir_http_websocket_start(struct weir_http_conn *conn, struct weir_http_call *call);

#endif
