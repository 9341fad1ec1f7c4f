/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/json.h"

#include "comma_locale.h"
#include "golden.h"

static struct weir_buf buf;

static int setup(void **state) {
    (void)state;
    weir_buf_init(&buf, 1 << 20);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weir_buf_done(&buf);
    return 0;
}

/* What the official classes wrote as JSON gives the bytes that they wrote. */
static void reads_what_the_official_classes_write(void **state) {
    (void)state;
    for (enum weir_signal signal = WEIR_SIGNAL_TRACE; signal <= WEIR_SIGNAL_LOG; signal++) {
        char name[40];
        struct weir_error err = {0};
        snprintf(name, sizeof name, "%s.json", weir_signal_name(signal));
        struct weir_buf text = golden_file(name);
        snprintf(name, sizeof name, "%s.bin", weir_signal_name(signal));
        struct weir_buf bin = golden_file(name);
        weir_buf_clear(&buf);
        if (weir_otlp_json_to_pb(weir_otlp_message_request(signal), weir_buf_view(&text), &buf,
                                 &err) < 0)
            fail_msg("%s: %s", name, err.message);
        assert_int_equal(buf.len, bin.len);
        assert_memory_equal(buf.ptr, bin.ptr, bin.len);
        weir_buf_done(&text);
        weir_buf_done(&bin);
    }
}

static void assert_same_json(struct weir_view a, struct weir_view b) {
    struct weir_json left, right;
    enum weir_json_token token;
    weir_json_init(&left, a);
    weir_json_init(&right, b);
    do {
        token = weir_json_next(&left);
        assert_int_equal(token, weir_json_next(&right));
        assert_int_not_equal(token, WEIR_JSON_ERROR);
        if (token == WEIR_JSON_NUMBER) { /* 2.0 and 2 are the same number */
            double x, y;
            assert_true(weir_view_to_f64(left.text, &x));
            assert_true(weir_view_to_f64(right.text, &y));
            assert_true(x == y);
        } else if (token == WEIR_JSON_KEY || token == WEIR_JSON_STRING) {
            if (!weir_view_eq(left.text, right.text))
                fail_msg("%.*s is not %.*s", WEIR_VIEW_ARG(left.text), WEIR_VIEW_ARG(right.text));
        }
    } while (token != WEIR_JSON_END);
}

static void writes_what_the_official_classes_write(void **state) {
    (void)state;
    for (enum weir_signal signal = WEIR_SIGNAL_TRACE; signal <= WEIR_SIGNAL_LOG; signal++) {
        char name[40];
        snprintf(name, sizeof name, "%s.json", weir_signal_name(signal));
        struct weir_buf text = golden_file(name);
        struct weir_otlp_batch *batch = golden_batch(signal);
        weir_buf_clear(&buf);
        struct weir_json_writer w = weir_json_writer(&buf);
        assert_true(weir_otlp_json_add(&w, weir_otlp_message_request(signal), batch->bytes));
        assert_same_json(weir_buf_view(&buf), weir_buf_view(&text));
        weir_otlp_batch_unref(batch);
        weir_buf_done(&text);
    }
}

