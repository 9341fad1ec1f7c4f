# SPDX-License-Identifier: Apache-2.0
"""An OTLP/HTTP receiver that keeps what it is sent: every span, and the last value of every counter."""
import collections
import dataclasses
import gzip
import http.server
import threading

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ("", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


def attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}


@dataclasses.dataclass
class Span:
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    links: set  # span ids
    attributes: dict
    error: bool
    service: str
    process: str  # service.instance.id: another one in each process

    @property
    def related(self):
        """Ids of the spans that it belongs to: its parent and what it links."""
        return self.links | {self.parent}


class Sink:
    def __init__(self):
        self.lock = threading.Lock()
        self.received = []
        self.points = {}  # (process, metric, attributes): value
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(self):
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.take(self.path, body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def take(self, path, body):
        with self.lock:
            if path == "/v1/traces":
                for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
                    self.take_spans(batch)
            elif path == "/v1/metrics":
                for batch in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    self.take_metrics(batch)

    def take_spans(self, batch):
        resource = attributes(batch.resource.attributes)
        for scope in batch.scope_spans:
            for span in scope.spans:
                self.received.append(Span(
                    span.name, KINDS[span.kind], span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                    {link.span_id.hex() for link in span.links}, attributes(span.attributes), span.status.code == 2,
                    resource["service.name"], resource["service.instance.id"]))

    def take_metrics(self, batch):
        process = attributes(batch.resource.attributes)["service.instance.id"]
        for scope in batch.scope_metrics:
            for metric in scope.metrics:
                data = getattr(metric, metric.WhichOneof("data"))
                for point in data.data_points:
                    key = (process, metric.name, frozenset(attributes(point.attributes).items()))
                    self.points[key] = point.count if hasattr(point, "bucket_counts") else point.as_double or point.as_int
                    if hasattr(point, "bucket_counts"):
                        self.points[process, metric.name + ".sum", key[2]] = point.sum

    def spans(self, name=None, service=None):
        with self.lock:
            return [span for span in self.received if (not name or span.name == name) and (not service or span.service == service)]

    def total(self, metric, wanted=()):
        """The sum over all processes of the last values (of a histogram: counts) with these attributes."""
        wanted = set(dict(wanted).items())
        with self.lock:
            return sum(value for (_, name, found), value in self.points.items() if name == metric and wanted <= found)

    def assert_nothing_lost(self):
        """Every span id that was started arrived once or is in a counter of drops; gives how many were dropped."""
        with self.lock:
            ids = collections.Counter(span.span_id for span in self.received)
        twice = [identifier for identifier, count in ids.items() if count > 1]
        assert not twice, f"received twice: {twice}"
        started = self.total("otel.sdk.span.started", {"otel.span.sampling_result": "RECORD_AND_SAMPLE"})
        cancelled, *dropped = (self.total(metric, {"error.type": why}) for metric, why in (
            ("otel.sdk.processor.span.processed", "cancelled"), ("otel.sdk.processor.span.processed", "queue_full"),
            ("otel.sdk.processor.span.processed", "out_of_memory"), ("otel.sdk.processor.span.processed", "already_shutdown"),
            ("otel.sdk.exporter.span.exported", "export_failed"), ("otel.sdk.exporter.span.exported", "rejected")))
        assert started == len(ids) + sum(dropped) + cancelled, f"{started} spans started, {len(ids)} received, {dropped} dropped, {cancelled} cancelled"
        return sum(dropped)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
