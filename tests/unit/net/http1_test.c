/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http1.h"

#include <stdio.h>

#include "unit.h"

/* What a message came to, however its bytes were cut. */
struct result {
    int status; /* 0, or the refusal */
    const char *reason;
    struct weir_http1_head head;
    char text[4096]; /* the head, which the views point into */
    char content[4096];
    size_t content_len;
    bool done;
    size_t left; /* bytes behind the message */
};

static int feed_body(struct weir_http1_body *body, struct weir_view *in, struct result *r) {
    while (in->len && !body->done) {
        struct weir_view content;
        int status = weir_http1_body_parse(body, in, &content, &r->reason);
        if (status) return status;
        memcpy(r->content + r->content_len, content.ptr, content.len);
        r->content_len += content.len;
    }
    return 0;
}

/* Parses a request that arrives in two parts, [0, cut) and [cut, end). */
static void parse_cut(struct weir_view bytes, size_t cut, struct result *r) {
    struct weir_http1_scan scan = {0};
    struct weir_http1_body body;
    size_t len = 0;
    memset(r, 0, sizeof *r);
    r->reason = "";
    r->status = weir_http1_head_find(weir_view_upto(bytes, cut), &scan, &len, &r->reason);
    size_t known = cut;
    if (r->status == 0 && len == 0) {
        r->status = weir_http1_head_find(bytes, &scan, &len, &r->reason);
        known = bytes.len;
    }
    if (r->status || len == 0) return;
    memcpy(r->text, bytes.ptr, len);
    r->status = weir_http1_parse_request(weir_view(r->text, len), &r->head, &r->reason);
    if (r->status) return;
    weir_http1_body_init_request(&body, &r->head);
    struct weir_view rest = weir_view(bytes.ptr + len, known - len);
    r->status = feed_body(&body, &rest, r);
    if (r->status == 0 && known < bytes.len && rest.len == 0) {
        rest = weir_view_from(bytes, known);
        r->status = feed_body(&body, &rest, r);
        known = bytes.len;
    }
    r->done = body.done;
    r->left = rest.len + bytes.len - known;
}

#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *bytes;
    int status;          /* expected refusal, or 0 */
    const char *content; /* NULL: incomplete */
    size_t left;
} messages[] = {
    /* good ones */
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0, "", 0},
    {"GET /a?b=c%20d HTTP/1.1\r\nhost:a\r\nX-Empty:\r\nX-Tab:\ta\tb \r\n\r\n", 0, "", 0},
    {"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\nGET", 0, "", 3},
    {POST "Content-Length: 5\r\n\r\nhello", 0, "hello", 0},
    {POST "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n", 0, "hello", 16},
    {POST "Content-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello", 0, "hello", 0},
    {POST "Content-Length: 0\r\n\r\n", 0, "", 0},
    {POST "Content-Length: 5\r\n\r\nhell", 0, NULL, 0},
    {CHUNKED "5\r\nhello\r\n0\r\n\r\n", 0, "hello", 0},
    {CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", 0, "hello world", 3},
    {CHUNKED "00000000005\r\nhello\r\n000\r\n\r\n", 0, "hello", 0},
    {CHUNKED "A;name=value;x=\"y z\"\r\n0123456789\r\n0;last\r\n\r\n", 0, "0123456789", 0},
    {CHUNKED "1\r\na\r\n0\r\nX-Trailer: yes\r\nY: \r\n\r\n", 0, "a", 0},
    {CHUNKED "1\r\na\r\n0\r\n", 0, NULL, 0},
    {CHUNKED "", 0, NULL, 0},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 0, "", 0},
    {"GET / HTTP/1.1\r\nHost: a\r\n", 0, NULL, 0},
    /* the request line */
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\n\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, NULL, 0},
    {"\n\n", 400, NULL, 0},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET / a HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, NULL, 0},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, NULL, 0},
    {"GET /\r\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET\r\n\r\n", 400, NULL, 0},
    /* header lines */
    {"GET / HTTP/1.1\r\nHost: a\r\nX: ab\nY: c\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1x\nHost: a\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX(y): a\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\n\rX: a\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, NULL, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417, NULL, 0},
    /* framing: what smuggles requests past proxies */
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL, 0},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, NULL, 0},
    {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: 5, 6\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: +5\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: -5\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: 5 5\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: 0x5\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: 5;\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length:\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: 5,\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: 18446744073709551616\r\n\r\nhello", 400, NULL, 0},
    {POST "Content-Length: 9223372036854775808\r\n\r\nhello", 400, NULL, 0},
    {POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501, NULL, 0},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, NULL, 0},
    {POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501, NULL, 0},
    {POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, NULL, 0},
    {POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501, NULL, 0},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL,
     0},
    {POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, NULL, 0},
    {POST "Transfer-Encoding:\x0b"
          "chunked\r\n\r\n0\r\n\r\n",
     400, NULL, 0},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL, 0},
    /* chunks */
    {CHUNKED "\r\n", 400, NULL, 0},
    {CHUNKED " 5\r\nhello\r\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "5 \r\nhello\r\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "+5\r\nhello\r\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "-5\r\nhello\r\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "g\r\nhello\r\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "5\nhello\r\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "5\r\nhelloXX0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "5\r\nhello\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "5\r\nhello\r0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "5;a\nhello\r\n0\r\n\r\n", 400, NULL, 0},
    {CHUNKED "ffffffffffffffff\r\nhello", 400, NULL, 0},
    {CHUNKED "1000000000000000f\r\nhello", 400, NULL, 0},
    {CHUNKED "0\r\n X: folded\r\n\r\n", 400, NULL, 0},
    {CHUNKED "0\r\nX : y\r\n\r\n", 400, NULL, 0},
    {CHUNKED "0\r\nX: y\n\r\n", 400, NULL, 0},
    {CHUNKED "0\r\nGET / HTTP/1.1\r\n\r\n", 400, NULL, 0},
    {CHUNKED "0\r\n\rx", 400, NULL, 0},
};

