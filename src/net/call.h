/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer, between a connection (on its loop) and a handler (anywhere).
 *
 *     connection ── head ─▶ check ── body ─▶ body_add … ─▶ dispatch ─▶ handler
 *         ▲                   └─ refuse ─┐                                │ reply, stream, …
 *         └────── protocol->answer ◀─────┴────────── task on the loop ◀───┘
 *
 * References: one of the connection, one of whoever must answer, one of each pool job or posted
 * task. `conn` is set while the connection waits for (the rest of) the answer, and is the loop's
 * own.
 *
 * Threads: fields are grouped by who may touch them. Memory: heap, by references.
 */
#ifndef WEIR_NET_CALL_H
#define WEIR_NET_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/door.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/route.h"
#include "net/token.h"
#include "net/uri.h"

#define WEIR_HTTP_PIPE_SIZE_MAX    (256 * 1024) /* of a stream: a writer waits beyond it */
#define WEIR_HTTP_REPLY_FIELDS_MAX 32           /* extra headers of one answer */

struct weir_http_conn;
struct weir_http_server;
struct weir_http_worker;

enum weir_http_answer {
    WEIR_HTTP_ANSWER_NONE,
    WEIR_HTTP_ANSWER_WHOLE,
    WEIR_HTTP_ANSWER_GRPC,
    WEIR_HTTP_ANSWER_STREAM,
    WEIR_HTTP_ANSWER_WEBSOCKET,
};

struct weir_http_call {
    struct weir_http_request req; /* first: a handler's request is the call */
    struct weir_arena arena;
    atomic_int refs;
    struct weir_http_server *server; /* referenced */
    struct weir_http_worker *worker;
    struct weir_http_door_state *door;

    /* Written by the loop before dispatch, read by the request's owner. */
    struct weir_http_field *fields;
    uint32_t fields_count, fields_room;
    struct weir_view raw_path;
    struct weir_view authority; /* Host, or :authority */
    bool is_head;               /* HEAD: the answer has no body */
    const struct weir_http_route *route;
    struct weir_http_path_params path_params;
    struct weir_buf body; /* as received, then as decompressed */
    size_t body_size_max; /* of the route */
    size_t budget_taken;  /* bytes counted against the server's budget */

    /* Request owner only. */
    struct weir_http_param_item *params;
    uint32_t params_count, params_room;
    bool params_parsed;

    /* Loop only. */
    struct weir_http_conn *conn;         /* NULL: nobody waits for the answer any more */
    struct weir_http_call *next, **link; /* the connection's calls */
    int32_t stream_id;                   /* HTTP/2 */
    bool dispatched;                     /* the answer's reference went to a handler */
    bool in_dispatch;                    /* its quick handler runs right now */
    bool head_sent;
    bool refused_early;              /* answered before its body was read */
    size_t fields_size;              /* HTTP/2, as all below: bytes of the head so far */
    bool received;                   /* the whole request is here */
    int64_t started_ns, progress_ns; /* of the stream; of its body or answer */
    size_t dropped_size;             /* bytes of body that came after the answer */
    size_t body_at;                  /* bytes of the answer's body sent; guarded by `lock` */

    /* Any thread. */
    atomic_bool canceled; /* the peer has gone */
    atomic_bool answered;
    atomic_bool posted; /* `task` waits on the loop */
    struct weir_loop_task task;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    enum weir_http_answer answer;
    int status;
    struct weir_view content_type;
    struct weir_http_field reply_fields[WEIR_HTTP_REPLY_FIELDS_MAX];
    size_t reply_fields_count;
    struct weir_buf reply; /* whole body; gRPC: frame with message; stream: what waits */
    size_t reply_size;     /* whole: body size even for HEAD */
    bool reply_gzipped;
    int grpc_status;
    struct weir_view grpc_message, grpc_details; /* encoded for the wire */
    bool ended;                                  /* stream: nothing follows */
    bool aborted;                                /* stream: its handler forgot to end it */
};

/* Loop. NULL: no memory. The call has two references: connection and answer. */
struct weir_http_call *weir_http_call_new(struct weir_http_conn *conn);
struct weir_http_call *weir_http_call_ref(struct weir_http_call *call);
void weir_http_call_unref(struct weir_http_call *call);
/* Tells the handler that the peer has gone, and wakes it. */
void weir_http_call_cancel(struct weir_http_call *call);
/* Loop: the connection waits no longer. `canceled`: and the peer has gone. */
void weir_http_call_detach(struct weir_http_call *call, bool canceled);

/* Loop: the head is complete. False: refused, the answer is made. Length -1: unknown. */
bool weir_http_call_check(struct weir_http_call *call, struct weir_view target,
                          int64_t content_length);
/* Loop: more of the body. False: refused, the answer is made. */
bool weir_http_call_body_add(struct weir_http_call *call, struct weir_view bytes);
/* Loop: the request is complete: decompress, run the handler here or on the pool. */
void weir_http_call_dispatch(struct weir_http_call *call);
/* Answers in the handler's place and counts why. Loop or handler. */
void weir_http_call_refuse(struct weir_http_call *call, enum weir_http_refusal why, int status,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Tells the loop that the answer has changed. Any thread that holds a reference. */
void weir_http_call_notify(struct weir_http_call *call);
struct weir_view weir_http_call_field(const struct weir_http_call *call, const char *name);

static inline struct weir_http_call *weir_http_call_of(struct weir_http_request *req) {
    return (struct weir_http_call *)req;
}

#endif
