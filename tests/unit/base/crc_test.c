/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc.h"

#include "base/rand.h"
#include "unit.h"

/* Vectors of RFC 3720, appendix B.4. */
static void known_vectors(void **state) {
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, 32);
    assert_int_equal(weir_crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(weir_crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    assert_int_equal(weir_crc32c(0, bytes, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(weir_crc32c(0, bytes, 32), 0x113fdb5c);
    assert_int_equal(weir_crc32c(0, "123456789", 9), 0xe3069283);
}

static void pieces_equal_the_whole(void **state) {
    (void)state;
    uint8_t bytes[1000];
    weir_rand_fill(bytes, sizeof bytes);
    uint32_t whole = weir_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 7)
        assert_int_equal(weir_crc32c(weir_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut),
                         whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_vectors),
                                       cmocka_unit_test(pieces_equal_the_whole)};
    return cmocka_run_group_tests_name("base/crc", tests, NULL, NULL);
}
