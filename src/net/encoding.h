/* SPDX-License-Identifier: Apache-2.0 */
/* Content codings of whole bodies: gzip, deflate, zstd, identity, with a cap on what comes out.
 *
 * The cap is the guard against bombs: decoding stops as soon as the output would pass it, whatever
 * the input claims about its size.
 *
 * Threads: any. Memory: the output buffer is the caller's; its limit is the cap.
 * Source: RFC 9110, 8.4; RFC 1952; RFC 1950; RFC 8878.
 */
#ifndef WEIR_NET_ENCODING_H
#define WEIR_NET_ENCODING_H

#include "base/buf.h"
#include "base/error.h"

/* What weir_encoding_decode knows, for Accept-Encoding and grpc-accept-encoding. */
#define WEIR_ENCODING_ACCEPTED "gzip, deflate, zstd, identity"

/* True when `coding` ("gzip", "x-gzip", "deflate", "zstd"; any case) can be decoded. */
bool weir_encoding_known(struct weir_view coding);
/* True for "" and "identity": nothing to do. */
bool weir_encoding_is_identity(struct weir_view coding);
/* Appends the decoded bytes. WEIR_EUNSUPPORTED: unknown coding; WEIR_ETOOBIG: past out's limit;
 * WEIR_EINVALID: damaged; WEIR_ENOMEMORY. */
int weir_encoding_decode(struct weir_view coding, struct weir_view in, struct weir_buf *out,
                         struct weir_error *reterr);
/* Appends `in` as one gzip member; the limit of `out` must leave room for the worst case (a little
 * more than in.len). `level` 1 (fast) to 12 (small). */
int weir_encoding_gzip(struct weir_view in, int level, struct weir_buf *out);

#endif
