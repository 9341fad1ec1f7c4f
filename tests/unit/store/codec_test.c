/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>

#include "base/rand.h"
#include "store/codec.h"

static struct weir_codec_scratch scratch;

/* ---- round trips ---------------------------------------------------------------------------- */

static void check_i64(const int64_t *values, uint32_t count, bool ascending) {
    struct weir_buf buf;
    struct weir_arena arena;
    struct weir_codec_hint hint;
    const int64_t *back;
    weir_buf_init(&buf, 1 << 24);
    weir_arena_init(&arena, 0);
    weir_codec_encode_i64(&buf, values, count, ascending, &hint);
    assert_int_equal(weir_codec_decode_i64(weir_buf_view(&buf), count, &arena, &back), WEIR_OK);
    assert_memory_equal(back, values, count * sizeof *values);
    for (uint32_t i = 0; i < count; i++)
        assert_true(hint.min <= values[i] && values[i] <= hint.max);
    for (size_t len = 0; len < buf.len; len++) /* cut anywhere: refused */
        assert_int_equal(weir_codec_decode_i64(weir_view(buf.ptr, len), count, &arena, &back),
                         WEIR_ECORRUPT);
    weir_buf_done(&buf);
    weir_arena_done(&arena);
}

static void integers_round_trip(void **state) {
    (void)state;
    struct weir_rand rand;
    weir_rand_init(&rand, 1);
    static const int64_t edges[] = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MIN, INT64_MAX};
    check_i64(edges, 7, false);
    check_i64(edges, 7, true);
    check_i64(edges, 1, true);
    for (int round = 0; round < 40; round++) {
        int64_t values[64];
        uint32_t count = 1 + (uint32_t)weir_rand_below(&rand, 64),
                 bits = (uint32_t)weir_rand_below(&rand, 64);
        for (uint32_t i = 0; i < count; i++)
            values[i] = (int64_t)(weir_rand_next(&rand) >> bits) - (round % 2 ? 1000 : 0);
        check_i64(values, count, round % 3 == 0);
    }
}

static void check_ids(const uint8_t *ids, uint32_t width, uint32_t count, size_t size_max) {
    struct weir_buf buf;
    struct weir_arena arena;
    const uint8_t *back;
    weir_buf_init(&buf, 1 << 24);
    weir_arena_init(&arena, 0);
    weir_codec_encode_ids(&buf, ids, width, count, &scratch);
    assert_true(buf.len <= size_max);
    assert_int_equal(weir_codec_decode_ids(weir_buf_view(&buf), width, count, &arena, &back),
                     WEIR_OK);
    assert_memory_equal(back, ids, (size_t)width * count);
    for (size_t len = 0; len < buf.len && buf.len > 1; len++)
        assert_int_equal(
            weir_codec_decode_ids(weir_view(buf.ptr, len), width, count, &arena, &back),
            WEIR_ECORRUPT);
    weir_buf_done(&buf);
    weir_arena_done(&arena);
}

static void ids_round_trip(void **state) {
    (void)state;
    enum { COUNT = 600 };
    static uint8_t ids[COUNT * 16];
    struct weir_rand rand;
    weir_rand_init(&rand, 2);
    check_ids(ids, 16, COUNT, 1); /* no ids cost a byte */
    for (size_t i = 0; i < sizeof ids; i++) ids[i] = (uint8_t)weir_rand_next(&rand);
    check_ids(ids, 16, COUNT, 1 + sizeof ids);
    for (size_t i = 0; i < COUNT; i++) memcpy(ids + i * 16, ids + i / 4 * 64 % 256, 16);
    check_ids(ids, 16, COUNT, 3 + 256 + COUNT);
    check_ids(ids, 8, 3, 100);
}

static struct weir_value random_value(struct weir_rand *rand, uint64_t variety) {
    static const char *const texts[] = {"", "a", "GET", "a longer text of some bytes"};
    switch (weir_rand_below(rand, variety)) {
    case 0: return weir_value_str(weir_view_str(texts[weir_rand_below(rand, 4)]));
    case 1: return weir_value_i64((int64_t)weir_rand_next(rand) >> weir_rand_below(rand, 64));
    case 2: return weir_value_f64(weir_rand_below(rand, 2) ? (double)NAN : weir_rand_f64(rand));
    case 3: return weir_value_bool(weir_rand_below(rand, 2));
    case 4: return (struct weir_value){.type = WEIR_VALUE_BYTES, .str = WEIR_VIEW("\0\xff")};
    case 5: return (struct weir_value){.type = WEIR_VALUE_ARRAY, .str = WEIR_VIEW("array")};
    default: return (struct weir_value){.type = WEIR_VALUE_MAP, .str = WEIR_VIEW("map")};
    }
}

