/* SPDX-License-Identifier: Apache-2.0 */
/* The server over loop-back sockets: HTTP/1.1 byte by byte, limits, streams, WebSocket, stopping.
 */
#include "net/http.h"

#include <pthread.h>
#include <stdatomic.h>

#include <zlib.h>

#include "base/metric.h"
#include "base/rand.h"
#include "fixture.h"
#include "net/websocket.h"

static atomic_int entered;           /* handlers that began */
static atomic_int canceled;          /* handlers that saw their peer go */
static atomic_size_t streamed_bytes; /* that stream_write took */
static atomic_bool go_on;            /* lets waiting handlers return */
static struct weir_http_request *kept_request;

static void wait_for(atomic_int *counter, int value) {
    for (int i = 0; i < 1000 && atomic_load(counter) < value; i++)
        weir_clock_sleep_ns(5 * WEIR_NS_PER_MS);
    assert_true(atomic_load(counter) >= value);
}

/* ---- handlers ---- */

static void hello(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_reply_view(req, 200, "text/plain", WEIR_VIEW("hello\n"));
}

static void echo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_reply_view(req, 200, "application/octet-stream", req->body);
}

static void item(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_reply_view(req, 200, "text/plain", weir_http_path_param(req, "id"));
}

static void params(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    struct weir_buf out;
    struct weir_view value;
    weir_buf_init(&out, 1 << 16);
    for (size_t i = 0; weir_http_param_at(req, "a", i, &value); i++)
        weir_buf_printf(&out, "[%.*s]", WEIR_VIEW_ARG(value));
    weir_buf_add_str(&out, weir_http_param(req, "none").ptr ? "?" : ".");
    weir_http_reply_buf(req, 200, "text/plain", &out);
}

static void forgets(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    (void)req;
}

static void forgets_end(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_stream_begin(req, 200, "text/plain");
    weir_http_stream_write(req, WEIR_VIEW("half a"));
}

static void waits(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    atomic_fetch_add(&entered, 1);
    for (int i = 0; i < 1000 && !atomic_load(&go_on) && !weir_http_is_canceled(req); i++)
        weir_clock_sleep_ns(5 * WEIR_NS_PER_MS);
    if (weir_http_is_canceled(req)) atomic_fetch_add(&canceled, 1);
    weir_http_reply_view(req, 200, "text/plain", WEIR_VIEW("waited\n"));
}

static void streams(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    uint64_t count = 0;
    char block[4096];
    weir_view_to_u64(weir_http_param(req, "blocks"), &count);
    weir_http_stream_begin(req, 200, "text/plain");
    for (uint64_t i = 0; i < count; i++) {
        memset(block, 'a' + (int)(i % 26), sizeof block);
        if (weir_http_stream_write(req, weir_view(block, sizeof block)) != WEIR_OK) {
            atomic_fetch_add(&canceled, 1);
            break;
        }
        atomic_fetch_add(&streamed_bytes, sizeof block);
    }
    weir_http_stream_end(req);
}

static void keeps(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    kept_request = req;
    atomic_fetch_add(&entered, 1);
}

static void socket_texts(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    if (weir_http_accept_websocket(req) != WEIR_OK) {
        if (!req->is_websocket)
            weir_http_reply_view(req, 426, NULL, WEIR_VIEW(""));
        else
            weir_http_websocket_close(req);
        return;
    }
    uint64_t count = 3;
    weir_view_to_u64(weir_http_param(req, "count"), &count);
    for (uint64_t i = 0; i < count; i++) {
        char text[300];
        snprintf(text, sizeof text, "text %llu %*s", (unsigned long long)i, i == 1 ? 200 : 1, "");
        if (weir_http_websocket_send(req, weir_view_str(text)) != WEIR_OK) {
            atomic_fetch_add(&canceled, 1);
            break;
        }
    }
    weir_http_websocket_close(req);
}

static const struct weir_http_route routes[] = {
    {"GET", "/hello", hello, 0, 0},
    {"GET", "/pooled", hello, WEIR_HTTP_BLOCKING, 0},
    {"POST|PUT", "/echo", echo, 0, 0},
    {"POST", "/pooled-echo", echo, WEIR_HTTP_BLOCKING, 0},
    {"POST", "/tiny", echo, 0, 10},
    {"GET", "/item/{id}", item, 0, 0},
    {"GET|POST", "/params", params, WEIR_HTTP_FORM, 0},
    {"GET", "/forgets", forgets, WEIR_HTTP_BLOCKING, 0},
    {"GET", "/forgets-end", forgets_end, WEIR_HTTP_BLOCKING, 0},
    {"GET", "/waits", waits, WEIR_HTTP_BLOCKING, 0},
    {"GET", "/streams", streams, WEIR_HTTP_BLOCKING, 0},
    {"GET", "/keeps", keeps, 0, 0},
    {"GET", "/socket", socket_texts, WEIR_HTTP_BLOCKING, 0},
};

