/* SPDX-License-Identifier: Apache-2.0 */
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LOOPS_DEFAULT             1
#define CONNECTIONS_MAX_DEFAULT   1024
#define IDLE_TIMEOUT_MS_DEFAULT   60000
#define HEADER_TIMEOUT_MS_DEFAULT 10000
#define BODIES_SIZE_MAX_DEFAULT   (256u << 20)
#define ACCEPTS_PER_TURN          16
#define PAUSE_NS                  (100 * WEIR_NS_PER_MS) /* when descriptors are out */

/* ---- shared limits ---- */

struct weir_http_server *weir_http_server_ref(struct weir_http_server *server) {
    atomic_fetch_add(&server->refs, 1);
    return server;
}

void weir_http_server_unref(struct weir_http_server *server) {
    if (atomic_fetch_sub(&server->refs, 1) != 1) return;
    for (size_t i = 0; i < server->workers_count; i++) {
        weir_loop_unref(server->workers[i].loop);
        weir_buf_done(&server->workers[i].head);
    }
    for (size_t i = 0; i < server->doors_count; i++) weir_http_door_close(server->doors[i]);
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

bool weir_http_server_budget_take(struct weir_http_server *server, size_t size) {
    size_t before = atomic_fetch_add(&server->bodies_size, size);
    if (before + size <= server->options.bodies_size_max) return true;
    atomic_fetch_sub(&server->bodies_size, size);
    return false;
}

void weir_http_server_budget_give(struct weir_http_server *server, size_t size) {
    atomic_fetch_sub(&server->bodies_size, size);
}

const char *weir_http_worker_date(struct weir_http_worker *worker) {
    time_t now = (time_t)(weir_clock_wall_coarse_ns() / WEIR_NS_PER_S);
    if (now != worker->date_s) {
        static const char days[] = "SunMonTueWedThuFriSat",
                          months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct tm tm;
        gmtime_r(&now, &tm);
        snprintf(worker->date, sizeof worker->date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + 3 * tm.tm_wday, tm.tm_mday % 100, months + 3 * tm.tm_mon,
                 (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
        worker->date_s = now;
    }
    return worker->date;
}

/* ---- accepting ---- */

static void peer_text(const struct sockaddr_storage *peer, char *ret, size_t size) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(ret, size, "%s:%u", host, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(ret, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

/* One connection too many: said in HTTP, as far as one write goes. */
static void turn_away(struct weir_http_door_state *door, int fd) {
    static const char words[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                                "Content-Type: text/plain\r\nContent-Length: 21\r\n"
                                "Connection: close\r\n\r\ntoo many connections\n";
    weir_http_door_count_refused(door, WEIR_HTTP_REFUSED_CONNECTIONS);
    if (door->tls) { /* nothing can be said before a handshake */
        close(fd);
        return;
    }
    ssize_t sent = send(fd, words, sizeof words - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    close(fd);
}

/* A socket on its way to the worker that will serve it. */
struct handover {
    struct weir_loop_task task;
    struct weir_http_worker *worker;
    struct weir_http_door_state *door;
    int fd;
    char peer[56];
};

static void drop_socket(struct weir_http_worker *worker, int fd) {
    struct weir_http_server *server = worker->server;
    close(fd);
    atomic_fetch_sub(&worker->conns_count, 1);
    pthread_mutex_lock(&server->lock);
    if (atomic_fetch_sub(&server->conns_count, 1) == 1) pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
}

static void run_handover(void *arg) {
    struct handover *handover = arg;
    if (handover->worker->draining)
        drop_socket(handover->worker, handover->fd);
    else
        weir_http_conn_open(handover->worker, handover->door, handover->fd, handover->peer);
    free(handover);
}

static struct weir_http_worker *least_busy(struct weir_http_server *server) {
    struct weir_http_worker *best = &server->workers[0];
    for (size_t i = 1; i < server->workers_count; i++)
        if (atomic_load(&server->workers[i].conns_count) < atomic_load(&best->conns_count))
            best = &server->workers[i];
    return best;
}

static void take_socket(struct weir_http_listener *listener, int fd,
                        const struct sockaddr_storage *peer) {
    struct weir_http_server *server = listener->worker->server;
    int one = 1;
    if (atomic_fetch_add(&server->conns_count, 1) >= server->options.connections_max) {
        atomic_fetch_sub(&server->conns_count, 1);
        turn_away(listener->door, fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    struct weir_http_worker *worker = least_busy(server);
    atomic_fetch_add(&worker->conns_count, 1);
    struct handover *handover = malloc(sizeof *handover);
    if (!handover) {
        drop_socket(worker, fd);
        return;
    }
    *handover = (struct handover){.worker = worker, .door = listener->door, .fd = fd};
    handover->task = (struct weir_loop_task){.run = run_handover, .arg = handover};
    peer_text(peer, handover->peer, sizeof handover->peer);
    if (worker == listener->worker) {
        run_handover(handover);
    } else if (!weir_loop_post(worker->loop, &handover->task)) {
        drop_socket(worker, fd);
        free(handover);
    }
}

static void accept_some(void *arg, uint32_t events) {
    struct weir_http_listener *listener = arg;
    struct weir_loop *loop = listener->worker->loop;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        memset(&peer, 0, sizeof peer);
        int fd = accept4(listener->door->fd, (struct sockaddr *)&peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_socket(listener, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            weir_state_set_error(listener->door->state, "accept: %s", strerror(errno));
            weir_loop_watch_remove(loop, &listener->watch);
            weir_loop_timer_set(loop, &listener->pause, weir_loop_now_ns(loop) + PAUSE_NS);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void watch_listener(void *arg) {
    struct weir_http_listener *listener = arg;
    if (listener->worker->draining) return;
    uint32_t events = EPOLLIN | EPOLLEXCLUSIVE; /* one loop is woken per connection */
    weir_loop_watch_add(listener->worker->loop, &listener->watch, listener->door->fd, events);
}

struct new_listener {
    struct weir_http_worker *worker;
    struct weir_http_door_state *door;
};

static void add_listener(void *arg) {
    struct new_listener *new = arg;
    struct weir_http_listener *listener = &new->worker->listeners[new->worker->listeners_count++];
    *listener = (struct weir_http_listener){.worker = new->worker, .door = new->door};
    listener->watch = (struct weir_loop_watch){.ready = accept_some, .arg = listener};
    listener->pause = (struct weir_loop_timer){.fire = watch_listener, .arg = listener};
    watch_listener(listener);
}

/* ---- life ---- */

static size_t or_default(size_t value, size_t otherwise) {
    return value ? value : otherwise;
}

static void fill_defaults(struct weir_http_options *options) {
    options->loops_count = or_default(options->loops_count, LOOPS_DEFAULT);
    if (options->loops_count > WEIR_HTTP_LOOPS_MAX) options->loops_count = WEIR_HTTP_LOOPS_MAX;
    options->connections_max = or_default(options->connections_max, CONNECTIONS_MAX_DEFAULT);
    options->bodies_size_max = or_default(options->bodies_size_max, BODIES_SIZE_MAX_DEFAULT);
    if (options->idle_timeout_ms <= 0) options->idle_timeout_ms = IDLE_TIMEOUT_MS_DEFAULT;
    if (options->header_timeout_ms <= 0) options->header_timeout_ms = HEADER_TIMEOUT_MS_DEFAULT;
}

int weir_http_server_open(const struct weir_http_options *given, struct weir_http_server **ret,
                          struct weir_error *reterr) {
    struct weir_http_options options = *given;
    fill_defaults(&options);
    struct weir_http_server *server =
        calloc(1, sizeof *server + options.loops_count * sizeof server->workers[0]);
    if (!server) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the HTTP server");
    server->options = options;
    atomic_init(&server->refs, 1);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, NULL);
    while (server->workers_count < options.loops_count) {
        struct weir_http_worker *worker = &server->workers[server->workers_count];
        weir_buf_init(&worker->head, 256 * 1024);
        worker->server = server;
        worker->loop = weir_loop_open("weir-http");
        if (!worker->loop) {
            weir_http_server_close(server);
            return weir_error_set(reterr, WEIR_ENOMEMORY,
                                  "no thread or descriptor for the HTTP server");
        }
        weir_loop_ref(worker->loop); /* for calls that are answered late */
        server->workers_count++;
    }
    *ret = server;
    return WEIR_OK;
}

int weir_http_server_add_door(struct weir_http_server *server, const struct weir_http_door *door,
                              uint16_t *ret_port, struct weir_error *reterr) {
    struct weir_http_door_state *state;
    if (server->doors_count == WEIR_HTTP_DOORS_MAX)
        return weir_error_set(reterr, WEIR_ELIMIT, "a server has at most %d doors",
                              WEIR_HTTP_DOORS_MAX);
    int rc = weir_http_door_open(door, &state, reterr);
    if (rc != WEIR_OK) return rc;
    server->doors[server->doors_count++] = state;
    for (size_t i = 0; i < server->workers_count; i++) {
        struct new_listener new = {&server->workers[i], state};
        weir_loop_call(server->workers[i].loop, add_listener, &new);
    }
    if (ret_port) *ret_port = state->port;
    return WEIR_OK;
}

int weir_http_server_refresh_tls(struct weir_http_server *server, struct weir_error *reterr) {
    int rc = WEIR_OK;
    for (size_t i = 0; i < server->doors_count; i++) {
        int each = weir_http_door_refresh_tls(server->doors[i], rc == WEIR_OK ? reterr : NULL);
        if (rc == WEIR_OK) rc = each;
    }
    return rc;
}

static void drain_worker(void *arg) {
    struct weir_http_worker *worker = arg;
    worker->draining = true;
    for (size_t i = 0; i < worker->listeners_count; i++) {
        weir_loop_watch_remove(worker->loop, &worker->listeners[i].watch);
        weir_loop_timer_remove(worker->loop, &worker->listeners[i].pause);
    }
    for (struct weir_http_conn *conn = worker->conns, *next; conn; conn = next) {
        next = conn->next;
        weir_http_conn_drain(conn);
    }
}

static void close_worker_conns(void *arg) {
    struct weir_http_worker *worker = arg;
    while (worker->conns) weir_http_conn_close(worker->conns);
}

static void wait_idle(struct weir_http_server *server, int64_t timeout_ns) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t ns = until.tv_nsec + timeout_ns % WEIR_NS_PER_S;
    until.tv_sec += timeout_ns / WEIR_NS_PER_S + ns / WEIR_NS_PER_S;
    until.tv_nsec = ns % WEIR_NS_PER_S;
    int rc = 0;
    pthread_mutex_lock(&server->lock);
    while (rc == 0 && atomic_load(&server->conns_count))
        rc = pthread_cond_timedwait(&server->idle, &server->lock, &until);
    pthread_mutex_unlock(&server->lock);
}

void weir_http_server_stop(struct weir_http_server *server, int64_t drain_timeout_ns) {
    if (server->stopped) return;
    server->stopped = true;
    for (size_t i = 0; i < server->doors_count; i++)
        weir_state_set_ready(server->doors[i]->state, false, "stopping");
    for (size_t i = 0; i < server->workers_count; i++)
        weir_loop_call(server->workers[i].loop, drain_worker, &server->workers[i]);
    for (size_t i = 0; i < server->doors_count; i++) {
        close(server->doors[i]->fd); /* the port is free from here on */
        server->doors[i]->fd = -1;
    }
    if (drain_timeout_ns > 0) wait_idle(server, drain_timeout_ns);
    for (size_t i = 0; i < server->workers_count; i++)
        weir_loop_call(server->workers[i].loop, close_worker_conns, &server->workers[i]);
}

void weir_http_server_close(struct weir_http_server *server) {
    if (!server) return;
    weir_http_server_stop(server, 0);
    for (size_t i = 0; i < server->workers_count; i++) weir_loop_close(server->workers[i].loop);
    weir_http_server_unref(server);
}
