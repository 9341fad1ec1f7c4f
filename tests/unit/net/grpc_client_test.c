/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_client.h"

#include <sys/wait.h>

#include "fixture.h"
#include "net/encoding.h"

/* google.rpc.Status {14, "later", [Any{type.googleapis.com/google.rpc.RetryInfo, {2.5 s}}]},
 * encoded by the official Python classes. */
static const char retry_status[] = "\x08\x0e\x12\x05later\x1a\x36\x0a\x28type.googleapis.com/"
                                   "google.rpc.RetryInfo\x12\x0a\x0a\x08\x08\x02\x10"
                                   "\x80\xca\xb5\xee\x01";

static void unary(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    assert_true(req->is_grpc);
    if (weir_view_is(req->body, "later"))
        weir_http_reply_grpc(req, 14, "sp\xc3\xa4ter: 100 %", WEIR_VIEW(""),
                             weir_view(retry_status, sizeof retry_status - 1));
    else if (weir_view_is(req->body, "plain"))
        weir_http_reply_view(req, 503, "text/plain", WEIR_VIEW("plain words"));
    else if (weir_view_is(req->body, "error"))
        weir_http_reply_error(req,
                              &(struct weir_error){.code = WEIR_EINVALID, .message = "bad field"});
    else if (weir_view_is(req->body, "meta"))
        weir_http_reply_grpc(req, 0, "", weir_http_header(req, "x-token"), WEIR_VIEW(""));
    else
        weir_http_reply_grpc(req, 0, "", req->body, WEIR_VIEW(""));
}

static void never(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    for (int i = 0; i < 500 && !weir_http_is_canceled(req); i++)
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
    weir_http_reply_grpc(req, 1, weir_http_is_canceled(req) ? "canceled" : "late", WEIR_VIEW(""),
                         WEIR_VIEW(""));
}

static const struct weir_http_route routes[] = {
    {"POST", "/test.Echo/Unary", unary, 0, 0},
    {"POST", "/test.Echo/Blocking", unary, WEIR_HTTP_BLOCKING, 0},
    {"POST", "/test.Echo/Never", never, WEIR_HTTP_BLOCKING, 0},
    {"POST", "/test.Echo/Small", unary, 0, 1000},
};

static struct fixture f;
static struct weir_grpc_client *client;
static struct weir_error err;

static int open_both(void **state) {
    (void)state;
    fixture_open(&f, routes, sizeof routes / sizeof *routes, NULL, NULL);
    struct weir_grpc_client_options options = {.endpoint = f.url, .answer_size_max = 16 << 20};
    return weir_grpc_client_open(&options, &client, &err);
}

static int close_both(void **state) {
    (void)state;
    weir_grpc_client_close(client);
    fixture_close(&f);
    return 0;
}

static int call(const char *method, struct weir_view message, struct weir_grpc_client_answer *ret) {
    char path[64];
    snprintf(path, sizeof path, "/test.Echo/%s", method);
    struct weir_grpc_client_call c = {.path = path, .message = message, .timeout_ms = 5000};
    return weir_grpc_client_do(client, &c, ret, &err);
}

static void test_sizes(void **state) {
    (void)state;
    static const size_t sizes[] = {0,     1,     5,       100,           16383,
                                   16384, 65536, 1 << 20, (1 << 20) + 1, 12 << 20};
    struct weir_buf body;
    weir_buf_init(&body, 16 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        weir_buf_clear(&body);
        char *to = weir_buf_reserve(&body, sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++) to[j] = (char)(j * 31 >> 3);
        body.len = sizes[i];
        struct weir_grpc_client_answer answer;
        assert_int_equal(call(i % 2 ? "Blocking" : "Unary", weir_buf_view(&body), &answer),
                         WEIR_OK);
        assert_int_equal(answer.status, 0);
        assert_true(weir_view_eq(answer.body, weir_buf_view(&body)));
    }
    weir_buf_done(&body);
}

