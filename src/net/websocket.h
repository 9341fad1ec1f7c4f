/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames, without I/O: what the server reads from and writes to an upgraded connection.
 *
 *     FIN RSV opcode | MASK length | [length 16/64] | [masking key] | payload
 *
 * A server's peer masks every frame, a server none. Control frames are short and whole. Messages
 * are put together from fragments up to a limit.
 *
 * Threads: any; state is the caller's. Source: RFC 6455.
 */
#ifndef WEIR_NET_WEBSOCKET_H
#define WEIR_NET_WEBSOCKET_H

#include "base/buf.h"

#define WEIR_WEBSOCKET_HEAD_SIZE_MAX    10 /* of an unmasked frame */
#define WEIR_WEBSOCKET_ACCEPT_SIZE      28 /* of Sec-WebSocket-Accept */
#define WEIR_WEBSOCKET_MESSAGE_SIZE_MAX (64 * 1024)

enum weir_websocket_opcode {
    WEIR_WEBSOCKET_CONTINUATION = 0,
    WEIR_WEBSOCKET_TEXT = 1,
    WEIR_WEBSOCKET_BINARY = 2,
    WEIR_WEBSOCKET_CLOSE = 8,
    WEIR_WEBSOCKET_PING = 9,
    WEIR_WEBSOCKET_PONG = 10,
};

struct weir_websocket_parser {
    struct weir_buf message; /* fragments so far; or one control frame's payload in `control` */
    char control[125];
    size_t control_len;
    uint8_t head[14]; /* of the frame at hand */
    size_t head_len;  /* bytes of it so far */
    uint64_t left;    /* payload bytes to come */
    uint8_t mask[4];
    unsigned mask_at;
    bool in_payload;
    int message_opcode; /* of the message at hand, 0 when none */
    bool message_given; /* the caller has seen it: forget it on the next call */
};

struct weir_websocket_event {
    int opcode; /* TEXT, BINARY, CLOSE, PING or PONG */
    struct weir_view
        payload; /* valid until the next call; CLOSE: code (2 bytes) and reason, or "" */
};

void weir_websocket_parser_init(struct weir_websocket_parser *parser);
void weir_websocket_parser_done(struct weir_websocket_parser *parser);
/* Moves *in forward. 1: *ret holds an event; 0: *in is used up; negative: the close code to fail
 * with, negated (-1002 protocol error, -1007 bad UTF-8, -1009 too big). */
int weir_websocket_parse(struct weir_websocket_parser *parser, struct weir_view *in,
                         struct weir_websocket_event *ret);
/* The head of a whole unmasked frame; gives its size. */
size_t weir_websocket_head_encode(enum weir_websocket_opcode opcode, uint64_t len,
                                  char ret[WEIR_WEBSOCKET_HEAD_SIZE_MAX]);
/* The answer to a Sec-WebSocket-Key. */
void weir_websocket_accept_key(struct weir_view key, char ret[WEIR_WEBSOCKET_ACCEPT_SIZE]);

#endif
