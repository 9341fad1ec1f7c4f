/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/value.h"

#include "unit.h"

static struct weir_arena arena;
static struct weir_buf buf;

static int setup(void **state) {
    (void)state;
    weir_arena_init(&arena, 0);
    weir_buf_init(&buf, 10000);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weir_arena_done(&arena);
    weir_buf_done(&buf);
    return 0;
}

/* ["a", {"k": -1}] as protobuf: the ArrayValue's content. */
#define ARRAY                                                                                      \
    "\x0a\x03\x0a\x01"                                                                             \
    "a"                                                                                            \
    "\x0a\x14\x32\x12\x0a\x10\x0a\x01k\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"

static struct weir_value array(void) {
    return (struct weir_value){.type = WEIR_VALUE_ARRAY, .str = WEIR_VIEW(ARRAY)};
}

static void walks_into_arrays_and_maps(void **state) {
    (void)state;
    struct weir_value_cursor cursor = weir_value_cursor(array()), inner;
    struct weir_value value;
    struct weir_attr attr;
    assert_true(weir_value_is_valid(array()));
    assert_true(weir_value_next(&cursor, &value));
    assert_view_is(value.str, "a");
    assert_true(weir_value_next(&cursor, &value));
    assert_int_equal(value.type, WEIR_VALUE_MAP);
    inner = weir_value_cursor(value);
    assert_true(weir_value_next_attr(&inner, &attr));
    assert_view_is(attr.key, "k");
    assert_int_equal(attr.value.i64, -1);
    assert_false(weir_value_next_attr(&inner, &attr));
    assert_false(weir_value_next(&cursor, &value));
    cursor = weir_value_cursor(weir_value_i64(1));
    assert_false(weir_value_next(&cursor, &value));
}

static void assert_text(struct weir_value value, const char *expected) {
    weir_buf_clear(&buf);
    weir_value_add_text(&buf, value);
    assert_view_is(weir_buf_view(&buf), expected);
    assert_view_is(weir_value_text(&arena, value), expected);
}

static void shows_values_as_text(void **state) {
    (void)state;
    assert_text(weir_value_str(WEIR_VIEW("as \"it\" is")), "as \"it\" is");
    assert_text(weir_value_i64(-5), "-5");
    assert_text(weir_value_i64(0), "0");
    assert_text(weir_value_i64(INT64_MAX), "9223372036854775807");
    assert_text(weir_value_i64(INT64_MIN), "-9223372036854775808");
    assert_text(weir_value_f64(0.5), "0.5");
    assert_text(weir_value_f64(1.0 / 0.0), "+Inf");
    assert_text(weir_value_bool(true), "true");
    assert_text(array(), "[\"a\",{\"k\":-1}]");
    assert_text((struct weir_value){.type = WEIR_VALUE_BYTES, .str = WEIR_VIEW("\x01")},
                "\"AQ==\"");
    assert_text((struct weir_value){.type = WEIR_VALUE_NONE}, "");
}

static void encodes_what_it_decodes(void **state) {
    (void)state;
    const struct weir_value values[] = {
        weir_value_str(WEIR_VIEW("")),
        weir_value_bool(false),
        weir_value_i64(INT64_MIN),
        weir_value_f64(-0.0),
        array(),
        {.type = WEIR_VALUE_NONE},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct weir_value back;
        weir_buf_clear(&buf);
        weir_value_encode(&buf, values[i]);
        assert_true(weir_value_decode(weir_buf_view(&buf), &back));
        assert_int_equal(back.type, values[i].type);
        if (back.type == WEIR_VALUE_INT) assert_true(back.i64 == values[i].i64);
        if (back.type == WEIR_VALUE_ARRAY) assert_true(weir_view_eq(back.str, values[i].str));
    }
}

static void finds_what_is_malformed(void **state) {
    (void)state;
    struct weir_value value;
    struct weir_attr attr;
    assert_false(weir_value_decode(WEIR_VIEW("\x0a\x05x"), &value));
    assert_false(weir_value_decode_attr(WEIR_VIEW("\x12\x02\x0a\x05"), &attr));
    assert_false(weir_value_is_valid(
        (struct weir_value){.type = WEIR_VALUE_MAP, .str = WEIR_VIEW("\x0a\x03\x0a\x01\xff")}));
    assert_false(weir_value_is_valid(
        (struct weir_value){.type = WEIR_VALUE_ARRAY, .str = WEIR_VIEW("\x0a\x09")}));
    assert_false(weir_value_is_valid(weir_value_str(WEIR_VIEW("\xff"))));
    assert_true(weir_value_decode(WEIR_VIEW("\x0a\x01"
                                            "a\x18\x05"),
                                  &value)); /* the last one counts */
    assert_int_equal(value.type, WEIR_VALUE_INT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(walks_into_arrays_and_maps),
        TEST(shows_values_as_text),
        TEST(encodes_what_it_decodes),
        TEST(finds_what_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
