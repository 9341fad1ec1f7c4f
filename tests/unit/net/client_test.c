/* SPDX-License-Identifier: Apache-2.0 */
#include "net/client.h"

#include <pthread.h>
#include <sys/wait.h>

#include "fixture.h"
#include "net/encoding.h"

static void echo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_reply_header(req, "X-Peer", req->peer);
    weir_http_reply_view(req, 200, "application/octet-stream", req->body);
}

static void stream(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_stream_begin(req, 200, "text/plain");
    for (int i = 0; i < 100; i++) weir_http_stream_write(req, WEIR_VIEW("0123456789"));
    weir_http_stream_end(req);
}

static void busy(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    struct weir_view when = weir_http_param(req, "when");
    weir_http_reply_header(req, "Retry-After", when);
    weir_http_reply_view(req, 503, "text/plain", WEIR_VIEW("busy"));
}

static void never(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    for (int i = 0; i < 500 && !weir_http_is_canceled(req); i++)
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
    weir_http_reply_view(req, 200, NULL, WEIR_VIEW(""));
}

static const struct weir_http_route routes[] = {
    {"GET|POST", "/echo", echo, 0, 0}, {"GET", "/stream", stream, WEIR_HTTP_BLOCKING, 0},
    {"GET", "/busy", busy, 0, 0},      {"POST", "/never", never, WEIR_HTTP_BLOCKING, 0},
    {"POST", "/small", echo, 0, 1000},
};

static struct fixture f;
static struct weir_http_client *client;
static struct weir_error err;

static int open_both(void **state) {
    (void)state;
    fixture_open(&f, routes, sizeof routes / sizeof *routes, NULL, NULL);
    struct weir_http_client_options options = {.url = f.url};
    return weir_http_client_open(&options, &client, &err);
}

static int close_both(void **state) {
    (void)state;
    weir_http_client_close(client);
    fixture_close(&f);
    return 0;
}

static int ask(const char *method, const char *path, struct weir_view body,
               struct weir_http_client_answer *ret) {
    struct weir_http_client_request request = {
        .method = method, .path = path, .body = body, .timeout_ms = 5000};
    return weir_http_client_do(client, &request, ret, &err);
}

static void test_connection_is_kept(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    char first_peer[64];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask("POST", "/echo", WEIR_VIEW("hello"), &answer), WEIR_OK);
        assert_int_equal(answer.status, 200);
        assert_view_is(answer.body, "hello");
        struct weir_view peer = weir_http_field_get(answer.fields, answer.fields_count, "x-peer");
        if (i == 0) snprintf(first_peer, sizeof first_peer, "%.*s", WEIR_VIEW_ARG(peer));
        assert_view_is(peer, first_peer);
        assert_int_equal(answer.retry_after_ms, -1);
    }
}

static void test_chunked_answer(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    assert_int_equal(ask("GET", "/stream", WEIR_VIEW(""), &answer), WEIR_OK);
    assert_int_equal(answer.body.len, 1000);
    assert_int_equal(answer.body.ptr[999], '9');
    assert_int_equal(ask("GET", "/echo", WEIR_VIEW(""), &answer), WEIR_OK);
    assert_int_equal(answer.body.len, 0);
}

static void test_large_and_compressed_body(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    struct weir_buf body, small;
    weir_buf_init(&body, 4 << 20);
    weir_buf_init(&small, 4 << 20);
    for (int i = 0; i < 300000; i++) weir_buf_printf(&body, "line %d\n", i);
    assert_int_equal(ask("POST", "/echo", weir_buf_view(&body), &answer), WEIR_OK);
    assert_true(weir_view_eq(answer.body, weir_buf_view(&body)));
    assert_int_equal(weir_encoding_gzip(weir_buf_view(&body), 1, &small), WEIR_OK);
    assert_true(small.len < body.len / 2);
    struct weir_http_field field = {WEIR_VIEW("Content-Encoding"), WEIR_VIEW("gzip")};
    struct weir_http_client_request request = {.method = "POST",
                                               .path = "/echo",
                                               .fields = &field,
                                               .fields_count = 1,
                                               .body = weir_buf_view(&small)};
    assert_int_equal(weir_http_client_do(client, &request, &answer, &err), WEIR_OK);
    assert_true(weir_view_eq(answer.body, weir_buf_view(&body)));
    weir_buf_done(&body);
    weir_buf_done(&small);
}