static void test_every_message_at_every_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct weir_view bytes = weir_view_str(messages[i].bytes);
        for (size_t cut = 0; cut <= bytes.len; cut++) {
            static struct result r;
            parse_cut(bytes, cut, &r);
            if (r.status != messages[i].status)
                fail_msg("message %zu cut at %zu: status %d (%s), expected %d", i, cut, r.status,
                         r.reason, messages[i].status);
            if (r.status) {
                assert_true(strlen(r.reason) > 10);
                continue;
            }
            if (r.done != (messages[i].content != NULL)) fail_msg("message %zu cut at %zu", i, cut);
            if (!r.done) continue;
            assert_view_is(weir_view(r.content, r.content_len), messages[i].content);
            if (r.left != messages[i].left)
                fail_msg("message %zu cut at %zu: %zu left", i, cut, r.left);
        }
    }
}

static void test_head_fields(void **state) {
    (void)state;
    static struct result r;
    parse_cut(
        WEIR_VIEW("PUT /v1/x?y HTTP/1.1\r\nHost: Example:80\r\nConnection: Keep-Alive, Upgrade\r\n"
                  "Expect: 100-Continue\r\nX-A:  b c\t\r\nContent-Length: 12\r\n\r\n"),
        0, &r);
    assert_int_equal(r.status, 0);
    assert_view_is(r.head.method, "PUT");
    assert_view_is(r.head.target, "/v1/x?y");
    assert_view_is(r.head.host, "Example:80");
    assert_true(r.head.keep_alive && r.head.upgrade && r.head.expect_continue && !r.head.chunked);
    assert_int_equal(r.head.content_length, 12);
    assert_int_equal(r.head.fields_count, 5);
    assert_view_is(weir_http_field_get(r.head.fields, r.head.fields_count, "x-a"), "b c");
    assert_view_is(weir_http_field_get(r.head.fields, r.head.fields_count, "x-b"), "");
}

static void test_keep_alive(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        bool keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct result r;
        parse_cut(weir_view_str(cases[i].bytes), 0, &r);
        assert_int_equal(r.status, 0);
        assert_int_equal(r.head.keep_alive, cases[i].keep_alive);
    }
}

