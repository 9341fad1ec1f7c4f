/* SPDX-License-Identifier: Apache-2.0 */
/* weir.* properties, the environment's WEIR_KAFKA_*, filters and the names of spans. */
#include "unit.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "kafka/settings.h"
#include "weir/kafka.h"

static struct weir_kafka_settings *made(void) {
    struct weir_kafka_settings *settings = weir_kafka_settings_new(0);
    assert_non_null(settings);
    return settings;
}

static void set(struct weir_kafka_settings *settings, const char *name, const char *value) {
    struct weir_error err = {0};
    if (weir_kafka_settings_set(settings, name, value, &err)) fail_msg("%s: %s", name, err.message);
}

static void refuse(const char *name, const char *value, const char *words) {
    struct weir_kafka_settings *settings = made(), *untouched = made();
    struct weir_error err = {0};
    assert_int_equal(weir_kafka_settings_set(settings, name, value, &err), WEIR_EINVALID);
    if (!strstr(err.message, words)) fail_msg("'%s' lacks '%s'", err.message, words);
    assert_memory_equal(settings, untouched, sizeof *settings);
    weir_kafka_settings_free(settings);
    weir_kafka_settings_free(untouched);
}

static void test_defaults(void **state) {
    (void)state;
    struct weir_kafka_settings *settings = made();
    assert_int_equal(settings->propagate, WEIR_KAFKA_PROPAGATE_ALWAYS);
    assert_int_equal(settings->process_end, WEIR_KAFKA_PROCESS_END_AUTO);
    assert_int_equal(settings->nesting, WEIR_KAFKA_NESTING_AUTO);
    assert_int_equal(settings->mode, WEIR_KAFKA_MODE_AUTO);
    assert_int_equal(settings->semconv, WEIR_KAFKA_SEMCONV_1_44);
    assert_true(settings->spans && settings->metrics && settings->statistics);
    assert_false(settings->record_keys || settings->origin);
    assert_int_equal(settings->slow_ns, INT64_C(1000000000));
    assert_false(weir_kafka_settings_filters(settings));
    weir_kafka_settings_free(settings);
    settings = weir_kafka_settings_new(WEIR_KAFKA_NO_INJECT | WEIR_KAFKA_NO_SPANS |
                                       WEIR_KAFKA_RECORD_KEYS);
    assert_int_equal(settings->propagate, WEIR_KAFKA_PROPAGATE_OFF);
    assert_true(!settings->spans && settings->metrics && settings->record_keys);
    weir_kafka_settings_free(settings);
}

static void test_every_kind_of_value(void **state) {
    (void)state;
    struct weir_kafka_settings *settings = made();
    set(settings, "weir.propagate", "sampled");
    set(settings, "weir.process.end", "destroy");
    set(settings, "weir.process.mode", "LINK");
    set(settings, "weir.nesting", "off");
    set(settings, "weir.semconv", "document");
    set(settings, "weir.spans", "false");
    set(settings, "weir.metrics", "False");
    set(settings, "weir.statistics", "false");
    set(settings, "weir.origin", "true");
    set(settings, "weir.record.keys", "true");
    set(settings, "weir.slow.ms", "0");
    set(settings, "weir.keys", "first");
    set(settings, "weir.keys", "vip-*");
    set(settings, "weir.header", "tier=gold");
    set(settings, "weir.header", "");
    assert_int_equal(settings->propagate, WEIR_KAFKA_PROPAGATE_SAMPLED);
    assert_int_equal(settings->process_end, WEIR_KAFKA_PROCESS_END_DESTROY);
    assert_int_equal(settings->mode, WEIR_KAFKA_MODE_LINK);
    assert_int_equal(settings->nesting, WEIR_KAFKA_NESTING_OFF);
    assert_int_equal(settings->semconv, WEIR_KAFKA_SEMCONV_DOCUMENT);
    assert_false(settings->spans || settings->metrics || settings->statistics);
    assert_true(settings->origin && settings->record_keys);
    assert_int_equal(settings->slow_ns, 0);
    assert_string_equal(settings->keys, "vip-*");
    assert_null(settings->header);
    weir_kafka_settings_free(settings);
}

