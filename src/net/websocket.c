/* SPDX-License-Identifier: Apache-2.0 */
#include "net/websocket.h"

#include "base/text.h"
#include "net/sha1.h"

void weir_websocket_parser_init(struct weir_websocket_parser *parser) {
    *parser = (struct weir_websocket_parser){0};
    weir_buf_init(&parser->message, WEIR_WEBSOCKET_MESSAGE_SIZE_MAX);
}

void weir_websocket_parser_done(struct weir_websocket_parser *parser) {
    weir_buf_done(&parser->message);
}

static bool is_control(int opcode) {
    return opcode >= WEIR_WEBSOCKET_CLOSE;
}

/* Bytes that the frame's head has, as far as its first two bytes tell. */
static size_t head_size(const struct weir_websocket_parser *p) {
    if (p->head_len < 2) return 2;
    unsigned len = p->head[1] & 127;
    return 2 + 4 + (len == 126 ? 2 : len == 127 ? 8 : 0);
}

/* The first two bytes are known: refuse without waiting for more. */
static int check_head(struct weir_websocket_parser *p) {
    int opcode = p->head[0] & 15;
    bool fin = p->head[0] & 0x80;
    if (p->head[0] & 0x70) return -1002;    /* no extension was agreed on */
    if (!(p->head[1] & 0x80)) return -1002; /* a client masks */
    switch (opcode) {
    case WEIR_WEBSOCKET_CONTINUATION: return p->message_opcode ? 0 : -1002;
    case WEIR_WEBSOCKET_TEXT:
    case WEIR_WEBSOCKET_BINARY:
        if (p->message_opcode) return -1002;
        p->message_opcode = opcode;
        return 0;
    case WEIR_WEBSOCKET_CLOSE:
    case WEIR_WEBSOCKET_PING:
    case WEIR_WEBSOCKET_PONG: return fin && (p->head[1] & 127) <= 125 ? 0 : -1002;
    default: return -1002;
    }
}

/* The head is complete. */
static int begin_payload(struct weir_websocket_parser *p) {
    int opcode = p->head[0] & 15;
    size_t len_size = p->head_len - 6;
    p->left = len_size ? 0 : p->head[1] & 127;
    for (size_t i = 0; i < len_size; i++) p->left = p->left << 8 | p->head[2 + i];
    if ((len_size == 2 && p->left < 126) || (len_size == 8 && (p->left < 65536 || p->left >> 63)))
        return -1002; /* not the shortest form */
    if (!is_control(opcode) && p->left > p->message.size_max - p->message.len) return -1009;
    memcpy(p->mask, p->head + p->head_len - 4, 4);
    p->mask_at = 0;
    p->control_len = 0;
    p->in_payload = true;
    return 0;
}

static int take_payload(struct weir_websocket_parser *p, struct weir_view *in) {
    size_t len = p->left < in->len ? (size_t)p->left : in->len;
    bool control = is_control(p->head[0] & 15);
    char *to = control ? p->control + p->control_len : weir_buf_reserve(&p->message, len);
    if (!to && len) return -1009;
    for (size_t i = 0; i < len; i++) to[i] = (char)(in->ptr[i] ^ p->mask[p->mask_at++ & 3]);
    if (control)
        p->control_len += len;
    else
        p->message.len += len;
    p->left -= len;
    *in = weir_view_from(*in, len);
    return 0;
}

/* Close codes that may stand on the wire. */
static bool is_close_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int check_close(struct weir_view payload) {
    if (payload.len == 0) return 0;
    if (payload.len == 1) return -1002;
    unsigned code = (unsigned)(uint8_t)payload.ptr[0] << 8 | (uint8_t)payload.ptr[1];
    if (!is_close_code(code)) return -1002;
    return weir_view_is_utf8(weir_view_from(payload, 2)) ? 0 : -1007;
}

/* The payload is complete: 1 when that makes an event. */
static int end_frame(struct weir_websocket_parser *p, struct weir_websocket_event *ret) {
    int opcode = p->head[0] & 15;
    p->in_payload = false;
    p->head_len = 0;
    if (is_control(opcode)) {
        *ret = (struct weir_websocket_event){opcode, weir_view(p->control, p->control_len)};
        int rc = opcode == WEIR_WEBSOCKET_CLOSE ? check_close(ret->payload) : 0;
        return rc ? rc : 1;
    }
    if (!(p->head[0] & 0x80)) return 0;
    *ret = (struct weir_websocket_event){p->message_opcode, weir_buf_view(&p->message)};
    p->message_opcode = 0;
    p->message_given = true;
    return ret->opcode == WEIR_WEBSOCKET_TEXT && !weir_view_is_utf8(ret->payload) ? -1007 : 1;
}

int weir_websocket_parse(struct weir_websocket_parser *p, struct weir_view *in,
                         struct weir_websocket_event *ret) {
    if (p->message_given) {
        weir_buf_clear(&p->message);
        p->message_given = false;
    }
    for (;;) {
        while (!p->in_payload) {
            if (p->head_len == head_size(p)) {
                int rc = begin_payload(p);
                if (rc) return rc;
                break;
            }
            if (in->len == 0) return 0;
            p->head[p->head_len++] = (uint8_t)in->ptr[0];
            *in = weir_view_from(*in, 1);
            int rc = p->head_len == 2 ? check_head(p) : 0;
            if (rc) return rc;
        }
        int rc = take_payload(p, in);
        if (rc) return rc;
        if (p->left) return 0;
        rc = end_frame(p, ret);
        if (rc) return rc;
    }
}

size_t weir_websocket_head_encode(enum weir_websocket_opcode opcode, uint64_t len,
                                  char ret[WEIR_WEBSOCKET_HEAD_SIZE_MAX]) {
    size_t size = len < 126 ? 0 : len < 65536 ? 2 : 8;
    ret[0] = (char)(0x80 | opcode);
    ret[1] = (char)(size == 0 ? len : size == 2 ? 126 : 127);
    for (size_t i = 0; i < size; i++) ret[2 + i] = (char)(len >> (8 * (size - 1 - i)) & 255);
    return 2 + size;
}

void weir_websocket_accept_key(struct weir_view key, char ret[WEIR_WEBSOCKET_ACCEPT_SIZE]) {
    static const struct weir_view suffix = WEIR_VIEW_INIT("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    uint8_t digest[WEIR_SHA1_SIZE];
    struct weir_buf out;
    weir_buf_init(&out, 128);
    weir_buf_add_view(&out, weir_view_upto(key, 64));
    weir_buf_add_view(&out, suffix);
    weir_sha1(weir_buf_view(&out), digest);
    weir_buf_clear(&out);
    weir_text_base64_add_padded(&out, weir_view(digest, sizeof digest));
    if (out.len == WEIR_WEBSOCKET_ACCEPT_SIZE) memcpy(ret, out.ptr, out.len);
    weir_buf_done(&out);
}