static struct fixture f;

static void open_with(const struct weir_http_options *options, const struct weir_http_door *door) {
    atomic_store(&entered, 0);
    atomic_store(&canceled, 0);
    atomic_store(&streamed_bytes, 0);
    atomic_store(&go_on, false);
    fixture_open(&f, routes, sizeof routes / sizeof *routes, options, door);
}

static int open_server(void **state) {
    (void)state;
    struct weir_http_door door = {.body_size_max = 1 << 20};
    open_with(NULL, &door);
    return 0;
}

static int close_server(void **state) {
    (void)state;
    atomic_store(&go_on, true);
    fixture_close(&f);
    return 0;
}

/* ---- HTTP/1.1 ---- */

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: localhost\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: localhost\r\n"
#define CLOSE      "Connection: close\r\n\r\n"

static char answer[1 << 20];

static void expect(const char *request, const char *status, const char *needle) {
    ask_raw(&f, request, answer, sizeof answer, NULL);
    char line[64];
    snprintf(line, sizeof line, "HTTP/1.1 %s", status);
    if (strncmp(answer, line, strlen(line)) != 0) fail_msg("%s\ngave %.300s", request, answer);
    if (!strstr(answer, needle)) fail_msg("%s\nmisses \"%s\": %.600s", request, needle, answer);
}

static void test_methods(void **state) {
    (void)state;
    expect(GET("/hello") CLOSE, "200 OK", "hello\n");
    expect(GET("/pooled") CLOSE, "200 OK", "\r\n\r\nhello\n");
    expect("HEAD /hello HTTP/1.1\r\nHost: a\r\n" CLOSE, "200 OK", "Content-Length: 6\r\n\r\n");
    assert_null(strstr(answer, "hello"));
    expect(GET("/nothing") CLOSE, "404 Not Found", "there is nothing at /nothing");
    expect(POST("/hello") CLOSE, "405 Method Not Allowed", "\r\nAllow: GET, HEAD, OPTIONS\r\n");
    expect("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n" CLOSE, "204 No Content",
           "Allow: POST, PUT, OPTIONS\r\n");
    expect(GET("/item/a%2Fb%20c") CLOSE, "200 OK", "\r\n\r\na/b c");
    expect(GET("/item/../hello") CLOSE, "400 Bad Request", "leaves its folder");
    expect(GET("/item/%zz") CLOSE, "400 Bad Request", "malformed");
    expect("GET http://localhost/hello HTTP/1.1\r\nHost: localhost\r\n" CLOSE, "200 OK", "hello");
    expect("GET /hello HTTP/1.0\r\n\r\n", "200 OK", "Connection: close\r\n");
    expect("nonsense\r\n\r\n", "400 Bad Request", "malformed");
    expect("GET / HTTP/3.0\r\n\r\n", "505 ", "version");
    expect(GET("/forgets") CLOSE, "500 ", "was not answered");
}

static void test_parameters(void **state) {
    (void)state;
    expect(GET("/params?a=1&b=2&a=x+y%21") CLOSE, "200 OK", "\r\n\r\n[1][x y!].");
    expect(
        POST("/params?a=query") "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
                                "Content-Length: 10\r\n" CLOSE "a=form&c=d",
        "200 OK", "\r\n\r\n[form][query].");
    expect(POST("/params?a=query") "Content-Type: text/plain\r\nContent-Length: 6\r\n" CLOSE
                                   "a=form",
           "200 OK", "\r\n\r\n[query].");
}

static void test_every_cut_of_a_request(void **state) {
    (void)state;
    static const char request[] =
        POST("/pooled-echo") "Transfer-Encoding: chunked\r\n" CLOSE
                             "4\r\nabcd\r\n3;x\r\nefg\r\n0\r\nT: u\r\n\r\n";
    for (size_t cut = 1; cut < sizeof request - 1; cut += 3) {
        int fd = dial_raw(&f);
        send_raw(fd, request, cut);
        weir_clock_sleep_ns(WEIR_NS_PER_MS / 5);
        send_raw(fd, request + cut, sizeof request - 1 - cut);
        receive_raw(fd, answer, sizeof answer, NULL);
        close(fd);
        if (!strstr(answer, "\r\n\r\nabcdefg")) fail_msg("cut at %zu: %s", cut, answer);
    }
}

