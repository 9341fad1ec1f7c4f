/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/processors/tail_store.h"

#include <stdio.h>

#include "base/clock.h"
#include "pipeline.h"

/* ---- traces ---------------------------------------------------------------------------------- */

struct made {
    uint8_t trace_id[16];
    int64_t duration_ns;
    bool error;
    const char *service, *user; /* user: an attribute of one span, or NULL */
    uint32_t spans;
};

/* Span `index` of the trace into an open buffer, in a group of its own. */
static void put_span_of(struct weir_buf *buf, const struct made *made, uint32_t index) {
    const struct weir_attr resource = {WEIR_VIEW("service.name"),
                                       weir_value_str(weir_view_str(made->service))};
    const struct weir_attr user = {WEIR_VIEW("user"),
                                   weir_value_str(weir_view_str(made->user ? made->user : ""))};
    uint8_t id[8] = {1, (uint8_t)index, (uint8_t)(index >> 8)};
    bool last = index + 1 == made->spans;
    struct weir_otlp_group group;
    struct weir_otlp_span span = {.trace_id = made->trace_id,
                                  .span_id = id,
                                  .name = WEIR_VIEW("work"),
                                  .kind = WEIR_SPAN_KIND_INTERNAL,
                                  .start_ns = 1000,
                                  .end_ns = 1000 + (last ? made->duration_ns : 1),
                                  .attrs = {&user, made->user && last ? 1 : 0},
                                  .status_code = made->error && last ? WEIR_SPAN_STATUS_ERROR
                                                                     : WEIR_SPAN_STATUS_UNSET};
    weir_otlp_group_begin(&group, buf, (struct weir_attrs){&resource, 1}, WEIR_VIEW("lib"),
                          WEIR_VIEW("1"));
    weir_otlp_put_span(buf, &span);
    weir_otlp_group_end(&group);
}

static struct weir_otlp_batch *batch_of(struct weir_buf *buf) {
    struct weir_otlp_batch *batch;
    size_t len;
    char *body = weir_buf_take(buf, &len);
    assert_int_equal(weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, body, len, 0, &batch, NULL),
                     WEIR_OK);
    return batch;
}

static struct weir_otlp_batch *whole(const struct made *made) {
    struct weir_buf buf;
    weir_buf_init(&buf, 64 << 20);
    for (uint32_t i = 0; i < made->spans; i++) put_span_of(&buf, made, i);
    return batch_of(&buf);
}

#define TAIL(settings, policies)                                                                   \
    "processors:\n"                                                                                \
    "  tail_sampling:\n    decision_wait: 1h\n" settings "    policies:\n" policies "service:\n"   \
    "  pipelines:\n"                                                                               \
    "    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [weir]}\n"

/* ---- decisions ------------------------------------------------------------------------------- */

/* Whole traces in shuffled single spans: all spans of the slow, the failed and the named ones come
 * out, none of the others'. */
