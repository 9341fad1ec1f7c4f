/* SPDX-License-Identifier: Apache-2.0 */
/* The OTLP doors against a scripted sink; the HTTP server is replaced by the functions below, which
 * remember the answer. */
#include "collect/receivers/otlp.h"

#include <stdio.h>
#include <stdlib.h>

#include "otlp/encode.h"
#include "otlp/status.h"
#include "unit.h"

/* ---- the HTTP server's part ------------------------------------------------------------------ */

static const char *content_type;

static struct {
    int count, http_status, grpc_status;
    char type[100], retry_after[20], body[2000], details[2000], message[200];
    size_t body_len, details_len;
} answer;

struct weir_view weir_http_header(const struct weir_http_request *req, const char *name) {
    (void)req;
    assert_string_equal(name, "content-type");
    return weir_view_str(content_type);
}

void weir_http_reply_header(struct weir_http_request *req, const char *name,
                            struct weir_view value) {
    (void)req;
    assert_string_equal(name, "Retry-After");
    memcpy(answer.retry_after, value.ptr, value.len);
}

void weir_http_reply_view(struct weir_http_request *req, int status, const char *type,
                          struct weir_view body) {
    (void)req;
    answer.count++;
    answer.http_status = status;
    snprintf(answer.type, sizeof answer.type, "%s", type);
    if (body.len) memcpy(answer.body, body.ptr, body.len);
    answer.body_len = body.len;
}

void weir_http_reply_grpc(struct weir_http_request *req, int grpc_status, const char *grpc_message,
                          struct weir_view message, struct weir_view status_details) {
    (void)req;
    answer.count++;
    answer.grpc_status = grpc_status;
    snprintf(answer.message, sizeof answer.message, "%s", grpc_message);
    if (message.len) memcpy(answer.body, message.ptr, message.len);
    answer.body_len = message.len;
    if (status_details.len) memcpy(answer.details, status_details.ptr, status_details.len);
    answer.details_len = status_details.len;
}

/* ---- the sink -------------------------------------------------------------------------------- */

struct script {
    struct weir_sink sink;
    struct weir_sink_answer answer;
    bool hold; /* keeps the batch and answers later */
    struct weir_otlp_batch *held;
    weir_sink_done *done;
    void *arg;
    int pushed;
};

static void push(struct weir_sink *sink, struct weir_otlp_batch *batch, weir_sink_done *done,
                 void *arg) {
    struct script *script = (struct script *)sink;
    script->pushed++;
    if (script->hold) {
        script->held = batch;
        script->done = done;
        script->arg = arg;
        return;
    }
    done(arg, &script->answer);
    weir_otlp_batch_unref(batch);
}

/* ---- a call ---------------------------------------------------------------------------------- */

static struct script script;
static struct weir_budget *budget;
static struct weir_otlp_receiver *receiver;
static struct weir_buf body;
static const bool signals[WEIR_SIGNALS_COUNT] = {true, true, false};

static int setup(void **state) {
    (void)state;
    script = (struct script){.sink = {push}, .answer = {.message = ""}};
    budget = weir_budget_new(10000);
    receiver = weir_otlp_receiver_new(&(struct weir_otlp_receiver_options){
        .sink = &script.sink, .budget = budget, .signals = signals});
    weir_buf_init(&body, 100000);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weir_otlp_receiver_free(receiver);
    weir_budget_free(budget); /* asserts that all was given back */
    weir_buf_done(&body);
    return 0;
}

static void call_with(const char *path, const char *type, bool grpc, struct weir_view bytes) {
    size_t count;
    const struct weir_http_route *routes =
        grpc ? weir_otlp_receiver_grpc_routes(&count) : weir_otlp_receiver_http_routes(&count);
    struct weir_http_request req = {.body = bytes, .is_grpc = grpc};
    memset(&answer, 0, sizeof answer);
    content_type = type;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(routes[i].pattern, path) != 0) continue;
        assert_string_equal(routes[i].method, "POST");
        routes[i].handler(receiver, &req);
        return;
    }
    fail_msg("no route %s", path);
}

