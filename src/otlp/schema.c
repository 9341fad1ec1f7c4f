/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp/schema.h"

#define REPEATED WEIR_OTLP_REPEATED
#define PRESENCE WEIR_OTLP_PRESENCE

/* Tables are in the order of field numbers, as other encoders write fields. */

/* One field: of a plain kind, an enum, a message. */
#define FIELD(name, number, kind, flags)                                                           \
    { name, number, WEIR_OTLP_##kind, flags, NULL, NULL }
#define ENUMERATION(name, number, names)                                                           \
    { name, number, WEIR_OTLP_ENUM, 0, NULL, names }
#define NESTED(name, number, message, flags)                                                       \
    { name, number, WEIR_OTLP_MESSAGE, (flags) | PRESENCE, &(message), NULL }
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- common/v1, resource/v1 ------------------------------------------------------------------ */

static const struct weir_otlp_message key_value, array_value, kvlist_value;

static const struct weir_otlp_field any_value_fields[] = {
    FIELD("stringValue", 1, STRING, PRESENCE), FIELD("boolValue", 2, BOOL, PRESENCE),
    FIELD("intValue", 3, INT64, PRESENCE),     FIELD("doubleValue", 4, DOUBLE, PRESENCE),
    NESTED("arrayValue", 5, array_value, 0),   NESTED("kvlistValue", 6, kvlist_value, 0),
    FIELD("bytesValue", 7, BYTES, PRESENCE),
};
const struct weir_otlp_message weir_otlp_message_any_value = {"AnyValue", any_value_fields,
                                                              COUNT(any_value_fields)};

static const struct weir_otlp_field key_value_fields[] = {
    FIELD("key", 1, STRING, 0),
    NESTED("value", 2, weir_otlp_message_any_value, 0),
};
static const struct weir_otlp_message key_value = {"KeyValue", key_value_fields,
                                                   COUNT(key_value_fields)};

static const struct weir_otlp_field array_value_fields[] = {
    NESTED("values", 1, weir_otlp_message_any_value, REPEATED),
};
static const struct weir_otlp_message array_value = {"ArrayValue", array_value_fields, 1};

static const struct weir_otlp_field kvlist_value_fields[] = {
    NESTED("values", 1, key_value, REPEATED),
};
static const struct weir_otlp_message kvlist_value = {"KeyValueList", kvlist_value_fields, 1};

static const struct weir_otlp_field scope_fields[] = {
    FIELD("name", 1, STRING, 0),
    FIELD("version", 2, STRING, 0),
    NESTED("attributes", 3, key_value, REPEATED),
    FIELD("droppedAttributesCount", 4, UINT32, 0),
};
const struct weir_otlp_message weir_otlp_message_scope = {"InstrumentationScope", scope_fields,
                                                          COUNT(scope_fields)};

static const struct weir_otlp_field entity_ref_fields[] = {
    FIELD("schemaUrl", 1, STRING, 0),
    FIELD("type", 2, STRING, 0),
    FIELD("idKeys", 3, STRING, REPEATED),
    FIELD("descriptionKeys", 4, STRING, REPEATED),
};
static const struct weir_otlp_message entity_ref = {"EntityRef", entity_ref_fields,
                                                    COUNT(entity_ref_fields)};

static const struct weir_otlp_field resource_fields[] = {
    NESTED("attributes", 1, key_value, REPEATED),
    FIELD("droppedAttributesCount", 2, UINT32, 0),
    NESTED("entityRefs", 3, entity_ref, REPEATED),
};
const struct weir_otlp_message weir_otlp_message_resource = {"Resource", resource_fields,
                                                             COUNT(resource_fields)};

/* ---- trace/v1 -------------------------------------------------------------------------------- */

static const char *const span_kinds[] = {
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
    NULL,
};
static const char *const status_codes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                           "STATUS_CODE_ERROR", NULL};

