/* SPDX-License-Identifier: Apache-2.0 */
/* Takes OTLP over HTTP and throws it away: what clients export to while they are measured.
 * Prints its port, ends at SIGTERM and then prints the bytes that it took. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "net/http.h"

static atomic_ullong bytes_taken;

static void take(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    bytes_taken += req->body_size_wire;
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
    printf("%llu\n", (unsigned long long)bytes_taken);
    return 0;
}
