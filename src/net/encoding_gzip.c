/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from the decoders, so that libweir, which only compresses, takes no more than it needs. */
#include "net/encoding.h"

#include <libdeflate.h>

int weir_encoding_gzip(struct weir_view in, int level, struct weir_buf *out) {
    struct libdeflate_compressor *codec = libdeflate_alloc_compressor(level);
    if (!codec) return WEIR_ENOMEMORY;
    size_t bound = libdeflate_gzip_compress_bound(codec, in.len), made = 0;
    char *to = weir_buf_reserve(out, bound);
    if (to) made = libdeflate_gzip_compress(codec, in.ptr, in.len, to, bound);
    out->len += made;
    libdeflate_free_compressor(codec);
    return made ? WEIR_OK : WEIR_ENOMEMORY;
}
