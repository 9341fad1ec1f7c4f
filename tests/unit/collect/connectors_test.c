/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/connectors/tally.h"

#include <stdio.h>

#include "pipeline.h"

static const char counted[] = "connectors:\n"
                              "  spanmetrics:\n"
                              "    histogram: {explicit: {buckets: [500ns, 1us, 2us]}}\n"
                              "    dimensions: [{name: user}, {name: tier, default: none}]\n"
                              "    exemplars: {enabled: true}\n"
                              "service:\n"
                              "  pipelines:\n"
                              "    traces: {receivers: [otlp], exporters: [weir, spanmetrics]}\n"
                              "    metrics: {receivers: [spanmetrics], exporters: [weir]}\n";

static void spans_become_metrics(void **state) {
    (void)state;
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, counted, &store);
    assert_int_equal(push(graph, spans(7)).code, WEIR_OK);
    assert_int_equal(push(graph, spans(4)).code, WEIR_OK);
    weir_graph_stop(graph, 0);
    assert_int_equal(store.records[WEIR_SIGNAL_TRACE], 11);
    assert_int_equal(store.last->signal, WEIR_SIGNAL_METRIC);
    assert_view_is(attr_of(store.last->resources[0].attrs, "service.name")->str, "shop");
    const struct weir_otlp_point *calls = point_of(store.last, "traces.span.metrics.calls");
    assert_int_equal(calls->i64, 11);
    assert_view_is(attr_of(calls->attrs, "span.name")->str, "work");
    assert_view_is(attr_of(calls->attrs, "span.kind")->str, "SPAN_KIND_INTERNAL");
    assert_view_is(attr_of(calls->attrs, "user")->str, "42");
    assert_view_is(attr_of(calls->attrs, "tier")->str, "none");
    const struct weir_otlp_point *duration = point_of(store.last, "traces.span.metrics.duration");
    assert_int_equal(duration->count, 11);
    assert_int_equal(duration->bounds_count, 3);
    assert_int_equal(duration->counts[1], 11); /* each took 1 us */
    assert_int_equal(duration->exemplars_count, 1);
    assert_int_equal(calls->exemplars_count, 1);
    assert_true(calls->exemplars[0].value == 1);
    assert_memory_equal(calls->exemplars[0].span_id, duration->exemplars[0].span_id, 8);
    assert_int_equal(point_of(store.last, "traces_spanmetrics_calls")->i64, 11);
    const struct weir_otlp_point *latency = point_of(store.last, "traces_spanmetrics_latency");
    assert_true(latency->sum > 10.9e-6 && latency->sum < 11.1e-6);
    assert_view_is(attr_of(latency->attrs, "service")->str, "shop");
    finish(&file, graph, &store);
}

/* ---- servicegraph ---------------------------------------------------------------------------- */

static const char graphed[] = "connectors: {servicegraph: {dimensions: [tier]}}\n"
                              "service:\n"
                              "  pipelines:\n"
                              "    traces: {receivers: [otlp], exporters: [servicegraph]}\n"
                              "    metrics: {receivers: [servicegraph], exporters: [weir]}\n";

struct call {
    const char *service;
    enum weir_span_kind kind;
    uint8_t id, parent, link; /* 0: none */
    bool failed;
    const char *peer;
};

/* One trace's spans, each from its own service. */
static struct weir_otlp_batch *trace_of(const uint8_t trace_id[16], const struct call *calls,
                                        size_t calls_count) {
    struct weir_buf buf;
    struct weir_otlp_batch *batch;
    weir_buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < calls_count; i++) {
        const struct call *call = &calls[i];
        const struct weir_attr resource[] = {
            {WEIR_VIEW("service.name"), weir_value_str(weir_view_str(call->service))},
            {WEIR_VIEW("tier"), weir_value_str(WEIR_VIEW("gold"))}};
        const struct weir_attr peer = {WEIR_VIEW("db.system.name"),
                                       weir_value_str(weir_view_str(call->peer ? call->peer : ""))};
        uint8_t id[8] = {call->id}, parent[8] = {call->parent}, linked[8] = {call->link};
        const struct weir_otlp_link link = {.trace_id = trace_id, .span_id = linked};
        struct weir_otlp_span span = {.trace_id = trace_id,
                                      .span_id = id,
                                      .parent_span_id = call->parent ? parent : NULL,
                                      .name = WEIR_VIEW("x"),
                                      .kind = call->kind,
                                      .start_ns = 1000000000,
                                      .end_ns = 1500000000,
                                      .links = &link,
                                      .links_count = call->link ? 1 : 0,
                                      .attrs = {&peer, call->peer ? 1 : 0},
                                      .status_code = call->failed ? WEIR_SPAN_STATUS_ERROR
                                                                  : WEIR_SPAN_STATUS_UNSET};
        struct weir_otlp_group group;
        weir_otlp_group_begin(&group, &buf, (struct weir_attrs){resource, 2}, WEIR_VIEW(""),
                              WEIR_VIEW(""));
        weir_otlp_put_span(&buf, &span);
        weir_otlp_group_end(&group);
    }
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    assert_int_equal(weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, body, len, 0, &batch, NULL),
                     WEIR_OK);
    return batch;
}

