/* SPDX-License-Identifier: Apache-2.0 */
/* The shop's door: POST /orders puts the order into Kafka, and answers when it is there. HTTP by
 * libmicrohttpd; the five lines of Weir are marked. */
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/example.h"
#include "../common/json.h"
#include "weir/http.h"

#define BODY_MAX 65536

static const char *topic = "orders";
static struct weir_producer *producer;
static volatile sig_atomic_t stopping;

/* One request, while its body arrives. */
struct visit {
    char target[512]; /* path and query */
    bool begun, too_big;
    size_t size;
    char body[BODY_MAX];
};

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

static const char *get_header(void *connection, const char *name, size_t *ret_size) {
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    *ret_size = value ? strlen(value) : 0;
    return value;
}

static void find_id(void *arg, const struct json_field *field) {
    if (!strcmp(field->name, "order_id") && field->type == JSON_STRING)
        snprintf(arg, 64, "%.63s", field->str);
}

/* Gives the HTTP status. */
static int take_order(const struct visit *visit) {
    char order_id[64] = "";
    if (visit->too_big) return MHD_HTTP_CONTENT_TOO_LARGE;
    if (!json_walk(visit->body, visit->size, find_id, order_id) || !order_id[0])
        return MHD_HTTP_BAD_REQUEST;
    struct weir_record record = {.topic = topic,
                                 .key = order_id,
                                 .key_size = strlen(order_id),
                                 .value = visit->body,
                                 .value_size = visit->size};
    int code = weir_producer_send(producer, &record, NULL, NULL); /* Weir: span "send orders" */
    return code == WEIR_OK ? MHD_HTTP_ACCEPTED : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static int serve(const char *method, const char *path, const struct visit *visit) {
    if (!strcmp(path, "/health")) return MHD_HTTP_OK;
    if (strcmp(path, "/orders") != 0) return MHD_HTTP_NOT_FOUND;
    return strcmp(method, "POST") ? MHD_HTTP_METHOD_NOT_ALLOWED : take_order(visit);
}

static enum MHD_Result answer(struct MHD_Connection *connection, int status) {
    char text[64];
    int size = snprintf(text, sizeof text, "{\"status\":%d}\n", status);
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)size, text, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

static void *on_target(void *arg, const char *target, struct MHD_Connection *connection) {
    (void)arg;
    (void)connection;
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit) snprintf(visit->target, sizeof visit->target, "%s", target);
    return visit;
}

/* libmicrohttpd calls this for the head, for each part of the body, and when all is there. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state) {
    (void)arg;
    struct visit *visit = *state;
    if (!visit) return MHD_NO;
    if (!visit->begun) return visit->begun = true, MHD_YES;
    if (*upload_size) {
        visit->too_big |= *upload_size > sizeof visit->body - visit->size;
        if (!visit->too_big) memcpy(visit->body + visit->size, upload, *upload_size);
        visit->size += visit->too_big ? 0 : *upload_size;
        *upload_size = 0;
        return MHD_YES;
    }
    struct weir_http_request request = {.struct_size = sizeof request, /* Weir: what came */
                                        .method = method,
                                        .target = visit->target,
                                        .route = !strcmp(path, "/orders") ? path : NULL,
                                        .version = version,
                                        .get = get_header,
                                        .carrier = connection};
    struct weir_http *http = weir_http_server_begin(&request); /* Weir: span "POST /orders" */
    int status = serve(method, path, visit);
    weir_http_server_end(http, status, NULL); /* Weir */
    return answer(connection, status);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
    (void)arg;
    (void)connection;
    (void)why;
    free(*state);
    *state = NULL;
}

/* A thread for each connection, so that a request stays on its thread. */
static struct MHD_Daemon *listen_on(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, port,
                            NULL, NULL, on_request, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target,
                            NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                            MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_END);
}

int main(int argc, char **argv) {
    int64_t port = 8080;
    struct weir_kafka_options kafka = {.struct_size = sizeof kafka};
    const struct option options[] = {
        {"port", OPTION_INT, &port, "port on 127.0.0.1 (8080; 0: any)"},
        {"brokers", OPTION_STRING, &kafka.brokers,
         "bootstrap servers (KAFKA_BROKERS; localhost:9092)"},
        {"topic", OPTION_STRING, &topic, "topic (orders)"},
        {NULL, OPTION_FLAG, NULL, NULL}};
    options_read(argc, argv, "takes orders over HTTP", options);
    example_start("shop"); /* Weir: OTEL_* variables */
    struct weir_error err;
    if (!(producer = weir_producer_open(&kafka, &err)))
        return fprintf(stderr, "shop: %s\n", err.message), 1;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    struct MHD_Daemon *daemon = listen_on((uint16_t)port);
    if (!daemon) return fprintf(stderr, "shop: cannot listen on port %d\n", (int)port), 1;
    printf("shop: http://127.0.0.1:%u/orders\n",
           (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (!stopping) pause();
    MHD_stop_daemon(daemon);
    weir_producer_close(producer);
    example_end();
    return 0;
}
