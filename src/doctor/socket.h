/* SPDX-License-Identifier: Apache-2.0 */
/* One question to a TCP port, and a guess from the first bytes of its answer at what speaks there:
 * how a wrong port, a missing TLS or a mixed-up protocol is told apart.
 *
 * Threads: any. Source: RFC 9112 (status line), RFC 9113 (SETTINGS), RFC 8446 (records).
 */
#ifndef WEIR_DOCTOR_SOCKET_H
#define WEIR_DOCTOR_SOCKET_H

#include "base/error.h"
#include "base/view.h"

enum weir_doctor_speech {
    WEIR_SPEECH_SILENT, /* nothing came within the time */
    WEIR_SPEECH_CLOSED, /* the connection was closed without a word */
    WEIR_SPEECH_HTTP1,
    WEIR_SPEECH_HTTP2,
    WEIR_SPEECH_TLS,
    WEIR_SPEECH_OTHER,
};

struct weir_doctor_endpoint {
    char host[256]; /* without brackets */
    char port[12];
};

/* "host:port", "[::1]:port", or a URL with a host. Without a port `port` is what `otherwise` says;
 * NULL: it must be there. WEIR_EINVALID. */
int weir_doctor_endpoint_parse(struct weir_view text, const char *otherwise,
                               struct weir_doctor_endpoint *ret, struct weir_error *reterr);
/* Connects to the first address of the name that answers. *ret_fd: the caller closes it.
 * `ret_address` gets the address in words. WEIR_ENOTFOUND: the name is unknown; WEIR_EUNAVAILABLE:
 * refused or unreachable; WEIR_ETIMEOUT. Looking the name up knows no deadline. */
int weir_doctor_connect(const struct weir_doctor_endpoint *endpoint, int64_t deadline_ns,
                        int *ret_fd, char *ret_address, size_t address_size,
                        struct weir_error *reterr);
/* Sends all, then reads until `want` bytes, the end or the deadline. Gives the bytes read, or -1
 * when sending failed. */
int64_t weir_doctor_ask(int fd, struct weir_view question, void *answer, size_t want,
                        int64_t deadline_ns, bool *ret_closed);
enum weir_doctor_speech weir_doctor_speech(struct weir_view answer, bool closed);
/* Connects, asks, listens: what speaks at the endpoint when one begins with these bytes. */
enum weir_doctor_speech weir_doctor_probe(const struct weir_doctor_endpoint *endpoint,
                                          struct weir_view question, int64_t deadline_ns);
/* Asks for TLS, HTTP/2 and HTTP/1.1 in turn; the first that is answered in kind, else the last
 * answer. */
enum weir_doctor_speech weir_doctor_recognise(const struct weir_doctor_endpoint *endpoint,
                                              int64_t deadline_ns);
/* "speaks HTTP/2 without TLS, as gRPC does" and the like: continues "the port …". */
const char *weir_doctor_speech_words(enum weir_doctor_speech speech);

#endif
