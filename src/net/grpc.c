/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc.h"

void weir_grpc_add_prefix(struct weir_buf *out, bool compressed, size_t len) {
    uint8_t prefix[WEIR_GRPC_PREFIX_SIZE] = {compressed, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                                             (uint8_t)(len >> 8), (uint8_t)len};
    weir_buf_add(out, prefix, sizeof prefix);
}

bool weir_grpc_prefix_parse(struct weir_view bytes, bool *ret_compressed, size_t *ret_len) {
    if (bytes.len < WEIR_GRPC_PREFIX_SIZE || (uint8_t)bytes.ptr[0] > 1) return false;
    *ret_compressed = bytes.ptr[0] == 1;
    size_t len = 0;
    for (size_t i = 1; i < WEIR_GRPC_PREFIX_SIZE; i++) len = len << 8 | (uint8_t)bytes.ptr[i];
    *ret_len = len;
    return true;
}

int weir_grpc_message_get(struct weir_view body, struct weir_view *ret_message,
                          bool *ret_compressed, struct weir_error *reterr) {
    size_t len;
    bool compressed;
    if (body.len == 0) return weir_error_set(reterr, WEIR_EINVALID, "the call carries no message");
    if (!weir_grpc_prefix_parse(body, &compressed, &len))
        return weir_error_set(reterr, WEIR_EINVALID, "the gRPC message prefix is malformed");
    if (len > body.len - WEIR_GRPC_PREFIX_SIZE)
        return weir_error_set(reterr, WEIR_EINVALID,
                              "the gRPC message is cut off: %zu of %zu bytes",
                              body.len - WEIR_GRPC_PREFIX_SIZE, len);
    if (len < body.len - WEIR_GRPC_PREFIX_SIZE)
        return weir_error_set(reterr, WEIR_EINVALID, "a unary call carries more than one message");
    *ret_message = weir_view_from(body, WEIR_GRPC_PREFIX_SIZE);
    *ret_compressed = compressed;
    return WEIR_OK;
}

void weir_grpc_add_message(struct weir_buf *out, struct weir_view message) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < message.len; i++) {
        unsigned char c = (unsigned char)message.ptr[i];
        if (c >= ' ' && c <= '~' && c != '%') {
            weir_buf_add_char(out, (char)c);
        } else {
            char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            weir_buf_add(out, escape, sizeof escape);
        }
    }
}

struct weir_view weir_grpc_message_decode(struct weir_arena *arena, struct weir_view raw) {
    char *out = weir_arena_alloc(arena, raw.len + 1);
    if (!out) return WEIR_VIEW("");
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t byte;
        if (raw.ptr[i] == '%' && raw.len - i >= 3 &&
            weir_view_to_bytes_hex(weir_view(raw.ptr + i + 1, 2), &byte, 1)) {
            out[len++] = (char)byte;
            i += 2;
        } else {
            out[len++] = raw.ptr[i];
        }
    }
    return weir_view(out, len);
}

bool weir_grpc_is_content_type(struct weir_view content_type) {
    struct weir_view prefix = WEIR_VIEW("application/grpc");
    if (!weir_view_eq_nocase(weir_view_upto(content_type, prefix.len), prefix)) return false;
    struct weir_view rest = weir_view_from(content_type, prefix.len);
    return rest.len == 0 || rest.ptr[0] == '+' || rest.ptr[0] == ';' || rest.ptr[0] == ' ';
}

int weir_grpc_status_from_http(int http_status) {
    switch (http_status) {
    case 400: return WEIR_GRPC_INTERNAL;
    case 401: return 16;
    case 403: return 7;
    case 404: return WEIR_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504: return WEIR_GRPC_UNAVAILABLE;
    default: return WEIR_GRPC_UNKNOWN;
    }
}