/* Spans: `good` valid ones, then `bad` ones without a trace id. */
static struct weir_view spans(int good, int bad) {
    struct weir_otlp_group group;
    weir_buf_clear(&body);
    weir_otlp_group_begin(&group, &body, (struct weir_attrs){0}, WEIR_VIEW(""), WEIR_VIEW(""));
    for (int i = 0; i < good + bad; i++) {
        struct weir_otlp_span span = {.trace_id =
                                          i < good ? (const uint8_t *)"0123456789abcdef" : NULL,
                                      .span_id = (const uint8_t *)"01234567",
                                      .name = WEIR_VIEW("n")};
        weir_otlp_put_span(&body, &span);
    }
    weir_otlp_group_end(&group);
    return weir_buf_view(&body);
}

#define GRPC_TRACES "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define GRPC_LOGS   "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
#define PROTOBUF    "application/x-protobuf"

static void assert_body(const char *expected) {
    assert_view_is(weir_view(answer.body, answer.body_len), expected);
}

static struct weir_otlp_status status_of(struct weir_view bytes) {
    struct weir_otlp_status status;
    assert_true(weir_otlp_status_decode(bytes, &status));
    return status;
}

static void answers_in_the_form_of_the_request(void **state) {
    (void)state;
    call_with("/v1/traces", PROTOBUF, false, spans(2, 0));
    assert_int_equal(answer.http_status, 200);
    assert_string_equal(answer.type, PROTOBUF);
    assert_int_equal(answer.body_len, 0);
    call_with(
        "/v1/traces", "Application/JSON; charset=utf-8", false,
        WEIR_VIEW("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
                  "\"0123456789abcdef0123456789abcdef\",\"spanId\":\"0123456789abcdef\"}]}]}]}"));
    assert_int_equal(answer.http_status, 200);
    assert_string_equal(answer.type, "application/json");
    assert_body("{}");
    call_with(GRPC_TRACES, "application/grpc", true, spans(2, 0));
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.grpc_status, 0);
    assert_int_equal(answer.details_len, 0);
    assert_int_equal(script.pushed, 3);
}

static void answers_only_when_the_sink_has(void **state) {
    (void)state;
    script.hold = true;
    call_with("/v1/traces", PROTOBUF, false, spans(1, 0));
    assert_int_equal(answer.count, 0);
    assert_int_not_equal(weir_budget_used(budget), 0);
    weir_otlp_batch_unref(script.held); /* the sink may let go before it answers */
    script.done(script.arg, &script.answer);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.http_status, 200);
    assert_int_equal(weir_budget_used(budget), 0);
}

static void empty_request_is_success(void **state) {
    (void)state;
    call_with("/v1/metrics", PROTOBUF, false, WEIR_VIEW(""));
    assert_int_equal(answer.http_status, 200);
    call_with("/v1/metrics", "application/json", false, WEIR_VIEW("{}"));
    assert_body("{}");
    assert_int_equal(script.pushed, 0);
}

static void tells_of_partial_success(void **state) {
    (void)state;
    struct weir_otlp_response response;
    call_with("/v1/traces", PROTOBUF, false, spans(2, 3));
    assert_int_equal(answer.http_status, 200);
    assert_true(weir_otlp_response_decode(weir_view(answer.body, answer.body_len), &response));
    assert_int_equal(response.rejected_count, 3);
    assert_non_null(strstr(answer.body, "trace_id must be 16 bytes"));
    assert_int_equal(script.pushed, 1);
    call_with(GRPC_TRACES, "", true, spans(0, 2)); /* nothing is left to store */
    assert_int_equal(answer.grpc_status, 0);
    assert_true(weir_otlp_response_decode(weir_view(answer.body, answer.body_len), &response));
    assert_int_equal(response.rejected_count, 2);
    assert_int_equal(script.pushed, 1);
    script.answer = (struct weir_sink_answer){.rejected_count = 1, .message = "too old"};
    call_with("/v1/traces", PROTOBUF, false, spans(2, 0));
    assert_true(weir_otlp_response_decode(weir_view(answer.body, answer.body_len), &response));
    assert_int_equal(response.rejected_count, 1);
    assert_view_is(response.message, "too old");
}

