/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests as spans and measurements, for any HTTP library: it lends its headers through a
 * getter and a setter.
 *
 *     struct weir_http_request request = {.struct_size = sizeof request, .method = "POST",
 *                                         .target = "/orders?x=1", .route = "/orders",
 *                                         .get = get_header, .carrier = connection};
 *     struct weir_http *http = weir_http_server_begin(&request);   // span "POST /orders"
 *     ... spans of this thread now belong to it ...
 *     weir_http_server_end(http, 200, NULL);
 *
 *     struct weir_http *http = weir_http_client_begin(&request);   // target: the URL
 *     weir_http_client_inject(http, set_header, headers);
 *     ... send, receive ...
 *     weir_http_client_end(http, 200, NULL);
 *
 * Names, attributes, status and the metrics http.server.request.duration and
 * http.client.request.duration (of all requests, sampled or not) are OpenTelemetry's. Credentials
 * in a URL, and the values of signatures in a query, become REDACTED. Requests for excluded paths
 * (health checks, /metrics) are neither told nor measured, and what they cause is not sampled.
 *
 * Threads: a request is ended on the thread where it began, unless WEIR_HTTP_DETACHED; otherwise
 * it belongs to one thread at a time.
 * Memory: begin copies what it needs. NULL (memory is out) is a fine request everywhere.
 * Source: OpenTelemetry semantic conventions 1.44, HTTP spans and metrics.
 */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

#include "weir/error.h"
#include "weir/propagation.h"
#include "weir/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weir_http_flags {
    /* A server's request is not made current on the thread that begins it: for servers that serve
     * several requests on one thread in turns. Attach weir_http_context() where work is done. */
    WEIR_HTTP_DETACHED = 1
};

/* Zero it, set struct_size and what is known; NULL or 0: not known. Borrowed during begin. */
struct weir_http_request {
    size_t struct_size;       /* sizeof(struct weir_http_request) */
    unsigned flags;           /* enum weir_http_flags */
    const char *method;       /* as it is on the wire; unknown ones are told as _OTHER */
    const char *target;       /* server: of the request line, "/a?x=1"; client: the URL */
    const char *route;        /* the template, "/orders/{id}": never the path itself */
    const char *scheme;       /* server: "http" (default) or "https" */
    const char *version;      /* of the protocol: "1.1", "2" */
    const char *peer_address; /* of the network connection */
    int peer_port;
    int resend_count;      /* client: which repetition this is, from 1 on */
    int64_t start_ns;      /* wall clock; 0: now */
    weir_carrier_get *get; /* server: request headers, by lower-case name */
    void *carrier;         /* get's argument */
};

struct weir_http;

/* ── server ──────────────────────────────────────────────────────────────────────────────────── */

/* Begins the SERVER span of a request, below the context in its headers, and makes it current.
 * Headers asked for: the propagators' (traceparent, …), host, user-agent, x-forwarded-for, -host,
 * -proto. */
WEIR_API struct weir_http *weir_http_server_begin(const struct weir_http_request *request);
/* The route, where the router finds it after the beginning: renames the span. */
WEIR_API void weir_http_server_route(struct weir_http *http, const char *route);
/* Ends it and frees. `status` 0: none was sent. From 500 on, and with an `error_type` (a short name
 * of the failure: "timeout"; NULL: none), the span has status ERROR. Takes NULL. */
WEIR_API void weir_http_server_end(struct weir_http *http, int status, const char *error_type);

/* ── client ──────────────────────────────────────────────────────────────────────────────────── */

/* Begins the CLIENT span of one attempt, below the current span; does not make it current. */
WEIR_API struct weir_http *weir_http_client_begin(const struct weir_http_request *request);
/* Writes its context into the request's headers; gives how many were set. */
WEIR_API int weir_http_client_inject(struct weir_http *http, weir_carrier_set *set, void *carrier);
/* As weir_http_server_end; a client's span has status ERROR from 400 on. */
WEIR_API void weir_http_client_end(struct weir_http *http, int status, const char *error_type);

/* ── both ────────────────────────────────────────────────────────────────────────────────────── */

/* Its span, for attributes of one's own. Borrowed; NULL for an excluded path. */
WEIR_API struct weir_span *weir_http_span(struct weir_http *http);
/* The context of what is done for it. Borrowed until its end; NULL when memory is out. */
WEIR_API const struct weir_context *weir_http_context(struct weir_http *http);

/* ── excluded paths ──────────────────────────────────────────────────────────────────────────── */

/* Lists with commas; NULL: the default, "": none. A path is excluded when it is in `paths`, begins
 * with one of `prefixes`, or a glob of `patterns` matches all of it (* and ? stop at a slash;
 * [a-z], [^a-z], \ as usual). */
struct weir_http_excluded {
    size_t struct_size;   /* sizeof(struct weir_http_excluded) */
    const char *paths;    /* default /health,/healthz,/metrics,/ready,/live,/ping */
    const char *prefixes; /* default none */
    const char *patterns; /* default those of `paths` behind one segment: / * /health and so on */
};
/* Sets the lists of the process (NULL: the defaults); the variables WEIR_EXCLUDED_PATHS,
 * WEIR_EXCLUDED_PATH_PREFIXES and WEIR_EXCLUDED_PATH_PATTERNS win over what the program says, an
 * empty one too. Without this call they and the defaults hold. Errors: WEIR_ENOMEMORY (the lists
 * stay as they were), WEIR_EINVALID (struct_size). */
WEIR_API int weir_http_exclude(const struct weir_http_excluded *excluded,
                               struct weir_error *reterr);
/* True for a path (without query) that is excluded. */
WEIR_API bool weir_http_is_excluded(const char *path);

#ifdef __cplusplus
}
#endif
#endif
