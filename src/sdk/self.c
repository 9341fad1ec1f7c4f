/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/self.h"

#include <pthread.h>

#include "net/uri.h"
#include "sdk/lane.h"
#include "sdk/process.h"
#include "sdk/sdk.h"
#include "weir/metric.h"

#define ERROR_TYPE(what) WEIR_STR("error.type", what)
#define SAMPLED(result)  WEIR_STR("otel.span.sampling_result", result)

/* An attribute that is not there. */
static const struct weir_attribute none = {.type = WEIR_ATTRIBUTE_NONE};

/* ── components ──────────────────────────────────────────────────────────────────────────────── */

enum { COMPONENT_ATTRIBUTES = 4 };

/* otel.component.type and .name, for the first of its type: there is one of each. */
static void name_component(struct weir_attribute attrs[2], const char *type, const char *name) {
    attrs[0] = WEIR_STR("otel.component.type", type);
    attrs[1] = WEIR_STR("otel.component.name", name);
}

static void name_processor(struct weir_attribute attrs[2], int signal) {
    if (signal == WEIR_SDK_TRACES)
        name_component(attrs, "batching_span_processor", "batching_span_processor/0");
    else
        name_component(attrs, "batching_log_processor", "batching_log_processor/0");
}

/* The component, and server.address and server.port where it sends to. */
static void name_exporter(struct weir_attribute attrs[COMPONENT_ATTRIBUTES], int signal) {
    static const char *const names[][2] = {
        {"otlp_http_span_exporter/0", "otlp_grpc_span_exporter/0"},
        {"otlp_http_metric_exporter/0", "otlp_grpc_metric_exporter/0"},
        {"otlp_http_log_exporter/0", "otlp_grpc_log_exporter/0"}};
    const struct weir_config *config = weir_sdk_config();
    const struct weir_config_otlp *otlp = config ? &config->otlp[signal] : NULL;
    const char *name = names[signal][otlp && otlp->grpc];
    name_component(attrs, name, name);
    attrs[0].size -= 2; /* the type is the name without its number */
    attrs[2] = attrs[3] = none;
    if (!otlp) return;
    struct weir_view url = otlp->url, host;
    size_t scheme = weir_view_find(url, WEIR_VIEW("://"));
    int port = weir_view_starts(url, WEIR_VIEW("https:")) ? 443 : 80, given = -1;
    if (scheme != SIZE_MAX) url = weir_view_from(url, scheme + 3);
    if (!weir_uri_split_authority(weir_view_cut(&url, '/'), &host, &given)) return;
    attrs[2] = weir_attribute_strn("server.address", host.ptr, host.len);
    attrs[3] = WEIR_INT("server.port", given >= 0 ? given : port);
}

/* Adds to what names the component one attribute more. */
static void record(struct weir_observer *observer, uint64_t value,
                   const struct weir_attribute *component, size_t count,
                   struct weir_attribute more) {
    struct weir_attribute attrs[COMPONENT_ATTRIBUTES + 1];
    for (size_t i = 0; i < count; i++) attrs[i] = component[i];
    attrs[count] = more;
    weir_observer_record(observer, (double)value, attrs, count + 1);
}

/* ── what the SDK counts ─────────────────────────────────────────────────────────────────────── */

static void spans_started(void *arg, struct weir_observer *observer) {
    struct weir_lane_sums sums;
    (void)arg;
    weir_lanes_sum(&sums);
    record(observer, sums.spans_started + weir_sdk_read(&weir_sdk_counters.spans_without_lane),
           NULL, 0, SAMPLED("RECORD_AND_SAMPLE"));
    record(observer, sums.spans_unsampled, NULL, 0, SAMPLED("DROP"));
}

static void spans_live(void *arg, struct weir_observer *observer) {
    struct weir_lane_sums sums;
    (void)arg;
    weir_lanes_sum(&sums);
    record(observer, sums.spans_open, NULL, 0, SAMPLED("RECORD_AND_SAMPLE"));
}

static void logs_created(void *arg, struct weir_observer *observer) {
    struct weir_lane_sums sums;
    (void)arg;
    weir_lanes_sum(&sums);
    weir_observer_record(observer, (double)sums.logs_emitted, NULL, 0);
}