static bool same(struct weir_value a, struct weir_value b) {
    if (a.type != b.type) return false;
    if (a.type == WEIR_VALUE_STRING || a.type >= WEIR_VALUE_BYTES)
        return weir_view_eq(a.str, b.str);
    if (a.type == WEIR_VALUE_BOOL) return a.boolean == b.boolean;
    return a.type == WEIR_VALUE_NONE || memcmp(&a.i64, &b.i64, 8) == 0;
}

static void check_values(const struct weir_codec_cell *cells, uint32_t cells_count,
                         uint32_t rows_count, bool dict_always) {
    struct weir_buf buf;
    struct weir_arena arena;
    struct weir_codec_hint hint;
    struct weir_codec_values back;
    weir_buf_init(&buf, 1 << 24);
    weir_arena_init(&arena, 0);
    weir_codec_encode_values(&buf, cells, cells_count, rows_count, dict_always, &scratch, &hint);
    assert_int_equal(weir_codec_decode_values(weir_buf_view(&buf), rows_count, &arena, &back),
                     WEIR_OK);
    if (dict_always && cells_count) assert_non_null(back.codes);
    uint32_t at = 0;
    for (uint32_t row = 0; row < rows_count; row++) {
        struct weir_value value = back.codes ? back.dict[back.codes[row]] : back.values[row];
        bool present = at < cells_count && cells[at].row == row;
        assert_true(same(value, present ? cells[at].value : (struct weir_value){0}));
        if (back.codes) assert_true(back.codes[row] < back.dict_count);
        if (!present) continue;
        uint64_t bits = weir_codec_hint_bits(cells[at].value);
        assert_true((hint.bits & bits) == bits);
        assert_true(hint.types >> cells[at].value.type & 1);
        at++;
    }
    const struct weir_value *distinct;
    uint32_t distinct_count;
    assert_int_equal(weir_codec_decode_distinct(weir_buf_view(&buf), rows_count, &arena, &distinct,
                                                &distinct_count),
                     WEIR_OK);
    for (uint32_t i = 0; i < cells_count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < distinct_count && !found; j++)
            found = same(distinct[j], cells[i].value);
        assert_true(found);
    }
    for (size_t len = 0; len < buf.len; len++) { /* a cut list of empty strings may still be one */
        int rc = weir_codec_decode_values(weir_view(buf.ptr, len), rows_count, &arena, &back);
        assert_int_equal(rc, WEIR_ECORRUPT);
    }
    weir_buf_done(&buf);
    weir_arena_done(&arena);
}

static void values_round_trip(void **state) {
    (void)state;
    struct weir_rand rand;
    weir_rand_init(&rand, 3);
    for (int round = 0; round < 60; round++) {
        struct weir_codec_cell cells[100];
        uint32_t rows_count = 1 + (uint32_t)weir_rand_below(&rand, 100), cells_count = 0;
        uint64_t variety = 1 + weir_rand_below(&rand, 7), sparse = 1 + weir_rand_below(&rand, 4);
        for (uint32_t row = 0; row < rows_count; row++)
            if (weir_rand_below(&rand, sparse) == 0)
                cells[cells_count++] = (struct weir_codec_cell){row, random_value(&rand, variety)};
        check_values(cells, cells_count, rows_count, round % 5 == 0);
    }
}

