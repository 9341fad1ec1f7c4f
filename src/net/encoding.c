/* SPDX-License-Identifier: Apache-2.0 */
#include "net/encoding.h"

#include <libdeflate.h>
#include <zstd.h>

#define GUESS_RATIO         6    /* of telemetry under gzip */
#define GUESS_SIZE_MIN      4096 /* first output room */
#define ZSTD_WINDOW_LOG_MAX 27   /* 128 MiB: the largest that the zstd tool writes by default */

bool weir_encoding_is_identity(struct weir_view coding) {
    return coding.len == 0 || weir_view_eq_nocase(coding, WEIR_VIEW("identity"));
}

static bool is_gzip(struct weir_view coding) {
    return weir_view_eq_nocase(coding, WEIR_VIEW("gzip")) ||
           weir_view_eq_nocase(coding, WEIR_VIEW("x-gzip"));
}

bool weir_encoding_known(struct weir_view coding) {
    return weir_encoding_is_identity(coding) || is_gzip(coding) ||
           weir_view_eq_nocase(coding, WEIR_VIEW("deflate")) ||
           weir_view_eq_nocase(coding, WEIR_VIEW("zstd"));
}

static int too_big(const struct weir_buf *out, struct weir_error *reterr) {
    return weir_error_set(
        reterr, WEIR_ETOOBIG,
        "the body is larger than %zu bytes when decompressed: send smaller batches", out->size_max);
}

/* More room in `out`: at least `wanted`, all that the limit leaves at most. 0: none is left. */
static size_t make_room(struct weir_buf *out, size_t wanted) {
    size_t left = out->size_max - out->len;
    size_t size = wanted < left ? wanted : left;
    return size && weir_buf_reserve(out, size) ? size : 0;
}

/* What a failed make_room means. */
static int room_error(const struct weir_buf *out, struct weir_error *reterr) {
    if (out->len >= out->size_max) return too_big(out, reterr);
    return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the decompressed body");
}

typedef enum libdeflate_result inflate_function(struct libdeflate_decompressor *, const void *,
                                                size_t, void *, size_t, size_t *, size_t *);

/* One member or stream at *in: libdeflate wants all of the output at once, so the room doubles
 * until it fits or the cap is reached. */
static int inflate_one(struct libdeflate_decompressor *codec, inflate_function *inflate,
                       struct weir_view *in, struct weir_buf *out, struct weir_error *reterr) {
    size_t wanted = in->len > out->size_max / GUESS_RATIO ? out->size_max : in->len * GUESS_RATIO;
    if (wanted < GUESS_SIZE_MIN) wanted = GUESS_SIZE_MIN;
    for (;;) {
        size_t room = make_room(out, wanted), used = 0, made = 0;
        if (room == 0 && out->len < out->size_max) return room_error(out, reterr);
        char none = 0;
        void *to = room ? out->ptr + out->len : &none;
        switch (inflate(codec, in->ptr, in->len, to, room, &used, &made)) {
        case LIBDEFLATE_SUCCESS:
            out->len += made;
            *in = weir_view_from(*in, used);
            return WEIR_OK;
        case LIBDEFLATE_INSUFFICIENT_SPACE:
            if (room < wanted || out->len + room >= out->size_max) return too_big(out, reterr);
            wanted = room * 2;
            break;
        case LIBDEFLATE_BAD_DATA:
        case LIBDEFLATE_SHORT_OUTPUT:
        default:
            return weir_error_set(reterr, WEIR_EINVALID,
                                  "the compressed body is damaged or cut off");
        }
    }
}

static int decode_gzip(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    struct libdeflate_decompressor *codec = libdeflate_alloc_decompressor();
    if (!codec) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to decompress");
    int rc;
    do rc = inflate_one(codec, libdeflate_gzip_decompress_ex, &in, out, reterr);
    while (rc == WEIR_OK && in.len);
    libdeflate_free_decompressor(codec);
    return rc;
}

/* "deflate" means zlib; some clients send bare deflate, and the first two bytes tell. */
static int decode_deflate(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    struct libdeflate_decompressor *codec = libdeflate_alloc_decompressor();
    if (!codec) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to decompress");
    bool is_zlib = in.len >= 2 && (in.ptr[0] & 15) == 8 &&
                   (((unsigned)(uint8_t)in.ptr[0] << 8) | (uint8_t)in.ptr[1]) % 31 == 0;
    int rc = inflate_one(codec,
                         is_zlib ? libdeflate_zlib_decompress_ex : libdeflate_deflate_decompress_ex,
                         &in, out, reterr);
    if (rc == WEIR_OK && in.len)
        rc = weir_error_set(reterr, WEIR_EINVALID, "bytes follow the end of the compressed body");
    libdeflate_free_decompressor(codec);
    return rc;
}

static int decode_zstd(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream) return weir_error_set(reterr, WEIR_ENOMEMORY, "no memory to decompress");
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    ZSTD_inBuffer from = {in.ptr, in.len, 0};
    size_t left = 1;
    int rc = WEIR_OK;
    while (rc == WEIR_OK && (from.pos < from.size || left)) {
        size_t room = make_room(out, ZSTD_DStreamOutSize());
        char probe; /* at the cap: one byte more is one too many */
        ZSTD_outBuffer to = {room ? out->ptr + out->len : &probe, room ? room : 1, 0};
        if (room == 0 && out->len < out->size_max) {
            rc = room_error(out, reterr);
            break;
        }
        size_t before = from.pos;
        left = ZSTD_decompressStream(stream, &to, &from);
        if (ZSTD_isError(left))
            rc = weir_error_set(reterr, WEIR_EINVALID, "the zstd body is damaged: %s",
                                ZSTD_getErrorName(left));
        else if (room == 0 && to.pos)
            rc = too_big(out, reterr);
        else if (to.pos == 0 && from.pos == before)
            rc = weir_error_set(reterr, WEIR_EINVALID, "the zstd body is cut off");
        if (rc == WEIR_OK) out->len += to.pos;
    }
    ZSTD_freeDStream(stream);
    return rc;
}

int weir_encoding_decode(struct weir_view coding, struct weir_view in, struct weir_buf *out,
                         struct weir_error *reterr) {
    if (weir_encoding_is_identity(coding)) {
        if (in.len > out->size_max - out->len) return too_big(out, reterr);
        weir_buf_add_view(out, in);
        return out->failed ? weir_error_set(reterr, WEIR_ENOMEMORY, "no memory for the body")
                           : WEIR_OK;
    }
    if (is_gzip(coding)) return decode_gzip(in, out, reterr);
    if (weir_view_eq_nocase(coding, WEIR_VIEW("deflate"))) return decode_deflate(in, out, reterr);
    if (weir_view_eq_nocase(coding, WEIR_VIEW("zstd"))) return decode_zstd(in, out, reterr);
    return weir_error_set(
        reterr, WEIR_EUNSUPPORTED,
        "content coding \"%.*s\" is not supported: use one of " WEIR_ENCODING_ACCEPTED,
        WEIR_VIEW_ARG(weir_view_upto(coding, 40)));
}