/* What went to the exporter, and what never came so far. */
static void processed(void *arg, struct weir_observer *observer) {
    const struct weir_sdk_counters *c = &weir_sdk_counters;
    struct weir_attribute component[2];
    struct weir_lane_sums sums;
    int signal = *(const int *)arg;
    bool spans = signal == WEIR_SDK_TRACES;
    name_processor(component, signal);
    weir_lanes_sum(&sums);
    record(observer,
           weir_sdk_read(&c->exported[signal]) + weir_sdk_read(&c->dropped_export[signal]) +
               weir_sdk_read(&c->in_flight[signal]),
           component, 2, none);
    record(observer, spans ? sums.spans_dropped_full : sums.logs_dropped_full, component, 2,
           ERROR_TYPE("queue_full"));
    uint64_t no_memory = spans ? sums.spans_dropped_memory + weir_sdk_read(&c->spans_without_lane) +
                                     weir_sdk_read(&c->spans_ended_without_lane)
                               : sums.logs_dropped_memory;
    record(observer, no_memory, component, 2, ERROR_TYPE("out_of_memory"));
    if (!spans) return;
    record(observer, sums.spans_dropped_closed, component, 2, ERROR_TYPE("already_shutdown"));
    record(observer, sums.spans_cancelled, component, 2, ERROR_TYPE("cancelled"));
}

static void exported(void *arg, struct weir_observer *observer) {
    const struct weir_sdk_counters *c = &weir_sdk_counters;
    struct weir_attribute component[COMPONENT_ATTRIBUTES];
    int signal = *(const int *)arg;
    name_exporter(component, signal);
    uint64_t rejected = weir_sdk_read(&c->rejected[signal]);
    record(observer, weir_sdk_read(&c->exported[signal]), component, COMPONENT_ATTRIBUTES, none);
    record(observer, weir_sdk_read(&c->dropped_export[signal]) - rejected, component,
           COMPONENT_ATTRIBUTES, ERROR_TYPE("export_failed"));
    record(observer, rejected, component, COMPONENT_ATTRIBUTES, ERROR_TYPE("rejected"));
}

static void in_flight(void *arg, struct weir_observer *observer) {
    struct weir_attribute component[COMPONENT_ATTRIBUTES];
    int signal = *(const int *)arg;
    name_exporter(component, signal);
    record(observer, weir_sdk_read(&weir_sdk_counters.in_flight[signal]), component,
           COMPONENT_ATTRIBUTES, none);
}

static void queue_size(void *arg, struct weir_observer *observer) {
    struct weir_attribute component[2];
    int signal = *(const int *)arg;
    name_processor(component, signal);
    record(observer, weir_lanes_waiting(signal == WEIR_SDK_LOGS), component, 2, none);
}

static void queue_capacity(void *arg, struct weir_observer *observer) {
    const struct weir_config *config = weir_sdk_config();
    struct weir_attribute component[2];
    int signal = *(const int *)arg;
    if (!config) return;
    name_processor(component, signal);
    record(observer, signal == WEIR_SDK_TRACES ? config->spans.queue_max : config->logs.queue_max,
           component, 2, none);
}

static void counter(void *arg, struct weir_observer *observer) {
    weir_observer_record(observer, (double)weir_sdk_read(arg), NULL, 0);
}

static void process_cpu(void *arg, struct weir_observer *observer) {
    struct weir_process p;
    (void)arg;
    weir_process_read(&p);
    weir_observer_record(observer, p.cpu_seconds, NULL, 0);
}

static void process_memory(void *arg, struct weir_observer *observer) {
    struct weir_process p;
    (void)arg;
    weir_process_read(&p);
    weir_observer_record(observer, (double)p.resident_bytes, NULL, 0);
}

static void process_threads(void *arg, struct weir_observer *observer) {
    struct weir_process p;
    (void)arg;
    weir_process_read(&p);
    weir_observer_record(observer, (double)p.threads, NULL, 0);
}

static int traces = WEIR_SDK_TRACES, metrics = WEIR_SDK_METRICS, logs = WEIR_SDK_LOGS;

#define COUNTER WEIR_INSTRUMENT_OBSERVABLE_COUNTER
#define UPDOWN  WEIR_INSTRUMENT_OBSERVABLE_UPDOWN

