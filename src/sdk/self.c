/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/self.h"

#include <pthread.h>

#include "sdk/lane.h"
#include "sdk/process.h"
#include "sdk/sdk.h"
#include "weir/metric.h"

#define TYPE(component)  WEIR_STR("otel.component.type", component)
#define ERROR_TYPE(what) WEIR_STR("error.type", what)

static void record(struct weir_observer *observer, uint64_t value, struct weir_attribute first,
                   struct weir_attribute second) {
    struct weir_attribute attrs[] = {first, second};
    weir_observer_record(observer, (double)value, attrs, 2);
}

/* An attribute that is not there. */
static const struct weir_attribute none = {.type = WEIR_ATTRIBUTE_NONE};

static void spans_started(void *arg, struct weir_observer *observer) {
    struct weir_lane_sums sums;
    (void)arg;
    weir_lanes_sum(&sums);
    record(observer, sums.spans_started, WEIR_STR("otel.span.sampling_result", "RECORD_AND_SAMPLE"),
           none);
    record(observer, sums.spans_unsampled, WEIR_STR("otel.span.sampling_result", "DROP"), none);
}

static void logs_created(void *arg, struct weir_observer *observer) {
    struct weir_lane_sums sums;
    (void)arg;
    weir_lanes_sum(&sums);
    weir_observer_record(observer, (double)sums.logs_emitted, NULL, 0);
}

/* What went through the batch processor, and what it dropped because its queue was full. */
static void processed(void *arg, struct weir_observer *observer) {
    struct weir_lane_sums sums;
    int signal = *(const int *)arg;
    struct weir_attribute type =
        TYPE(signal == WEIR_SDK_TRACES ? "batching_span_processor" : "batching_log_processor");
    weir_lanes_sum(&sums);
    bool spans = signal == WEIR_SDK_TRACES;
    record(observer,
           weir_sdk_read(&weir_sdk_counters.exported[signal]) +
               weir_sdk_read(&weir_sdk_counters.dropped_export[signal]),
           type, none);
    record(observer,
           spans ? sums.spans_dropped_full : sums.logs_dropped_full, type, ERROR_TYPE("queue_full"));
    record(observer, spans ? sums.spans_dropped_memory : sums.logs_dropped_memory, type,
           ERROR_TYPE("out_of_memory"));
}

static void exported(void *arg, struct weir_observer *observer) {
    static const char *const types[][2] = {
        {"otlp_http_span_exporter", "otlp_grpc_span_exporter"},
        {"otlp_http_metric_exporter", "otlp_grpc_metric_exporter"},
        {"otlp_http_log_exporter", "otlp_grpc_log_exporter"}};
    int signal = *(const int *)arg;
    const struct weir_config *config = weir_sdk_config();
    struct weir_attribute type = TYPE(types[signal][config && config->otlp[signal].grpc]);
    record(observer, weir_sdk_read(&weir_sdk_counters.exported[signal]), type, none);
    record(observer, weir_sdk_read(&weir_sdk_counters.dropped_export[signal]), type,
           ERROR_TYPE("export_failed"));
}

static void queue_size(void *arg, struct weir_observer *observer) {
    bool is_log = *(const int *)arg == WEIR_SDK_LOGS;
    weir_observer_record(observer, (double)weir_lanes_waiting(is_log), NULL, 0);
}

static void queue_capacity(void *arg, struct weir_observer *observer) {
    const struct weir_config *config = weir_sdk_config();
    if (!config) return;
    bool spans = *(const int *)arg == WEIR_SDK_TRACES;
    weir_observer_record(observer, spans ? config->spans.queue_max : config->logs.queue_max, NULL,
                         0);
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

static void start(void) {
    struct weir_meter *meter = weir_meter_get(WEIR_SELF_METER, WEIR_VERSION);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        weir_instrument_observe(weir_instrument_get(meter, table[i].type, table[i].name,
                                                    table[i].unit, table[i].description, NULL),
                                table[i].observe, table[i].arg);
}

void weir_self_start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}
