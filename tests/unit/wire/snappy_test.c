/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/snappy.h"

#include "codec_cases.h"

static int encode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr) {
    return weir_snappy_encode(in, out, reterr);
}

static void round_trips(void **state) {
    (void)state;
    codec_round_trips(encode, weir_snappy_decode);
}

static void refuses_bombs(void **state) {
    (void)state;
    codec_refuses_bombs(encode, weir_snappy_decode);
}

static void survives_damage(void **state) {
    (void)state;
    codec_survives_damage(encode, weir_snappy_decode);
}

/* A length of 2 GiB in five bytes reserves nothing. */
static void believes_no_length(void **state) {
    (void)state;
    struct weir_buf back;
    weir_buf_init(&back, SIZE_MAX / 2);
    assert_int_equal(weir_snappy_decode(WEIR_VIEW("\xff\xff\xff\xff\x07"), &back, NULL),
                     WEIR_EINVALID);
    assert_int_equal(back.room, 0);
    weir_buf_done(&back);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(refuses_bombs),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(believes_no_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
