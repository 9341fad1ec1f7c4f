/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/rand.h"
#include "unit.h"

static void allocations_keep_their_bytes(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    static unsigned char *at[COUNT];
    static size_t size[COUNT];
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    for (int i = 0; i < COUNT; i++) {
        size[i] = weir_rand_below(&rand, i % 100 == 0 ? 100000 : 200);
        at[i] = weir_arena_alloc(&arena, size[i]);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % 8, 0);
        memset(at[i], i & 255, size[i]);
    }
    for (int i = 0; i < COUNT; i++)
        for (size_t j = 0; j < size[i]; j++) assert_int_equal(at[i][j], i & 255);
    weir_arena_done(&arena);
}

static void limit_is_kept_and_sticks(void **state) {
    (void)state;
    struct weir_arena arena;
    weir_arena_init(&arena, 64 * 1024);
    size_t given = 0;
    while (weir_arena_alloc(&arena, 1000)) given += 1000;
    assert_true(arena.failed);
    assert_true(given > 40000 && given <= 64 * 1024);
    assert_true(arena.size_bytes <= arena.size_bytes_max);
    assert_null(weir_arena_alloc(&arena, 1));
    weir_arena_reset(&arena);
    assert_non_null(weir_arena_alloc(&arena, 1000));
    weir_arena_done(&arena);
}

static void huge_products_are_refused(void **state) {
    (void)state;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    assert_null(weir_arena_calloc(&arena, SIZE_MAX / 2, 4));
    assert_true(arena.failed);
    weir_arena_done(&arena);
}

static void grow_copies_or_extends(void **state) {
    (void)state;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    char *first = weir_arena_alloc(&arena, 16);
    memcpy(first, "0123456789abcdef", 16);
    char *same = weir_arena_grow(&arena, first, 16, 64);
    assert_ptr_equal(first, same);
    weir_arena_alloc(&arena, 8);
    char *moved = weir_arena_grow(&arena, same, 64, 128);
    assert_ptr_not_equal(moved, same);
    assert_memory_equal(moved, "0123456789abcdef", 16);
    weir_arena_done(&arena);
}

static void push_appends_zeroed_items(void **state) {
    (void)state;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct item {
        int a;
        void *b;
    } *items = NULL;
    uint32_t count = 0, room = 0;
    for (int i = 0; i < 1000; i++) {
        struct item *item = WEIR_PUSH(&arena, items, count, room);
        assert_non_null(item);
        if (!item) return;
        assert_null(item->b);
        item->a = i;
    }
    assert_int_equal(count, 1000);
    for (int i = 0; i < 1000; i++) assert_int_equal(items[i].a, i);
    weir_arena_done(&arena);
}

static void text_is_terminated(void **state) {
    (void)state;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    assert_string_equal(weir_arena_strdup(&arena, WEIR_VIEW("hello")), "hello");
    struct weir_view text = weir_arena_printf(&arena, "%s-%d", "x", 42);
    assert_view_is(text, "x-42");
    assert_int_equal(text.ptr[text.len], 0);
    weir_arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_keep_their_bytes), cmocka_unit_test(limit_is_kept_and_sticks),
        cmocka_unit_test(huge_products_are_refused),    cmocka_unit_test(grow_copies_or_extends),
        cmocka_unit_test(push_appends_zeroed_items),    cmocka_unit_test(text_is_terminated),
    };
    return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
