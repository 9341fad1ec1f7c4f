/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/server.h"

#define WRITE_RUNS_MAX 16
#define IN_KEPT_SIZE   4096 /* an idle connection keeps no more input room than this */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void free_conn(void *arg) {
    struct weir_http_conn *conn = arg;
    struct weir_http_server *server = conn->server;
    atomic_fetch_sub(&conn->worker->conns_count, 1);
    weir_buf_done(&conn->in);
    weir_outq_done(&conn->out);
    free(conn);
    pthread_mutex_lock(&server->lock);
    if (atomic_fetch_sub(&server->conns_count, 1) == 1) pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
    weir_http_server_unref(server);
}

void weir_http_conn_close(struct weir_http_conn *conn) {
    if (conn->closed) return;
    conn->closed = true;
    struct weir_loop *loop = conn->worker->loop;
    weir_loop_watch_remove(loop, &conn->watch);
    weir_loop_timer_remove(loop, &conn->timer);
    while (conn->calls) weir_http_call_detach(conn->calls, true);
    weir_http2_free(conn->h2);
    weir_http_websocket_free(conn->ws);
    conn->h2 = NULL;
    conn->ws = NULL;
    conn->h1.call = NULL;
    conn->transport.ops->close(&conn->transport);
    *conn->link = conn->next;
    if (conn->next) conn->next->link = conn->link;
    weir_metric_add(&conn->door->counters->connections, -1);
    conn->free_task = (struct weir_loop_task){.run = free_conn, .arg = conn};
    if (!weir_loop_post(loop, &conn->free_task)) free_conn(conn);
}

/* ---- reading ---- */

/* The first bytes tell HTTP/2 from HTTP/1. False: more are needed. */
static bool sniff(struct weir_http_conn *conn, struct weir_view bytes) {
    size_t size = sizeof preface - 1;
    size_t known = bytes.len < size ? bytes.len : size;
    bool alike = memcmp(bytes.ptr, preface, known) == 0;
    if (alike && known < size) return false;
    conn->sniffed = true;
    if (!alike) return true;
    if (!weir_http2_start(conn)) weir_http_conn_close(conn);
    return true;
}

/* Offers bytes to the protocol while it takes any. Gives how many it took. */
static size_t feed(struct weir_http_conn *conn, struct weir_view bytes) {
    size_t used = 0;
    while (used < bytes.len && !conn->closed) {
        struct weir_view rest = weir_view_from(bytes, used);
        if (!conn->sniffed && !sniff(conn, rest)) break;
        if (conn->closed) break;
        size_t took = conn->protocol->input(conn, rest);
        if (took == 0) break;
        used += took;
    }
    return used;
}

static void feed_kept(struct weir_http_conn *conn) {
    if (conn->in.len == 0) return;
    size_t used = feed(conn, weir_buf_view(&conn->in));
    if (conn->closed) return;
    weir_buf_drop(&conn->in, used);
    if (conn->in.len == 0 && conn->in.room > IN_KEPT_SIZE) weir_buf_done(&conn->in);
}

static void got_bytes(struct weir_http_conn *conn, struct weir_view bytes) {
    if (conn->in.len == 0) bytes = weir_view_from(bytes, feed(conn, bytes));
    if (conn->closed || bytes.len == 0) return;
    weir_buf_add_view(&conn->in, bytes);
    if (conn->in.failed)
        weir_http_conn_close(conn);
    else
        feed_kept(conn);
}

/* The handshake failed: the last error of the door tells the server's owner why, and a peer that
 * took the door for plain HTTP hears it. */
