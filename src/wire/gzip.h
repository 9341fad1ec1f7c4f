/* SPDX-License-Identifier: Apache-2.0 */
/* gzip and zlib ("deflate" in HTTP), whole bodies at a time.
 *
 * The output buffer's limit is the guard against bombs: nothing past it is ever written, and no
 * length that the input claims is believed.
 *
 * Threads: any. Memory: results are added to the caller's buffer.
 * Source: RFC 1950, 1952; libdeflate.
 */
#ifndef WEIR_WIRE_GZIP_H
#define WEIR_WIRE_GZIP_H

#include "base/buf.h"
#include "base/error.h"

/* Adds the decompressed bytes of all members. WEIR_ETOOBIG when they would pass out->size_max,
 * WEIR_EINVALID when the input is damaged or ends early. */
int weir_gzip_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr);
int weir_zlib_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr);
/* Adds one gzip member; level 1 … 12 (1 is quick, 6 usual). WEIR_ETOOBIG, WEIR_ENOMEMORY. */
int weir_gzip_encode(struct weir_view in, int level, struct weir_buf *out,
                     struct weir_error *reterr);

#endif
