/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets, parameters and authorities: percent-decoding, forms, host names.
 *
 * Threads: any. Memory: results lie in the arena given, or borrow the input.
 * Source: RFC 3986; WHATWG URL, application/x-www-form-urlencoded.
 */
#ifndef WEIR_NET_URI_H
#define WEIR_NET_URI_H

#include "base/arena.h"
#include "base/buf.h"

#define WEIR_HTTP_PARAMS_MAX 2048 /* of one request, query and form together */

struct weir_http_param_item {
    struct weir_view name, value; /* decoded */
};

/* Splits "/a/b?x=1" (origin form), "http://host/a?x" (absolute form) or "*" into raw path and
 * query. Fragments are refused. False: malformed. `ret_authority` is empty but for the absolute
 * form. */
bool weir_uri_split_target(struct weir_view target, struct weir_view *ret_path,
                           struct weir_view *ret_query, struct weir_view *ret_authority);
/* Decodes %XX; false on a broken escape, a NUL, or when memory is out. */
bool weir_uri_decode(struct weir_arena *arena, struct weir_view raw, struct weir_view *ret);
/* Decodes a path; false also for "." and ".." segments, however they are written. */
bool weir_uri_decode_path(struct weir_arena *arena, struct weir_view raw, struct weir_view *ret);
/* Decodes one form component: '+' is a blank, a broken escape stands for itself. */
struct weir_view weir_uri_decode_form(struct weir_arena *arena, struct weir_view raw);
/* Appends the pairs of "a=1&b=2" to an arena-held array (see WEIR_PUSH). False: more than
 * WEIR_HTTP_PARAMS_MAX, or memory is out. */
bool weir_uri_parse_form(struct weir_arena *arena, struct weir_view form,
                         struct weir_http_param_item **items, uint32_t *count, uint32_t *room);
/* Appends `v` with everything but unreserved characters percent-encoded. */
void weir_uri_add_encoded(struct weir_buf *out, struct weir_view v);

/* Splits "host", "host:port", "[::1]:port" (brackets removed). False: malformed.
 * Port -1: absent. */
bool weir_uri_split_authority(struct weir_view authority, struct weir_view *ret_host,
                              int *ret_port);
/* True for localhost, *.localhost, 127.0.0.0/8 and ::1. */
bool weir_uri_host_is_loopback(struct weir_view host);
/* True for an IPv4 or IPv6 literal (without brackets). */
bool weir_uri_host_is_literal(struct weir_view host);

#endif
