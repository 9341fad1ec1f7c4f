# SPDX-License-Identifier: Apache-2.0
"""OTLP requests made with the official protobuf classes, and the ledger of what is in them."""
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def add_attribute(target, key, value):
    attribute = target.add(key=key)
    if isinstance(value, bool):
        attribute.value.bool_value = value
    elif isinstance(value, int):
        attribute.value.int_value = value
    elif isinstance(value, float):
        attribute.value.double_value = value
    else:
        attribute.value.string_value = value


def traces(service, rng, count, name="op", when_ns=None):
    """A request of `count` one-span traces and its ledger {trace id: span id} in hex."""
    request = ExportTraceServiceRequest()
    batch = request.resource_spans.add()
    add_attribute(batch.resource.attributes, "service.name", service)
    scoped = batch.scope_spans.add()
    scoped.scope.name = "test"
    ledger = {}
    for i in range(count):
        span = scoped.spans.add(trace_id=rng.randbytes(16), span_id=rng.randbytes(8), name=name, kind=5)
        span.start_time_unix_nano = (when_ns or time.time_ns()) + i
        span.end_time_unix_nano = span.start_time_unix_nano + rng.randrange(1, 10**9)
        add_attribute(span.attributes, "n", i)
        ledger[span.trace_id.hex()] = span.span_id.hex()
    return request, ledger


def logs(service, rng, count, when_ns=None):
    """A request of `count` log lines and the list of their texts."""
    request = ExportLogsServiceRequest()
    batch = request.resource_logs.add()
    add_attribute(batch.resource.attributes, "service.name", service)
    scoped = batch.scope_logs.add()
    texts = []
    for i in range(count):
        text = f"line {i} {rng.getrandbits(64):016x}"
        record = scoped.log_records.add(time_unix_nano=(when_ns or time.time_ns()) + i, severity_number=9, severity_text="INFO")
        record.body.string_value = text
        texts.append(text)
    return request, texts


def gauge(service, name, values, when_ns=None, **labels):
    """A request with one gauge: one point per entry of `values` ({label value: number})."""
    request = ExportMetricsServiceRequest()
    batch = request.resource_metrics.add()
    add_attribute(batch.resource.attributes, "service.name", service)
    metric = batch.scope_metrics.add().metrics.add(name=name)
    for label, number in values.items():
        point = metric.gauge.data_points.add(time_unix_nano=when_ns or time.time_ns(), as_double=number)
        add_attribute(point.attributes, "item", str(label))
        for key, value in labels.items():
            add_attribute(point.attributes, key, value)
    return request