/* The edge's value of a metric; -1: there is no such edge. */
static int64_t edge(const struct weir_otlp_batch *batch, const char *metric, const char *client,
                    const char *server, const char *type) {
    for (uint32_t i = 0; i < batch->points_count; i++) {
        const struct weir_otlp_point *point = &batch->points[i];
        if (!weir_view_is(batch->metrics[point->metric].name, metric)) continue;
        if (weir_view_is(attr_of(point->attrs, "client")->str, client) &&
            weir_view_is(attr_of(point->attrs, "server")->str, server) &&
            weir_view_is(attr_of(point->attrs, "connection_type")->str, type))
            return batch->metrics[point->metric].type == WEIR_METRIC_TYPE_SUM
                       ? point->i64
                       : (int64_t)point->count;
    }
    return -1;
}

#define REQUESTS "traces_service_graph_request"

static void halves_become_edges_in_any_order(void **state) {
    (void)state;
    static const struct call calls[] = {
        {"web", WEIR_SPAN_KIND_SERVER, 1, 0, 0, false, NULL},        /* from the user */
        {"web", WEIR_SPAN_KIND_CLIENT, 2, 1, 0, false, NULL},        /* to the shop */
        {"shop", WEIR_SPAN_KIND_SERVER, 3, 2, 0, true, NULL},        /* which fails */
        {"shop", WEIR_SPAN_KIND_PRODUCER, 4, 3, 0, false, NULL},     /* to two groups */
        {"billing", WEIR_SPAN_KIND_CONSUMER, 5, 4, 4, false, NULL},  /* child and link */
        {"shipping", WEIR_SPAN_KIND_CONSUMER, 6, 9, 4, false, NULL}, /* of a poll, by link */
        {"billing", WEIR_SPAN_KIND_CLIENT, 7, 5, 0, false, "postgresql"},
        {"billing", WEIR_SPAN_KIND_INTERNAL, 8, 5, 0, false, NULL},
    };
    enum { COUNT = sizeof calls / sizeof *calls, ROUNDS = 50 };
    struct weir_rand rand;
    uint64_t seed = weir_rand_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    struct file file;
    struct counting store;
    struct weir_graph *graph = open_good(&file, graphed, &store);
    for (int round = 0; round < ROUNDS; round++) {
        struct call mixed[COUNT];
        uint8_t trace_id[16];
        memcpy(mixed, calls, sizeof calls);
        weir_rand_fill(trace_id, sizeof trace_id);
        for (size_t i = COUNT - 1; i > 0; i--) {
            size_t other = weir_rand_below(&rand, i + 1);
            struct call kept = mixed[i];
            mixed[i] = mixed[other];
            mixed[other] = kept;
        }
        for (size_t at = 0; at < COUNT;) { /* in pieces of any size */
            size_t count = 1 + weir_rand_below(&rand, COUNT - at);
            assert_int_equal(push(graph, trace_of(trace_id, mixed + at, count)).code, WEIR_OK);
            at += count;
        }
    }
    weir_graph_stop(graph, 0);
    const struct weir_otlp_batch *last = store.last;
    assert_int_equal(edge(last, REQUESTS, "user", "web", "virtual_node"), ROUNDS);
    assert_int_equal(edge(last, REQUESTS, "web", "shop", ""), ROUNDS);
    assert_int_equal(edge(last, REQUESTS "_failed", "web", "shop", ""), ROUNDS);
    assert_int_equal(edge(last, REQUESTS "_failed", "shop", "billing", "messaging_system"), 0);
    assert_int_equal(edge(last, REQUESTS, "shop", "billing", "messaging_system"), ROUNDS);
    assert_int_equal(edge(last, REQUESTS, "shop", "shipping", "messaging_system"), ROUNDS);
    assert_int_equal(edge(last, REQUESTS, "billing", "postgresql", "database"), ROUNDS);
    assert_int_equal(edge(last, REQUESTS "_server_seconds", "web", "shop", ""), ROUNDS);
    assert_int_equal(edge(last, REQUESTS "_client_seconds", "web", "shop", ""), ROUNDS);
    assert_int_equal(edge(last, REQUESTS "_client_seconds", "user", "web", "virtual_node"), -1);
    uint32_t edges = 0;
    for (uint32_t i = 0; i < last->points_count; i++)
        edges += weir_view_is(last->metrics[last->points[i].metric].name, REQUESTS);
    assert_int_equal(edges, 5);
    const struct weir_otlp_point *point = point_of(last, REQUESTS);
    assert_true(weir_attrs_get(point->attrs, WEIR_VIEW("server_tier")) ||
                weir_attrs_get(point->attrs, WEIR_VIEW("client_tier")));
    finish(&file, graph, &store);
}

/* ---- tally ----------------------------------------------------------------------------------- */

static void sets_past_the_limit_share_one(void **state) {
    (void)state;
    struct weir_tally tally;
    weir_tally_init(&tally, (const double[]){1}, 1, 1, 3);
    for (int i = 0; i < 10; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d", i);
        struct weir_attr attr = {WEIR_VIEW("k"), weir_value_str(weir_view_str(text))};
        weir_tally_at(&tally, &attr, 1, 100 + i)->count++;
    }
    assert_int_equal(tally.map.count, 4);
    assert_int_equal(tally.overflowed, 7);
    assert_true(weir_tally_expire(&tally, 102));
    assert_int_equal(tally.map.count, 2); /* the third, and the shared one */
    weir_tally_done(&tally);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_become_metrics),
        cmocka_unit_test(halves_become_edges_in_any_order),
        cmocka_unit_test(sets_past_the_limit_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
