/* SPDX-License-Identifier: Apache-2.0 */
/* A program under observation, for tests/integration/test_sdk_otlp.py: records known telemetry
 * through the public API only, then says as JSON what it knows of it. Configured by OTEL_*
 * variables.
 *
 *     otlp_probe [spans]      the default is 3 plain spans besides the special ones
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/log.h"
#include "weir/metric.h"
#include "weir/propagation.h"
#include "weir/trace.h"
#include "weir/weir.h"

static void print_hex(const char *name, const uint8_t *bytes, size_t size) {
    printf("\"%s\":\"", name);
    for (size_t i = 0; i < size; i++) printf("%02x", bytes[i]);
    printf("\",");
}

static void observe(void *arg, struct weir_observer *observer) {
    struct weir_attribute attr = WEIR_STR("queue", "in");
    (void)arg;
    weir_observer_record(observer, 17.5, &attr, 1);
}

static enum weir_health check(void *arg, char *detail, size_t size) {
    snprintf(detail, size, "all %s", "well");
    return *(enum weir_health *)arg;
}

static struct weir_span *special_span(struct weir_tracer *tracer) {
    const char *names[] = {"a", "b\xff", "\xc3\xa9"};
    int64_t ints[] = {1, -2, INT64_MAX};
    double doubles[] = {0.5, -1e300};
    bool bools[] = {true, false};
    struct weir_span_context remote;
    const char *parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    weir_traceparent_parse(parent, strlen(parent), &remote);
    remote.trace_state = "vendor=1,other=2";
    remote.trace_state_size = 16;
    struct weir_attribute link_attr = WEIR_STR("why", "test");
    struct weir_link link = {
        .span_context = remote, .attributes = &link_attr, .attributes_count = 1};
    struct weir_attribute constant[] = {WEIR_STR("messaging.system", "kafka"),
                                        WEIR_INT("replaced", 1)};
    struct weir_attribute_set *bound = weir_attributes_bind(constant, 2);
    struct weir_span_options options = {.struct_size = sizeof options,
                                        .kind = WEIR_KIND_PRODUCER,
                                        .parent_span = &remote,
                                        .links = &link,
                                        .links_count = 1,
                                        .start_ns = INT64_C(1700000000000000000),
                                        .bound = bound};
    struct weir_span *span = weir_span_start(tracer, "send orders", &options);
    weir_attributes_free(bound);
    weir_span_set(span, WEIR_INT("replaced", 2));
    weir_span_set(span, WEIR_DOUBLE("ratio", 0.25));
    weir_span_set(span, WEIR_BOOL("ok", true));
    weir_span_set(span, weir_attribute_strs("names", names, 3));
    weir_span_set(span, weir_attribute_ints("ints", ints, 3));
    weir_span_set(span, weir_attribute_doubles("doubles", doubles, 2));
    weir_span_set(span, weir_attribute_bools("bools", bools, 2));
    weir_span_set(span, weir_attribute_bytes("bytes", "\0\1\2", 3));
    weir_span_set(span, weir_attribute_str("", "no key"));
    weir_span_add_event(span, "queued", INT64_C(1700000000000000500), &link_attr, 1);
    weir_span_record_exception(span, "IOError", "broken pipe", NULL, NULL, 0);
    weir_span_set_status(span, WEIR_STATUS_ERROR, "first");
    weir_span_set_status(span, WEIR_STATUS_ERROR, "delivery failed");
    weir_span_update_name(span, "send payments");
    return span;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 3;
    struct weir_error err;
    if (weir_init(NULL, &err) != WEIR_OK) {
        for (char *at = err.message; *at; at++)
            if (*at == '"') *at = '\'';
        printf("{\"init\":%d,\"message\":\"%s\"}\n", err.code, err.message);
        return 1;
    }
    static enum weir_health health = WEIR_HEALTH_PASS;
    weir_health_add("self", check, &health, NULL);
    struct weir_tracer *tracer = weir_tracer_get("probe", "2.1");
    struct weir_span *span = special_span(tracer);
    struct weir_span_context sc = weir_span_context_get(span);
    struct weir_scope scope;
    weir_scope_attach_span(&scope, span);
    for (int i = 0; i < count; i++) {
        struct weir_span *child = weir_span_start(tracer, "child", NULL);
        weir_span_set(child, WEIR_INT("number", i));
        weir_span_end(child);
    }
    weir_instrument_record(weir_histogram_get(weir_meter_get("probe.meter", "3"), "probe.in_span",
                                              NULL, NULL, NULL, 0),
                           7.5, NULL, 0);
    struct weir_logger *logger = weir_logger_get("probe.log", NULL);
    struct weir_attribute attrs[] = {WEIR_STR("topic", "orders"), WEIR_INT("partition", 3)};
    weir_logger_log(logger, WEIR_SEVERITY_WARN, "a \"quoted\" line\nand another", attrs, 2);
    weir_scope_detach(&scope);
    weir_logger_printf(logger, WEIR_SEVERITY_INFO, "no span, %d", 7);
    weir_span_end_at(span, INT64_C(1700000000000001000));
    struct weir_meter *meter = weir_meter_get("probe.meter", "3");
    weir_instrument_add(weir_counter_get(meter, "probe.orders", "{order}", "Orders."), 5, attrs, 2);
    weir_instrument_add(weir_counter_get(meter, "probe.orders", "{order}", "Orders."), 2, attrs, 2);
    weir_instrument_add(weir_updown_get(meter, "probe.in_flight", NULL, NULL), -4, NULL, 0);
    weir_instrument_record(weir_gauge_get(meter, "probe.temperature", "Cel", "How warm."), 21.5,
                           NULL, 0);
    double bounds[] = {0.1, 1, 10};
    struct weir_instrument *histogram =
        weir_histogram_get(meter, "probe.duration", "s", "How long.", bounds, 3);
    const double values[] = {0.05, 0.1, 0.5, 5, 50};
    for (int i = 0; i < 5; i++) weir_instrument_record(histogram, values[i], attrs, 1);
    weir_instrument_observe(weir_instrument_get(meter, WEIR_INSTRUMENT_OBSERVABLE_GAUGE,
                                                "probe.depth", "{message}", "Depth.", NULL),
                            observe, NULL);
    err.message[0] = 0;
    int rc = weir_flush(5000, &err);
    for (char *at = err.message; *at; at++)
        if (*at == '"' || *at == '\\') *at = '\'';
    struct weir_stats stats = {.struct_size = sizeof stats};
    weir_stats_get(&stats);
    printf("{\"flush\":%d,\"message\":\"%s\",\"port\":%u,", rc, err.message, weir_http_port());
    print_hex("trace_id", sc.trace_id, 16);
    print_hex("span_id", sc.span_id, 8);
    printf("\"spans_exported\":%" PRIu64 ",\"spans_dropped\":%" PRIu64 ",\"retried\":%" PRIu64
           ",\"attributes_dropped\":%" PRIu64 "}\n",
           stats.spans_exported, stats.spans_dropped_export, stats.exports_retried,
           stats.attributes_dropped);
    fflush(stdout);
    if (getenv("PROBE_WAIT")) getchar(); /* until the test closes our standard input */
    health = WEIR_HEALTH_FAIL;
    return weir_shutdown(5000, NULL) == WEIR_OK ? 0 : 2;
}
