# SPDX-License-Identifier: Apache-2.0
"""What libweir sends, decoded by the official protobuf classes: HTTP and gRPC, gzip, retries, partial
success; its /metrics checked by promtool, its log file read back."""
import concurrent.futures
import gzip
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

REQUESTS = {"traces": trace_service.ExportTraceServiceRequest, "metrics": metrics_service.ExportMetricsServiceRequest,
            "logs": logs_service.ExportLogsServiceRequest}
ANSWERS = {"traces": trace_service.ExportTraceServiceResponse, "metrics": metrics_service.ExportMetricsServiceResponse,
           "logs": logs_service.ExportLogsServiceResponse}


class Receiver:
    """Keeps what it gets; `script` holds, per signal, answers to give before it begins to accept."""

    def __init__(self):
        self.requests = {"traces": [], "metrics": [], "logs": []}
        self.headers = []
        self.script = {"traces": [], "metrics": [], "logs": []}
        self.attempts = {"traces": [], "metrics": [], "logs": []}

    def spans(self):
        return [span for request in self.requests["traces"] for rs in request.resource_spans
                for ss in rs.scope_spans for span in ss.spans]

    def logs(self):
        return [(sl.scope.name, record) for request in self.requests["logs"] for rl in request.resource_logs
                for sl in rl.scope_logs for record in sl.log_records]

    def metrics(self):
        return {metric.name: metric for request in self.requests["metrics"][-1:] for rm in request.resource_metrics
                for sm in rm.scope_metrics for metric in sm.metrics}


class HttpReceiver(Receiver):
    def __init__(self):
        super().__init__()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                signal = self.path.rsplit("/", 1)[1]
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.headers.append(dict(self.headers))
                receiver.attempts[signal].append(time.monotonic())
                if receiver.script[signal]:
                    status, headers, answer = receiver.script[signal].pop(0)
                else:
                    status, headers, answer = 200, {}, b""
                if status == 200:
                    receiver.requests[signal].append(REQUESTS[signal].FromString(body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class GrpcReceiver(Receiver):
    def __init__(self):
        super().__init__()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        for signal, add in (("traces", trace_grpc.add_TraceServiceServicer_to_server),
                            ("metrics", metrics_grpc.add_MetricsServiceServicer_to_server),
                            ("logs", logs_grpc.add_LogsServiceServicer_to_server)):
            servicer = type("Servicer", (), {"Export": self._export(signal)})()
            add(servicer, self.server)
        self.endpoint = self.listen()
        self.server.start()

    def listen(self):
        return f"http://127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"

    def _export(self, signal):
        def export(_, request, context):
            self.headers.append(dict(context.invocation_metadata()))
            self.attempts[signal].append(time.monotonic())
            if self.script[signal]:
                code, trailers = self.script[signal].pop(0)
                context.set_trailing_metadata(trailers)
                context.abort(code, "as the script says")
            self.requests[signal].append(request)
            return ANSWERS[signal]()
        return export

    def close(self):
        self.server.stop(None).wait()


@pytest.fixture(params=["http/protobuf", "grpc"])
def receiver(request):
    one = HttpReceiver() if request.param != "grpc" else GrpcReceiver()
    one.protocol = request.param
    yield one
    one.close()


@pytest.fixture
def http_receiver():
    one = HttpReceiver()
    one.protocol = "http/protobuf"
    yield one
    one.close()


@pytest.fixture
def grpc_receiver():
    one = GrpcReceiver()
    one.protocol = "grpc"
    yield one
    one.close()


def environment(receiver, **more):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "WEIR_"))}
    if receiver:
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.endpoint
        env["OTEL_EXPORTER_OTLP_PROTOCOL"] = receiver.protocol
    env.update(OTEL_SERVICE_NAME="probe-service", OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test,a%20b=c%2Cd")
    env.update(more)
    return env


def probe_path(build_dir):
    return str(build_dir / "tests/unit/sdk/otlp_probe")


def probe(build_dir, receiver, *args, **more):
    done = subprocess.run([probe_path(build_dir), *args], env=environment(receiver, **more), capture_output=True,
                          text=True, timeout=60)
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1]), done


def value_of(any_value):
    kind = any_value.WhichOneof("value")
    value = getattr(any_value, kind)
    return [value_of(item) for item in value.values] if kind == "array_value" else value


