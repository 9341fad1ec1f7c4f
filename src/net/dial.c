/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/token.h"
#include "net/uri.h"

#define TURN_MS 50 /* a cancel is seen this soon */

/* ---- URL ---- */

static int bad_url(const char *url, struct weir_error *reterr) {
    return weir_error_set(
        reterr, WEIR_EINVALID,
        "\"%.200s\" is not an address: write http://host:port or https://host:port", url);
}

/* Copies; false when it does not fit. */
static bool copy(char *to, size_t size, struct weir_view v) {
    if (v.len >= size) return false;
    if (v.len) memcpy(to, v.ptr, v.len);
    to[v.len] = 0;
    return true;
}

int weir_dial_parse(const char *url, bool scheme_optional, const char *const default_ports[2],
                    struct weir_dial_target *ret, struct weir_error *reterr) {
    struct weir_view rest = weir_view_str(url), host;
    int port;
    size_t scheme = weir_view_find(rest, WEIR_VIEW("://"));
    struct weir_view name = weir_view_upto(rest, scheme == SIZE_MAX ? 0 : scheme);
    ret->tls = weir_view_eq_nocase(name, WEIR_VIEW("https"));
    if (ret->tls || weir_view_eq_nocase(name, WEIR_VIEW("http")))
        rest = weir_view_from(rest, scheme + 3);
    else if (scheme != SIZE_MAX || !scheme_optional)
        return bad_url(url, reterr);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/') end++;
    struct weir_view authority = weir_view_upto(rest, end), prefix = weir_view_from(rest, end);
    while (prefix.len && prefix.ptr[prefix.len - 1] == '/') prefix.len--;
    if (!weir_uri_split_authority(authority, &host, &port) ||
        !copy(ret->host, sizeof ret->host, host) ||
        !copy(ret->authority, sizeof ret->authority, authority) ||
        !copy(ret->prefix, sizeof ret->prefix, prefix) ||
        (prefix.len && !weir_http_is_target(prefix)))
        return bad_url(url, reterr);
    if (port > 0)
        snprintf(ret->port, sizeof ret->port, "%d", port);
    else
        snprintf(ret->port, sizeof ret->port, "%s", default_ports[ret->tls]);
    return WEIR_OK;
}

/* ---- sockets ---- */

static int wait_socket(int fd, short events, int64_t deadline_ns, const atomic_bool *canceled) {
    for (;;) {
        if (canceled && atomic_load(canceled)) return WEIR_ECANCELED;
        int64_t left_ms = (deadline_ns - weir_clock_mono_ns()) / WEIR_NS_PER_MS;
        if (left_ms < 0) return WEIR_ETIMEOUT;
        struct pollfd poller = {.fd = fd, .events = events};
        int count = poll(&poller, 1, left_ms < TURN_MS ? (int)left_ms + 1 : TURN_MS);
        if (count < 0 && errno != EINTR) return WEIR_EUNAVAILABLE;
        if (count <= 0) continue;
        int ready = poller.revents & (POLLIN | POLLOUT);
        return ready ? ready : events; /* an error: the next read or write names it */
    }
}

int weir_dial_wait(const struct weir_transport *transport, int wanted, int64_t deadline_ns,
                   const atomic_bool *canceled) {
    short reads = transport->read_wants_write ? POLLOUT : POLLIN;
    short events = (short)((wanted & WEIR_DIAL_READABLE ? reads : 0) |
                           (wanted & WEIR_DIAL_WRITABLE ? POLLOUT : 0));
    int ready = wait_socket(transport->fd, events, deadline_ns, canceled);
    if (ready < 0) return ready;
    return ((ready & reads) ? wanted & WEIR_DIAL_READABLE : 0) |
           ((ready & POLLOUT) ? wanted & WEIR_DIAL_WRITABLE : 0);
}

int64_t weir_dial_try_read(struct weir_transport *transport, void *ptr, size_t size) {
    for (;;) {
        ssize_t got = transport->ops->read(transport, ptr, size);
        if (got >= 0) return got;
        if (errno == EAGAIN) return WEIR_EBUSY;
        if (errno != EINTR) return WEIR_EUNAVAILABLE;
    }
}

int64_t weir_dial_read(struct weir_transport *transport, void *ptr, size_t size,
                       int64_t deadline_ns, const atomic_bool *canceled) {
    for (;;) {
        int64_t got = weir_dial_try_read(transport, ptr, size);
        if (got != WEIR_EBUSY) return got;
        int rc = weir_dial_wait(transport, WEIR_DIAL_READABLE, deadline_ns, canceled);
        if (rc < 0) return rc;
    }
}

int64_t weir_dial_try_write(struct weir_transport *transport, const void *ptr, size_t len) {
    /* What is written is not changed; the type just lacks the const. */
    struct iovec run = {(void *)(uintptr_t)ptr, len};
    for (;;) {
        ssize_t sent = transport->ops->write(transport, &run, 1);
        if (sent >= 0) return sent;
        if (errno == EAGAIN) return 0;
        if (errno != EINTR) return WEIR_EUNAVAILABLE;
    }
}

