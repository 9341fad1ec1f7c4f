/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/wire.h"

#include <stdlib.h>

#include "base/rand.h"
#include "unit.h"

static void test_versions(void **state) {
    (void)state;
    static const char body[] = "\0\0\0\0\0\3"
                               "\0\0\0\0\0\x0c"    /* Produce 0 … 12 */
                               "\0\1\0\4\0\x11"    /* Fetch 4 … 17 */
                               "\x7f\xff\0\0\0\1"; /* one that nobody knows */
    struct weir_wire_versions versions;
    assert_true(weir_wire_versions_parse(weir_view(body, sizeof body - 1), &versions));
    assert_int_equal(versions.apis[0].max, 12);
    assert_int_equal(versions.apis[1].min, 4);
    assert_true(versions.apis[3].max < versions.apis[3].min);
    assert_true(weir_wire_has_headers(&versions));
    assert_string_equal(weir_wire_release(&versions), "3.9");
    versions.apis[1].max = 3;
    assert_false(weir_wire_has_headers(&versions));
    assert_string_equal(weir_wire_release(&versions), "0.10");
    /* Cut anywhere, it is refused; so is an error code, and an answer without any request. */
    for (size_t len = 0; len < sizeof body - 1; len++)
        assert_false(weir_wire_versions_parse(weir_view(body, len), &versions));
    assert_false(weir_wire_versions_parse(weir_view("\0\x23\0\0\0\0", 6), &versions));
    assert_false(weir_wire_versions_parse(weir_view("\0\0\0\0\0\0", 6), &versions));
    assert_false(weir_wire_versions_parse(weir_view("\0\0\x7f\xff\xff\xff", 6), &versions));
}

static void test_cluster(void **state) {
    (void)state;
    static const char body[] = "\0\0\0\0"
                               "\0\0\0\2"
                               "\0\0\0\1\0\5shop1\0\0\x23\x84\0\2r1"
                               "\0\0\0\2\0\3::1\0\0\x23\x85\xff\xff"
                               "\0\4abcd"
                               "\0\0\0\2"
                               "\0\0\0\0";
    static struct weir_wire_cluster cluster;
    assert_true(weir_wire_cluster_parse(weir_view(body, sizeof body - 1), &cluster));
    assert_int_equal(cluster.brokers_count, 2);
    assert_int_equal(cluster.controller, 2);
    assert_string_equal(cluster.id, "abcd");
    assert_string_equal(cluster.brokers[0].endpoint.host, "shop1");
    assert_string_equal(cluster.brokers[0].endpoint.port, "9092");
    assert_string_equal(cluster.brokers[1].endpoint.host, "::1");
    for (size_t len = 0; len + 4 < sizeof body - 1; len++)
        assert_false(weir_wire_cluster_parse(weir_view(body, len), &cluster));
}

/* Random bytes, and good ones with a few changed: no answer leads out of its bytes. */
static void test_random_bytes_are_survived(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    struct weir_rand rand;
    static struct weir_wire_versions versions;
    static struct weir_wire_cluster cluster;
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int round = 0; round < 20000; round++) {
        size_t len = weir_rand_below(&rand, 200);
        char *bytes = malloc(len + 1); /* its end is guarded by the sanitizer */
        assert_non_null(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(weir_rand_below(&rand, 3) ? 0 : weir_rand_next(&rand));
        weir_wire_versions_parse(weir_view(bytes, len), &versions);
        if (weir_wire_cluster_parse(weir_view(bytes, len), &cluster))
            assert_true(cluster.brokers_count <= WEIR_WIRE_BROKERS_MAX);
        free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_cluster),
        cmocka_unit_test(test_random_bytes_are_survived),
    };
    return cmocka_run_group_tests_name("doctor/wire", tests, NULL, NULL);
}
