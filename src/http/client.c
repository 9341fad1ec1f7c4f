/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "http/request.h"
#include "http/url.h"

static int usual_port(struct weir_view scheme) {
    return weir_view_eq_nocase(scheme, WEIR_VIEW("https"))  ? 443
           : weir_view_eq_nocase(scheme, WEIR_VIEW("http")) ? 80
                                                            : 0;
}

static void start(struct weir_http *http, const struct weir_http_request *request,
                  const struct weir_http_url *url) {
    char name[sizeof http->method + sizeof http->route];
    struct weir_buf full;
    weir_buf_init(&full, WEIR_HTTP_TEXT_MAX * 4);
    weir_http_url_add(&full, url);
    const struct weir_attribute attrs[] = {
        WEIR_STR("http.request.method", http->method),
        weir_http_original(http, request->method),
        weir_http_text("url.full", weir_buf_view(&full)),
        weir_http_text("url.template", weir_view_str(http->route)),
        weir_http_text("server.address", weir_view_str(http->host)),
        weir_http_number("server.port", http->port),
        weir_http_text("network.peer.address", weir_view_str(request->peer_address)),
        weir_http_number("network.peer.port", request->peer_address ? request->peer_port : 0),
        weir_http_text("network.protocol.version", weir_view_str(http->version)),
        weir_http_number("http.request.resend_count", request->resend_count)};
    weir_http_name(http, name, sizeof name);
    http->span = weir_span_start(
        weir_http_tracer(), name,
        &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                    .kind = WEIR_KIND_CLIENT,
                                    .start_ns = request->start_ns,
                                    .attributes = attrs,
                                    .attributes_count = sizeof attrs / sizeof attrs[0]});
    weir_buf_done(&full);
}

struct weir_http *weir_http_client_begin(const struct weir_http_request *given) {
    struct weir_http_request request;
    if (!weir_http_request_read(given, &request)) return NULL;
    struct weir_http *http = weir_http_new(&request);
    if (!http) return NULL;
    struct weir_http_url url = weir_http_url_read(weir_view_str(request.target));
    snprintf(http->host, sizeof http->host, "%.*s", WEIR_VIEW_ARG(url.host));
    http->port = url.port ? url.port : usual_port(url.scheme);
    start(http, &request, &url);
    http->context = http->span ? weir_context_with_span(weir_context_current(), http->span)
                               : weir_context_ref(weir_context_current());
    return http;
}

int weir_http_client_inject(struct weir_http *http, weir_carrier_set *set, void *carrier) {
    return http && set && http->context ? weir_inject(http->context, set, carrier) : 0;
}

void weir_http_client_end(struct weir_http *http, int status, const char *error_type) {
    struct weir_attribute attrs[WEIR_HTTP_ATTRS_MAX];
    size_t count = 0;
    if (!http) return;
    attrs[count++] = weir_http_text("server.address", weir_view_str(http->host));
    attrs[count++] = weir_http_number("server.port", http->port);
    weir_http_finish(http, status, 400, error_type,
                     weir_http_duration("http.client.request.duration", "s",
                                        "Duration of HTTP client requests."),
                     attrs, count);
}
