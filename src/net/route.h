/* SPDX-License-Identifier: Apache-2.0 */
/* Which handler serves a path. Literal segments win over {names}, {names} over a trailing "*".
 *
 * Threads: any. Memory: borrows routes and paths; parameters lie in the arena given.
 */
#ifndef WEIR_NET_ROUTE_H
#define WEIR_NET_ROUTE_H

#include "base/arena.h"
#include "base/buf.h"
#include "net/http.h"

#define WEIR_HTTP_PATH_PARAMS_MAX 8

struct weir_http_path_params {
    struct weir_view names[WEIR_HTTP_PATH_PARAMS_MAX];  /* of the pattern; "*" for the rest */
    struct weir_view values[WEIR_HTTP_PATH_PARAMS_MAX]; /* decoded */
    size_t count;
};

/* The best route for method and path, or NULL. `raw_path` is still percent-encoded, so that %2F
 * stays inside its segment. */
const struct weir_http_route *weir_http_route_find(const struct weir_http_route *routes,
                                                   size_t count, struct weir_view method,
                                                   struct weir_view raw_path,
                                                   struct weir_arena *arena,
                                                   struct weir_http_path_params *ret_params);
/* Appends the methods that the path has ("GET, HEAD, POST, OPTIONS"); nothing when no route
 * matches. */
void weir_http_route_add_allowed(const struct weir_http_route *routes, size_t count,
                                 struct weir_view raw_path, struct weir_arena *arena,
                                 struct weir_buf *out);

#endif