static void full_block_of_distinct_values(void **state) {
    (void)state;
    struct weir_codec_cell *cells = calloc(WEIR_BLOCK_ROWS_MAX, sizeof *cells);
    struct weir_buf buf;
    struct weir_arena arena;
    struct weir_codec_hint hint;
    struct weir_codec_values back;
    for (uint32_t i = 0; i < WEIR_BLOCK_ROWS_MAX; i++)
        cells[i] = (struct weir_codec_cell){i, weir_value_i64(i)};
    for (int dict = 0; dict < 2; dict++) {
        weir_buf_init(&buf, 1 << 24);
        weir_arena_init(&arena, 0);
        weir_codec_encode_values(&buf, cells, WEIR_BLOCK_ROWS_MAX, WEIR_BLOCK_ROWS_MAX, dict,
                                 &scratch, &hint);
        assert_int_equal(hint.max, WEIR_BLOCK_ROWS_MAX - 1);
        assert_int_equal(
            weir_codec_decode_values(weir_buf_view(&buf), WEIR_BLOCK_ROWS_MAX, &arena, &back),
            WEIR_OK);
        assert_int_equal(back.codes != NULL, dict);
        for (uint32_t i = 0; i < WEIR_BLOCK_ROWS_MAX; i++)
            assert_int_equal((back.codes ? back.dict[back.codes[i]] : back.values[i]).i64, i);
        weir_buf_done(&buf);
        weir_arena_done(&arena);
    }
    free(cells);
}

static void attrs_round_trip(void **state) {
    (void)state;
    const struct weir_attr items[] = {
        {WEIR_VIEW("service.name"), weir_value_str(WEIR_VIEW("orders"))},
        {WEIR_VIEW(""), weir_value_i64(-5)},
        {WEIR_VIEW("flag"), weir_value_bool(true)},
        {WEIR_VIEW("ratio"), weir_value_f64(0.5)},
        {WEIR_VIEW("list"), {.type = WEIR_VALUE_ARRAY, .str = WEIR_VIEW("xyz")}},
    };
    struct weir_buf buf;
    struct weir_arena arena;
    struct weir_attrs back;
    weir_buf_init(&buf, 4096);
    weir_arena_init(&arena, 0);
    weir_codec_encode_attrs(&buf, (struct weir_attrs){items, 5});
    assert_int_equal(weir_codec_decode_attrs(weir_buf_view(&buf), &arena, &back), WEIR_OK);
    assert_int_equal(back.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(weir_view_eq(back.items[i].key, items[i].key));
        assert_true(same(back.items[i].value, items[i].value));
    }
    for (size_t len = 0; len < buf.len; len++)
        assert_int_equal(weir_codec_decode_attrs(weir_view(buf.ptr, len), &arena, &back),
                         WEIR_ECORRUPT);
    weir_buf_done(&buf);
    weir_arena_done(&arena);
}

/* ---- bad bytes ------------------------------------------------------------------------------ */

/* Whatever the bytes are: a code, no read past the end (the sanitizers watch). */
static void random_bytes_do_no_harm(void **state) {
    (void)state;
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int round = 0; round < 20000; round++) {
        size_t len = weir_rand_below(&rand, 40);
        uint8_t *bytes = malloc(len + 1);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(weir_rand_below(&rand, 2) ? weir_rand_below(&rand, 6)
                                                           : weir_rand_next(&rand));
        char *exact = malloc(len ? len : 1); /* so that the end is the end */
        memcpy(exact, bytes, len);
        struct weir_view in = weir_view(exact, len);
        uint32_t rows = 1 + (uint32_t)weir_rand_below(&rand, 20), count;
        struct weir_arena arena;
        weir_arena_init(&arena, 1 << 20);
        const int64_t *i64;
        const uint8_t *ids;
        struct weir_codec_values values;
        const struct weir_value *distinct;
        struct weir_attrs attrs;
        (void)weir_codec_decode_i64(in, rows, &arena, &i64);
        (void)weir_codec_decode_ids(in, 16, rows, &arena, &ids);
        (void)weir_codec_decode_distinct(in, rows, &arena, &distinct, &count);
        (void)weir_codec_decode_attrs(in, &arena, &attrs);
        if (weir_codec_decode_values(in, rows, &arena, &values) == WEIR_OK)
            for (uint32_t i = 0; i < rows; i++) {
                struct weir_value value =
                    values.codes ? values.dict[values.codes[i]] : values.values[i];
                if (value.type == WEIR_VALUE_STRING) (void)weir_view_hash(value.str);
            }
        weir_arena_done(&arena);
        free(bytes);
        free(exact);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_round_trip), cmocka_unit_test(ids_round_trip),
        cmocka_unit_test(values_round_trip),   cmocka_unit_test(full_block_of_distinct_values),
        cmocka_unit_test(attrs_round_trip),    cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
