/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "comma_locale.h"
#include "wire/json.h"

/* ---- reader ---------------------------------------------------------------------------------- */

/* The tokens as one line: "{ k:name n:1 }". */
static const char *tokens_of(struct weir_view text) {
    static const char *const names[] = {
        [WEIR_JSON_OBJECT] = "{",    [WEIR_JSON_OBJECT_END] = "}", [WEIR_JSON_ARRAY] = "[",
        [WEIR_JSON_ARRAY_END] = "]", [WEIR_JSON_KEY] = "k:",       [WEIR_JSON_STRING] = "s:",
        [WEIR_JSON_NUMBER] = "n:",   [WEIR_JSON_TRUE] = "true",    [WEIR_JSON_FALSE] = "false",
        [WEIR_JSON_NULL] = "null",
    };
    static char line[2000];
    struct weir_json json;
    enum weir_json_token token;
    size_t len = 0;
    weir_json_init(&json, text);
    line[0] = 0;
    while ((token = weir_json_next(&json)) != WEIR_JSON_END) {
        if (token == WEIR_JSON_ERROR) {
            snprintf(line, sizeof line, "%s", json.error.message);
            return line;
        }
        bool has_text =
            token == WEIR_JSON_KEY || token == WEIR_JSON_STRING || token == WEIR_JSON_NUMBER;
        len += (size_t)snprintf(line + len, sizeof line - len, "%s%s%.*s", len ? " " : "",
                                names[token], has_text ? (int)json.text.len : 0,
                                has_text ? json.text.ptr : "");
    }
    return line;
}

static void reads_tokens(void **state) {
    (void)state;
    assert_string_equal(tokens_of(WEIR_VIEW("{\"a\":1,\"b\":[true,false,null],\"c\":{}}")),
                        "{ k:a n:1 k:b [ true false null ] k:c { } }");
    assert_string_equal(tokens_of(WEIR_VIEW(" [ ] ")), "[ ]");
    assert_string_equal(tokens_of(WEIR_VIEW("\"x\"")), "s:x");
    assert_string_equal(tokens_of(WEIR_VIEW("-12.50e+3")), "n:-12.50e+3");
    assert_string_equal(tokens_of(WEIR_VIEW("\n\t[[1],[2,[]]]\r\n")), "[ [ n:1 ] [ n:2 [ ] ] ]");
    assert_string_equal(tokens_of(WEIR_VIEW("\"a long string with \\\"escapes\\\" inside it\"")),
                        "s:a long string with \\\"escapes\\\" inside it");
}

static void refuses_what_is_no_json(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "ends too early at line 1, column 1"},
        {"[1,]", "a value must stand here at line 1, column 4"},
        {"{\"a\" 1}", "a colon must stand here at line 1, column 6"},
        {"{\"a\":1,}", "a key in quotes must stand here"},
        {"{a:1}", "a key in quotes must stand here"},
        {"[1 2]", "a comma or ] must stand here"},
        {"{\"a\":1]", "a comma or } must stand here"},
        {"[1\n,\n  tru]", "a value must stand here at line 3, column 3"},
        {"01", "must not start with 0"},
        {"-", "ends too early"},
        {"-x", "a digit is missing"},
        {"1.", "ends too early"},
        {"1.e3", "a digit is missing"},
        {"1e+", "ends too early"},
        {"+1", "a value must stand here"},
        {"NaN", "a value must stand here"},
        {"1 2", "text behind the value"},
        {"[] x", "text behind the value"},
        {"\"abc", "ends too early"},
        {"\"a\\", "ends too early"},
        {"\"a\\x\"", "unknown escape"},
        {"\"\\u12g4\"", "four hex digits"},
        {"\"\\u12\"", "four hex digits"},
        {"\"a\nb\"", "control character"},
        {"\"twelve bytes\x01\"", "control character"},
        {"\"\xff\"", "not UTF-8"},
        {"\"eight by\xed\xa0\x80\"", "not UTF-8"},
        {"[\"\xc3\"]", "not UTF-8"},
        {"]", "a value must stand here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = tokens_of(weir_view_str(cases[i].text));
        if (!strstr(got, cases[i].part)) fail_msg("%s: got \"%s\"", cases[i].text, got);
    }
}

static void limits_depth(void **state) {
    (void)state;
    char text[300];
    memset(text, '[', WEIR_JSON_DEPTH_MAX + 1);
    memset(text + WEIR_JSON_DEPTH_MAX, ']', WEIR_JSON_DEPTH_MAX);
    assert_non_null(strstr(tokens_of(weir_view(text, 2 * WEIR_JSON_DEPTH_MAX)), "[ ]"));
    memset(text, '[', WEIR_JSON_DEPTH_MAX + 1);
    assert_non_null(strstr(tokens_of(weir_view(text, WEIR_JSON_DEPTH_MAX + 1)), "deeper than 128"));
}

