# SPDX-License-Identifier: Apache-2.0
"""Official OpenTelemetry SDKs of other languages send to the server; what they sent reads back equal."""
import os
import pathlib
import random
import subprocess
import time

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import Compression, OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from otlp_json import attributes_of, spans_of
from weir_server import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]


def random_attributes(rng):
    kinds = [lambda: rng.randrange(-2**53, 2**53), lambda: rng.random() * 1e6, lambda: bool(rng.getrandbits(1)),
             lambda: "".join(chr(rng.choice([65, 97, 233, 8364, 128161])) for _ in range(rng.randrange(12))),
             lambda: [rng.randrange(100) for _ in range(rng.randrange(1, 4))], lambda: ["a", "b" * rng.randrange(5)]]
    return {f"k{i}.{rng.randrange(1000)}": rng.choice(kinds)() for i in range(rng.randrange(1, 9))}


def normal(value):
    return tuple(value) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("transport", ["grpc", "http", "http-gzip"])
def test_python_spans_read_back_equal(weir_module, rng, transport):
    server = weir_module
    exporter = {"grpc": lambda: GrpcSpanExporter(endpoint=server.grpc, insecure=True),
                "http": lambda: HttpSpanExporter(endpoint=f"http://{server.http}/v1/traces"),
                "http-gzip": lambda: HttpSpanExporter(endpoint=f"http://{server.http}/v1/traces", compression=Compression.Gzip)}[transport]()
    service = f"python-{transport}-{rng.randrange(10**9)}"
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": "1.2.3"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("peer", "0.9")
    sent = []
    for _ in range(rng.randrange(3, 8)):
        foreign = SpanContext(rng.getrandbits(128) | 1, rng.getrandbits(64) | 1, True, TraceFlags(1))
        link_attributes = random_attributes(rng)
        attributes = random_attributes(rng)
        start = time.time_ns() - rng.randrange(10**9)
        with trace.use_span(tracer.start_span("parent", kind=SpanKind.PRODUCER, attributes=attributes, start_time=start,
                                              links=[Link(foreign, link_attributes)]), end_on_exit=True) as parent:
            parent.add_event("something", {"n": 7})
            parent.set_status(Status(StatusCode.ERROR, "it broke: é"))
            with tracer.start_as_current_span("child", kind=SpanKind.CONSUMER) as child:
                pass
        sent.append((parent, child, foreign, link_attributes, attributes, start))
    provider.shutdown()

    for parent, child, foreign, link_attributes, attributes, start in sent:
        trace_id = f"{parent.get_span_context().trace_id:032x}"
        spans = {span["name"]: span for span in wait_until(lambda: spans_of(server.trace(trace_id)), what="the trace")}
        assert set(spans) == {"parent", "child"}
        read = spans["parent"]
        assert read["trace_id"] == trace_id
        assert read["span_id"] == f"{parent.get_span_context().span_id:016x}"
        assert spans["child"]["parent_span_id"] == read["span_id"]
        assert int(read["startTimeUnixNano"]) == start
        assert int(read["endTimeUnixNano"]) == parent.end_time
        assert {k: normal(v) for k, v in attributes_of(read).items()} == {k: normal(v) for k, v in attributes.items()}
        assert read["kind"] in (4, "SPAN_KIND_PRODUCER")
        assert read["status"]["message"] == "it broke: é" and read["status"]["code"] in (2, "STATUS_CODE_ERROR")
        assert read["events"][0]["name"] == "something" and attributes_of(read["events"][0]) == {"n": 7}
        link = read["links"][0]
        assert link["trace_id"] == f"{foreign.trace_id:032x}" and link["span_id"] == f"{foreign.span_id:016x}"
        assert {k: normal(v) for k, v in attributes_of(link).items()} == {k: normal(v) for k, v in link_attributes.items()}
        assert read["resource"]["service.name"] == service and read["resource"]["service.version"] == "1.2.3"
        assert read["scope"]["name"] == "peer" and read["scope"]["version"] == "0.9"
    found = server.search(f'{{ resource.service.name = "{service}" && name = "parent" && status = error }}', limit=100)
    assert {item["traceID"].rjust(32, "0") for item in found} == {f"{s[0].get_span_context().trace_id:032x}" for s in sent}


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_python_metrics_arrive(weir_module, rng, transport):
    server = weir_module
    exporter = (GrpcMetricExporter(endpoint=server.grpc, insecure=True) if transport == "grpc"
                else HttpMetricExporter(endpoint=f"http://{server.http}/v1/metrics"))
    service = f"pymetrics-{transport}-{rng.randrange(10**9)}"
    provider = MeterProvider(metric_readers=[PeriodicExportingMetricReader(exporter, export_interval_millis=10**8)],
                             resource=Resource.create({"service.name": service}))
    meter = provider.get_meter("peer")
    total = 0
    counter = meter.create_counter("orders.placed", unit="{order}")
    histogram = meter.create_histogram("order.latency", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1, 10])
    values = [rng.random() * 20 for _ in range(50)]
    for value in values:
        amount = rng.randrange(1, 10)
        total += amount
        counter.add(amount, {"region": "eu"})
        histogram.record(value)
    provider.shutdown()
    query = f'orders_placed_total{{service_name="{service}",region="eu"}}'
    assert wait_until(lambda: server.promql_sum(query), what="the counter") == total
    for bound in (0.1, 1, 10):
        got = server.promql_sum(f'order_latency_seconds_bucket{{service_name="{service}",le="{bound:g}"}}')
        assert got == sum(v <= bound for v in values)
    assert server.promql_sum(f'order_latency_seconds_count{{service_name="{service}"}}') == len(values)
    assert server.promql_sum(f'order_latency_seconds_sum{{service_name="{service}"}}') == pytest.approx(sum(values))


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_python_logs_arrive_with_their_trace(weir_module, rng, transport):
    import logging

    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    server = weir_module
    exporter = (GrpcLogExporter(endpoint=server.grpc, insecure=True) if transport == "grpc"
                else HttpLogExporter(endpoint=f"http://{server.http}/v1/logs"))
    service = f"pylogs-{transport}-{rng.randrange(10**9)}"
    logs = LoggerProvider(resource=Resource.create({"service.name": service}))
    logs.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging.getLogger(service)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=logs))
    tracer = TracerProvider().get_tracer("peer")
    texts = [f"line {i} of {rng.randrange(10**6)}" for i in range(20)]
    with tracer.start_as_current_span("work") as span:
        for text in texts:
            logger.info(text)
        logger.error("it failed")
    logs.shutdown()
    trace_id = f"{span.get_span_context().trace_id:032x}"
    everything = wait_until(lambda: (lambda lines: lines if len(lines) == 21 else None)(
        server.logql(f'{{service_name="{service}"}}', limit=1000)), what="all lines")
    assert {line for _, line, _ in everything} == {*texts, "it failed"}
    by_trace = server.logql(f'{{service_name="{service}"}} | json | trace_id="{trace_id}"', limit=1000)
    assert len(by_trace) == 21
    errors = server.logql(f'{{service_name="{service}"}} | json | level="ERROR"', limit=1000)
    assert [line for _, line, _ in errors] == ["it failed"]


def test_node_spans_read_back_equal(weir_module, rng):
    """Node's exporter sends chunked bodies without a length."""
    server = weir_module
    service = f"node-{rng.randrange(10**9)}"
    peers = pathlib.Path(os.environ.get("WEIR_NODE_PEERS", "missing"))
    if not (peers / "node_modules").is_dir():
        pytest.skip("npm packages are not installed: tools/setup test")
    environment = dict(os.environ, NODE_PATH=str(peers / "node_modules"), OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{server.http}",
                       OTEL_EXPORTER_OTLP_COMPRESSION="gzip", SERVICE=service)
    done = subprocess.run(["node", str(ROOT / "tests/integration/node/send.js")], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    trace_id, parent_id, child_id = done.stdout.split()
    spans = {span["name"]: span for span in wait_until(lambda: spans_of(server.trace(trace_id)), what="the trace")}
    assert spans["outer"]["span_id"] == parent_id
    assert spans["inner"]["span_id"] == child_id and spans["inner"]["parent_span_id"] == parent_id
    assert attributes_of(spans["inner"]) == {"text": "grüße", "int": 42, "float": 2.5, "yes": True, "list": ["a", "b"]}
    assert spans["outer"]["resource"]["service.name"] == service
