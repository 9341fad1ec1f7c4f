/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include <math.h>
#include <stdlib.h>

#include "attrs.h"
#include "base/rand.h"
#include "otlp/value.h"
#include "wire/pb.h"

#define T0 INT64_C(1700000000000000000)

static void assert_json(struct weir_value value, const char *expected) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 16);
    struct weir_json_writer w = weir_json_writer(&buf);
    weir_value_add_json(&w, value);
    assert_view_is(weir_buf_view(&buf), expected);
    weir_buf_done(&buf);
}

static void assert_all_kinds(struct weir_attrs attrs) {
    assert_int_equal(attrs.count, 10);
    assert_json(*attr_of(attrs, "string"), "\"v\xc3\xa4rde \\\"quoted\\\"\\n\"");
    assert_json(*attr_of(attrs, "yes"), "true");
    assert_json(*attr_of(attrs, "no"), "false");
    assert_json(*attr_of(attrs, "int"), "-7");
    assert_json(*attr_of(attrs, "big"), "9223372036854775807");
    assert_json(*attr_of(attrs, "double"), "0.1");
    assert_json(*attr_of(attrs, "bytes"), "\"AP8Q\"");
    assert_json(*attr_of(attrs, "array"), "[\"a\",1,[2.5]]");
    assert_json(*attr_of(attrs, "map"), "{\"inner\":{\"deep\":\"x\"},\"n\":3}");
    assert_json(*attr_of(attrs, "empty"), "\"\"");
    assert_int_equal(attr_of(attrs, "empty")->type, WEIR_VALUE_STRING);
    assert_int_equal(attr_of(attrs, "bytes")->type, WEIR_VALUE_BYTES);
}

static void assert_head(const struct weir_otlp_batch *batch) {
    assert_int_equal(batch->resources_count, 1);
    const struct weir_otlp_resource *resource = &batch->resources[0];
    assert_int_equal(resource->attrs.count, 4);
    assert_view_is(attr_of(resource->attrs, "service.name")->str, "orders");
    assert_view_is(resource->schema_url, "https://example.com/resource");
    const struct weir_otlp_scope *scope = &batch->scopes[0];
    assert_int_equal(scope->resource, 0);
    assert_view_is(scope->name, "lib");
    assert_view_is(scope->version, "1.2.3");
    assert_view_is(scope->schema_url, "https://example.com/scope");
    assert_view_is(attr_of(scope->attrs, "scope.attr")->str, "s");
    assert_int_equal(batch->rejected_count, 0);
}

