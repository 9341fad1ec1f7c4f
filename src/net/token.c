/* SPDX-License-Identifier: Apache-2.0 */
#include "net/token.h"

bool weir_http_char_is(char c, enum weir_http_char_class class) {
    unsigned char u = (unsigned char)c;
    switch (class) {
    case WEIR_HTTP_CHAR_TOKEN:
        return (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') ||
               (u && strchr("!#$%&'*+-.^_`|~", u));
    case WEIR_HTTP_CHAR_VALUE: return u == '\t' || (u >= ' ' && u != 127);
    case WEIR_HTTP_CHAR_TARGET: return u > ' ' && u < 127;
    }
    return false;
}

static bool all_are(struct weir_view v, enum weir_http_char_class class) {
    for (size_t i = 0; i < v.len; i++)
        if (!weir_http_char_is(v.ptr[i], class)) return false;
    return true;
}

bool weir_http_is_token(struct weir_view v) {
    return v.len && all_are(v, WEIR_HTTP_CHAR_TOKEN);
}

bool weir_http_is_target(struct weir_view v) {
    return v.len && all_are(v, WEIR_HTTP_CHAR_TARGET);
}

bool weir_http_is_value(struct weir_view v) {
    return all_are(v, WEIR_HTTP_CHAR_VALUE);
}

struct weir_view weir_http_field_get(const struct weir_http_field *fields, size_t count,
                                     const char *name) {
    struct weir_view wanted = weir_view_str(name);
    for (size_t i = 0; i < count; i++)
        if (weir_view_eq_nocase(fields[i].name, wanted)) return fields[i].value;
    return WEIR_VIEW("");
}

bool weir_http_list_has(struct weir_view list, const char *token) {
    struct weir_view wanted = weir_view_str(token);
    while (list.len) {
        struct weir_view item = weir_view_cut(&list, ',');
        item = weir_view_trim(weir_view_cut(&item, ';'));
        if (weir_view_eq_nocase(item, wanted)) return true;
    }
    return false;
}

bool weir_http_media_is(struct weir_view content_type, const char *media) {
    struct weir_view type = weir_view_trim(weir_view_cut(&content_type, ';'));
    return weir_view_eq_nocase(type, weir_view_str(media));
}

/* The weight behind ";q=" is above zero, or absent. */
static bool has_weight(struct weir_view parameters) {
    while (parameters.len) {
        struct weir_view parameter = weir_view_trim(weir_view_cut(&parameters, ';'));
        struct weir_view name = weir_view_trim(weir_view_cut(&parameter, '='));
        double weight;
        if (weir_view_eq_nocase(name, WEIR_VIEW("q")) &&
            weir_view_to_f64(weir_view_trim(parameter), &weight))
            return weight > 0;
    }
    return true;
}

bool weir_http_accepts(struct weir_view accept_encoding, const char *coding) {
    struct weir_view wanted = weir_view_str(coding);
    bool any = false;
    while (accept_encoding.len) {
        struct weir_view parameters = weir_view_cut(&accept_encoding, ',');
        struct weir_view name = weir_view_trim(weir_view_cut(&parameters, ';'));
        if (weir_view_eq_nocase(name, wanted)) return has_weight(parameters);
        if (weir_view_is(name, "*")) any = has_weight(parameters);
    }
    return any;
}

const char *weir_http_reason(int status) {
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
    }
}
