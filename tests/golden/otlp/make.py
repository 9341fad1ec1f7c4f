#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden OTLP bodies beside this file with the official protobuf classes.

    python3 -m venv venv && venv/bin/pip install opentelemetry-proto && venv/bin/python make.py

Each body has every field that its messages know, set to a value that tells it from the others.
*.bin is the encoded request, *.json the same as OTLP/JSON (ids in hex, as OTLP wants them).
"""
import json
import pathlib

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

TRACE_ID = bytes(range(1, 17))
SPAN_ID = bytes(range(0x21, 0x29))
PARENT_ID = bytes(range(0x31, 0x39))
T0 = 1_700_000_000_000_000_000


def any_value(value):
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        array = AnyValue()
        array.array_value.SetInParent()
        array.array_value.values.extend(any_value(v) for v in value)
        return array
    if isinstance(value, dict):
        kvlist = AnyValue()
        kvlist.kvlist_value.SetInParent()
        kvlist.kvlist_value.values.extend(attrs(value))
        return kvlist
    return AnyValue(string_value=value)


def attrs(values):
    return [KeyValue(key=k, value=any_value(v)) for k, v in values.items()]


ALL_KINDS = {
    "string": "värde \"quoted\"\n", "yes": True, "no": False, "int": -7, "big": 2**63 - 1,
    "double": 0.1, "bytes": b"\x00\xff\x10", "array": ["a", 1, [2.5]],
    "map": {"inner": {"deep": "x"}, "n": 3}, "empty": "",
}


def head(group, groups_name):
    """Fills a resource and two scopes; gives the first scope group."""
    group.resource.attributes.extend(attrs({
        "service.name": "orders", "service.namespace": "shop", "service.instance.id": "a-1",
        "host.name": "h1"}))
    group.resource.dropped_attributes_count = 1
    group.schema_url = "https://example.com/resource"
    scope = getattr(group, groups_name).add()
    scope.scope.name = "lib"
    scope.scope.version = "1.2.3"
    scope.scope.attributes.extend(attrs({"scope.attr": "s"}))
    scope.schema_url = "https://example.com/scope"
    return scope


def traces():
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    span = head(group, "scope_spans").spans.add()
    span.trace_id, span.span_id, span.parent_span_id = TRACE_ID, SPAN_ID, PARENT_ID
    span.trace_state = "vendor=1"
    span.flags = 0x301
    span.name = "send orders"
    span.kind = 4
    span.start_time_unix_nano, span.end_time_unix_nano = T0, T0 + 1_500_000
    span.attributes.extend(attrs(ALL_KINDS))
    span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count = 2, 3, 4
    event = span.events.add()
    event.time_unix_nano, event.name, event.dropped_attributes_count = T0 + 1, "exception", 5
    event.attributes.extend(attrs({"exception.type": "E"}))
    link = span.links.add()
    link.trace_id, link.span_id, link.trace_state = TRACE_ID[::-1], SPAN_ID[::-1], "w=2"
    link.flags, link.dropped_attributes_count = 0x101, 6
    link.attributes.extend(attrs({"link": 1}))
    span.status.code, span.status.message = 2, "it broke"
    root = group.scope_spans.add().spans.add()  # no scope at all
    root.trace_id, root.span_id, root.name = TRACE_ID, PARENT_ID, "root"
    return request


def metrics():
    request = ExportMetricsServiceRequest()
    scope = head(request.resource_metrics.add(), "scope_metrics")

    def metric(name, unit):
        m = scope.metrics.add()
        m.name, m.unit, m.description = name, unit, name + " in words"
        return m

    def times(point):
        point.start_time_unix_nano, point.time_unix_nano = T0, T0 + 5
        point.attributes.extend(attrs({"topic": "t"}))
        return point

    def exemplar(point):
        e = point.exemplars.add()
        e.time_unix_nano, e.as_double, e.trace_id, e.span_id = T0 + 4, 0.25, TRACE_ID, SPAN_ID
        e.filtered_attributes.extend(attrs({"k": "v"}))

    times(metric("queue.size", "{message}").gauge.data_points.add()).as_int = -3
    stale = times(scope.metrics[0].gauge.data_points.add())
    stale.flags = 1
    total = metric("sent.messages", "{message}").sum
    total.aggregation_temporality, total.is_monotonic = 2, True
    point = times(total.data_points.add())
    point.as_double = 12.5
    exemplar(point)
    duration = metric("process.duration", "s").histogram
    duration.aggregation_temporality = 1
    point = times(duration.data_points.add())
    point.count, point.sum, point.min, point.max = 6, 3.5, 0.1, 2.0
    point.bucket_counts.extend([1, 2, 3])
    point.explicit_bounds.extend([0.5, 1.0])
    exemplar(point)
    expo = metric("expo", "By").exponential_histogram
    expo.aggregation_temporality = 2
    point = times(expo.data_points.add())
    point.count, point.sum, point.scale, point.zero_count = 7, 9.0, -1, 2
    point.zero_threshold, point.min, point.max = 0.001, -2.0, 4.0
    point.positive.offset = -2
    point.positive.bucket_counts.extend([1, 300])
    point.negative.offset = 3
    point.negative.bucket_counts.extend([2])
    exemplar(point)
    point = times(metric("rtt", "ms").summary.data_points.add())
    point.count, point.sum = 10, 20.5
    for q, v in ((0.5, 1.0), (0.99, 7.0)):
        at = point.quantile_values.add()
        at.quantile, at.value = q, v
    return request


def logs():
    request = ExportLogsServiceRequest()
    scope = head(request.resource_logs.add(), "scope_logs")
    log = scope.log_records.add()
    log.time_unix_nano, log.observed_time_unix_nano = T0, T0 + 9
    log.severity_number, log.severity_text = 17, "ERROR"
    log.body.CopyFrom(any_value("order 17 failed"))
    log.attributes.extend(attrs(ALL_KINDS))
    log.dropped_attributes_count, log.flags = 3, 1
    log.trace_id, log.span_id = TRACE_ID, SPAN_ID
    log.event_name = "order.failed"
    bare = scope.log_records.add()
    bare.body.CopyFrom(any_value({"k": ["v"]}))
    return request


def otlp_json(message):
    """The proto3 JSON mapping, with the three ids in hex and enums as numbers."""
    import base64

    def walk(node):
        if isinstance(node, list):
            return [walk(n) for n in node]
        if not isinstance(node, dict):
            return node
        return {k: base64.b64decode(v).hex() if k in ("traceId", "spanId", "parentSpanId") else walk(v)
                for k, v in node.items()}

    return walk(MessageToDict(message, use_integers_for_enums=True))


def main():
    here = pathlib.Path(__file__).parent
    for name, message in (("traces", traces()), ("metrics", metrics()), ("logs", logs())):
        (here / f"{name}.bin").write_bytes(message.SerializeToString(deterministic=True))
        text = json.dumps(otlp_json(message), indent=1, ensure_ascii=False)
        (here / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
