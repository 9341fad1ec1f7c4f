/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/graph.h"

#include "base/clock.h"
#include "pipeline.h"

/* ---- tests ----------------------------------------------------------------------------------- */

static void without_pipelines_all_goes_to_the_store(void **state) {
    (void)state;
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, "{}", &store);
    struct heard heard = push(graph, spans(5));
    assert_int_equal(heard.answers, 1);
    assert_int_equal(heard.code, WEIR_OK);
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], 5);
    for (int i = 0; i < WEIR_SIGNALS_COUNT; i++)
        assert_true(weir_graph_takes(graph, "otlp", (enum weir_signal)i));
    assert_null(weir_graph_entry(graph, "zipkin"));
    finish(&file, graph, &store);
}

static const char edits[] =
    "processors:\n"
    "  attributes:\n"
    "    actions:\n"
    "      - {key: environment, action: insert, value: dev}\n"
    "      - {key: user, action: convert, converted_type: int}\n"
    "      - {key: copy, action: upsert, from_attribute: user}\n"
    "      - {key: absent, action: update, value: x}\n"
    "  attributes/drop: {actions: [{key: environment, action: delete}]}\n"
    "  resource: {attributes: [{key: deployment.environment, value: test, action: insert}]}\n"
    "service:\n"
    "  pipelines:\n"
    "    traces: {receivers: [otlp], processors: [attributes, resource], exporters: [weir]}\n"
    "    logs: {receivers: [otlp], processors: [attributes/drop], exporters: [weir]}\n";

static void processors_edit_in_their_order(void **state) {
    (void)state;
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, edits, &store);
    assert_int_equal(push(graph, spans(3)).code, WEIR_OK);
    assert_int_equal(store.last->spans_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct weir_attrs attrs = store.last->spans[i].attrs;
        assert_int_equal(attrs.count, 3);
        assert_view_is(attr_of(attrs, "environment")->str, "dev");
        assert_int_equal(attr_of(attrs, "user")->i64, 42);
        assert_int_equal(attr_of(attrs, "copy")->i64, 42);
    }
    struct weir_attrs resource = store.last->resources[0].attrs;
    assert_view_is(attr_of(resource, "service.name")->str, "shop");
    assert_view_is(attr_of(resource, "deployment.environment")->str, "test");
    assert_false(weir_graph_takes(graph, "otlp", WEIR_SIGNAL_METRIC));
    finish(&file, graph, &store);
}

static const char sampled[] =
    "processors: {probabilistic_sampler: {sampling_percentage: 25}}\n"
    "exporters: {debug: {sampling_initial: 0, sampling_thereafter: 1000000}}\n"
    "service:\n"
    "  pipelines:\n"
    "    traces: {receivers: [otlp], processors: [probabilistic_sampler], exporters: [weir, "
    "debug]}\n";

static void the_sampler_keeps_its_share_by_trace(void **state) {
    (void)state;
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, sampled, &store);
    struct weir_otlp_batch *batch = spans(8000);
    push(graph, weir_otlp_batch_ref(batch));
    uint32_t kept = store.records[WEIR_SIGNAL_TRACE];
    assert_in_range(kept, 2000 - 300, 2000 + 300); /* seven standard deviations */
    push(graph, weir_otlp_batch_ref(batch));
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], 2 * kept);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < batch->spans_count; i++)
        expected += batch->spans[i].trace_id[9] >= 192;
    assert_int_equal(kept, expected); /* the highest quarter of the last 56 bits */
    weir_otlp_batch_unref(batch);
    finish(&file, graph, &store);
}

static const char two_ways[] = "service:\n"
                               "  pipelines:\n"
                               "    traces: {receivers: [otlp], exporters: [weir]}\n"
                               "    traces/again: {receivers: [otlp, zipkin], exporters: [weir]}\n";

static void two_pipelines_answer_once(void **state) {
    (void)state;
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, two_ways, &store);
    struct heard heard = push(graph, spans(2));
    assert_int_equal(heard.answers, 1);
    assert_int_equal(heard.code, WEIR_OK);
    assert_int_equal(store.batches, 2);
    store.code = WEIR_EBUSY;
    heard = push(graph, spans(2));
    assert_int_equal(heard.answers, 1);
    assert_int_equal(heard.code, WEIR_EBUSY);
    assert_non_null(weir_graph_entry(graph, "zipkin"));
    finish(&file, graph, &store);
}

static const char joined[] =
    "processors: {batch: {timeout: 10s, send_batch_size: 10}}\n"
    "service:\n"
    "  pipelines:\n"
    "    traces: {receivers: [otlp], processors: [batch], exporters: [weir]}\n";