/* 0 and a connected socket, a weir code, or an errno > 0. */
static int connect_one(const struct addrinfo *at, int64_t deadline_ns, const atomic_bool *canceled,
                       int *ret_fd) {
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    int one = 1, number = 0;
    if (fd < 0) return errno;
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) number = errno;
    if (number == EINPROGRESS) {
        int rc = wait_socket(fd, POLLOUT, deadline_ns, canceled);
        socklen_t size = sizeof number;
        number = rc < 0 ? rc : 0;
        if (rc >= 0) getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size);
    }
    if (number != 0) {
        close(fd);
        return number;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *ret_fd = fd;
    return 0;
}

static int connect_any(const struct addrinfo *first, int64_t deadline_ns,
                       const atomic_bool *canceled, int *ret_fd) {
    int count = 0, rc = EADDRNOTAVAIL;
    for (const struct addrinfo *at = first; at; at = at->ai_next) count++;
    for (const struct addrinfo *at = first; at; at = at->ai_next, count--) {
        int64_t now_ns = weir_clock_mono_ns(), share_ns = (deadline_ns - now_ns) / count;
        rc = connect_one(at, now_ns + share_ns, canceled, ret_fd);
        if (rc == 0 || rc == WEIR_ECANCELED) break;
    }
    return rc;
}

static int connect_socket(const struct weir_dial_target *target, int64_t deadline_ns,
                          const atomic_bool *canceled, int *ret_fd, struct weir_error *reterr) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    if (weir_uri_host_is_literal(weir_view_str(target->host))) hints.ai_flags = AI_NUMERICHOST;
    int rc = getaddrinfo(target->host, target->port, &hints, &found);
    if (rc != 0)
        return weir_error_set(reterr, WEIR_EUNAVAILABLE, "cannot look up %s: %s", target->host,
                              gai_strerror(rc));
    rc = connect_any(found, deadline_ns, canceled, ret_fd);
    freeaddrinfo(found);
    if (rc <= 0) return rc == 0 ? WEIR_OK : weir_dial_error(target, NULL, rc, reterr);
    return weir_error_set(reterr, WEIR_EUNAVAILABLE, "cannot connect to %s port %s: %s",
                          target->host, target->port, strerror(rc));
}

static int shake_hands(const struct weir_dial_target *target, struct weir_transport *transport,
                       int64_t deadline_ns, const atomic_bool *canceled,
                       struct weir_error *reterr) {
    while (weir_tls_handshake(transport) != 0) {
        if (errno != EAGAIN) return weir_dial_error(target, transport, WEIR_EUNAVAILABLE, reterr);
        int rc = weir_dial_wait(transport, WEIR_DIAL_READABLE, deadline_ns, canceled);
        if (rc == WEIR_ETIMEOUT)
            return weir_error_set(reterr, rc, "%s port %s: the TLS handshake did not end in time",
                                  target->host, target->port);
        if (rc < 0) return weir_dial_error(target, transport, rc, reterr);
    }
    return WEIR_OK;
}

int weir_dial_connect(const struct weir_dial_target *target, struct weir_tls *tls,
                      int64_t deadline_ns, const atomic_bool *canceled, struct weir_transport *ret,
                      struct weir_error *reterr) {
    int fd = -1, rc = target->tls ? weir_tls_refresh(tls, reterr) : WEIR_OK;
    if (rc != WEIR_OK && !weir_tls_is_usable(tls)) return rc;
    rc = connect_socket(target, deadline_ns, canceled, &fd, reterr);
    if (rc != WEIR_OK) return rc;
    struct weir_transport transport;
    if (!target->tls) {
        weir_transport_init_plain(ret, fd);
        return WEIR_OK;
    }
    rc = weir_tls_transport_init(tls, fd, target->host, &transport, reterr);
    if (rc != WEIR_OK) return rc;
    rc = shake_hands(target, &transport, deadline_ns, canceled, reterr);
    if (rc == WEIR_OK)
        *ret = transport;
    else
        transport.ops->close(&transport);
    return rc;
}

int weir_dial_error(const struct weir_dial_target *target, const struct weir_transport *transport,
                    int code, struct weir_error *reterr) {
    char who[300];
    snprintf(who, sizeof who, "%s port %s", target->host, target->port);
    int tls =
        transport && code == WEIR_EUNAVAILABLE ? weir_tls_explain(transport, who, reterr) : WEIR_OK;
    if (tls != WEIR_OK) return tls;
    const char *words = code == WEIR_ETIMEOUT    ? "no answer in time"
                        : code == WEIR_ECANCELED ? "canceled"
                                                 : "the connection broke";
    return weir_error_set(reterr, code, "%s: %s", who, words);
}
