/* SPDX-License-Identifier: Apache-2.0 */
/* What every body compression must do: round trips of all sizes, limits, damage. */
#ifndef WEIR_TESTS_UNIT_WIRE_CODEC_CASES_H
#define WEIR_TESTS_UNIT_WIRE_CODEC_CASES_H

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/rand.h"

typedef int codec_encode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr);
typedef int codec_decode(struct weir_view in, struct weir_buf *out, struct weir_error *reterr);

enum { CODEC_SIZE_MAX = 300000 };

/* Half noise, half text. */
static inline char *codec_sample(struct weir_rand *rand) {
    char *sample = malloc(CODEC_SIZE_MAX);
    for (size_t i = 0; i < CODEC_SIZE_MAX; i++)
        sample[i] = i % 2000 < 1000 ? (char)weir_rand_next(rand) : "orders "[i % 7];
    return sample;
}

static inline void codec_round_trips(codec_encode *encode, codec_decode *decode) {
    static const size_t sizes[] = {0, 1, 2, 100, 4095, 4096, 4097, 65536, CODEC_SIZE_MAX};
    uint64_t seed = weir_rand_seed();
    struct weir_rand rand;
    printf("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    char *sample = codec_sample(&rand);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct weir_buf packed, back;
        struct weir_error err = {0};
        weir_buf_init(&packed, 1 << 20);
        weir_buf_init(&back, sizes[i] + 4); /* just enough, behind what is there already */
        weir_buf_add_str(&back, "head");
        assert_int_equal(encode(weir_view(sample, sizes[i]), &packed, &err), 0);
        if (decode(weir_buf_view(&packed), &back, &err) < 0)
            fail_msg("%zu: %s", sizes[i], err.message);
        assert_int_equal(back.len, sizes[i] + 4);
        assert_memory_equal(back.ptr, "head", 4);
        assert_memory_equal(back.ptr + 4, sample, sizes[i]);
        weir_buf_done(&packed);
        weir_buf_done(&back);
    }
    free(sample);
}

static inline void codec_refuses_bombs(codec_encode *encode, codec_decode *decode) {
    struct weir_buf packed, back;
    struct weir_error err = {0};
    char *zeros = calloc(1, CODEC_SIZE_MAX);
    weir_buf_init(&packed, 1 << 20);
    weir_buf_init(&back, CODEC_SIZE_MAX - 1);
    assert_int_equal(encode(weir_view(zeros, CODEC_SIZE_MAX), &packed, NULL), 0);
    assert_int_equal(decode(weir_buf_view(&packed), &back, &err), WEIR_ETOOBIG);
    assert_non_null(strstr(err.message, "more than 299999 bytes"));
    assert_true(back.len < CODEC_SIZE_MAX && back.room < CODEC_SIZE_MAX);
    struct weir_buf small;
    weir_buf_init(&small, 3);
    assert_int_equal(encode(weir_view(zeros, CODEC_SIZE_MAX), &small, &err), WEIR_ETOOBIG);
    weir_buf_done(&small);
    weir_buf_done(&packed);
    weir_buf_done(&back);
    free(zeros);
}

/* Cut anywhere: refused. Flipped anywhere: no harm (the sanitizers watch). */
static inline void codec_survives_damage(codec_encode *encode, codec_decode *decode) {
    struct weir_rand rand;
    weir_rand_init(&rand, 7);
    struct weir_buf packed, back;
    weir_buf_init(&packed, 1 << 20);
    assert_int_equal(
        encode(WEIR_VIEW("some text, some text, some more text, text, text"), &packed, NULL), 0);
    for (size_t cut = 0; cut < packed.len; cut++) {
        weir_buf_init(&back, 10000);
        assert_int_equal(decode(weir_view(packed.ptr, cut), &back, NULL), WEIR_EINVALID);
        weir_buf_done(&back);
    }
    for (int i = 0; i < 2000; i++) {
        size_t at = weir_rand_below(&rand, packed.len);
        char old = packed.ptr[at];
        packed.ptr[at] = (char)weir_rand_next(&rand);
        weir_buf_init(&back, 10000);
        decode(weir_buf_view(&packed), &back, NULL);
        weir_buf_done(&back);
        packed.ptr[at] = old;
    }
    weir_buf_done(&packed);
}

#endif