static void small_batches_are_joined_and_answered_when_stored(void **state) {
    (void)state;
    struct file file;
    struct counting store;
    struct heard heard[5] = {{0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}};
    struct weir_graph *graph = open_good(&file, joined, &store);
    struct weir_sink *entry = weir_graph_entry(graph, "otlp");
    for (int i = 0; i < 3; i++) weir_sink_push(entry, spans(3), hear, &heard[i]);
    weir_sink_push(entry, spans(1), hear, &heard[3]);
    assert_true(store.batches < 4);
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], 10);
    weir_sink_push(entry, spans(2), hear, &heard[4]);
    finish(&file, graph, &store); /* what is held goes out */
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], 12);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(heard[i].answers, 1);
        assert_int_equal(heard[i].code, WEIR_OK);
    }
}

static const char limited[] =
    "processors: {memory_limiter: {check_interval: 1ms, limit_mib: 2, spike_limit_mib: 1}}\n"
    "service:\n"
    "  pipelines:\n"
    "    traces: {receivers: [otlp], processors: [memory_limiter], exporters: [weir]}\n";

static void above_the_limit_batches_are_refused(void **state) {
    (void)state;
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, limited, &store); /* nobody needs less than 1 MiB */
    int code = WEIR_OK;
    for (int i = 0; i < 1000 && code == WEIR_OK; i++) {
        code = push(graph, spans(1)).code;
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
    }
    assert_int_equal(code, WEIR_EBUSY);
    finish(&file, graph, &store);
}

static void what_is_wrong_is_named_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
        uint32_t line;
    } wrong[] = {
        {"service:\n pipelines:\n  traces: {receivers: [otlp], exporters: [wier]}", "'weir'", 3},
        {"service:\n pipelines:\n  traces: {receivers: [oltp], exporters: [weir]}", "'otlp'", 3},
        {"service:\n pipelines:\n  spans: {receivers: [otlp], exporters: [weir]}", "traces", 3},
        {"service:\n pipelines:\n  traces: {receivers: [otlp], exporters: []}", "needs exporters",
         3},
        {"service:\n pipelines:\n  traces: {receivers: [otlp], exporter: [weir]}", "exporters", 3},
        {"processors: {atributes: }\nservice:\n pipelines:\n  traces: {receivers: [otlp], "
         "processors: [atributes], exporters: [weir]}",
         "'attributes'", 1},
        {"service:\n pipelines:\n  traces: {receivers: [otlp], processors: [nobody], exporters: "
         "[weir]}",
         "nobody", 3},
        {"processors: {probabilistic_sampler: {sampling_percentage: 5}}\nservice:\n pipelines:\n  "
         "metrics: {receivers: [otlp], processors: [probabilistic_sampler], exporters: [weir]}",
         "takes no metrics", 4},
        {"processors:\n attributes:\n  actions: [{key: a, action: insret, value: 1}]\nservice:\n "
         "pipelines:\n  logs: {receivers: [otlp], processors: [attributes], exporters: [weir]}",
         "'insert'", 3},
        {"processors:\n attributes:\n  actions: [{key: a, action: insert}]\nservice:\n "
         "pipelines:\n "
         " logs: {receivers: [otlp], processors: [attributes], exporters: [weir]}",
         "either value or from_attribute", 3},
        {"processors: {attributes: }\nservice:\n pipelines:\n  logs: {receivers: [otlp], "
         "processors: [attributes], exporters: [weir]}",
         "list of actions", 1},
        {"connectors: {spanmetrics: }\nservice:\n pipelines:\n  traces: {receivers: [otlp], "
         "exporters: [weir, spanmetrics]}",
         "no pipeline's receiver", 1},
        {"connectors: {spanmetrics: }\nservice:\n pipelines:\n  metrics: {receivers: "
         "[spanmetrics], exporters: [weir]}",
         "no pipeline's exporter", 4},
        {"connectors: {spanmetrics: }\nservice:\n pipelines:\n  logs: {receivers: [otlp], "
         "exporters: [spanmetrics]}",
         "takes no logs", 4},
        {"exporters:\n debug: {verbosity: loud}\nservice:\n pipelines:\n  logs: {receivers: "
         "[otlp], "
         "exporters: [debug]}",
         "basic, normal or detailed", 2},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct file file;
        struct counting store;
        struct weir_graph *graph = NULL;
        assert_int_equal(open_text(&file, wrong[i].text, &store, &graph), WEIR_EINVALID);
        assert_null(graph);
        if (!strstr(file.err.message, wrong[i].words) || file.err.line != wrong[i].line)
            fail_msg("%zu: %u:%u: %s", i, file.err.line, file.err.column, file.err.message);
        finish(&file, NULL, &store);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_pipelines_all_goes_to_the_store),
        cmocka_unit_test(processors_edit_in_their_order),
        cmocka_unit_test(the_sampler_keeps_its_share_by_trace),
        cmocka_unit_test(two_pipelines_answer_once),
        cmocka_unit_test(small_batches_are_joined_and_answered_when_stored),
        cmocka_unit_test(above_the_limit_batches_are_refused),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