static void traces_are_kept_whole(void **state) {
    (void)state;
    static const char text[] = TAIL(
        "", "      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}\n"
            "      - {name: slow, type: latency, latency: {threshold_ms: 500}}\n"
            "      - {name: ann, type: string_attribute, string_attribute: {key: user, values: "
            "[ann, bob]}}\n");
    enum { TRACES = 300 };
    static struct made traces[TRACES];
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    uint32_t total = 0, expected = 0, sent = 0;
    static uint32_t order[TRACES * 8];
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (uint32_t t = 0; t < TRACES; t++) {
        weir_rand_fill(traces[t].trace_id, 16);
        traces[t].spans = 1 + (uint32_t)weir_rand_below(&rand, 8);
        traces[t].service = "shop";
        traces[t].error = weir_rand_below(&rand, 5) == 0;
        traces[t].duration_ns = weir_rand_below(&rand, 5) == 0 ? 600000000 : 1000;
        traces[t].user = weir_rand_below(&rand, 5) == 0 ? "bob" : "carl";
        bool kept = traces[t].error || traces[t].duration_ns > 1000 || traces[t].user[0] == 'b';
        if (kept) expected += traces[t].spans;
        for (uint32_t i = 0; i < traces[t].spans; i++) order[total++] = t << 8 | i;
    }
    for (uint32_t i = total - 1; i > 0; i--) {
        uint32_t other = (uint32_t)weir_rand_below(&rand, i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, text, &store);
    while (sent < total) {
        struct weir_buf buf;
        weir_buf_init(&buf, 1 << 20);
        for (uint64_t n = 1 + weir_rand_below(&rand, 20); n && sent < total; n--, sent++)
            put_span_of(&buf, &traces[order[sent] >> 8], order[sent] & 255);
        assert_int_equal(push(graph, batch_of(&buf)).code, WEIR_OK);
    }
    assert_int_equal(store.batches, 0); /* nothing before its time */
    weir_graph_stop(graph, weir_clock_mono_ns());
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], expected);
    assert_view_is(store.last->scopes[0].name, "lib");
    assert_view_is(attr_of(store.last->resources[0].attrs, "service.name")->str, "shop");
    finish(&file, graph, &store);
}

static void late_spans_follow_the_decision(void **state) {
    (void)state;
    static const char text[] =
        "processors:\n"
        "  tail_sampling:\n"
        "    decision_wait: 1ms\n"
        "    policies: [{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]\n"
        "service:\n"
        "  pipelines:\n"
        "    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [weir]}\n";
    struct made kept = {.spans = 1, .error = true, .service = "a"},
                left = {.spans = 1, .service = "a"};
    weir_rand_fill(kept.trace_id, 16);
    weir_rand_fill(left.trace_id, 16);
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, text, &store);
    assert_int_equal(push(graph, whole(&left)).code, WEIR_OK);
    assert_int_equal(push(graph, whole(&kept)).code, WEIR_OK);
    for (int i = 0; i < 1000 && !store.records[WEIR_SIGNAL_TRACE]; i++)
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], 1);
    kept.error = false; /* by itself this span would not be kept */
    left.error = true;
    push(graph, whole(&kept));
    push(graph, whole(&left));
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], 2);
    weir_graph_stop(graph, weir_clock_mono_ns());
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], 2);
    finish(&file, graph, &store);
}

static void without_room_the_oldest_are_decided_early(void **state) {
    (void)state;
    static const char text[] = TAIL("    num_traces: 100\n    memory: 1MiB\n",
                                    "      - {name: all, type: always_sample}\n");
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, text, &store);
    uint32_t sent = 0;
    for (int i = 0; i < 500; i++) {
        struct made made = {.spans = 40, .service = "a"};
        weir_rand_fill(made.trace_id, 16);
        push(graph, whole(&made));
        sent += 40;
        assert_true(sent - store.records[WEIR_SIGNAL_TRACE] <= 100 * 40);
    }
    weir_graph_stop(graph, weir_clock_mono_ns());
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], sent);
    finish(&file, graph, &store);
}

static void what_downstream_refuses_is_tried_again(void **state) {
    (void)state;
    static const char text[] = TAIL("", "      - {name: all, type: always_sample}\n");
    struct made made = {.spans = 3, .service = "a"};
    struct file file;
    struct counting store;
    weir_rand_fill(made.trace_id, 16);
    struct weir_graph *graph = open_good(&file, text, &store);
    store.code = WEIR_EBUSY;
    push(graph, whole(&made));
    weir_graph_stop(graph, weir_clock_mono_ns());
    assert_int_equal(store.batches, 1); /* refused */
    finish(&file, graph, &store);
}

/* ---- policies -------------------------------------------------------------------------------- */

static struct weir_tail_policies *policies_of(struct file *file, const char *text) {
    struct weir_tail_policies *policies = NULL;
    weir_arena_init(&file->arena, 0);
    assert_int_equal(weir_yaml_parse(weir_view_str(text), &file->arena, &file->root, &file->err),
                     WEIR_OK);
    int rc = weir_tail_policies_open(file->root, &policies, &file->err);
    if (rc) assert_null(policies);
    return policies;
}

