/* SPDX-License-Identifier: Apache-2.0 */
/* The small grammar that all of HTTP shares: tokens, field values, comma lists, media types.
 *
 * Threads: any; nothing here keeps state.
 * Source: RFC 9110, 5.5 and 5.6; RFC 9112, 3.
 */
#ifndef WEIR_NET_TOKEN_H
#define WEIR_NET_TOKEN_H

#include "base/view.h"

/* A header or trailer field; both parts borrowed. */
struct weir_http_field {
    struct weir_view name;  /* as received; compare without case */
    struct weir_view value; /* without blanks at its ends */
};

enum weir_http_char_class {
    WEIR_HTTP_CHAR_TOKEN = 1,  /* method, field name */
    WEIR_HTTP_CHAR_VALUE = 2,  /* field value: visible, blank, tab, bytes above 127 */
    WEIR_HTTP_CHAR_TARGET = 4, /* request target: visible ASCII */
};

/* True when the view is not empty and every byte is of the class. */
bool weir_http_is_token(struct weir_view v);
bool weir_http_is_target(struct weir_view v);
/* True when every byte may stand in a field value (the empty value may). */
bool weir_http_is_value(struct weir_view v);
bool weir_http_char_is(char c, enum weir_http_char_class class);

/* The value of the first field of that name (any case), or an empty view with ptr "". */
struct weir_view weir_http_field_get(const struct weir_http_field *fields, size_t count,
                                     const char *name);
/* True when the comma list holds the token (any case); parameters behind ';' are not looked at. */
bool weir_http_list_has(struct weir_view list, const char *token);
/* True when the Content-Type names this media type, whatever its parameters. */
bool weir_http_media_is(struct weir_view content_type, const char *media);
/* True when an Accept-Encoding value allows this coding (q=0 forbids it). */
bool weir_http_accepts(struct weir_view accept_encoding, const char *coding);
/* "Not Found" for 404; "" for codes without a name here. */
const char *weir_http_reason(int status);

#endif
