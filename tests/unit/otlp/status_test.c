/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/status.h"

#include "unit.h"

static struct weir_buf buf;

static int setup(void **state) {
    (void)state;
    weir_buf_init(&buf, 10000);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weir_buf_done(&buf);
    return 0;
}

static void full_success_is_an_empty_message(void **state) {
    (void)state;
    struct weir_otlp_response response = {0, WEIR_VIEW("")};
    weir_otlp_response_encode(&buf, &response);
    assert_int_equal(buf.len, 0);
    weir_otlp_response_encode_json(&buf, WEIR_SIGNAL_TRACE, &response);
    assert_view_is(weir_buf_view(&buf), "{}");
}

static void partial_success_has_count_and_words(void **state) {
    (void)state;
    struct weir_otlp_response response = {3, WEIR_VIEW("why")}, back;
    weir_otlp_response_encode(&buf, &response);
    assert_int_equal(buf.len, 9);
    assert_memory_equal(buf.ptr, "\x0a\x07\x08\x03\x12\x03why", 9);
    assert_true(weir_otlp_response_decode(weir_buf_view(&buf), &back));
    assert_int_equal(back.rejected_count, 3);
    assert_view_is(back.message, "why");
    weir_buf_clear(&buf);
    weir_otlp_response_encode_json(&buf, WEIR_SIGNAL_LOG, &response);
    assert_view_is(weir_buf_view(&buf),
                   "{\"partialSuccess\":{\"rejectedLogRecords\":\"3\",\"errorMessage\":\"why\"}}");
    assert_true(weir_otlp_response_decode(WEIR_VIEW(""), &back));
    assert_int_equal(back.rejected_count, 0);
    assert_false(weir_otlp_response_decode(WEIR_VIEW("\x0a\x02\x08"), &back));
    assert_false(weir_otlp_response_decode(WEIR_VIEW("\x0a\x02\x08\x80"), &back));
}

/* Bytes as the official googleapis classes encode them. */
static void status_carries_a_retry_hint(void **state) {
    (void)state;
    static const char golden[] = "\x08\x0e\x12\x04"
                                 "busy\x1a\x36\n(type.googleapis.com/google.rpc.RetryInfo"
                                 "\x12\n\n\x08\x08\x01\x10\x80\xca\xb5\xee\x01";
    struct weir_otlp_status status = {14, WEIR_VIEW("busy"), 1500}, back;
    weir_otlp_status_encode(&buf, &status);
    assert_int_equal(buf.len, sizeof golden - 1);
    assert_memory_equal(buf.ptr, golden, sizeof golden - 1);
    assert_true(weir_otlp_status_decode(weir_buf_view(&buf), &back));
    assert_int_equal(back.grpc_code, 14);
    assert_view_is(back.message, "busy");
    assert_int_equal(back.retry_after_ms, 1500);
    weir_buf_clear(&buf);
    weir_otlp_status_encode_json(&buf, &status);
    assert_view_is(weir_buf_view(&buf),
                   "{\"code\":14,\"message\":\"busy\",\"details\":[{\"@type\":"
                   "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1.500s\"}]}");
}

static void status_without_a_hint(void **state) {
    (void)state;
    struct weir_otlp_status status = {3, WEIR_VIEW("bad"), 0}, back;
    weir_otlp_status_encode(&buf, &status);
    assert_true(weir_otlp_status_decode(weir_buf_view(&buf), &back));
    assert_int_equal(back.retry_after_ms, -1);
    weir_buf_clear(&buf);
    weir_otlp_status_encode_json(&buf, &status);
    assert_view_is(weir_buf_view(&buf), "{\"code\":3,\"message\":\"bad\"}");
    assert_false(weir_otlp_status_decode(WEIR_VIEW("\x08"), &back));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(full_success_is_an_empty_message),
        TEST(partial_success_has_count_and_words),
        TEST(status_carries_a_retry_hint),
        TEST(status_without_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