static void test_pipelining_keeps_order(void **state) {
    (void)state;
    ask_raw(
        &f,
        GET("/item/1") "\r\n\r\n" GET("/pooled") "\r\n" POST(
            "/echo") "Content-Length: 3\r\n\r\n[3]" GET("/streams?blocks=1") "\r\n" GET("/item/5")
            CLOSE GET("/item/6") CLOSE,
        answer, sizeof answer, NULL);
    const char *at = answer;
    static const char *const expected[] = {"\r\n\r\n1HTTP", "hello\n", "[3]", "aaaa\r\n0\r\n\r\n",
                                           "\r\n\r\n5"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        at = strstr(at, expected[i]);
        if (!at) fail_msg("answer %zu is missing: %s", i, answer);
    }
    assert_null(strstr(answer, "\r\n\r\n6")); /* behind Connection: close */
}

/* A stream that ends while the socket is full: what was pipelined behind it is served all the same.
 */
static void test_request_behind_a_large_stream(void **state) {
    (void)state;
    static const char requests[] = GET("/streams?blocks=1500") "\r\n" GET("/item/behind") CLOSE;
    for (int i = 0; i < 5; i++) {
        int fd = dial_raw(&f), small = 16 * 1024;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        send_raw(fd, requests, sizeof requests - 1);
        weir_clock_sleep_ns(20 * WEIR_NS_PER_MS);
        size_t kept = 0;
        for (ssize_t got; (got = recv(fd, answer + kept, sizeof answer - kept, 0)) > 0;) {
            kept += (size_t)got;
            if (kept > 4096) memmove(answer, answer + kept - 100, 100), kept = 100;
        }
        close(fd);
        assert_memory_equal(answer + kept - 10, "\r\n\r\nbehind", 10);
    }
}

static void test_expect_continue(void **state) {
    (void)state;
    int fd = dial_raw(&f);
    static const char head[] = POST("/echo") "Content-Length: 5\r\nExpect: 100-continue\r\n" CLOSE;
    send_raw(fd, head, sizeof head - 1);
    receive_raw(fd, answer, sizeof answer, "\r\n\r\n");
    assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    send_raw(fd, "hello", 5);
    receive_raw(fd, answer, sizeof answer, NULL);
    assert_non_null(strstr(answer, "\r\n\r\nhello"));
    close(fd);
    /* refused by its head: no 100 first */
    expect(POST("/tiny") "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", "413 ",
           "larger than 10 bytes");
}

static size_t gzip_zeros(size_t size, char *to, size_t room) {
    z_stream z = {.next_out = (Bytef *)to, .avail_out = (uInt)room};
    char zeros[4096] = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (size_t at = 0; at < size; at += sizeof zeros) {
        z.next_in = (Bytef *)zeros;
        z.avail_in = sizeof zeros;
        deflate(&z, at + sizeof zeros >= size ? Z_FINISH : Z_NO_FLUSH);
    }
    deflateEnd(&z);
    return z.total_out;
}

static void test_body_limits(void **state) {
    (void)state;
    expect(POST("/tiny") "Content-Length: 10\r\n" CLOSE "0123456789", "200 ", "0123456789");
    expect(POST("/tiny") "Content-Length: 11\r\n\r\n0123456789a", "413 ", "larger than 10 bytes");
    expect(
        POST("/tiny") "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n",
        "413 ", "larger");
    expect(POST("/tiny") "Transfer-Encoding: chunked\r\n\r\nx", "400 ", "chunk size is malformed");
    expect(POST("/echo") "Content-Encoding: br\r\nContent-Length: 1\r\n" CLOSE "x", "415 ",
           "gzip, deflate, zstd");
    expect(POST("/echo") "Content-Encoding: gzip\r\nContent-Length: 4\r\n" CLOSE "junk", "400 ",
           "damaged");
    expect(POST("/nothing") "Content-Length: 1000000\r\n\r\n", "404 ",
           "nothing at"); /* not waited for */
}

static void test_gzip_bomb(void **state) {
    (void)state;
    char bomb[65536], head[200];
    size_t size = gzip_zeros(32 << 20, bomb, sizeof bomb);
    for (int i = 0; i < 2; i++) {
        snprintf(head, sizeof head,
                 POST("%s") "Content-Encoding: gzip\r\nContent-Length: %zu\r\n" CLOSE,
                 i ? "/pooled-echo" : "/echo", size);
        int fd = dial_raw(&f);
        send_raw(fd, head, strlen(head));
        send_raw(fd, bomb, size);
        receive_raw(fd, answer, sizeof answer, NULL);
        close(fd);
        assert_non_null(strstr(answer, "HTTP/1.1 413 "));
        assert_non_null(strstr(answer, "when decompressed"));
    }
}

static void test_head_limit(void **state) {
    (void)state;
    static char big[70000];
    size_t len = (size_t)snprintf(big, sizeof big, GET("/hello") "X: ");
    memset(big + len, 'x', sizeof big - len);
    int fd = dial_raw(&f);
    send_raw(fd, big, sizeof big);
    receive_raw(fd, answer, sizeof answer, NULL);
    assert_non_null(strstr(answer, "HTTP/1.1 431 "));
    close(fd);
}