static void reads_every_field_of_a_span(void **state) {
    (void)state;
    struct weir_otlp_batch *batch = golden_batch(WEIR_SIGNAL_TRACE);
    assert_head(batch);
    assert_int_equal(batch->scopes_count, 2);
    assert_int_equal(batch->spans_count, 2);
    assert_int_equal(weir_otlp_batch_records_count(batch), 2);
    const struct weir_otlp_span *span = &batch->spans[0];
    assert_int_equal(span->scope, 0);
    assert_memory_equal(span->trace_id, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20", 16);
    assert_memory_equal(span->span_id, "!\"#$%&'(", 8);
    assert_memory_equal(span->parent_span_id, "12345678", 8);
    assert_view_is(span->trace_state, "vendor=1");
    assert_int_equal(span->flags, 0x301);
    assert_view_is(span->name, "send orders");
    assert_int_equal(span->kind, WEIR_SPAN_KIND_PRODUCER);
    assert_true(span->start_ns == T0 && span->end_ns == T0 + 1500000);
    assert_all_kinds(span->attrs);
    assert_int_equal(span->dropped_attrs_count, 2);
    assert_int_equal(span->dropped_events_count, 3);
    assert_int_equal(span->dropped_links_count, 4);
    assert_int_equal(span->status_code, WEIR_SPAN_STATUS_ERROR);
    assert_view_is(span->status_message, "it broke");
    assert_int_equal(span->events_count, 1);
    assert_true(span->events[0].time_ns == T0 + 1);
    assert_view_is(span->events[0].name, "exception");
    assert_int_equal(span->events[0].dropped_attrs_count, 5);
    assert_view_is(attr_of(span->events[0].attrs, "exception.type")->str, "E");
    assert_int_equal(span->links_count, 1);
    assert_memory_equal(span->links[0].trace_id, "\20\17\16\15\14\13\12\11\10\7\6\5\4\3\2\1", 16);
    assert_memory_equal(span->links[0].span_id, "('&%$#\"!", 8);
    assert_view_is(span->links[0].trace_state, "w=2");
    assert_int_equal(span->links[0].flags, 0x101);
    assert_int_equal(span->links[0].dropped_attrs_count, 6);
    assert_true(attr_of(span->links[0].attrs, "link")->i64 == 1);
    assert_null(batch->spans[1].parent_span_id);
    assert_int_equal(batch->spans[1].scope, 1);
    assert_int_equal(batch->scopes[1].name.len, 0);
    weir_otlp_batch_unref(batch);
}

static void reads_every_field_of_a_log(void **state) {
    (void)state;
    struct weir_otlp_batch *batch = golden_batch(WEIR_SIGNAL_LOG);
    assert_head(batch);
    assert_int_equal(batch->logs_count, 2);
    const struct weir_otlp_log *log = &batch->logs[0];
    assert_true(log->time_ns == T0 && log->observed_ns == T0 + 9);
    assert_int_equal(log->severity_number, 17);
    assert_view_is(log->severity_text, "ERROR");
    assert_view_is(log->body.str, "order 17 failed");
    assert_all_kinds(log->attrs);
    assert_int_equal(log->dropped_attrs_count, 3);
    assert_int_equal(log->flags, 1);
    assert_non_null(log->trace_id);
    assert_memory_equal(log->span_id, "!\"#$%&'(", 8);
    assert_view_is(log->event_name, "order.failed");
    assert_json(batch->logs[1].body, "{\"k\":[\"v\"]}");
    assert_null(batch->logs[1].trace_id);
    assert_null(batch->logs[1].span_id);
    weir_otlp_batch_unref(batch);
}

static void assert_exemplar(const struct weir_otlp_point *point) {
    assert_int_equal(point->exemplars_count, 1);
    assert_true(point->exemplars[0].time_ns == T0 + 4);
    assert_true(point->exemplars[0].value == 0.25);
    assert_int_equal(point->exemplars[0].trace_id[0], 1);
    assert_int_equal(point->exemplars[0].span_id[0], 0x21);
    assert_view_is(attr_of(point->exemplars[0].attrs, "k")->str, "v");
}

static void reads_every_field_of_points(void **state) {
    (void)state;
    struct weir_otlp_batch *batch = golden_batch(WEIR_SIGNAL_METRIC);
    assert_head(batch);
    assert_int_equal(batch->metrics_count, 5);
    assert_int_equal(batch->points_count, 6);
    const struct weir_otlp_metric *metrics = batch->metrics;
    const struct weir_otlp_point *points = batch->points;
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(points[i].start_ns == T0 && points[i].time_ns == T0 + 5);
        assert_view_is(attr_of(points[i].attrs, "topic")->str, "t");
        assert_int_equal(points[i].metric, i < 2 ? 0 : i - 1);
    }
    assert_view_is(metrics[0].name, "queue.size");
    assert_view_is(metrics[0].unit, "{message}");
    assert_view_is(metrics[0].description, "queue.size in words");
    assert_int_equal(metrics[0].type, WEIR_METRIC_TYPE_GAUGE);
    assert_true(points[0].is_int && points[0].i64 == -3 && points[0].value == -3);
    assert_int_equal(points[1].flags, 1);

    assert_int_equal(metrics[1].type, WEIR_METRIC_TYPE_SUM);
    assert_int_equal(metrics[1].temporality, WEIR_TEMPORALITY_CUMULATIVE);
    assert_true(metrics[1].monotonic);
    assert_true(!points[2].is_int && points[2].value == 12.5);
    assert_exemplar(&points[2]);

    assert_int_equal(metrics[2].type, WEIR_METRIC_TYPE_HISTOGRAM);
    assert_int_equal(metrics[2].temporality, WEIR_TEMPORALITY_DELTA);
    assert_true(points[3].count == 6 && points[3].sum == 3.5 && points[3].min == 0.1 &&
                points[3].max == 2);
    assert_int_equal(points[3].counts_count, 3);
    assert_true(points[3].counts[0] == 1 && points[3].counts[1] == 2 && points[3].counts[2] == 3);
    assert_int_equal(points[3].bounds_count, 2);
    assert_true(points[3].bounds[0] == 0.5 && points[3].bounds[1] == 1.0);
    assert_exemplar(&points[3]);

    assert_int_equal(metrics[3].type, WEIR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM);
    assert_true(points[4].count == 7 && points[4].sum == 9 && points[4].scale == -1);
    assert_true(points[4].zero_count == 2 && points[4].zero_threshold == 0.001);
    assert_true(points[4].min == -2 && points[4].max == 4);
    assert_int_equal(points[4].positive.offset, -2);
    assert_int_equal(points[4].positive.counts_count, 2);
    assert_true(points[4].positive.counts[0] == 1 && points[4].positive.counts[1] == 300);
    assert_int_equal(points[4].negative.offset, 3);
    assert_true(points[4].negative.counts_count == 1 && points[4].negative.counts[0] == 2);
    assert_exemplar(&points[4]);

    assert_int_equal(metrics[4].type, WEIR_METRIC_TYPE_SUMMARY);
    assert_true(points[5].count == 10 && points[5].sum == 20.5 && isnan(points[5].min));
    assert_int_equal(points[5].quantiles_count, 2);
    assert_true(points[5].quantiles[1].quantile == 0.99 && points[5].quantiles[1].value == 7);
    weir_otlp_batch_unref(batch);
}

