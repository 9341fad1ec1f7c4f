/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/encode.h"

#include "golden.h"
#include "otlp/json.h"
#include "wire/pb.h"

static struct weir_buf buf, json;

static int setup(void **state) {
    (void)state;
    weir_buf_init(&buf, 1 << 20);
    weir_buf_init(&json, 1 << 20);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weir_buf_done(&buf);
    weir_buf_done(&json);
    return 0;
}

static struct weir_view as_json(const struct weir_otlp_message *message, struct weir_view bytes) {
    weir_buf_clear(&json);
    struct weir_json_writer w = weir_json_writer(&json);
    assert_true(weir_otlp_json_add(&w, message, bytes));
    return weir_buf_view(&json);
}

/* The field that put_span, … wrote: its content. */
static struct weir_view content(void) {
    struct weir_pb pb = weir_pb(weir_buf_view(&buf));
    struct weir_pb_field field;
    assert_int_equal(weir_pb_next(&pb, &field), 1);
    assert_ptr_equal(pb.at, pb.end);
    return field.bytes;
}

/* What the index shows of the golden records, encoded again, is the golden record. */
static void encodes_what_was_decoded(void **state) {
    (void)state;
    struct weir_otlp_batch *batch = golden_batch(WEIR_SIGNAL_TRACE);
    for (uint32_t i = 0; i < batch->spans_count; i++) {
        weir_buf_clear(&buf);
        weir_otlp_put_span(&buf, &batch->spans[i]);
        assert_int_equal(content().len, batch->spans[i].raw.len);
        assert_memory_equal(content().ptr, batch->spans[i].raw.ptr, batch->spans[i].raw.len);
    }
    weir_otlp_batch_unref(batch);
    batch = golden_batch(WEIR_SIGNAL_LOG);
    for (uint32_t i = 0; i < batch->logs_count; i++) {
        weir_buf_clear(&buf);
        weir_otlp_put_log(&buf, &batch->logs[i]);
        assert_int_equal(content().len, batch->logs[i].raw.len);
        assert_memory_equal(content().ptr, batch->logs[i].raw.ptr, batch->logs[i].raw.len);
    }
    weir_otlp_batch_unref(batch);
}

static void encodes_metrics_that_were_decoded(void **state) {
    (void)state;
    struct weir_otlp_batch *batch = golden_batch(WEIR_SIGNAL_METRIC), *again = NULL;
    struct weir_otlp_group group;
    weir_otlp_group_begin(&group, &buf, batch->resources[0].attrs, batch->scopes[0].name,
                          batch->scopes[0].version);
    for (uint32_t m = 0, p = 0; m < batch->metrics_count; m++) {
        struct weir_otlp_metric_open open;
        weir_otlp_metric_begin(&open, &buf, &batch->metrics[m]);
        for (; p < batch->points_count && batch->points[p].metric == m; p++)
            weir_otlp_put_point(&open, &batch->points[p]);
        weir_otlp_metric_end(&open);
    }
    weir_otlp_group_end(&group);
    assert_false(buf.failed);
    /* All members but those that the group does not carry: compare from "metrics" on. */
    struct weir_buf golden;
    weir_buf_init(&golden, 1 << 20);
    const struct weir_otlp_message *request = weir_otlp_message_request(WEIR_SIGNAL_METRIC);
    weir_buf_add_view(&golden, as_json(request, batch->bytes));
    struct weir_view left = weir_buf_view(&golden), right = as_json(request, weir_buf_view(&buf));
    left = weir_view_from(left, weir_view_find(left, WEIR_VIEW("\"metrics\":[")));
    left = weir_view_upto(left, weir_view_find(left, WEIR_VIEW("],\"schemaUrl\"")));
    right = weir_view_from(right, weir_view_find(right, WEIR_VIEW("\"metrics\":[")));
    right = weir_view_upto(right, left.len);
    if (!weir_view_eq(left, right))
        fail_msg("%.*s\n%.*s", WEIR_VIEW_ARG(left), WEIR_VIEW_ARG(right));
    size_t len;
    char *body = weir_buf_take(&buf, &len);
    assert_int_equal(weir_otlp_batch_decode(WEIR_SIGNAL_METRIC, body, len, 0, &again, NULL), 0);
    assert_int_equal(again->points_count, batch->points_count);
    weir_otlp_batch_unref(again);
    weir_otlp_batch_unref(batch);
    weir_buf_done(&golden);
}

static void groups_hold_scopes(void **state) {
    (void)state;
    struct weir_otlp_group group;
    struct weir_attr attr = {WEIR_VIEW("k"), weir_value_bool(true)};
    struct weir_otlp_log log = {.body = weir_value_str(WEIR_VIEW("x"))};
    weir_otlp_group_begin(&group, &buf, (struct weir_attrs){&attr, 1}, WEIR_VIEW("a"),
                          WEIR_VIEW(""));
    weir_otlp_put_log(&buf, &log);
    weir_otlp_group_next_scope(&group, WEIR_VIEW(""), WEIR_VIEW(""));
    weir_otlp_put_log(&buf, &log);
    weir_otlp_group_end(&group);
    assert_view_is(
        as_json(weir_otlp_message_request(WEIR_SIGNAL_LOG), weir_buf_view(&buf)),
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"k\",\"value\":{\"boolValue\":"
        "true}}]},\"scopeLogs\":[{\"scope\":{\"name\":\"a\"},\"logRecords\":[{\"body\":{"
        "\"stringValue\":\"x\"}}]},{\"logRecords\":[{\"body\":{\"stringValue\":\"x\"}}]}]}]}");
}

static void merges_batches(void **state) {
    (void)state;
    struct weir_otlp_batch *batches[2] = {golden_batch(WEIR_SIGNAL_TRACE),
                                          golden_batch(WEIR_SIGNAL_TRACE)};
    struct weir_otlp_batch *merged = NULL;
    assert_int_equal(weir_otlp_merge(batches, 2, &merged, NULL), 0);
    assert_int_equal(merged->spans_count, 4);
    assert_int_equal(merged->resources_count, 2);
    assert_true(merged->resources[0].hash == merged->resources[1].hash);
    assert_int_equal(merged->scopes[2].resource, 1);
    weir_otlp_batch_unref(merged);
    assert_int_equal(weir_otlp_merge(batches, 0, &merged, NULL), WEIR_EINVALID);
    weir_otlp_batch_unref(batches[0]);
    weir_otlp_batch_unref(batches[1]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(encodes_what_was_decoded),
        TEST(encodes_metrics_that_were_decoded),
        TEST(groups_hold_scopes),
        TEST(merges_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
