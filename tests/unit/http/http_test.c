/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/http.h"

#include <stdio.h>

#include "../sdk/capture.h"
#include "weir/metric.h"

/* ── headers ─────────────────────────────────────────────────────────────────────────────────── */

struct headers {
    const char *items[8][2];
    char room[4][128];
    int count;
};

static const char *get(void *carrier, const char *name, size_t *ret_size) {
    const struct headers *headers = carrier;
    for (int i = 0; i < headers->count; i++)
        if (!strcmp(headers->items[i][0], name))
            return *ret_size = strlen(headers->items[i][1]), headers->items[i][1];
    return NULL;
}

static int set(void *carrier, const char *name, const char *value, size_t size) {
    struct headers *headers = carrier;
    snprintf(headers->room[headers->count], sizeof headers->room[0], "%.*s", (int)size, value);
    headers->items[headers->count][0] = name;
    headers->items[headers->count][1] = headers->room[headers->count];
    headers->count++;
    return 0;
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static struct headers sampled = {.items = {{"traceparent", "00-" TRACE "-b7ad6b7169203331-01"},
                                           {"host", "shop.example:8080"},
                                           {"user-agent", "unit/1"},
                                           {"x-forwarded-for", "10.0.0.7, 10.0.0.8"}},
                                 .count = 4};

static struct weir_http_request request_of(const char *method, const char *target,
                                           struct headers *headers) {
    return (struct weir_http_request){.struct_size = sizeof(struct weir_http_request),
                                      .method = method,
                                      .target = target,
                                      .get = headers ? get : NULL,
                                      .carrier = headers};
}

static int setup(void **state) {
    (void)state;
    capture_init("t", NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    capture_done();
    return 0;
}

static int64_t number(const struct weir_otlp_span *span, const char *key) {
    const struct weir_value *value = weir_attrs_get(span->attrs, weir_view_str(key));
    return value ? value->i64 : -1;
}

static void assert_attr(const struct weir_otlp_span *span, const char *key, const char *expected) {
    assert_view_is(attr_str(span->attrs, key), expected);
}

/* ── server ──────────────────────────────────────────────────────────────────────────────────── */

static void a_request_served(void **state) {
    (void)state;
    struct weir_http_request request = request_of("POST", "/orders/7?q=1&sig=hunter2", &sampled);
    request.route = "/orders/{id}";
    request.version = "HTTP/1.1";
    request.peer_address = "127.0.0.1";
    request.peer_port = 5000;
    struct weir_http *http = weir_http_server_begin(&request);
    assert_ptr_equal(weir_span_current(), weir_http_span(http));
    weir_span_end(weir_span_start(weir_tracer_get("unit", NULL), "inner", NULL));
    weir_http_server_end(http, 201, NULL);
    assert_null(weir_context_current());
    weir_flush(5000, NULL);
    const struct weir_otlp_span *inner = captured_span(0), *span = captured_span(1);
    assert_view_is(span->name, "POST /orders/{id}");
    assert_int_equal(span->kind, WEIR_SPAN_KIND_SERVER);
    assert_int_equal(span->status_code, 0);
    assert_attr(span, "http.request.method", "POST");
    assert_attr(span, "http.request.method_original", "");
    assert_attr(span, "http.route", "/orders/{id}");
    assert_attr(span, "url.path", "/orders/7");
    assert_attr(span, "url.query", "q=1&sig=REDACTED");
    assert_attr(span, "url.scheme", "http");
    assert_attr(span, "server.address", "shop.example");
    assert_int_equal(number(span, "server.port"), 8080);
    assert_attr(span, "client.address", "10.0.0.7");
    assert_attr(span, "network.peer.address", "127.0.0.1");
    assert_int_equal(number(span, "network.peer.port"), 5000);
    assert_attr(span, "network.protocol.version", "1.1");
    assert_attr(span, "user_agent.original", "unit/1");
    assert_int_equal(number(span, "http.response.status_code"), 201);
    uint8_t trace[16], parent[8];
    weir_view_to_bytes_hex(WEIR_VIEW(TRACE), trace, 16);
    weir_view_to_bytes_hex(WEIR_VIEW("b7ad6b7169203331"), parent, 8);
    assert_memory_equal(span->trace_id, trace, 16);
    assert_memory_equal(span->parent_span_id, parent, 8);
    assert_memory_equal(inner->parent_span_id, span->span_id, 8);
}

static void statuses(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *given, *expected;
        int code;
    } cases[] = {{200, NULL, "", 0},
                 {404, NULL, "", 0},
                 {500, NULL, "500", 2},
                 {503, "busy", "busy", 2},
                 {200, "timeout", "timeout", 2},
                 {0, "canceled", "canceled", 2}};
    struct weir_http_request request = request_of("GET", "/", NULL);
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_http_server_end(weir_http_server_begin(&request), cases[i].status, cases[i].given);
        weir_flush(5000, NULL);
        assert_int_equal(captured_span(i)->status_code, cases[i].code);
        assert_int_equal(captured_span(i)->status_message.len, 0);
        assert_attr(captured_span(i), "error.type", cases[i].expected);
        assert_int_equal(number(captured_span(i), "http.response.status_code"),
                         cases[i].status ? cases[i].status : -1);
    }
}

