/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/promtext.h"

#include <math.h>

#include "comma_locale.h"

static const uint8_t trace_id[16] = {1, 2, 3}, span_id[8] = {4, 5};

static void write_sample_page(struct weir_promtext *w) {
    struct weir_view total = WEIR_VIEW("sent_total"), duration = WEIR_VIEW("wait_seconds");
    weir_promtext_family(w, total, "counter", WEIR_VIEW("Sent \\ \"all\"\nof them."),
                         WEIR_VIEW(""));
    weir_promtext_sample(w, total, "");
    weir_promtext_label(w, WEIR_VIEW("topic"), WEIR_VIEW("a\\b\"c\nd"));
    weir_promtext_labels_raw(w, WEIR_VIEW("x=\"1\",y=\"2\""));
    weir_promtext_labels_raw(w, WEIR_VIEW(""));
    weir_promtext_value(w, 12);
    weir_promtext_family(w, duration, "histogram", WEIR_VIEW(""), WEIR_VIEW("seconds"));
    weir_promtext_sample(w, duration, "_bucket");
    weir_promtext_label_f64(w, "le", 1);
    weir_promtext_value_exemplar(w, 3, trace_id, span_id, 0.5, INT64_C(1700000000123000000));
    weir_promtext_sample(w, duration, "_bucket");
    weir_promtext_label_f64(w, "le", INFINITY);
    weir_promtext_value(w, 4);
    weir_promtext_sample(w, duration, "_sum");
    weir_promtext_value(w, NAN);
    weir_promtext_end(w);
}

static void assert_page(bool openmetrics, const char *expected) {
    struct weir_buf buf;
    weir_buf_init(&buf, 10000);
    struct weir_promtext w = weir_promtext(&buf, openmetrics);
    write_sample_page(&w);
    assert_view_is(weir_buf_view(&buf), expected);
    weir_buf_done(&buf);
}

static void writes_the_text_format(void **state) {
    (void)state;
    assert_page(false, "# HELP sent_total Sent \\\\ \"all\"\\nof them.\n"
                       "# TYPE sent_total counter\n"
                       "sent_total{topic=\"a\\\\b\\\"c\\nd\",x=\"1\",y=\"2\"} 12\n"
                       "# TYPE wait_seconds histogram\n"
                       "wait_seconds_bucket{le=\"1\"} 3\n"
                       "wait_seconds_bucket{le=\"+Inf\"} 4\n"
                       "wait_seconds_sum NaN\n");
}

static void writes_openmetrics(void **state) {
    (void)state;
    assert_page(
        true, "# HELP sent Sent \\\\ \\\"all\\\"\\nof them.\n"
              "# TYPE sent counter\n"
              "sent_total{topic=\"a\\\\b\\\"c\\nd\",x=\"1\",y=\"2\"} 12\n"
              "# TYPE wait_seconds histogram\n"
              "# UNIT wait_seconds seconds\n"
              "wait_seconds_bucket{le=\"1.0\"} 3 # {trace_id=\"01020300000000000000000000000000\","
              "span_id=\"0405000000000000\"} 0.5 1700000000.123\n"
              "wait_seconds_bucket{le=\"+Inf\"} 4\n"
              "wait_seconds_sum NaN\n"
              "# EOF\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_text_format),
        cmocka_unit_test(writes_openmetrics),
        cmocka_unit_test_setup_teardown(writes_openmetrics, comma_locale_enter, comma_locale_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
