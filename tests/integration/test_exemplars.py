# SPDX-License-Identifier: Apache-2.0
"""Exemplars: from a value of a metric to the trace that it was measured in; and as a real Prometheus tells them."""
import http.server
import json
import os
import shutil
import subprocess
import threading
import time

import pytest
import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import otlp_make
from otlp_json import spans_of
from weir_server import Weir, free_port, wait_until

SPANMETRICS = """
connectors:
  spanmetrics: {exemplars: {enabled: true}, metrics_flush_interval: 200ms}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [weir, spanmetrics]}
    metrics: {receivers: [otlp, spanmetrics], exporters: [weir]}
"""


def exemplars(server, query, **params):
    """[(labels of the series, exemplar)]"""
    data = server.get("/api/v1/query_exemplars", query=query, **params)["data"]
    return [(item["seriesLabels"], exemplar) for item in data for exemplar in item["exemplars"]]


def opens(server, exemplar):
    """The exemplar's span, out of its trace."""
    spans = spans_of(server.trace(exemplar["labels"]["trace_id"]))
    found, = [span for span in spans if span["span_id"] == exemplar["labels"]["span_id"]]
    return found


def holds(server, exemplar):
    """Its bucket is the first one whose bound is not below its value."""
    labels, one = exemplar
    bounds = sorted(float(dict(key)["le"]) for key in server.promql(
        labels["__name__"] + "{" + ",".join(f'{name}="{value}"' for name, value in labels.items() if name not in ("le", "__name__")) + "}"))
    return float(labels["le"]) == min(bound for bound in bounds if float(one["value"]) <= bound)


def test_python_sdk(weir, rng):
    service, limit = f"shop-{rng.randrange(10**9)}", rng.choice([0.3, 3, 30])
    resource = Resource.create({"service.name": service})
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"http://{weir.http}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"http://{weir.http}/v1/metrics"), export_interval_millis=10**7)
    meters = MeterProvider([reader], resource=resource, views=[View(instrument_name="shop.wait", attribute_keys={"route"})])
    wait = meters.get_meter("m").create_histogram("shop.wait", unit="s")
    orders = meters.get_meter("m").create_counter("shop.orders")
    with tracers.get_tracer("t").start_as_current_span("order") as span:
        wait.record(limit, {"route": "/a", "user.id": "u7"})
        orders.add(5, {"route": "/a"})
    wait.record(limit * 50, {"route": "/b", "user.id": "u8"})  # outside of any span
    meters.shutdown()
    tracers.shutdown()
    context = span.get_span_context()
    ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    for restarted in (False, True):
        (labels, one), = exemplars(weir, f'histogram_quantile(0.9, sum by (le) (rate(shop_wait_seconds_bucket{{service_name="{service}"}}[5m])))')
        assert one["labels"] == {**ids, "user_id": "u7"}, "what the view took from the point is the exemplar's"
        assert float(one["value"]) == limit and labels["route"] == "/a" and abs(one["timestamp"] - time.time()) < 600
        assert holds(weir, (labels, one))
        assert opens(weir, one)["name"] == "order"
        (labels, one), = exemplars(weir, f'rate(shop_orders_total{{service_name="{service}"}}[5m])')
        assert one["labels"] == ids and one["value"] == "5" and labels["__name__"] == "shop_orders_total"
        now = time.time()
        assert exemplars(weir, "shop_orders_total", start=now - 600, end=now + 60) and not exemplars(weir, "shop_orders_total", end=now - 600)
        assert not exemplars(weir, 'shop_orders_total{route="/b"}')
        weir.kill() if not restarted else None
        weir.start() if not restarted else None


def test_libweir(weir, build_dir):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "WEIR_"))}
    environment.update(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{weir.http}", OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf", OTEL_SERVICE_NAME="probe")
    done = subprocess.run([str(build_dir / "tests/unit/sdk/otlp_probe")], env=environment, capture_output=True, text=True, timeout=60, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    found = exemplars(weir, '{__name__=~"probe_in_span.*_bucket"}')
    assert [one["value"] for _, one in found] == ["7.5"] and holds(weir, found[0])
    assert found[0][1]["labels"] == {"trace_id": said["trace_id"], "span_id": said["span_id"]}
    assert opens(weir, found[0][1])["span_id"] == said["span_id"]


def test_spanmetrics(build_dir, tmp_path, rng):
    config = tmp_path / "weir.yaml"
    config.write_text(SPANMETRICS)
    server = Weir(build_dir, tmp_path / "data", "--config", str(config)).start()
    try:
        service = f"shop-{rng.randrange(10**9)}"
        request, _ = otlp_make.traces(service, rng, 40)
        sent = {span.span_id.hex(): span for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans}
        assert server.post_otlp("traces", request.SerializeToString()).status_code == 200
        for name, unit in (("traces_spanmetrics_latency_bucket", 1), ("traces_span_metrics_duration_milliseconds_bucket", 1000)):
            query = f'sum by (le) (rate({name}{{service_name="{service}"}}[5m]))'
            found = wait_until(lambda query=query: exemplars(server, query), 20, 0.2, "exemplars")
            for labels, one in found:
                span = sent[one["labels"]["span_id"]]
                assert span.trace_id.hex() == one["labels"]["trace_id"] and labels["span_name"] == span.name
                seconds = max(0, span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
                assert float(one["value"]) == pytest.approx(seconds * unit)
                assert holds(server, (labels, one))
                assert opens(server, one)["name"] == span.name
    finally:
        server.stop()


# ---- beside a real Prometheus ----------------------------------------------------------------------

PAGE = """# TYPE lat_seconds histogram
lat_seconds_bucket{le="0.5",route="/a"} 3 # {trace_id="%(t0)s",span_id="%(s0)s",user="u 7"} 0.25 %(now).3f
lat_seconds_bucket{le="10.0",route="/a"} 4
lat_seconds_bucket{le="+Inf",route="/a"} 6 # {trace_id="%(t1)s",span_id="%(s1)s"} 11.5 %(now).3f
lat_seconds_count{route="/a"} 6
lat_seconds_sum{route="/a"} 40.5
# TYPE jobs counter
jobs_total{route="/b"} 7 # {trace_id="%(t2)s",span_id="%(s2)s"} 1 %(now).3f
# EOF
"""


@pytest.fixture
def page(rng):
    """What both get: as OpenMetrics for Prometheus, as OTLP for the server."""
    ids = {f"{kind}{i}": rng.randbytes(size).hex() for i in range(3) for kind, size in (("t", 16), ("s", 8))}
    now = int(time.time()) + rng.randrange(1000) / 1000
    return {**ids, "now": now}


@pytest.fixture
def prometheus(page, tmp_path):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
            self.end_headers()
            self.wfile.write((PAGE % page).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port, config = free_port(), tmp_path / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s}\nscrape_configs:\n"
                      f"  - {{job_name: shop, static_configs: [{{targets: ['127.0.0.1:{server.server_port}']}}]}}\n")
    log = open(tmp_path / "prometheus.log", "wb")
    process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                                "--enable-feature=exemplar-storage", f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}", f"127.0.0.1:{server.server_port}"
    process.terminate()
    process.wait(30)
    server.shutdown()
    log.close()


