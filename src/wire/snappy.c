/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/snappy.h"

#include <snappy-c.h>

/* The densest element is a copy: three bytes that stand for 64. */
enum { RATIO_MAX = 32 };

int weir_snappy_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    size_t size;
    if (snappy_uncompressed_length(in.ptr, in.len, &size) != SNAPPY_OK || size / RATIO_MAX > in.len)
        return weir_error_set(reterr, WEIR_EINVALID, "body is not in snappy's block format");
    if (size > out->size_max - out->len)
        return weir_error_set(reterr, WEIR_ETOOBIG, "body decompresses to more than %zu bytes",
                              out->size_max);
    char nothing = 0, *to = size ? weir_buf_reserve(out, size) : &nothing;
    if (!to) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to decompress into");
    if (snappy_uncompress(in.ptr, in.len, to, &size) != SNAPPY_OK)
        return weir_error_set(reterr, WEIR_EINVALID, "snappy body is damaged");
    out->len += size;
    return WEIR_OK;
}

int weir_snappy_encode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    size_t size = snappy_max_compressed_length(in.len);
    char *to = weir_buf_reserve(out, size);
    if (!to || snappy_compress(in.len ? in.ptr : "", in.len, to, &size) != SNAPPY_OK)
        return weir_error_set(reterr, WEIR_ETOOBIG, "compressed body is larger than %zu bytes",
                              out->size_max);
    out->len += size;
    return WEIR_OK;
}