static void test_head_limits(void **state) {
    (void)state;
    struct weir_buf out;
    struct weir_http1_scan scan = {0};
    size_t len;
    const char *reason;
    weir_buf_init(&out, 1 << 20);
    weir_buf_add_str(&out, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while (out.len < WEIR_HTTP1_HEAD_SIZE_MAX - 4) weir_buf_add_char(&out, 'x');
    weir_buf_add_str(&out, "\r\n\r\n");
    assert_int_equal(out.len, WEIR_HTTP1_HEAD_SIZE_MAX);
    assert_int_equal(weir_http1_head_find(weir_buf_view(&out), &scan, &len, &reason), 0);
    assert_int_equal(len, WEIR_HTTP1_HEAD_SIZE_MAX);
    out.ptr[out.len - 4] = 'x';
    out.ptr[out.len - 3] = 'x';
    scan = (struct weir_http1_scan){0};
    assert_int_equal(weir_http1_head_find(weir_buf_view(&out), &scan, &len, &reason), 431);

    static struct weir_http1_head head;
    for (int count = WEIR_HTTP1_FIELDS_MAX - 1; count <= WEIR_HTTP1_FIELDS_MAX; count++) {
        weir_buf_clear(&out);
        weir_buf_add_str(&out, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 0; i < count; i++) weir_buf_add_str(&out, "X: y\r\n");
        weir_buf_add_str(&out, "\r\n");
        int status = weir_http1_parse_request(weir_buf_view(&out), &head, &reason);
        assert_int_equal(status, count < WEIR_HTTP1_FIELDS_MAX ? 0 : 431);
    }
    weir_buf_done(&out);
}

/* Feeds the same piece of a chunked body again and again until it is refused. */
static size_t pieces_until_refused(const char *before, const char *piece, size_t limit) {
    static struct result r;
    struct weir_http1_body body = {.kind = WEIR_HTTP1_CHUNKED};
    struct weir_view in = weir_view_str(before);
    memset(&r, 0, sizeof r);
    assert_int_equal(feed_body(&body, &in, &r), 0);
    for (size_t i = 0; i < limit; i++) {
        in = weir_view_str(piece);
        r.content_len = 0;
        if (feed_body(&body, &in, &r) == 400) return i;
    }
    return limit;
}

static void test_chunk_overhead_is_limited(void **state) {
    (void)state;
    assert_true(pieces_until_refused("0\r\n", "A: b\r\n", 100000) <=
                WEIR_HTTP1_TRAILER_SIZE_MAX / 5 + 1);
    assert_true(pieces_until_refused("1;", "abcdefgh", 100000) <=
                WEIR_HTTP1_EXTENSION_SIZE_MAX / 8 + 1);
    assert_true(pieces_until_refused("", "1;abcdefgh\r\nx\r\n", 100000) <=
                WEIR_HTTP1_EXTENSION_SIZE_MAX / 8 + 1);
    assert_int_equal(pieces_until_refused("", "1\r\nx\r\n", 1000), 1000);
}

static void test_response(void **state) {
    (void)state;
    static struct weir_http1_head head;
    struct weir_http1_body body;
    const char *reason = "";
    assert_int_equal(
        weir_http1_parse_response(WEIR_VIEW("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n"),
                                  &head, &reason),
        0);
    assert_int_equal(head.status, 404);
    assert_view_is(head.reason, "Not Found");
    weir_http1_body_init_response(&body, &head, WEIR_VIEW("GET"));
    assert_int_equal(body.left, 3);
    weir_http1_body_init_response(&body, &head, WEIR_VIEW("HEAD"));
    assert_true(body.done);
    assert_int_equal(weir_http1_parse_response(WEIR_VIEW("HTTP/1.0 200\r\n\r\n"), &head, &reason),
                     0);
    weir_http1_body_init_response(&body, &head, WEIR_VIEW("GET"));
    assert_int_equal(body.kind, WEIR_HTTP1_UNTIL_CLOSE);
    static const char *const bad[] = {"HTTP/1.1 2000 x\r\n\r\n", "HTTP/2 200\r\n\r\n",
                                      "200 OK\r\n\r\n", "HTTP/1.1 99 x\r\n\r\n",
                                      "HTTP/1.1 abc\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_http1_parse_response(weir_view_str(bad[i]), &head, &reason), 502);
}

static void test_writing(void **state) {
    (void)state;
    struct weir_buf out;
    weir_buf_init(&out, 4096);
    weir_http1_add_status(&out, 204);
    weir_http1_add_field(&out, WEIR_VIEW("X"), WEIR_VIEW("a\r\nEvil: b\x01"));
    weir_http1_add_chunk(&out, WEIR_VIEW("0123456789abcdef!"));
    weir_http1_add_chunk(&out, WEIR_VIEW(""));
    assert_view_is(weir_buf_view(&out),
                   "HTTP/1.1 204 No Content\r\nX: a  Evil: b \r\n11\r\n0123456789abcdef!\r\n");
    weir_buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_at_every_cut),
        cmocka_unit_test(test_head_fields),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_head_limits),
        cmocka_unit_test(test_chunk_overhead_is_limited),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