static void test_hosts_and_origins(void **state) {
    (void)state;
    static const char *const names[] = {"weir.example", NULL};
    struct weir_http_door door = {.check_host = true, .hosts = names};
    fixture_close(&f);
    open_with(NULL, &door);
    static const struct {
        const char *host, *origin; /* "" = no such header */
        bool allowed;
    } cases[] = {
        {"localhost:1", "", true},
        {"127.0.0.1", "", true},
        {"[::1]:3000", "", true},
        {"Weir.Example", "", true},
        {"weir.example:80", "http://weir.example:80", true},
        {"localhost:3000", "http://localhost:3000", true},
        {"localhost:3000", "http://localhost:8080", false},
        {"localhost:3000", "null", false},
        {"localhost:3000", "http://evil.example", false},
        {"evil.example", "", false},
        {"127.0.0.1.evil.example", "", false},
        {"10.0.0.1", "", false},
        {"", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[300];
        snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: %s\r\n%s%s%s" CLOSE,
                 cases[i].host, cases[i].origin[0] ? "Origin: " : "", cases[i].origin,
                 cases[i].origin[0] ? "\r\n" : "");
        expect(request, cases[i].allowed ? "200 " : "403 ", "");
    }
    expect("GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n" CLOSE, "403 ",
           "--allow-host");
}

static void test_gzip_answer(void **state) {
    (void)state;
    struct weir_buf request;
    weir_buf_init(&request, 1 << 20);
    weir_buf_printf(&request, GET("/params?a=%0*d") "Accept-Encoding: gzip\r\n" CLOSE, 5000, 7);
    weir_buf_add(&request, "", 1);
    size_t len = ask_raw(&f, request.ptr, answer, sizeof answer, NULL);
    weir_buf_done(&request);
    assert_non_null(strstr(answer, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"));
    char *body = strstr(answer, "\r\n\r\n") + 4, plain[6000];
    z_stream z = {.next_in = (Bytef *)body,
                  .avail_in = (uInt)(answer + len - body),
                  .next_out = (Bytef *)plain,
                  .avail_out = sizeof plain};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    assert_int_equal(z.total_out, 5003);
}

/* ---- streams ---- */

static void test_slow_reader_holds_the_writer(void **state) {
    (void)state;
    enum { blocks = 8192 }; /* 32 MiB */
    int fd = dial_raw(&f), small = 64 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    char request[100];
    snprintf(request, sizeof request, GET("/streams?blocks=%d") CLOSE, blocks);
    send_raw(fd, request, strlen(request));
    size_t before, now = 0;
    do {
        before = now;
        weir_clock_sleep_ns(100 * WEIR_NS_PER_MS);
        now = atomic_load(&streamed_bytes);
    } while (now == 0 || now != before);
    if (now > 16u << 20) fail_msg("%zu bytes were taken though nobody reads", now);
    size_t letters = 0;
    char block[65536];
    for (ssize_t got; (got = recv(fd, block, sizeof block, 0)) > 0;)
        for (ssize_t i = 0; i < got; i++) letters += block[i] == 'c';
    assert_int_equal(atomic_load(&streamed_bytes), blocks * 4096u);
    assert_true(letters >= blocks / 26 * 4096u); /* the head holds a few more */
    close(fd);
}

static void test_peer_that_goes_cancels(void **state) {
    (void)state;
    int fd = dial_raw(&f);
    send_raw(fd, GET("/streams?blocks=1000000") "\r\n",
             strlen(GET("/streams?blocks=1000000") "\r\n"));
    receive_raw(fd, answer, 2000, "aaaa");
    close(fd);
    wait_for(&canceled, 1);
    fd = dial_raw(&f);
    send_raw(fd, GET("/waits") "\r\n", strlen(GET("/waits") "\r\n"));
    wait_for(&entered, 1);
    close(fd);
    wait_for(&canceled, 2);
}

static void test_stream_without_end_is_cut(void **state) {
    (void)state;
    ask_raw(&f, GET("/forgets-end") "\r\n", answer, sizeof answer, NULL);
    assert_null(strstr(answer, "0\r\n\r\n"));
    expect("GET /streams?blocks=1 HTTP/1.0\r\n\r\n", "200 ", "\r\n\r\naaaa");
    assert_null(strstr(answer, "chunked"));
    expect("HEAD /streams?blocks=1 HTTP/1.1\r\nHost: a\r\n" CLOSE, "200 ", "chunked\r\n\r\n");
    assert_null(strstr(answer, "aaaa"));
}

/* ---- many and too many ---- */

static void test_hundred_connections(void **state) {
    (void)state;
    struct weir_http_options options = {.loops_count = 3};
    fixture_close(&f);
    open_with(&options, NULL);
    int fds[100];
    for (int i = 0; i < 100; i++) fds[i] = dial_raw(&f);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            char request[100];
            int len = snprintf(request, sizeof request, GET("/item/%d") "\r\n", 1000 + i);
            send_raw(fds[i], request, (size_t)len);
        }
        for (int i = 99; i >= 0; i--) {
            char expected[32];
            snprintf(expected, sizeof expected, "\r\n\r\n%d", 1000 + i);
            receive_raw(fds[i], answer, sizeof answer, expected);
            assert_non_null(strstr(answer, expected));
        }
    }
    for (int i = 0; i < 100; i++) close(fds[i]);
}

