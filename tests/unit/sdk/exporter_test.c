/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/exporter.h"

#include <stdio.h>

#include "capture.h"
#include "sdk/lane.h"
#include "sdk/sdk.h"
#include "sdk/transport.h"
#include "weir/log.h"
#include "weir/trace.h"
#include "wire/pb.h"

static struct weir_tracer *tracer;

static struct weir_stats stats_now(void) {
    struct weir_stats stats = {.struct_size = sizeof stats};
    weir_stats_get(&stats);
    return stats;
}

static void record_spans(int count) {
    for (int i = 0; i < count; i++) weir_span_end(weir_span_start(tracer, "s", NULL));
}

static void script(int attempt, int code, bool retry, int64_t retry_after_ms) {
    captured.script[attempt] = (struct weir_outbound_answer){.code = code,
                                                             .retry = retry,
                                                             .retry_after_ms = retry_after_ms,
                                                             .message = "as the script says"};
    if (captured.script_count <= attempt) captured.script_count = attempt + 1;
}

static void retried_until_accepted(void **state) {
    (void)state;
    struct weir_stats before = stats_now();
    capture_init("t", NULL);
    script(0, WEIR_EUNAVAILABLE, true, 150);
    record_spans(3);
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    assert_int_equal(captured.attempts, 2);
    assert_true(captured.attempted_ns[1] - captured.attempted_ns[0] >= 140 * WEIR_NS_PER_MS);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 3);
    assert_int_equal(stats_now().exports_retried - before.exports_retried, 1);
    capture_done();
}

static void refused_for_good(void **state) {
    (void)state;
    struct weir_stats before = stats_now();
    struct weir_error err = {.message = ""};
    capture_init("t", NULL);
    script(0, WEIR_EINVALID, false, -1);
    record_spans(3);
    assert_int_equal(weir_flush(5000, &err), WEIR_EUNAVAILABLE);
    assert_non_null(strstr(err.message, "as the script says"));
    assert_int_equal(captured.attempts, 1);
    assert_int_equal(stats_now().spans_dropped_export - before.spans_dropped_export, 3);
    record_spans(1); /* what comes later is not harmed */
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 1);
    capture_done();
}

/* While the receiver is away the queue fills; the newest are dropped and counted; the oldest
 * arrive. */
static void queue_is_bounded(void **state) {
    (void)state;
    struct weir_stats before = stats_now();
    capture_init("t", NULL);
    script(0, WEIR_EUNAVAILABLE, true, 20000);
    record_spans(512);
    weir_flush(300, NULL);
    for (int i = 0; i < 10; i++) {
        record_spans(500);
        weir_exporter_wake(NULL);
        weir_clock_sleep_ns(5 * WEIR_NS_PER_MS);
    }
    capture_done(); /* gives up the request, sends nothing */
    struct weir_stats after = stats_now();
    uint64_t started = after.spans_started - before.spans_started;
    assert_int_equal(started, 5512);
    assert_int_equal(after.spans_exported - before.spans_exported + after.spans_dropped_queue -
                         before.spans_dropped_queue + after.spans_dropped_export -
                         before.spans_dropped_export,
                     started);
    assert_true(after.spans_dropped_queue > before.spans_dropped_queue);
}

static void partial_success(void **state) {
    (void)state;
    struct weir_stats before = stats_now();
    capture_init("t", NULL);
    captured.script[0] = (struct weir_outbound_answer){.rejected = 2, .retry_after_ms = -1};
    captured.script_count = 1;
    record_spans(5);
    weir_flush(5000, NULL);
    assert_int_equal(captured.attempts, 1); /* never sent again */
    assert_int_equal(stats_now().spans_exported - before.spans_exported, 3);
    assert_int_equal(stats_now().spans_dropped_export - before.spans_dropped_export, 2);
    capture_done();
}

static void batches_leave_by_themselves(void **state) {
    (void)state;
    struct weir_options options = {.span_delay_ms = 30};
    capture_init("t", &options);
    record_spans(2);
    for (int i = 0; i < 200; i++) { /* up to two seconds on a busy machine */
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
        pthread_mutex_lock(&captured.lock);
        uint32_t count = captured_count(WEIR_SIGNAL_TRACE);
        pthread_mutex_unlock(&captured.lock);
        if (count == 2) break;
    }
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 2);
    capture_done();
}

static void scopes_are_grouped(void **state) {
    (void)state;
    capture_init("t", NULL);
    struct weir_tracer *other = weir_tracer_get("other", "9");
    for (int i = 0; i < 3; i++) {
        record_spans(1);
        weir_span_end(weir_span_start(other, "o", NULL));
    }
    weir_flush(5000, NULL);
    assert_int_equal(captured.count, 1);
    assert_int_equal(captured.batches[0]->scopes_count, 2);
    assert_int_equal(captured.batches[0]->resources_count, 1);
    assert_int_equal(captured.batches[0]->spans_count, 6);
    assert_view_is(captured.batches[0]->scopes[1].version, "9");
    capture_done();
}

