/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/gzip.h"

#include <libdeflate.h>

/* One member of either format: what was read and written. */
typedef enum libdeflate_result decompress(struct libdeflate_decompressor *, const void *, size_t,
                                          void *, size_t, size_t *, size_t *);

/* The first try at the room for `in`: text deflates to about a fifth. */
static size_t first_room(size_t in_len) {
    enum { ROOM_MIN = 4096 };
    return in_len < SIZE_MAX / 8 && in_len * 5 > ROOM_MIN ? in_len * 5 : ROOM_MIN;
}

/* Tries with ever more room, up to the buffer's limit. */
static int decode_member(struct libdeflate_decompressor *d, decompress *run, struct weir_view in,
                         struct weir_buf *out, size_t *ret_read, struct weir_error *reterr) {
    size_t limit = out->size_max - out->len, written;
    for (size_t room = first_room(in.len);; room *= 2) {
        if (room > limit) room = limit;
        char *to = weir_buf_reserve(out, room);
        if (!to && room)
            return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to decompress into");
        char nothing = 0;
        enum libdeflate_result rc =
            run(d, in.ptr, in.len, to ? to : &nothing, room, ret_read, &written);
        if (rc == LIBDEFLATE_SUCCESS) {
            out->len += written;
            return WEIR_OK;
        }
        if (rc != LIBDEFLATE_INSUFFICIENT_SPACE)
            return weir_error_set(reterr, WEIR_EINVALID, "compressed body is damaged or cut short");
        if (room == limit)
            return weir_error_set(reterr, WEIR_ETOOBIG, "body decompresses to more than %zu bytes",
                                  out->size_max);
    }
}

static int decode(decompress *run, struct weir_view in, struct weir_buf *out,
                  struct weir_error *reterr) {
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (!d) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to decompress");
    int rc;
    do {
        size_t read = 0;
        rc = decode_member(d, run, in, out, &read, reterr);
        in = weir_view_from(in, read);
    } while (rc == WEIR_OK && in.len && run == libdeflate_gzip_decompress_ex);
    libdeflate_free_decompressor(d);
    if (rc == WEIR_OK && in.len)
        rc = weir_error_set(reterr, WEIR_EINVALID, "%zu bytes behind the compressed body", in.len);
    return rc;
}

int weir_gzip_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    return decode(libdeflate_gzip_decompress_ex, in, out, reterr);
}

int weir_zlib_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    return decode(libdeflate_zlib_decompress_ex, in, out, reterr);
}

int weir_gzip_encode(struct weir_view in, int level, struct weir_buf *out,
                     struct weir_error *reterr) {
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
    if (!c) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to compress");
    size_t room = libdeflate_gzip_compress_bound(c, in.len), limit = out->size_max - out->len;
    if (room > limit) room = limit;
    char *to = weir_buf_reserve(out, room);
    size_t written = to ? libdeflate_gzip_compress(c, in.ptr, in.len, to, room) : 0;
    libdeflate_free_compressor(c);
    if (!written)
        return weir_error_set(reterr, WEIR_ETOOBIG, "compressed body is larger than %zu bytes",
                              out->size_max);
    out->len += written;
    return WEIR_OK;
}
