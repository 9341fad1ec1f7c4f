# SPDX-License-Identifier: Apache-2.0
"""A test bed: real Kafka, our server, programs that use libweir, and a ledger that does not trust them.

    program -> Kafka -> program --OTLP--> relay --OTLP--> weir <- the row asks over HTTP
                 '--> ledger (an independent client reads every record)

A planted-bug twin of a row runs on a bed that is broken on purpose, in one of three ways: the relay spoils the OTLP
that goes through (BUGS), the programs have a libweir with one line changed (workshop.MUTANTS), or the row itself is
told (bed.bug) to spoil what it compares with.
"""
import collections
import http.server
import itertools
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import urllib.request

from confluent_kafka import Consumer, TopicPartition
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import workshop
from kafka_worker import Worker, make_topic
from otlp_json import attributes_of, spans_of
from weir_server import Weir, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
REQUESTS = {"/v1/traces": ExportTraceServiceRequest, "/v1/logs": ExportLogsServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


def spans_in(request):
    for batch in getattr(request, "resource_spans", []):
        for scoped in batch.scope_spans:
            yield from scoped.spans


def logs_in(request):
    for batch in getattr(request, "resource_logs", []):
        for scoped in batch.scope_logs:
            yield from scoped.log_records


def metrics_in(request):
    for batch in getattr(request, "resource_metrics", []):
        for scoped in batch.scope_metrics:
            yield from scoped.metrics


def drop_attribute(*keys):
    def spoil(request):
        for span in spans_in(request):
            for i in reversed(range(len(span.attributes))):
                if span.attributes[i].key in keys:
                    del span.attributes[i]
    return spoil


def drop_point_attribute(key):
    def spoil(request):
        for metric in metrics_in(request):
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                for i in reversed(range(len(point.attributes))):
                    if point.attributes[i].key == key:
                        del point.attributes[i]
    return spoil


def drop_spans(prefix):
    def spoil(request):
        for batch in getattr(request, "resource_spans", []):
            for scoped in batch.scope_spans:
                for i in reversed(range(len(scoped.spans))):
                    if scoped.spans[i].name.startswith(prefix):
                        del scoped.spans[i]
    return spoil


def drop_links(request):
    for span in spans_in(request):
        del span.links[:]


def no_errors(request):
    for span in spans_in(request):
        span.status.Clear()
        del span.events[:]


def no_log_ids(request):
    for record in logs_in(request):
        record.trace_id = record.span_id = b""


def no_severity(request):
    for record in logs_in(request):
        record.severity_number, record.severity_text = 0, ""


def late_commit(request):
    for span in spans_in(request):
        if span.name.startswith("commit "):
            span.start_time_unix_nano += 3600 * 10**9
            span.end_time_unix_nano += 3600 * 10**9


def early_commit(request):
    for span in spans_in(request):
        if span.name.startswith("commit "):
            span.start_time_unix_nano -= 3600 * 10**9
            span.end_time_unix_nano -= 3600 * 10**9


def one_after_another(request):
    spoil_at = one_after_another.__dict__.setdefault("at", time.time_ns())
    for span in spans_in(request):
        if span.name.startswith("process "):
            span.start_time_unix_nano, span.end_time_unix_nano = spoil_at, spoil_at + 1000
            spoil_at += 2000
    one_after_another.at = spoil_at


def frozen_metrics(request):
    for metric in metrics_in(request):
        for kind in ("sum", "gauge", "histogram"):
            if metric.HasField(kind):
                for point in getattr(metric, kind).data_points:
                    if kind == "histogram":
                        point.count, point.sum = 1, 0.0
                        del point.bucket_counts[:]
                        del point.explicit_bounds[:]
                    else:
                        point.as_double = 1.0


def zero_counters(request):
    for metric in metrics_in(request):
        if metric.HasField("sum"):
            for point in metric.sum.data_points:
                point.as_int = 0


# The planted bugs: each spoils one kind of data, as a defect of the product would.
BUGS = {
    "no-destination": drop_attribute("messaging.destination.name"),
    "no-record-attributes": drop_attribute("name", "value", "metric.name", "metric.value"),
    "no-partition": drop_attribute("messaging.destination.partition.id"),
    "no-commit": drop_spans("commit "),
    "no-poll": drop_spans("poll "),
    "no-send": drop_spans("send "),
    "no-links": drop_links,
    "no-errors": no_errors,
    "no-log-ids": no_log_ids,
    "no-severity": no_severity,
    "late-commit": late_commit,
    "early-commit": early_commit,
    "one-after-another": one_after_another,
    "frozen-metrics": frozen_metrics,
    "frozen-counters": zero_counters,
    "no-consumer-group": drop_point_attribute("messaging.consumer.group.name"),
}


class Relay:
    """Passes OTLP/HTTP on to the server, spoiled by one planted bug or as it is."""

    def __init__(self, target, bug):
        spoil = BUGS.get(bug)
        relay = self
        self.refuse = collections.Counter()  # so many requests to a path are answered 503

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802 - the library's name
                body = self.rfile.read(int(self.headers["content-length"]))
                if relay.refuse[self.path] > 0:
                    relay.refuse[self.path] -= 1
                    return self.answer(503, b"")
                if spoil:
                    request = REQUESTS[self.path].FromString(body)
                    spoil(request)
                    body = request.SerializeToString()
                answer = urllib.request.urlopen(urllib.request.Request(
                    f"http://{target}{self.path}", body, {"content-type": "application/x-protobuf"}), timeout=30)
                self.answer(answer.status, answer.read())

            def answer(self, status, data):
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class SharedKafka:
    """One real Kafka for all beds whose topics are their own."""

    def __init__(self):
        self.folder, self.bootstrap = None, None

    def address(self):
        if not self.bootstrap:
            self.folder = tempfile.TemporaryDirectory(prefix="weir-seeds-kafka-")
            self.bootstrap = kafka_up(self.folder.name)
        return self.bootstrap

    def close(self):
        if self.bootstrap:
            kafka_down(self.folder.name)
            self.folder.cleanup()
            self.bootstrap = None


def kafka_up(folder):
    up = subprocess.run([ROOT / "tools/kafka", "up", "--dir", folder, "--port", str(free_port(120))], capture_output=True, text=True)
    if up.returncode:
        raise RuntimeError(f"Kafka did not start: {up.stderr}")
    return up.stdout.strip().splitlines()[-1]


def kafka_down(folder):
    subprocess.run([ROOT / "tools/kafka", "down", "--dir", folder], capture_output=True)


shared_kafka = SharedKafka()
numbers = itertools.count(1)


class Bed:
    """Opens everything; `weir` is asked by the rows, `records` is the ledger of the pipelines."""

    def __init__(self, seed, bug=None, pipelines=True):
        self.seed, self.bug, self.with_pipelines = seed, bug, pipelines
        self.mutant = bug if bug in workshop.MUTANTS else None
        self.build = (ROOT / os.environ.get("WEIR_BUILD", "build/release")).resolve()
        self.folder = tempfile.TemporaryDirectory(prefix="weir-seeds-")
        self.path = pathlib.Path(self.folder.name)
        self.parts, self.workers, self.weir, self.relay, self.bootstrap = [], [], None, None, None
        self.started = int(time.time())

    def open(self):
        self.weir = Weir(self.build, self.path / "data").start()
        self.relay = Relay(self.weir.http, self.bug)
        if self.with_pipelines:
            self.bootstrap = kafka_up(self.path / "kafka")
            self.run_pipelines()
        else:
            self.bootstrap = shared_kafka.address()
        return self

    def telemetry(self, **more):
        """The variables that send a program's telemetry here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.relay.address}", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp",
                "OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BLRP_SCHEDULE_DELAY": "200", **more}

    def environment(self, **more):
        return {**os.environ, "KAFKA_BROKERS": self.bootstrap, **self.telemetry(OTEL_SAMPLING="1.0", **more)}

    def start(self, name, *command, **environment):
        log = open(self.path / f"{name}.log", "wb")
        part = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log, env=self.environment(**environment))
        self.parts.append((name, part))
        return part

    def run_pipelines(self):
        """Both examples, until the generators have sent for a while and all of it is processed."""
        processors, generators = [], []
        for folder in ("metrics-at-most-once", "orders-at-least-once"):
            programs = self.build / "examples" / folder
            generators.append(self.start(f"{folder}-generator", programs / "generator", "-brokers", self.bootstrap, "-rate", "40",
                                         "-bad", "0.05", "-seed", self.seed, "-forever", OTEL_SERVICE_NAME=f"{folder}-generator"))
            processors.append(self.start(f"{folder}-processor", programs / "processor"))
        time.sleep(8)
        for part in generators + processors:
            assert part.poll() is None, f"a pipeline ended early: {[n for n, p in self.parts if p is part]}"
        for part in generators:
            part.terminate()
            assert part.wait(20) == 0
        self.records = {topic: self.read_topic(topic) for topic in ("metrics", "orders")}
        wait_until(self.all_committed, 60, 0.5, "all records committed")
        for part in processors:
            part.terminate()
            assert part.wait(40) == 0

    def topic(self, rng, partitions=1):
        """A fresh topic with a name from the seed."""
        return make_topic(self.bootstrap, f"t{next(numbers)}-{rng.randrange(16**8):08x}", partitions)

    def worker(self, *arguments, kafka=None, **environment):
        """The workshop's Kafka program, with its telemetry on the way to the server."""
        program = workshop.program(self.build, workshop.WORKER, self.mutant)
        self.workers.append(Worker(program, kafka or self.bootstrap, self.path, *arguments, **self.telemetry(**environment)))
        return self.workers[-1]

    def client(self, *arguments, **environment):
        """Runs tests/seeds/client.c to its end; gives its lines."""
        program = workshop.program(self.build, workshop.CLIENT, self.mutant)
        done = subprocess.run([program, *arguments], env=self.environment(**environment), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"client {arguments[0]} ended with {done.returncode}: {done.stderr[-500:]}"
        return done.stdout.splitlines()

    def spans(self, name, count=1):
        """At least `count` spans of that name, waited for."""
        def find():
            traces = [spans_of(self.weir.trace(trace_id)) for trace_id in self.search(f'{{ name = "{name}" }}')]
            found = [span for trace in traces for span in trace if span["name"] == name]
            return found if len(found) >= count else None
        return wait_until(find, 10, 0.3, f"{count} spans '{name}'")

    def read_topic(self, topic):
        """[(partition, offset, value bytes)] of everything in the topic, by an independent client."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"ledger-{time.time_ns()}", "enable.auto.commit": False})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions}
            consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
            found, deadline = [], time.monotonic() + 30
            while len(found) < sum(ends.values()) and time.monotonic() < deadline:
                found += [(m.partition(), m.offset(), m.value()) for m in consumer.consume(1000, 0.2) if not m.error()]
            assert len(found) == sum(ends.values()), f"ledger read {len(found)} of {sum(ends.values())} records of {topic}"
            return found
        finally:
            consumer.close()

    def all_committed(self):
        for group, topic in (("metrics-processor", "metrics"), ("order-processor", "orders")):
            consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False})
            partitions = {p for p, _, _ in self.records[topic]}
            committed = consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=10)
            consumer.close()
            ends = {p: 1 + max(o for q, o, _ in self.records[topic] if q == p) for p in partitions}
            if any(tp.offset < ends[tp.partition] for tp in committed):
                return False
        return True

    def is_bad(self, topic, value):
        """The examples' own rules, written again here: the ledger trusts nobody."""
        try:
            record = json.loads(value)
            if topic == "metrics":
                return not record.get("name") or record.get("timestamp", 0) <= 0
            return not record.get("order_id") or not record.get("product_id") or record.get("amount", 0) <= 0 or record.get("quantity", 0) <= 0
        except (ValueError, AttributeError, TypeError):
            return True

    def close(self):
        for _, part in self.parts:
            if part.poll() is None:
                part.kill()
                part.wait()
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
        if self.relay:
            self.relay.close()
        if self.weir and self.weir.process:
            self.weir.kill()
        if self.with_pipelines:
            kafka_down(self.path / "kafka")
        self.folder.cleanup()

    def search(self, query):
        """The ids of all traces that the query finds. One answer holds 1000 at most; if so the time is cut into pieces."""
        whole = self.weir.search(query, limit=1000)
        if len(whole) < 1000:
            return {item["traceID"].rjust(32, "0") for item in whole}
        found, start, last = set(), self.started, int(time.time()) + 2
        while start < last:
            page = self.weir.search(query, limit=1000, start=start, end=start + 4)
            assert len(page) < 1000, "a page of the search is full; its time must be cut finer"
            found |= {item["traceID"].rjust(32, "0") for item in page}
            start += 4
        return found

    def all_spans(self):
        """Every span that the server has, read through the public interface once; with resource and ids as hex."""
        if not hasattr(self, "spans_cache"):
            self.spans_cache = [span for trace_id in self.search("{ }") for span in spans_of(self.weir.trace(trace_id))]
        return self.spans_cache

    def process_spans(self, topic):
        """{(partition, offset): span} of the process spans of a topic."""
        result = {}
        for span in self.all_spans():
            if span["name"] == f"process {topic}":
                attributes = attributes_of(span)
                result[(int(attributes["messaging.destination.partition.id"]), attributes["messaging.kafka.offset"])] = span
        return result