/* Receivers refuse messages over 4 MiB: what one batch holds beyond that goes into the next. */
static void requests_are_bounded(void **state) {
    enum { SPANS = 60, SIZE = 100 << 10 };
    static char large[SIZE];
    (void)state;
    struct weir_stats before = stats_now();
    capture_init("t", NULL);
    memset(large, 'x', sizeof large);
    script(0, WEIR_EUNAVAILABLE, true, 1);
    for (int i = 0; i < SPANS; i++) {
        struct weir_span *span = weir_span_start(tracer, "s", NULL);
        weir_span_set(span, weir_attribute_strn("large", large, sizeof large));
        weir_span_set(span, WEIR_INT("n", i));
        weir_span_end(span);
    }
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    assert_true(captured.count >= 2);
    for (int i = 0; i < captured.count; i++) assert_true(captured.batches[i]->bytes.len < 4 << 20);
    for (int i = 0; i < SPANS; i++) {
        const struct weir_value *n =
            weir_attrs_get(captured_span((uint32_t)i)->attrs, WEIR_VIEW("n"));
        assert_true(n && n->i64 == i);
    }
    assert_int_equal(stats_now().spans_exported - before.spans_exported, SPANS);
    assert_int_equal(stats_now().spans_waiting, 0);
    capture_done();
}

/* Many scopes in one batch: each once, with its own spans in their order. */
static void many_scopes(void **state) {
    enum { SCOPES = 40, ROUNDS = 9 };
    struct weir_tracer *tracers[SCOPES];
    (void)state;
    capture_init("t", NULL);
    for (int i = 0; i < SCOPES; i++) {
        char name[24];
        snprintf(name, sizeof name, "scope %d", i);
        tracers[i] = weir_tracer_get(name, NULL);
    }
    for (int n = 0; n < ROUNDS * SCOPES; n++) {
        struct weir_span *span = weir_span_start(tracers[n * 7 % SCOPES], "s", NULL);
        weir_span_set(span, WEIR_INT("n", n));
        weir_span_end(span);
    }
    assert_int_equal(weir_flush(5000, NULL), WEIR_OK);
    assert_int_equal(captured.count, 1);
    const struct weir_otlp_batch *batch = captured.batches[0];
    assert_int_equal(batch->scopes_count, SCOPES);
    assert_int_equal(batch->spans_count, ROUNDS * SCOPES);
    int64_t last[SCOPES];
    memset(last, -1, sizeof last);
    for (uint32_t i = 0; i < batch->spans_count; i++) {
        const struct weir_otlp_span *span = &batch->spans[i];
        const struct weir_value *n = weir_attrs_get(span->attrs, WEIR_VIEW("n"));
        char name[24];
        if (!n) abort();
        snprintf(name, sizeof name, "scope %d", (int)(n->i64 * 7 % SCOPES));
        assert_view_is(batch->scopes[span->scope].name, name);
        assert_true(n->i64 > last[span->scope]);
        last[span->scope] = n->i64;
    }
    capture_done();
}

static void logs(void **state) {
    (void)state;
    struct weir_options options = {.sampler = "always_off"};
    capture_init("tl", &options);
    struct weir_logger *logger = weir_logger_get("log", NULL);
    struct weir_span *span =
        weir_span_start(tracer, "s", NULL); /* not sampled: its ids count all the same */
    struct weir_span_context sc = weir_span_context_get(span);
    struct weir_attribute attrs[] = {WEIR_STR("a", "\xff"), WEIR_STR("", "dropped")};
    struct weir_log_record record = {.struct_size = sizeof record,
                                     .severity = WEIR_SEVERITY_ERROR,
                                     .time_ns = 5,
                                     .body = "cut here",
                                     .body_size = 3,
                                     .event_name = "app.failed",
                                     .attributes = attrs,
                                     .attributes_count = 2,
                                     .span_context = &sc};
    weir_logger_emit(logger, &record);
    weir_logger_set_severity_min(logger, WEIR_SEVERITY_WARN);
    weir_logger_printf(logger, WEIR_SEVERITY_INFO, "too low");
    assert_false(weir_logger_enabled(logger, WEIR_SEVERITY_INFO));
    assert_true(weir_logger_enabled(logger, WEIR_SEVERITY_WARN));
    weir_logger_set_severity_min(logger, WEIR_SEVERITY_TRACE);
    weir_logger_emit(logger, NULL);
    weir_logger_emit(NULL, &record);
    weir_span_end(span);
    weir_flush(5000, NULL);
    assert_int_equal(captured_count(WEIR_SIGNAL_LOG), 1);
    const struct weir_otlp_log *log = &captured.batches[0]->logs[0];
    assert_view_is(log->body.str, "cut");
    assert_view_is(log->event_name, "app.failed");
    assert_view_is(log->severity_text, "ERROR");
    assert_view_is(attr_str(log->attrs, "a"), "?");
    assert_int_equal(log->dropped_attrs_count, 1);
    assert_int_equal(log->time_ns, 5);
    assert_memory_equal(log->trace_id, sc.trace_id, 16);
    assert_memory_equal(log->span_id, sc.span_id, 8);
    assert_int_equal(log->flags, WEIR_FLAG_RANDOM);
    capture_done();
}

