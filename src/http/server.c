/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/rand.h"
#include "http/exclude.h"
#include "http/request.h"
#include "http/url.h"

/* What the headers say about who asked, and for whom. */
struct caller {
    struct weir_view host, client, scheme, agent;
    int port;
};

static struct weir_view header(const struct weir_http_request *request, const char *name) {
    size_t size = 0;
    const char *value = request->get ? request->get(request->carrier, name, &size) : NULL;
    return weir_view(value, value ? size : 0);
}

/* The first of a list: the one that the outermost proxy wrote. */
static struct weir_view first_of(struct weir_view list) {
    return weir_view_trim(weir_view_cut(&list, ','));
}

static struct caller read_caller(const struct weir_http_request *request,
                                 const struct weir_http_url *url) {
    struct caller caller = {.host = url->host, .port = url->port};
    struct weir_view scheme = first_of(header(request, "x-forwarded-proto"));
    if (!caller.host.len) {
        struct weir_view host = first_of(header(request, "x-forwarded-host"));
        if (!host.len) host = weir_view_trim(header(request, "host"));
        weir_http_authority_read(host, &caller.host, &caller.port);
    }
    caller.client = first_of(header(request, "x-forwarded-for"));
    if (!caller.client.len) caller.client = weir_view_str(request->peer_address);
    caller.agent = header(request, "user-agent");
    bool is_web = weir_view_is(scheme, "https") || weir_view_is(scheme, "http");
    caller.scheme = is_web            ? scheme
                    : request->scheme ? weir_view_str(request->scheme)
                    : url->scheme.len ? url->scheme
                                      : WEIR_VIEW("http");
    return caller;
}

static void start(struct weir_http *http, const struct weir_http_request *request,
                  const struct weir_http_url *url, const struct weir_context *parent) {
    char name[sizeof http->method + sizeof http->route];
    struct caller caller = read_caller(request, url);
    struct weir_buf query;
    weir_buf_init(&query, WEIR_HTTP_TEXT_MAX * 2);
    weir_http_query_add(&query, weir_view_upto(url->query, WEIR_HTTP_TEXT_MAX));
    snprintf(http->scheme, sizeof http->scheme, "%.*s", WEIR_VIEW_ARG(caller.scheme));
    const struct weir_attribute attrs[] = {
        WEIR_STR("http.request.method", http->method),
        weir_http_original(http, request->method),
        weir_http_text("http.route", weir_view_str(http->route)),
        weir_http_text("url.path", url->path),
        weir_http_text("url.query", weir_buf_view(&query)),
        weir_http_text("url.scheme", weir_view_str(http->scheme)),
        weir_http_text("server.address", caller.host),
        weir_http_number("server.port", caller.host.len ? caller.port : 0),
        weir_http_text("client.address", caller.client),
        weir_http_text("network.peer.address", weir_view_str(request->peer_address)),
        weir_http_number("network.peer.port", request->peer_address ? request->peer_port : 0),
        weir_http_text("network.protocol.version", weir_view_str(http->version)),
        weir_http_text("user_agent.original", weir_view_upto(caller.agent, 512))};
    weir_http_name(http, name, sizeof name);
    http->span = weir_span_start(
        weir_http_tracer(), name,
        &(struct weir_span_options){.struct_size = sizeof(struct weir_span_options),
                                    .kind = WEIR_KIND_SERVER,
                                    .parent = parent,
                                    .start_ns = request->start_ns,
                                    .attributes = attrs,
                                    .attributes_count = sizeof attrs / sizeof attrs[0]});
    weir_buf_done(&query);
}

/* For an excluded path: a context that is not sampled, so that nothing below it is. */
static struct weir_context *silent(const struct weir_context *parent) {
    struct weir_span_context sc;
    if (!weir_context_span_context(parent, &sc)) {
        sc = (struct weir_span_context){.is_remote = false};
        weir_rand_fill(sc.trace_id, sizeof sc.trace_id);
        weir_rand_fill(sc.span_id, sizeof sc.span_id);
        sc.trace_id[15] |= 1;
        sc.span_id[7] |= 1;
    }
    sc.flags &= (uint8_t)~WEIR_FLAG_SAMPLED;
    return weir_context_with_span_context(parent, &sc);
}

static void attach(struct weir_http *http) {
    http->is_attached = true;
    weir_scope_attach(&http->scope, http->context);
    if (http->span) weir_scope_attach_span(&http->span_scope, http->span);
}

struct weir_http *weir_http_server_begin(const struct weir_http_request *given) {
    struct weir_http_request request;
    if (!weir_http_request_read(given, &request)) return NULL;
    struct weir_http *http = weir_http_new(&request);
    if (!http) return NULL;
    struct weir_http_url url = weir_http_url_read(weir_view_str(request.target));
    struct weir_context *parent =
        request.get ? weir_extract(weir_context_current(), request.get, request.carrier)
                    : weir_context_ref(weir_context_current());
    http->is_excluded = weir_http_path_excluded(url.path);
    if (http->is_excluded) {
        http->context = silent(parent);
    } else {
        start(http, &request, &url, parent);
        http->context =
            http->span ? weir_context_with_span(parent, http->span) : weir_context_ref(parent);
    }
    weir_context_unref(parent);
    if (!(request.flags & WEIR_HTTP_DETACHED)) attach(http);
    return http;
}

void weir_http_server_route(struct weir_http *http, const char *route) {
    char name[sizeof http->method + sizeof http->route];
    if (!http || !route) return;
    snprintf(http->route, sizeof http->route, "%s", route);
    if (!weir_span_is_recording(http->span)) return;
    weir_http_name(http, name, sizeof name);
    weir_span_update_name(http->span, name);
    weir_span_set(http->span, weir_http_text("http.route", weir_view_str(http->route)));
}

void weir_http_server_end(struct weir_http *http, int status, const char *error_type) {
    struct weir_attribute attrs[WEIR_HTTP_ATTRS_MAX];
    size_t count = 0;
    if (!http) return;
    if (http->is_attached) {
        if (http->span) weir_scope_detach(&http->span_scope);
        weir_scope_detach(&http->scope);
    }
    attrs[count++] = weir_http_text("http.route", weir_view_str(http->route));
    attrs[count++] = weir_http_text("url.scheme", weir_view_str(http->scheme));
    weir_http_finish(http, status, 500, error_type,
                     weir_http_duration("http.server.request.duration", "s",
                                        "Duration of HTTP server requests."),
                     attrs, count);
}