/* ---- what is wrong with a body, and with a record ------------------------------------------- */

/* Wraps one record (its fields) into a request. */
static struct weir_buf request_of(struct weir_view record) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1 << 20);
    size_t resource = weir_pb_begin(&buf, 1), scope = weir_pb_begin(&buf, 2);
    weir_pb_put_bytes(&buf, 2, record);
    weir_pb_end(&buf, scope);
    weir_pb_end(&buf, resource);
    return buf;
}

static struct weir_otlp_batch *decode_record(enum weir_signal signal, struct weir_buf *record,
                                             struct weir_error *err) {
    struct weir_buf buf = request_of(weir_buf_view(record));
    struct weir_otlp_batch *batch = NULL;
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    weir_otlp_batch_decode(signal, body, len, 0, &batch, err);
    weir_buf_done(record);
    return batch;
}

static void assert_record_rejected(enum weir_signal signal, struct weir_buf *record,
                                   const char *part) {
    struct weir_error err = {0};
    struct weir_otlp_batch *batch = decode_record(signal, record, &err);
    if (!batch) fail_msg("malformed as a whole: %s", err.message);
    assert_int_equal(batch->rejected_count, 1);
    assert_int_equal(weir_otlp_batch_records_count(batch), 0);
    if (!strstr(batch->rejected_message, part)) fail_msg("got: %s", batch->rejected_message);
    weir_otlp_batch_unref(batch);
}

static struct weir_buf span_with(struct weir_view trace_id, struct weir_view span_id,
                                 struct weir_view parent) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1000);
    weir_pb_put_bytes(&buf, 1, trace_id);
    weir_pb_put_bytes(&buf, 2, span_id);
    weir_pb_put_bytes_opt(&buf, 4, parent);
    weir_pb_put_bytes(&buf, 5, WEIR_VIEW("the name"));
    return buf;
}