static const struct weir_otlp_field event_fields[] = {
    FIELD("timeUnixNano", 1, FIXED64, 0),
    FIELD("name", 2, STRING, 0),
    NESTED("attributes", 3, key_value, REPEATED),
    FIELD("droppedAttributesCount", 4, UINT32, 0),
};
static const struct weir_otlp_message event = {"Span.Event", event_fields, COUNT(event_fields)};

static const struct weir_otlp_field link_fields[] = {
    FIELD("traceId", 1, ID, 0),
    FIELD("spanId", 2, ID, 0),
    FIELD("traceState", 3, STRING, 0),
    NESTED("attributes", 4, key_value, REPEATED),
    FIELD("droppedAttributesCount", 5, UINT32, 0),
    FIELD("flags", 6, FIXED32, 0),
};
static const struct weir_otlp_message span_link = {"Span.Link", link_fields, COUNT(link_fields)};

static const struct weir_otlp_field status_fields[] = {
    FIELD("message", 2, STRING, 0),
    ENUMERATION("code", 3, status_codes),
};
static const struct weir_otlp_message status = {"Status", status_fields, COUNT(status_fields)};

static const struct weir_otlp_field span_fields[] = {
    FIELD("traceId", 1, ID, 0),
    FIELD("spanId", 2, ID, 0),
    FIELD("traceState", 3, STRING, 0),
    FIELD("parentSpanId", 4, ID, 0),
    FIELD("name", 5, STRING, 0),
    ENUMERATION("kind", 6, span_kinds),
    FIELD("startTimeUnixNano", 7, FIXED64, 0),
    FIELD("endTimeUnixNano", 8, FIXED64, 0),
    NESTED("attributes", 9, key_value, REPEATED),
    FIELD("droppedAttributesCount", 10, UINT32, 0),
    NESTED("events", 11, event, REPEATED),
    FIELD("droppedEventsCount", 12, UINT32, 0),
    NESTED("links", 13, span_link, REPEATED),
    FIELD("droppedLinksCount", 14, UINT32, 0),
    NESTED("status", 15, status, 0),
    FIELD("flags", 16, FIXED32, 0),
};
const struct weir_otlp_message weir_otlp_message_span = {"Span", span_fields, COUNT(span_fields)};

/* ---- logs/v1 --------------------------------------------------------------------------------- */

static const char *const severities[] = {
    "SEVERITY_NUMBER_UNSPECIFIED", "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",      "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",      "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",      "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",      "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",       "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",       "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",       "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",       "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",      "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",      "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",      "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",      NULL,
};

static const struct weir_otlp_field log_fields[] = {
    FIELD("timeUnixNano", 1, FIXED64, 0),
    ENUMERATION("severityNumber", 2, severities),
    FIELD("severityText", 3, STRING, 0),
    NESTED("body", 5, weir_otlp_message_any_value, 0),
    NESTED("attributes", 6, key_value, REPEATED),
    FIELD("droppedAttributesCount", 7, UINT32, 0),
    FIELD("flags", 8, FIXED32, 0),
    FIELD("traceId", 9, ID, 0),
    FIELD("spanId", 10, ID, 0),
    FIELD("observedTimeUnixNano", 11, FIXED64, 0),
    FIELD("eventName", 12, STRING, 0),
};
const struct weir_otlp_message weir_otlp_message_log = {"LogRecord", log_fields, COUNT(log_fields)};

/* ---- metrics/v1 ------------------------------------------------------------------------------ */

static const char *const temporalities[] = {"AGGREGATION_TEMPORALITY_UNSPECIFIED",
                                            "AGGREGATION_TEMPORALITY_DELTA",
                                            "AGGREGATION_TEMPORALITY_CUMULATIVE", NULL};

