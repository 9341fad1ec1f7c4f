/* SPDX-License-Identifier: Apache-2.0 */
#include "http/url.h"

/* ── reading ─────────────────────────────────────────────────────────────────────────────────── */

static size_t find_any(struct weir_view text, const char *bytes) {
    size_t i = 0;
    while (i < text.len && !(text.ptr[i] && strchr(bytes, text.ptr[i]))) i++;
    return i;
}

void weir_http_authority_read(struct weir_view text, struct weir_view *ret_host, int *ret_port) {
    uint64_t port = 0;
    size_t colon;
    *ret_port = 0;
    if (text.len && text.ptr[0] == '[') {
        size_t end = find_any(text, "]");
        *ret_host = weir_view_upto(weir_view_from(text, 1), end ? end - 1 : 0);
        colon = end + 1;
    } else {
        colon = find_any(text, ":");
        *ret_host = weir_view_upto(text, colon);
    }
    if (colon < text.len && text.ptr[colon] == ':' &&
        weir_view_to_u64(weir_view_from(text, colon + 1), &port) && port < 65536)
        *ret_port = (int)port;
}

static void read_authority(struct weir_http_url *url, struct weir_view text) {
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '@') at--; /* the last one */
    if (at > 0) url->userinfo = weir_view_upto(text, at - 1);
    weir_http_authority_read(weir_view_from(text, at), &url->host, &url->port);
}

static bool is_scheme(struct weir_view text) {
    if (!text.len) return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], lower = (char)(c | 0x20);
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && !strchr("+-.", c))
            return false;
    }
    return true;
}

struct weir_http_url weir_http_url_read(struct weir_view text) {
    struct weir_http_url url = {.port = 0};
    size_t separator = weir_view_find(text, WEIR_VIEW("://"));
    if (separator != SIZE_MAX && is_scheme(weir_view_upto(text, separator))) {
        url.scheme = weir_view_upto(text, separator);
        text = weir_view_from(text, separator + 3);
        size_t end = find_any(text, "/?#");
        read_authority(&url, weir_view_upto(text, end));
        text = weir_view_from(text, end);
    }
    size_t hash = find_any(text, "#");
    if (hash < text.len) url.fragment = weir_view_from(text, hash + 1);
    text = weir_view_upto(text, hash);
    size_t mark = find_any(text, "?");
    url.path = weir_view_upto(text, mark);
    url.has_query = mark < text.len;
    if (url.has_query) url.query = weir_view_from(text, mark + 1);
    return url;
}

/* ── writing ─────────────────────────────────────────────────────────────────────────────────── */

static bool is_secret(struct weir_view key) {
    static const char *const keys[] = {"AWSAccessKeyId",      "Signature",       "sig",
                                       "X-Goog-Signature",    "X-Amz-Signature", "X-Amz-Credential",
                                       "X-Amz-Security-Token"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (weir_view_eq_nocase(key, weir_view_str(keys[i]))) return true;
    return false;
}

void weir_http_query_add(struct weir_buf *buf, struct weir_view query) {
    struct weir_view rest = query;
    while (rest.ptr) {
        struct weir_view pair = weir_view_cut(&rest, '&');
        size_t equals = find_any(pair, "=");
        if (equals < pair.len && is_secret(weir_view_upto(pair, equals))) {
            weir_buf_add_view(buf, weir_view_upto(pair, equals + 1));
            weir_buf_add_str(buf, "REDACTED");
        } else {
            weir_buf_add_view(buf, pair);
        }
        if (rest.ptr) weir_buf_add_char(buf, '&');
    }
}

static void add_authority(struct weir_buf *buf, const struct weir_http_url *url) {
    bool is_v6 = find_any(url->host, ":") < url->host.len;
    if (url->userinfo.len)
        weir_buf_add_str(buf, find_any(url->userinfo, ":") < url->userinfo.len
                                  ? "REDACTED:REDACTED@"
                                  : "REDACTED@");
    if (is_v6) weir_buf_add_char(buf, '[');
    weir_buf_add_view(buf, url->host);
    if (is_v6) weir_buf_add_char(buf, ']');
    if (!url->port) return;
    weir_buf_add_char(buf, ':');
    weir_buf_add_u64(buf, (uint64_t)url->port);
}

void weir_http_url_add(struct weir_buf *buf, const struct weir_http_url *url) {
    if (url->scheme.len) {
        weir_buf_add_view(buf, url->scheme);
        weir_buf_add_str(buf, "://");
        add_authority(buf, url);
    }
    weir_buf_add_view(buf, url->path);
    if (url->has_query) {
        weir_buf_add_char(buf, '?');
        weir_http_query_add(buf, url->query);
    }
    if (url->fragment.len) {
        weir_buf_add_char(buf, '#');
        weir_buf_add_view(buf, url->fragment);
    }
}
