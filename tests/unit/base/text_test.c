/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "unit.h"

static void hex(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *at = c ? strchr(digits, c) : NULL;
        int value = at ? (int)(at - digits) : -1;
        assert_int_equal(weir_text_hex_digit((char)c), value > 15 ? value - 6 : value);
    }
    char out[9] = "xxxxxxxx";
    assert_ptr_equal(weir_text_hex_put(out, "\x00\x9f\xff", 3), out + 6);
    assert_string_equal(out, "009fffxx");
    assert_ptr_equal(weir_text_hex_put(out, NULL, 0), out);
}

static void utf8(void **state) {
    (void)state;
    static const struct {
        uint32_t rune;
        const char *bytes;
    } cases[] = {
        {'a', "a"},
        {0x7F, "\x7f"},
        {0x80, "\xc2\x80"},
        {0x7FF, "\xdf\xbf"},
        {0x800, "\xe0\xa0\x80"},
        {0x20AC, "\xe2\x82\xac"},
        {0xFFFF, "\xef\xbf\xbf"},
        {0x10000, "\xf0\x90\x80\x80"},
        {0x10FFFF, "\xf4\x8f\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[4];
        size_t len = weir_text_utf8_put(out, cases[i].rune);
        assert_view_is(weir_view(out, len), cases[i].bytes);
    }
}

static void base64(void **state) {
    (void)state;
    static const char *const pairs[][3] = {
        {"", "", ""},
        {"f", "Zg", "Zg=="},
        {"fo", "Zm8", "Zm8="},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg", "Zm9vYg=="},
        {"fooba", "Zm9vYmE", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"}, /* RFC 4648, section 10 */
    };
    struct weir_arena arena;
    struct weir_buf out;
    struct weir_view back;
    weir_arena_init(&arena, 0);
    weir_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        weir_buf_clear(&out);
        weir_text_base64_add(&out, weir_view_str(pairs[i][0]));
        assert_view_is(weir_buf_view(&out), pairs[i][1]);
        assert_true(weir_text_base64_decode(&arena, weir_buf_view(&out), &back));
        assert_view_is(back, pairs[i][0]);
        weir_buf_clear(&out);
        weir_text_base64_add_padded(&out, weir_view_str(pairs[i][0]));
        assert_view_is(weir_buf_view(&out), pairs[i][2]);
        assert_true(weir_text_base64_decode(&arena, weir_buf_view(&out), &back));
        assert_view_is(back, pairs[i][0]);
    }
    assert_true(weir_text_base64_decode(&arena, WEIR_VIEW("+/8="), &back));
    assert_true(weir_view_eq(back, WEIR_VIEW("\xfb\xff")));
    assert_true(weir_text_base64_decode(&arena, WEIR_VIEW("-_8"), &back));
    assert_true(weir_view_eq(back, WEIR_VIEW("\xfb\xff")));
    assert_false(weir_text_base64_decode(&arena, WEIR_VIEW("Zm9v!"), &back));
    assert_false(weir_text_base64_decode(&arena, WEIR_VIEW("Z"), &back));
    assert_false(weir_text_base64_decode(&arena, weir_view("Zm\0v", 4), &back));
    weir_arena_done(&arena);
    weir_buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex),
        cmocka_unit_test(utf8),
        cmocka_unit_test(base64),
    };
    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
