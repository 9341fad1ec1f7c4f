/* SPDX-License-Identifier: Apache-2.0 */
#include "net/outq.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/rand.h"
#include "unit.h"

/* What goes in by random pieces, copied or taken, comes out the same by random writes. */
static void test_bytes_keep_their_order(void **state) {
    (void)state;
    struct weir_rand rand;
    struct weir_outq q;
    struct weir_buf in, out;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    weir_outq_init(&q);
    weir_buf_init(&in, 64 << 20);
    weir_buf_init(&out, 64 << 20);
    for (int i = 0; i < 400 || q.len; i++) {
        size_t size =
            weir_rand_below(&rand, 4) ? weir_rand_below(&rand, 300) : weir_rand_below(&rand, 60000);
        if (i < 400) {
            char *piece = malloc(size ? size : 1);
            for (size_t j = 0; j < size; j++) piece[j] = (char)weir_rand_next(&rand);
            weir_buf_add(&in, piece, size);
            if (i % 2) {
                weir_outq_add_taken(&q, piece, size);
            } else {
                weir_outq_add(&q, weir_view(piece, size));
                free(piece);
            }
        }
        struct iovec runs[4];
        size_t left = weir_rand_below(&rand, 20000), before = out.len;
        int count = weir_outq_peek(&q, runs, 4);
        for (int r = 0; r < count && left; r++) {
            size_t len = runs[r].iov_len < left ? runs[r].iov_len : left;
            weir_buf_add(&out, runs[r].iov_base, len);
            left -= len;
        }
        weir_outq_drop(&q, out.len - before);
        assert_int_equal(q.len, in.len - out.len);
    }
    assert_true(weir_view_eq(weir_buf_view(&in), weir_buf_view(&out)));
    assert_int_equal(weir_outq_peek(&q, (struct iovec[1]){{0}}, 1), 0);
    weir_outq_add(&q, WEIR_VIEW("left over")); /* done frees what waits */
    weir_outq_done(&q);
    weir_buf_done(&in);
    weir_buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
