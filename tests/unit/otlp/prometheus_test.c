/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/prometheus.h"

#include "golden.h"

static struct weir_arena arena;

static int setup(void **state) {
    (void)state;
    weir_arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weir_arena_done(&arena);
    return 0;
}

/* Names as the Prometheus server shows them for the same OTLP metrics. */
static void translates_metric_names(void **state) {
    (void)state;
    enum {
        GAUGE = WEIR_METRIC_TYPE_GAUGE,
        SUM = WEIR_METRIC_TYPE_SUM,
        HISTOGRAM = WEIR_METRIC_TYPE_HISTOGRAM
    };
    static const struct {
        const char *name, *unit;
        int type;
        bool monotonic;
        const char *expected;
    } cases[] = {
        {"messaging.client.operation.duration", "s", HISTOGRAM, false,
         "messaging_client_operation_duration_seconds"},
        {"weir.runner.processed", "{message}", SUM, true, "weir_runner_processed_total"},
        {"weir.kafka.consumer.lag", "{message}", GAUGE, false, "weir_kafka_consumer_lag"},
        {"system.memory.utilization", "1", GAUGE, false, "system_memory_utilization_ratio"},
        {"hit.ratio", "1", GAUGE, false, "hit_ratio"},
        {"system.io", "By", SUM, true, "system_io_bytes_total"},
        {"system.io", "By", SUM, false, "system_io_bytes"},
        {"network.io", "By/s", GAUGE, false, "network_io_bytes_per_second"},
        {"speed", "m/s", GAUGE, false, "speed_meters_per_second"},
        {"fuel.use", "{litre}/h", GAUGE, false, "fuel_use_per_hour"},
        {"requests_total", "", SUM, true, "requests_total"},
        {"total.requests", "", SUM, true, "requests_total"},
        {"http.duration.seconds", "s", HISTOGRAM, false, "http_duration_seconds"},
        {"jobs.done", "1", SUM, true, "jobs_done_total"},
        {"a..b__c-d", "", GAUGE, false, "a_b_c_d"},
        {"_lead.", "", GAUGE, false, "lead"},
        {"2xx.answers", "", GAUGE, false, "_2xx_answers"},
        {".8x", "", GAUGE, false, "_8x"},
        {"total.2x", "", SUM, true, "_2x_total"},
        {"load", "%", GAUGE, false, "load_percent"},
        {"odd", "foo bar", GAUGE, false, "odd_foo_bar"},
        {"job:rate:5m", "", GAUGE, false, "job:rate:5m"},
        {"\xc3\xa4", "", GAUGE, false, "_"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_view_is(weir_prometheus_metric_name(
                           &arena, weir_view_str(cases[i].name), weir_view_str(cases[i].unit),
                           (enum weir_metric_type)cases[i].type, cases[i].monotonic),
                       cases[i].expected);
    assert_view_is(weir_prometheus_unit(&arena, WEIR_VIEW("By/s")), "bytes_per_second");
    assert_view_is(weir_prometheus_unit(&arena, WEIR_VIEW("{x}")), "");
}

static void translates_label_names(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"topic", "topic"},
        {"messaging.destination.name", "messaging_destination_name"},
        {"a..b", "a_b"},
        {"_x", "_x"},
        {"__name__", "_name_"},
        {"1st", "key_1st"},
        {"", "_"},
        {"gr\xc3\xb6\xc3\x9f"
         "e",
         "gr_e"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_view_is(weir_prometheus_label_name(&arena, weir_view_str(cases[i][0])), cases[i][1]);
    struct weir_view key = WEIR_VIEW("fits");
    assert_ptr_equal(weir_prometheus_label_name(&arena, key).ptr, key.ptr); /* no copy */
}

static void assert_labels(struct weir_prometheus_labels labels, const char *expected) {
    struct weir_buf buf;
    weir_buf_init(&buf, 10000);
    for (uint32_t i = 0; i < labels.count; i++)
        weir_buf_printf(&buf, "%s%.*s=%.*s", i ? " " : "", WEIR_VIEW_ARG(labels.items[i].name),
                        WEIR_VIEW_ARG(labels.items[i].value));
    assert_view_is(weir_buf_view(&buf), expected);
    weir_buf_done(&buf);
}

static void names_the_target_of_a_point(void **state) {
    (void)state;
    struct weir_otlp_batch *batch = golden_batch(WEIR_SIGNAL_METRIC);
    struct weir_prometheus_labels target, labels;
    assert_true(
        weir_prometheus_target_labels(&arena, &batch->resources[0], &batch->scopes[0], &target));
    assert_labels(target,
                  "instance=a-1 job=shop/orders otel_scope_name=lib otel_scope_schema_url="
                  "https://example.com/scope otel_scope_scope_attr=s otel_scope_version=1.2.3 "
                  "service_name=orders");
    assert_true(weir_prometheus_target_labels(&arena, &batch->resources[0], NULL, &target));
    assert_true(weir_prometheus_point_labels(&arena, batch->points[0].attrs, target, &labels));
    assert_labels(labels, "instance=a-1 job=shop/orders service_name=orders topic=t");
    assert_true(weir_prometheus_target_info(&arena, &batch->resources[0], &labels));
    assert_labels(labels, "host_name=h1 instance=a-1 job=shop/orders service_name=orders");
    weir_otlp_batch_unref(batch);
}

static struct weir_attr text_attr(const char *key, const char *value) {
    return (struct weir_attr){weir_view_str(key), weir_value_str(weir_view_str(value))};
}

static void settles_collisions(void **state) {
    (void)state;
    struct weir_attr service = text_attr("service.name", "s");
    struct weir_otlp_resource resource = {.attrs = {&service, 1}};
    struct weir_prometheus_labels target, labels;
    assert_true(weir_prometheus_target_labels(&arena, &resource, NULL, &target));
    struct weir_attr attrs[] = {
        text_attr("job", "mine"),
        text_attr("b_c", "2"),
        text_attr("b.c", "1"),
        text_attr("none", ""),
        {WEIR_VIEW("n"), weir_value_i64(5)},
    };
    assert_true(
        weir_prometheus_point_labels(&arena, (struct weir_attrs){attrs, 5}, target, &labels));
    assert_labels(labels, "b_c=1;2 exported_job=mine job=s n=5 service_name=s");
    assert_true(weir_prometheus_target_info(&arena, &resource, &labels));
    assert_int_equal(labels.count, 0); /* nothing beside job is known */
    struct weir_attr host = text_attr("host.name", "h");
    resource.attrs = (struct weir_attrs){&host, 1};
    assert_true(weir_prometheus_target_info(&arena, &resource, &labels));
    assert_int_equal(labels.count, 0); /* nothing identifies it */
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(translates_metric_names),
        TEST(translates_label_names),
        TEST(names_the_target_of_a_point),
        TEST(settles_collisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
