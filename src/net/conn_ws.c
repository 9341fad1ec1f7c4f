/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket on an upgraded connection: the handler's texts go out, the peer's control frames are
 * answered, its messages are checked and dropped. */
#include "net/conn.h"

#include <stdlib.h>

#include "base/clock.h"
#include "net/server.h"
#include "net/websocket.h"

#define CLOSING_TIMEOUT_NS (5 * WEIR_NS_PER_S) /* for the peer's close frame */

struct weir_http_websocket {
    struct weir_websocket_parser parser;
    struct weir_http_call *call; /* NULL once its stream is over */
    bool close_sent;
    bool ping_sent; /* and nothing came since */
    int64_t last_input_ns;
    int64_t closing_ns; /* when close_sent was set */
};

static int64_t now_ns(const struct weir_http_conn *conn) {
    return weir_loop_now_ns(conn->worker->loop);
}

static void send_control(struct weir_http_conn *conn, enum weir_websocket_opcode opcode,
                         struct weir_view payload) {
    char head[WEIR_WEBSOCKET_HEAD_SIZE_MAX];
    weir_outq_add(&conn->out,
                  weir_view(head, weir_websocket_head_encode(opcode, payload.len, head)));
    weir_outq_add(&conn->out, payload);
}

static void send_close(struct weir_http_conn *conn, unsigned code) {
    char payload[2] = {(char)(code >> 8), (char)(code & 255)};
    if (conn->ws->close_sent) return;
    send_control(conn, WEIR_WEBSOCKET_CLOSE, weir_view(payload, sizeof payload));
    conn->ws->close_sent = true;
    conn->ws->closing_ns = now_ns(conn);
}

/* The handler's side is over, with or without its will. */
static void drop_call(struct weir_http_conn *conn, bool canceled) {
    struct weir_http_call *call = conn->ws->call;
    if (!call) return;
    conn->ws->call = NULL;
    weir_http_call_detach(call, canceled);
}

static void on_event(struct weir_http_conn *conn, const struct weir_websocket_event *event) {
    if (event->opcode == WEIR_WEBSOCKET_PING) {
        if (conn->out.len < WEIR_HTTP_OUT_HIGH)
            send_control(conn, WEIR_WEBSOCKET_PONG, event->payload);
    } else if (event->opcode == WEIR_WEBSOCKET_CLOSE) {
        drop_call(conn, true);
        send_close(conn, 1000);
        conn->close_when_sent = true;
    }
}

static size_t input(struct weir_http_conn *conn, struct weir_view bytes) {
    struct weir_view rest = bytes;
    struct weir_websocket_event event;
    int rc = 0;
    conn->ws->last_input_ns = now_ns(conn);
    conn->ws->ping_sent = false;
    while (!conn->close_when_sent &&
           (rc = weir_websocket_parse(&conn->ws->parser, &rest, &event)) == 1)
        on_event(conn, &event);
    if (rc < 0) {
        weir_http_door_count_refused(conn->door, WEIR_HTTP_REFUSED_MALFORMED);
        drop_call(conn, true);
        send_close(conn, (unsigned)-rc);
        conn->close_when_sent = true;
    }
    return bytes.len;
}

static void answer(struct weir_http_conn *conn, struct weir_http_call *call) {
    if (conn->ws->call != call || conn->out.len >= WEIR_HTTP_OUT_HIGH) return;
    size_t len;
    pthread_mutex_lock(&call->lock);
    bool failed = call->reply.failed, ended = call->ended, aborted = call->aborted;
    char *ptr = weir_buf_take(&call->reply, &len);
    pthread_cond_broadcast(&call->changed);
    pthread_mutex_unlock(&call->lock);
    weir_outq_add_taken(&conn->out, ptr, len);
    if (failed) conn->out.failed = true;
    if (!ended) return;
    drop_call(conn, false);
    send_close(conn, aborted ? 1011 : 1000);
}

static void refill(struct weir_http_conn *conn) {
    if (conn->ws->call) answer(conn, conn->ws->call);
}

static void eof(struct weir_http_conn *conn) {
    weir_http_conn_close(conn);
}

static bool wants_input(const struct weir_http_conn *conn) {
    return !conn->close_when_sent;
}

static int64_t deadline_ns(const struct weir_http_conn *conn) {
    int64_t idle_ns = conn->server->options.idle_timeout_ms * WEIR_NS_PER_MS;
    if (conn->ws->close_sent) return conn->ws->closing_ns + CLOSING_TIMEOUT_NS;
    return conn->ws->last_input_ns + (conn->ws->ping_sent ? idle_ns : idle_ns / 2);
}

/* Half of the idle time is silent: ask whether the peer lives. */
static void timeout(struct weir_http_conn *conn) {
    if (conn->ws->close_sent || conn->ws->ping_sent) {
        weir_http_conn_close(conn);
        return;
    }
    send_control(conn, WEIR_WEBSOCKET_PING, WEIR_VIEW(""));
    conn->ws->ping_sent = true;
}

static void drain(struct weir_http_conn *conn) {
    drop_call(conn, true);
    send_close(conn, 1001);
}

static const struct weir_http_protocol protocol = {
    .input = input,
    .answer = answer,
    .refill = refill,
    .eof = eof,
    .wants_input = wants_input,
    .deadline_ns = deadline_ns,
    .timeout = timeout,
    .drain = drain,
};

bool weir_http_websocket_start(struct weir_http_conn *conn, struct weir_http_call *call) {
    char accept_key[WEIR_WEBSOCKET_ACCEPT_SIZE];
    struct weir_buf *head = &conn->worker->head;
    conn->ws = calloc(1, sizeof *conn->ws);
    if (!conn->ws) return false;
    weir_websocket_parser_init(&conn->ws->parser);
    conn->ws->call = call;
    conn->ws->last_input_ns = now_ns(conn);
    weir_websocket_accept_key(weir_http_call_field(call, "sec-websocket-key"), accept_key);
    weir_buf_clear(head);
    weir_http1_add_status(head, 101);
    weir_buf_add_str(head, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
    weir_http1_add_field(head, WEIR_VIEW("Sec-WebSocket-Accept"),
                         weir_view(accept_key, sizeof accept_key));
    weir_buf_add_str(head, "\r\n");
    weir_outq_add(&conn->out, weir_buf_view(head));
    weir_http_door_count_status(conn->door, 101);
    conn->protocol = &protocol;
    if (conn->draining)
        drain(conn);
    else
        answer(conn, call);
    return true;
}

void weir_http_websocket_free(struct weir_http_websocket *ws) {
    if (!ws) return;
    weir_websocket_parser_done(&ws->parser);
    free(ws);
}
