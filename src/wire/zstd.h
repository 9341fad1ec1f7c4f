/* SPDX-License-Identifier: Apache-2.0 */
/* Zstandard, whole bodies at a time. The output buffer's limit guards against bombs, and a window
 * over 8 MiB is refused (RFC 8878 asks receivers for no more).
 *
 * Threads: any. Memory: results are added to the caller's buffer.
 */
#ifndef WEIR_WIRE_ZSTD_H
#define WEIR_WIRE_ZSTD_H

#include "base/buf.h"
#include "base/error.h"

/* Adds the decompressed bytes of all frames. WEIR_ETOOBIG, WEIR_EINVALID as for gzip. */
int weir_zstd_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr);
/* Adds one frame; level 1 … 19 (1 is quick). */
int weir_zstd_encode(struct weir_view in, int level, struct weir_buf *out,
                     struct weir_error *reterr);

#endif
