/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/zstd.h"

#include "codec_cases.h"

static int encode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    return weir_zstd_encode(in, 1, out, reterr);
}

static void round_trips(void **state) {
    (void)state;
    codec_round_trips(encode, weir_zstd_decode);
}

static void refuses_bombs(void **state) {
    (void)state;
    codec_refuses_bombs(encode, weir_zstd_decode);
}

static void survives_damage(void **state) {
    (void)state;
    codec_survives_damage(encode, weir_zstd_decode);
}

static void reads_several_frames(void **state) {
    (void)state;
    struct weir_buf packed, back;
    weir_buf_init(&packed, 1000);
    weir_buf_init(&back, 100);
    assert_int_equal(weir_zstd_encode(WEIR_VIEW("one"), 1, &packed, NULL), 0);
    assert_int_equal(weir_zstd_encode(WEIR_VIEW("two"), 19, &packed, NULL), 0);
    assert_int_equal(weir_zstd_decode(weir_buf_view(&packed), &back, NULL), 0);
    assert_view_is(weir_buf_view(&back), "onetwo");
    weir_buf_done(&packed);
    weir_buf_done(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(refuses_bombs),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(reads_several_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