static const struct weir_otlp_field exemplar_fields[] = {
    FIELD("timeUnixNano", 2, FIXED64, 0),
    FIELD("asDouble", 3, DOUBLE, PRESENCE),
    FIELD("spanId", 4, ID, 0),
    FIELD("traceId", 5, ID, 0),
    FIELD("asInt", 6, SFIXED64, PRESENCE),
    NESTED("filteredAttributes", 7, key_value, REPEATED),
};
static const struct weir_otlp_message exemplar = {"Exemplar", exemplar_fields,
                                                  COUNT(exemplar_fields)};

static const struct weir_otlp_field number_point_fields[] = {
    FIELD("startTimeUnixNano", 2, FIXED64, 0),
    FIELD("timeUnixNano", 3, FIXED64, 0),
    FIELD("asDouble", 4, DOUBLE, PRESENCE),
    NESTED("exemplars", 5, exemplar, REPEATED),
    FIELD("asInt", 6, SFIXED64, PRESENCE),
    NESTED("attributes", 7, key_value, REPEATED),
    FIELD("flags", 8, UINT32, 0),
};
static const struct weir_otlp_message number_point = {"NumberDataPoint", number_point_fields,
                                                      COUNT(number_point_fields)};

static const struct weir_otlp_field histogram_point_fields[] = {
    FIELD("startTimeUnixNano", 2, FIXED64, 0),
    FIELD("timeUnixNano", 3, FIXED64, 0),
    FIELD("count", 4, FIXED64, 0),
    FIELD("sum", 5, DOUBLE, PRESENCE),
    FIELD("bucketCounts", 6, FIXED64, REPEATED),
    FIELD("explicitBounds", 7, DOUBLE, REPEATED),
    NESTED("exemplars", 8, exemplar, REPEATED),
    NESTED("attributes", 9, key_value, REPEATED),
    FIELD("flags", 10, UINT32, 0),
    FIELD("min", 11, DOUBLE, PRESENCE),
    FIELD("max", 12, DOUBLE, PRESENCE),
};
static const struct weir_otlp_message histogram_point = {
    "HistogramDataPoint", histogram_point_fields, COUNT(histogram_point_fields)};

static const struct weir_otlp_field buckets_fields[] = {
    FIELD("offset", 1, SINT32, 0),
    FIELD("bucketCounts", 2, UINT64, REPEATED),
};
static const struct weir_otlp_message buckets = {"Buckets", buckets_fields, COUNT(buckets_fields)};

static const struct weir_otlp_field exponential_point_fields[] = {
    NESTED("attributes", 1, key_value, REPEATED),
    FIELD("startTimeUnixNano", 2, FIXED64, 0),
    FIELD("timeUnixNano", 3, FIXED64, 0),
    FIELD("count", 4, FIXED64, 0),
    FIELD("sum", 5, DOUBLE, PRESENCE),
    FIELD("scale", 6, SINT32, 0),
    FIELD("zeroCount", 7, FIXED64, 0),
    NESTED("positive", 8, buckets, 0),
    NESTED("negative", 9, buckets, 0),
    FIELD("flags", 10, UINT32, 0),
    NESTED("exemplars", 11, exemplar, REPEATED),
    FIELD("min", 12, DOUBLE, PRESENCE),
    FIELD("max", 13, DOUBLE, PRESENCE),
    FIELD("zeroThreshold", 14, DOUBLE, 0),
};
static const struct weir_otlp_message exponential_point = {
    "ExponentialHistogramDataPoint", exponential_point_fields, COUNT(exponential_point_fields)};

static const struct weir_otlp_field quantile_fields[] = {
    FIELD("quantile", 1, DOUBLE, 0),
    FIELD("value", 2, DOUBLE, 0),
};
static const struct weir_otlp_message quantile = {"ValueAtQuantile", quantile_fields,
                                                  COUNT(quantile_fields)};

static const struct weir_otlp_field summary_point_fields[] = {
    FIELD("startTimeUnixNano", 2, FIXED64, 0),
    FIELD("timeUnixNano", 3, FIXED64, 0),
    FIELD("count", 4, FIXED64, 0),
    FIELD("sum", 5, DOUBLE, 0),
    NESTED("quantileValues", 6, quantile, REPEATED),
    NESTED("attributes", 7, key_value, REPEATED),
    FIELD("flags", 8, UINT32, 0),
};
static const struct weir_otlp_message summary_point = {"SummaryDataPoint", summary_point_fields,
                                                       COUNT(summary_point_fields)};

