/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>

#include "base/rand.h"
#include "wire/pb.h"

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

static void assert_bytes(const char *expected, size_t len) {
    assert_int_equal(buf.len, len);
    assert_memory_equal(buf.ptr, expected, len);
}

/* The examples of protobuf.dev's page "Encoding". */
static void encodes_the_specification_examples(void **state) {
    (void)state;
    weir_pb_put_varint(&buf, 1, 150);
    assert_bytes("\x08\x96\x01", 3);
    weir_buf_clear(&buf);
    weir_pb_put_bytes(&buf, 2, WEIR_VIEW("testing"));
    assert_bytes("\x12\x07testing", 9);
    weir_buf_clear(&buf);
    size_t mark = weir_pb_begin(&buf, 3);
    weir_pb_put_varint(&buf, 1, 150);
    weir_pb_end(&buf, mark);
    assert_bytes("\x1a\x03\x08\x96\x01", 5);
    weir_buf_clear(&buf);
    weir_pb_put_sint(&buf, 1, -2);
    assert_bytes("\x08\x03", 2);
    weir_buf_clear(&buf);
    weir_pb_put_f64(&buf, 1, 1.0);
    assert_bytes("\x09\0\0\0\0\0\0\xf0\x3f", 9);
    weir_buf_clear(&buf);
    weir_pb_put_fixed32(&buf, 16, 0x01020304);
    assert_bytes("\x85\x01\x04\x03\x02\x01", 6);
}

static void optional_forms_skip_defaults(void **state) {
    (void)state;
    weir_pb_put_varint_opt(&buf, 1, 0);
    weir_pb_put_fixed64_opt(&buf, 2, 0);
    weir_pb_put_bytes_opt(&buf, 3, WEIR_VIEW(""));
    assert_int_equal(buf.len, 0);
    weir_pb_put_varint_opt(&buf, 1, 1);
    assert_int_equal(buf.len, 2);
}

static void nested_lengths_are_minimal(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 127, 128, 129, 16383, 16384, 70000};
    static char content[70000];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(content, (int)i + 1, sizes[i]);
        weir_buf_clear(&buf);
        size_t outer = weir_pb_begin(&buf, 1), inner = weir_pb_begin(&buf, 2);
        weir_buf_add(&buf, content, sizes[i]);
        weir_pb_end(&buf, inner);
        weir_pb_end(&buf, outer);
        struct weir_pb pb = weir_pb(weir_buf_view(&buf));
        struct weir_pb_field field;
        assert_int_equal(weir_pb_next(&pb, &field), 1);
        assert_ptr_equal(pb.at, pb.end);
        pb = weir_pb(field.bytes);
        assert_int_equal(weir_pb_next(&pb, &field), 1);
        assert_int_equal(field.bytes.len, sizes[i]);
        assert_memory_equal(field.bytes.ptr, content, sizes[i]);
        size_t header = sizes[i] < 128 ? 1 : sizes[i] < 16384 ? 2 : 3;
        assert_ptr_equal(field.bytes.ptr - 1 - header, buf.ptr + buf.len - sizes[i] - 1 - header);
    }
}

static void full_buffers_fail_quietly(void **state) {
    (void)state;
    struct weir_buf small;
    weir_buf_init(&small, 10);
    size_t mark = weir_pb_begin(&small, 1);
    weir_pb_put_bytes(&small, 2, WEIR_VIEW("too long for it"));
    size_t inner = weir_pb_begin(&small, 3);
    weir_pb_end(&small, inner);
    weir_pb_end(&small, mark);
    assert_true(small.failed);
    weir_buf_done(&small);
}

static void assert_refused(const char *bytes, size_t len) {
    struct weir_pb pb = weir_pb(weir_view(bytes, len));
    struct weir_pb_field field;
    assert_int_equal(weir_pb_next(&pb, &field), -1);
    assert_ptr_equal(pb.at, (const uint8_t *)bytes); /* at the bad field */
}

static void refuses_malformed_fields(void **state) {
    (void)state;
    assert_refused("\x00", 1);                                          /* field number 0 */
    assert_refused("\x08", 1);                                          /* no value */
    assert_refused("\x08\x80", 2);                                      /* varint cut short */
    assert_refused("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11); /* 65 bits */
    assert_refused("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12);
    assert_refused("\x09\x01\x02\x03\x04\x05\x06\x07", 8); /* fixed64 cut short */
    assert_refused("\x0d\x01\x02\x03", 4);                 /* fixed32 cut short */
    assert_refused("\x0a\x02x", 3);                        /* length past the end */
    assert_refused("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    assert_refused("\x0b\x0c", 2);                 /* group */
    assert_refused("\x0e", 1);                     /* wire type 6 */
    assert_refused("\xf8\xff\xff\xff\x1f\x01", 6); /* field number over 2^29-1 */
}

static void takes_the_largest_values(void **state) {
    (void)state;
    struct weir_pb pb = weir_pb(WEIR_VIEW("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    struct weir_pb_field field;
    assert_int_equal(weir_pb_next(&pb, &field), 1);
    assert_true(field.value == UINT64_MAX);
    assert_int_equal(weir_pb_next(&pb, &field), 0);
    pb = weir_pb(weir_view(NULL, 0));
    assert_int_equal(weir_pb_next(&pb, &field), 0);
}

/* Random fields written, then read back. */
static void round_trips(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    struct weir_rand rand, again;
    printf("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    again = rand;
    for (int i = 0; i < 2000; i++) {
        uint32_t number = 1 + (uint32_t)weir_rand_below(&rand, (1 << 29) - 1);
        uint64_t value = weir_rand_next(&rand) >> weir_rand_below(&rand, 64);
        if (i % 3 == 0) weir_pb_put_varint(&buf, number, value);
        if (i % 3 == 1) weir_pb_put_fixed64(&buf, number, value);
        if (i % 3 == 2) weir_pb_put_sint(&buf, number, (int64_t)value);
    }
    struct weir_pb pb = weir_pb(weir_buf_view(&buf));
    struct weir_pb_field field;
    for (int i = 0; i < 2000; i++) {
        uint32_t number = 1 + (uint32_t)weir_rand_below(&again, (1 << 29) - 1);
        uint64_t value = weir_rand_next(&again) >> weir_rand_below(&again, 64);
        assert_int_equal(weir_pb_next(&pb, &field), 1);
        assert_int_equal(field.number, number);
        if (i % 3 == 2)
            assert_true(weir_pb_to_sint(field.value) == (int64_t)value);
        else
            assert_true(field.value == value);
    }
    assert_int_equal(weir_pb_next(&pb, &field), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(encodes_the_specification_examples),
        TEST(optional_forms_skip_defaults),
        TEST(nested_lengths_are_minimal),
        TEST(full_buffers_fail_quietly),
        TEST(refuses_malformed_fields),
        TEST(takes_the_largest_values),
        TEST(round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
