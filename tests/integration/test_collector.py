# SPDX-License-Identifier: Apache-2.0
"""Pipelines by configuration: processors, connectors and exporters between the doors and the store."""
import collections
import gzip
import http.server
import pathlib
import re
import subprocess
import threading

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_json import attributes_of, spans_of
from shops import make_traces, requests_of, send
from weir_server import Weir, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def serve(build_dir, tmp_path):
    started = []

    def start(text, **env):
        path = tmp_path / f"weir-{len(started)}.yaml"
        path.write_text(text)
        server = Weir(build_dir, tmp_path / f"data-{len(started)}", "--config", str(path), env=env)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.stop()


def trace_spans(weir, trace):
    answer = requests.get(f"{weir.api}/api/traces/{trace['id'].hex()}", timeout=30)
    return spans_of(answer.json()) if answer.status_code == 200 else []


def vector(weir, query):
    """{labels without __name__: value} of an instant query."""
    return {tuple(sorted((k, v) for k, v in labels if k != "__name__")): value for labels, value in weir.promql(query).items()}


def test_processors_edit_what_is_stored(serve, rng):
    weir = serve("""
processors:
  resource: {attributes: [{key: deployment.environment, value: "${env:WHERE:-nowhere}", action: insert}]}
  attributes: {actions: [{key: team, value: 7, action: upsert}]}
  batch: {timeout: 100ms, send_batch_size: 1000}
exporters: {debug: {verbosity: detailed}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [resource, attributes, batch], exporters: [weir, debug]}
""", WHERE="test")
    traces = make_traces(rng, 10)
    for request in requests_of(rng, traces):
        send(weir.http, request)
    for trace in traces:
        spans = trace_spans(weir, trace)
        assert len(spans) == len(trace["spans"])
        for span in spans:
            assert attributes_of(span)["team"] == 7
            assert span["resource"]["deployment.environment"] == "test"
    assert '"resourceSpans"' in weir.output() and "debug: traces:" in weir.output()


def test_tail_sampling_keeps_errors_and_slow_ones_whole(serve, rng):
    weir = serve("""
processors:
  tail_sampling:
    decision_wait: 1500ms
    num_traces: 100000
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow, type: latency, latency: {threshold_ms: 500}}
      - {name: rest, type: probabilistic, probabilistic: {sampling_percentage: 20}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [weir]}
""")
    traces = make_traces(rng, 400)
    for request in requests_of(rng, traces):
        send(weir.http, request)
    must = [trace for trace in traces if trace["error"] or trace["slow"]]
    wait_until(lambda: all(len(trace_spans(weir, trace)) == len(trace["spans"]) for trace in must), 30, 0.5, "every trace that must be kept")
    rest = [trace for trace in traces if not trace["error"] and not trace["slow"]]
    found = collections.Counter(len(trace_spans(weir, trace)) for trace in rest)
    assert set(found) == {0, len(traces[0]["spans"])}, f"a trace was cut: {found}"
    share = found[len(traces[0]["spans"])] / len(rest)
    assert 0.08 < share < 0.35, f"{share:.2f} of the rest were kept, 0.2 expected"


def test_connectors_make_metrics_of_all_spans(serve, rng):
    weir = serve("""
connectors:
  spanmetrics: {metrics_flush_interval: 300ms, exemplars: {enabled: true}, histogram: {explicit: {buckets: [100ms, 500ms, 2s]}}}
  servicegraph: {metrics_flush_interval: 300ms, store: {ttl: 2s}}
processors: {probabilistic_sampler: {sampling_percentage: 0}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [probabilistic_sampler], exporters: [weir]}
    traces/metrics: {receivers: [otlp], exporters: [spanmetrics, servicegraph]}
    metrics: {receivers: [spanmetrics, servicegraph], exporters: [weir]}
""")
    traces = make_traces(rng, 200)
    for request in requests_of(rng, traces):
        send(weir.http, request)
    errors = sum(trace["error"] for trace in traces)

    def edges(name):
        return {(dict(labels)["client"], dict(labels)["server"]): value for labels, value in vector(weir, name).items()}

    wait_until(lambda: edges("traces_service_graph_request_total").get(("user", "web")) == 200, 30, 0.3, "the edge from the user")
    assert edges("traces_service_graph_request_total") == {("user", "web"): 200, ("web", "orders"): 200, ("orders", "billing"): 200}
    assert edges("traces_service_graph_request_failed_total")[("orders", "billing")] == errors
    for query in ('sum(traces_spanmetrics_calls_total{service="billing"})', 'sum(traces_span_metrics_calls_total{service_name="billing"})',
                  'sum(traces_spanmetrics_latency_count{service="billing"})', 'sum(traces_span_metrics_duration_milliseconds_count{service_name="billing"})'):
        assert wait_until(lambda: vector(weir, query).get(()), 10, 0.3, query) == 200
    assert vector(weir, 'sum(traces_spanmetrics_calls_total{service="billing",status_code="STATUS_CODE_ERROR"})')[()] == errors
    fast = sum(trace["spans"][0]["took"] <= 500 * 10**6 for trace in traces)
    assert vector(weir, 'sum(traces_spanmetrics_latency_bucket{service="web",span_kind="SPAN_KIND_SERVER",le="0.5"})')[()] == fast
    assert not trace_spans(weir, traces[0]), "nothing was to be stored of the traces themselves"


