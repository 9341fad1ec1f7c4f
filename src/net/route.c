/* SPDX-License-Identifier: Apache-2.0 */
#include "net/route.h"

#include "net/uri.h"

/* Kinds of pattern segments, in the order in which they win. */
enum segment { SEGMENT_REST, SEGMENT_NAME, SEGMENT_LITERAL };

static enum segment segment_kind(struct weir_view segment, bool is_last) {
    if (is_last && weir_view_is(segment, "*")) return SEGMENT_REST;
    if (segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}')
        return SEGMENT_NAME;
    return SEGMENT_LITERAL;
}

static void add_param(struct weir_http_path_params *params, struct weir_view name,
                      struct weir_view value) {
    if (params->count == WEIR_HTTP_PATH_PARAMS_MAX) return;
    params->names[params->count] = name;
    params->values[params->count++] = value;
}

static bool matches(const char *pattern, struct weir_view path, struct weir_arena *arena,
                    struct weir_http_path_params *params) {
    struct weir_view rest = weir_view_str(pattern), segment, decoded;
    params->count = 0;
    while (rest.ptr && path.ptr) {
        struct weir_view wanted = weir_view_cut(&rest, '/');
        enum segment kind = segment_kind(wanted, rest.ptr == NULL);
        if (kind == SEGMENT_REST) {
            if (!weir_uri_decode(arena, path, &decoded)) return false;
            add_param(params, wanted, decoded);
            return true;
        }
        segment = weir_view_cut(&path, '/');
        if (!weir_uri_decode(arena, segment, &decoded)) return false;
        if (kind == SEGMENT_LITERAL && !weir_view_eq(decoded, wanted)) return false;
        if (kind == SEGMENT_NAME) {
            if (decoded.len == 0) return false;
            add_param(params, weir_view(wanted.ptr + 1, wanted.len - 2), decoded);
        }
    }
    return !rest.ptr && !path.ptr;
}

/* True when pattern `a` is the closer one; both match the same path. */
static bool is_closer(const char *a_pattern, const char *b_pattern) {
    struct weir_view a = weir_view_str(a_pattern), b = weir_view_str(b_pattern);
    while (a.ptr && b.ptr) {
        struct weir_view segment_a = weir_view_cut(&a, '/'), segment_b = weir_view_cut(&b, '/');
        enum segment kind_a = segment_kind(segment_a, a.ptr == NULL);
        enum segment kind_b = segment_kind(segment_b, b.ptr == NULL);
        if (kind_a != kind_b) return kind_a > kind_b;
    }
    return false;
}

/* The pattern's list "GET|POST" has the method; GET serves HEAD. */
static bool allows(const struct weir_http_route *route, struct weir_view method) {
    struct weir_view list = weir_view_str(route->method);
    if (weir_view_is(list, "*")) return true;
    while (list.len) {
        struct weir_view item = weir_view_cut(&list, '|');
        if (weir_view_eq(item, method)) return true;
        if (weir_view_is(item, "GET") && weir_view_is(method, "HEAD")) return true;
    }
    return false;
}

const struct weir_http_route *weir_http_route_find(const struct weir_http_route *routes,
                                                   size_t count, struct weir_view method,
                                                   struct weir_view raw_path,
                                                   struct weir_arena *arena,
                                                   struct weir_http_path_params *ret_params) {
    const struct weir_http_route *best = NULL;
    struct weir_http_path_params params;
    for (size_t i = 0; i < count; i++) {
        if (!allows(&routes[i], method) || !matches(routes[i].pattern, raw_path, arena, &params))
            continue;
        if (best && !is_closer(routes[i].pattern, best->pattern)) continue;
        best = &routes[i];
        *ret_params = params;
    }
    return best;
}

void weir_http_route_add_allowed(const struct weir_http_route *routes, size_t count,
                                 struct weir_view raw_path, struct weir_arena *arena,
                                 struct weir_buf *out) {
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    struct weir_http_path_params params;
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        if (!weir_http_route_find(routes, count, weir_view_str(methods[m]), raw_path, arena,
                                  &params))
            continue;
        weir_buf_add_str(out, methods[m]);
        weir_buf_add_str(out, ", ");
    }
    if (out->len) weir_buf_add_str(out, "OPTIONS");
}