#define TRACE_ID WEIR_VIEW("0123456789abcdef")
#define SPAN_ID  WEIR_VIEW("01234567")

static void rejects_spans_one_by_one(void **state) {
    (void)state;
    struct weir_buf span = span_with(WEIR_VIEW("short"), SPAN_ID, WEIR_VIEW(""));
    assert_record_rejected(WEIR_SIGNAL_TRACE, &span,
                           "span \"the name\": trace_id must be 16 bytes");
    span = span_with(WEIR_VIEW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), SPAN_ID, WEIR_VIEW(""));
    assert_record_rejected(WEIR_SIGNAL_TRACE, &span, "trace_id must be 16 bytes, not all zero");
    span = span_with(TRACE_ID, WEIR_VIEW(""), WEIR_VIEW(""));
    assert_record_rejected(WEIR_SIGNAL_TRACE, &span, "span_id must be 8 bytes");
    span = span_with(TRACE_ID, SPAN_ID, WEIR_VIEW("four"));
    assert_record_rejected(WEIR_SIGNAL_TRACE, &span, "parent_span_id must be 8 bytes, or empty");
    span = span_with(TRACE_ID, SPAN_ID, WEIR_VIEW(""));
    weir_pb_put_fixed64(&span, 7, UINT64_MAX);
    assert_record_rejected(WEIR_SIGNAL_TRACE, &span, "beyond the year 2262");
}

static void keeps_spans_with_small_oddities(void **state) {
    (void)state;
    struct weir_error err = {0};
    struct weir_buf span = span_with(TRACE_ID, SPAN_ID, WEIR_VIEW("\0\0\0\0\0\0\0\0"));
    weir_pb_put_varint(&span, 6, 77);                   /* kind of a later version */
    weir_pb_put_varint(&span, 7, 5);                    /* a time with a foreign wire type */
    weir_pb_put_bytes(&span, 99, WEIR_VIEW("unknown")); /* field of a later version */
    size_t link = weir_pb_begin(&span, 13);             /* leads nowhere */
    weir_pb_put_bytes(&span, 1, TRACE_ID);
    weir_pb_end(&span, link);
    weir_pb_put_varint(&span, 14, 2);
    struct weir_otlp_batch *batch = decode_record(WEIR_SIGNAL_TRACE, &span, &err);
    assert_non_null(batch);
    assert_int_equal(batch->spans_count, 1);
    assert_null(batch->spans[0].parent_span_id);
    assert_int_equal(batch->spans[0].kind, WEIR_SPAN_KIND_UNSPECIFIED);
    assert_true(batch->spans[0].start_ns == 0);
    assert_int_equal(batch->spans[0].links_count, 0);
    assert_int_equal(batch->spans[0].dropped_links_count, 3);
    weir_otlp_batch_unref(batch);
}

/* A gauge (5) or histogram (9) with one data point of the given fields. */
static struct weir_buf metric_with(const char *name, uint32_t type, struct weir_buf *point) {
    struct weir_buf buf;
    weir_buf_init(&buf, 1000);
    weir_pb_put_bytes(&buf, 1, weir_view_str(name));
    size_t data = weir_pb_begin(&buf, type);
    weir_pb_put_bytes(&buf, 1, weir_buf_view(point));
    weir_pb_end(&buf, data);
    weir_buf_done(point);
    return buf;
}

