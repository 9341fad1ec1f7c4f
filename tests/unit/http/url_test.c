/* SPDX-License-Identifier: Apache-2.0 */
#include "http/url.h"

#include "unit.h"

static void shown(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"http://example.com/a/b?c=d#e", "http://example.com/a/b?c=d#e"},
        {"https://ann:secret@example.com:8443/", "https://REDACTED:REDACTED@example.com:8443/"},
        {"https://ann@example.com", "https://REDACTED@example.com"},
        {"https://a:b@c@d/", "https://REDACTED:REDACTED@d/"},
        {"http://[::1]:80/x", "http://[::1]:80/x"},
        {"http://h/?sig=1&a=2&Signature=3&X-Goog-Signature=4&AWSAccessKeyId=5",
         "http://h/?sig=REDACTED&a=2&Signature=REDACTED&X-Goog-Signature=REDACTED&"
         "AWSAccessKeyId=REDACTED"},
        {"http://h/?X-Amz-Signature=1&X-Amz-Credential=2&X-Amz-Security-Token=3",
         "http://h/?X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&"
         "X-Amz-Security-Token=REDACTED"},
        {"http://h?SIG=a=b&sig&=&&x", "http://h?SIG=REDACTED&sig&=&&x"},
        {"/a?b=://c", "/a?b=://c"},
        {"*", "*"},
        {"", ""},
        {"http://", "http://"},
        {"http://[::1", "http://[::1]"},
        {"http://h:99999/", "http://h/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_buf buf;
        weir_buf_init(&buf, 4096);
        struct weir_http_url url = weir_http_url_read(weir_view_str(cases[i].in));
        weir_http_url_add(&buf, &url);
        assert_view_is(weir_buf_view(&buf), cases[i].out);
        weir_buf_done(&buf);
    }
}

static void parts(void **state) {
    (void)state;
    struct weir_http_url url = weir_http_url_read(WEIR_VIEW("https://u:p@[fe80::1]:444/a/b?c#d"));
    assert_view_is(url.scheme, "https");
    assert_view_is(url.userinfo, "u:p");
    assert_view_is(url.host, "fe80::1");
    assert_int_equal(url.port, 444);
    assert_view_is(url.path, "/a/b");
    assert_view_is(url.query, "c");
    assert_view_is(url.fragment, "d");
    url = weir_http_url_read(WEIR_VIEW("/a/b?"));
    assert_view_is(url.path, "/a/b");
    assert_true(url.has_query);
    assert_int_equal(url.query.len, 0);
    struct weir_view host;
    int port;
    weir_http_authority_read(WEIR_VIEW("shop:8080"), &host, &port);
    assert_view_is(host, "shop");
    assert_int_equal(port, 8080);
    weir_http_authority_read(WEIR_VIEW("shop:x"), &host, &port);
    assert_int_equal(port, 0);
    weir_http_authority_read(WEIR_VIEW(""), &host, &port);
    assert_int_equal(host.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shown), cmocka_unit_test(parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
