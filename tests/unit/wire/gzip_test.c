/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/gzip.h"

#include "codec_cases.h"

static int encode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    return weir_gzip_encode(in, 6, out, reterr);
}

static void round_trips(void **state) {
    (void)state;
    codec_round_trips(encode, weir_gzip_decode);
}

static void refuses_bombs(void **state) {
    (void)state;
    codec_refuses_bombs(encode, weir_gzip_decode);
}

static void survives_damage(void **state) {
    (void)state;
    codec_survives_damage(encode, weir_gzip_decode);
}

static void reads_several_members(void **state) {
    (void)state;
    struct weir_buf packed, back;
    weir_buf_init(&packed, 1000);
    weir_buf_init(&back, 6);
    assert_int_equal(weir_gzip_encode(WEIR_VIEW("one"), 1, &packed, NULL), 0);
    assert_int_equal(weir_gzip_encode(WEIR_VIEW("two"), 12, &packed, NULL), 0);
    assert_int_equal(weir_gzip_decode(weir_buf_view(&packed), &back, NULL), 0);
    assert_view_is(weir_buf_view(&back), "onetwo");
    weir_buf_clear(&back);
    weir_buf_add_str(&packed, "junk");
    assert_int_equal(weir_gzip_decode(weir_buf_view(&packed), &back, NULL), WEIR_EINVALID);
    weir_buf_done(&packed);
    weir_buf_done(&back);
}

/* python3: zlib.compress(b"weir" * 3) */
static void reads_zlib(void **state) {
    (void)state;
    struct weir_buf back;
    weir_buf_init(&back, 100);
    struct weir_view packed = WEIR_VIEW("\x78\x9c\x2b\x4f\xcd\x2c\x2a\x87\x62\x00\x21\x8d\x05\x26");
    struct weir_error err = {0};
    if (weir_zlib_decode(packed, &back, &err) < 0) fail_msg("%s", err.message);
    assert_view_is(weir_buf_view(&back), "weirweirweir");
    assert_int_equal(weir_zlib_decode(WEIR_VIEW("not zlib"), &back, NULL), WEIR_EINVALID);
    weir_buf_done(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),     cmocka_unit_test(refuses_bombs),
        cmocka_unit_test(survives_damage), cmocka_unit_test(reads_several_members),
        cmocka_unit_test(reads_zlib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
