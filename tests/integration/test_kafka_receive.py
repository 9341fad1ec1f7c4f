# SPDX-License-Identifier: Apache-2.0
"""Consumers that know nothing of tracing, instrumented, on a real Kafka: process spans, nesting, batches, lag, counting."""
import time

import pytest

from kafka_worker import Worker, make_topic, produce, read_all


def context(rng, sampled=True):
    return f"00-{rng.getrandbits(128) | 1:032x}-{rng.getrandbits(64) | 1:016x}-{'01' if sampled else '00'}"


@pytest.fixture
def topic(kafka, rng):
    return make_topic(kafka, f"receive-{rng.randrange(10**9)}-{time.time_ns() % 10**6}")


@pytest.fixture
def run(build_dir, kafka, tmp_path):
    def start(topic, *arguments, **environment):
        worker = Worker(build_dir, kafka, tmp_path, "raw-poll", topic, f"{topic}-{time.time_ns()}", *arguments, **environment)
        assert worker.join() == 0, "\n".join(worker.lines)
        assert not worker.find("error"), "\n".join(worker.lines)
        (found,) = worker.find(r"spans started=(\d+) exported=(\d+) dropped=(\d+) cancelled=(\d+) open=(\d+)")
        started, exported, dropped, cancelled, still_open = map(int, found.groups())
        assert still_open == 0 and started == exported + dropped + cancelled, found[0]
        assert exported == len(worker.spans())
        return worker

    return start


def send(kafka, topic, contexts):
    for each in contexts:
        produce(kafka, topic, ["x"], headers=[("app", b"1"), ("traceparent", each.encode())])


def metric(worker, name, *parts):
    """The value of the one line of the metric that has all these parts; None: there is none."""
    found = [line[len("metric "):] for line in worker.lines if line.startswith(f"metric {name}{{") and all(part in line for part in parts)]
    assert len(found) <= 1, found
    return float(found[0].rsplit(" ", 1)[1]) if found else None


def of(worker, operation):
    spans = [span for span in worker.spans() if span["span"].split(" ")[0] == operation]
    return sorted(spans, key=lambda span: span["start"])


def test_one_tree_from_message_to_message(kafka, topic, rng, run):
    contexts = [context(rng) for _ in range(5)]
    send(kafka, topic, contexts)
    forward = make_topic(kafka, f"{topic}-out")
    worker = run(topic, 5, "poll", f"forward={forward}")
    process, polls, sends = of(worker, "process"), of(worker, "poll"), of(worker, "send")
    assert len(process) == len(polls) == len(sends) == 5
    for each, span, poll, sent in zip(contexts, process, polls, sends):
        _, trace_id, span_id, _ = each.split("-")
        assert (span["trace_id"], span["parent_span_id"]) == (trace_id, span_id)
        assert span["kind"] == "CONSUMER" and span["links"] == 2 and poll["links"] == 1
        assert span["duration_ns"] >= 4_000_000, "it lasts while the message is handled"
        assert (sent["trace_id"], sent["parent_span_id"]) == (trace_id, span["span_id"])
    headers = [dict(message.headers())["traceparent"].decode() for message in read_all(kafka, forward, 5)]
    assert [header.split("-")[2] for header in headers] == [sent["span_id"] for sent in sends]
    commits = of(worker, "commit")
    assert commits and all(commit["parent_span_id"] in {poll["span_id"] for poll in polls} for commit in commits)
    assert metric(worker, "messaging_client_consumed_messages_total") == 5


@pytest.mark.parametrize("how", ["poll", "batch", "event", "callback"])
def test_every_way_of_getting_messages(kafka, topic, rng, run, how):
    contexts = [context(rng) for _ in range(20)]
    send(kafka, topic, contexts)
    worker = run(topic, 20, how)
    assert [int(m[1]) for m in worker.find(r"received 0 (\d+)")] == list(range(20))
    assert metric(worker, "messaging_client_consumed_messages_total") == 20
    assert metric(worker, "weir_kafka_message_edge_duration_seconds_count") == 20
    assert sum(span["links"] for span in of(worker, "poll")) == 20, "each message is linked, once"
    if how != "batch":
        assert [span["trace_id"] for span in of(worker, "process")] == [each.split("-")[1] for each in contexts]


def test_unsampled_and_filtered(kafka, topic, rng, run):
    send(kafka, topic, [context(rng, sampled=i == 2) for i in range(4)])
    worker = run(topic, 4, "poll")
    assert len(of(worker, "process")) == len(of(worker, "poll")) == 1
    assert of(worker, "process")[0]["attributes"]["messaging.kafka.offset"] == 2
    assert metric(worker, "messaging_client_consumed_messages_total") == 4
    filtered = run(topic, 4, "poll", "weir.header=app=2")
    assert not of(filtered, "process") and not of(filtered, "poll")
    assert run(topic, 4, "poll", WEIR_KAFKA_SPANS="false").spans() == []


def test_a_plain_ratio_links_no_poll_that_is_not_there(kafka, topic, rng, run):
    send(kafka, topic, [context(rng) for _ in range(30)])
    worker = run(topic, 30, "poll", OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
    polls = of(worker, "poll")
    linked = sum(span["links"] - 1 for span in of(worker, "process"))
    assert linked <= len(polls), "a process span links its poll only where that was recorded"


@pytest.mark.parametrize("statistics", ["true", "false"])
def test_lag_and_identity(kafka, topic, rng, run, statistics):
    send(kafka, topic, [context(rng) for _ in range(6)])
    worker = run(topic, 4, "poll", f"weir.statistics={statistics}", "statistics.interval.ms=100", "max.poll.interval.ms=60000",
                 "client.id=identity", "weir.semconv=dup")
    lag = metric(worker, "weir_kafka_consumer_lag")
    assert lag in (1.0, 2.0), "of six, four were handled, and one more may have been polled"
    assert metric(worker, "weir_kafka_consumer_lag_time_seconds") >= 0
    last = of(worker, "process")[-1]["attributes"]
    assert last["messaging.client.id"] == last["messaging.kafka.client_id"] == "identity"
    if statistics == "true":
        assert last["messaging.kafka.cluster.id"], "known once statistics have come"
