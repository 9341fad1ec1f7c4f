/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugin's own gzip packs, the library's decoder unpacks to the same bytes. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "net/encoding.h"

#define SIZE_MAX_HERE (4u << 20)

static uint8_t *bytes;
static unsigned seed;

static size_t check(size_t size) {
    struct weir_buf packed, back;
    weir_buf_init(&packed, 2 * SIZE_MAX_HERE);
    weir_buf_init(&back, SIZE_MAX_HERE);
    assert_int_equal(weir_encoding_gzip(weir_view(bytes, size), 1, &packed), WEIR_OK);
    assert_int_equal(weir_encoding_decode(WEIR_VIEW("gzip"), weir_buf_view(&packed), &back, NULL),
                     WEIR_OK);
    size_t made = packed.len;
    assert_int_equal(back.len, size);
    if (size) assert_memory_equal(weir_buf_view(&back).ptr, bytes, size);
    weir_buf_done(&packed);
    weir_buf_done(&back);
    return made;
}

static void test_few_bytes(void **state) {
    (void)state;
    for (size_t size = 0; size < 300; size++) {
        memset(bytes, 'a', size);
        check(size);
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)i;
        check(size);
    }
}

static void test_runs(void **state) {
    (void)state;
    memset(bytes, 0, 1 << 20);
    assert_true(check(1 << 20) < 6000);
    for (size_t i = 0; i < 1 << 20; i++) bytes[i] = (uint8_t) "weir"[i % 4];
    assert_true(check(1 << 20) < 6000);
}

static void test_noise_grows_a_little(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 1000, 32767, 32768, 32769, 65536, 300000};
    for (size_t i = 0; i < SIZE_MAX_HERE; i++) bytes[i] = (uint8_t)(rand_r(&seed) >> 7);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t made = check(sizes[i]);
        assert_true(made <= sizes[i] + sizes[i] / 50 + 400);
    }
}

/* Counts like Fibonacci's numbers make the deepest tree that there is: deeper than is allowed. */
static void test_too_deep_a_tree(void **state) {
    (void)state;
    size_t size = 0, first = 1, second = 1;
    for (int symbol = 0; symbol < 21; symbol++) {
        for (size_t i = 0; i < first; i++) bytes[size++] = (uint8_t)(symbol * 11 + 3);
        size_t next = first + second;
        first = second;
        second = next;
    }
    for (size_t i = size; i > 1; i--) { /* shuffled, so that little of it matches */
        size_t other = (size_t)rand_r(&seed) % i;
        uint8_t kept = bytes[i - 1];
        bytes[i - 1] = bytes[other];
        bytes[other] = kept;
    }
    check(size);
}

/* Pieces of what came before, near and farther than the window, between noise. */
static void test_mixtures(void **state) {
    (void)state;
    for (int round = 0; round < 40; round++) {
        size_t size = 0, wanted = 1 + (size_t)rand_r(&seed) % 200000;
        unsigned letters = 1 + (unsigned)rand_r(&seed) % 255;
        while (size < wanted) {
            size_t piece = 1 + (size_t)rand_r(&seed) % 600, back = (size_t)rand_r(&seed) % 70000;
            for (size_t i = 0; i < piece; i++, size++)
                bytes[size] = round % 2 && back && back <= size
                                  ? bytes[size - back]
                                  : (uint8_t)((unsigned)rand_r(&seed) % letters);
        }
        check(size);
    }
}

static void test_no_room(void **state) {
    (void)state;
    struct weir_buf packed;
    weir_buf_init(&packed, 100);
    assert_int_equal(weir_encoding_gzip(weir_view(bytes, 1000), 1, &packed), WEIR_ENOMEMORY);
    assert_int_equal(packed.len, 0);
    weir_buf_done(&packed);
}

int main(void) {
    const char *given = getenv("WEIR_SEED");
    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("WEIR_SEED=%u\n", seed);
    bytes = calloc(1, SIZE_MAX_HERE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_bytes),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_noise_grows_a_little),
        cmocka_unit_test(test_too_deep_a_tree),
        cmocka_unit_test(test_mixtures),
        cmocka_unit_test(test_no_room),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(bytes);
    return failed;
}