/* The other spellings that readers must or may take. */
static void takes_every_spelling(void **state) {
    (void)state;
    static const char *const same[] = {
        "{\"traceId\":\"0123456789abcdef0123456789abcdef\",\"spanId\":\"0123456789abcdef\","
        "\"kind\":4,\"startTimeUnixNano\":\"1000\",\"attributes\":[{\"key\":\"b\",\"value\":"
        "{\"bytesValue\":\"+/8=\"}}],\"droppedAttributesCount\":5,\"status\":{\"code\":2}}",
        "{ "
        "\"trace_id\":\"0123456789ABCDEF0123456789ABCDEF\",\"unknown\":[{}],\"span_id\":"
        "\"0123456789abcdef\","
        "\"kind\":\"SPAN_KIND_PRODUCER\",\"start_time_unix_nano\":1000,\"attributes\":[{\"key\":"
        "\"\\u0062\","
        "\"value\":{\"bytes_value\":\"-_8\"}}],\"dropped_attributes_count\":\"5\","
        "\"name\":null,\"events\":[],\"status\":{\"code\":\"STATUS_CODE_ERROR\"}}",
        "{\"traceId\":\"0123456789abcdef0123456789abcdef\",\"spanId\":\"0123456789abcdef\","
        "\"parentSpanId\":\"\",\"kind\":4.0,\"startTimeUnixNano\":1e3,\"name\":\"\","
        "\"attributes\":[{\"key\":\"b\",\"value\":{\"bytesValue\":\"+/8\"}}],"
        "\"droppedAttributesCount\":5,\"droppedLinksCount\":0,\"status\":{\"message\":\"\","
        "\"code\":2}}",
    };
    struct weir_buf first;
    weir_buf_init(&first, 1000);
    assert_int_equal(
        weir_otlp_json_to_pb(&weir_otlp_message_span, weir_view_str(same[0]), &first, NULL), 0);
    for (size_t i = 1; i < 3; i++) {
        struct weir_error err = {0};
        weir_buf_clear(&buf);
        if (weir_otlp_json_to_pb(&weir_otlp_message_span, weir_view_str(same[i]), &buf, &err) < 0)
            fail_msg("%zu: %s", i, err.message);
        assert_int_equal(buf.len, first.len);
        assert_memory_equal(buf.ptr, first.ptr, first.len);
    }
    weir_buf_done(&first);
}

static void assert_any_round_trip(const char *json) {
    weir_buf_clear(&buf);
    struct weir_error err = {0};
    if (weir_otlp_json_to_pb(&weir_otlp_message_any_value, weir_view_str(json), &buf, &err) < 0)
        fail_msg("%s: %s", json, err.message);
    struct weir_buf text;
    weir_buf_init(&text, 10000);
    struct weir_json_writer w = weir_json_writer(&text);
    assert_true(weir_otlp_json_add(&w, &weir_otlp_message_any_value, weir_buf_view(&buf)));
    assert_view_is(weir_buf_view(&text), json);
    weir_buf_done(&text);
}

static void keeps_values_exact(void **state) {
    (void)state;
    assert_any_round_trip("{\"stringValue\":\"\"}");
    assert_any_round_trip("{\"boolValue\":false}");
    assert_any_round_trip("{\"intValue\":\"0\"}");
    assert_any_round_trip("{\"intValue\":\"-9223372036854775808\"}");
    assert_any_round_trip("{\"doubleValue\":0}");
    assert_any_round_trip("{\"doubleValue\":\"NaN\"}");
    assert_any_round_trip("{\"doubleValue\":\"-Infinity\"}");
    assert_any_round_trip("{\"doubleValue\":0.30000000000000004}");
    assert_any_round_trip("{\"arrayValue\":{\"values\":[{},{\"kvlistValue\":{\"values\":[]}}]}}");
    assert_any_round_trip("{}");
}