def otlp_of(page, instance):
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    otlp_make.add_attribute(resource.resource.attributes, "service.name", "shop")
    otlp_make.add_attribute(resource.resource.attributes, "service.instance.id", instance)
    scope = resource.scope_metrics.add()
    now = int(round(page["now"] * 1000)) * 10**6

    def exemplar(point, i, value):
        point.time_unix_nano = now
        one = point.exemplars.add(as_double=value, time_unix_nano=now, trace_id=bytes.fromhex(page[f"t{i}"]), span_id=bytes.fromhex(page[f"s{i}"]))
        return one

    lat = scope.metrics.add(name="lat", unit="s")
    lat.histogram.aggregation_temporality = 2
    point = lat.histogram.data_points.add(count=6, sum=40.5, explicit_bounds=[0.5, 10], bucket_counts=[3, 1, 2])
    otlp_make.add_attribute(point.attributes, "route", "/a")
    exemplar(point, 0, 0.25).filtered_attributes.add(key="user").value.string_value = "u 7"
    exemplar(point, 1, 11.5)
    jobs = scope.metrics.add(name="jobs")
    jobs.sum.aggregation_temporality, jobs.sum.is_monotonic = 2, True
    point = jobs.sum.data_points.add(as_double=7)
    otlp_make.add_attribute(point.attributes, "route", "/b")
    exemplar(point, 2, 1)
    return request


def answer(url, method="get", **params):
    if method == "post":
        return requests.post(url + "/api/v1/query_exemplars", data=params, timeout=30)
    return requests.get(url + "/api/v1/query_exemplars", params=params, timeout=30)


@pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed: tools/setup test")
def test_as_prometheus_tells_them(prometheus, page, weir):
    theirs, instance = prometheus
    assert weir.post_otlp("metrics", otlp_of(page, instance).SerializeToString()).status_code == 200

    def scraped():
        try:
            return answer(theirs, query="jobs_total", start=0, end=page["now"] + 60).json()["data"]
        except OSError:
            return None

    wait_until(scraped, 40, 0.5, "Prometheus has scraped")
    now = page["now"]
    for query in ("lat_seconds_bucket", "histogram_quantile(0.9, rate(lat_seconds_bucket[5m])) / on() sum(jobs_total)", 'lat_seconds_bucket{le="+Inf"}',
                  "lat_seconds_count", "jobs_total or jobs_total", 'jobs_total{route="/a"}', '{route=~".+"}'):
        for method in ("get", "post"):
            want = answer(theirs, method, query=query, start=now - 1, end=now + 60).json()
            for prefix in ("", "/prometheus"):
                got = answer(weir.api + prefix, method, query=query, start=now - 1, end=now + 60).json()
                assert set(got) == set(want) and got["status"] == "success"
                assert by_series(got["data"]) == by_series(want["data"]), query
    for params in ({"query": "lat_seconds_bucket", "start": now + 5, "end": now}, {"query": "sum(", "start": 0, "end": now}, {"start": 0, "end": now},
                   {"query": "jobs_total", "start": "yesterday", "end": now}):
        want, got = answer(theirs, **params), answer(weir.api, **params)
        assert (got.status_code, got.json()["status"], got.json()["errorType"]) == (want.status_code, "error", want.json()["errorType"]), params
    assert answer(weir.api, query="jobs_total", start=now + 1, end=now + 60).json()["data"] == []


def by_series(data):
    """Ours carry one more label; a bound is spelled as the sender spelled it."""
    def key(labels):
        return tuple(sorted((name, str(float(value)) if name == "le" else value) for name, value in labels.items() if name != "service_name"))
    return sorted((key(item["seriesLabels"]), [(tuple(sorted(one["labels"].items())), one["value"], one["timestamp"]) for one in item["exemplars"]])
                  for item in data)