static void test_wrong_values(void **state) {
    (void)state;
    refuse("weir.slow", "1", "did you mean 'weir.slow.ms'?");
    refuse("weir.propagat", "off", "'weir.propagate'");
    refuse("weir.utterly.different.name", "1", "no property 'weir.utterly.different.name'");
    refuse("weir.propagate", "some", "\"some\": must be always, sampled or off");
    refuse("weir.spans", "1", "must be false or true");
    refuse("weir.spans", "", "must be");
    refuse("weir.slow.ms", "-1", "whole number from 0");
    refuse("weir.slow.ms", "1s", "whole number");
    refuse("weir.span.name.send", "{operation} {topik}",
           "\"{topik}\" must be {operation}, {topic}");
    refuse("weir.span.name.poll", "{operation", "\"{operation\" must be");
}

static void test_copies_stand_alone(void **state) {
    (void)state;
    struct weir_kafka_settings *settings = made();
    set(settings, "weir.keys", "a*");
    set(settings, "weir.span.name.send", "{topic}!");
    set(settings, "weir.slow.ms", "7");
    struct weir_kafka_settings *copy = weir_kafka_settings_copy(settings);
    weir_kafka_settings_free(settings);
    assert_string_equal(copy->keys, "a*");
    assert_string_equal(copy->names[WEIR_KAFKA_SEND], "{topic}!");
    assert_int_equal(copy->slow_ns, 7000000);
    weir_kafka_settings_free(copy);
}

static void test_environment_has_the_last_word(void **state) {
    (void)state;
    struct weir_kafka_settings *settings = made();
    set(settings, "weir.propagate", "off");
    set(settings, "weir.process.mode", "link");
    set(settings, "weir.span.name.send", "old");
    setenv("WEIR_KAFKA_PROPAGATE", "always", 1);
    setenv("WEIR_KAFKA_PROCESS_MODE", "nonsense", 1);
    setenv("WEIR_KAFKA_SPAN_NAME_SEND", "{client}", 1);
    setenv("WEIR_KAFKA_TOPICS_EXCLUDE", "", 1);
    setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http, messaging/dup", 1);
    weir_kafka_settings_environment(settings);
    assert_int_equal(settings->propagate, WEIR_KAFKA_PROPAGATE_ALWAYS);
    assert_int_equal(settings->mode, WEIR_KAFKA_MODE_LINK);
    assert_string_equal(settings->names[WEIR_KAFKA_SEND], "{client}");
    assert_null(settings->topics_exclude);
    assert_int_equal(settings->semconv, WEIR_KAFKA_SEMCONV_DUP);
    setenv("WEIR_KAFKA_SEMCONV", "document", 1);
    weir_kafka_settings_environment(settings);
    assert_int_equal(settings->semconv, WEIR_KAFKA_SEMCONV_DOCUMENT);
    unsetenv("WEIR_KAFKA_SEMCONV");
    setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "messaging", 1);
    weir_kafka_settings_environment(settings);
    assert_int_equal(settings->semconv, WEIR_KAFKA_SEMCONV_1_44);
    weir_kafka_settings_free(settings);
    unsetenv("WEIR_KAFKA_PROPAGATE");
    unsetenv("WEIR_KAFKA_PROCESS_MODE");
    unsetenv("WEIR_KAFKA_SPAN_NAME_SEND");
    unsetenv("WEIR_KAFKA_TOPICS_EXCLUDE");
    unsetenv("OTEL_SEMCONV_STABILITY_OPT_IN");
}

