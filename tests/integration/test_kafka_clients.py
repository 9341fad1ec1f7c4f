# SPDX-License-Identifier: Apache-2.0
"""Producers, consumers and instrumented configurations on a real Kafka: spans, headers, who links whom."""
import time

import pytest

from kafka_worker import Worker, make_topic, produce, read_all

OWN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def topic(request, kafka):
    return make_topic(kafka, f"{request.node.originalname.replace('_', '-')}-{time.time_ns() % 10**10}", 2)


@pytest.fixture
def work(build_dir, kafka, tmp_path):
    def run(*arguments, **environment):
        worker = Worker(build_dir, kafka, tmp_path, *arguments, **environment)
        assert worker.join() == 0, "\n".join(worker.lines)
        return worker

    return run


@pytest.mark.parametrize("command", [("send", "sync"), ("send", "async"), ("send", "batch"), ("raw-send",)])
def test_send(kafka, topic, work, command):
    worker = work(*command, topic, 5, "app=kept")
    messages = read_all(kafka, topic, 5)
    spans = {span["span_id"]: span for span in worker.spans()}
    assert len(spans) == 5
    for message in messages:
        headers = message.headers()
        assert [name for name, _ in headers].count("traceparent") == 1
        assert dict(headers)["app"] == b"kept"
        _, trace_id, span_id, flags = dict(headers)["traceparent"].decode().split("-")
        span = spans[span_id]
        attributes = span["attributes"]
        assert span["trace_id"] == trace_id and int(flags, 16) & 1
        assert span["span"] == f"send {topic}" and span["kind"] == "PRODUCER" and span["status"] == "UNSET"
        assert attributes["messaging.system"] == "kafka"
        assert attributes["messaging.operation.name"] == attributes["messaging.operation.type"] == "send"
        assert attributes["messaging.destination.name"] == topic
        assert attributes["messaging.destination.partition.id"] == str(message.partition())
        assert attributes["messaging.kafka.offset"] == message.offset()
        assert "messaging.batch.message_count" not in attributes and "error.type" not in attributes
    if command[0] == "send":
        told = {(int(m[1]), int(m[2])) for m in worker.find(r"sent 0 (\d+) (\d+)")}
        assert told == {(message.partition(), message.offset()) for message in messages}


@pytest.mark.parametrize("command", [("send", "sync"), ("raw-send",)])
def test_own_context_is_kept_and_linked(kafka, topic, work, command):
    worker = work(*command, topic, 1, f"traceparent={OWN}", "tracestate=a=b")
    (message,) = read_all(kafka, topic, 1)
    assert [(name, value) for name, value in message.headers()] == [("traceparent", OWN.encode()), ("tracestate", b"a=b")]
    (span,) = worker.spans()
    assert span["kind"] == "CLIENT" and span["links"] == 1
    assert span["trace_id"] != OWN.split("-")[1]


def test_unsampled_decision_travels(kafka, topic, work):
    worker = work("send", "sync", topic, 1, OTEL_TRACES_SAMPLER="always_off", WEIR_KAFKA_SLOW_MS="60000")  # slow ones are kept
    (message,) = read_all(kafka, topic, 1)
    assert dict(message.headers())["traceparent"].decode().endswith(("-00", "-02"))
    assert worker.spans() == []
    group = f"{topic}-group"
    receiver = work("raw-receive", topic, group, 1)
    assert receiver.find(r"received")
    assert receiver.spans() == [] or all("commit" in span["span"] for span in receiver.spans()), "poll and process follow the message"


def test_failed_send_says_why(build_dir, tmp_path, topic):
    worker = Worker(build_dir, "127.0.0.1:1", tmp_path, "raw-send", topic, 1)
    worker.process.wait(60)
    (span,) = worker.spans()
    assert span["status"] == "ERROR" and span["attributes"]["messaging.destination.name"] == topic


def test_group_handler(kafka, topic, build_dir, tmp_path):
    produce(kafka, topic, ["fine", "reject", "sleep:300", "fine"], headers=[("traceparent", OWN.encode())])
    worker = Worker(build_dir, kafka, tmp_path, "group", topic, f"{topic}-group")
    worker.wait(r"end \S+ 0 3 ")
    assert worker.stop() == 0
    assert worker.records("begin") == [(0, offset) for offset in range(4)], "every message reaches it, the first too"
    assert [m[1] for m in worker.find(r"active (\d)")] == ["1"] * 4, "the message's own span is active in its handler"
    assert worker.lines.index("setup") < worker.lines.index("cleanup")
    spans = {s["attributes"]["messaging.kafka.offset"]: s for s in worker.spans() if s["span"] == f"process {topic}"}
    assert [spans[offset]["status"] for offset in range(4)] == ["UNSET", "ERROR", "UNSET", "UNSET"]
    assert spans[2]["duration_ns"] >= 290_000_000 > spans[3]["duration_ns"], "a span ends when its handler ends"
    for span in spans.values():
        assert (span["trace_id"], span["parent_span_id"]) == (OWN.split("-")[1], OWN.split("-")[2])
        assert span["links"] == 2  # the message's context, and its poll
    polls = [s for s in worker.spans() if s["span"] == f"poll {topic}"]
    assert len(polls) == 4 and all(s["links"] == 1 for s in polls), "no empty poll is a span"


def test_raw_receive(kafka, topic, work):
    produce(kafka, topic, ["fine"] * 3, headers=[("traceparent", OWN.encode())])
    worker = work("raw-receive", topic, f"{topic}-group", 3)
    names = sorted(span["span"].split(" ")[0] for span in worker.spans())
    assert names == ["commit", "poll", "poll", "poll", "process", "process", "process"]
    for span in worker.spans():
        if span["span"].startswith("process"):
            assert span["parent_span_id"] == OWN.split("-")[2]