static void answers_are_read(void **state) {
    (void)state;
    struct weir_outbound_answer answer = {.code = 0};
    weir_outbound_read_answer(WEIR_VIEW("\x0a\x07\x08\x96\x01\x12\x02hi"), &answer);
    assert_int_equal(answer.rejected, 150);
    assert_string_equal(answer.message, "hi");
    weir_outbound_read_answer(WEIR_VIEW("\xff\xff garbage"), &answer);
    static const int http[] = {429, 502, 503, 504}, grpc[] = {1, 4, 10, 11, 14, 15};
    for (int status = 100; status < 600; status++) {
        bool retries = false;
        for (int i = 0; i < 4; i++) retries |= status == http[i];
        assert_int_equal(weir_outbound_retries_http(status), retries);
    }
    for (int status = 0; status < 20; status++) {
        bool retries = false;
        for (int i = 0; i < 6; i++) retries |= status == grpc[i];
        assert_int_equal(weir_outbound_retries_grpc(status, false), retries);
        assert_int_equal(weir_outbound_retries_grpc(status, true), retries || status == 8);
    }
}

static int errors_told;

static void on_error(void *arg, const struct weir_error *err) {
    assert_string_equal(arg, "mine");
    assert_non_null(err);
    errors_told++;
}

static void bugs_switch_off(void **state) {
    (void)state;
    char arg[] = "mine";
    struct weir_options options = {.on_error = on_error, .on_error_arg = arg};
    capture_init("t", &options);
    assert_true(weir_is_running());
    uint64_t before = stats_now().bugs;
    weir_bug("planted %d", 1);
    assert_int_equal(stats_now().bugs - before, 1);
    assert_false(weir_is_running());
    assert_null(weir_span_start(tracer, "s", NULL));
    assert_int_equal(errors_told, 1);
    capture_done();
    capture_init("t", NULL); /* a new start is allowed */
    record_spans(1);
    weir_flush(5000, NULL);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 1);
    capture_done();
}

static void inits_nest(void **state) {
    (void)state;
    struct weir_options options = {.struct_size = sizeof options};
    capture_init("t", NULL);
    assert_int_equal(weir_init(&options, NULL), WEIR_ECONFLICT);
    assert_int_equal(weir_init(NULL, NULL), WEIR_OK);
    assert_int_equal(weir_shutdown(1000, NULL), WEIR_OK);
    assert_true(weir_is_running());
    record_spans(1);
    assert_int_equal(weir_shutdown(1000, NULL), WEIR_OK);
    assert_false(weir_is_running());
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 1);
    assert_int_equal(weir_shutdown(1000, NULL), WEIR_OK);
    capture_done();
}

static enum weir_health check(void *arg, char *detail, size_t size) {
    (void)detail;
    (void)size;
    return *(enum weir_health *)arg;
}

static void health_checks(void **state) {
    (void)state;
    enum weir_health health = WEIR_HEALTH_UNKNOWN;
    struct weir_error err = {.message = ""};
    assert_int_equal(weir_health_add("", check, &health, &err), WEIR_EINVALID);
    for (int i = 0; i < 64; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(weir_health_add(name, check, &health, NULL), WEIR_OK);
    }
    assert_int_equal(weir_health_add("c3", check, &health, NULL), WEIR_OK); /* replaces */
    assert_int_equal(weir_health_add("more", check, &health, &err), WEIR_ELIMIT);
    for (int i = 0; i < 64; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        weir_health_remove(name);
    }
    weir_health_remove("never was");
    weir_health_remove(NULL);
}

int main(void) {
    tracer = weir_tracer_get("unit", NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(retried_until_accepted),
                                       cmocka_unit_test(refused_for_good),
                                       cmocka_unit_test(queue_is_bounded),
                                       cmocka_unit_test(partial_success),
                                       cmocka_unit_test(batches_leave_by_themselves),
                                       cmocka_unit_test(scopes_are_grouped),
                                       cmocka_unit_test(requests_are_bounded),
                                       cmocka_unit_test(many_scopes),
                                       cmocka_unit_test(logs),
                                       cmocka_unit_test(answers_are_read),
                                       cmocka_unit_test(bugs_switch_off),
                                       cmocka_unit_test(inits_nest),
                                       cmocka_unit_test(health_checks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
