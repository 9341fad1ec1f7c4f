/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/attr.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "otlp/value.h"
#include "unit.h"

static uint64_t seed;

/* Encodes one attribute and reads it back with the decoder of the otlp room. */
static struct weir_attr round_trip(const struct weir_attribute *attr, size_t value_max,
                                   struct weir_buf *buf) {
    struct weir_attr out = {.value = {.type = WEIR_VALUE_NONE}};
    weir_buf_clear(buf);
    assert_true(weir_attr_add(buf, WEIR_ATTR_TAG_SPAN, attr, value_max));
    assert_int_equal(buf->len, weir_attr_size(attr, value_max));
    struct weir_view rest = weir_buf_view(buf);
    assert_true(weir_attr_next(&rest, &out, NULL));
    assert_int_equal(rest.len, 0);
    assert_true(weir_value_is_valid(out.value));
    return out;
}

/* Strings of every length around the word sizes, random bytes among them: what is UTF-8 comes back
 * as it was, the rest as valid UTF-8 of the same length in which good sequences are kept. */
static void strings(void **state) {
    (void)state;
    struct weir_rand rand;
    struct weir_buf buf;
    weir_rand_init(&rand, seed);
    weir_buf_init(&buf, 1 << 20);
    for (int round = 0; round < 5000; round++) {
        char text[200];
        size_t len = weir_rand_below(&rand, sizeof text);
        bool wild = round % 3 == 0;
        for (size_t i = 0; i < len; i++) text[i] = (char)weir_rand_below(&rand, wild ? 256 : 128);
        struct weir_attribute attr = weir_attribute_strn("key", text, len);
        struct weir_attr out = round_trip(&attr, 0, &buf);
        assert_view_is(out.key, "key");
        assert_int_equal(out.value.type, WEIR_VALUE_STRING);
        assert_int_equal(out.value.str.len, len);
        assert_true(weir_view_is_utf8(out.value.str));
        if (weir_view_is_utf8(weir_view(text, len)) && len)
            assert_memory_equal(out.value.str.ptr, text, len);
        for (size_t i = 0; i < len; i++)
            if ((unsigned char)text[i] < 128) assert_int_equal(out.value.str.ptr[i], text[i]);
    }
    weir_buf_done(&buf);
}

static void mending(void **state) {
    (void)state;
    const char *const rows[][2] = {{"a\xff"
                                    "b",
                                    "a?b"},
                                   {"\xc3\xa9\xc3", "\xc3\xa9?"},
                                   {"\xc0\x80", "??"},
                                   {"\xed\xa0\x80", "???"},
                                   {"\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!"},
                                   {"\xf0\x9f\x98", "???"},
                                   {"\xf5\x80\x80\x80", "????"}};
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_attribute attr = weir_attribute_str("k", rows[i][0]);
        assert_view_is(round_trip(&attr, 0, &buf).value.str, rows[i][1]);
    }
    weir_buf_done(&buf);
}

static void cut_by_characters(void **state) {
    (void)state;
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 20);
    struct weir_attribute attr = weir_attribute_str("k", "\xc3\xa9\xe2\x82\xac"
                                                         "ab");
    const char *const expected[] = {"",
                                    "\xc3\xa9",
                                    "\xc3\xa9\xe2\x82\xac",
                                    "\xc3\xa9\xe2\x82\xac"
                                    "a",
                                    "\xc3\xa9\xe2\x82\xac"
                                    "ab",
                                    "\xc3\xa9\xe2\x82\xac"
                                    "ab"};
    for (size_t max = 1; max < 6; max++)
        assert_view_is(round_trip(&attr, max, &buf).value.str, expected[max]);
    weir_buf_done(&buf);
}

static void what_is_dropped(void **state) {
    (void)state;
    static char large[2 << 20];
    const struct weir_attribute bad[] = {
        weir_attribute_str("", "x"),       weir_attribute_str(NULL, "x"),
        weir_attribute_str("k", NULL),     weir_attribute_strn("k", large, sizeof large),
        weir_attribute_ints("k", NULL, 3), {.key = "k", .key_size = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_attr_size(&bad[i], 0), 0);
    struct weir_attribute empty = weir_attribute_str("k", "");
    assert_true(weir_attr_size(&empty, 0) > 0);
}

static void arrays(void **state) {
    (void)state;
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 20);
    const char *strs[] = {"a", NULL, "ccc"};
    int64_t ints[] = {0, -1, INT64_MIN};
    struct weir_attribute attr = weir_attribute_strs("k", strs, 3);
    struct weir_value value;
    struct weir_value_cursor cursor = weir_value_cursor(round_trip(&attr, 2, &buf).value);
    const char *const expected[] = {"a", "", "cc"}; /* the limit holds for elements too */
    for (int i = 0; i < 3; i++) {
        assert_true(weir_value_next(&cursor, &value));
        assert_view_is(value.str, expected[i]);
    }
    assert_false(weir_value_next(&cursor, &value));
    attr = weir_attribute_ints("k", ints, 3);
    cursor = weir_value_cursor(round_trip(&attr, 0, &buf).value);
    for (int i = 0; i < 3; i++) {
        assert_true(weir_value_next(&cursor, &value));
        assert_true(value.i64 == ints[i]);
    }
    attr = weir_attribute_ints("k", ints, 0);
    assert_int_equal(round_trip(&attr, 0, &buf).value.type, WEIR_VALUE_ARRAY);
    weir_buf_done(&buf);
}

static void bound_sets(void **state) {
    (void)state;
    struct weir_attribute attrs[] = {WEIR_STR("b", "1"), WEIR_INT("a", 2), WEIR_STR("", "no"),
                                     WEIR_STR("b", "3")};
    struct weir_attribute_set *set = weir_attributes_bind(attrs, 4);
    assert_int_equal(set->count, 2);
    struct weir_view rest = weir_view(set->bytes, set->size);
    struct weir_attr attr;
    assert_true(weir_attr_next(&rest, &attr, NULL));
    assert_view_is(attr.key, "a");
    assert_true(weir_attr_next(&rest, &attr, NULL));
    assert_view_is(attr.value.str, "3");
    assert_true(set->keys & weir_attr_key_bit("b", 1));
    weir_attributes_free(set);
    set = weir_attributes_bind(NULL, 7);
    assert_int_equal(set->count, 0);
    weir_attributes_free(set);
    weir_attributes_free(NULL);
}

int main(void) {
    const char *given = getenv("WEIR_SEED");
    seed = given ? strtoull(given, NULL, 10) : weir_rand_seed();
    printf("WEIR_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(strings),
                                       cmocka_unit_test(mending),
                                       cmocka_unit_test(cut_by_characters),
                                       cmocka_unit_test(what_is_dropped),
                                       cmocka_unit_test(arrays),
                                       cmocka_unit_test(bound_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
