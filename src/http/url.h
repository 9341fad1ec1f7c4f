/* SPDX-License-Identifier: Apache-2.0 */
/* URLs as telemetry may show them.
 *
 * Threads: any. Memory: views borrow from the text; what is written goes into the caller's buffer.
 * Source: RFC 3986; OpenTelemetry semantic conventions 1.44, url.* attributes.
 */
#ifndef WEIR_HTTP_URL_H
#define WEIR_HTTP_URL_H

#include "base/buf.h"

struct weir_http_url {
    struct weir_view scheme;   /* "" when there is none */
    struct weir_view userinfo; /* before the @ */
    struct weir_view host;     /* without the brackets of IPv6 */
    int port;                  /* 0: not said */
    struct weir_view path;
    struct weir_view query; /* without the question mark */
    bool has_query;
    struct weir_view fragment;
};

/* Reads a URL or a request target: "http://u:p@host:1/a?b#c", "/a?b", "*", "host:443". */
struct weir_http_url weir_http_url_read(struct weir_view text);
/* "host", "host:1", "[::1]:1". */
void weir_http_authority_read(struct weir_view text, struct weir_view *ret_host, int *ret_port);

/* The query with the values of signatures and keys as REDACTED. */
void weir_http_query_add(struct weir_buf *buf, struct weir_view query);
/* The whole URL, credentials too. */
void weir_http_url_add(struct weir_buf *buf, const struct weir_http_url *url);

#endif