static bool decides(struct weir_tail_policies *policies, const struct made *made, int64_t now_ns) {
    struct weir_otlp_batch *batch = whole(made);
    struct weir_tail_trace trace = {.spans_count = 0};
    memcpy(trace.trace_id, made->trace_id, 16);
    for (uint32_t i = 0; i < batch->spans_count; i++)
        weir_tail_policies_see(
            policies, &batch->spans[i],
            batch->resources[batch->scopes[batch->spans[i].scope].resource].attrs, &trace);
    weir_otlp_batch_unref(batch);
    return weir_tail_policies_decide(policies, &trace, now_ns) >= 0;
}

static void each_policy_asks_what_it_says(void **state) {
    (void)state;
    struct made plain = {.spans = 3, .service = "a", .duration_ns = 5000000},
                ann = {.spans = 3, .service = "a", .user = "ann"},
                slow = {.spans = 3, .service = "a", .duration_ns = 900000000},
                large = {.spans = 9, .service = "a"};
    struct made *const all[] = {&plain, &ann, &slow, &large};
    for (int i = 0; i < 4; i++) weir_rand_fill(all[i]->trace_id, 16);
    static const struct {
        const char *text;
        bool plain, ann, slow, large;
    } rows[] = {
        {"[{name: a, type: always_sample}]", true, true, true, true},
        {"[{name: a, type: latency, latency: {threshold_ms: 500, upper_threshold_ms: 800}}]", false,
         false, false, false},
        {"[{name: a, type: latency, latency: {threshold_ms: 500}}]", false, false, true, false},
        {"[{name: a, type: span_count, span_count: {min_spans: 5}}]", false, false, false, true},
        {"[{name: a, type: string_attribute, string_attribute: {key: user, values: [ann]}}]", false,
         true, false, false},
        {"[{name: a, type: string_attribute, string_attribute: {key: user, values: [ann], "
         "invert_match: true}}]",
         true, false, true, true},
        {"[{name: a, type: string_attribute, string_attribute: {key: service.name, values: [a]}}]",
         true, true, true, true},
        {"[{name: a, type: and, and: {and_sub_policy: [{name: b, type: span_count, span_count: "
         "{max_spans: 5}}, {name: c, type: latency, latency: {threshold_ms: 2}}]}}]",
         true, false, true, false},
        {"[{name: a, type: probabilistic, probabilistic: {sampling_percentage: 0}}]", false, false,
         false, false},
        {"[{name: a, type: probabilistic, probabilistic: {sampling_percentage: 100}}]", true, true,
         true, true},
        {"[{name: a, type: rate_limiting, rate_limiting: {spans_per_second: 5}}]", true, true, true,
         false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct file file;
        struct weir_tail_policies *policies = policies_of(&file, rows[i].text);
        if (!policies) fail_msg("%zu: %s", i, file.err.message);
        int64_t second = (int64_t)i * 1000 * WEIR_NS_PER_S;
        if (decides(policies, &plain, second) != rows[i].plain ||
            decides(policies, &ann, second + WEIR_NS_PER_S) != rows[i].ann ||
            decides(policies, &slow, second + 2 * WEIR_NS_PER_S) != rows[i].slow ||
            decides(policies, &large, second + 3 * WEIR_NS_PER_S) != rows[i].large)
            fail_msg("row %zu: %s", i, rows[i].text);
        weir_tail_policies_close(policies);
        weir_arena_done(&file.arena);
    }
}

/* Traces of three spans each, 100 a second for ten seconds; gives the spans kept a second. */
static uint32_t kept_per_second(struct weir_tail_policies *policies, const char *service,
                                bool error) {
    uint32_t kept = 0;
    for (int64_t i = 0; i < 1000; i++) {
        struct made made = {.spans = 3, .service = service, .error = error};
        weir_rand_fill(made.trace_id, 16);
        if (decides(policies, &made, WEIR_NS_PER_S * 50 + i * WEIR_NS_PER_S / 100)) kept += 3;
    }
    return kept / 10;
}

static void budgets_hold(void **state) {
    (void)state;
    struct file file;
    struct weir_tail_policies *policies =
        policies_of(&file, "[{name: a, type: adaptive, adaptive: {spans_per_second: 60}}]");
    assert_non_null(policies);
    uint32_t kept = kept_per_second(policies, "busy", false);
    assert_in_range(kept, 30, 100); /* of 300; the first second learns */
    weir_tail_policies_close(policies);
    weir_arena_done(&file.arena);
    policies = policies_of(
        &file,
        "[{name: all, type: composite, composite: {max_total_spans_per_second: 100, policy_order: "
        "[errors, rest], composite_sub_policy: [{name: rest, type: always_sample}, {name: errors, "
        "type: status_code, status_code: {status_codes: [ERROR]}}], rate_allocation: [{policy: "
        "errors, percent: 60}, {policy: rest, percent: 30}]}}]");
    assert_non_null(policies);
    assert_in_range(kept_per_second(policies, "a", false), 27, 30);
    weir_tail_policies_close(policies);
    weir_arena_done(&file.arena);
}

static void policies_that_cannot_be_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"[{name: a, type: latncy, latency: {threshold_ms: 5}}]", "'latency'"},
        {"[{name: a, type: latency}]", "needs 'latency:'"},
        {"[{name: a, type: latency, latency: {threshold_ms: 500, upper_threshold_ms: 5}}]",
         "never match"},
        {"[{name: a, type: numeric_attribute, numeric_attribute: {key: n, min_value: 5, max_value: "
         "1}}]",
         "never match"},
        {"[{name: a, type: string_attribute, string_attribute: {key: n, values: []}}]",
         "never match"},
        {"[{name: a, type: status_code, status_code: {status_codes: [FAILED]}}]", "OK, ERROR"},
        {"[{name: a, type: rate_limiting, rate_limiting: {}}]", "spans_per_second"},
        {"[{name: a, type: composite, composite: {max_total_spans_per_second: 9, policy_order: "
         "[x], "
         "composite_sub_policy: [{name: y, type: always_sample}]}}]",
         "no sub-policy 'x'"},
        {"[]", "list"},
        {"[{name: a, type: always_sample, latency: {}}]", "latency"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct file file;
        if (policies_of(&file, wrong[i].text)) fail_msg("%s was taken", wrong[i].text);
        if (!strstr(file.err.message, wrong[i].words) || !file.err.line)
            fail_msg("%zu: %u: %s", i, file.err.line, file.err.message);
        weir_arena_done(&file.arena);
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

static void the_table_finds_what_is_there(void **state) {
    (void)state;
    enum { MANY = 5000 };
    static uint8_t ids[MANY][16];
    struct weir_tail_store store;
    assert_true(weir_tail_store_init(&store));
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        weir_rand_fill(ids[i], 16);
        assert_non_null(weir_tail_store_add(&store, ids[i], i));
        if (i % 3 == 0) {
            struct weir_tail_entry *entry = weir_tail_store_take(&store);
            assert_memory_equal(entry->trace.trace_id, ids[oldest++], 16);
            weir_tail_entry_free(&store, entry);
        }
    }
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(weir_tail_store_find(&store, ids[i]) != NULL, i >= oldest);
    weir_tail_store_done(&store);
    assert_int_equal(store.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces_are_kept_whole),
        cmocka_unit_test(late_spans_follow_the_decision),
        cmocka_unit_test(without_room_the_oldest_are_decided_early),
        cmocka_unit_test(what_downstream_refuses_is_tried_again),
        cmocka_unit_test(each_policy_asks_what_it_says),
        cmocka_unit_test(budgets_hold),
        cmocka_unit_test(policies_that_cannot_be_are_refused),
        cmocka_unit_test(the_table_finds_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