static void refuses_what_cannot_be_decoded(void **state) {
    (void)state;
    call_with("/v1/traces", PROTOBUF, false, WEIR_VIEW("\x0a\x05oops"));
    assert_int_equal(answer.http_status, 400);
    assert_string_equal(answer.type, PROTOBUF);
    assert_string_equal(answer.retry_after, "");
    struct weir_otlp_status status = status_of(weir_view(answer.body, answer.body_len));
    assert_int_equal(status.grpc_code, 3);
    assert_int_equal(status.retry_after_ms, -1);
    assert_true(weir_view_find(status.message, WEIR_VIEW("at byte ")) != SIZE_MAX);
    call_with("/v1/metrics", "application/json", false, WEIR_VIEW("{\n\"resourceMetrics\": 5}"));
    assert_int_equal(answer.http_status, 400);
    assert_non_null(strstr(answer.body, "{\"code\":3,\"message\":\"OTLP/JSON: "));
    assert_non_null(strstr(answer.body, "at line 2, column 20"));
    call_with(GRPC_TRACES, "", true, WEIR_VIEW("\x0a\x05oops"));
    assert_int_equal(answer.grpc_status, 3);
    assert_int_equal(script.pushed, 0);
}

static void refuses_foreign_types_and_signals(void **state) {
    (void)state;
    call_with("/v1/traces", "text/plain", false, spans(1, 0));
    assert_int_equal(answer.http_status, 415);
    assert_non_null(
        strstr(answer.body, "Content-Type must be application/x-protobuf or application/json"));
    call_with("/v1/traces", "", false, spans(1, 0));
    assert_int_equal(answer.http_status, 415);
    call_with("/v1/logs", PROTOBUF, false, WEIR_VIEW(""));
    assert_int_equal(answer.http_status, 404);
    assert_non_null(strstr(answer.body, "takes no logs"));
    call_with(GRPC_LOGS, "", true, WEIR_VIEW(""));
    assert_int_equal(answer.grpc_status, 12);
}

static void asks_to_come_back_when_the_sink_is_busy(void **state) {
    (void)state;
    script.answer = (struct weir_sink_answer){
        .code = WEIR_EUNAVAILABLE, .retry_after_ms = 2500, .message = "catching up"};
    call_with("/v1/traces", PROTOBUF, false, spans(1, 0));
    assert_int_equal(answer.http_status, 503);
    assert_string_equal(answer.retry_after, "3");
    assert_int_equal(status_of(weir_view(answer.body, answer.body_len)).retry_after_ms, 2500);
    call_with(GRPC_TRACES, "", true, spans(1, 0));
    assert_int_equal(answer.grpc_status, 14);
    assert_string_equal(answer.message, "catching up");
    assert_int_equal(status_of(weir_view(answer.details, answer.details_len)).retry_after_ms, 2500);
    script.answer = (struct weir_sink_answer){.code = WEIR_EFULL}; /* no words, no hint */
    call_with("/v1/traces", PROTOBUF, false, spans(1, 0));
    assert_int_equal(answer.http_status, 503);
    assert_string_equal(answer.retry_after, "1");
    assert_view_is(status_of(weir_view(answer.body, answer.body_len)).message, "disk full");
    script.answer = (struct weir_sink_answer){.code = WEIR_EIO, .message = "broken"};
    call_with("/v1/traces", PROTOBUF, false, spans(1, 0));
    assert_int_equal(answer.http_status, 500);
    assert_string_equal(answer.retry_after, "");
}

static void refuses_early_over_budget(void **state) {
    (void)state;
    script.hold = true;
    call_with("/v1/traces", PROTOBUF, false, spans(40, 0));
    struct script first = script;
    script.hold = false;
    call_with("/v1/traces", PROTOBUF, false, spans(100, 0));
    assert_int_equal(answer.http_status, 429);
    assert_string_equal(answer.retry_after, "1");
    assert_int_equal(script.pushed, 1);
    call_with(GRPC_TRACES, "", true, spans(100, 0));
    assert_int_equal(answer.grpc_status, 8);
    assert_int_equal(status_of(weir_view(answer.details, answer.details_len)).retry_after_ms, 1000);
    first.done(first.arg, &first.answer);
    weir_otlp_batch_unref(first.held);
    call_with("/v1/traces", PROTOBUF, false, spans(100, 0));
    assert_int_equal(answer.http_status, 200);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(answers_in_the_form_of_the_request),
        TEST(answers_only_when_the_sink_has),
        TEST(empty_request_is_success),
        TEST(tells_of_partial_success),
        TEST(refuses_what_cannot_be_decoded),
        TEST(refuses_foreign_types_and_signals),
        TEST(asks_to_come_back_when_the_sink_is_busy),
        TEST(refuses_early_over_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