static void test_too_many_connections(void **state) {
    (void)state;
    struct weir_http_options options = {.connections_max = 2};
    fixture_close(&f);
    open_with(&options, NULL);
    int fds[2] = {dial_raw(&f), dial_raw(&f)};
    for (int i = 0; i < 2; i++) {
        send_raw(fds[i], GET("/hello") "\r\n", strlen(GET("/hello") "\r\n"));
        receive_raw(fds[i], answer, sizeof answer, "hello\n");
    }
    ask_raw(&f, "", answer, sizeof answer, NULL);
    assert_non_null(strstr(answer, "503 Service Unavailable"));
    close(fds[0]);
    for (int i = 0; i < 500; i++) {
        ask_raw(&f, GET("/hello") CLOSE, answer, sizeof answer, NULL);
        if (strstr(answer, "200 OK")) break;
    }
    assert_non_null(strstr(answer, "200 OK"));
    close(fds[1]);
}

static void test_full_pool_is_busy(void **state) {
    (void)state;
    enum { many = 4 + 64 + 8 }; /* threads, queue, and a few more */
    int fds[many], refused = 0;
    for (int i = 0; i < many; i++) {
        fds[i] = dial_raw(&f);
        send_raw(fds[i], GET("/waits") CLOSE, strlen(GET("/waits") CLOSE));
    }
    wait_for(&entered, 4);
    weir_clock_sleep_ns(50 * WEIR_NS_PER_MS);
    expect(GET("/hello") CLOSE, "200 ", "hello"); /* quick handlers go on */
    atomic_store(&go_on, true);
    for (int i = 0; i < many; i++) {
        receive_raw(fds[i], answer, sizeof answer, NULL);
        refused +=
            strstr(answer, "HTTP/1.1 503 ") != NULL && strstr(answer, "Retry-After: 1\r\n") != NULL;
        close(fds[i]);
    }
    assert_true(refused >= 8 && refused <= 12);
}

static void test_body_budget(void **state) {
    (void)state;
    struct weir_http_options options = {.bodies_size_max = 100000};
    fixture_close(&f);
    open_with(&options, NULL);
    static char body[150000];
    char head[100];
    for (int i = 0; i < 2; i++) {
        size_t size = i ? 50000 : sizeof body;
        snprintf(head, sizeof head, POST("/echo") "Content-Length: %zu\r\n" CLOSE, size);
        int fd = dial_raw(&f);
        send_raw(fd, head, strlen(head));
        send_raw(fd, body, size);
        receive_raw(fd, answer, 1000, NULL);
        assert_non_null(strstr(answer, i ? "200 OK" : "503 "));
        close(fd);
    }
}

static void test_slow_peers_are_ended(void **state) {
    (void)state;
    struct weir_http_options options = {.idle_timeout_ms = 150, .header_timeout_ms = 100};
    fixture_close(&f);
    open_with(&options, NULL);
    int silent = dial_raw(&f), half_head = dial_raw(&f), half_body = dial_raw(&f),
        idle = dial_raw(&f);
    send_raw(half_head, "GET /hel", 8);
    send_raw(half_body, POST("/echo") "Content-Length: 5\r\n\r\nab",
             strlen(POST("/echo") "Content-Length: 5\r\n\r\nab"));
    send_raw(idle, GET("/hello") "\r\n", strlen(GET("/hello") "\r\n"));
    assert_int_equal(receive_raw(silent, answer, sizeof answer, NULL), 0);
    receive_raw(half_head, answer, sizeof answer, NULL);
    assert_non_null(strstr(answer, "408 Request Timeout"));
    receive_raw(half_body, answer, sizeof answer, NULL);
    assert_non_null(strstr(answer, "408 Request Timeout"));
    receive_raw(idle, answer, sizeof answer, NULL);
    assert_non_null(strstr(answer, "200 OK"));
    int fds[] = {silent, half_head, half_body, idle};
    for (int i = 0; i < 4; i++) close(fds[i]);
}

/* ---- answers from elsewhere, stopping ---- */

static void *answer_kept(void *arg) {
    weir_http_reply_view(arg, 200, "text/plain", WEIR_VIEW("from elsewhere\n"));
    return NULL;
}