#define METRIC_DATA(variable, title, point, count)                                                 \
    static const struct weir_otlp_field variable##_fields[] = {                                    \
        NESTED("dataPoints", 1, point, REPEATED),                                                  \
        ENUMERATION("aggregationTemporality", 2, temporalities),                                   \
        FIELD("isMonotonic", 3, BOOL, 0),                                                          \
    };                                                                                             \
    static const struct weir_otlp_message variable = {title, variable##_fields, count}

METRIC_DATA(gauge, "Gauge", number_point, 1);
METRIC_DATA(sum, "Sum", number_point, 3);
METRIC_DATA(histogram, "Histogram", histogram_point, 2);
METRIC_DATA(exponential_histogram, "ExponentialHistogram", exponential_point, 2);
METRIC_DATA(summary, "Summary", summary_point, 1);

static const struct weir_otlp_field metric_fields[] = {
    FIELD("name", 1, STRING, 0),
    FIELD("description", 2, STRING, 0),
    FIELD("unit", 3, STRING, 0),
    NESTED("gauge", 5, gauge, 0),
    NESTED("sum", 7, sum, 0),
    NESTED("histogram", 9, histogram, 0),
    NESTED("exponentialHistogram", 10, exponential_histogram, 0),
    NESTED("summary", 11, summary, 0),
    NESTED("metadata", 12, key_value, REPEATED),
};
const struct weir_otlp_message weir_otlp_message_metric = {"Metric", metric_fields,
                                                           COUNT(metric_fields)};

/* ---- requests: resource groups of scope groups of records -------------------------------------
 */

#define REQUEST(variable, service, title, groups, scopes, records, record)                         \
    static const struct weir_otlp_field variable##_scope_fields[] = {                              \
        NESTED("scope", 1, weir_otlp_message_scope, 0),                                            \
        NESTED(records, 2, record, REPEATED),                                                      \
        FIELD("schemaUrl", 3, STRING, 0),                                                          \
    };                                                                                             \
    static const struct weir_otlp_message variable##_scope = {"Scope" title,                       \
                                                              variable##_scope_fields, 3};         \
    static const struct weir_otlp_field variable##_resource_fields[] = {                           \
        NESTED("resource", 1, weir_otlp_message_resource, 0),                                      \
        NESTED(scopes, 2, variable##_scope, REPEATED),                                             \
        FIELD("schemaUrl", 3, STRING, 0),                                                          \
    };                                                                                             \
    static const struct weir_otlp_message variable##_resource = {"Resource" title,                 \
                                                                 variable##_resource_fields, 3};   \
    static const struct weir_otlp_field variable##_fields[] = {                                    \
        NESTED(groups, 1, variable##_resource, REPEATED),                                          \
    };                                                                                             \
    static const struct weir_otlp_message variable = {"Export" service "ServiceRequest",           \
                                                      variable##_fields, 1}

REQUEST(traces, "Trace", "Spans", "resourceSpans", "scopeSpans", "spans", weir_otlp_message_span);
REQUEST(metrics, "Metrics", "Metrics", "resourceMetrics", "scopeMetrics", "metrics",
        weir_otlp_message_metric);
REQUEST(logs, "Logs", "Logs", "resourceLogs", "scopeLogs", "logRecords", weir_otlp_message_log);

const struct weir_otlp_message *weir_otlp_message_request(enum weir_signal signal) {
    switch (signal) {
    case WEIR_SIGNAL_TRACE: return &traces;
    case WEIR_SIGNAL_METRIC: return &metrics;
    case WEIR_SIGNAL_LOG: return &logs;
    }
    return &traces;
}