def attributes(record):
    pairs = [(item.key, value_of(item.value)) for item in record.attributes]
    assert len(pairs) == len(dict(pairs)), "a key occurs twice"
    return dict(pairs)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_all_signals(build_dir, receiver, compression):
    said, _ = probe(build_dir, receiver, OTEL_EXPORTER_OTLP_COMPRESSION=compression,
                    OTEL_EXPORTER_OTLP_HEADERS="X-Api-Key=s%20t")
    assert said["flush"] == 0 and said["spans_exported"] == 4 and said["attributes_dropped"] == 1
    names = {name.lower(): value for name, value in receiver.headers[0].items()}
    assert names["x-api-key"] == "s t" and "OTel-OTLP-Exporter-C/" in names["user-agent"]

    resource = attributes(receiver.requests["traces"][0].resource_spans[0].resource)
    assert resource["service.name"] == "probe-service" and resource["a b"] == "c,d"
    assert resource["deployment.environment"] == "test" and resource["telemetry.sdk.language"] == "c"
    assert resource["process.pid"] > 0 and len(resource["service.instance.id"]) == 32
    for signal in ("metrics", "logs"):
        assert attributes((receiver.requests[signal][0].resource_metrics if signal == "metrics" else
                           receiver.requests[signal][0].resource_logs)[0].resource) == resource

    spans = {}
    for span in receiver.spans():
        spans.setdefault(span.name, []).append(span)
    parent, = spans["send payments"]
    assert parent.trace_id.hex() == said["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert parent.span_id.hex() == said["span_id"] and parent.parent_span_id.hex() == "b7ad6b7169203331"
    assert parent.trace_state == "vendor=1,other=2" and parent.kind == Span.SPAN_KIND_PRODUCER
    assert parent.flags == 0x301, "sampled, parent known to be remote"
    assert (parent.start_time_unix_nano, parent.end_time_unix_nano) == (1700000000000000000, 1700000000000001000)
    assert attributes(parent) == {
        "messaging.system": "kafka", "replaced": 2, "ratio": 0.25, "ok": True, "names": ["a", "b?", "é"],
        "ints": [1, -2, 2**63 - 1], "doubles": [0.5, -1e300], "bools": [True, False], "bytes": b"\0\1\2"}
    assert parent.dropped_attributes_count == 1
    assert (parent.status.code, parent.status.message) == (Status.STATUS_CODE_ERROR, "delivery failed")
    queued, exception = parent.events
    assert (queued.name, queued.time_unix_nano, attributes(queued)) == ("queued", 1700000000000000500, {"why": "test"})
    assert (exception.name, attributes(exception)) == (
        "exception", {"exception.type": "IOError", "exception.message": "broken pipe"})
    link, = parent.links
    assert (link.trace_id.hex(), link.span_id.hex(), link.trace_state, link.flags, attributes(link)) == (
        said["trace_id"], "b7ad6b7169203331", "vendor=1,other=2", 0x301, {"why": "test"})
    children = spans["child"]
    assert [attributes(child)["number"] for child in children] == [0, 1, 2]
    for child in children:
        assert child.trace_id == parent.trace_id and child.parent_span_id == parent.span_id
        assert child.kind == Span.SPAN_KIND_INTERNAL and child.flags == 0x101 and child.trace_state == "vendor=1,other=2"
        assert 0 <= child.end_time_unix_nano - child.start_time_unix_nano < 60e9
    scope = receiver.requests["traces"][0].resource_spans[0].scope_spans[0].scope
    assert (scope.name, scope.version) == ("probe", "2.1")

    (name, warn), (_, info) = receiver.logs()
    assert name == "probe.log" and warn.body.string_value == 'a "quoted" line\nand another'
    assert (warn.severity_number, warn.severity_text) == (13, "WARN")
    assert warn.trace_id == parent.trace_id and warn.span_id == parent.span_id and warn.flags == 1
    assert attributes(warn) == {"topic": "orders", "partition": 3}
    assert info.body.string_value == "no span, 7" and info.trace_id == b"" and info.time_unix_nano

    metrics = receiver.metrics()
    point, = metrics["probe.orders"].sum.data_points
    assert (point.as_int, attributes(point)) == (7, {"topic": "orders", "partition": 3})
    assert metrics["probe.orders"].sum.is_monotonic and metrics["probe.orders"].sum.aggregation_temporality == 2
    assert 0 < point.start_time_unix_nano <= point.time_unix_nano
    assert metrics["probe.orders"].unit == "{order}" and metrics["probe.orders"].description == "Orders."
    point, = metrics["probe.in_flight"].sum.data_points
    assert point.as_int == -4 and not metrics["probe.in_flight"].sum.is_monotonic
    assert metrics["probe.temperature"].gauge.data_points[0].as_double == 21.5
    assert metrics["probe.depth"].gauge.data_points[0].as_double == 17.5
    point, = metrics["probe.duration"].histogram.data_points
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([0.1, 1, 10], [2, 1, 1, 1])
    assert (point.count, point.min, point.max) == (5, 0.05, 50) and point.sum == pytest.approx(55.65)
    assert metrics["otel.sdk.span.started"].sum.data_points[0].as_double == 4


def test_deltas_and_exemplars(build_dir, receiver):
    said, _ = probe(build_dir, receiver, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta")
    assert "probe.orders" not in receiver.metrics(), "the last export has what was new since the first: nothing"
    del receiver.requests["metrics"][1:]
    metrics = receiver.metrics()
    sums = {name: metric.sum for name, metric in metrics.items() if metric.HasField("sum")}
    assert {name: metric.aggregation_temporality for name, metric in sums.items() if name.startswith("probe.")} == {
        "probe.orders": 1, "probe.in_flight": 2}
    assert sums["otel.sdk.span.started"].aggregation_temporality == 1
    assert metrics["probe.duration"].histogram.aggregation_temporality == 1
    assert sums["probe.orders"].data_points[0].as_int == 7
    point, = metrics["probe.in_span"].histogram.data_points
    exemplar, = point.exemplars
    assert (exemplar.trace_id.hex(), exemplar.span_id.hex(), exemplar.as_double) == (said["trace_id"], said["span_id"], 7.5)
    assert point.start_time_unix_nano <= exemplar.time_unix_nano <= point.time_unix_nano
    assert not metrics["probe.duration"].histogram.data_points[0].exemplars, "recorded outside of any span"


def test_exponential_histograms(build_dir, receiver):
    probe(build_dir, receiver, OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="base2_exponential_bucket_histogram")
    metric = receiver.metrics()["probe.duration"]
    point, = metric.exponential_histogram.data_points
    assert metric.exponential_histogram.aggregation_temporality == 2 and attributes(point) == {"topic": "orders"}
    assert (point.count, point.zero_count, point.min, point.max) == (5, 0, 0.05, 50) and point.sum == pytest.approx(55.65)
    indexes = [point.positive.offset + i for i, count in enumerate(point.positive.bucket_counts) for _ in range(count)]
    found = [(2 ** (i / 2 ** point.scale), 2 ** ((i + 1) / 2 ** point.scale)) for i in indexes]
    assert len(found) == 5 and all(low < value <= high for value, (low, high) in zip([0.05, 0.1, 0.5, 5, 50], found))
    assert 80 < len(point.positive.bucket_counts) <= 160


def test_many_spans_arrive_whole(build_dir, receiver):
    count = 3000  # several batches and more than the queue: the flush keeps up, or drops and says so
    said, _ = probe(build_dir, receiver, str(count), OTEL_BSP_MAX_QUEUE_SIZE="8192")
    assert said["spans_exported"] == count + 1
    spans = receiver.spans()
    assert len(spans) == count + 1 and len({span.span_id for span in spans}) == count + 1
    assert sorted(attributes(span)["number"] for span in spans if span.name == "child") == list(range(count))
    assert max(len(ss.spans) for request in receiver.requests["traces"]
               for ss in request.resource_spans[0].scope_spans) <= 512


def test_retry_after_is_honoured(build_dir, http_receiver):
    http_receiver.script["traces"] = [(503, {"Retry-After": "1"}, b"")]
    said, _ = probe(build_dir, http_receiver)
    assert said["flush"] == 0 and said["retried"] == 1 and said["spans_exported"] == 4
    first, second = http_receiver.attempts["traces"]
    assert second - first >= 0.9


@pytest.mark.parametrize("status,again", [(429, True), (502, True), (503, True), (504, True), (400, False),
                                          (401, False), (404, False), (500, False)])
def test_http_statuses(build_dir, http_receiver, status, again):
    http_receiver.script["traces"] = [(status, {}, status_pb2.Status(message="no").SerializeToString())]
    said, _ = probe(build_dir, http_receiver)
    assert len(http_receiver.attempts["traces"]) == (2 if again else 1)
    assert said["spans_exported"] == (4 if again else 0) and said["spans_dropped"] == (0 if again else 4)


def details(retry_seconds):
    status = status_pb2.Status(code=8, message="busy")
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay={"nanos": int(retry_seconds * 1e9)}))
    return (("grpc-status-details-bin", status.SerializeToString()),)