static const struct {
    enum weir_instrument_type type;
    const char *name, *unit, *description;
    weir_observe *observe;
    void *arg;
} table[] = {
    {COUNTER, "otel.sdk.span.started", "{span}", "Spans started.", spans_started, NULL},
    {UPDOWN, "otel.sdk.span.live", "{span}", "Recording spans that have not ended.", spans_live,
     NULL},
    {COUNTER, "otel.sdk.log.created", "{log_record}", "Log records emitted.", logs_created, NULL},
    {COUNTER, "otel.sdk.processor.span.processed", "{span}", "Spans that left the batch processor.",
     processed, &traces},
    {COUNTER, "otel.sdk.processor.log.processed", "{log_record}",
     "Log records that left the batch processor.", processed, &logs},
    {UPDOWN, "otel.sdk.processor.span.queue.size", "{span}", "Spans that wait for export.",
     queue_size, &traces},
    {UPDOWN, "otel.sdk.processor.log.queue.size", "{log_record}",
     "Log records that wait for export.", queue_size, &logs},
    {UPDOWN, "otel.sdk.processor.span.queue.capacity", "{span}", "Most spans that may wait.",
     queue_capacity, &traces},
    {UPDOWN, "otel.sdk.processor.log.queue.capacity", "{log_record}",
     "Most log records that may wait.", queue_capacity, &logs},
    {COUNTER, "otel.sdk.exporter.span.exported", "{span}", "Spans exported, or given up.", exported,
     &traces},
    {COUNTER, "otel.sdk.exporter.log.exported", "{log_record}",
     "Log records exported, or given up.", exported, &logs},
    {COUNTER, "otel.sdk.exporter.metric_data_point.exported", "{data_point}",
     "Data points exported, or given up.", exported, &metrics},
    {UPDOWN, "otel.sdk.exporter.span.inflight", "{span}",
     "Spans given to the exporter, and neither exported nor given up.", in_flight, &traces},
    {UPDOWN, "otel.sdk.exporter.log.inflight", "{log_record}",
     "Log records given to the exporter, and neither exported nor given up.", in_flight, &logs},
    {UPDOWN, "otel.sdk.exporter.metric_data_point.inflight", "{data_point}",
     "Data points given to the exporter, and neither exported nor given up.", in_flight, &metrics},
    {COUNTER, "weir.sdk.exports.retried", "{request}", "Export requests sent again.", counter,
     &weir_sdk_counters.exports_retried},
    {COUNTER, "weir.sdk.attributes.dropped", "{attribute}",
     "Attributes without a key or past a limit.", counter, &weir_sdk_counters.attributes_dropped},
    {COUNTER, "weir.sdk.headers.malformed", "{header}", "Propagation headers that were ignored.",
     counter, &weir_sdk_counters.headers_malformed},
    {COUNTER, "weir.sdk.measurements.dropped", "{measurement}",
     "Measurements that an instrument cannot take.", counter,
     &weir_sdk_counters.measurements_dropped},
    {COUNTER, "weir.sdk.series.overflowed", "{measurement}",
     "Lookups past an instrument's limit of attribute sets.", counter,
     &weir_sdk_counters.series_overflowed},
    {COUNTER, "weir.sdk.log_file.errors", "{error}", "Writes to the log file that failed.", counter,
     &weir_sdk_counters.log_file_errors},
    {COUNTER, "process.cpu.time", "s", "Processor time used.", process_cpu, NULL},
    {UPDOWN, "process.memory.usage", "By", "Memory that is in RAM.", process_memory, NULL},
    {UPDOWN, "process.thread.count", "{thread}", "Threads of the process.", process_threads, NULL},
};

static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                0.5,   0.75, 1,     2.5,  5,     7.5, 10};
enum { BOUNDS_COUNT = sizeof bounds / sizeof *bounds };

/* Histograms, made with the rest; NULL before. */
static struct weir_instrument *_Atomic export_duration, *_Atomic collection_duration;

void weir_self_exported(enum weir_sdk_signal signal, int64_t duration_ns, int code) {
    struct weir_attribute attrs[COMPONENT_ATTRIBUTES + 1];
    name_exporter(attrs, (int)signal);
    attrs[COMPONENT_ATTRIBUTES] = code == WEIR_OK             ? none
                                  : code == WEIR_ETIMEOUT     ? ERROR_TYPE("timeout")
                                  : code == WEIR_EUNAVAILABLE ? ERROR_TYPE("unavailable")
                                  : code == WEIR_EAUTH        ? ERROR_TYPE("unauthenticated")
                                  : code == WEIR_EINVALID     ? ERROR_TYPE("refused")
                                                              : ERROR_TYPE("_OTHER");
    weir_instrument_record(atomic_load(&export_duration), (double)duration_ns / 1e9, attrs,
                           COMPONENT_ATTRIBUTES + 1);
}

void weir_self_collected(int64_t duration_ns) {
    struct weir_attribute attrs[2];
    name_component(attrs, "periodic_metric_reader", "periodic_metric_reader/0");
    weir_instrument_record(atomic_load(&collection_duration), (double)duration_ns / 1e9, attrs, 2);
}

static void start(void) {
    struct weir_meter *meter = weir_meter_get(WEIR_SELF_METER, WEIR_VERSION);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        weir_instrument_observe(weir_instrument_get(meter, table[i].type, table[i].name,
                                                    table[i].unit, table[i].description, NULL),
                                table[i].observe, table[i].arg);
    atomic_store(&export_duration,
                 weir_histogram_get(meter, "otel.sdk.exporter.operation.duration", "s",
                                    "Duration of exporting a batch, all attempts together.", bounds,
                                    BOUNDS_COUNT));
    atomic_store(&collection_duration,
                 weir_histogram_get(meter, "otel.sdk.metric_reader.collection.duration", "s",
                                    "Duration of collecting the metrics.", bounds, BOUNDS_COUNT));
}

void weir_self_start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}