static void test_early_refusal_is_read(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    struct weir_buf body;
    weir_buf_init(&body, 16 << 20);
    memset(weir_buf_reserve(&body, 12 << 20), 'x', 12 << 20);
    body.len = 12 << 20;
    assert_int_equal(ask("POST", "/small", weir_buf_view(&body), &answer), WEIR_OK);
    assert_int_equal(answer.status, 413);
    assert_int_equal(ask("POST", "/small", WEIR_VIEW("fits"), &answer), WEIR_OK);
    assert_int_equal(answer.status, 200);
    weir_buf_done(&body);
}

static void test_retry_after(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    assert_int_equal(ask("GET", "/busy?when=7", WEIR_VIEW(""), &answer), WEIR_OK);
    assert_int_equal(answer.status, 503);
    assert_int_equal(answer.retry_after_ms, 7000);
    assert_int_equal(ask("GET", "/busy?when=Sun,+06+Nov+1994+08:49:37+GMT", WEIR_VIEW(""), &answer),
                     WEIR_OK);
    assert_int_equal(answer.retry_after_ms, 0);
    assert_int_equal(ask("GET", "/busy?when=Sun,+06+Nov+2094+08:49:37+GMT", WEIR_VIEW(""), &answer),
                     WEIR_OK);
    assert_int_equal(answer.retry_after_ms, 86400000);
    assert_int_equal(ask("GET", "/busy?when=soon", WEIR_VIEW(""), &answer), WEIR_OK);
    assert_int_equal(answer.retry_after_ms, -1);
}

static void test_timeout_and_cancel(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    struct weir_http_client_request request = {
        .method = "POST", .path = "/never", .timeout_ms = 60};
    assert_int_equal(weir_http_client_do(client, &request, &answer, &err), WEIR_ETIMEOUT);
    assert_int_equal(ask("GET", "/echo", WEIR_VIEW(""), &answer), WEIR_OK);
    weir_http_client_cancel(client);
    assert_int_equal(ask("POST", "/never", WEIR_VIEW(""), &answer), WEIR_ECANCELED);
}

static void test_answer_limit(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    struct weir_http_client *small;
    struct weir_http_client_options options = {.url = f.url, .answer_size_max = 999};
    assert_int_equal(weir_http_client_open(&options, &small, &err), WEIR_OK);
    struct weir_http_client_request request = {.method = "GET", .path = "/stream"};
    assert_int_equal(weir_http_client_do(small, &request, &answer, &err), WEIR_ETOOBIG);
    weir_http_client_close(small);
}

static void test_server_restarts(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    assert_int_equal(ask("GET", "/echo", WEIR_VIEW(""), &answer), WEIR_OK);
    weir_http_server_stop(f.server, 0);
    assert_int_equal(ask("GET", "/echo", WEIR_VIEW(""), &answer), WEIR_EUNAVAILABLE);
    assert_non_null(strstr(err.message, "cannot connect to 127.0.0.1"));
    char listen[32];
    uint16_t port;
    snprintf(listen, sizeof listen, "127.0.0.1:%u", f.port);
    struct weir_http_server *again;
    struct weir_http_options options = {0};
    struct weir_http_door door = {
        .listen = listen, .name = "again", .routes = routes, .routes_count = 1};
    assert_int_equal(weir_http_server_open(&options, &again, &err), WEIR_OK);
    assert_int_equal(weir_http_server_add_door(again, &door, &port, &err), WEIR_OK);
    assert_int_equal(ask("POST", "/echo", WEIR_VIEW("back"), &answer), WEIR_OK);
    assert_view_is(answer.body, "back");
    /* a connection that the server ended while it was idle is replaced silently */
    weir_http_server_close(again);
    assert_int_equal(weir_http_server_open(&options, &again, &err), WEIR_OK);
    assert_int_equal(weir_http_server_add_door(again, &door, &port, &err), WEIR_OK);
    assert_int_equal(ask("POST", "/echo", WEIR_VIEW("again"), &answer), WEIR_OK);
    assert_view_is(answer.body, "again");
    weir_http_server_close(again);
}