@pytest.mark.parametrize("code,trailers,again", [
    (grpc.StatusCode.UNAVAILABLE, (), True), (grpc.StatusCode.ABORTED, (), True),
    (grpc.StatusCode.CANCELLED, (), True), (grpc.StatusCode.DATA_LOSS, (), True),
    (grpc.StatusCode.OUT_OF_RANGE, (), True), (grpc.StatusCode.DEADLINE_EXCEEDED, (), True),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, (), False), (grpc.StatusCode.RESOURCE_EXHAUSTED, details(0.3), True),
    (grpc.StatusCode.INVALID_ARGUMENT, (), False), (grpc.StatusCode.UNAUTHENTICATED, (), False),
    (grpc.StatusCode.INTERNAL, (), False), (grpc.StatusCode.UNIMPLEMENTED, (), False)])
def test_grpc_statuses(build_dir, grpc_receiver, code, trailers, again):
    grpc_receiver.script["traces"] = [(code, trailers)]
    said, _ = probe(build_dir, grpc_receiver)
    assert len(grpc_receiver.attempts["traces"]) == (2 if again else 1)
    assert said["spans_exported"] == (4 if again else 0)


def test_partial_success_is_counted(build_dir, http_receiver):
    answer = trace_service.ExportTraceServiceResponse(partial_success={"rejected_spans": 3, "error_message": "old"})
    http_receiver.script["traces"] = [(200, {}, answer.SerializeToString())]
    said, _ = probe(build_dir, http_receiver)
    assert said["spans_exported"] == 1 and said["spans_dropped"] == 3


