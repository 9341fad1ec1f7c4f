/* SPDX-License-Identifier: Apache-2.0 */
/* The SDK's metrics about itself, as the receiver sees them. */
#include "sdk/self.h"

#include "capture.h"
#include "weir/log.h"
#include "weir/trace.h"

static struct weir_tracer *tracer;

/* Of the latest collection: the point of that metric that has the attribute; NULL: none. */
static const struct weir_otlp_point *point(const char *name, const char *key, const char *value) {
    const struct weir_otlp_point *found = NULL;
    for (int i = 0; i < captured.count; i++) {
        const struct weir_otlp_batch *batch = captured.batches[i];
        if (batch->signal != WEIR_SIGNAL_METRIC) continue;
        for (uint32_t n = 0; n < batch->points_count; n++)
            if (weir_view_is(batch->metrics[batch->points[n].metric].name, name) &&
                (!key || weir_view_is(attr_str(batch->points[n].attrs, key), value)))
                found = &batch->points[n];
    }
    return found;
}

static double value_of(const char *name, const char *key, const char *value) {
    const struct weir_otlp_point *found = point(name, key, value);
    if (!found) fail_msg("no %s with %s", name, value ? value : "any attributes");
    return found->value;
}

static void script(int attempt, struct weir_outbound_answer answer) {
    captured.script[attempt] = answer;
    if (captured.script_count <= attempt) captured.script_count = attempt + 1;
}

/* Names, types and attributes as semantic conventions 1.44 have them. */
static void all_are_there(void **state) {
    static const struct {
        const char *name, *unit;
        enum weir_metric_type type;
        bool monotonic;
        const char *component; /* otel.component.type; NULL: none */
    } rows[] = {
        {"otel.sdk.span.live", "{span}", WEIR_METRIC_TYPE_SUM, false, NULL},
        {"otel.sdk.span.started", "{span}", WEIR_METRIC_TYPE_SUM, true, NULL},
        {"otel.sdk.log.created", "{log_record}", WEIR_METRIC_TYPE_SUM, true, NULL},
        {"otel.sdk.processor.span.queue.size", "{span}", WEIR_METRIC_TYPE_SUM, false,
         "batching_span_processor"},
        {"otel.sdk.processor.span.queue.capacity", "{span}", WEIR_METRIC_TYPE_SUM, false,
         "batching_span_processor"},
        {"otel.sdk.processor.span.processed", "{span}", WEIR_METRIC_TYPE_SUM, true,
         "batching_span_processor"},
        {"otel.sdk.processor.log.queue.size", "{log_record}", WEIR_METRIC_TYPE_SUM, false,
         "batching_log_processor"},
        {"otel.sdk.processor.log.queue.capacity", "{log_record}", WEIR_METRIC_TYPE_SUM, false,
         "batching_log_processor"},
        {"otel.sdk.processor.log.processed", "{log_record}", WEIR_METRIC_TYPE_SUM, true,
         "batching_log_processor"},
        {"otel.sdk.exporter.span.inflight", "{span}", WEIR_METRIC_TYPE_SUM, false,
         "otlp_http_span_exporter"},
        {"otel.sdk.exporter.span.exported", "{span}", WEIR_METRIC_TYPE_SUM, true,
         "otlp_http_span_exporter"},
        {"otel.sdk.exporter.log.inflight", "{log_record}", WEIR_METRIC_TYPE_SUM, false,
         "otlp_http_log_exporter"},
        {"otel.sdk.exporter.log.exported", "{log_record}", WEIR_METRIC_TYPE_SUM, true,
         "otlp_http_log_exporter"},
        {"otel.sdk.exporter.metric_data_point.inflight", "{data_point}", WEIR_METRIC_TYPE_SUM,
         false, "otlp_http_metric_exporter"},
        {"otel.sdk.exporter.metric_data_point.exported", "{data_point}", WEIR_METRIC_TYPE_SUM, true,
         "otlp_http_metric_exporter"},
        {"otel.sdk.metric_reader.collection.duration", "s", WEIR_METRIC_TYPE_HISTOGRAM, false,
         "periodic_metric_reader"},
        {"otel.sdk.exporter.operation.duration", "s", WEIR_METRIC_TYPE_HISTOGRAM, false,
         "otlp_http_span_exporter"},
    };
    (void)state;
    capture_init("tml", NULL);
    weir_span_end(weir_span_start(tracer, "s", NULL));
    weir_logger_log(weir_logger_get("l", NULL), WEIR_SEVERITY_INFO, "m", NULL, 0);
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct weir_otlp_point *found =
            rows[i].component ? point(rows[i].name, "otel.component.type", rows[i].component)
                              : point(rows[i].name, NULL, NULL);
        if (!found) fail_msg("%s is missing", rows[i].name);
        const struct weir_otlp_batch *batch = NULL;
        for (int n = 0; n < captured.count; n++)
            if (found >= captured.batches[n]->points &&
                found < captured.batches[n]->points + captured.batches[n]->points_count)
                batch = captured.batches[n];
        if (!batch) abort();
        const struct weir_otlp_metric *metric = &batch->metrics[found->metric];
        assert_view_is(metric->unit, rows[i].unit);
        assert_int_equal(metric->type, rows[i].type);
        if (metric->type == WEIR_METRIC_TYPE_SUM)
            assert_int_equal(metric->monotonic, rows[i].monotonic);
        if (rows[i].component &&
            weir_view_find(weir_view_str(rows[i].component), WEIR_VIEW("exporter")) != SIZE_MAX) {
            const struct weir_value *port = weir_attrs_get(found->attrs, WEIR_VIEW("server.port"));
            assert_view_is(attr_str(found->attrs, "server.address"), "localhost");
            assert_true(port && port->i64 == 4318);
        }
    }
    capture_done();
}

