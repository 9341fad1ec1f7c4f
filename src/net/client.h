/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking HTTP/1.1 client that keeps its connection: for exporters, queries and tests.
 *
 * A guest in its process: no signal, no output, no abort; every allocation is checked. After fork
 * the child may close its copy: only the descriptor goes, the parent's connection stays usable.
 *
 * A connection that the server closed while it was idle is opened anew, once, and only when nothing
 * of the answer had come; so a request reaches the server at most twice.
 *
 * Threads: a client has one owner at a time; clients are independent of each other.
 * Memory: the client owns its buffers; answers borrow them until the next call.
 * Source: RFC 9110, 9112.
 */
#ifndef WEIR_NET_CLIENT_H
#define WEIR_NET_CLIENT_H

#include "base/error.h"
#include "net/tls.h"
#include "net/token.h"

struct weir_http_client;

struct weir_http_client_options {
    const char *url; /* "http://host:4318" or "https://…", and an optional path prefix */
    const struct weir_tls_options *tls; /* for https; NULL: the system's authorities; copied */
    int64_t
        connect_timeout_ms; /* default 5 s, TLS's handshake included, and names looked up as far as
                               the system lets us */
    size_t answer_size_max; /* body, default 4 MiB; more gives WEIR_ETOOBIG */
};

struct weir_http_client_request {
    const char *method; /* "POST" */
    const char *path;   /* "/v1/traces?x=1", behind the URL's prefix */
    const struct weir_http_field
        *fields; /* Content-Type, Content-Encoding, Authorization …; borrowed */
    size_t fields_count;
    struct weir_view body; /* borrowed; already compressed if fields say so */
    int64_t timeout_ms;    /* of the whole exchange; default 10 s */
};

struct weir_http_client_answer {
    int status;
    const struct weir_http_field *fields; /* borrowed until the next call */
    size_t fields_count;
    struct weir_view body;  /* as received: not decompressed */
    int64_t retry_after_ms; /* -1: none; from seconds or an HTTP date */
};

/* Parses the URL and copies what it needs; does not connect, reads no file; https loads OpenSSL.
 * WEIR_EINVALID, WEIR_ENOMEMORY. */
int weir_http_client_open(const struct weir_http_client_options *options,
                          struct weir_http_client **ret, struct weir_error *reterr);
void weir_http_client_close(struct weir_http_client *client);
/* One exchange. Any HTTP status is a success here. WEIR_EUNAVAILABLE: cannot connect or the
 * connection broke; WEIR_ETIMEOUT; WEIR_ECANCELED: see cancel; WEIR_EINVALID: the answer is not
 * HTTP, or TLS is misconfigured; WEIR_EAUTH: a certificate, or TLS refused; WEIR_EUNSUPPORTED:
 * https without OpenSSL; WEIR_ETOOBIG; WEIR_ENOMEMORY. */
int weir_http_client_do(struct weir_http_client *client,
                        const struct weir_http_client_request *request,
                        struct weir_http_client_answer *ret, struct weir_error *reterr);
/* Makes the exchange that runs, and every later one, end soon with WEIR_ECANCELED. Any thread. */
void weir_http_client_cancel(struct weir_http_client *client);

#endif
