/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/port.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "net/http1.h"
#include "sdk/health.h"
#include "sdk/metric.h"
#include "sdk/sdk.h"

enum { EXCHANGE_MS = 2000, BODY_SIZE_MAX = 64 << 20, BACKLOG = 16 };

struct weir_port {
    int listener;
    int stop_pipe[2]; /* written to once, to stop */
    uint16_t number;
    pthread_t thread;
};

/* ── one exchange ────────────────────────────────────────────────────────────────────────────── */

/* Waits until the socket is ready; false at the deadline. */
static bool ready(int fd, short events, int64_t deadline_ns) {
    int64_t left_ms = (deadline_ns - weir_clock_mono_ns()) / WEIR_NS_PER_MS;
    struct pollfd item = {.fd = fd, .events = events};
    return left_ms > 0 && poll(&item, 1, (int)left_ms) == 1;
}

/* Reads until the head is whole; false when the peer is slow, gone or wrong. */
static bool read_head(int fd, int64_t deadline_ns, struct weir_buf *in, struct weir_http1_head *ret,
                      int *ret_status) {
    struct weir_http1_scan scan = {.at = 0};
    const char *reason;
    size_t len = 0;
    *ret_status = 0;
    for (;;) {
        char *to = weir_buf_reserve(in, 4096);
        if (!to || !ready(fd, POLLIN, deadline_ns)) return false;
        ssize_t got = recv(fd, to, 4096, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return false;
        in->len += (size_t)got;
        *ret_status = weir_http1_head_find(weir_buf_view(in), &scan, &len, &reason);
        if (*ret_status) return true;
        if (!len) continue;
        *ret_status =
            weir_http1_parse_request(weir_view_upto(weir_buf_view(in), len), ret, &reason);
        return true;
    }
}

static void send_all(int fd, struct weir_view bytes, int64_t deadline_ns) {
    while (bytes.len && ready(fd, POLLOUT, deadline_ns)) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EINTR && errno != EAGAIN) return;
        if (sent > 0) bytes = weir_view_from(bytes, (size_t)sent);
    }
}

static int make_body(const struct weir_http1_head *head, struct weir_buf *body,
                     const char **ret_type) {
    struct weir_view path = head->target;
    path = weir_view_cut(&path, '?');
    *ret_type = "text/plain; charset=utf-8";
    if (!weir_view_is(head->method, "GET") && !weir_view_is(head->method, "HEAD")) {
        weir_buf_add_str(body, "only GET\n");
        return 405;
    }
    if (weir_view_is(path, "/metrics")) {
        *ret_type = "text/plain; version=0.0.4; charset=utf-8";
        weir_metrics_add_text(body);
        return body->failed ? 503 : 200;
    }
    if (weir_view_is(path, "/health")) {
        *ret_type = "application/json";
        return weir_health_add_json(body);
    }
    weir_buf_add_str(body, "there is /metrics and /health\n");
    return 404;
}

static void serve(int fd) {
    int64_t deadline_ns = weir_clock_mono_ns() + EXCHANGE_MS * WEIR_NS_PER_MS;
    struct weir_buf in, body, out;
    struct weir_http1_head *head = calloc(1, sizeof *head);
    const char *type = "text/plain; charset=utf-8";
    int status;
    weir_buf_init(&in, WEIR_HTTP1_HEAD_SIZE_MAX + 8192);
    weir_buf_init(&body, BODY_SIZE_MAX);
    weir_buf_init(&out, BODY_SIZE_MAX + 4096);
    if (head && read_head(fd, deadline_ns, &in, head, &status)) {
        if (!status) status = make_body(head, &body, &type);
        weir_http1_add_status(&out, status);
        weir_http1_add_field(&out, WEIR_VIEW("Content-Type"), weir_view_str(type));
        weir_buf_printf(&out, "Content-Length: %zu\r\nConnection: close\r\n%s\r\n", body.len,
                        status == 405 ? "Allow: GET, HEAD\r\n" : "");
        if (!weir_view_is(head->method, "HEAD")) weir_buf_add_view(&out, weir_buf_view(&body));
        if (!out.failed) send_all(fd, weir_buf_view(&out), deadline_ns);
        shutdown(fd, SHUT_WR);
    }
    weir_buf_done(&out);
    weir_buf_done(&body);
    weir_buf_done(&in);
    free(head);
}

static void *run(void *arg) {
    struct weir_port *port = arg;
    for (;;) {
        struct pollfd items[] = {{.fd = port->listener, .events = POLLIN},
                                 {.fd = port->stop_pipe[0], .events = POLLIN}};
        if (poll(items, 2, -1) < 0 && errno != EINTR) return NULL;
        if (items[1].revents) return NULL;
        if (!items[0].revents) continue;
        int fd = accept4(port->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            weir_clock_sleep_ns(10 * WEIR_NS_PER_MS); /* out of descriptors, say */
            continue;
        }
        serve(fd);
        close(fd);
    }
}

/* ── open and close ──────────────────────────────────────────────────────────────────────────── */

static int listen_on(const struct addrinfo *at) {
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static int open_listener(const char *host, int number, int *ret_fd, struct weir_error *reterr) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    char text[8];
    snprintf(text, sizeof text, "%d", number);
    int rc = getaddrinfo(host, text, &hints, &list);
    if (rc)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "metrics port: host \"%s\": %s (WEIR_METRICS_HOST)", host,
                              gai_strerror(rc));
    int fd = -1, failure = 0;
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
        if ((fd = listen_on(at)) < 0) failure = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return weir_error_set(reterr,
                              failure == EADDRINUSE ? WEIR_EBUSY : weir_error_from_errno(failure),
                              "metrics port %s:%d: %s (choose another with WEIR_METRICS_PORT)",
                              host, number, strerror(failure));
    *ret_fd = fd;
    return WEIR_OK;
}

static uint16_t number_of(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
    memset(&address, 0, sizeof address);
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) != 0) return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
}

static void destroy(struct weir_port *port) {
    close(port->listener);
    if (port->stop_pipe[0] >= 0) close(port->stop_pipe[0]);
    if (port->stop_pipe[1] >= 0) close(port->stop_pipe[1]);
    free(port);
}

int weir_port_start(const char *host, int number, struct weir_port **ret,
                    struct weir_error *reterr) {
    int fd = -1, rc = open_listener(host, number, &fd, reterr);
    if (rc) return rc;
    struct weir_port *port = calloc(1, sizeof *port);
    if (!port) {
        close(fd);
        return weir_error_set(reterr, WEIR_ENOMEMORY, "out of memory for the metrics port");
    }
    *port = (struct weir_port){.listener = fd, .stop_pipe = {-1, -1}, .number = number_of(fd)};
    if (pipe2(port->stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        rc = weir_error_set(reterr, weir_error_from_errno(errno),
                            "metrics port: no descriptors left");
    else if ((rc = weir_thread_start(&port->thread, "weir-metrics", run, port)))
        weir_error_set(reterr, rc, "no thread for the metrics port");
    if (rc) {
        destroy(port);
        return rc;
    }
    *ret = port;
    return WEIR_OK;
}

uint16_t weir_port_number(const struct weir_port *port) {
    return port ? port->number : 0;
}

void weir_port_stop(struct weir_port *port) {
    if (!port) return;
    while (write(port->stop_pipe[1], "", 1) < 0 && errno == EINTR) {
    }
    pthread_join(port->thread, NULL);
    destroy(port);
}

void weir_port_forked(struct weir_port *port) {
    if (!port) return;
    close(port->listener);
    close(port->stop_pipe[0]);
    close(port->stop_pipe[1]);
    free(port);
}
