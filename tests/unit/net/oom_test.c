/* SPDX-License-Identifier: Apache-2.0 */
/* The clients are guests: they survive the n-th allocation failing, for every n. The linker sends
 * malloc, calloc and realloc of our own code through the wrappers below; only the client's thread
 * is hit. */
#include <stdlib.h>

#include "certs.h"
#include "fixture.h"
#include "net/client.h"
#include "net/encoding.h"
#include "net/grpc_client.h"

static _Thread_local long countdown = -1; /* allocations until one fails; -1: none does */
static _Thread_local bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

static bool fails_now(void) {
    if (countdown < 0) return false;
    if (countdown-- > 0) return false;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size) {
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size) {
    return fails_now() ? NULL : __real_realloc(ptr, size);
}

static void echo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    if (req->is_grpc)
        weir_http_reply_grpc(req, 0, "words", req->body, WEIR_VIEW(""));
    else
        weir_http_reply_view(req, 200, "text/plain", req->body);
}

static const struct weir_http_route routes[] = {{"POST", "/*", echo, 0, 0}};
static struct fixture f, secure;
static struct weir_tls_options tls;
static char body[100000];

static int run_http_to(const char *url) {
    struct weir_error err;
    struct weir_http_client *client;
    struct weir_http_client_answer answer;
    struct weir_http_client_options options = {.url = url, .tls = &tls};
    struct weir_http_client_request request = {
        .method = "POST", .path = "/x", .body = weir_view(body, sizeof body)};
    int rc = weir_http_client_open(&options, &client, &err);
    if (rc != WEIR_OK) return rc;
    for (int i = 0; i < 3; i++) { /* one that failed does not spoil the next */
        int each = weir_http_client_do(client, &request, &answer, &err);
        if (each == WEIR_OK)
            assert_int_equal(answer.body.len, sizeof body);
        else
            rc = each;
        if (i == 2) assert_int_equal(each, WEIR_OK);
    }
    weir_http_client_close(client);
    return rc;
}

static int run_http(void) {
    return run_http_to(f.url);
}

static int run_https(void) {
    return run_http_to(secure.url);
}

static int run_grpc_to(const char *url) {
    struct weir_error err;
    struct weir_grpc_client *client;
    struct weir_grpc_client_answer answer;
    struct weir_grpc_client_options options = {.endpoint = url, .tls = &tls};
    struct weir_grpc_client_call call = {.path = "/x.Y/Z", .message = weir_view(body, sizeof body)};
    int rc = weir_grpc_client_open(&options, &client, &err);
    if (rc != WEIR_OK) return rc;
    for (int i = 0; i < 3; i++) {
        int each = weir_grpc_client_do(client, &call, &answer, &err);
        if (each == WEIR_OK)
            assert_int_equal(answer.body.len, sizeof body);
        else
            rc = each;
        if (i == 2) assert_int_equal(each, WEIR_OK);
    }
    weir_grpc_client_close(client);
    return rc;
}

static int run_grpc(void) {
    return run_grpc_to(f.url);
}

static int run_grpc_tls(void) {
    return run_grpc_to(secure.url);
}

static int run_gzip(void) {
    struct weir_buf out;
    weir_buf_init(&out, 1 << 20);
    int rc = weir_encoding_gzip(weir_view(body, sizeof body), 1, &out);
    weir_buf_done(&out);
    return rc;
}

static void fail_each(int (*run)(void), long at_least) {
    for (long n = 0;; n++) {
        countdown = n;
        failed = false;
        int rc = run();
        countdown = -1;
        if (!failed) {
            assert_int_equal(rc, WEIR_OK);
            assert_true(n >= at_least); /* the wrappers were in the way */
            return;
        }
        if (rc != WEIR_OK && rc != WEIR_ENOMEMORY && rc != WEIR_ETOOBIG)
            fail_msg("allocation %ld: %d", n, rc);
    }
}

static void test_http(void **state) {
    (void)state;
    fail_each(run_http, 5);
}

static void test_grpc(void **state) {
    (void)state;
    fail_each(run_grpc, 3);
}

static void test_tls(void **state) {
    (void)state;
    fail_each(run_https, 9);
    fail_each(run_grpc_tls, 7);
}

static void test_gzip(void **state) {
    (void)state;
    fail_each(run_gzip, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_grpc),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_gzip),
    };
    if (certs_make(NULL) != 0) return 1;
    const struct weir_tls_options own = certs_options(NULL, "server");
    const struct weir_http_door door = {.tls = &own};
    tls = certs_options("ca", NULL);
    fixture_open(&f, routes, 1, NULL, NULL);
    fixture_open(&secure, routes, 1, NULL, &door);
    snprintf(secure.url, sizeof secure.url, "https://127.0.0.1:%u", secure.port);
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_close(&secure);
    fixture_close(&f);
    certs_remove(NULL);
    return failures;
}
