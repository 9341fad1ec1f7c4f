/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/zstd.h"

#include <zstd.h>

enum { WINDOW_LOG_MAX = 23 };

static int decode_stream(ZSTD_DStream *stream, struct weir_view in, struct weir_buf *out,
                         struct weir_error *reterr) {
    ZSTD_inBuffer from = {in.ptr, in.len, 0};
    size_t left = 1; /* 0 at the end of a frame */
    for (;;) {
        size_t limit = out->size_max - out->len, room = ZSTD_DStreamOutSize();
        if (room < in.len) room = in.len;
        if (room > limit) room = limit;
        char *to = weir_buf_reserve(out, room), nothing = 0;
        if (!to && room)
            return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to decompress into");
        ZSTD_outBuffer into = {to ? to : &nothing, room, 0};
        size_t before = from.pos;
        left = ZSTD_decompressStream(stream, &into, &from);
        if (ZSTD_isError(left))
            return weir_error_set(reterr, WEIR_EINVALID, "zstd body: %s", ZSTD_getErrorName(left));
        out->len += into.pos;
        if (from.pos == from.size && left == 0) return WEIR_OK;
        if (into.pos < room && from.pos == from.size)
            return weir_error_set(reterr, WEIR_EINVALID, "zstd body is cut short");
        if (room == limit && into.pos == 0 && from.pos == before)
            return weir_error_set(reterr, WEIR_ETOOBIG, "body decompresses to more than %zu bytes",
                                  out->size_max);
    }
}

int weir_zstd_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to decompress");
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    int rc = decode_stream(stream, in, out, reterr);
    ZSTD_freeDStream(stream);
    return rc;
}

int weir_zstd_encode(struct weir_view in, int level, struct weir_buf *out,
                     struct weir_error *reterr) {
    size_t room = ZSTD_compressBound(in.len), limit = out->size_max - out->len;
    if (room > limit) room = limit;
    char *to = weir_buf_reserve(out, room);
    size_t written = to ? ZSTD_compress(to, room, in.ptr, in.len, level) : 0;
    if (!to || ZSTD_isError(written))
        return weir_error_set(reterr, WEIR_ETOOBIG, "compressed body is larger than %zu bytes",
                              out->size_max);
    out->len += written;
    return WEIR_OK;
}
