/* SPDX-License-Identifier: Apache-2.0 */
/* A server on a free port of 127.0.0.1, for the loop-back tests of this folder, and raw sockets. */
#ifndef WEIR_TESTS_UNIT_NET_FIXTURE_H
#define WEIR_TESTS_UNIT_NET_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http.h"
#include "unit.h"

struct fixture {
    struct weir_pool *pool;
    struct weir_http_server *server;
    uint16_t port;
    char url[64];
};

static inline void fixture_open(struct fixture *f, const struct weir_http_route *routes,
                                size_t count, const struct weir_http_options *options,
                                const struct weir_http_door *door_options) {
    struct weir_error err = {0};
    struct weir_http_options opts = options ? *options : (struct weir_http_options){0};
    struct weir_http_door door = door_options ? *door_options : (struct weir_http_door){0};
    f->pool = weir_pool_new("handlers", 4, 64);
    assert_non_null(f->pool);
    opts.pool = f->pool;
    door.listen = "127.0.0.1:0";
    door.name = "test";
    door.routes = routes;
    door.routes_count = count;
    assert_int_equal(weir_http_server_open(&opts, &f->server, &err), WEIR_OK);
    if (weir_http_server_add_door(f->server, &door, &f->port, &err) != WEIR_OK)
        fail_msg("%s", err.message);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u", f->port);
}

static inline void fixture_close(struct fixture *f) {
    weir_http_server_stop(f->server, WEIR_NS_PER_S);
    weir_pool_free(f->pool);
    weir_http_server_close(f->server);
}

/* A blocking socket to the server. */
static inline int dial_raw(const struct fixture *f) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static inline void send_raw(int fd, const void *ptr, size_t len) {
    const char *at = ptr;
    while (len) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0) return; /* the server may close first; what it said is then read */
        at += sent;
        len -= (size_t)sent;
    }
}

/* Reads until the end, until `until` was seen, or for 5 s. NUL-terminated; gives the length. */
static inline size_t receive_raw(int fd, char *to, size_t size, const char *until) {
    size_t len = 0;
    to[0] = 0;
    while (len < size - 1 && !(until && memmem(to, len, until, strlen(until)))) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (poll(&poller, 1, 5000) <= 0) break;
        ssize_t got = recv(fd, to + len, size - 1 - len, 0);
        if (got <= 0) break;
        len += (size_t)got;
        to[len] = 0;
    }
    return len;
}

/* One request as text, the whole answer until the server closes (or `until`). */
static inline size_t ask_raw(const struct fixture *f, const char *request, char *to, size_t size,
                             const char *until) {
    int fd = dial_raw(f);
    send_raw(fd, request, strlen(request));
    size_t len = receive_raw(fd, to, size, until);
    close(fd);
    return len;
}

#endif