def test_what_is_wrong_in_the_file_is_named(build_dir, tmp_path):
    path = tmp_path / "weir.yaml"
    path.write_text("processors: {tail_samplin: {}}\nservice:\n  pipelines:\n"
                    "    traces: {receivers: [otlp], processors: [tail_samplin], exporters: [weir]}\n")
    done = subprocess.run([build_dir / "src/app/weir", "--config", path, "--print-config"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"weir: {path}:1:14: ") and "did you mean 'tail_sampling'" in done.stderr


FORWARD = """
exporters:
  %(type)s/next:
    endpoint: %(endpoint)s
    tls: {insecure: true}
    retry_on_failure: {initial_interval: 100ms, max_interval: 300ms}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [%(type)s/next]}
"""


@pytest.mark.parametrize("kind", ["otlp", "otlphttp"])
def test_what_was_acknowledged_is_forwarded_after_a_crash(serve, build_dir, tmp_path, rng, kind):
    """The next server is down, ours is killed, both come back: everything arrives."""
    port = free_port()
    first = serve(FORWARD % {"type": kind, "endpoint": f"127.0.0.1:{port}" if kind == "otlp" else f"http://127.0.0.1:{port}"})
    traces = make_traces(rng, 60)
    for request in requests_of(rng, traces):
        send(first.http, request)
    first.kill()
    last = Weir(build_dir, tmp_path / "last")
    last.start("--listen-otlp-grpc" if kind == "otlp" else "--listen-otlp-http", f"127.0.0.1:{port}")
    try:
        first.start()
        wait_until(lambda: all(len(trace_spans(last, trace)) == len(trace["spans"]) for trace in traces), 30, 0.5, "all spans at the next server")
        more = make_traces(rng, 10)
        for request in requests_of(rng, more):
            send(first.http, request)
        wait_until(lambda: all(len(trace_spans(last, trace)) == len(trace["spans"]) for trace in more), 30, 0.5, "spans that go through")
        assert "AddressSanitizer" not in first.output() + last.output()
    finally:
        last.stop()


def test_two_servers_share_what_one_refuses_for_now(serve, build_dir, tmp_path, rng):
    """A receiver that answers 503 first, then takes: each span once, none lost; 400 is not tried again."""
    seen, refuse = [], [5]

    class Receiver(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):  # noqa: N802 - the library's name
            body = self.rfile.read(int(self.headers["content-length"]))
            status = 503 if refuse[0] > 0 else 200
            refuse[0] -= 1
            if status == 200:
                request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
                seen.extend(span.span_id for batch in request.resource_spans for scoped in batch.scope_spans for span in scoped.spans)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    weir = serve(FORWARD % {"type": "otlphttp", "endpoint": f"http://127.0.0.1:{receiver.server_address[1]}"})
    traces = make_traces(rng, 20)
    for request in requests_of(rng, traces):
        send(weir.http, request)
    expected = sorted(span["id"] for trace in traces for span in trace["spans"])
    wait_until(lambda: len(seen) >= len(expected), 30, 0.2, "all spans")
    assert sorted(seen) == expected
    receiver.shutdown()


def test_a_collectors_file_loads_unchanged(build_dir):
    path = ROOT / "tests/golden/collector/three-backends.yaml"
    done = subprocess.run([build_dir / "src/app/weir", "--config", path, "--allow-open", "--print-config"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "extensions.health_check.endpoint: 0.0.0.0:13133" in done.stdout and "service.pipelines.traces: on" in done.stdout
    done = subprocess.run([build_dir / "src/app/weir", "--config", path, "--print-config"], capture_output=True, text=True)
    assert done.returncode == 2 and "--allow-open" in done.stderr


def test_doors_for_load_balancers_and_scrapers(serve, rng):
    weir = serve("""
exporters: {otlphttp: {endpoint: "http://127.0.0.1:9", retry_on_failure: {initial_interval: 100ms}}}
extensions: {health_check: {endpoint: "127.0.0.1:0"}}
service:
  extensions: [health_check, weir_ui]
  telemetry: {metrics: {level: detailed, address: "127.0.0.1:0"}}
  pipelines:
    traces: {receivers: [otlp], exporters: [weir, otlphttp]}
""")
    found = dict(re.findall(r"(\S+)=(http://\S+)", weir.output()))
    answer = requests.get(found["health"] + "/", timeout=10)
    assert answer.status_code == 200 and answer.json()["status"] == "Server available"
    for request in requests_of(rng, make_traces(rng, 5)):
        send(weir.http, request)
    text = requests.get(found["metrics"], timeout=10).text
    assert re.search(r'otelcol_exporter_sent_spans_total\{exporter="otlphttp"\} 0', text)
    assert float(re.search(r'otelcol_exporter_queue_size\{exporter="otlphttp"\} (\S+)', text)[1]) > 0, "what nobody takes waits"
