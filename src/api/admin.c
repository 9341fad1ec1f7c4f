/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own bare paths: /metrics, /-/ready, /-/healthy. */
#include "api/api.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/state.h"
#include "wire/json.h"
#include "wire/promtext.h"

enum { METRICS_BYTES_MAX = 4 << 20 };

struct page {
    struct weir_promtext out;
    const char *family; /* of the line before; families come together */
};

static void add_metric(void *arg, const struct weir_metric *metric) {
    struct page *page = arg;
    struct weir_view name = weir_view_str(metric->name);
    if (!page->family || !weir_view_is(name, page->family)) {
        const char *type = metric->kind == WEIR_METRIC_COUNTER ? "counter" : "gauge";
        weir_promtext_family(&page->out, name, type, weir_view_str(metric->help), WEIR_VIEW(""));
        page->family = metric->name;
    }
    weir_promtext_sample(&page->out, name, "");
    weir_promtext_labels_raw(&page->out, weir_view_str(metric->labels));
    weir_promtext_value(&page->out, weir_metric_get(metric));
}

static void get_metrics(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    struct weir_buf text;
    weir_buf_init(&text, METRICS_BYTES_MAX);
    struct page page = {.out = weir_promtext(&text, false)};
    weir_metric_each(add_metric, &page);
    weir_http_reply_buf(req, 200, WEIR_PROMTEXT_TYPE, &text);
}

/* 200 when every component is ready, else 503; one line a component either way. */
static void get_ready(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    struct weir_state_view state;
    struct weir_buf text;
    weir_buf_init(&text, METRICS_BYTES_MAX);
    bool ready = weir_state_all_ready() && !atomic_load(&api->stopping);
    for (unsigned i = 0; weir_state_get(i, &state); i++)
        weir_buf_printf(&text, "%s: %s%s%s\n", state.component, state.ready ? "ready" : "not ready",
                        *state.detail ? ", " : "", state.detail);
    weir_http_reply_buf(req, ready ? 200 : 503, "text/plain; charset=utf-8", &text);
}

static void get_healthy(void *ctx, struct weir_http_request *req) {
    (void)ctx;
    weir_http_reply_view(req, 200, "text/plain; charset=utf-8", WEIR_VIEW("weir is healthy\n"));
}

/* The Collector's health_check: every path answers. */
static void get_status(void *ctx, struct weir_http_request *req) {
    const struct weir_api *api = ctx;
    bool ready = weir_state_all_ready() && !atomic_load(&api->stopping);
    struct weir_buf json;
    weir_buf_init(&json, METRICS_BYTES_MAX);
    struct weir_json_writer w = weir_json_writer(&json);
    weir_json_begin_object(&w);
    weir_json_key(&w, "status");
    weir_json_add_cstr(&w, ready ? "Server available" : "Server not available");
    weir_json_key(&w, "upSince");
    char room[64];
    struct weir_buf text = {.ptr = room, .room = sizeof room, .size_max = sizeof room};
    weir_clock_add_rfc3339(&text, api->started_ns, 3);
    weir_json_add_str(&w, weir_buf_view(&text));
    weir_json_end_object(&w);
    weir_http_reply_buf(req, ready ? 200 : 503, "application/json", &json);
}

const struct weir_http_route *weir_api_health_routes(size_t *ret_count) {
    static const struct weir_http_route routes[] = {
        {.method = "GET", .pattern = "/*", .handler = get_status}};
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}

const struct weir_http_route *weir_api_admin_routes(size_t *ret_count) {
    static const struct weir_http_route routes[] = {
        {.method = "GET",
         .pattern = "/metrics",
         .handler = get_metrics,
         .flags = WEIR_HTTP_BLOCKING},
        {.method = "GET", .pattern = "/-/ready", .handler = get_ready},
        {.method = "GET", .pattern = "/-/healthy", .handler = get_healthy},
    };
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
