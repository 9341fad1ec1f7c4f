# SPDX-License-Identifier: Apache-2.0
"""The runner's delivery semantics on a real Kafka: crashes, rebalances, poison, slow partitions, stops."""
import struct
import time

import pytest

from kafka_worker import Worker, committed, make_topic, produce, read_all


@pytest.fixture
def names(request):
    """A topic and a group of this test's own."""
    name = f"{request.node.name.split('[')[0].replace('_', '-')}-{time.time_ns() % 10**10}"
    return name, f"{name}-group"


@pytest.fixture
def start(build_dir, kafka, tmp_path):
    started = []

    def start_worker(*arguments, **environment):
        started.append(Worker(build_dir, kafka, tmp_path, *arguments, **environment))
        return started[-1]

    yield start_worker
    for worker in started:
        if worker.process.poll() is None:
            worker.kill()


FAST = ("session.timeout.ms=6000", "heartbeat.interval.ms=500", "commit_interval_ms=100")


def test_killed_in_the_middle_at_least_once_redelivers(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic)
    produce(kafka, topic, ["fine"] * 5 + ["sleep:60000"] + ["fine"] * 4)
    first = start("run", "least", topic, group, *FAST)
    first.wait(r"begin \S+ 0 5 ")
    deadline = time.monotonic() + 30
    while committed(kafka, group, topic)[0] != 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    first.kill()
    assert committed(kafka, group, topic)[0] == 5, "only what was done may be committed"
    second = start("run", "least", topic, group, *FAST)
    second.wait(r"begin \S+ 0 5 ")
    second.process.kill()  # it is at the sleeping record: redelivered, in order, first of all
    assert second.records("begin")[0] == (0, 5)


def test_killed_in_the_middle_at_most_once_does_not_redeliver(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic)
    produce(kafka, topic, ["fine"] * 5 + ["sleep:60000"] + ["fine"] * 4)
    first = start("run", "most", topic, group, "batch_max=8", *FAST)
    first.wait(r"begin \S+ 0 5 ")
    first.kill()
    assert first.records("begin")[-1] == (0, 5)
    offset, metadata = committed(kafka, group, topic)
    assert offset >= 6, "the sleeping record was committed before it began"
    second = start("run", "most", topic, group, *FAST)
    produce(kafka, topic, ["fine"])
    second.wait(r"end \S+ 0 10 ")
    assert second.stop() == 0
    begun = first.records("begin") + second.records("begin")
    assert len(begun) == len(set(begun)), "a record was handled twice"
    # What the killed one had committed and not finished may be lost: only the upper bound says so.
    stats = second.stats()
    assert stats["lost_min"] == 0
    assert stats["lost_max"] >= offset - 6 + 1


def test_rebalance_keeps_order_within_partitions(kafka, names, start, rng):
    topic, group = names
    make_topic(kafka, topic, 4)
    per_partition = 120
    for partition in range(4):
        produce(kafka, topic, [f"sleep:{rng.randrange(5, 30)}" for _ in range(per_partition)], partition)
    workers = [start("run", "least", topic, group, *FAST)]
    workers[0].wait(r"end ", 20)
    workers.append(start("run", "least", topic, group, *FAST))
    workers[1].wait(r"end ", 20)
    workers.append(start("run", "least", topic, group, *FAST))
    time.sleep(1)
    assert workers[0].stop() == 0  # leaves: its partitions move again
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = {record for worker in workers for record in worker.records("end")}
        if len(done) == 4 * per_partition:
            break
        time.sleep(0.2)
    assert len(done) == 4 * per_partition, "records were lost"
    for worker in workers[1:]:
        assert worker.stop() == 0
    for worker in workers:
        for partition in range(4):
            offsets = [o for p, o in worker.records("begin") if p == partition]
            assert offsets == sorted(offsets), f"partition {partition} out of order: {offsets}"
    # Graceful hand-overs give nothing twice.
    begun = [record for worker in workers for record in worker.records("begin")]
    assert len(begun) == len(set(begun)), "a revoke or stop did not wait for the work in flight"
    for partition in range(4):
        assert committed(kafka, group, topic, partition)[0] == per_partition


@pytest.mark.parametrize("semantics", ["least", "most"])
def test_idle_runner_stops_at_once(kafka, names, start, semantics):
    topic, group = names
    make_topic(kafka, topic)
    worker = start("run", semantics, topic, group, *FAST)
    produce(kafka, topic, ["fine"])
    worker.wait(r"end ")
    time.sleep(0.5)
    assert worker.stop(timeout=10) == 0
    assert worker.find(r"stopped 0")
    assert committed(kafka, group, topic)[0] == 1


def test_stop_waits_for_the_work_in_flight(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic)
    produce(kafka, topic, ["fine", "sleep:2000", "fine"])
    worker = start("run", "least", topic, group, *FAST)
    worker.wait(r"begin \S+ 0 1 ")
    assert worker.stop() == 0
    assert worker.records("end")[-1] == (0, 1)
    assert committed(kafka, group, topic)[0] == 2, "what was in flight is done and committed; the next one is neither"


def test_second_signal_ends_at_once(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic)
    produce(kafka, topic, ["hang"])
    worker = start("run", "least", topic, group, *FAST)
    worker.wait(r"begin ")
    worker.process.terminate()
    time.sleep(0.5)
    assert worker.process.poll() is None, "the first signal waits for the handler"
    worker.process.terminate()
    worker.process.wait(20)
    assert worker.wait(r"stopped -8")  # canceled
    assert committed(kafka, group, topic)[0] < 0