static void rejects_points_one_by_one(void **state) {
    (void)state;
    struct weir_buf point, metric;
    weir_buf_init(&point, 1000);
    weir_pb_put_fixed64(&point, 3, 1);
    metric = metric_with("m", 5, &point);
    assert_record_rejected(WEIR_SIGNAL_METRIC, &metric, "metric \"m\": a point has neither");
    weir_pb_put_f64(&point, 4, 1);
    metric = metric_with("", 5, &point);
    assert_record_rejected(WEIR_SIGNAL_METRIC, &metric, "a metric has no name");
    weir_pb_put_fixed64(&point, 6, 1); /* unpacked */
    weir_pb_put_fixed64(&point, 6, 1);
    weir_pb_put_f64(&point, 7, 1);
    weir_pb_put_f64(&point, 7, 2);
    metric = metric_with("h", 9, &point);
    assert_record_rejected(WEIR_SIGNAL_METRIC, &metric, "one more than explicit_bounds");
    for (int i = 0; i < 3; i++) weir_pb_put_fixed64(&point, 6, 1);
    for (int i = 0; i < 2; i++) weir_pb_put_f64(&point, 7, 2);
    metric = metric_with("h", 9, &point);
    assert_record_rejected(WEIR_SIGNAL_METRIC, &metric, "explicit_bounds must ascend");
    weir_pb_put_sint(&point, 6, 21);
    metric = metric_with("e", 10, &point);
    assert_record_rejected(WEIR_SIGNAL_METRIC, &metric, "scale must be");
}

static void log_with_bad_ids_belongs_to_no_trace(void **state) {
    (void)state;
    struct weir_error err = {0};
    struct weir_buf log;
    weir_buf_init(&log, 1000);
    weir_pb_put_bytes(&log, 9, WEIR_VIEW("short"));
    weir_pb_put_bytes(&log, 10, WEIR_VIEW("\0\0\0\0\0\0\0\0"));
    weir_pb_put_varint(&log, 2, 25);
    struct weir_otlp_batch *batch = decode_record(WEIR_SIGNAL_LOG, &log, &err);
    assert_non_null(batch);
    assert_null(batch->logs[0].trace_id);
    assert_null(batch->logs[0].span_id);
    assert_int_equal(batch->logs[0].severity_number, 0);
    weir_otlp_batch_unref(batch);
}

static void assert_body_refused(enum weir_signal signal, struct weir_buf *record,
                                const char *part) {
    struct weir_error err = {0};
    struct weir_otlp_batch *batch = decode_record(signal, record, &err);
    assert_null(batch);
    assert_int_equal(err.code, WEIR_EINVALID);
    if (!strstr(err.message, part)) fail_msg("got: %s", err.message);
}

static void refuses_text_that_is_not_utf8(void **state) {
    (void)state;
    struct weir_buf span = span_with(TRACE_ID, SPAN_ID, WEIR_VIEW(""));
    weir_pb_put_bytes(&span, 5, WEIR_VIEW("\xff"));
    assert_body_refused(WEIR_SIGNAL_TRACE, &span, "OTLP traces: Span.name is not UTF-8 at byte ");
    span = span_with(TRACE_ID, SPAN_ID, WEIR_VIEW(""));
    weir_pb_put_bytes(&span, 9, WEIR_VIEW("\x0a\x01\xff"));
    assert_body_refused(WEIR_SIGNAL_TRACE, &span, "attribute key is not UTF-8");
    span = span_with(TRACE_ID, SPAN_ID, WEIR_VIEW(""));
    weir_pb_put_bytes(&span, 9, WEIR_VIEW("\x0a\x01k\x12\x03\x0a\x01\xff"));
    assert_body_refused(WEIR_SIGNAL_TRACE, &span, "attribute value is malformed, not UTF-8");
    span = span_with(TRACE_ID, SPAN_ID, WEIR_VIEW("")); /* inside an array */
    weir_pb_put_bytes(&span, 9, WEIR_VIEW("\x12\x07\x2a\x05\x0a\x03\x0a\x01\xff"));
    assert_body_refused(WEIR_SIGNAL_TRACE, &span, "attribute value is malformed, not UTF-8");
}