static void test_status_and_details(void **state) {
    (void)state;
    struct weir_grpc_client_answer answer;
    assert_int_equal(call("Unary", WEIR_VIEW("later"), &answer), WEIR_OK);
    assert_int_equal(answer.status, 14);
    assert_view_is(answer.message, "sp\xc3\xa4ter: 100 %");
    assert_true(weir_view_eq(answer.details, weir_view(retry_status, sizeof retry_status - 1)));
    assert_int_equal(answer.retry_after_ms, 2500);
    assert_int_equal(call("Unary", WEIR_VIEW("error"), &answer), WEIR_OK);
    assert_int_equal(answer.status, 3);
    assert_view_is(answer.message, "bad field");
    assert_int_equal(answer.retry_after_ms, -1);
    assert_int_equal(call("Unary", WEIR_VIEW("plain"), &answer), WEIR_OK);
    assert_int_equal(answer.status, 14);
    assert_view_is(answer.message, "plain words");
}

static void test_refusals_by_the_server(void **state) {
    (void)state;
    struct weir_grpc_client_answer answer;
    char body[2000] = {0};
    assert_int_equal(call("Nothing", WEIR_VIEW("x"), &answer), WEIR_OK);
    assert_int_equal(answer.status, 12);
    assert_int_equal(call("Small", weir_view(body, 1000), &answer), WEIR_OK);
    assert_int_equal(answer.status, 0);
    assert_int_equal(call("Small", weir_view(body, 1001), &answer), WEIR_OK);
    assert_int_equal(answer.status, 8);
    assert_true(weir_view_find(answer.message, WEIR_VIEW("larger than 1000 bytes")) != SIZE_MAX);
}

static void test_gzip(void **state) {
    (void)state;
    struct weir_grpc_client_answer answer;
    struct weir_buf small;
    char body[900] = {0};
    weir_buf_init(&small, 4096);
    assert_int_equal(weir_encoding_gzip(weir_view(body, sizeof body), 1, &small), WEIR_OK);
    struct weir_grpc_client_call c = {
        .path = "/test.Echo/Small", .message = weir_buf_view(&small), .gzip = true};
    assert_int_equal(weir_grpc_client_do(client, &c, &answer, &err), WEIR_OK);
    assert_int_equal(answer.status, 0);
    assert_true(weir_view_eq(answer.body, weir_view(body, sizeof body)));
    c.message = WEIR_VIEW("not gzip");
    assert_int_equal(weir_grpc_client_do(client, &c, &answer, &err), WEIR_OK);
    assert_int_equal(answer.status, 3);
    weir_buf_done(&small);
}

static void test_gzip_bomb(void **state) {
    (void)state;
    struct weir_grpc_client_answer answer;
    struct weir_buf small, zeros;
    weir_buf_init(&small, 1 << 20);
    weir_buf_init(&zeros, 1 << 20);
    memset(weir_buf_reserve(&zeros, 200000), 0, 200000);
    zeros.len = 200000;
    assert_int_equal(weir_encoding_gzip(weir_buf_view(&zeros), 9, &small), WEIR_OK);
    assert_true(small.len < 1000); /* it passes the limit only when it is unpacked */
    struct weir_grpc_client_call c = {
        .path = "/test.Echo/Small", .message = weir_view(small.ptr, small.len), .gzip = true};
    assert_int_equal(weir_grpc_client_do(client, &c, &answer, &err), WEIR_OK);
    assert_int_equal(answer.status, 8);
    weir_buf_done(&small);
    weir_buf_done(&zeros);
}

static void test_metadata(void **state) {
    (void)state;
    struct weir_grpc_client_answer answer;
    struct weir_http_field token = {WEIR_VIEW("x-token"), WEIR_VIEW("secret words")};
    struct weir_grpc_client_call c = {.path = "/test.Echo/Unary",
                                      .message = WEIR_VIEW("meta"),
                                      .metadata = &token,
                                      .metadata_count = 1};
    assert_int_equal(weir_grpc_client_do(client, &c, &answer, &err), WEIR_OK);
    assert_view_is(answer.body, "secret words");
}

static void test_deadline_and_cancel(void **state) {
    (void)state;
    struct weir_grpc_client_answer answer;
    struct weir_grpc_client_call c = {
        .path = "/test.Echo/Never", .message = WEIR_VIEW("x"), .timeout_ms = 80};
    assert_int_equal(weir_grpc_client_do(client, &c, &answer, &err), WEIR_ETIMEOUT);
    assert_int_equal(call("Unary", WEIR_VIEW("still here"), &answer), WEIR_OK);
    assert_view_is(answer.body, "still here");
    weir_grpc_client_cancel(client);
    assert_int_equal(call("Never", WEIR_VIEW("x"), &answer), WEIR_ECANCELED);
}