def test_poison_is_dead_lettered_and_stops_nothing(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic)
    make_topic(kafka, f"{topic}.dlq")
    produce(kafka, topic, ["fine", "reject", "retry:1", "retry:9", "fine"], headers=[("app", b"kept")])
    worker = start("run", "least", topic, group, "retries=2", "retry_first_ms=10", *FAST)
    worker.wait(r"end \S+ 0 4 ")
    letters = read_all(kafka, f"{topic}.dlq", 2)
    assert worker.stop() == 0
    stats = worker.stats()
    assert (stats["ok"], stats["dead_lettered"], stats["retries"], stats["lost_max"]) == (3, 2, 3, 0)
    assert committed(kafka, group, topic)[0] == 5
    assert [letter.value() for letter in letters] == [b"reject", b"retry:9"]
    headers = dict(letters[0].headers())
    assert headers["app"] == b"kept"
    assert headers["kafka_dlt-original-topic"] == topic.encode()
    assert struct.unpack(">i", headers["kafka_dlt-original-partition"]) == (0,)
    assert struct.unpack(">q", headers["kafka_dlt-original-offset"]) == (1,)
    assert headers["kafka_dlt-original-consumer-group"] == group.encode()
    assert headers["kafka_dlt-exception-fqcn"] == b"Poison"
    assert headers["__connect.errors.offset"] == b"1"
    assert headers["__connect.errors.exception.message"] == b"cannot read this"
    # The letter is in the record's own trace, below the try that failed.
    (failed,) = [s for s in worker.spans() if s["span"] == f"process {topic}" and s["attributes"].get("messaging.kafka.offset") == 1]
    assert failed["status"] == "ERROR" and failed["attributes"]["error.type"] == "Poison"
    assert headers["traceparent"].decode().split("-")[1] == failed["trace_id"]
    (sent,) = [s for s in worker.spans() if s["span_id"] == headers["traceparent"].decode().split("-")[2]]
    assert sent["parent_span_id"] == failed["span_id"]


def test_dead_letter_topic_fails_partition_waits(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic, 2)
    produce(kafka, topic, ["fine", "reject", "fine"], 0)
    worker = start("run", "least", topic, group, "dead_letter_topic=no/such/topic", "retry_first_ms=50", *FAST)
    worker.wait(r"end \S+ 0 1 3")
    produce(kafka, topic, ["fine"] * 3, 1)
    worker.wait(r"end \S+ 1 2 0")  # the other partition goes on
    time.sleep(1)
    assert (0, 2) not in worker.records("begin"), "nothing passes an undelivered dead letter"
    assert worker.stop() == 0
    assert committed(kafka, group, topic, 0)[0] == 1
    assert committed(kafka, group, topic, 1)[0] == 3


def test_at_most_once_failure_counts_as_loss(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic)
    produce(kafka, topic, ["fine", "reject", "retry:1", "skip", "fine"])
    worker = start("run", "most", topic, group, *FAST)
    worker.wait(r"end \S+ 0 4 ")
    assert worker.stop() == 0
    stats = worker.stats()
    assert (stats["ok"], stats["failed"], stats["skipped"], stats["retries"]) == (2, 2, 1, 0)
    assert (stats["lost_min"], stats["lost_max"]) == (2, 2)
    assert committed(kafka, group, topic) == (5, "weir1 c=5 o=2 f=2 d=0 s=1 u=0")
    # The successor goes on from the counts.
    again = start("run", "most", topic, group, *FAST)
    produce(kafka, topic, ["reject"])
    again.wait(r"end \S+ 0 5 ")
    assert again.stop() == 0
    assert again.stats()["lost_min"] == 3


def test_slow_partition_does_not_block_another(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic, 2)
    produce(kafka, topic, ["sleep:20000"] + ["fine"] * 50, 0)
    worker = start("run", "least", topic, group, "queue_max=10", *FAST)
    worker.wait(r"begin \S+ 0 0 ")
    produce(kafka, topic, ["fine"] * 300, 1)
    worker.wait(r"end \S+ 1 299 ", timeout=15)
    assert worker.records("end").count((0, 0)) == 0, "the slow one is still at work"
    worker.kill()


def test_back_pressure_survives_max_poll_interval(kafka, names, start):
    topic, group = names
    make_topic(kafka, topic)
    produce(kafka, topic, ["sleep:8000"] + ["fine"] * 100)
    worker = start("run", "least", topic, group, "queue_max=5", "max.poll.interval.ms=6000", *FAST)
    worker.wait(r"end \S+ 0 100 ", timeout=40)
    assert worker.stop() == 0
    begun = worker.records("begin")
    assert begun == [(0, offset) for offset in range(101)], "the group never threw it out: each record once, in order"


def test_poll_commit_process_in_the_order_of_the_semantics(kafka, names, start):
    for semantics in ("least", "most"):
        topic, group = f"{names[0]}-{semantics}", f"{names[1]}-{semantics}"
        make_topic(kafka, topic)
        produce(kafka, topic, ["sleep:50"])
        worker = start("run", semantics, topic, group, *FAST)
        worker.wait(r"end ")
        time.sleep(0.5)
        assert worker.stop() == 0
        spans = {}
        for span in worker.spans():
            spans.setdefault(span["span"].split(" ")[0], span)
        poll, commit, process = spans["poll"], spans["commit"], spans["process"]
        assert len([span for span in worker.spans() if span["span"].startswith("commit")]) == 1, "one that only renews counts is no span"
        assert commit["parent_span_id"] == poll["span_id"]
        order = sorted((poll, commit, process), key=lambda span: span["start"])
        assert [span["span"].split(" ")[0] for span in order] == (
            ["poll", "process", "commit"] if semantics == "least" else ["poll", "commit", "process"])
        assert (commit["attributes"]["weir.kafka.offset.from"], commit["attributes"]["messaging.kafka.offset"]) == (0, 1)
        assert commit["kind"] == poll["kind"] == "CLIENT" and process["kind"] == "CONSUMER"