static void test_answer_from_another_thread(void **state) {
    (void)state;
    int fd = dial_raw(&f);
    pthread_t thread;
    send_raw(fd, GET("/keeps") CLOSE, strlen(GET("/keeps") CLOSE));
    wait_for(&entered, 1);
    assert_int_equal(pthread_create(&thread, NULL, answer_kept, kept_request), 0);
    receive_raw(fd, answer, sizeof answer, NULL);
    pthread_join(thread, NULL);
    assert_non_null(strstr(answer, "from elsewhere"));
    close(fd);
}

static void test_answer_after_the_server_is_gone(void **state) {
    (void)state;
    int fd = dial_raw(&f);
    send_raw(fd, GET("/keeps") CLOSE, strlen(GET("/keeps") CLOSE));
    wait_for(&entered, 1);
    fixture_close(&f);
    assert_true(weir_http_is_canceled(kept_request));
    answer_kept(kept_request);
    close(fd);
    open_server(state);
}

static void *stop_server(void *arg) {
    (void)arg;
    weir_http_server_stop(f.server, 5 * WEIR_NS_PER_S);
    return NULL;
}

static void test_stop_finishes_what_is_in_flight(void **state) {
    (void)state;
    int busy = dial_raw(&f), idle = dial_raw(&f), begun = dial_raw(&f);
    pthread_t thread;
    static const char half[] = "GET /hello HTTP/1.1\r\nHost: loc";
    send_raw(begun, half, sizeof half - 1);
    send_raw(idle, GET("/hello") "\r\n", strlen(GET("/hello") "\r\n"));
    receive_raw(idle, answer, sizeof answer, "hello\n");
    send_raw(busy, GET("/waits") "\r\n", strlen(GET("/waits") "\r\n"));
    wait_for(&entered, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_server, NULL), 0);
    assert_int_equal(receive_raw(idle, answer, sizeof answer, NULL), 0); /* closed at once */
    send_raw(begun, "alhost\r\n\r\n", 10);
    receive_raw(begun, answer, sizeof answer, NULL);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    close(begun);
    atomic_store(&go_on, true);
    receive_raw(busy, answer, sizeof answer, NULL);
    assert_non_null(strstr(answer, "waited"));
    assert_non_null(strstr(answer, "Connection: close"));
    pthread_join(thread, NULL);
    close(busy);
    close(idle);
}

static void test_addresses(void **state) {
    (void)state;
    struct weir_error err;
    uint16_t port;
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%u", f.port);
    const struct {
        const char *listen, *words;
    } bad[] = {{taken, "the port is taken"},
               {"127.0.0.1", "write host:port"},
               {"127.0.0.1:x", "write host:port"},
               {"192.0.2.1:0", "no interface has this address"},
               {"[::1:80", "write host:port"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weir_http_door door = {.listen = bad[i].listen, .name = "bad"};
        assert_int_not_equal(weir_http_server_add_door(f.server, &door, &port, &err), WEIR_OK);
        if (!strstr(err.message, bad[i].words)) fail_msg("%s", err.message);
    }
    struct weir_http_door door = {
        .listen = ":0", .name = "everywhere", .routes = routes, .routes_count = 1};
    assert_int_equal(weir_http_server_add_door(f.server, &door, &port, &err), WEIR_OK);
    assert_int_not_equal(port, 0);
    assert_int_not_equal(port, f.port);
}

/* ---- counters ---- */

struct wanted_metric {
    const char *name, *labels;
    double value;
};

static void find_metric(void *arg, const struct weir_metric *metric) {
    struct wanted_metric *wanted = arg;
    if (strcmp(metric->name, wanted->name) == 0 && strcmp(metric->labels, wanted->labels) == 0)
        wanted->value = weir_metric_get(metric);
}

static double metric(const char *name, const char *labels) {
    struct wanted_metric wanted = {name, labels, -1};
    weir_metric_each(find_metric, &wanted);
    return wanted.value;
}

static void test_counters(void **state) {
    (void)state;
    static const char requests[] = "weir_http_requests_total",
                      refused[] = "weir_http_refused_total";
    double good = metric(requests, "door=\"test\",code=\"2xx\"");
    double bad = metric(requests, "door=\"test\",code=\"4xx\"");
    double not_found = metric(refused, "door=\"test\",reason=\"not_found\"");
    double malformed = metric(refused, "door=\"test\",reason=\"malformed\"");
    double received = metric("weir_http_received_bytes_total", "door=\"test\"");
    expect(GET("/hello") CLOSE, "200 ", "");
    expect(POST("/echo") "Content-Length: 5\r\n" CLOSE "12345", "200 ", "");
    expect(GET("/nothing") CLOSE, "404 ", "");
    expect("x\r\n\r\n", "400 ", "");
    assert_true(metric(requests, "door=\"test\",code=\"2xx\"") == good + 2);
    assert_true(metric(requests, "door=\"test\",code=\"4xx\"") == bad + 2);
    assert_true(metric(refused, "door=\"test\",reason=\"not_found\"") == not_found + 1);
    assert_true(metric(refused, "door=\"test\",reason=\"malformed\"") == malformed + 1);
    assert_true(metric("weir_http_received_bytes_total", "door=\"test\"") == received + 5);
    int fd = dial_raw(&f);
    send_raw(fd, GET("/hello") "\r\n", strlen(GET("/hello") "\r\n"));
    receive_raw(fd, answer, sizeof answer, "hello\n");
    assert_true(metric("weir_http_connections", "door=\"test\"") >= 1);
    close(fd);
}

/* ---- WebSocket ---- */

#define UPGRADE                                                                                    \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void send_frame(int fd, int first, const char *payload, size_t len) {
    char frame[200] = {(char)first, (char)(0x80 | len), 1, 2, 3, 4};
    for (size_t i = 0; i < len; i++) frame[6 + i] = (char)(payload[i] ^ frame[2 + i % 4]);
    send_raw(fd, frame, 6 + len);
}

