/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uri.h"

#include <arpa/inet.h>

#include "base/text.h"

/* The byte behind "%XX" at `at`, or -1. */
static int escape_at(struct weir_view v, size_t at) {
    if (v.len - at < 3) return -1;
    int high = weir_text_hex_digit(v.ptr[at + 1]), low = weir_text_hex_digit(v.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool weir_uri_split_target(struct weir_view target, struct weir_view *ret_path,
                           struct weir_view *ret_query, struct weir_view *ret_authority) {
    struct weir_view authority = WEIR_VIEW("");
    if (target.len && memchr(target.ptr, '#', target.len)) return false;
    size_t scheme = weir_view_find(target, WEIR_VIEW("://"));
    if (target.len && target.ptr[0] != '/' && scheme != SIZE_MAX) {
        struct weir_view name = weir_view_upto(target, scheme);
        if (!weir_view_eq_nocase(name, WEIR_VIEW("http")) &&
            !weir_view_eq_nocase(name, WEIR_VIEW("https")))
            return false;
        target = weir_view_from(target, scheme + 3);
        size_t end = 0;
        while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?') end++;
        authority = weir_view_upto(target, end);
        target = weir_view_from(target, end);
        if (authority.len == 0) return false;
    } else if (target.len == 0 || (target.ptr[0] != '/' && !weir_view_is(target, "*"))) {
        return false;
    }
    struct weir_view path = weir_view_cut(&target, '?');
    *ret_path = path.len ? path : WEIR_VIEW("/");
    *ret_query = target.ptr ? target : WEIR_VIEW("");
    *ret_authority = authority;
    return true;
}

bool weir_uri_decode(struct weir_arena *arena, struct weir_view raw, struct weir_view *ret) {
    if (raw.len == 0 || !memchr(raw.ptr, '%', raw.len)) {
        *ret = raw;
        return true;
    }
    char *out = weir_arena_alloc(arena, raw.len);
    if (!out) return false;
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] != '%') {
            out[len++] = raw.ptr[i];
            continue;
        }
        int byte = escape_at(raw, i);
        if (byte <= 0) return false;
        out[len++] = (char)byte;
        i += 2;
    }
    *ret = weir_view(out, len);
    return true;
}

bool weir_uri_decode_path(struct weir_arena *arena, struct weir_view raw, struct weir_view *ret) {
    struct weir_view path;
    if (!weir_uri_decode(arena, raw, &path)) return false;
    struct weir_view rest = path;
    while (rest.len) {
        struct weir_view segment = weir_view_cut(&rest, '/');
        if (weir_view_is(segment, ".") || weir_view_is(segment, "..")) return false;
    }
    *ret = path;
    return true;
}

struct weir_view weir_uri_decode_form(struct weir_arena *arena, struct weir_view raw) {
    if (raw.len == 0) return WEIR_VIEW("");
    if (!memchr(raw.ptr, '%', raw.len) && !memchr(raw.ptr, '+', raw.len)) return raw;
    char *out = weir_arena_alloc(arena, raw.len);
    if (!out) return WEIR_VIEW("");
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int byte = raw.ptr[i] == '%' ? escape_at(raw, i) : -1;
        if (byte >= 0) i += 2;
        out[len++] = byte >= 0 ? (char)byte : raw.ptr[i] == '+' ? ' ' : raw.ptr[i];
    }
    return weir_view(out, len);
}

bool weir_uri_parse_form(struct weir_arena *arena, struct weir_view form,
                         struct weir_http_param_item **items, uint32_t *count, uint32_t *room) {
    while (form.len) {
        struct weir_view value = weir_view_cut(&form, '&');
        if (value.len == 0) continue;
        struct weir_view name = weir_view_cut(&value, '=');
        if (*count >= WEIR_HTTP_PARAMS_MAX) return false;
        struct weir_http_param_item *item = WEIR_PUSH(arena, *items, *count, *room);
        if (!item) return false;
        item->name = weir_uri_decode_form(arena, name);
        item->value = weir_uri_decode_form(arena, value);
    }
    return !arena->failed;
}

void weir_uri_add_encoded(struct weir_buf *out, struct weir_view v) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            weir_buf_add_char(out, (char)c);
        } else {
            char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            weir_buf_add(out, escape, sizeof escape);
        }
    }
}

bool weir_uri_split_authority(struct weir_view authority, struct weir_view *ret_host,
                              int *ret_port) {
    struct weir_view host, port;
    if (authority.len && authority.ptr[0] == '[') {
        const char *end = memchr(authority.ptr, ']', authority.len);
        if (!end) return false;
        host = weir_view(authority.ptr + 1, (size_t)(end - authority.ptr) - 1);
        port = weir_view_from(authority, host.len + 2);
        if (port.len && port.ptr[0] != ':') return false;
        if (port.len) port = weir_view_from(port, 1);
    } else {
        port = authority;
        host = weir_view_cut(&port, ':');
    }
    uint64_t number = 0;
    if (port.len && (!weir_view_to_u64(port, &number) || number > 65535)) return false;
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] <= ' ' || strchr("/?#@\\\"<>", host.ptr[i])) return false;
    *ret_host = host;
    *ret_port = port.len ? (int)number : -1;
    return host.len > 0;
}

/* Copies into a NUL-terminated buffer; false when it does not fit. */
static bool to_text(struct weir_view v, char *text, size_t size) {
    if (v.len >= size) return false;
    memcpy(text, v.ptr, v.len);
    text[v.len] = 0;
    return true;
}

bool weir_uri_host_is_literal(struct weir_view host) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    return host.len && to_text(host, text, sizeof text) &&
           (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1);
}

bool weir_uri_host_is_loopback(struct weir_view host) {
    if (host.len && host.ptr[host.len - 1] == '.') host.len--;
    if (weir_view_eq_nocase(host, WEIR_VIEW("localhost"))) return true;
    struct weir_view suffix = WEIR_VIEW(".localhost");
    if (host.len > suffix.len &&
        weir_view_eq_nocase(weir_view_from(host, host.len - suffix.len), suffix))
        return true;
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    if (!to_text(host, text, sizeof text)) return false;
    if (inet_pton(AF_INET, text, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
