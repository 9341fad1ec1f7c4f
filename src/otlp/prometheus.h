/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP metrics under their Prometheus names: the one standard translation.
 *
 *     http.server.request.duration {s} HISTOGRAM     →  http_server_request_duration_seconds
 *     weir.runner.processed {message} monotonic SUM  →  weir_runner_processed_total
 *     system.memory.utilization {1} GAUGE            →  system_memory_utilization_ratio
 *
 * Each series carries job (service.namespace/service.name), instance (service.instance.id),
 * service_name, and cluster if the resource names one; then otel_scope_*; then the point's
 * attributes. A point's attribute that would hide one of the former gets `exported_` before its
 * name. The suffixes _bucket, _sum and _count are for whoever unfolds histograms.
 *
 * Threads: any. Memory: results in the arena or views of the input; NULL/false when it is full.
 * Source: OpenTelemetry specification 1.50, Prometheus and OpenMetrics Compatibility.
 */
#ifndef WEIR_OTLP_PROMETHEUS_H
#define WEIR_OTLP_PROMETHEUS_H

#include "otlp/batch.h"

struct weir_prometheus_label {
    struct weir_view name, value;
};

struct weir_prometheus_labels {
    const struct weir_prometheus_label *items; /* sorted by name, names unique, values not empty */
    uint32_t count;
};

/* The family name. `unit` in UCUM ("s", "By", "{message}", "By/s", "1"). */
struct weir_view weir_prometheus_metric_name(struct weir_arena *arena, struct weir_view name,
                                             struct weir_view unit, enum weir_metric_type type,
                                             bool monotonic);
/* A label name for an attribute key: `_` for every run of characters that a label cannot have,
 * "key_" before a digit. */
struct weir_view weir_prometheus_label_name(struct weir_arena *arena, struct weir_view key);
/* The unit as metadata shows it: "seconds", "bytes_per_second", "". */
struct weir_view weir_prometheus_unit(struct weir_arena *arena, struct weir_view unit);
/* "counter", "gauge", "histogram" or "summary"; a sum that may fall is a gauge. */
const char *weir_prometheus_type(const struct weir_otlp_metric *metric);

/* The labels that all points of one resource and scope share: compute once, use for each point.
 * `scope` may be NULL. */
bool weir_prometheus_target_labels(struct weir_arena *arena,
                                   const struct weir_otlp_resource *resource,
                                   const struct weir_otlp_scope *scope,
                                   struct weir_prometheus_labels *ret);
/* `target` and a point's attributes. Attributes whose names become equal share one label, their
 * values joined with ';' in the order of their keys. */
bool weir_prometheus_point_labels(struct weir_arena *arena, struct weir_attrs attrs,
                                  struct weir_prometheus_labels target,
                                  struct weir_prometheus_labels *ret);
/* Labels of the series target_info (value 1) of a resource: its attributes beside job and instance.
 * count is 0 if it needs none: nothing identifies the resource, or nothing else is known of it. */
bool weir_prometheus_target_info(struct weir_arena *arena,
                                 const struct weir_otlp_resource *resource,
                                 struct weir_prometheus_labels *ret);

#endif