static void test_answer_limit(void **state) {
    (void)state;
    struct weir_grpc_client *small;
    struct weir_grpc_client_answer answer;
    struct weir_grpc_client_options options = {.endpoint = f.url, .answer_size_max = 1000};
    static char body[100000];
    struct weir_grpc_client_call c = {.path = "/test.Echo/Unary",
                                      .message = weir_view(body, sizeof body)};
    assert_int_equal(weir_grpc_client_open(&options, &small, &err), WEIR_OK);
    assert_int_equal(weir_grpc_client_do(small, &c, &answer, &err), WEIR_ETOOBIG);
    c.message.len = 1000;
    assert_int_equal(weir_grpc_client_do(small, &c, &answer, &err), WEIR_OK);
    assert_int_equal(answer.body.len, 1000);
    weir_grpc_client_close(small);
}

static void test_server_restarts(void **state) {
    (void)state;
    struct weir_grpc_client_answer answer;
    char listen[32];
    uint16_t port;
    assert_int_equal(call("Unary", WEIR_VIEW("one"), &answer), WEIR_OK);
    weir_http_server_stop(f.server, WEIR_NS_PER_S);
    assert_int_equal(call("Unary", WEIR_VIEW("two"), &answer), WEIR_EUNAVAILABLE);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", f.port);
    struct weir_http_server *again;
    struct weir_http_options options = {0};
    struct weir_http_door door = {
        .listen = listen, .name = "again", .routes = routes, .routes_count = 1};
    for (int i = 0; i < 3;
         i++) { /* the connection kept from the server before is replaced silently */
        assert_int_equal(weir_http_server_open(&options, &again, &err), WEIR_OK);
        assert_int_equal(weir_http_server_add_door(again, &door, &port, &err), WEIR_OK);
        assert_int_equal(call("Unary", WEIR_VIEW("three"), &answer), WEIR_OK);
        assert_view_is(answer.body, "three");
        weir_http_server_close(again);
    }
}

static void test_nobody_listens_and_bad_endpoints(void **state) {
    (void)state;
    struct weir_grpc_client_options options = {.endpoint = "127.0.0.1:1"};
    struct weir_grpc_client *nobody;
    struct weir_grpc_client_answer answer;
    struct weir_grpc_client_call c = {.path = "/x", .timeout_ms = 1000};
    assert_int_equal(weir_grpc_client_open(&options, &nobody, &err), WEIR_OK);
    assert_int_equal(weir_grpc_client_do(nobody, &c, &answer, &err), WEIR_EUNAVAILABLE);
    weir_grpc_client_close(nobody);
    const struct weir_tls_options half = {.cert_file = "only.pem"};
    options.endpoint = "https://127.0.0.1:4317";
    options.tls = &half;
    assert_int_equal(weir_grpc_client_open(&options, &nobody, &err), WEIR_EINVALID);
    options.endpoint = "grpc://x";
    assert_int_equal(weir_grpc_client_open(&options, &nobody, &err), WEIR_EINVALID);
}

static void test_child_leaves_the_connection_alone(void **state) {
    (void)state;
    struct weir_grpc_client_answer answer;
    assert_int_equal(call("Unary", WEIR_VIEW("a"), &answer), WEIR_OK);
    pid_t child = fork();
    if (child == 0) {
        weir_grpc_client_close(client);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(call("Unary", WEIR_VIEW("b"), &answer), WEIR_OK);
    assert_view_is(answer.body, "b");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_sizes),
        TEST(test_status_and_details),
        TEST(test_refusals_by_the_server),
        TEST(test_gzip),
        TEST(test_gzip_bomb),
        TEST(test_metadata),
        TEST(test_deadline_and_cancel),
        TEST(test_answer_limit),
        TEST(test_server_restarts),
        TEST(test_nobody_listens_and_bad_endpoints),
        TEST(test_child_leaves_the_connection_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