static void refuse_handshake(struct weir_http_conn *conn) {
    static const char words[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 37\r\nConnection: close\r\n\r\n"
                                "this port speaks TLS: ask with https\n";
    struct weir_error err = {.code = 0};
    weir_http_door_count_refused(conn->door, WEIR_HTTP_REFUSED_TLS);
    if (weir_tls_explain(&conn->transport, conn->peer, &err) != WEIR_OK)
        weir_state_set_error(conn->door->state, "%s", err.message);
    if (!weir_tls_is_plain(&conn->transport)) return;
    ssize_t sent = send(conn->transport.fd, words, sizeof words - 1, MSG_NOSIGNAL);
    (void)sent;
}

static void read_some(struct weir_http_conn *conn) {
    char *scratch = weir_loop_scratch(conn->worker->loop);
    ssize_t got = conn->transport.ops->read(&conn->transport, scratch, WEIR_LOOP_SCRATCH_SIZE);
    if (got > 0) {
        got_bytes(conn, weir_view(scratch, (size_t)got));
    } else if (got == 0) {
        conn->peer_ended = true;
        conn->protocol->eof(conn);
    } else if (errno != EAGAIN && errno != EINTR) {
        if (conn->transport.handshaking) refuse_handshake(conn);
        weir_http_conn_close(conn);
    }
}

/* ---- writing ---- */

static void write_some(struct weir_http_conn *conn) {
    struct iovec runs[WRITE_RUNS_MAX];
    while (conn->out.len && !conn->transport.handshaking) {
        int count = weir_outq_peek(&conn->out, runs, WRITE_RUNS_MAX);
        ssize_t wrote = conn->transport.ops->write(&conn->transport, runs, count);
        if (wrote < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) weir_http_conn_close(conn);
            return;
        }
        conn->stalled_ns = 0;
        weir_outq_drop(&conn->out, (size_t)wrote);
    }
}

/* Writes, lets the protocol fill up what got free, and so on until the socket or the protocol is
 * done. */
static void flush(struct weir_http_conn *conn) {
    do {
        write_some(conn);
        if (conn->closed || conn->out.len) return;
        conn->protocol->refill(conn);
    } while (!conn->closed && conn->out.len && !conn->out.failed);
}

/* ---- events ---- */

static void watch_more(struct weir_http_conn *conn) {
    bool writes = conn->out.len && !conn->transport.handshaking;
    uint32_t events = writes || conn->transport.read_wants_write ? EPOLLOUT : 0;
    if (!conn->peer_ended) {
        bool reads = conn->protocol->wants_input(conn) && conn->out.len < WEIR_HTTP_OUT_HIGH;
        events |= reads ? EPOLLIN : conn->half_closed ? 0 : EPOLLRDHUP;
    }
    weir_loop_watch_set(conn->worker->loop, &conn->watch, events);
}

static int64_t idle_ns(const struct weir_http_conn *conn) {
    return conn->server->options.idle_timeout_ms * WEIR_NS_PER_MS;
}

static void wait_until(struct weir_http_conn *conn) {
    int64_t at_ns = conn->protocol->deadline_ns(conn);
    if (conn->out.len) {
        int64_t late_ns = conn->stalled_ns + idle_ns(conn);
        if (late_ns < at_ns) at_ns = late_ns;
    }
    /* A timer that fires early looks again; moving it on every event would cost more. */
    if (at_ns != WEIR_HTTP_NEVER && (conn->timer.slot == 0 || conn->timer.at_ns > at_ns))
        weir_loop_timer_set(conn->worker->loop, &conn->timer, at_ns);
}

void weir_http_conn_settle(struct weir_http_conn *conn) {
    bool again = !conn->closed;
    while (again) {
        feed_kept(conn);
        bool was_busy = !conn->closed && !conn->protocol->wants_input(conn);
        if (!conn->closed) flush(conn);
        /* flushing may have ended a stream: the request behind it is next */
        again = !conn->closed && was_busy && conn->in.len && conn->protocol->wants_input(conn);
    }
    if (conn->closed) return;
    if (conn->out.failed || (conn->close_when_sent && conn->out.len == 0)) {
        weir_http_conn_close(conn);
        return;
    }
    if (conn->out.len == 0)
        conn->stalled_ns = 0;
    else if (conn->stalled_ns == 0)
        conn->stalled_ns = weir_loop_now_ns(conn->worker->loop);
    watch_more(conn);
    wait_until(conn);
}

