/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/template.h"

#include "unit.h"

static const struct weir_label labels[] = {
    {WEIR_VIEW_INIT("count"), WEIR_VIEW_INIT("1234567")},
    {WEIR_VIEW_INIT("topic"), WEIR_VIEW_INIT("orders")},
};

/* Expected texts of the humanize functions are Prometheus' own answers. */
static void everything_is_filled_in(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
        const char *expected;
    } rows[] = {
        {"plain", 1, "plain"},
        {"{{ $labels.topic }} {{$value}}", 2.5, "orders 2.5"},
        {"{{ .Labels.topic }}/{{ .Value }}", 3, "orders/3"},
        {"{{ $labels.absent }}!", 3, "!"},
        {"{{ $value | humanize }}", 1234567, "1.235M"},
        {"{{ $value | humanize }}", 0.00012, "120u"},
        {"{{ $value | humanize }}", 0, "0"},
        {"{{ $labels.count | humanize }}", 0, "1.235M"},
        {"{{ $value | humanize1024 }}", 1048576, "1Mi"},
        {"{{ $value | humanize1024 }}", 100, "100"},
        {"{{ $value | humanizePercentage }}", 0.1234567, "12.35%"},
        {"{{ $value | humanizeDuration }}", 0.0012, "1.2ms"},
        {"{{ $value | humanizeDuration }}", 3725, "1h 2m 5s"},
        {"{{ $value | humanizeDuration }}", 90061, "1d 1h 1m 1s"},
        {"{{ $value | humanizeDuration }}", 12.5, "12.5s"},
        {"{{ $value | printf \"%.2f\" }}", 3.14159, "3.14"},
        {"{{ printf \"%.1f\" $value }}", 3.14159, "3.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_buf out;
        struct weir_error err;
        weir_buf_init(&out, 1000);
        assert_int_equal(weir_alert_template_check(weir_view_str(rows[i].text), &err), WEIR_OK);
        weir_alert_template_add(&out, weir_view_str(rows[i].text), labels, 2, rows[i].value);
        if (!weir_view_is(weir_buf_view(&out), rows[i].expected))
            fail_msg("%s gives %.*s", rows[i].text, (int)out.len, out.ptr);
        weir_buf_done(&out);
    }
}

static void what_is_not_understood_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"{{",
                                        "{{ }}",
                                        "{{ $values }}",
                                        "{{ $labels. }}",
                                        "{{ $value | }}",
                                        "{{ $value | twice }}",
                                        "{{ query \"up\" }}",
                                        "{{ $value | printf \"%d\" }}",
                                        "fine {{ $value }} then {{ if .Labels }}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct weir_error err;
        if (weir_alert_template_check(weir_view_str(wrong[i]), &err) == WEIR_OK)
            fail_msg("%s was taken", wrong[i]);
        assert_non_null(strstr(err.message, "not understood"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_filled_in),
        cmocka_unit_test(what_is_not_understood_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
