/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/socket.h"

#include "unit.h"

static void test_endpoints(void **state) {
    (void)state;
    static const struct {
        const char *text, *otherwise, *host, *port;
    } cases[] = {
        {"kafka:9093", NULL, "kafka", "9093"},
        {" kafka ", "9092", "kafka", "9092"},
        {"[::1]:9092", NULL, "::1", "9092"},
        {"https://collector/v1/traces", "443", "collector", "443"},
        {"http://127.0.0.1:4318/x:y", NULL, "127.0.0.1", "4318"},
        {"kafka", NULL, NULL, NULL},
        {"", "1", NULL, NULL},
        {":9092", NULL, NULL, NULL},
        {"kafka:0", NULL, NULL, NULL},
        {"kafka:70000", NULL, NULL, NULL},
        {"kafka:9o92", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_doctor_endpoint endpoint;
        struct weir_error err;
        int rc = weir_doctor_endpoint_parse(weir_view_str(cases[i].text), cases[i].otherwise,
                                            &endpoint, &err);
        if (!cases[i].host) {
            assert_int_equal(rc, WEIR_EINVALID);
            continue;
        }
        assert_int_equal(rc, WEIR_OK);
        assert_string_equal(endpoint.host, cases[i].host);
        assert_string_equal(endpoint.port, cases[i].port);
    }
}

static void test_speech(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool closed;
        enum weir_doctor_speech speech;
    } cases[] = {
        {"", 0, false, WEIR_SPEECH_SILENT},
        {"", 0, true, WEIR_SPEECH_CLOSED},
        {"HTTP/1.1 400", 12, true, WEIR_SPEECH_HTTP1},
        {"\x15\x03\x01\x00\x02", 5, true, WEIR_SPEECH_TLS},
        {"\x16\x03\x03\x00\x7a", 5, false, WEIR_SPEECH_TLS},
        {"\0\0\6\4\0\0\0\0\0", 9, false, WEIR_SPEECH_HTTP2},
        {"\0\0\x08\7\0\0\0\0\0", 9, true, WEIR_SPEECH_HTTP2},
        {"\0\0\6\4\0\0\0\0", 8, false, WEIR_SPEECH_OTHER},
        {"\0\0\1\0WEIR\0", 9, false, WEIR_SPEECH_OTHER},
        {"SSH-2.0-x", 9, false, WEIR_SPEECH_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            weir_doctor_speech(weir_view(cases[i].bytes, cases[i].len), cases[i].closed),
            cases[i].speech);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_speech),
    };
    return cmocka_run_group_tests_name("doctor/socket", tests, NULL, NULL);
}