static void names(void **state) {
    (void)state;
    struct weir_http_request request = request_of("Purge", "/secret/path", NULL);
    struct weir_http *http = weir_http_server_begin(&request);
    weir_http_server_end(http, 200, NULL);
    request = request_of("get", "/", NULL);
    http = weir_http_server_begin(&request);
    weir_http_server_route(http, "/{any}");
    weir_http_server_end(http, 200, NULL);
    request = request_of("GET", "http://h/absolute?x", NULL);
    weir_http_server_end(weir_http_server_begin(&request), 200, NULL);
    weir_flush(5000, NULL);
    assert_view_is(captured_span(0)->name, "HTTP"); /* never the path */
    assert_attr(captured_span(0), "http.request.method", "_OTHER");
    assert_attr(captured_span(0), "http.request.method_original", "Purge");
    assert_view_is(captured_span(1)->name, "HTTP /{any}");
    assert_attr(captured_span(1), "http.route", "/{any}");
    assert_view_is(captured_span(2)->name, "GET");
    assert_attr(captured_span(2), "url.path", "/absolute");
    assert_attr(captured_span(2), "server.address", "h");
}

static void excluded_paths(void **state) {
    (void)state;
    struct headers out = {.count = 0};
    static struct headers *const callers[] = {NULL, &sampled};
    for (int i = 0; i < 2; i++) {
        struct weir_http_request request = request_of("GET", "/health?x=1", callers[i]);
        struct weir_http *http = weir_http_server_begin(&request);
        assert_non_null(http);
        assert_null(weir_http_span(http));
        weir_span_end(weir_span_start(weir_tracer_get("unit", NULL), "below", NULL));
        out.count = 0;
        assert_int_equal(weir_inject(NULL, set, &out), 1);
        assert_string_equal(out.room[0] + 53, "00"); /* nor does it go on elsewhere */
        if (i) assert_memory_equal(out.room[0] + 3, TRACE, 32);
        weir_http_server_end(http, 200, NULL);
        assert_null(weir_context_current());
    }
    weir_flush(5000, NULL);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 0);
}

static void detached(void **state) {
    (void)state;
    struct weir_http_request request = request_of("GET", "/", &sampled);
    request.flags = WEIR_HTTP_DETACHED;
    struct weir_http *http = weir_http_server_begin(&request);
    assert_null(weir_context_current());
    struct weir_scope scope;
    weir_scope_attach(&scope, weir_http_context(http));
    weir_span_end(weir_span_start(weir_tracer_get("unit", NULL), "inner", NULL));
    weir_scope_detach(&scope);
    weir_http_server_end(http, 200, NULL);
    weir_flush(5000, NULL);
    assert_memory_equal(captured_span(0)->parent_span_id, captured_span(1)->span_id, 8);
}

/* ── client ──────────────────────────────────────────────────────────────────────────────────── */

static void a_request_sent(void **state) {
    (void)state;
    struct headers out = {.count = 0};
    struct weir_http_request request =
        request_of("GET", "https://ann:hunter2@shop.example/orders/7?sig=hunter2", NULL);
    request.route = "/orders/{id}";
    request.resend_count = 2;
    struct weir_http *http = weir_http_client_begin(&request);
    assert_null(weir_context_current());
    assert_int_equal(weir_http_client_inject(http, set, &out), 1);
    weir_http_client_end(http, 404, NULL);
    weir_flush(5000, NULL);
    const struct weir_otlp_span *span = captured_span(0);
    assert_view_is(span->name, "GET /orders/{id}");
    assert_int_equal(span->kind, WEIR_SPAN_KIND_CLIENT);
    assert_int_equal(span->status_code, 2);
    assert_attr(span, "error.type", "404");
    assert_attr(span, "url.full", "https://REDACTED:REDACTED@shop.example/orders/7?sig=REDACTED");
    assert_attr(span, "server.address", "shop.example");
    assert_int_equal(number(span, "server.port"), 443);
    assert_int_equal(number(span, "http.request.resend_count"), 2);
    assert_int_equal(weir_view_find(span->raw, WEIR_VIEW("hunter2")), SIZE_MAX);
    uint8_t id[8];
    weir_view_to_bytes_hex(weir_view(out.room[0] + 36, 16), id, 8);
    assert_memory_equal(id, span->span_id, 8);
    assert_string_equal(out.items[0][0], "traceparent");
}

