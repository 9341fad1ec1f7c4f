/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc.h"

#include "unit.h"

static void test_message_frames(void **state) {
    (void)state;
    struct weir_buf out;
    struct weir_view message;
    struct weir_error err;
    bool compressed;
    weir_buf_init(&out, 4096);
    weir_grpc_add_prefix(&out, true, 3);
    weir_buf_add_str(&out, "abc");
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(
            weir_grpc_message_get(weir_view(out.ptr, len), &message, &compressed, &err),
            WEIR_EINVALID);
    assert_int_equal(weir_grpc_message_get(weir_buf_view(&out), &message, &compressed, &err),
                     WEIR_OK);
    assert_true(compressed);
    assert_view_is(message, "abc");
    weir_buf_add_char(&out, 'x');
    assert_int_equal(weir_grpc_message_get(weir_buf_view(&out), &message, &compressed, &err),
                     WEIR_EINVALID);
    out.ptr[0] = 2;
    assert_int_equal(weir_grpc_message_get(weir_buf_view(&out), &message, &compressed, &err),
                     WEIR_EINVALID);
    size_t len;
    assert_true(weir_grpc_prefix_parse(weir_view("\0\xff\xff\xff\xfe", 5), &compressed, &len));
    assert_int_equal(len, 0xfffffffe);
    weir_buf_done(&out);
}

static void test_status_message(void **state) {
    (void)state;
    struct weir_buf out;
    struct weir_arena arena;
    char all[256];
    weir_buf_init(&out, 4096);
    weir_arena_init(&arena, 0);
    weir_grpc_add_message(&out, WEIR_VIEW("100 % \xc3\xa4\n"));
    assert_view_is(weir_buf_view(&out), "100 %25 %C3%A4%0A");
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    weir_buf_clear(&out);
    weir_grpc_add_message(&out, weir_view(all, sizeof all));
    assert_true(weir_view_eq(weir_grpc_message_decode(&arena, weir_buf_view(&out)),
                             weir_view(all, sizeof all)));
    assert_view_is(weir_grpc_message_decode(&arena, WEIR_VIEW("50% %zz %4")), "50% %zz %4");
    weir_arena_done(&arena);
    weir_buf_done(&out);
}

static void test_content_type(void **state) {
    (void)state;
    assert_true(weir_grpc_is_content_type(WEIR_VIEW("application/grpc")));
    assert_true(weir_grpc_is_content_type(WEIR_VIEW("Application/gRPC+proto; x=y")));
    assert_false(weir_grpc_is_content_type(WEIR_VIEW("application/grpc-web")));
    assert_false(weir_grpc_is_content_type(WEIR_VIEW("application/grp")));
    assert_false(weir_grpc_is_content_type(WEIR_VIEW("application/json")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_frames),
        cmocka_unit_test(test_status_message),
        cmocka_unit_test(test_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
