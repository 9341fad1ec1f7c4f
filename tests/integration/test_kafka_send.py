# SPDX-License-Identifier: Apache-2.0
"""Instrumented producers on a real Kafka: every span arrives or is counted, counts are exact, durations are the sends' own."""
import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_worker import Worker, read_all
from otlp_sink import Sink

SENT, DURATION = "messaging.client.sent.messages", "messaging.client.operation.duration"


@pytest.fixture
def topic(request, kafka):
    def make(partitions=3, **config):
        name = f"{request.node.originalname.replace('_', '-')}-{time.time_ns() % 10**10}"
        admin = AdminClient({"bootstrap.servers": kafka})
        for future in admin.create_topics([NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})]).values():
            future.result(30)
        return name

    return make


@pytest.fixture
def send(build_dir, kafka, tmp_path):
    sink = Sink()

    def run(*arguments, **environment):
        worker = Worker(build_dir / "tests/unit/kafka/send_worker", kafka, tmp_path, *arguments, **{
            "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50", **environment})
        assert worker.join(120) == 0, "\n".join(worker.lines)
        stats = worker.stats()
        assert stats["open"] == stats["waiting"] == 0
        assert stats["started"] == stats["exported"] + stats["dropped"]
        assert len(sink.received) == stats["exported"]
        worker.sink, worker.delivered = sink, {int(m[1]): int(m[2]) for m in worker.find(r"delivered (-?\d+) (\d+)")}
        return worker

    yield run
    sink.server.shutdown()


def ratio(value):
    return {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(value)}


def points(worker, metric):
    """{attributes: value} of one metric, of sends."""
    found = {}
    for (_, name, attributes), value in worker.sink.points.items():
        if name == metric and dict(attributes).get("messaging.operation.name") == "send":
            found[attributes] = value
    return found


@pytest.mark.parametrize("share, propagate", [(1, "always"), (0.1, "sampled"), (0, "sampled")])
def test_every_span_arrives_or_is_counted(topic, send, share, propagate):
    name, count = topic(), 30_000
    worker = send(name, count, 100, f"weir.propagate={propagate}", **ratio(share))
    started = worker.stats()["started"]
    assert worker.delivered == {0: count}
    assert (started == count) if share == 1 else (started == 0) if share == 0 else (0.08 * count < started < 0.12 * count)
    per_partition = {dict(attributes).get("messaging.destination.partition.id"): value for attributes, value in points(worker, SENT).items()}
    assert set(per_partition) <= {"0", "1", "2"} and sum(per_partition.values()) == count
    assert all(dict(a)["messaging.destination.name"] == name for a in points(worker, SENT))
    assert len({span.span_id for span in worker.sink.received}) == len(worker.sink.received)


def test_headers_are_those_of_the_spans(kafka, topic, send):
    name = topic()
    worker = send(name, 200, 10)
    spans = {(span.attributes["messaging.destination.partition.id"], span.attributes["messaging.kafka.offset"]): span for span in worker.sink.received}
    for message in read_all(kafka, name, 200):
        ((header, value),) = message.headers()
        span = spans[str(message.partition()), message.offset()]
        assert (header, value.decode()) == ("traceparent", f"00-{span.trace_id}-{span.span_id}-03")


def test_a_receiver_that_is_away_costs_counted_spans(topic, build_dir, kafka, tmp_path):
    worker = Worker(build_dir / "tests/unit/kafka/send_worker", kafka, tmp_path, topic(), 20_000, 100, OTEL_TRACES_EXPORTER="otlp",
                    OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_BSP_MAX_QUEUE_SIZE="1000")
    assert worker.join(120) == 0
    stats = worker.stats()
    assert stats["started"] == stats["dropped"] + stats["waiting"] == 20_000 and stats["exported"] == stats["open"] == 0
    assert stats["waiting"] <= 1000 + 512, "a queue, and the batch that is tried again"


@pytest.mark.parametrize("arguments, config", [((), {"message_timestamp_type": "LogAppendTime"}), (("timestamp=86400000",), {})])
def test_durations_do_not_come_from_others_clocks(topic, send, arguments, config):
    """The broker's timestamps, or the application's own, tell nothing about how long a send took."""
    worker = send(topic(**config), 5000, 100, *arguments, "weir.propagate=sampled", **ratio(0))
    counts, sums = points(worker, DURATION), points(worker, DURATION + ".sum")
    assert sum(counts.values()) == 5000
    assert 0 < sum(sums.values()) < 5000 * 60
    assert worker.stats()["started"] < 5000, "so few were slow"


def test_what_the_broker_refuses_is_kept(topic, send):
    name = topic(max_message_bytes="1000")
    worker = send(name, 20, 5000, "weir.propagate=sampled", "linger.ms=0", "batch.num.messages=1", **ratio(0))
    assert worker.delivered == {10: 20}
    assert len(worker.sink.received) == 20
    for span in worker.sink.received:
        assert span.error and span.attributes["error.type"] == "MESSAGE_TOO_LARGE" and span.name == f"send {name}"
        assert "messaging.kafka.offset" not in span.attributes
    assert {dict(a)["error.type"] for a in points(worker, SENT)} == {"MESSAGE_TOO_LARGE"} and sum(points(worker, SENT).values()) == 20


def test_what_is_too_large_for_librdkafka_was_never_sent(topic, send):
    worker = send(topic(), 5, 5000, "message.max.bytes=2000")
    assert worker.delivered == {10: 5} and worker.sink.received == []


def test_a_topic_that_cannot_be(send):
    worker = send("no such/topic", 3, 10, "topic.metadata.propagation.max.ms=500", "message.timeout.ms=20000")
    assert sum(worker.delivered.values()) == 3 and 0 not in worker.delivered
    assert len(worker.sink.received) == 3
    assert {span.attributes["error.type"] for span in worker.sink.received} <= {"INVALID_TOPIC_EXCEPTION", "UNKNOWN_TOPIC_OR_PARTITION", "_UNKNOWN_TOPIC", "_MSG_TIMED_OUT"}


@pytest.mark.slow  # a sanitizer keeps what is freed, so this asks the release build
def test_memory_does_not_grow(topic, send):
    worker = send(topic(), 1_500_000, 20, "queue.buffering.max.messages=100000", **ratio(0.01))
    ((_, half, end),) = [(m[0], int(m[1]), int(m[2])) for m in worker.find(r"memory (\d+) (\d+)")]
    assert end < half + 16 * 1024
