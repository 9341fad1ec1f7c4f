/* SPDX-License-Identifier: Apache-2.0 */
/* A small server on src/net, for tests against curl, nghttp and gRPC clients of other languages.
 *
 *     http_echo [port]        prints "port N" and serves until its standard input ends
 *
 * /echo gives the body back; /big?size=N gives N bytes; /stream?count=N writes N lines of 1 KiB;
 * /slow?ms=N answers late, from the pool; /websocket counts texts up; /test.Echo/Unary is gRPC. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http.h"

static uint64_t number(const struct weir_http_request *req, const char *name, uint64_t otherwise) {
    struct weir_view text = weir_http_param(req, name);
    uint64_t value;
    return text.ptr && weir_view_to_u64(text, &value) ? value : otherwise;
}

static void echo(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    char size[32];
    snprintf(size, sizeof size, "%zu", req->body_size_wire);
    weir_http_reply_header(req, "X-Wire-Size", weir_view_str(size));
    weir_http_reply_view(req, 200, "application/octet-stream", req->body);
}

static void big(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    size_t size = number(req, "size", 1 << 20);
    struct weir_buf body;
    weir_buf_init(&body, 64u << 20);
    char *to = weir_buf_reserve(&body, size);
    for (size_t i = 0; to && i < size; i++) to[i] = (char)('a' + i % 23);
    if (to) body.len = size;
    weir_http_reply_buf(req, 200, "text/plain", &body);
}

static void stream(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    uint64_t count = number(req, "count", 10);
    char line[1025];
    weir_http_stream_begin(req, 200, "text/plain");
    for (uint64_t i = 0; i < count; i++) {
        snprintf(line, sizeof line, "%01023llu\n", (unsigned long long)i);
        if (weir_http_stream_write(req, weir_view(line, 1024)) != WEIR_OK) break;
    }
    weir_http_stream_end(req);
}

static void slow(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_clock_sleep_ns((int64_t)number(req, "ms", 100) * WEIR_NS_PER_MS);
    weir_http_reply_view(req, 200, "text/plain", WEIR_VIEW("late\n"));
}

static void params(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    struct weir_buf body;
    struct weir_view value;
    weir_buf_init(&body, 1 << 20);
    for (size_t i = 0; weir_http_param_at(req, "match[]", i, &value); i++)
        weir_buf_printf(&body, "%zu=%.*s\n", i, WEIR_VIEW_ARG(value));
    weir_http_reply_buf(req, 200, "text/plain", &body);
}

static void websocket(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    if (weir_http_accept_websocket(req) != WEIR_OK) {
        if (!req->is_websocket)
            weir_http_reply_view(req, 426, "text/plain", WEIR_VIEW("WebSocket only\n"));
        else
            weir_http_websocket_close(req);
        return;
    }
    char text[32];
    for (uint64_t i = 0, count = number(req, "count", 3); i < count; i++) {
        snprintf(text, sizeof text, "text %llu", (unsigned long long)i);
        if (weir_http_websocket_send(req, weir_view_str(text)) != WEIR_OK) break;
    }
    weir_http_websocket_close(req);
}

static void unary(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    if (weir_view_is(req->body, "fail"))
        weir_http_reply_grpc(req, 14, "later: 100 % full", WEIR_VIEW(""), WEIR_VIEW("\x08\x0e"));
    else
        weir_http_reply_grpc(req, 0, "", req->body, WEIR_VIEW(""));
}

int main(int argc, char **argv) {
    static const struct weir_http_route routes[] = {
        {"GET|POST|PUT", "/echo", echo, 0, 0},
        {"GET", "/big", big, WEIR_HTTP_BLOCKING, 0},
        {"GET", "/stream", stream, WEIR_HTTP_BLOCKING, 0},
        {"GET", "/slow", slow, WEIR_HTTP_BLOCKING, 0},
        {"GET|POST", "/params", params, WEIR_HTTP_FORM, 0},
        {"GET", "/websocket", websocket, WEIR_HTTP_BLOCKING, 0},
        {"POST", "/test.Echo/Unary", unary, 0, 0},
        {"POST", "/test.Echo/Blocking", unary, WEIR_HTTP_BLOCKING, 0},
    };
    char listen[64];
    snprintf(listen, sizeof listen, "127.0.0.1:%s", argc > 1 ? argv[1] : "0");
    struct weir_pool *pool = weir_pool_new("handlers", 4, 64);
    struct weir_http_options options = {
        .loops_count = 2, .pool = pool, .idle_timeout_ms = 5000, .header_timeout_ms = 2000};
    struct weir_http_door door = {.listen = listen,
                                  .name = "echo",
                                  .routes = routes,
                                  .routes_count = sizeof routes / sizeof *routes,
                                  .body_size_max = 8u << 20,
                                  .check_host = true};
    struct weir_http_server *server;
    struct weir_error err;
    uint16_t port;
    if (!pool || weir_http_server_open(&options, &server, &err) != WEIR_OK) return 1;
    if (weir_http_server_add_door(server, &door, &port, &err) != WEIR_OK) {
        fprintf(stderr, "%s\n", err.message);
        weir_http_server_close(server);
        weir_pool_free(pool);
        return 1;
    }
    printf("port %u\n", port);
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    weir_http_server_stop(server, 2 * WEIR_NS_PER_S);
    weir_pool_free(pool);
    weir_http_server_close(server);
    return 0;
}
