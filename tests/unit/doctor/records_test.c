/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/records.h"

#include "base/rand.h"
#include "unit.h"
#include "weir/propagation.h"

#define GOOD "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void test_faults(void **state) {
    (void)state;
    static const struct {
        const char *value, *words; /* NULL: it is well */
    } cases[] = {
        {GOOD, NULL},
        {"cc"
         "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
         NULL},
        {"", "empty"},
        {"00-4bf9", "shorter"},
        {GOOD "0", "longer"},
        {"00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "capital"},
        {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "version ff"},
        {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "trace id is all zero"},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "span id is all zero"},
        {"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "divided"},
        {"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", "other than"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *fault = weir_doctor_traceparent_fault(weir_view_str(cases[i].value));
        assert_int_equal(fault == NULL, cases[i].words == NULL);
        if (fault) assert_non_null(strstr(fault, cases[i].words ? cases[i].words : ""));
    }
}

/* What the SDK takes has no fault, and what it does not take has one. */
static void test_faults_agree_with_the_sdk(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    struct weir_rand rand;
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int round = 0; round < 50000; round++) {
        static const char alphabet[] = "0123456789abcdefABg-_ \0";
        char text[80];
        size_t len = 50 + weir_rand_below(&rand, 10);
        snprintf(text, sizeof text, "%s%s", GOOD, "0123456789");
        for (uint64_t changes = weir_rand_below(&rand, 3); changes > 0; changes--)
            text[weir_rand_below(&rand, len)] = alphabet[weir_rand_below(&rand, sizeof alphabet)];
        struct weir_span_context sc;
        bool taken = weir_traceparent_parse(text, len, &sc);
        assert_int_equal(weir_doctor_traceparent_fault(weir_view(text, len)) == NULL, taken);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_faults_agree_with_the_sdk),
    };
    return cmocka_run_group_tests_name("doctor/records", tests, NULL, NULL);
}