static void both_in_one_trace(void **state) {
    (void)state;
    struct headers out = {.count = 0};
    struct weir_http_request sent = request_of("GET", "http://h/", NULL),
                             served = request_of("GET", "/", &out);
    struct weir_http *client = weir_http_client_begin(&sent);
    weir_http_client_inject(client, set, &out);
    weir_http_server_end(weir_http_server_begin(&served), 200, NULL);
    weir_http_client_end(client, 200, NULL);
    weir_flush(5000, NULL);
    assert_memory_equal(captured_span(0)->parent_span_id, captured_span(1)->span_id, 8);
    assert_memory_equal(captured_span(0)->trace_id, captured_span(1)->trace_id, 16);
}

static void metrics_of_all_requests(void **state) {
    (void)state;
    struct weir_options never = {.sampler = "always_off"};
    capture_done();
    capture_init("tm", &never);
    struct weir_http_request served = request_of("GET", "/orders/7", NULL),
                             health = request_of("GET", "/health", NULL),
                             sent = request_of("X", "http://h:81/", NULL);
    served.route = "/metered";
    for (int i = 0; i < 3; i++)
        weir_http_server_end(weir_http_server_begin(&served), i ? 200 : 500, NULL);
    weir_http_server_end(weir_http_server_begin(&health), 200, NULL);
    weir_http_client_end(weir_http_client_begin(&sent), 0, "connect");
    size_t size;
    char *text = weir_metrics_text(&size);
    static const char *const expected[] = {
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_response_"
        "status_code=\"200\",http_route=\"/metered\",",
        "error_type=\"500\"",
        "http_client_request_duration_seconds_count{error_type=\"connect\","
        "http_request_method=\"_OTHER\"",
        "server_port=\"81\""};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (!strstr(text, expected[i]))
            fail_msg("%s is not in\n%s", expected[i], strstr(text, "# HELP http"));
    assert_null(strstr(text, "/health"));
    free(text);
    weir_flush(5000, NULL);
    assert_int_equal(captured_count(WEIR_SIGNAL_TRACE), 0);
}

static void odd_callers(void **state) {
    (void)state;
    struct weir_http_request request = {.struct_size = 0};
    assert_null(weir_http_server_begin(NULL));
    assert_null(weir_http_server_begin(&request));
    assert_null(weir_http_client_begin(NULL));
    weir_http_server_end(NULL, 200, NULL);
    weir_http_client_end(NULL, 200, NULL);
    weir_http_server_route(NULL, "/");
    assert_int_equal(weir_http_client_inject(NULL, set, NULL), 0);
    assert_null(weir_http_context(NULL));
    request.struct_size = sizeof request.struct_size; /* an older header's struct, with nothing */
    weir_http_server_end(weir_http_server_begin(&request), 200, NULL);
    weir_http_client_end(weir_http_client_begin(&request), 200, NULL);
    static char target[100000];
    memset(target, '%', sizeof target - 1);
    request = request_of(target, target, NULL);
    request.route = target;
    request.version = target;
    weir_http_server_end(weir_http_server_begin(&request), 999999, target);
    weir_flush(5000, NULL);
    assert_int_equal(attr_str(captured_span(2)->attrs, "url.path").len, 2048);
    assert_int_equal(attr_str(captured_span(2)->attrs, "http.request.method_original").len, 64);
    capture_done();
    weir_http_server_end(weir_http_server_begin(&request), 200, NULL); /* nothing runs */
    capture_init("t", NULL);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(a_request_served),
                                       TEST(statuses),
                                       TEST(names),
                                       TEST(excluded_paths),
                                       TEST(detached),
                                       TEST(a_request_sent),
                                       TEST(both_in_one_trace),
                                       TEST(metrics_of_all_requests),
                                       TEST(odd_callers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
