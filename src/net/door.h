/* SPDX-License-Identifier: Apache-2.0 */
/* A listening address with its routes, its rules about hosts, and its counters.
 *
 * Threads: opened and closed by the server's owner; counters and checks from any thread.
 * Memory: freed with the server; counters live for ever, since the registry keeps them.
 */
#ifndef WEIR_NET_DOOR_H
#define WEIR_NET_DOOR_H

#include "base/metric.h"
#include "base/state.h"
#include "net/http.h"
#include "net/tls.h"

/* Why the server itself said no. */
#define WEIR_HTTP_REFUSALS(X)                                                                      \
    X(CONNECTIONS, "connections") /* too many connections */                                       \
    X(MALFORMED, "malformed")     /* not HTTP, or not as we read it */                             \
    X(HEAD_SIZE, "head_size")                                                                      \
    X(BODY_SIZE, "body_size")                                                                      \
    X(ENCODING, "encoding") /* unknown or damaged compression */                                   \
    X(HOST, "host")         /* Host or Origin is foreign */                                        \
    X(NOT_FOUND, "not_found")                                                                      \
    X(METHOD, "method")                                                                            \
    X(TIMEOUT, "timeout")   /* head or body came too slowly */                                     \
    X(BUSY, "busy")         /* handler pool or body budget is full */                              \
    X(ABUSE, "abuse")       /* resets, pings or frames beyond reason */                            \
    X(TLS, "tls")           /* the handshake failed, or took too long */                           \
    X(INTERNAL, "internal") /* a handler did not answer */

enum weir_http_refusal {
#define WEIR_HTTP_REFUSAL_ENUM(name, text) WEIR_HTTP_REFUSED_##name,
    WEIR_HTTP_REFUSALS(WEIR_HTTP_REFUSAL_ENUM)
#undef WEIR_HTTP_REFUSAL_ENUM
        WEIR_HTTP_REFUSALS_COUNT,
};

struct weir_http_counters {
    const char *door;
    struct weir_metric connections; /* open now */
    struct weir_metric requests[5]; /* by class of status: 1xx … 5xx */
    struct weir_metric refused[WEIR_HTTP_REFUSALS_COUNT];
    struct weir_metric received_bytes; /* bodies, as on the wire */
};

struct weir_http_door_state {
    struct weir_http_door door; /* strings copied */
    int fd;                     /* listening */
    uint16_t port;
    char host[64]; /* numeric address that it listens on */
    struct weir_http_counters *counters;
    struct weir_state *state;
    struct weir_tls *tls; /* NULL: plain */
    struct weir_http_server *server;
    struct weir_http_door_state *next;
};

/* Opens the listening socket; of TLS the certificates first. */
int weir_http_door_open(const struct weir_http_door *door, struct weir_http_door_state **ret,
                        struct weir_error *reterr);
void weir_http_door_close(struct weir_http_door_state *door);
/* Host (or :authority) and Origin are ours; `ret_reason` says why not. */
bool weir_http_door_allows(const struct weir_http_door_state *door, struct weir_view authority,
                           struct weir_view origin, const char **ret_reason);
/* Takes up certificates that have changed; a failure is kept in the door's state. WEIR_OK without
 * TLS. */
int weir_http_door_refresh_tls(struct weir_http_door_state *door, struct weir_error *reterr);
void weir_http_door_count_refused(struct weir_http_door_state *door, enum weir_http_refusal why);
void weir_http_door_count_status(struct weir_http_door_state *door, int status);

#endif
