/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/uri.h"

int weir_doctor_endpoint_parse(struct weir_view text, const char *otherwise,
                               struct weir_doctor_endpoint *ret, struct weir_error *reterr) {
    struct weir_view rest = weir_view_trim(text), host;
    int port;
    size_t scheme = weir_view_find(rest, WEIR_VIEW("://"));
    if (scheme != SIZE_MAX) rest = weir_view_from(rest, scheme + 3);
    rest = weir_view_cut(&rest, '/');
    if (!weir_uri_split_authority(rest, &host, &port) || !host.len ||
        host.len >= sizeof ret->host || (port < 0 && !otherwise) || port == 0 || port > 65535)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "\"%.*s\" is not an address: host:port is expected",
                              WEIR_VIEW_ARG(weir_view_upto(text, 200)));
    snprintf(ret->host, sizeof ret->host, "%.*s", WEIR_VIEW_ARG(host));
    if (port < 0)
        snprintf(ret->port, sizeof ret->port, "%s", otherwise);
    else
        snprintf(ret->port, sizeof ret->port, "%d", port);
    return WEIR_OK;
}

/* Waits for `events`; false: the deadline. */
static bool wait_for(int fd, short events, int64_t deadline_ns) {
    struct pollfd pollfd = {.fd = fd, .events = events};
    for (;;) {
        int64_t left_ms = (deadline_ns - weir_clock_mono_ns()) / WEIR_NS_PER_MS;
        if (left_ms <= 0) return false;
        int rc = poll(&pollfd, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (rc > 0) return true;
        if (rc < 0 && errno != EINTR) return false;
    }
}

static int connect_to(const struct addrinfo *address, int64_t deadline_ns, int *ret_fd) {
    int error = 0;
    socklen_t size = sizeof error;
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        error = errno;
        if (error == EINPROGRESS) {
            if (!wait_for(fd, POLLOUT, deadline_ns))
                error = ETIMEDOUT;
            else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
                error = errno;
        }
    }
    if (error)
        close(fd);
    else
        *ret_fd = fd;
    return error;
}

static int connect_failed(const struct weir_doctor_endpoint *endpoint, const char *address,
                          int error, struct weir_error *reterr) {
    if (error == ETIMEDOUT)
        return weir_error_set(reterr, WEIR_ETIMEOUT,
                              "%s port %s does not answer (%s): a firewall swallows the packets, "
                              "or the host is down",
                              endpoint->host, endpoint->port, address);
    if (error == ECONNREFUSED)
        return weir_error_set(reterr, WEIR_EUNAVAILABLE,
                              "%s port %s refuses the connection (%s): nothing listens there",
                              endpoint->host, endpoint->port, address);
    char text[128];
    return weir_error_set(reterr, WEIR_EUNAVAILABLE, "%s port %s cannot be reached (%s): %s",
                          endpoint->host, endpoint->port, address,
                          strerror_r(error, text, sizeof text));
}

int weir_doctor_connect(const struct weir_doctor_endpoint *endpoint, int64_t deadline_ns,
                        int *ret_fd, char *ret_address, size_t address_size,
                        struct weir_error *reterr) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int error = EADDRNOTAVAIL;
    *ret_fd = -1;
    snprintf(ret_address, address_size, "no address");
    int rc = getaddrinfo(endpoint->host, endpoint->port, &hints, &list);
    if (rc != 0)
        return weir_error_set(reterr, WEIR_ENOTFOUND, "the name %s cannot be looked up: %s",
                              endpoint->host, gai_strerror(rc));
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        int64_t now_ns = weir_clock_mono_ns(), turn_ns = deadline_ns;
        if (at->ai_next)
            turn_ns = now_ns + (deadline_ns - now_ns) / 2; /* leave the next a chance */
        getnameinfo(at->ai_addr, at->ai_addrlen, ret_address, (socklen_t)address_size, NULL, 0,
                    NI_NUMERICHOST);
        error = connect_to(at, turn_ns, ret_fd);
        if (error == 0) break;
    }
    freeaddrinfo(list);
    return error ? connect_failed(endpoint, ret_address, error, reterr) : WEIR_OK;
}

static bool send_all(int fd, struct weir_view bytes, int64_t deadline_ns) {
    while (bytes.len) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent > 0)
            bytes = weir_view_from(bytes, (size_t)sent);
        else if (errno != EAGAIN && errno != EINTR)
            return false;
        else if (!wait_for(fd, POLLOUT, deadline_ns))
            return false;
    }
    return true;
}

