/* SPDX-License-Identifier: Apache-2.0 */
/* Orders something over HTTP, by libcurl; prints the status and the trace. */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "../common/example.h"
#include "weir/http.h"

static int add_header(void *arg, const char *name, const char *value, size_t size) {
    struct curl_slist **headers = arg, *longer;
    char line[9000];
    snprintf(line, sizeof line, "%s: %.*s", name, (int)size, value);
    if (!(longer = curl_slist_append(*headers, line))) return WEIR_ENOMEMORY;
    *headers = longer;
    return WEIR_OK;
}

static size_t drop(char *data, size_t size, size_t count, void *arg) {
    (void)data;
    (void)arg;
    return size * count;
}

/* Gives the status, 0 when there was no answer. */
static long post(CURL *curl, const char *url, const char *body) {
    long status = 0;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct weir_http_request request = {
        .struct_size = sizeof request, .method = "POST", .target = url};
    struct weir_http *http = weir_http_client_begin(&request); /* span "POST" */
    weir_http_client_inject(http, add_header, &headers);       /* traceparent */
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    weir_http_client_end(http, (int)status, code == CURLE_OK ? NULL : "connect");
    if (code != CURLE_OK) fprintf(stderr, "order: %s\n", curl_easy_strerror(code));
    curl_slist_free_all(headers);
    return status;
}

static void print_trace(const struct weir_span *span, const char *order_id, long status) {
    struct weir_span_context sc = weir_span_context_get(span);
    char text[WEIR_TRACEPARENT_SIZE];
    weir_traceparent_format(&sc, text);
    printf("%s %ld %.32s\n", order_id, status, text + 3);
}

int main(int argc, char **argv) {
    const char *url = "http://127.0.0.1:8080/orders", *customer = "Ann", *id = NULL;
    double amount = 9.5;
    int64_t count = 1;
    const struct option options[] = {
        {"url", OPTION_STRING, &url, "where to (http://127.0.0.1:8080/orders)"},
        {"id", OPTION_STRING, &id, "order id (one from the clock for each)"},
        {"customer", OPTION_STRING, &customer, "who (Ann)"},
        {"amount", OPTION_DOUBLE, &amount, "what it costs (9.5)"},
        {"count", OPTION_INT, &count, "how many orders (1)"},
        {NULL, OPTION_FLAG, NULL, NULL}};
    options_read(argc, argv, "orders over HTTP", options);
    example_start("customer");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *curl = curl_easy_init();
    bool ok = curl != NULL;
    for (int64_t i = 0; ok && i < count; i++) {
        char body[512], order_id[64];
        if (id)
            snprintf(order_id, sizeof order_id, "%.63s", id);
        else
            snprintf(order_id, sizeof order_id, "A-%lld-%lld", (long long)now_ms(), (long long)i);
        snprintf(body, sizeof body, "{\"order_id\":\"%s\",\"customer\":\"%.200s\",\"amount\":%.2f}",
                 order_id, customer, amount);
        struct weir_span *span = weir_span_start(weir_tracer_get("order", NULL), "order", NULL);
        struct weir_scope scope;
        weir_scope_attach_span(&scope, span);
        long status = post(curl, url, body);
        weir_scope_detach(&scope);
        print_trace(span, order_id, status);
        weir_span_end(span);
        ok = status == 202;
    }
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    example_end();
    return ok ? 0 : 1;
}
