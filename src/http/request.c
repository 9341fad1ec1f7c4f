/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/exclude.h"

bool weir_http_request_read(const struct weir_http_request *given, struct weir_http_request *ret) {
    if (!given || given->struct_size < sizeof given->struct_size) return false;
    *ret = (struct weir_http_request){.struct_size = 0};
    memcpy(ret, given, given->struct_size < sizeof *ret ? given->struct_size : sizeof *ret);
    return true;
}

struct weir_http *weir_http_new(const struct weir_http_request *request) {
    struct weir_http *http = calloc(1, sizeof *http);
    if (!http) return NULL;
    const char *method = request->method ? request->method : "";
    bool is_known = weir_http_method_known(weir_view_str(method));
    snprintf(http->method, sizeof http->method, "%s", is_known ? method : "_OTHER");
    snprintf(http->route, sizeof http->route, "%s", request->route ? request->route : "");
    const char *version = request->version ? request->version : "";
    if (!strncmp(version, "HTTP/", 5)) version += 5;
    snprintf(http->version, sizeof http->version, "%s", version);
    http->start_ns = weir_clock_mono_ns();
    if (request->start_ns) {
        int64_t before_ns = weir_clock_wall_ns() - request->start_ns;
        http->start_ns -= before_ns > 0 ? before_ns : 0;
    }
    return http;
}

struct weir_attribute weir_http_text(const char *key, struct weir_view text) {
    text = weir_view_upto(text, WEIR_HTTP_TEXT_MAX);
    return weir_attribute_strn(key, text.len ? text.ptr : NULL, text.len);
}

struct weir_attribute weir_http_number(const char *key, int64_t number) {
    return number ? WEIR_INT(key, number) : WEIR_STR(key, NULL);
}

struct weir_attribute weir_http_original(const struct weir_http *http, const char *method) {
    static const char key[] = "http.request.method_original";
    bool differs = method && strcmp(http->method, method) != 0;
    return weir_http_text(key, weir_view_upto(weir_view_str(differs ? method : ""), 64));
}

void weir_http_name(const struct weir_http *http, char *ret, size_t size) {
    const char *method = strcmp(http->method, "_OTHER") != 0 ? http->method : "HTTP";
    snprintf(ret, size, "%s%s%s", method, http->route[0] ? " " : "", http->route);
}

struct weir_tracer *weir_http_tracer(void) {
    return weir_tracer_get("weir.http", WEIR_VERSION);
}

struct weir_instrument *weir_http_duration(const char *name, const char *unit,
                                           const char *description) {
    static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                    0.5,   0.75, 1,     2.5,  5,     7.5, 10};
    return weir_histogram_get(weir_meter_get("weir.http", WEIR_VERSION), name, unit, description,
                              bounds, sizeof bounds / sizeof bounds[0]);
}

void weir_http_finish(struct weir_http *http, int status, int error_from, const char *error_type,
                      struct weir_instrument *metric, struct weir_attribute *attrs, size_t count) {
    char number[16];
    snprintf(number, sizeof number, "%d", status);
    if (!error_type && status >= error_from) error_type = number;
    if (weir_span_is_recording(http->span)) {
        weir_span_set(http->span, weir_http_number("http.response.status_code", status));
        if (error_type) {
            weir_span_set(http->span, WEIR_STR("error.type", error_type));
            weir_span_set_status(http->span, WEIR_STATUS_ERROR, NULL);
        }
    }
    if (!http->is_excluded) {
        attrs[count++] = WEIR_STR("http.request.method", http->method);
        attrs[count++] = weir_http_number("http.response.status_code", status);
        attrs[count++] = WEIR_STR("error.type", error_type);
        attrs[count++] = weir_http_text("network.protocol.version", weir_view_str(http->version));
        weir_instrument_record(metric, (double)(weir_clock_mono_ns() - http->start_ns) / 1e9, attrs,
                               count);
    }
    weir_span_end(http->span);
    weir_context_unref(http->context);
    free(http);
}

struct weir_span *weir_http_span(struct weir_http *http) {
    return http ? http->span : NULL;
}

const struct weir_context *weir_http_context(struct weir_http *http) {
    return http ? http->context : NULL;
}