static void refuses_with_a_position(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"[]", "Span must be an object"},
        {"{\"traceId\":5}", "OTLP/JSON: Span.traceId must be a string at line 1, column 12"},
        {"{\n \"traceId\":\"xyz\"}", "Span.traceId must be hex digits at line 2, column 12"},
        {"{\"traceId\":\"abc\"}", "hex digits"},
        {"{\"name\":{}}", "Span.name must be a string"},
        {"{\"kind\":\"SPAN_KIND_PRODUCR\"}", "did you mean SPAN_KIND_PRODUCER"},
        {"{\"kind\":9999999999}", "an enum value"},
        {"{\"startTimeUnixNano\":\"-1\"}", "an integer in range"},
        {"{\"startTimeUnixNano\":-1}", "an unsigned integer in range"},
        {"{\"startTimeUnixNano\":1.5}", "an unsigned integer in range"},
        {"{\"startTimeUnixNano\":\"18446744073709551616\"}", "an integer in range"},
        {"{\"droppedLinksCount\":4294967296}", "at most 4294967295"},
        {"{\"attributes\":{}}", "Span.attributes must be an array"},
        {"{\"attributes\":[1]}", "Span.attributes must be an object"},
        {"{\"attributes\":[{\"value\":{\"boolValue\":1}}]}",
         "AnyValue.boolValue must be true or false"},
        {"{\"attributes\":[{\"value\":{\"bytesValue\":\"a\"}}]}", "base64"},
        {"{\"attributes\":[{\"value\":{\"bytesValue\":\"a$bc\"}}]}", "base64"},
        {"{\"attributes\":[{\"value\":{\"doubleValue\":\"0x1p3\"}}]}", "a number"},
        {"{\"attributes\":[{\"value\":{\"doubleValue\":true}}]}", "a number"},
        {"{\"status\":[]}", "Span.status must be an object"},
        {"{\"events\":[{}", "ends too early"},
        {"{} x", "text behind the value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_error err = {0};
        weir_buf_clear(&buf);
        assert_int_equal(
            weir_otlp_json_to_pb(&weir_otlp_message_span, weir_view_str(cases[i].text), &buf, &err),
            WEIR_EINVALID);
        if (!strstr(err.message, cases[i].part)) fail_msg("%s: got %s", cases[i].text, err.message);
        assert_int_not_equal(err.line, 0);
    }
}

static void decodes_a_batch_from_text(void **state) {
    (void)state;
    struct weir_buf text = golden_file("metrics.json");
    struct weir_otlp_batch *batch = NULL;
    assert_int_equal(
        weir_otlp_batch_decode_json(WEIR_SIGNAL_METRIC, weir_buf_view(&text), 0, &batch, NULL), 0);
    assert_int_equal(batch->points_count, 6);
    weir_otlp_batch_unref(batch);
    assert_int_equal(weir_otlp_batch_decode_json(WEIR_SIGNAL_LOG, WEIR_VIEW("{}"), 0, &batch, NULL),
                     0);
    assert_int_equal(batch->logs_count, 0);
    weir_otlp_batch_unref(batch);
    assert_int_equal(weir_otlp_batch_decode_json(WEIR_SIGNAL_LOG, WEIR_VIEW(""), 0, &batch, NULL),
                     WEIR_EINVALID);
    struct weir_error err = {0};
    assert_int_equal(
        weir_otlp_batch_decode_json(WEIR_SIGNAL_TRACE, WEIR_VIEW("5"), 0, &batch, &err),
        WEIR_EINVALID);
    assert_non_null(strstr(err.message, "ExportTraceServiceRequest must be an object"));
    weir_buf_done(&text);
}

static void writes_parts_of_a_message(void **state) {
    (void)state;
    struct weir_json_writer w = weir_json_writer(&buf);
    weir_json_begin_object(&w);
    weir_json_key(&w, "a");
    weir_json_add_i64(&w, 1);
    assert_true(weir_otlp_json_add_fields(
        &w, &weir_otlp_message_span, WEIR_VIEW("\x5a\x03\x12\x01x\x3a\x01z\x5a\x03\x12\x01y")));
    weir_json_end_object(&w);
    assert_view_is(weir_buf_view(&buf), "{\"a\":1,\"events\":[{\"name\":\"x\"},{\"name\":\"y\"}]}");
    assert_false(weir_otlp_json_add(&w, &weir_otlp_message_span, WEIR_VIEW("\x5a\x05")));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(reads_what_the_official_classes_write),
        TEST(writes_what_the_official_classes_write),
        TEST(takes_every_spelling),
        TEST(keeps_values_exact),
        TEST(refuses_with_a_position),
        TEST(decodes_a_batch_from_text),
        TEST(writes_parts_of_a_message),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    const struct CMUnitTest commas[] = {TEST(reads_what_the_official_classes_write),
                                        TEST(writes_what_the_official_classes_write),
                                        TEST(keeps_values_exact)};
    return failed + cmocka_run_group_tests(commas, comma_locale_enter, comma_locale_leave);
}
