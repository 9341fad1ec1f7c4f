/* SPDX-License-Identifier: Apache-2.0 */
/* A request from the inside: what server.c and client.c share.
 *
 * Threads: as weir/http.h says. Memory: the request's own copy of what its metrics need.
 */
#ifndef WEIR_HTTP_REQUEST_H
#define WEIR_HTTP_REQUEST_H

#include "base/buf.h"
#include "weir/http.h"
#include "weir/metric.h"

enum { WEIR_HTTP_TEXT_MAX = 2048, WEIR_HTTP_ATTRS_MAX = 16 };

struct weir_http {
    struct weir_span *span;       /* NULL: excluded */
    struct weir_context *context; /* of what is done for it */
    struct weir_scope scope;      /* of the context */
    struct weir_scope span_scope;
    bool is_attached, is_excluded;
    int64_t start_ns; /* monotonic */
    char method[32];  /* as it is told */
    char route[256];  /* "": unknown */
    char scheme[16];
    char version[16];
    char host[256]; /* client: server.address */
    int port;
};

/* The whole struct, with what the caller's older one lacks as zero; false: struct_size is wrong. */
bool weir_http_request_read(const struct weir_http_request *given, struct weir_http_request *ret);
/* A fresh one with method, route and version; NULL when memory is out. */
struct weir_http *weir_http_new(const struct weir_http_request *request);

/* An attribute of at most WEIR_HTTP_TEXT_MAX bytes; none when it is empty. */
struct weir_attribute weir_http_text(const char *key, struct weir_view text);
struct weir_attribute weir_http_number(const char *key, int64_t number); /* none when 0 */
/* http.request.method_original, where it differs. */
struct weir_attribute weir_http_original(const struct weir_http *http, const char *method);

void weir_http_name(const struct weir_http *http, char *ret, size_t size);
struct weir_tracer *weir_http_tracer(void);
/* Sets status and error.type, ends the span, measures into `metric` with `attrs`, frees. */
void weir_http_finish(struct weir_http *http, int status, int error_from, const char *error_type,
                      struct weir_instrument *metric, struct weir_attribute *attrs, size_t count);
struct weir_instrument *weir_http_duration(const char *name, const char *unit,
                                           const char *description);

#endif