static void test_globs(void **state) {
    (void)state;
    static const struct {
        const char *globs, *text;
        bool matches;
    } cases[] = {{"orders", "orders", true},
                 {"orders", "order", false},
                 {"orders", "orders2", false},
                 {"*", "", true},
                 {"ord*", "orders", true},
                 {"*ers", "orders", true},
                 {"o*d*s", "orders", true},
                 {"o*x*s", "orders", false},
                 {"*a*b", "aXbaXb", true},
                 {"?rders", "orders", true},
                 {"?", "", false},
                 {"payments, ord*", "orders", true},
                 {"payments,shipping", "orders", false},
                 {"", "orders", false},
                 {"", "", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (weir_kafka_globs_match(cases[i].globs, weir_view_str(cases[i].text)) !=
            cases[i].matches)
            fail_msg("'%s' on '%s'", cases[i].globs, cases[i].text);
    assert_false(weir_kafka_globs_match(NULL, WEIR_VIEW("x")));
}

static void test_which_topics(void **state) {
    (void)state;
    struct weir_kafka_settings *settings = made();
    assert_true(weir_kafka_settings_observes(settings, "orders"));
    set(settings, "weir.topics.include", "ord*,pay*");
    set(settings, "weir.topics.exclude", "*-test");
    set(settings, "weir.propagate.exclude", "pay*");
    assert_true(weir_kafka_settings_observes(settings, "orders"));
    assert_false(weir_kafka_settings_observes(settings, "shipping"));
    assert_false(weir_kafka_settings_observes(settings, "orders-test"));
    assert_true(weir_kafka_settings_propagates(settings, "orders"));
    assert_false(weir_kafka_settings_propagates(settings, "payments"));
    assert_false(weir_kafka_settings_propagates(settings, "shipping"));
    set(settings, "weir.propagate", "off");
    assert_false(weir_kafka_settings_propagates(settings, "orders"));
    weir_kafka_settings_free(settings);
}

static void test_which_messages(void **state) {
    (void)state;
    const struct weir_rd *rd = weir_rd(NULL);
    struct weir_kafka_settings *settings = made();
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(headers, "tier", -1, "gold", 4);
    rd_kafka_header_add(headers, "empty", -1, NULL, 0);
    struct weir_view none = {NULL, 0};
    assert_true(weir_kafka_settings_passes(settings, rd, none, NULL));
    set(settings, "weir.keys", "vip-*");
    assert_true(weir_kafka_settings_filters(settings));
    assert_true(weir_kafka_settings_passes(settings, rd, WEIR_VIEW("vip-1"), NULL));
    assert_false(weir_kafka_settings_passes(settings, rd, WEIR_VIEW("guest"), NULL));
    assert_false(weir_kafka_settings_passes(settings, rd, none, NULL));
    set(settings, "weir.header", "tier = gold");
    assert_false(weir_kafka_settings_passes(settings, rd, WEIR_VIEW("vip-1"), NULL));
    assert_true(weir_kafka_settings_passes(settings, rd, WEIR_VIEW("vip-1"), headers));
    assert_false(weir_kafka_settings_passes(settings, rd, WEIR_VIEW("guest"), headers));
    set(settings, "weir.keys", "");
    set(settings, "weir.header", "tier=silver");
    assert_false(weir_kafka_settings_passes(settings, rd, none, headers));
    set(settings, "weir.header", "empty");
    assert_true(weir_kafka_settings_passes(settings, rd, none, headers));
    set(settings, "weir.header", "absent");
    assert_false(weir_kafka_settings_passes(settings, rd, none, headers));
    rd_kafka_headers_destroy(headers);
    weir_kafka_settings_free(settings);
}

static void test_names_of_spans(void **state) {
    (void)state;
    char name[WEIR_KAFKA_NAME_SIZE], small[8];
    struct weir_kafka_settings *settings = made();
    weir_kafka_settings_name(settings, WEIR_KAFKA_SEND, "orders", NULL, "c", name, sizeof name);
    assert_string_equal(name, "send orders");
    weir_kafka_settings_name(settings, WEIR_KAFKA_POLL, NULL, "g", "c", name, sizeof name);
    assert_string_equal(name, "poll");
    set(settings, "weir.span.name.process", "{group}/{topic} {operation} by {client}");
    weir_kafka_settings_name(settings, WEIR_KAFKA_PROCESS, "orders", "g", "c", name, sizeof name);
    assert_string_equal(name, "g/orders process by c");
    weir_kafka_settings_name(settings, WEIR_KAFKA_COMMIT, "a-long-topic", NULL, NULL, small,
                             sizeof small);
    assert_string_equal(small, "commit");
    weir_kafka_settings_name(settings, WEIR_KAFKA_SEND, "a-long-topic", NULL, NULL, small,
                             sizeof small);
    assert_string_equal(small, "send a-");
    weir_kafka_settings_free(settings);
}

/* The properties of a configuration, of its copies, and what is wrong with them. */
static void test_properties_of_a_configuration(void **state) {
    (void)state;
    char text[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "weir.spans", "false", text, sizeof text),
                     RD_KAFKA_CONF_UNKNOWN);
    assert_int_equal(weir_kafka_instrument(conf, 0, NULL), WEIR_OK);
    assert_int_equal(weir_kafka_instrument(conf, 0, NULL), WEIR_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "weir.spans", "false", text, sizeof text),
                     RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "weir.spams", "false", text, sizeof text),
                     RD_KAFKA_CONF_INVALID);
    assert_non_null(strstr(text, "did you mean 'weir.spans'?"));
    assert_int_equal(rd_kafka_conf_set(conf, "weir.slow.ms", "soon", text, sizeof text),
                     RD_KAFKA_CONF_INVALID);
    assert_non_null(strstr(text, "whole number"));
    assert_int_equal(rd_kafka_conf_set(conf, "no.such", "1", text, sizeof text),
                     RD_KAFKA_CONF_UNKNOWN);
    rd_kafka_conf_t *copy = rd_kafka_conf_dup(conf);
    rd_kafka_conf_destroy(conf);
    assert_int_equal(rd_kafka_conf_set(copy, "weir.metrics", "false", text, sizeof text),
                     RD_KAFKA_CONF_OK);
    rd_kafka_conf_destroy(copy);
}

