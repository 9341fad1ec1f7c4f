/* SPDX-License-Identifier: Apache-2.0 */
/* Takes OTLP over HTTP, counts and throws it away: what clients export to while they are measured.
 * Prints its port, ends at SIGTERM and then prints the bytes and the spans that it took. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "net/http.h"
#include "wire/pb.h"

static atomic_ullong bytes_taken, spans_taken;

/* Messages `depth` levels below, each level in field `number[level]`. */
static unsigned long long count(struct weir_view bytes, const uint32_t *numbers, int depth) {
    struct weir_pb pb = weir_pb(bytes);
    struct weir_pb_field field;
    unsigned long long found = 0;
    while (weir_pb_next(&pb, &field) > 0)
        if (field.number == *numbers && field.wire == WEIR_PB_BYTES)
            found += depth == 1 ? 1 : count(field.bytes, numbers + 1, depth - 1);
    return found;
}

static void take(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    static const uint32_t spans[] = {1, 2, 2}; /* resource_spans, scope_spans, spans */
    bytes_taken += req->body_size_wire;
    if (weir_view_is(req->path, "/v1/traces")) spans_taken += count(req->body, spans, 3);
    weir_http_reply_view(req, 200, "application/x-protobuf", WEIR_VIEW(""));
}

int main(void) {
    static const struct weir_http_route routes[] = {
        {.method = "POST", .pattern = "/*", .handler = take}};
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    struct weir_http_options options = {0};
    struct weir_http_door door = {.listen = "127.0.0.1:0",
                                  .name = "sink",
                                  .routes = routes,
                                  .routes_count = 1,
                                  .body_size_max = 64 << 20};
    struct weir_http_server *server;
    struct weir_error err;
    uint16_t port;
    if (weir_http_server_open(&options, &server, &err) != WEIR_OK ||
        weir_http_server_add_door(server, &door, &port, &err) != WEIR_OK)
        return fprintf(stderr, "sink: %s\n", err.message), 1;
    printf("%u\n", port);
    fflush(stdout);
    int number;
    sigwait(&stop, &number);
    weir_http_server_stop(server, 0);
    weir_http_server_close(server);
    printf("%llu %llu\n", (unsigned long long)bytes_taken, (unsigned long long)spans_taken);
    return 0;
}
