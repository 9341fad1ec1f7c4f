/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/notify.h"

#include "unit.h"

#define L(name, value)                                                                             \
    { WEIR_VIEW_INIT(name), WEIR_VIEW_INIT(value) }
static const struct weir_label one[] = {L("alertname", "Fails"), L("severity", "page"),
                                        L("topic", "a\"b")},
                               two[] = {L("alertname", "Fails"), L("severity", "page"),
                                        L("topic", "c")},
                               note[] = {L("summary", "it fails")};
static const struct weir_alert firing = {.state = WEIR_ALERT_FIRING,
                                         .labels = one,
                                         .labels_count = 3,
                                         .annotations = note,
                                         .annotations_count = 1,
                                         .fired_ns = 1000000000,
                                         .fingerprint = 0xabc},
                               resolved = {.state = WEIR_ALERT_RESOLVED,
                                           .labels = two,
                                           .labels_count = 3,
                                           .annotations = note,
                                           .annotations_count = 1,
                                           .fired_ns = 1000000000,
                                           .resolved_ns = 3000000000,
                                           .fingerprint = 0xdef};
static const struct weir_alert *const both[] = {&firing, &resolved};

static void expect(struct weir_buf *out, const char *text) {
    if (!weir_view_is(weir_buf_view(out), text)) fail_msg("%.*s", (int)out->len, out->ptr);
    weir_buf_done(out);
}

static void alertmanagers_hear_until_when(void **state) {
    (void)state;
    struct weir_buf out;
    weir_buf_init(&out, 4096);
    weir_alert_add_alertmanager(&out, both, 2, 9000000000, "http://here/");
    expect(&out,
           "[{\"labels\":{\"alertname\":\"Fails\",\"severity\":\"page\",\"topic\":\"a\\\"b\"},"
           "\"annotations\":{\"summary\":\"it fails\"},"
           "\"startsAt\":\"1970-01-01T00:00:01.000Z\",\"endsAt\":\"1970-01-01T00:00:09.000Z\","
           "\"generatorURL\":\"http://here/\"},"
           "{\"labels\":{\"alertname\":\"Fails\",\"severity\":\"page\",\"topic\":\"c\"},"
           "\"annotations\":{\"summary\":\"it fails\"},"
           "\"startsAt\":\"1970-01-01T00:00:01.000Z\",\"endsAt\":\"1970-01-01T00:00:03.000Z\","
           "\"generatorURL\":\"http://here/\"}]");
}

static void webhooks_hear_what_is_common(void **state) {
    (void)state;
    struct weir_buf out;
    weir_buf_init(&out, 4096);
    weir_alert_add_webhook(&out, both, 2, NULL);
    struct weir_view text = weir_buf_view(&out);
    static const char *const parts[] = {
        "\"version\":\"4\"",
        "\"receiver\":\"weir\",\"status\":\"firing\"",
        "\"commonLabels\":{\"alertname\":\"Fails\",\"severity\":\"page\"}",
        "\"commonAnnotations\":{\"summary\":\"it fails\"}",
        "{\"status\":\"firing\",\"fingerprint\":\"0000000000000abc\"",
        "{\"status\":\"resolved\",\"fingerprint\":\"0000000000000def\"",
        "\"endsAt\":\"0001-01-01T00:00:00Z\""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (weir_view_find(text, weir_view_str(parts[i])) == SIZE_MAX)
            fail_msg("no %s in %.*s", parts[i], (int)text.len, text.ptr);
    weir_buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alertmanagers_hear_until_when),
        cmocka_unit_test(webhooks_hear_what_is_common),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