static void fire(void *arg) {
    struct weir_http_conn *conn = arg;
    int64_t now_ns = weir_loop_now_ns(conn->worker->loop);
    if (conn->out.len && conn->stalled_ns && now_ns - conn->stalled_ns >= idle_ns(conn)) {
        weir_http_door_count_refused(conn->door, WEIR_HTTP_REFUSED_TIMEOUT);
        weir_http_conn_close(conn);
        return;
    }
    if (now_ns >= conn->protocol->deadline_ns(conn)) {
        if (conn->transport.handshaking)
            weir_http_door_count_refused(conn->door, WEIR_HTTP_REFUSED_TLS);
        conn->protocol->timeout(conn);
    }
    weir_http_conn_settle(conn);
}

static void ready(void *arg, uint32_t events) {
    struct weir_http_conn *conn = arg;
    if (events & (EPOLLHUP | EPOLLERR)) {
        if (conn->transport.handshaking) read_some(conn); /* its alert may still be there */
        weir_http_conn_close(conn);
        return;
    }
    bool reads = (events & EPOLLIN) || (conn->transport.read_wants_write && (events & EPOLLOUT));
    if (reads) {
        read_some(conn);
    } else if (events & EPOLLRDHUP) {
        conn->half_closed = true;
        for (struct weir_http_call *call = conn->calls; call; call = call->next)
            weir_http_call_cancel(call);
    }
    if (conn->closed) return;
    if (events & EPOLLOUT) flush(conn);
    weir_http_conn_settle(conn);
}

/* ---- life ---- */

/* Takes the socket in every case. */
static bool open_transport(struct weir_http_door_state *door, int fd, struct weir_transport *ret) {
    if (!door->tls) {
        weir_transport_init_plain(ret, fd);
        return true;
    }
    weir_http_door_refresh_tls(door, NULL); /* what was in force before will do as well */
    return weir_tls_transport_init(door->tls, fd, NULL, ret, NULL) == WEIR_OK;
}

void weir_http_conn_open(struct weir_http_worker *worker, struct weir_http_door_state *door, int fd,
                         const char *peer) {
    struct weir_http_conn *conn = calloc(1, sizeof *conn);
    struct weir_transport transport;
    bool opened = open_transport(door, fd, &transport);
    if (!conn || !opened) {
        if (opened) transport.ops->close(&transport);
        free(conn);
        atomic_fetch_sub(&worker->conns_count, 1);
        atomic_fetch_sub(&worker->server->conns_count, 1);
        return;
    }
    conn->transport = transport;
    conn->worker = worker;
    conn->door = door;
    conn->server = weir_http_server_ref(worker->server);
    conn->protocol = &weir_http_protocol_h1;
    weir_buf_init(&conn->in, WEIR_HTTP1_HEAD_SIZE_MAX + WEIR_LOOP_SCRATCH_SIZE);
    weir_outq_init(&conn->out);
    snprintf(conn->peer, sizeof conn->peer, "%s", peer);
    conn->watch = (struct weir_loop_watch){.ready = ready, .arg = conn};
    conn->timer = (struct weir_loop_timer){.fire = fire, .arg = conn};
    conn->h1.last_input_ns = weir_loop_now_ns(worker->loop);
    conn->h1.started_ns = conn->h1.last_input_ns;
    conn->next = worker->conns;
    conn->link = &worker->conns;
    if (conn->next) conn->next->link = &conn->next;
    worker->conns = conn;
    weir_metric_add(&door->counters->connections, 1);
    if (weir_loop_watch_add(worker->loop, &conn->watch, fd, EPOLLIN) != WEIR_OK)
        weir_http_conn_close(conn);
    else
        weir_http_conn_settle(conn);
}

void weir_http_conn_drain(struct weir_http_conn *conn) {
    conn->draining = true;
    conn->protocol->drain(conn);
    weir_http_conn_settle(conn);
}
