/* SPDX-License-Identifier: Apache-2.0 */
/* Snappy's block format, as Prometheus remote write and Loki push use it.
 *
 * Threads: any. Memory: results are added to the caller's buffer.
 */
#ifndef WEIR_WIRE_SNAPPY_H
#define WEIR_WIRE_SNAPPY_H

#include "base/buf.h"
#include "base/error.h"

/* WEIR_ETOOBIG when the bytes would pass out->size_max; WEIR_EINVALID when the input is damaged, or
 * claims a length that its size cannot hold. */
int weir_snappy_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr);
int weir_snappy_encode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr);

#endif
