/* SPDX-License-Identifier: Apache-2.0 */
#include "net/websocket.h"

#include <stdio.h>

#include "net/sha1.h"
#include "unit.h"

/* A masked frame as a client sends it. */
static void add_frame(struct weir_buf *out, int first, struct weir_view payload, bool masked) {
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    char head[WEIR_WEBSOCKET_HEAD_SIZE_MAX];
    size_t size = weir_websocket_head_encode(WEIR_WEBSOCKET_TEXT, payload.len, head);
    head[0] = (char)first;
    if (masked) head[1] = (char)(head[1] | 0x80);
    weir_buf_add(out, head, size);
    if (masked) weir_buf_add(out, mask, 4);
    for (size_t i = 0; i < payload.len; i++)
        weir_buf_add_char(out, (char)(payload.ptr[i] ^ (masked ? mask[i & 3] : 0)));
}

/* Everything that the parser says about `bytes` when they come in pieces of `step`, as text. */
static void describe(struct weir_view bytes, size_t step, char *text, size_t size) {
    struct weir_websocket_parser parser;
    struct weir_websocket_event event;
    size_t len = 0;
    int rc = 0;
    weir_websocket_parser_init(&parser);
    text[0] = 0;
    while (bytes.len && rc >= 0) {
        struct weir_view in = weir_view_upto(bytes, step);
        bytes = weir_view_from(bytes, step);
        while ((rc = weir_websocket_parse(&parser, &in, &event)) == 1)
            len += (size_t)snprintf(text + len, size - len, "%d:%.*s ", event.opcode,
                                    WEIR_VIEW_ARG(weir_view_upto(event.payload, 20)));
        if (rc < 0) snprintf(text + len, size - len, "%d", rc);
    }
    weir_websocket_parser_done(&parser);
}

static void check(const struct weir_buf *bytes, const char *expected) {
    static const size_t steps[] = {1, 2, 3, 7, 100000};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char text[1024];
        describe(weir_buf_view(bytes), steps[i], text, sizeof text);
        assert_string_equal(text, expected);
    }
}

static void test_messages(void **state) {
    (void)state;
    struct weir_buf b;
    weir_buf_init(&b, 1 << 20);
    add_frame(&b, 0x81, WEIR_VIEW("hello"), true);
    add_frame(&b, 0x89, WEIR_VIEW("are you there"), true);
    add_frame(&b, 0x01, WEIR_VIEW("one "), true);
    add_frame(&b, 0x8a, WEIR_VIEW("yes"), true); /* control between fragments */
    add_frame(&b, 0x00, WEIR_VIEW("two "), true);
    add_frame(&b, 0x80, WEIR_VIEW("three"), true);
    add_frame(&b, 0x82, WEIR_VIEW("\xff\xfe"), true);
    add_frame(&b, 0x81, WEIR_VIEW(""), true);
    add_frame(&b, 0x88,
              WEIR_VIEW("\x03\xe8"
                        "bye"),
              true);
    check(&b, "1:hello 9:are you there 10:yes 1:one two three 2:\xff\xfe 1: 8:\x03\xe8"
              "bye ");
    weir_buf_done(&b);
}

static void test_violations(void **state) {
    (void)state;
    static const struct {
        int first;
        struct weir_view payload;
        bool masked;
        const char *expected;
    } cases[] = {
        {0x81, WEIR_VIEW_INIT("x"), false, "-1002"},       /* not masked */
        {0xc1, WEIR_VIEW_INIT("x"), true, "-1002"},        /* reserved bit */
        {0x83, WEIR_VIEW_INIT("x"), true, "-1002"},        /* unknown opcode */
        {0x80, WEIR_VIEW_INIT("x"), true, "-1002"},        /* nothing to continue */
        {0x09, WEIR_VIEW_INIT("x"), true, "-1002"},        /* fragmented control frame */
        {0x88, WEIR_VIEW_INIT("\x03"), true, "-1002"},     /* half a close code */
        {0x88, WEIR_VIEW_INIT("\x03\xed"), true, "-1002"}, /* 1005 is not for the wire */
        {0x88, WEIR_VIEW_INIT("\x03\xe8\xff"), true, "-1007"},
        {0x81, WEIR_VIEW_INIT("\xff"), true, "-1007"},
    };
    struct weir_buf b;
    weir_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_buf_clear(&b);
        add_frame(&b, cases[i].first, cases[i].payload, cases[i].masked);
        check(&b, cases[i].expected);
    }
    weir_buf_clear(&b);
    add_frame(&b, 0x01, WEIR_VIEW("a"), true);
    add_frame(&b, 0x81, WEIR_VIEW("b"), true); /* a new message inside another */
    check(&b, "-1002");
    weir_buf_clear(&b);
    weir_buf_add(&b, "\x81\xfe\x00\x7d....", 8); /* 125 in two bytes */
    check(&b, "-1002");
    weir_buf_clear(&b);
    weir_buf_add(&b, "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff....", 14);
    check(&b, "-1002");
    weir_buf_done(&b);
}

static void test_message_size_limit(void **state) {
    (void)state;
    struct weir_buf b;
    static char big[WEIR_WEBSOCKET_MESSAGE_SIZE_MAX + 1];
    memset(big, 'x', sizeof big);
    weir_buf_init(&b, 1 << 20);
    add_frame(&b, 0x81, weir_view(big, sizeof big - 1), true);
    add_frame(&b, 0x81, WEIR_VIEW("next"), true);
    check(&b, "1:xxxxxxxxxxxxxxxxxxxx 1:next ");
    weir_buf_clear(&b);
    add_frame(&b, 0x81, weir_view(big, sizeof big), true);
    check(&b, "-1009");
    weir_buf_clear(&b);
    add_frame(&b, 0x01, weir_view(big, sizeof big - 1), true);
    add_frame(&b, 0x80, WEIR_VIEW("x"), true);
    check(&b, "-1009");
    weir_buf_done(&b);
}

static void test_accept_key(void **state) {
    (void)state;
    char key[WEIR_WEBSOCKET_ACCEPT_SIZE];
    weir_websocket_accept_key(WEIR_VIEW("dGhlIHNhbXBsZSBub25jZQ=="), key); /* RFC 6455, 1.3 */
    assert_view_is(weir_view(key, sizeof key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void test_sha1(void **state) {
    (void)state;
    static const struct {
        const char *message,
            *hex; /* FIPS 180-4 examples, and one of 64 bytes by Python's hashlib */
    } cases[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         "cf0800f7644ace3cb4c3fa33388d3ba0ea3c8b6e"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t digest[WEIR_SHA1_SIZE];
        struct weir_buf hex;
        weir_buf_init(&hex, 64);
        weir_sha1(weir_view_str(cases[i].message), digest);
        weir_buf_add_hex(&hex, digest, sizeof digest);
        assert_view_is(weir_buf_view(&hex), cases[i].hex);
        weir_buf_done(&hex);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_violations),
        cmocka_unit_test(test_message_size_limit),
        cmocka_unit_test(test_accept_key),
        cmocka_unit_test(test_sha1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