static void test_properties_of_a_client(void **state) {
    (void)state;
    struct weir_error err = {0};
    struct weir_kafka_options options = {.struct_size = sizeof options,
                                         .brokers = "127.0.0.1:1",
                                         .properties = "weir.propagate=sampled\nlinger.ms=1\n"};
    struct weir_producer *producer = weir_producer_open(&options, &err);
    assert_non_null(producer);
    weir_producer_close(producer);
    options.properties = "linger.ms=1\nweir.propagate=never\n";
    assert_null(weir_producer_open(&options, &err));
    assert_non_null(strstr(err.message, "must be always, sampled or off"));
    assert_int_equal(err.line, 2);
}

/* docs/kafka.md names every property, in the order of the code, with its variable. */
static void test_the_page_lists_all(void **state) {
    (void)state;
    char line[1024];
    size_t listed = 0;
    FILE *page = fopen("docs/kafka.md", "r");
    assert_non_null(page);
    while (fgets(line, sizeof line, page)) {
        char name[64], variable[64], expected[96];
        if (sscanf(line, "| `%63[a-z.]` | `%63[A-Z_]` |", name, variable) != 2) continue;
        const char *known = weir_kafka_settings_property(listed);
        if (!known || strcmp(name, known) != 0)
            fail_msg("line %zu of the table is %s, not %s", listed + 1, name, known);
        snprintf(expected, sizeof expected, "WEIR_KAFKA_%s", name + sizeof "weir." - 1);
        for (char *c = expected; *c; c++) *c = *c == '.' ? '_' : *c >= 'a' ? (char)(*c - 32) : *c;
        assert_string_equal(variable, expected);
        listed++;
    }
    assert_null(weir_kafka_settings_property(listed));
    fclose(page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_kind_of_value),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_copies_stand_alone),
        cmocka_unit_test(test_environment_has_the_last_word),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_which_topics),
        cmocka_unit_test(test_which_messages),
        cmocka_unit_test(test_names_of_spans),
        cmocka_unit_test(test_properties_of_a_configuration),
        cmocka_unit_test(test_properties_of_a_client),
        cmocka_unit_test(test_the_page_lists_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
