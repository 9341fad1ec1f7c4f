/* SPDX-License-Identifier: Apache-2.0 */
#include "net/encoding.h"

#include <zlib.h>
#include <zstd.h>

#include "unit.h"

/* Compresses with zlib: 31 = gzip, 15 = zlib, -15 = bare deflate. */
static void deflate_with(int window_bits, struct weir_view in, struct weir_buf *out) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in.ptr;
    z.avail_in = (uInt)in.len;
    z.next_out = (Bytef *)weir_buf_reserve(out, in.len + 1024);
    z.avail_out = (uInt)in.len + 1024;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd(&z);
}

static void zstd_with(struct weir_view in, struct weir_buf *out) {
    char *to = weir_buf_reserve(out, ZSTD_compressBound(in.len));
    size_t size = ZSTD_compress(to, ZSTD_compressBound(in.len), in.ptr, in.len, 3);
    assert_false(ZSTD_isError(size));
    out->len += size;
}

static void compress_as(const char *coding, struct weir_view in, struct weir_buf *out) {
    weir_buf_clear(out);
    if (strcmp(coding, "gzip") == 0)
        deflate_with(31, in, out);
    else if (strcmp(coding, "deflate") == 0)
        deflate_with(15, in, out);
    else if (strcmp(coding, "zstd") == 0)
        zstd_with(in, out);
    else
        weir_buf_add_view(out, in);
}

static const char *const codings[] = {"gzip", "deflate", "zstd", "identity"};

static int decode(const char *coding, struct weir_view in, size_t size_max, struct weir_buf *out) {
    struct weir_error err;
    weir_buf_init(out, size_max);
    return weir_encoding_decode(weir_view_str(coding), in, out, &err);
}

static void test_round_trips(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 4096, 70000, 1 << 20};
    struct weir_buf text, small, out;
    weir_buf_init(&text, 2 << 20);
    weir_buf_init(&small, 4 << 20);
    for (size_t i = 0; text.len < 1 << 20; i++)
        weir_buf_printf(&text, "{\"span\":%zu}", i * 2654435761u % 1000);
    for (size_t c = 0; c < 4; c++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct weir_view in = weir_view(text.ptr, sizes[s]);
            compress_as(codings[c], in, &small);
            /* exactly enough room, one byte less, and the input cut off */
            assert_int_equal(decode(codings[c], weir_buf_view(&small), sizes[s], &out), WEIR_OK);
            assert_true(weir_view_eq(weir_buf_view(&out), in));
            weir_buf_done(&out);
            if (sizes[s] == 0) continue;
            assert_int_equal(decode(codings[c], weir_buf_view(&small), sizes[s] - 1, &out),
                             WEIR_ETOOBIG);
            weir_buf_done(&out);
            if (c == 3) continue;
            assert_int_equal(decode(codings[c],
                                    weir_view_upto(weir_buf_view(&small), small.len - 1), 2 << 20,
                                    &out),
                             WEIR_EINVALID);
            weir_buf_done(&out);
        }
    }
    weir_buf_done(&text);
    weir_buf_done(&small);
}

static void test_bombs(void **state) {
    (void)state;
    struct weir_buf zeros, small, out;
    weir_buf_init(&zeros, 64 << 20);
    weir_buf_init(&small, 80 << 20);
    memset(weir_buf_reserve(&zeros, 32 << 20), 0, 32 << 20);
    zeros.len = 32 << 20;
    for (size_t c = 0; c < 3; c++) {
        compress_as(codings[c], weir_buf_view(&zeros), &small);
        assert_true(small.len < 64 * 1024);
        assert_int_equal(decode(codings[c], weir_buf_view(&small), 1 << 20, &out), WEIR_ETOOBIG);
        assert_true(out.room <= 1 << 20); /* nothing was allocated past the cap */
        weir_buf_done(&out);
    }
    weir_buf_done(&zeros);
    weir_buf_done(&small);
}

static void test_variants(void **state) {
    (void)state;
    struct weir_buf two, out;
    weir_buf_init(&two, 1 << 20);
    deflate_with(31, WEIR_VIEW("first "), &two);
    deflate_with(31, WEIR_VIEW("second"), &two); /* two gzip members are one body */
    assert_int_equal(decode("X-Gzip", weir_buf_view(&two), 100, &out), WEIR_OK);
    assert_view_is(weir_buf_view(&out), "first second");
    weir_buf_done(&out);
    weir_buf_clear(&two);
    deflate_with(-15, WEIR_VIEW("bare"), &two);
    assert_int_equal(decode("deflate", weir_buf_view(&two), 100, &out), WEIR_OK);
    assert_view_is(weir_buf_view(&out), "bare");
    weir_buf_done(&out);
    weir_buf_add_str(&two, "tail");
    assert_int_equal(decode("deflate", weir_buf_view(&two), 100, &out), WEIR_EINVALID);
    weir_buf_done(&out);
    assert_int_equal(decode("br", WEIR_VIEW("x"), 100, &out), WEIR_EUNSUPPORTED);
    assert_int_equal(decode("gzip", WEIR_VIEW(""), 100, &out), WEIR_EINVALID);
    weir_buf_done(&out);
    assert_int_equal(decode("zstd", WEIR_VIEW(""), 100, &out), WEIR_EINVALID);
    weir_buf_done(&out);
    assert_int_equal(decode("gzip", WEIR_VIEW("plain text that is no gzip"), 100, &out),
                     WEIR_EINVALID);
    weir_buf_done(&out);
    weir_buf_done(&two);
}

static void test_gzip_is_read_by_zlib(void **state) {
    (void)state;
    struct weir_buf out;
    char text[64] = {0};
    weir_buf_init(&out, 4096);
    assert_int_equal(weir_encoding_gzip(WEIR_VIEW("hello hello hello"), 1, &out), WEIR_OK);
    z_stream z = {.next_in = (Bytef *)out.ptr,
                  .avail_in = (uInt)out.len,
                  .next_out = (Bytef *)text,
                  .avail_out = sizeof text};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    assert_string_equal(text, "hello hello hello");
    weir_buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_gzip_is_read_by_zlib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