static struct weir_view decoded(struct weir_arena *arena, const char *text) {
    struct weir_json json;
    weir_json_init(&json, weir_view_str(text));
    assert_int_equal(weir_json_next(&json), WEIR_JSON_STRING);
    return weir_json_str(&json, arena);
}

static void resolves_escapes(void **state) {
    (void)state;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    assert_view_is(decoded(&arena, "\"plain\""), "plain");
    assert_view_is(decoded(&arena, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t");
    assert_view_is(decoded(&arena, "\"\\u0041\\u00e4\\u20ac\""), "A\xc3\xa4\xe2\x82\xac");
    assert_view_is(decoded(&arena, "\"\\uD83D\\uDE00!\""), "\xf0\x9f\x98\x80!");
    assert_view_is(decoded(&arena, "\"\\uD83D\""), "\xef\xbf\xbd");
    assert_view_is(decoded(&arena, "\"\\uD83D\\u0041\""), "\xef\xbf\xbd"
                                                          "A");
    assert_view_is(decoded(&arena, "\"\\uDE00x\\\\u0041\""), "\xef\xbf\xbdx\\u0041");
    struct weir_view nul = decoded(&arena, "\"a\\u0000b\"");
    assert_int_equal(nul.len, 3);
    assert_memory_equal(nul.ptr, "a\0b", 3);
    weir_arena_done(&arena);
}

static void skips_and_cuts_out_values(void **state) {
    (void)state;
    struct weir_json json;
    weir_json_init(
        &json, WEIR_VIEW("{\"a\": {\"x\":[1,{\"y\":2}]} ,\"b\":[3,\"four\",true,null,false, 5]}"));
    assert_int_equal(weir_json_next(&json), WEIR_JSON_OBJECT);
    assert_int_equal(weir_json_next(&json), WEIR_JSON_KEY);
    assert_true(weir_json_skip(&json));
    assert_int_equal(weir_json_next(&json), WEIR_JSON_KEY);
    assert_view_is(json.text, "b");
    assert_int_equal(weir_json_next(&json), WEIR_JSON_ARRAY);
    static const char *const raws[] = {"3", "\"four\"", "true", "null", "false", "5"};
    for (size_t i = 0; i < 6; i++)
        assert_view_is(weir_json_raw(&json, weir_json_next(&json)), raws[i]);
    assert_int_equal(weir_json_next(&json), WEIR_JSON_ARRAY_END);
    assert_true(weir_json_skip(&json)); /* behind a value: nothing to skip */
    assert_int_equal(weir_json_next(&json), WEIR_JSON_OBJECT_END);
    assert_int_equal(weir_json_next(&json), WEIR_JSON_END);

    weir_json_init(&json, WEIR_VIEW(" {\"k\":[1, 2]} "));
    assert_view_is(weir_json_raw(&json, weir_json_next(&json)), "{\"k\":[1, 2]}");
    assert_int_equal(weir_json_next(&json), WEIR_JSON_END);
    weir_json_init(&json, WEIR_VIEW("{\"k\":[1, x]}"));
    assert_null(weir_json_raw(&json, weir_json_next(&json)).ptr);
    assert_int_equal(weir_json_next(&json), WEIR_JSON_ERROR);
}

/* ---- writer ---------------------------------------------------------------------------------- */

static void writes_values(void **state) {
    (void)state;
    struct weir_buf buf;
    weir_buf_init(&buf, 1000);
    struct weir_json_writer w = weir_json_writer(&buf);
    weir_json_begin_object(&w);
    weir_json_key(&w, "a");
    weir_json_begin_array(&w);
    weir_json_add_i64(&w, -1);
    weir_json_add_u64(&w, UINT64_MAX);
    weir_json_add_i64_str(&w, INT64_MIN);
    weir_json_add_u64_str(&w, 7);
    weir_json_add_bool(&w, true);
    weir_json_add_bool(&w, false);
    weir_json_add_null(&w);
    weir_json_end_array(&w);
    weir_json_key_view(&w, WEIR_VIEW("k\"y"));
    weir_json_begin_object(&w);
    weir_json_end_object(&w);
    weir_json_key(&w, "f");
    weir_json_begin_array(&w);
    weir_json_add_f64(&w, 0.1);
    weir_json_add_f64(&w, NAN);
    weir_json_add_f64(&w, -INFINITY);
    weir_json_add_raw(&w, WEIR_VIEW("{\"raw\":1}"));
    weir_json_add_hex(&w, "\x01\xab", 2);
    weir_json_end_array(&w);
    weir_json_end_object(&w);
    assert_view_is(
        weir_buf_view(&buf),
        "{\"a\":[-1,18446744073709551615,\"-9223372036854775808\",\"7\",true,false,null],"
        "\"k\\\"y\":{},\"f\":[0.1,\"NaN\",\"-Infinity\",{\"raw\":1},\"01ab\"]}");
    weir_buf_done(&buf);
}

static void assert_quoted(struct weir_view str, const char *expected) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1000);
    struct weir_json_writer w = weir_json_writer(&buf);
    weir_json_add_str(&w, str);
    assert_view_is(weir_buf_view(&buf), expected);
    weir_buf_done(&buf);
}