static void test_child_leaves_the_connection_alone(void **state) {
    (void)state;
    struct weir_http_client_answer answer;
    assert_int_equal(ask("POST", "/echo", WEIR_VIEW("a"), &answer), WEIR_OK);
    char peer[64];
    snprintf(peer, sizeof peer, "%.*s",
             WEIR_VIEW_ARG(weir_http_field_get(answer.fields, answer.fields_count, "x-peer")));
    pid_t child = fork();
    if (child == 0) {
        weir_http_client_close(client);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(ask("POST", "/echo", WEIR_VIEW("b"), &answer), WEIR_OK);
    assert_view_is(weir_http_field_get(answer.fields, answer.fields_count, "x-peer"), peer);
}

static void test_urls(void **state) {
    (void)state;
    struct weir_http_client *c;
    static const char *const bad[] = {
        "",           "127.0.0.1:80",   "ftp://x",     "http://",
        "http://a b", "http://a:99999", "http://[::1", "http://user@host"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weir_http_client_options options = {.url = bad[i]};
        if (weir_http_client_open(&options, &c, &err) != WEIR_EINVALID)
            fail_msg("%s was taken", bad[i]);
    }
    const struct weir_tls_options half = {.cert_file = "only.pem"};
    struct weir_http_client_options options = {.url = "https://127.0.0.1", .tls = &half};
    assert_int_equal(weir_http_client_open(&options, &c, &err), WEIR_EINVALID);
    char url[80];
    snprintf(url, sizeof url, "%s/ech/", f.url); /* the prefix joins the path */
    options.url = url;
    struct weir_http_client_answer answer;
    struct weir_http_client_request request = {.method = "GET", .path = "/o"};
    assert_int_equal(weir_http_client_open(&options, &c, &err), WEIR_OK);
    assert_int_equal(weir_http_client_do(c, &request, &answer, &err), WEIR_OK);
    assert_int_equal(answer.status, 404);
    weir_http_client_close(c);
}

/* A server that says whatever the test wants, once per connection. */
struct script {
    int fd;
    uint16_t port;
    const char *words;
    size_t step;
    pthread_t thread;
};

static void *play(void *arg) {
    struct script *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    char request[4096];
    receive_raw(fd, request, sizeof request, "\r\n\r\n");
    for (size_t at = 0, len = strlen(s->words); at < len; at += s->step) {
        send_raw(fd, s->words + at, s->step < len - at ? s->step : len - at);
        if (s->step < len) weir_clock_sleep_ns(WEIR_NS_PER_MS);
    }
    close(fd);
    return NULL;
}

static int ask_script(const char *words, size_t step, struct weir_http_client_answer *ret,
                      struct weir_http_client **ret_client) {
    struct script s = {.words = words, .step = step};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char url[64];
    s.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s.fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s.fd, 1), 0);
    getsockname(s.fd, (struct sockaddr *)&at, &len);
    assert_int_equal(pthread_create(&s.thread, NULL, play, &s), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    struct weir_http_client_options options = {.url = url};
    struct weir_http_client_request request = {.method = "GET", .path = "/", .timeout_ms = 3000};
    assert_int_equal(weir_http_client_open(&options, ret_client, &err), WEIR_OK);
    int rc = weir_http_client_do(*ret_client, &request, ret, &err);
    pthread_join(s.thread, NULL);
    close(s.fd);
    return rc;
}

static void test_foreign_answers(void **state) {
    (void)state;
    static const struct {
        const char *words;
        int rc;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", WEIR_OK, "ok"},
        {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", WEIR_OK,
         "ok"},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", WEIR_OK, "until the end"},
        {"HTTP/1.1 204 No\r\n\r\n", WEIR_OK, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
         WEIR_OK, "ok"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", WEIR_EUNAVAILABLE, NULL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", WEIR_EINVALID, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         WEIR_EINVALID, NULL},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", WEIR_EINVALID, NULL},
        {"HTTP/1.1 20 OK\r\n\r\n", WEIR_EINVALID, NULL},
        {"HTTP/1.1 101 Switching\r\n\r\n", WEIR_EINVALID, NULL},
        {"", WEIR_EUNAVAILABLE, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 7; step <= 1000; step *= 10) {
            struct weir_http_client *c;
            struct weir_http_client_answer answer;
            int rc = ask_script(cases[i].words, step, &answer, &c);
            if (rc != cases[i].rc) fail_msg("case %zu: %d (%s)", i, rc, err.message);
            if (cases[i].body) assert_view_is(answer.body, cases[i].body);
            weir_http_client_close(c);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_connection_is_kept),
        TEST(test_chunked_answer),
        TEST(test_large_and_compressed_body),
        TEST(test_early_refusal_is_read),
        TEST(test_retry_after),
        TEST(test_timeout_and_cancel),
        TEST(test_answer_limit),
        TEST(test_server_restarts),
        TEST(test_child_leaves_the_connection_alone),
        TEST(test_urls),
        cmocka_unit_test(test_foreign_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