int64_t weir_doctor_ask(int fd, struct weir_view question, void *answer, size_t want,
                        int64_t deadline_ns, bool *ret_closed) {
    size_t have = 0;
    *ret_closed = false;
    if (!send_all(fd, question, deadline_ns)) {
        *ret_closed = true;
        return -1;
    }
    while (have < want) {
        ssize_t got = recv(fd, (char *)answer + have, want - have, 0);
        if (got > 0) {
            have += (size_t)got;
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            *ret_closed = true;
            break;
        } else if (!wait_for(fd, POLLIN, deadline_ns)) {
            break;
        }
    }
    return (int64_t)have;
}

enum weir_doctor_speech weir_doctor_speech(struct weir_view answer, bool closed) {
    const uint8_t *b = (const uint8_t *)answer.ptr;
    if (!answer.len) return closed ? WEIR_SPEECH_CLOSED : WEIR_SPEECH_SILENT;
    if (weir_view_starts(answer, WEIR_VIEW("HTTP/1."))) return WEIR_SPEECH_HTTP1;
    /* A handshake or alert record of SSL 3 to TLS 1.3. */
    if (answer.len >= 3 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3 && b[2] <= 4)
        return WEIR_SPEECH_TLS;
    /* A SETTINGS frame of stream 0 comes first, whatever was asked; or GOAWAY. */
    if (answer.len >= 9 && b[0] == 0 && (b[3] == 4 || b[3] == 7) && !b[5] && !b[6] && !b[7] &&
        !b[8])
        return WEIR_SPEECH_HTTP2;
    return WEIR_SPEECH_OTHER;
}

enum weir_doctor_speech weir_doctor_probe(const struct weir_doctor_endpoint *endpoint,
                                          struct weir_view question, int64_t deadline_ns) {
    char answer[64], address[64];
    bool closed;
    int fd;
    if (weir_doctor_connect(endpoint, deadline_ns, &fd, address, sizeof address, NULL) != WEIR_OK)
        return WEIR_SPEECH_SILENT;
    int64_t got = weir_doctor_ask(fd, question, answer, 9, deadline_ns, &closed);
    close(fd);
    return weir_doctor_speech(weir_view(answer, got > 0 ? (size_t)got : 0), closed);
}

/* A ClientHello of TLS 1.2 that offers what every server of the last ten years has. */
static const char client_hello[] =
    "\x16\x03\x01\x00\x49\x01\x00\x00\x45\x03\x03weir doctor asks whether TLS....\x00\x00\x08"
    "\xc0\x2f\xc0\x2b\x00\x9c\x00\x2f\x01\x00\x00\x14\x00\x0a\x00\x04\x00\x02\x00\x17\x00\x0d\x00"
    "\x08\x00\x06\x04\x01\x04\x03\x08\x04";
static const char http2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
static const char http1_request[] =
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

enum weir_doctor_speech weir_doctor_recognise(const struct weir_doctor_endpoint *endpoint,
                                              int64_t deadline_ns) {
    const struct {
        struct weir_view question;
        enum weir_doctor_speech wanted;
    } questions[] = {
        {weir_view(client_hello, sizeof client_hello - 1), WEIR_SPEECH_TLS},
        {weir_view(http2_preface, sizeof http2_preface - 1), WEIR_SPEECH_HTTP2},
        {weir_view(http1_request, sizeof http1_request - 1), WEIR_SPEECH_HTTP1},
    };
    enum weir_doctor_speech speech = WEIR_SPEECH_SILENT;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        int64_t now_ns = weir_clock_mono_ns();
        speech = weir_doctor_probe(endpoint, questions[i].question,
                                   now_ns + (deadline_ns - now_ns) / (int64_t)(3 - i));
        if (speech == questions[i].wanted) break;
    }
    return speech;
}

const char *weir_doctor_speech_words(enum weir_doctor_speech speech) {
    switch (speech) {
    case WEIR_SPEECH_SILENT: return "takes connections but says nothing";
    case WEIR_SPEECH_CLOSED: return "closes the connection without a word";
    case WEIR_SPEECH_HTTP1: return "speaks HTTP/1.1 without TLS";
    case WEIR_SPEECH_HTTP2: return "speaks HTTP/2 without TLS, as gRPC does";
    case WEIR_SPEECH_TLS: return "speaks TLS";
    case WEIR_SPEECH_OTHER: return "speaks something else";
    }
    return "speaks something else";
}