static void refuses_deep_values(void **state) {
    (void)state;
    struct weir_buf value, log;
    struct weir_error err = {0};
    for (size_t depth = WEIR_VALUE_DEPTH_MAX; depth <= WEIR_VALUE_DEPTH_MAX + 1; depth++) {
        size_t marks[2 * (WEIR_VALUE_DEPTH_MAX + 1)], open = 0;
        weir_buf_init(&value, 10000);
        for (size_t i = 0; i < depth; i++) {
            marks[open++] = weir_pb_begin(&value, 5);
            marks[open++] = weir_pb_begin(&value, 1);
        }
        while (open) weir_pb_end(&value, marks[--open]);
        weir_buf_init(&log, 10000);
        weir_pb_put_bytes(&log, 5, weir_buf_view(&value));
        weir_buf_done(&value);
        struct weir_otlp_batch *batch = decode_record(WEIR_SIGNAL_LOG, &log, &err);
        assert_int_equal(batch != NULL, depth == WEIR_VALUE_DEPTH_MAX);
        weir_otlp_batch_unref(batch);
    }
    assert_non_null(strstr(err.message, "nested deeper than 64"));
}

static void index_has_a_limit(void **state) {
    (void)state;
    struct weir_otlp_batch *batch = NULL;
    struct weir_error err = {0};
    enum { COUNT = 100000 };
    char *body = malloc(2 * COUNT);
    for (size_t i = 0; i < COUNT; i++) memcpy(body + 2 * i, "\x0a\x00", 2); /* empty resources */
    assert_int_equal(
        weir_otlp_batch_decode(WEIR_SIGNAL_TRACE, body, 2 * COUNT, 1 << 20, &batch, &err),
        WEIR_ETOOBIG);
    assert_non_null(strstr(err.message, "send smaller batches"));
}

static void empty_request_is_fine(void **state) {
    (void)state;
    struct weir_otlp_batch *batch = NULL;
    assert_int_equal(weir_otlp_batch_decode(WEIR_SIGNAL_LOG, NULL, 0, 0, &batch, NULL), 0);
    assert_int_equal(weir_otlp_batch_records_count(batch), 0);
    weir_otlp_batch_unref(weir_otlp_batch_ref(batch));
    weir_otlp_batch_unref(batch);
    weir_otlp_batch_unref(NULL);
}

/* Every truncation is refused or read as a shorter request; no byte flip does harm (the sanitizers
 * watch). */
static void survives_damage(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    struct weir_rand rand;
    printf("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (enum weir_signal signal = WEIR_SIGNAL_TRACE; signal <= WEIR_SIGNAL_LOG; signal++) {
        struct weir_otlp_batch *batch = golden_batch(signal), *bad;
        size_t len = batch->bytes.len;
        for (size_t i = 0; i < 3 * len; i++) {
            size_t size = i < len ? i : len;
            char *body = malloc(size + 1);
            memcpy(body, batch->bytes.ptr, size);
            if (i >= len)
                body[weir_rand_below(&rand, len)] ^= (char)(1 + weir_rand_below(&rand, 255));
            if (weir_otlp_batch_decode(signal, body, size, 0, &bad, NULL) == 0)
                weir_otlp_batch_unref(bad);
        }
        weir_otlp_batch_unref(batch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_field_of_a_span),
        cmocka_unit_test(reads_every_field_of_a_log),
        cmocka_unit_test(reads_every_field_of_points),
        cmocka_unit_test(rejects_spans_one_by_one),
        cmocka_unit_test(keeps_spans_with_small_oddities),
        cmocka_unit_test(rejects_points_one_by_one),
        cmocka_unit_test(log_with_bad_ids_belongs_to_no_trace),
        cmocka_unit_test(refuses_text_that_is_not_utf8),
        cmocka_unit_test(refuses_deep_values),
        cmocka_unit_test(index_has_a_limit),
        cmocka_unit_test(empty_request_is_fine),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