def test_nobody_listens(build_dir):
    begin = time.monotonic()
    said, done = probe(build_dir, None, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert said["flush"] == -6 and said["spans_exported"] == 0 and done.returncode == 2
    assert time.monotonic() - begin < 20, "shutdown must not wait for a receiver that is away"


@pytest.mark.parametrize("name,value,words", [
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "http/protobuf or grpc"),
    ("OTEL_TRACES_SAMPLER", "sometimes", "traceidratio"), ("OTEL_TRACES_EXPORTER", "zipkin", "otlp, console or none"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "whole number"), ("OTEL_PROPAGATORS", "jaeger", "tracecontext"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://x", "http://"), ("WEIR_METRICS_PORT", "70000", "65535"),
    ("WEIR_LOG_FILE", "/nowhere/x.log", "folder")])
def test_bad_configuration_is_told(build_dir, name, value, words):
    said, done = probe(build_dir, None, **{name: value})
    assert done.returncode == 1 and said["init"] < 0
    assert name in said["message"] and words in said["message"]


def test_disabled(build_dir, http_receiver):
    said, done = probe(build_dir, http_receiver, OTEL_SDK_DISABLED="true", WEIR_METRICS_PORT="-1")
    assert done.returncode == 0 and said["spans_exported"] == 0 and said["port"] == 0
    assert not http_receiver.headers


def test_document_aliases(build_dir, http_receiver):
    said, _ = probe(build_dir, None, OTEL_OTLP_TARGET=http_receiver.endpoint.removeprefix("http://"),
                    OTEL_OTLP_CONN_TYPE="http", OTEL_SERVICE_VERSION="4.5", OTEL_SAMPLING="1.0")
    resource = attributes(http_receiver.requests["traces"][0].resource_spans[0].resource)
    assert resource["service.version"] == "4.5" and said["spans_exported"] == 4


def test_log_file_and_console(build_dir, tmp_path):
    path = tmp_path / "probe.log"
    _, done = probe(build_dir, None, WEIR_LOG_FILE=str(path), OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none",
                    OTEL_LOGS_EXPORTER="console")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [json.loads(line) for line in done.stdout.splitlines() if '"timestamp"' in line]
    warn, info = lines
    assert warn.pop("timestamp").endswith("Z") and len(warn.pop("span_id")) == 16
    assert warn == {"level": "WARN", "message": 'a "quoted" line\nand another', "service": "probe-service",
                    "trace_id": "0af7651916cd43dd8448eb211c80319c", "logger": "probe.log", "topic": "orders",
                    "partition": 3}
    assert info["message"] == "no span, 7" and "trace_id" not in info


@pytest.fixture
def waiting_probe(build_dir):
    """A probe that has recorded everything and serves its port."""
    env = environment(None, OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="prometheus",
                      OTEL_LOGS_EXPORTER="none", WEIR_METRICS_HOST="127.0.0.1", WEIR_METRICS_PORT="-1", PROBE_WAIT="1")
    process = subprocess.Popen([probe_path(build_dir)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said = json.loads(process.stdout.readline())
    yield f"http://127.0.0.1:{said['port']}"
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    process.stdout.close()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_metrics_page(waiting_probe):
    with urllib.request.urlopen(f"{waiting_probe}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        page = answer.read().decode()
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    lines = page.splitlines()
    labels = 'otel_scope_name="probe.meter",otel_scope_version="3"'
    assert f'probe_orders_total{{{labels},partition="3",topic="orders"}} 7' in lines
    assert f'probe_duration_seconds_bucket{{{labels},topic="orders",le="+Inf"}} 5' in lines
    assert f'probe_depth{{{labels},queue="in"}} 17.5' in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
    assert any(line.startswith("target_info{") and 'service_name="probe-service"' in line for line in lines)


def test_health_page_and_others(waiting_probe):
    with urllib.request.urlopen(f"{waiting_probe}/health") as answer:
        assert json.load(answer) == {"status": "pass", "checks": {"self": {"status": "pass", "detail": "all well"}}}
    for path, method, status in (("/", "GET", 404), ("/metrics", "POST", 405), ("/metricsx", "GET", 404)):
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(urllib.request.Request(waiting_probe + path, method=method))
        assert told.value.code == status
