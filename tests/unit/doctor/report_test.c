/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/report.h"

#include "base/clock.h"
#include "unit.h"
#include "wire/json.h"

static bool has(struct weir_buf *buf, const char *text) {
    return weir_view_find(weir_buf_view(buf), weir_view_str(text)) != SIZE_MAX;
}

static void test_text(void **state) {
    (void)state;
    struct weir_report *report = weir_report_new();
    struct weir_buf out;
    weir_buf_init(&out, 1 << 16);
    weir_report_detail(report, "before any finding: nothing");
    weir_report_add(report, WEIR_FINDING_OK, "kafka.server", "%s answers.", "a:1");
    weir_report_add(report, WEIR_FINDING_FAIL, "kafka.server", "%s \x1b[31m", "b:2");
    /* The second is not complete yet. */
    assert_int_equal(weir_report_wait(report, false, 0), WEIR_REPORT_NEWS);
    weir_report_add_text(report, &out, false);
    assert_true(has(&out, "Kafka\n  ok    a:1 answers.\n"));
    assert_false(has(&out, "b:2"));
    assert_int_equal(weir_report_wait(report, false, 0), WEIR_REPORT_LATE);
    weir_report_detail(report, "first line");
    weir_report_detail(report, "second line");
    weir_report_remedy(report, "do this");
    weir_report_close(report);
    assert_int_equal(weir_report_wait(report, true, 0), WEIR_REPORT_CLOSED);
    weir_buf_clear(&out);
    weir_report_add_text(report, &out, false);
    weir_report_add_summary(report, &out, false);
    assert_true(has(&out, "  FAIL  b:2 ?[31m\n        first line\n        second line\n"));
    assert_true(has(&out, "     -> do this\n"));
    assert_true(has(&out, "1 thing is wrong; 0 to look at, 1 well, 0 not checked."));
    assert_false(has(&out, "\x1b"));
    weir_buf_clear(&out);
    weir_report_add_summary(report, &out, true);
    assert_true(has(&out, "\x1b"));
    weir_buf_done(&out);
    weir_report_free(report);
}

static void test_json(void **state) {
    (void)state;
    struct weir_report *report = weir_report_new();
    struct weir_buf out;
    struct weir_json json;
    enum weir_json_token token;
    weir_buf_init(&out, 1 << 16);
    weir_report_add(report, WEIR_FINDING_WARN, "topic.size", "\"quoted\"\xff\n");
    weir_report_close(report);
    weir_report_add_json(report, &out);
    weir_json_init(&json, weir_view_trim(weir_buf_view(&out)));
    while ((token = weir_json_next(&json)) != WEIR_JSON_END)
        assert_int_not_equal(token, WEIR_JSON_ERROR);
    assert_true(has(&out, "\"id\":\"topic.size\",\"status\":\"warn\""));
    assert_true(has(&out, "\"summary\":{\"ok\":0,\"warn\":1,\"fail\":0,\"skip\":0}"));
    weir_buf_done(&out);
    weir_report_free(report);
}

/* A writer that hangs: the reader gives up, and what comes later is dropped. */
static void test_abandoned(void **state) {
    (void)state;
    struct weir_report *report = weir_report_new();
    weir_report_add(report, WEIR_FINDING_OK, "kafka.server", "half");
    assert_int_equal(weir_report_wait(report, true, weir_clock_mono_ns()), WEIR_REPORT_LATE);
    weir_report_abandon(report, "doctor.timeout", "too long", "more time");
    assert_int_equal(weir_report_wait(report, true, 0), WEIR_REPORT_CLOSED);
    weir_report_add(report, WEIR_FINDING_FAIL, "kafka.server", "late");
    weir_report_close(report);
    assert_int_equal(weir_report_count(report, WEIR_FINDING_FAIL), 1);
    assert_int_equal(weir_report_count(report, WEIR_FINDING_OK), 0);
    weir_report_free(report);
    weir_report_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_abandoned),
    };
    return cmocka_run_group_tests_name("doctor/report", tests, NULL, NULL);
}