static void test_websocket(void **state) {
    (void)state;
    int fd = dial_raw(&f);
    send_raw(fd, GET("/socket") UPGRADE, strlen(GET("/socket") UPGRADE));
    size_t len = receive_raw(fd, answer, sizeof answer, "text 2");
    assert_non_null(strstr(answer, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_non_null(strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    char *frames = strstr(answer, "\r\n\r\n") + 4;
    assert_memory_equal(frames, "\x81\x08text 0  ", 10);
    assert_memory_equal(frames + 10, "\x81\x7e\x00\xcftext 1 ", 11);
    send_frame(fd, 0x89, "ping!", 5);
    char *close_frame = NULL, *pong = NULL;
    for (int i = 0; i < 100 && !(close_frame && pong); i++) {
        ssize_t got = recv(fd, answer + len, sizeof answer - len, 0);
        if (got <= 0) break;
        len += (size_t)got;
        close_frame = memmem(answer, len, "\x88\x02\x03\xe8", 4);
        pong = memmem(answer, len, "\x8a\x05ping!", 7);
    }
    assert_non_null(close_frame);
    assert_non_null(pong);
    send_frame(fd, 0x88, "\x03\xe8", 2);
    assert_int_equal(recv(fd, answer, 1, 0), 0);
    close(fd);
    expect(GET("/socket") CLOSE, "426 ", "");
}

static void test_websocket_ends(void **state) {
    (void)state;
    static const struct {
        int first;
        const char *payload;
        size_t len;
        const char *close_frame;
    } ends[] = {
        {0x88, "\x03\xe9", 2, "\x88\x02\x03\xe8"}, /* the peer closes */
        {0x83, "x", 1, "\x88\x02\x03\xea"},        /* the peer breaks the rules */
    };
    for (size_t i = 0; i < 2; i++) {
        int fd = dial_raw(&f);
        send_raw(fd, GET("/socket?count=100000000") UPGRADE,
                 strlen(GET("/socket?count=100000000") UPGRADE));
        receive_raw(fd, answer, 1000, "text 2");
        send_frame(fd, ends[i].first, ends[i].payload, ends[i].len);
        wait_for(&canceled, (int)i + 1);
        size_t len = 0;
        for (ssize_t got; (got = recv(fd, answer, sizeof answer, 0)) > 0;) len = (size_t)got;
        assert_memory_equal(answer + len - 4, ends[i].close_frame, 4);
        close(fd);
    }
}

/* ---- HTTP/2 ---- */

#define H2_PREFACE                                                                                 \
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"                                                             \
    "\0\0\0\x04\0\0\0\0\0"

static void add_h2_request(struct weir_buf *out, uint32_t stream_id, bool reset) {
    uint8_t id[4] = {(uint8_t)(stream_id >> 24), (uint8_t)(stream_id >> 16),
                     (uint8_t)(stream_id >> 8), (uint8_t)stream_id};
    /* HPACK: GET, http, /waits and localhost as literals */
    static const char block[] = "\x82\x86\x04\x06/waits\x01\x09localhost";
    weir_buf_add(out, "\0\0", 2);
    weir_buf_add_char(out, (char)(sizeof block - 1));
    weir_buf_add(out, "\x01\x05", 2);
    weir_buf_add(out, id, 4);
    weir_buf_add(out, block, sizeof block - 1);
    if (!reset) return;
    weir_buf_add(out, "\0\0\x04\x03\0", 5);
    weir_buf_add(out, id, 4);
    weir_buf_add(out, "\0\0\0\x08", 4);
}

static void test_rapid_reset_is_ended(void **state) {
    (void)state;
    struct weir_buf out;
    weir_buf_init(&out, 8 << 20);
    int fd = dial_raw(&f);
    weir_buf_add(&out, H2_PREFACE, sizeof H2_PREFACE - 1);
    for (uint32_t i = 0; i < 20000; i++) add_h2_request(&out, 2 * i + 1, true);
    send_raw(fd, out.ptr, out.len);
    size_t len = receive_raw(fd, answer, sizeof answer, NULL);
    /* GOAWAY with ENHANCE_YOUR_CALM */
    bool calm = false;
    for (size_t i = 0; i + 17 <= len; i++)
        calm |= memcmp(answer + i, "\0\0\x08\x07\0\0\0\0\0", 9) == 0 && answer[i + 16] == 11;
    assert_true(calm);
    close(fd);
    weir_buf_done(&out);
    atomic_store(&go_on, true);
    expect(GET("/hello") CLOSE, "200 ", "hello");
}

static void test_h2_stream_limit(void **state) {
    (void)state;
    struct weir_buf out;
    weir_buf_init(&out, 1 << 20);
    int fd = dial_raw(&f);
    weir_buf_add(&out, H2_PREFACE, sizeof H2_PREFACE - 1);
    for (uint32_t i = 0; i < 200; i++) add_h2_request(&out, 2 * i + 1, false);
    send_raw(fd, out.ptr, out.len);
    wait_for(&entered, 4);
    weir_clock_sleep_ns(20 * WEIR_NS_PER_MS);
    atomic_store(&go_on, true);
    weir_clock_sleep_ns(100 * WEIR_NS_PER_MS);
    size_t len = (size_t)recv(fd, answer, sizeof answer, 0);
    size_t refused = 0;
    for (size_t i = 0; i + 13 <= len; i++)
        refused += memcmp(answer + i, "\0\0\x04\x03\0", 5) == 0 &&
                   memcmp(answer + i + 9, "\0\0\0\x07", 4) == 0;
    assert_true(refused >= 200 - 128);
    close(fd);
    weir_buf_done(&out);
}

/* ---- garbage ---- */

static void test_mutated_requests(void **state) {
    (void)state;
    uint64_t seed = weir_rand_seed();
    struct weir_rand rand;
    static const char h1[] = POST(
        "/echo") "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n" GET("/hello") "\r\n";
    print_message("seed %llu\n", (unsigned long long)seed);
    weir_rand_init(&rand, seed);
    for (int i = 0; i < 300; i++) {
        struct weir_buf bytes;
        weir_buf_init(&bytes, 1 << 16);
        if (i % 2) {
            weir_buf_add(&bytes, h1, sizeof h1 - 1);
        } else {
            weir_buf_add(&bytes, H2_PREFACE, sizeof H2_PREFACE - 1);
            for (uint32_t s = 0; s < 4; s++) add_h2_request(&bytes, 2 * s + 1, s == 1);
        }
        size_t from = i % 2 ? 0 : 24;
        for (uint64_t n = weir_rand_below(&rand, 4); n > 0; n--)
            bytes.ptr[from + weir_rand_below(&rand, bytes.len - from)] =
                (char)weir_rand_next(&rand);
        int fd = dial_raw(&f);
        send_raw(fd, bytes.ptr, bytes.len);
        shutdown(fd, SHUT_WR);
        close(fd);
        weir_buf_done(&bytes);
    }
    atomic_store(&go_on, true);
    for (int i = 0; i < 100; i++) { /* the pool may be full for a moment */
        ask_raw(&f, GET("/pooled") CLOSE, answer, sizeof answer, NULL);
        if (strstr(answer, "200 OK")) break;
        weir_clock_sleep_ns(10 * WEIR_NS_PER_MS);
    }
    assert_non_null(strstr(answer, "200 OK"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_server, close_server)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_methods),
        TEST(test_parameters),
        TEST(test_every_cut_of_a_request),
        TEST(test_pipelining_keeps_order),
        TEST(test_request_behind_a_large_stream),
        TEST(test_expect_continue),
        TEST(test_body_limits),
        TEST(test_gzip_bomb),
        TEST(test_head_limit),
        TEST(test_hosts_and_origins),
        TEST(test_gzip_answer),
        TEST(test_slow_reader_holds_the_writer),
        TEST(test_peer_that_goes_cancels),
        TEST(test_stream_without_end_is_cut),
        TEST(test_hundred_connections),
        TEST(test_too_many_connections),
        TEST(test_full_pool_is_busy),
        TEST(test_body_budget),
        TEST(test_slow_peers_are_ended),
        TEST(test_answer_from_another_thread),
        TEST(test_answer_after_the_server_is_gone),
        TEST(test_stop_finishes_what_is_in_flight),
        TEST(test_addresses),
        TEST(test_counters),
        TEST(test_websocket),
        TEST(test_websocket_ends),
        TEST(test_rapid_reset_is_ended),
        TEST(test_h2_stream_limit),
        TEST(test_mutated_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
