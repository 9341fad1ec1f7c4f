# SPDX-License-Identifier: Apache-2.0
"""The traps that others fell into, each shown to be caught: the planted bugs are those very traps."""
import contextlib
import importlib
import re
import signal
import subprocess
import sys
import time

import requests

import workshop
from check_001 import traceparent
from kafka_worker import committed, make_topic, produce, read_all
from otlp_json import attributes_of
from rows import row
from weir_server import free_port, wait_until

FAST = ("session.timeout.ms=6000", "heartbeat.interval.ms=500", "commit_interval_ms=100")
OFFSET_COMMIT, REFUSED = 8, 12  # Kafka's numbers: the request, and an error that no retry heals


class Mock:
    """librdkafka's mock cluster in a process of its own: it refuses requests on command."""

    def __init__(self, bed):
        self.process = subprocess.Popen([bed.build / "tools/kafka-mock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.bootstrap = self.process.stdout.readline().strip()

    def fail(self, api, error, count):
        print("fail", api, error, count, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == f"failing {count}\n"

    def close(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def mock_of(bed):
    mock = Mock(bed)
    try:
        yield mock
    finally:
        mock.close()


def names(bed, rng, partitions=1):
    topic = bed.topic(rng, partitions)
    return topic, f"{topic}-group"


# ── commits ───────────────────────────────────────────────────────────────────────────────────────

def under_refused_commits(bed, rng, semantics, refused, mock):
    """Everything is sent while the broker refuses the next commits; gives the worker, stopped, and the ledger."""
    topic, group = f"c{rng.randrange(16**8):08x}", f"g{rng.randrange(16**8):08x}"
    ledger = {(partition, offset) for partition in range(4) for offset in produce(mock.bootstrap, topic, ["fine"] * 40, partition)}
    mock.fail(OFFSET_COMMIT, REFUSED, refused)
    worker = bed.worker("run", semantics, topic, group, "batch_max=10", *FAST, kafka=mock.bootstrap)
    deadline = time.monotonic() + 40
    while set(worker.records("end")) != ledger and time.monotonic() < deadline:
        if bed.bug and time.monotonic() > deadline - 25:
            break
        time.sleep(0.1)
    produce(mock.bootstrap, topic, ["fine"], 0)
    with contextlib.suppress(AssertionError):
        worker.wait(r"end \S+ 0 40 ", timeout=5)
    assert worker.stop(20) == 0
    # What was committed shows in where a successor begins.
    for partition in range(4):
        produce(mock.bootstrap, topic, ["fine"], partition)
    successor = bed.worker("run", semantics, topic, group, *FAST, kafka=mock.bootstrap)
    for partition, last in enumerate((41, 40, 40, 40)):
        successor.wait(rf"end \S+ {partition} {last} ", timeout=20)
    assert successor.stop(20) == 0
    return worker, ledger | {(0, 40)}, {p: min(o for q, o in successor.records("begin") if q == p) for p in range(4)}


@row("trap-01", bed="clients", bugs=["commit-failure-stalls"])
def commit_failure_stalls(bed, rng):
    with mock_of(bed) as mock:
        for semantics in ("least", "most"):
            worker, ledger, positions = under_refused_commits(bed, rng, semantics, rng.randrange(1, 6), mock)
            assert worker.stats()["commits_failed"] > 0, "no commit was refused"
            done = set(worker.records("end"))
            assert done == ledger, f"{semantics}: {len(ledger - done)} of {len(ledger)} records were never processed after a refused commit"
            assert positions == {0: 41, 1: 40, 2: 40, 3: 40}, f"{semantics}: committed {positions}"


@row("trap-02", bed="clients", bugs=["commit-failure-skips"])
def commit_failure_skips(bed, rng):
    with mock_of(bed) as mock:
        # More refusals than the runner tries at one place: it must fetch the batch anew, not go on without it.
        worker, ledger, positions = under_refused_commits(bed, rng, "most", 12, mock)
        done = worker.records("begin")
        assert set(done) == ledger, f"{len(ledger - set(done))} of {len(ledger)} records were skipped"
        assert len(done) == len(ledger), "a record was handled twice under at-most-once"
        assert positions == {0: 41, 1: 40, 2: 40, 3: 40}
        assert worker.stats()["lost_max"] == 0


# ── partitions ────────────────────────────────────────────────────────────────────────────────────

@row("trap-03", bed="clients", bugs=["one-for-all"])
def slow_partition(bed, rng):
    topic, group = names(bed, rng, 2)
    produce(bed.bootstrap, topic, ["sleep:60000"] + ["fine"] * 50, 0)
    worker = bed.worker("run", "least", topic, group, "queue_max=10", *FAST)
    worker.wait(r"begin \S+ 0 0 ", timeout=20)
    produce(bed.bootstrap, topic, ["fine"] * 300, 1)
    with contextlib.suppress(AssertionError):
        worker.wait(r"end \S+ 1 299 ", timeout=10)
    done = len([partition for partition, _ in worker.records("end") if partition == 1])
    worker.kill()
    assert done == 300, f"{done} of 300 records of the other partition are done while one is slow"


@row("trap-04", bed="clients", bugs=["backwards", "unbounded"])
def order(bed, rng):
    topic, group = names(bed, rng, 16)
    for partition in range(16):
        produce(bed.bootstrap, topic, [f"sleep:{rng.randrange(1, 12)}" for _ in range(20)], partition)
    worker = bed.worker("run", "least", topic, group, *FAST)
    worker.wait(r"end ", 16 * 20, timeout=30)
    assert worker.stop() == 0
    for partition in range(16):
        offsets = [offset for p, offset in worker.records("begin") if p == partition]
        assert offsets == list(range(20)), f"partition {partition} was processed in the order {offsets}"
    busy, at_once = set(), []
    for word, partition in ((m[1], m[2]) for m in worker.find(r"(begin|end) \S+ (\d+) \d+ ")):
        assert (partition in busy) == (word == "end"), f"two records of partition {partition} at once"
        busy ^= {partition}
        at_once.append(len(busy))
    assert 2 <= max(at_once) <= 8, f"{max(at_once)} records were in work at once, on 8 workers"


@row("trap-05", bed="clients", bugs=["revoke-does-not-wait"])
def revoke_waits(bed, rng):
    topic, group = names(bed, rng, 4)
    for partition in range(4):
        produce(bed.bootstrap, topic, [f"sleep:{rng.randrange(200, 400)}" for _ in range(12)], partition)
    first = bed.worker("run", "least", topic, group, *FAST)
    first.wait(r"end ", 4, timeout=20)
    second = bed.worker("run", "least", topic, group, *FAST)
    second.wait(r"end ", 2, timeout=20)
    assert first.stop() == 0
    both = [first, second]
    wait_until(lambda: len({record for worker in both for record in worker.records("end")}) == 48, 30, 0.2, "all records done")
    assert second.stop() == 0
    begun = first.records("begin") + second.records("begin")
    twice = len(begun) - len(set(begun))
    assert twice == 0, f"{twice} records were handled by both: the hand-over did not wait for the work in flight"
    assert [committed(bed.bootstrap, group, topic, p)[0] for p in range(4)] == [12] * 4


# ── records that fail ─────────────────────────────────────────────────────────────────────────────

@row("trap-06", bed="clients", bugs=["failure-is-done"])
def failed_is_not_committed(bed, rng):
    topic, group = names(bed, rng)
    produce(bed.bootstrap, topic, ["fine", "retry:99", "fine"])
    worker = bed.worker("run", "least", topic, group, "retries=2", "retry_first_ms=20", "dead_letter_topic=no/such/topic", *FAST)
    worker.wait(r"end \S+ 0 1 2", timeout=20)
    time.sleep(1.5)
    assert worker.stop() == 0
    assert committed(bed.bootstrap, group, topic)[0] == 1, f"committed {committed(bed.bootstrap, group, topic)[0]}: past the failed record"
    assert (0, 2) not in worker.records("begin"), "a later record passed the failed one"
    again = bed.worker("run", "least", topic, group, *FAST)
    again.wait(r"begin \S+ 0 1 ", timeout=20)
    again.kill()


@row("trap-12", bed="clients", bugs=["poison-forever"])
def poison(bed, rng):
    topic, group = names(bed, rng)
    make_topic(bed.bootstrap, f"{topic}.dlq")
    produce(bed.bootstrap, topic, ["fine", "reject", "retry:9999", "fine"])
    worker = bed.worker("run", "least", topic, group, "retries=2", "retry_first_ms=10", *FAST)
    worker.wait(r"end \S+ 0 3 ", timeout=15)
    assert worker.process.poll() is None and worker.stop() == 0
    letters = read_all(bed.bootstrap, f"{topic}.dlq", 2)
    assert [letter.value() for letter in letters] == [b"reject", b"retry:9999"], f"dead letters: {letters}"
    assert len(worker.records("begin")) == 6, f"tries: {worker.records('begin')}"
    again = bed.worker("run", "least", topic, group, *FAST)
    produce(bed.bootstrap, topic, ["fine"])
    again.wait(r"end \S+ 0 4 ", timeout=20)
    assert again.stop() == 0
    assert again.records("begin") == [(0, 4)], f"after a restart the poison is back: {again.records('begin')}"


# ── handlers ──────────────────────────────────────────────────────────────────────────────────────

def handled(bed, rng, values):
    """A group handler over messages that each have a context of their own."""
    topic, contexts = bed.topic(rng), [traceparent(rng) for _ in values]
    for value, context in zip(values, contexts):
        produce(bed.bootstrap, topic, [value], headers=[("traceparent", context.encode())])
    worker = bed.worker("group", topic, f"{topic}-group")
    worker.wait(rf"end \S+ 0 {len(values) - 1} ", timeout=20)
    assert worker.stop() == 0
    spans = {attributes_of(span)["messaging.kafka.offset"]: span for span in bed.spans(f"process {topic}")}
    return worker, contexts, spans


@row("trap-07", bed="clients", bugs=["swallows-first"])
def first_message(bed, rng):
    worker, contexts, spans = handled(bed, rng, ["fine"] * rng.randrange(2, 6))
    assert worker.records("begin") == [(0, offset) for offset in range(len(contexts))], f"the handler saw {worker.records('begin')}"
    assert sorted(spans) == list(range(len(contexts))), f"process spans of {sorted(spans)}"


@row("trap-08", bed="clients", bugs=["span-ends-late"])
def span_ends(bed, rng):
    slow = rng.randrange(150, 300)
    _, _, spans = handled(bed, rng, ["fine", f"sleep:{slow}", "fine", "fine"])
    took = {offset: (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6 for offset, span in spans.items()}
    assert all(took[offset] < 100 for offset in (0, 2, 3)), f"milliseconds of quick handlers' spans: {took}"
    assert slow - 5 <= took[1] < slow + 150, f"the span of a handler of {slow} ms took {took[1]:.0f} ms"


@row("trap-09", bed="clients", bugs=["context-of-another", "wrong-parent"])
def context_accessor(bed, rng):
    worker, contexts, spans = handled(bed, rng, ["fine"] * 5)
    found = [(m[1], m[2]) for m in worker.find(r"active (\d) (\S+)")]
    assert found == [("1", context) for context in contexts], f"the handler saw the contexts {found}"
    for offset, context in enumerate(contexts):
        assert spans[offset]["parent_span_id"] == context.split("-")[2], f"message {offset} is not below its sender"


@row("trap-13", bed="clients", bugs=["deaf-when-idle"])
def idle_stop(bed, rng):
    for semantics in ("least", "most"):
        topic, group = names(bed, rng)
        worker = bed.worker("run", semantics, topic, group, *FAST)
        produce(bed.bootstrap, topic, ["fine"])
        worker.wait(r"end ", timeout=20)
        time.sleep(1)
        worker.process.terminate()
        try:
            assert worker.join(8) == 0
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{semantics}: SIGTERM is ignored while idle") from None
        assert committed(bed.bootstrap, group, topic)[0] == 1


# ── what is told ──────────────────────────────────────────────────────────────────────────────────

@row("trap-11", bed="clients", bugs=["health-lies"])
def health(bed, rng):
    port, topic = free_port(), f"h{rng.randrange(16**8):08x}"

    def ask():
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(f"http://127.0.0.1:{port}/health", timeout=5)
            return answer.status_code, answer.text

    with mock_of(bed) as mock:
        produce(mock.bootstrap, topic, ["fine"])
        worker = bed.worker("run", "least", topic, f"{topic}-group", *FAST, kafka=mock.bootstrap, WEIR_METRICS_PORT=str(port),
                            OTEL_SERVICE_NAME=topic)
        worker.wait(r"end ", timeout=20)
        wait_until(lambda: (ask() or (0,))[0] == 200, 10, 0.2, "healthy")
        gauge = f'weir_kafka_broker_connected{{service_name="{topic}"}}'
        wait_until(lambda: set(bed.weir.promql(gauge).values()) == {1}, 10, 0.3, "the gauge says connected")
    try:  # the broker is gone now
        status, text = wait_until(lambda: (lambda answer: answer if answer and answer[0] == 503 else None)(ask()), 12, 0.3,
                                  "the health page says that the broker is gone")
        assert "kafka.broker" in text and "fail" in text, text
        wait_until(lambda: 0 in bed.weir.promql(gauge).values(), 10, 0.3, "the gauge says so too")
    finally:
        worker.kill()


@row("trap-19", bed="clients", bugs=["idle-is-down"])
def idle_is_connected(bed, rng):
    topic, group = names(bed, rng)
    service, sender = f"idle-{topic}", f"idle-sender-{topic}"
    impatient = bed.path / "idle.properties"
    impatient.write_text("connections.max.idle.ms=3000\n")
    worker = bed.worker("run", "least", topic, group, "connections.max.idle.ms=3000", *FAST, OTEL_SERVICE_NAME=service)
    worker.wait(r"running", timeout=10)
    bed.client("idle", topic, "12", KAFKA_PROPERTIES=str(impatient), OTEL_SERVICE_NAME=sender)
    assert worker.stop() == 0
    for name in (service, sender):
        gauge = f'weir_kafka_broker_connected{{service_name="{name}"}}'
        seen = bed.weir.promql_sum(f"count_over_time({gauge}[1m])")
        assert seen >= 4, f"{name}: {seen} values of the gauge in 12 s"
        lowest = bed.weir.promql(f"min_over_time({gauge}[1m])")
        assert set(lowest.values()) == {1.0}, f"{name}, idle for 12 s, is told as {sorted(lowest.values())}"


@row("trap-15", bed="clients", bugs=["wrong-page"])
def documented_names(bed, rng):
    sys.path.insert(0, str(workshop.ROOT / "tests/integration"))
    test_docs = importlib.import_module("test_docs")
    root = workshop.ROOT
    if bed.bug == "wrong-page":
        root = bed.path / "pages"
        (root / "docs").mkdir(parents=True, exist_ok=True)
        for name in (*test_docs.PAGES, "server-metrics.md"):
            page = (workshop.ROOT / "docs" / name).read_text()
            (root / "docs" / name).write_text(page.replace("| `weir.kafka.commits` |", "| `weir.kafka.commit.count` |"))
    test_docs.ROOT = root
    try:
        test_docs.test_client_metrics()
        test_docs.test_environment()
        test_docs.test_server_metrics(bed.weir)
    finally:
        test_docs.ROOT = workshop.ROOT


# ── sampling ──────────────────────────────────────────────────────────────────────────────────────

def sampled_run(bed, rng):
    """60 messages of a sender that samples about half, a consumer with a ratio of its own: the ledger of the decisions."""
    topic, group = names(bed, rng, 3)
    sender = bed.worker("send", "sync", topic, 60, OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
    assert sender.join() == 0
    worker = bed.worker("run", "least", topic, group, *FAST, OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0.3")
    worker.wait(r"end ", 60, timeout=20)
    time.sleep(0.3)
    assert worker.stop() == 0
    decisions = {}
    for message in read_all(bed.bootstrap, topic, 60):
        _, trace_id, span_id, flags = dict(message.headers())["traceparent"].decode().split("-")
        decisions[message.partition(), message.offset()] = (span_id, bool(int(flags, 16) & 1))
    assert 5 < sum(sampled for _, sampled in decisions.values()) < 55
    return topic, decisions


@row("trap-17", bed="clients", bugs=["own-decision"])
def decision_travels(bed, rng):
    topic, decisions = sampled_run(bed, rng)
    found = {(int(attributes_of(span)["messaging.destination.partition.id"]), attributes_of(span)["messaging.kafka.offset"]): span
             for span in bed.spans(f"process {topic}")}
    sampled = {key for key, (_, is_sampled) in decisions.items() if is_sampled}
    assert set(found) == sampled, f"process spans of {len(set(found) - sampled)} unsampled messages, none of {len(sampled - set(found))} sampled ones"
    for key in sampled:
        assert found[key]["parent_span_id"] == decisions[key][0]


@row("trap-18", bed="clients", bugs=["own-decision", "no-poll", "no-send"])
def links_dangle(bed, rng):
    topic, decisions = sampled_run(bed, rng)
    unsampled = {span_id for span_id, is_sampled in decisions.values() if not is_sampled}
    spans = [span for kind in ("send", "process", "poll", "commit") for span in bed.spans(f"{kind} {topic}")]
    known = {span["span_id"] for span in spans}
    links = [(span, link) for span in spans for link in span["links"] if span["name"].startswith("process") or link["span_id"] not in unsampled]
    assert len(links) > 20, f"only {len(links)} links"
    dangling = [span["name"].split(" ")[0] for span, link in links if link["span_id"] not in known]
    assert not dangling, f"{len(dangling)} of {len(links)} links, of {set(dangling)} spans, point at spans that were not kept"


@row("trap-20", bed="clients", bugs=["never-updated", "frozen-metrics", "no-consumer-group"])
def flow_map_has_its_data(bed, rng):
    """Nothing is sampled; the overview's own queries still have every edge of the map."""
    topic, group = names(bed, rng, 3)
    service, count = f"shop-{topic}", rng.randrange(20, 60)
    off = {"OTEL_TRACES_SAMPLER": "always_off", "OTEL_METRIC_EXPORT_INTERVAL": "300"}
    worker = bed.worker("run", "least", topic, group, *FAST, OTEL_SERVICE_NAME=f"{service}-processor", **off)
    worker.wait(r"running", timeout=10)
    sender = bed.worker("send", "batch", topic, count, OTEL_SERVICE_NAME=service, **off)
    assert sender.join() == 0
    worker.wait(r"end ", count, timeout=20)
    time.sleep(2.5)  # statistics come every 2 s: the lag
    assert worker.stop() == 0
    assert not bed.search(f'{{ .messaging.destination.name = "{topic}" }}'), "it was sampled"
    page = (workshop.ROOT / "ui/src/pages/overview/queries.ts").read_text()
    names_asked = set(re.findall(r"(?:messaging|weir)_[a-z_]+_(?:total|lag)\b", page))
    assert len(names_asked) >= 5, names_asked
    at = f'messaging_destination_name="{topic}"'
    edge = f'{at},messaging_consumer_group_name="{group}"'
    for query, expected in ((f'messaging_client_sent_messages_total{{{at},service_name="{service}"}}', count),
                            (f'messaging_client_consumed_messages_total{{{edge},service_name="{service}-processor"}}', count),
                            (f"messaging_process_duration_seconds_count{{{edge}}}", count),
                            (f"weir_runner_received_total{{{edge}}}", count),
                            (f'weir_runner_lost{{{edge},bound="min"}}', 0)):
        found = bed.weir.promql(query)
        assert found and sum(found.values()) == expected, f"{query} gives {sum(found.values()) if found else 'nothing'}, not {expected}"
    assert bed.weir.promql(f"weir_kafka_consumer_lag{{{edge}}}"), "no lag"
    for name in names_asked:
        assert bed.weir.promql(f"last_over_time({name}[10m])"), f"the page asks for {name}, which nobody sends"


# What no ordinary cluster brings about, and where else it is looked at.
ELSEWHERE = {
    "weir.kafka.broker.throttle": "a broker's quota",
    "weir.kafka.consumers.unobserved": "a share consumer; tests/unit/kafka/receive_test.c",
    "weir.kafka.sends.unobserved": "a message at the limit of its size; tests/unit/kafka/send_test.c",
}


@row("trap-10", bed="clients", bugs=["never-updated", "frozen-counters"])
def every_metric_moves(bed, rng):
    """Whatever docs/telemetry.md promises is seen to move, faults included."""
    provoke_everything(bed, rng)
    page = (workshop.ROOT / "docs/telemetry.md").read_text()
    promised = re.findall(r"^\| `([a-z_.]+)` \| (\S+) \|", page, re.M)
    assert len(promised) > 35
    still = []
    for name, unit in promised:
        base = name.replace(".", "_")
        if name not in ELSEWHERE and not moved(bed, base):
            still.append(name)
    assert not still, f"{len(still)} documented metrics never moved: {', '.join(still)}"


def moved(bed, base):
    names = bed.weir.get("/api/v1/label/__name__/values")["data"]
    mine = [name for name in names if re.fullmatch(base + r"(_seconds|_bytes|_ratio)?(_total|_count)?", name)]
    return any(value > 0 for name in mine for value in bed.weir.promql(f"max_over_time({name}[10m])").values())


def provoke_everything(bed, rng):
    quick = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "OTEL_BSP_SCHEDULE_DELAY": "2000", "OTEL_BLRP_SCHEDULE_DELAY": "2000"}
    bed.relay.refuse.update({"/v1/logs": 1, "/v1/metrics": 1})
    bed.client("provoke", WEIR_LOG_FILE="/dev/full", **quick)
    topic, group = names(bed, rng)
    make_topic(bed.bootstrap, f"{topic}.dlq")
    sender = bed.worker("send", "async", topic, 5, **quick)
    assert sender.join() == 0
    produce(bed.bootstrap, topic, ["reject", "retry:1", "skip", "sleep:4500", "fine", "sleep:3000"] + ["fine"] * 5)
    bed.relay.refuse["/v1/traces"] = 3
    worker = bed.worker("run", "least", topic, group, "drain_ms=300", "retry_first_ms=10", *FAST, **quick)
    worker.wait(r"begin \S+ 0 10 ", timeout=25)
    worker.stop()
    lost_topic, lost_group = names(bed, rng)
    produce(bed.bootstrap, lost_topic, ["reject"] * 3)
    loser = bed.worker("run", "most", lost_topic, lost_group, *FAST, **quick)
    loser.wait(r"end \S+ 0 2 ", timeout=20)
    time.sleep(0.5)
    assert loser.stop() == 0
    redelivered(bed, rng, quick)
    told(bed, rng, quick)
    patient = bed.path / "short.properties"
    patient.write_text("message.timeout.ms=5000\n")
    stuck = bed.worker("send", "async", topic, 5, kafka="127.0.0.1:1", KAFKA_PROPERTIES=str(patient), **quick)
    stuck.join()


def told(bed, rng, quick):
    """Messages that carry when their story began, to a consumer of librdkafka's own."""
    topic, group = names(bed, rng)
    assert bed.worker("raw-send", topic, 3, WEIR_KAFKA_ORIGIN="true", **quick).join() == 0
    assert bed.worker("raw-poll", topic, group, 3, "poll", WEIR_KAFKA_ORIGIN="true", **quick).join() == 0


def redelivered(bed, rng, quick):
    """A runner that is frozen for longer than its session gets records again that it had done and not committed."""
    topic, group = names(bed, rng)
    produce(bed.bootstrap, topic, ["fine"] * 5)
    frozen = bed.worker("run", "least", topic, group, "session.timeout.ms=2000", "heartbeat.interval.ms=300", "commit_interval_ms=60000", **quick)
    frozen.wait(r"end \S+ 0 4 ", timeout=20)
    frozen.process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    frozen.process.send_signal(signal.SIGCONT)
    frozen.wait(r"end \S+ 0 4 ", 2, timeout=20)
    time.sleep(0.5)
    assert frozen.stop() == 0