/* Each of the ways that a span can go is another point. */
static void what_became_of_spans(void **state) {
    const char *const type = "error.type", *const sampling = "otel.span.sampling_result";
    const char *const exported = "otel.sdk.exporter.span.exported",
                      *const processed = "otel.sdk.processor.span.processed";
    (void)state;
    capture_init("tm", NULL);
    weir_flush(5000, NULL); /* what was before */
    double started = value_of("otel.sdk.span.started", sampling, "RECORD_AND_SAMPLE");
    double sent = value_of(exported, type, ""), rejected = value_of(exported, type, "rejected"),
           failed = value_of(exported, type, "export_failed"), left = value_of(processed, type, ""),
           cancelled = value_of(processed, type, "cancelled");
    capture_forget();
    script(0, (struct weir_outbound_answer){.rejected = 2, .retry_after_ms = -1});
    script(2, (struct weir_outbound_answer){.code = WEIR_EINVALID, .retry_after_ms = -1});
    captured.script[1] = (struct weir_outbound_answer){.retry_after_ms = -1}; /* metrics */
    for (int i = 0; i < 5; i++) weir_span_end(weir_span_start(tracer, "s", NULL));
    assert_int_equal(weir_flush(5000, NULL), WEIR_EUNAVAILABLE);
    weir_span_end(weir_span_start(tracer, "s", NULL));
    weir_span_cancel(weir_span_start(tracer, "s", NULL));
    struct weir_span *open = weir_span_start(tracer, "s", NULL);
    assert_int_equal(weir_flush(5000, NULL), WEIR_EUNAVAILABLE);
    assert_int_equal(
        (int)(value_of("otel.sdk.span.started", sampling, "RECORD_AND_SAMPLE") - started), 8);
    assert_int_equal((int)value_of("otel.sdk.span.live", sampling, "RECORD_AND_SAMPLE"), 1);
    assert_int_equal((int)(value_of(exported, type, "") - sent), 3);
    assert_int_equal((int)(value_of(exported, type, "rejected") - rejected), 2);
    assert_int_equal((int)(value_of(exported, type, "export_failed") - failed), 1);
    assert_int_equal((int)(value_of(processed, type, "") - left), 6);
    assert_int_equal((int)(value_of(processed, type, "cancelled") - cancelled), 1);
    const struct weir_otlp_point *refused =
        point("otel.sdk.exporter.operation.duration", type, "refused");
    assert_non_null(refused);
    assert_int_equal(refused->count, 1);
    weir_span_end(open);
    capture_done();
}

/* A request that waits for its next attempt is seen. */
static void in_flight(void **state) {
    (void)state;
    capture_init("tm", NULL);
    for (int i = 0; i < 4; i++)
        script(i, (struct weir_outbound_answer){
                      .code = WEIR_EUNAVAILABLE, .retry = true, .retry_after_ms = 20000});
    script(1, (struct weir_outbound_answer){.retry_after_ms = -1});
    for (int i = 0; i < 3; i++) weir_span_end(weir_span_start(tracer, "s", NULL));
    weir_flush(100, NULL); /* the spans are to be tried again later, */
    captured.script_count = 0;
    weir_flush(100, NULL); /* which the metrics tell */
    assert_int_equal((int)value_of("otel.sdk.exporter.span.inflight", NULL, NULL), 3);
    capture_done();
}

int main(void) {
    tracer = weir_tracer_get("unit", NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_are_there),
                                       cmocka_unit_test(what_became_of_spans),
                                       cmocka_unit_test(in_flight)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
