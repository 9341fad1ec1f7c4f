/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 on a connection of the server: one request at a time, pipelined ones wait their turn. */
#include "net/conn.h"

#include <stdio.h>

#include "base/clock.h"
#include "net/grpc.h"
#include "net/server.h"

#define CLOSING_TIMEOUT_NS (2 * WEIR_NS_PER_S) /* for the peer to read a refusal and close */
#define BODY_RATE_MIN      1024 /* bytes per second, averaged, below which a body is too slow */

static int64_t now_ns(const struct weir_http_conn *conn) {
    return weir_loop_now_ns(conn->worker->loop);
}

/* ---- request ---- */

/* A refusal without a call: the head could not be read. */
static void refuse_head(struct weir_http_conn *conn, enum weir_http_refusal why, int status,
                        const char *reason) {
    struct weir_buf *head = &conn->worker->head;
    weir_http_door_count_refused(conn->door, why);
    weir_http_door_count_status(conn->door, status);
    weir_buf_clear(head);
    weir_http1_add_status(head, status);
    weir_buf_printf(head,
                    "Date: %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                    weir_http_worker_date(conn->worker), strlen(reason) + 1, reason);
    weir_outq_add(&conn->out, weir_buf_view(head));
    conn->h1.state = WEIR_HTTP1_CLOSING;
    conn->h1.started_ns = now_ns(conn);
}

static void fill_request(struct weir_http_call *call, const struct weir_http1_head *head) {
    call->fields = weir_arena_alloc(&call->arena, (head->fields_count + 1) * sizeof *call->fields);
    if (!call->fields) return;
    memcpy(call->fields, head->fields, head->fields_count * sizeof *call->fields);
    call->fields_count = (uint32_t)head->fields_count;
    call->req.method = head->method;
    call->authority = head->host.ptr ? head->host : WEIR_VIEW("");
    struct weir_view version = weir_http_call_field(call, "sec-websocket-version");
    struct weir_view key = weir_http_call_field(call, "sec-websocket-key");
    call->req.is_websocket = head->upgrade && weir_view_is(head->method, "GET") &&
                             weir_view_is(version, "13") && key.len == 24 &&
                             weir_http_list_has(weir_http_call_field(call, "upgrade"), "websocket");
}

static void expect_body(struct weir_http_conn *conn, const struct weir_http1_head *head) {
    weir_http1_body_init_request(&conn->h1.body, head);
    conn->h1.state = WEIR_HTTP1_BODY;
    conn->h1.started_ns = conn->h1.last_input_ns = now_ns(conn);
    conn->h1.body_size = 0;
    if (head->expect_continue && !conn->h1.body.done)
        weir_outq_add(&conn->out, WEIR_VIEW("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* The whole head is at `bytes`: makes the call. */
static void begin_request(struct weir_http_conn *conn, struct weir_view bytes) {
    struct weir_http1_head head;
    const char *reason;
    struct weir_http_call *call = weir_http_call_new(conn);
    struct weir_view kept =
        call ? weir_arena_copy(&call->arena, bytes) : (struct weir_view){NULL, 0};
    if (!kept.ptr) {
        weir_http_conn_close(conn);
        return;
    }
    int status = weir_http1_parse_request(kept, &head, &reason);
    if (status) {
        weir_http_call_detach(call, false);
        refuse_head(conn, status == 431 ? WEIR_HTTP_REFUSED_HEAD_SIZE : WEIR_HTTP_REFUSED_MALFORMED,
                    status, reason);
        return;
    }
    conn->h1.call = call;
    conn->h1.minor = head.minor;
    conn->h1.keep_alive = head.keep_alive && !conn->draining;
    fill_request(call, &head);
    weir_http1_body_init_request(&conn->h1.body, &head);
    if (!weir_http_call_check(call, head.target, head.content_length)) {
        call->refused_early = !conn->h1.body.done;
        conn->h1.state = WEIR_HTTP1_BUSY;
        return;
    }
    expect_body(conn, &head);
}

static size_t input_head(struct weir_http_conn *conn, struct weir_view bytes) {
    struct weir_http1_conn *h1 = &conn->h1;
    size_t len, skipped = 0;
    const char *reason;
    if (h1->scan.at == 0) { /* empty lines before a request are forgiven: RFC 9112, 2.2 */
        while (bytes.len - skipped >= 2 && memcmp(bytes.ptr + skipped, "\r\n", 2) == 0)
            skipped += 2;
        if (skipped) return skipped;
        h1->started_ns = now_ns(conn);
    }
    int status = weir_http1_head_find(bytes, &h1->scan, &len, &reason);
    if (status) {
        refuse_head(conn, status == 431 ? WEIR_HTTP_REFUSED_HEAD_SIZE : WEIR_HTTP_REFUSED_MALFORMED,
                    status, reason);
        return bytes.len;
    }
    if (len == 0) return 0;
    h1->scan = (struct weir_http1_scan){0};
    begin_request(conn, weir_view_upto(bytes, len));
    return len;
}

static void dispatch_if_done(struct weir_http_conn *conn) {
    if (conn->h1.state != WEIR_HTTP1_BODY || !conn->h1.body.done) return;
    conn->h1.state = WEIR_HTTP1_BUSY;
    weir_http_call_dispatch(conn->h1.call);
}

static size_t input_body(struct weir_http_conn *conn, struct weir_view bytes) {
    struct weir_http1_conn *h1 = &conn->h1;
    struct weir_view rest = bytes, content;
    const char *reason;
    int status = weir_http1_body_parse(&h1->body, &rest, &content, &reason);
    h1->last_input_ns = now_ns(conn);
    h1->body_size += content.len;
    if (status) {
        h1->call->refused_early = true;
        h1->state = WEIR_HTTP1_BUSY;
        weir_http_call_refuse(h1->call, WEIR_HTTP_REFUSED_MALFORMED, status, "%s", reason);
    } else if (content.len && !weir_http_call_body_add(h1->call, content)) {
        h1->call->refused_early = true;
        h1->state = WEIR_HTTP1_BUSY;
    }
    dispatch_if_done(conn);
    return bytes.len - rest.len;
}

static size_t input(struct weir_http_conn *conn, struct weir_view bytes) {
    size_t used = 0;
    switch (conn->h1.state) {
    case WEIR_HTTP1_HEAD:
        used = input_head(conn, bytes);
        if (!conn->closed) dispatch_if_done(conn); /* a request without a body */
        return used;
    case WEIR_HTTP1_BODY: return input_body(conn, bytes);
    case WEIR_HTTP1_BUSY: return 0;
    case WEIR_HTTP1_CLOSING: return bytes.len;
    }
    return 0;
}

static bool wants_input(const struct weir_http_conn *conn) {
    return conn->h1.state != WEIR_HTTP1_BUSY;
}

/* ---- answer ---- */

static void next_request(struct weir_http_conn *conn, struct weir_http_call *call) {
    struct weir_http1_conn *h1 = &conn->h1;
    bool early = call->refused_early;
    weir_http_door_count_status(conn->door, call->status);
    h1->call = NULL;
    weir_http_call_detach(call, false);
    h1->started_ns = h1->last_input_ns = now_ns(conn);
    h1->state = early ? WEIR_HTTP1_CLOSING : WEIR_HTTP1_HEAD;
    if (!h1->keep_alive && !early) {
        h1->state = WEIR_HTTP1_BUSY; /* reads no further request */
        conn->close_when_sent = true;
    }
}

static void add_fields(struct weir_http_conn *conn, struct weir_http_call *call,
                       struct weir_buf *head) {
    weir_http1_add_status(head, call->status);
    weir_http1_add_field(head, WEIR_VIEW("Date"),
                         weir_view_str(weir_http_worker_date(conn->worker)));
    if (call->content_type.len)
        weir_http1_add_field(head, WEIR_VIEW("Content-Type"), call->content_type);
    for (size_t i = 0; i < call->reply_fields_count; i++)
        weir_http1_add_field(head, call->reply_fields[i].name, call->reply_fields[i].value);
    if (call->reply_gzipped)
        weir_buf_add_str(head, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n");
    if (!conn->h1.keep_alive)
        weir_buf_add_str(head, "Connection: close\r\n");
    else if (conn->h1.minor == 0)
        weir_buf_add_str(head, "Connection: keep-alive\r\n");
}

static void answer_whole(struct weir_http_conn *conn, struct weir_http_call *call) {
    struct weir_buf *head = &conn->worker->head;
    bool has_body = call->status != 204 && call->status != 304;
    weir_buf_clear(head);
    add_fields(conn, call, head);
    if (has_body) weir_buf_printf(head, "Content-Length: %zu\r\n", call->reply_size);
    weir_buf_add_str(head, "\r\n");
    weir_outq_add(&conn->out, weir_buf_view(head));
    if (head->failed) conn->out.failed = true;
    if (has_body && !call->is_head) {
        size_t len;
        char *ptr = weir_buf_take(&call->reply, &len);
        weir_outq_add_taken(&conn->out, ptr, len);
    }
}

static void begin_stream(struct weir_http_conn *conn, struct weir_http_call *call) {
    struct weir_buf *head = &conn->worker->head;
    conn->h1.chunked_reply = conn->h1.minor == 1;
    if (!conn->h1.chunked_reply) conn->h1.keep_alive = false;
    weir_buf_clear(head);
    add_fields(conn, call, head);
    if (conn->h1.chunked_reply) weir_buf_add_str(head, "Transfer-Encoding: chunked\r\n");
    weir_buf_add_str(head, "\r\n");
    weir_outq_add(&conn->out, weir_buf_view(head));
    call->head_sent = true;
}

/* Moves what the handler has written to the socket's queue, all of it as one chunk. */
static void move_stream(struct weir_http_conn *conn, struct weir_http_call *call) {
    if (call->reply.len == 0) return;
    char frame[24];
    int frame_len = snprintf(frame, sizeof frame, "%zx\r\n", call->reply.len);
    bool framed = conn->h1.chunked_reply;
    size_t len;
    char *ptr = weir_buf_take(&call->reply, &len);
    pthread_cond_broadcast(&call->changed);
    if (call->is_head) len = 0, framed = false;
    if (framed) weir_outq_add(&conn->out, weir_view(frame, (size_t)frame_len));
    weir_outq_add_taken(&conn->out, ptr, len);
    if (framed) weir_outq_add(&conn->out, WEIR_VIEW("\r\n"));
}

/* True once the stream is complete. */
static bool answer_stream(struct weir_http_conn *conn, struct weir_http_call *call) {
    if (!call->head_sent) begin_stream(conn, call);
    if (conn->out.len >= WEIR_HTTP_OUT_HIGH) return false;
    move_stream(conn, call);
    if (!call->ended) return false;
    if (call->aborted)
        conn->out.failed = true; /* the peer must not take it for whole */
    else if (conn->h1.chunked_reply && !call->is_head)
        weir_outq_add(&conn->out, WEIR_VIEW(WEIR_HTTP1_LAST_CHUNK));
    return true;
}

static void answer(struct weir_http_conn *conn, struct weir_http_call *call) {
    if (conn->h1.call != call || !atomic_load(&call->answered)) return;
    bool complete = true;
    if (call->refused_early) conn->h1.keep_alive = false;
    pthread_mutex_lock(&call->lock);
    enum weir_http_answer kind = call->answer;
    if (kind == WEIR_HTTP_ANSWER_WHOLE)
        answer_whole(conn, call);
    else if (kind == WEIR_HTTP_ANSWER_STREAM)
        complete = answer_stream(conn, call);
    pthread_mutex_unlock(&call->lock);
    if (kind == WEIR_HTTP_ANSWER_NONE) return; /* claimed, not laid down yet: a task will come */
    if (kind == WEIR_HTTP_ANSWER_GRPC) conn->out.failed = true; /* is_grpc is never set here */
    if (kind == WEIR_HTTP_ANSWER_WEBSOCKET) {
        conn->h1.call = NULL;
        if (!weir_http_websocket_start(conn, call)) conn->out.failed = true;
    } else if (complete) {
        next_request(conn, call);
    }
}

static void refill(struct weir_http_conn *conn) {
    if (conn->h1.call) answer(conn, conn->h1.call);
    if (conn->h1.state == WEIR_HTTP1_CLOSING && conn->out.len == 0)
        conn->transport.ops->end(&conn->transport);
}

/* ---- time and ends ---- */

static void eof(struct weir_http_conn *conn) {
    switch (conn->h1.state) {
    case WEIR_HTTP1_HEAD: conn->close_when_sent = true; break;
    case WEIR_HTTP1_BODY:
    case WEIR_HTTP1_CLOSING: weir_http_conn_close(conn); break;
    case WEIR_HTTP1_BUSY: break;
    }
}

static int64_t deadline_ns(const struct weir_http_conn *conn) {
    const struct weir_http1_conn *h1 = &conn->h1;
    const struct weir_http_options *options = &conn->server->options;
    int64_t idle_ns = options->idle_timeout_ms * WEIR_NS_PER_MS;
    switch (h1->state) {
    case WEIR_HTTP1_HEAD:
        if (conn->in.len || !conn->sniffed)
            return h1->started_ns + options->header_timeout_ms * WEIR_NS_PER_MS;
        return h1->last_input_ns + idle_ns;
    case WEIR_HTTP1_BODY: {
        int64_t paced_ns =
            h1->started_ns + idle_ns + (int64_t)(h1->body_size / BODY_RATE_MIN) * WEIR_NS_PER_S;
        int64_t silent_ns = h1->last_input_ns + idle_ns;
        return paced_ns < silent_ns ? paced_ns : silent_ns;
    }
    case WEIR_HTTP1_CLOSING: return h1->started_ns + CLOSING_TIMEOUT_NS;
    case WEIR_HTTP1_BUSY: break;
    }
    return WEIR_HTTP_NEVER;
}

static void timeout(struct weir_http_conn *conn) {
    if (conn->h1.state == WEIR_HTTP1_HEAD && conn->in.len) {
        refuse_head(conn, WEIR_HTTP_REFUSED_TIMEOUT, 408, "the request head came too slowly");
    } else if (conn->h1.state == WEIR_HTTP1_BODY) {
        conn->h1.call->refused_early = true;
        conn->h1.state = WEIR_HTTP1_BUSY;
        weir_http_call_refuse(conn->h1.call, WEIR_HTTP_REFUSED_TIMEOUT, 408,
                              "the request body came too slowly");
    } else {
        weir_http_conn_close(conn);
    }
}

static void drain(struct weir_http_conn *conn) {
    if (conn->h1.state == WEIR_HTTP1_HEAD && conn->in.len == 0)
        conn->close_when_sent = true;
    else
        conn->h1.keep_alive = false;
}

const struct weir_http_protocol weir_http_protocol_h1 = {
    .input = input,
    .answer = answer,
    .refill = refill,
    .eof = eof,
    .wants_input = wants_input,
    .deadline_ns = deadline_ns,
    .timeout = timeout,
    .drain = drain,
};
