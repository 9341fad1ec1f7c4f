/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's own grammar inside HTTP/2: message frames, status words, binary metadata.
 *
 *     message frame:  0/1 compressed | length, 4 bytes, big-endian | bytes
 *
 * Threads: any. Memory: as said per function.
 * Source: grpc/doc/PROTOCOL-HTTP2.md.
 */
#ifndef WEIR_NET_GRPC_H
#define WEIR_NET_GRPC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define WEIR_GRPC_PREFIX_SIZE 5

enum weir_grpc_status {
    WEIR_GRPC_OK = 0,
    WEIR_GRPC_CANCELLED = 1,
    WEIR_GRPC_UNKNOWN = 2,
    WEIR_GRPC_INVALID_ARGUMENT = 3,
    WEIR_GRPC_DEADLINE_EXCEEDED = 4,
    WEIR_GRPC_RESOURCE_EXHAUSTED = 8,
    WEIR_GRPC_UNIMPLEMENTED = 12,
    WEIR_GRPC_INTERNAL = 13,
    WEIR_GRPC_UNAVAILABLE = 14,
};

/* Appends the five bytes before a message. */
void weir_grpc_add_prefix(struct weir_buf *out, bool compressed, size_t len);
/* Reads the five bytes; false when `bytes` is shorter or the flag is neither 0 nor 1. */
bool weir_grpc_prefix_parse(struct weir_view bytes, bool *ret_compressed, size_t *ret_len);
/* The one message of a unary body, still compressed if *ret_compressed. WEIR_EINVALID: cut off,
 * none, or more than one. Borrows. */
int weir_grpc_message_get(struct weir_view body, struct weir_view *ret_message,
                          bool *ret_compressed, struct weir_error *reterr);
/* grpc-message: percent-encoding of everything but printable ASCII without '%'. */
void weir_grpc_add_message(struct weir_buf *out, struct weir_view message);
/* Decodes it in place of broken escapes leaving them as they are. Lies in the arena. */
struct weir_view weir_grpc_message_decode(struct weir_arena *arena, struct weir_view raw);
/* True for "application/grpc", "application/grpc+proto" and the like, not for
 * "application/grpc-web". */
bool weir_grpc_is_content_type(struct weir_view content_type);
/* The gRPC status that stands for a plain HTTP answer without grpc-status. */
int weir_grpc_status_from_http(int http_status);

#endif