static void escapes_strings(void **state) {
    (void)state;
    assert_quoted(WEIR_VIEW(""), "\"\"");
    assert_quoted(WEIR_VIEW("plain text of some length"), "\"plain text of some length\"");
    assert_quoted(WEIR_VIEW("a\"b\\c\n\r\t\x01\x1f\x7f"),
                  "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\x7f\"");
    assert_quoted(WEIR_VIEW("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
                  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    assert_quoted(WEIR_VIEW("x\xffy\xc3"), "\"x\xef\xbf\xbdy\xef\xbf\xbd\"");
    assert_quoted(WEIR_VIEW("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void writes_base64(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        /* RFC 4648, section 10 */
        {"", "\"\""},        {"f", "\"Zg==\""},        {"fo", "\"Zm8=\""},
        {"foo", "\"Zm9v\""}, {"foob", "\"Zm9vYg==\""}, {"foobar", "\"Zm9vYmFy\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_buf buf;
        weir_buf_init(&buf, 1000);
        struct weir_json_writer w = weir_json_writer(&buf);
        weir_json_add_base64(&w, weir_view_str(cases[i][0]));
        assert_view_is(weir_buf_view(&buf), cases[i][1]);
        weir_buf_done(&buf);
    }
}

/* ---- numbers --------------------------------------------------------------------------------- */

static const char *formatted(double value) {
    static char text[64];
    struct weir_buf buf;
    weir_buf_init(&buf, sizeof text);
    weir_json_format_f64(&buf, value);
    memcpy(text, buf.ptr, buf.len);
    text[buf.len] = 0;
    weir_buf_done(&buf);
    return text;
}

static void formats_doubles_as_prometheus_does(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100, "100"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"},
        {1.5e300, "1.5e+300"},
        {0.000001, "0.000001"},
        {0.0000012345, "0.0000012345"},
        {9.9e-7, "9.9e-07"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992"},
        {123456789.123, "123456789.123"},
        {1.0 / 3, "0.3333333333333333"},
        {1e15, "1000000000000000"},
        {1700000000.123, "1700000000.123"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {NAN, "NaN"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(formatted(cases[i].value), cases[i].text);
}

static size_t digits_count(const char *text) {
    size_t count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9') continue;
        if (*text == '0')
            zeros += count > 0;
        else
            count += zeros + 1, zeros = 0;
    }
    return count;
}

/* Reads back, and no shorter %.Ng would: against the C library on random bits
 * and random decimals. */
static void formats_the_shortest_that_reads_back(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    struct weir_rand rand;
    printf("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = weir_rand_next(&rand);
        double value, whole = (double)weir_rand_below(&rand, 1000000000);
        memcpy(&value, &bits, sizeof value);
        if (i % 2) value = whole / pow(10, (double)weir_rand_below(&rand, 12));
        if (!isfinite(value)) continue;
        const char *text = formatted(value);
        if (strtod(text, NULL) != value) fail_msg("%.17g became %s", value, text);
        char shorter[40];
        int needed = 1;
        for (; needed < 17; needed++) {
            snprintf(shorter, sizeof shorter, "%.*e", needed - 1, value);
            if (strtod(shorter, NULL) == value) break;
        }
        if (digits_count(text) > (size_t)needed)
            fail_msg("%s is not the shortest of %.17g", text, value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tokens),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(resolves_escapes),
        cmocka_unit_test(skips_and_cuts_out_values),
        cmocka_unit_test(writes_values),
        cmocka_unit_test(escapes_strings),
        cmocka_unit_test(writes_base64),
        cmocka_unit_test(formats_doubles_as_prometheus_does),
        cmocka_unit_test(formats_the_shortest_that_reads_back),
        cmocka_unit_test_setup_teardown(formats_doubles_as_prometheus_does, comma_locale_enter,
                                        comma_locale_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
