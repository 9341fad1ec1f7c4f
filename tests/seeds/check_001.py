# SPDX-License-Identifier: Apache-2.0
"""Instrumented producers and consumers: what a program with libweir sends, takes, and tells."""
import re
import subprocess

import workshop
from kafka_worker import produce, read_all
from otlp_json import attributes_of
from rows import row
from weir_server import wait_until

ERROR = (2, "STATUS_CODE_ERROR")
PRODUCER, CLIENT, CONSUMER = ((n, f"SPAN_KIND_{name}") for n, name in ((4, "PRODUCER"), (3, "CLIENT"), (5, "CONSUMER")))


def traceparent(rng, flags="01"):
    return f"00-{rng.randrange(1, 16**32):032x}-{rng.randrange(1, 16**16):016x}-{flags}"


def events_of(span, name):
    return [event for event in span.get("events", []) if event["name"] == name]


@row("001-send", bed="clients", bugs=["no-send", "no-errors", "no-destination", "no-partition"])
def send(bed, rng):
    for how in ("sync", "async", "batch"):
        topic, count = bed.topic(rng, 3), rng.randrange(5, 20)
        worker = bed.worker("send", how, topic, count, "app=kept")
        assert worker.join() == 0, f"{how}: {worker.lines[-1:]}"
        messages = read_all(bed.bootstrap, topic, count)
        ledger = {(message.partition(), message.offset()) for message in messages}
        told = {(int(m[1]), int(m[2])) for m in worker.find(r"sent 0 (\d+) (\d+)")}
        assert told == ledger and len(ledger) == count, f"{how}: told {sorted(told)}, in Kafka {sorted(ledger)}"
        spans = {span["span_id"]: span for span in bed.spans(f"send {topic}", count)}
        assert len(spans) == count, f"{how}: {len(spans)} spans for {count} messages"
        for message in messages:
            headers = message.headers()
            assert [name for name, _ in headers].count("traceparent") == 1 and dict(headers)["app"] == b"kept"
            span = spans[dict(headers)["traceparent"].decode().split("-")[2]]
            attributes = attributes_of(span)
            assert span["kind"] in PRODUCER and span["status"].get("code", 0) in (0, "STATUS_CODE_UNSET")
            assert attributes.get("messaging.destination.name") == topic, f"{how}: {attributes}"
            assert attributes.get("messaging.destination.partition.id") == str(message.partition()), f"{how}: {attributes}"
            assert attributes["messaging.kafka.offset"] == message.offset()
    refused_send(bed, rng)


def refused_send(bed, rng):
    """A broker that is not there: the caller is told, and the span has the error as event and status."""
    topic = f"nobody-{rng.randrange(16**8):08x}"
    impatient = bed.path / "impatient.properties"
    impatient.write_text("message.timeout.ms=1500\n")
    worker = bed.worker("send", "sync", topic, 1, kafka="127.0.0.1:1", KAFKA_PROPERTIES=str(impatient))
    assert worker.join() == 1
    (told,) = worker.find(r"sent (-\d+) -1 -1 (\S+)")
    (span,) = bed.spans(f"send {topic}")
    assert span["status"].get("code") in ERROR, f"a failed send has status {span['status']}"
    assert attributes_of(span)["error.type"] == told[2]
    (event,) = events_of(span, "exception")
    assert attributes_of(event)["exception.type"] == told[2]


@row("001-consume", bed="clients", bugs=["swallows-first", "span-ends-late", "context-of-another", "wrong-parent", "no-errors"])
def consume(bed, rng):
    topic, contexts = bed.topic(rng), [traceparent(rng) for _ in range(4)]
    for value, context in zip(("fine", "reject", "sleep:300", "fine"), contexts):
        produce(bed.bootstrap, topic, [value], headers=[("traceparent", context.encode())])
    worker = bed.worker("group", topic, f"{topic}-group")
    worker.wait(r"end \S+ 0 3 ", timeout=20)
    assert worker.stop() == 0
    assert worker.lines.index("setup") < worker.lines.index("cleanup"), "setup, then cleanup"
    assert worker.records("begin") == [(0, offset) for offset in range(4)], f"the handler saw {worker.records('begin')}"
    active = [(m[1], m[2]) for m in worker.find(r"active (\d) (\S+)")]
    assert active == [("1", context) for context in contexts], f"contexts of the handler's messages: {active}"
    spans = {attributes_of(span)["messaging.kafka.offset"]: span for span in bed.spans(f"process {topic}", 4)}
    for offset, context in enumerate(contexts):
        _, trace_id, span_id, _ = context.split("-")
        span = spans[offset]
        assert span["kind"] in CONSUMER
        assert (span["trace_id"], span["parent_span_id"]) == (trace_id, span_id), f"message {offset} is in another trace than its sender"
        failed = offset == 1
        assert (span["status"].get("code") in ERROR) == failed, f"message {offset} has status {span['status']}"
        assert len(events_of(span, "exception")) == failed
        took = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6
        assert (took >= 290) == (offset == 2), f"the span of message {offset} took {took:.0f} ms"


@row("001-context", bed="clients", bugs=["first-wins", "takes-malformed", "forgets-state", "samples-all"])
def context(bed, rng):
    one, other = traceparent(rng), traceparent(rng)
    unsampled = traceparent(rng, "00")
    # Duplicates: the last one counts, and after an injection there is exactly one.
    lines = bed.client("extract", f"traceparent={one}", f"traceparent={other}", "tracestate=vendor=x,other=y", "baggage=user=ann%20b,tier=1")
    for where in ("map", "kafka"):
        assert f"{where} context {other}" in lines, f"{where}: of two traceparents {[line for line in lines if 'context' in line]}"
        assert f"{where} state vendor=x,other=y" in lines
        assert f"{where} baggage user=ann b" in lines and f"{where} baggage tier=1" in lines, "baggage"
        assert [line for line in lines if line.startswith(f"{where} header traceparent")] == [f"{where} header traceparent={other}"]
        assert f"{where} header tracestate=vendor=x,other=y" in lines, f"{where}: tracestate is not injected again"
        assert any(line.startswith(f"{where} header baggage=") and "tier=1" in line for line in lines), "baggage is not injected again"
        (below,) = [line for line in lines if line.startswith(f"{where} below")]
        assert below.split("-")[1] == other.split("-")[1] and below.endswith("recording 1")
    # The sender's decision counts.
    lines = bed.client("extract", f"traceparent={unsampled}")
    for where in ("map", "kafka"):
        assert f"{where} header traceparent={unsampled}" in lines, f"{where}: an unsampled context comes out as {lines}"
        assert all("recording 0" in line for line in lines if line.startswith(f"{where} below"))
    malformed(bed, rng, one)


def malformed(bed, rng, good):
    """Each malformed traceparent is ignored and counted, whatever else is there."""
    parts = good.split("-")
    at = rng.randrange(32)
    spoiled = [good[:-1], good + "0", good.upper() if good.upper() != good else "", f"ff{good[2:]}", f"00-{'0' * 32}-{parts[2]}-01",
               f"00-{parts[1]}-{'0' * 16}-01", f"00-{parts[1][:at]}g{parts[1][at + 1:]}-{parts[2]}-01", good.replace("-", "_"), "x" * 8000]
    for bad in filter(None, spoiled):
        lines = bed.client("extract", f"traceparent={bad}", "tracestate=a=b")
        assert "map context none" in lines and "kafka context none" in lines, f"malformed {bad[:60]} was taken: {lines[0]}"
        assert "malformed 2" in lines, f"malformed {bad[:60]} was not counted: {lines[-1]}"
    later = f"cc{good[2:]}-what-a-later-version-adds"
    assert f"map context {good}" in bed.client("extract", f"traceparent={later}"), "a later version is read by what is known of it"
    lines = bed.client("extract", f"traceparent={good}", f"tracestate={'a' * 300}=b")
    assert f"map context {good}" in lines and not any("state a" in line for line in lines), "a malformed tracestate goes, the rest stays"


@row("001-lines", bed="clients", bugs=["no-send", "long-program", "program-without-send"])
def lines(bed, rng):
    text = (workshop.ROOT / "README.md").read_text()
    program = re.findall(r"```c\n(.*?)```", text, re.S)[0]
    if bed.bug == "long-program":
        program = program.replace("int main", "int weir_1;\nint weir_2;\nint main")
    if bed.bug == "program-without-send":
        program = re.sub(r"weir_producer_send\(", "(int)sizeof(", program)
    body = [line for line in program.splitlines() if line.strip() and line.strip() not in "{}"]
    ours = [line for line in body if "weir_" in line]
    assert len(body) <= 10 and len(ours) <= 5, f"{len(body)} lines, {len(ours)} of them ours"
    topic = bed.topic(rng)
    compiled = workshop.program(bed.build, f"readme-{topic}.c", bed.mutant, program.replace('"orders"', f'"{topic}"'))
    done = subprocess.run([compiled], env=bed.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout + done.stderr, f"it says: {done.stdout + done.stderr}"
    found = read_all(bed.bootstrap, topic, 1, timeout=10)
    assert [message.value() for message in found] == [b"hello"], f"in Kafka: {found}"
    (span,) = bed.spans(f"send {topic}")
    assert dict(found[0].headers())["traceparent"].decode().split("-")[2] == span["span_id"]


@row("002-links", bed="clients", bugs=["no-links", "wrong-ledger"])
def links(bed, rng):
    (header,) = [line.removeprefix("map header traceparent=") for line in bed.client("send") if "traceparent=" in line]
    _, trace_id, span_id, _ = header.split("-")
    if bed.bug == "wrong-ledger":
        span_id = f"{rng.randrange(16**16):016x}"
    told = [line.split()[1] for line in bed.client("link", f"traceparent={header}") if line.startswith("linked ")]
    (sender,) = [span for span in bed.spans("send by hand") if span["trace_id"] == trace_id]
    assert sender["span_id"] == span_id and sender["kind"] in PRODUCER, "the injected context is not the span's"
    (receiver,) = [span for span in bed.spans("receive by hand") if span["span_id"] == told[0].split("-")[2]]
    assert receiver["trace_id"] != trace_id and [(link["trace_id"], link["span_id"]) for link in receiver["links"]] == [(trace_id, span_id)], \
        f"links of the consumer's span: {receiver['links']}"


@row("002-custom", bed="clients", bugs=["frozen-metrics", "wrong-ledger"])
def custom(bed, rng):
    source = workshop.CLIENT.read_text()
    assert re.search(r"weir_instrument_add\([^;]*WEIR_STR\([^;]*\);\n", source), "one statement takes a measurement with its labels"
    counts = [rng.randrange(2, 1000) for _ in range(rng.randrange(3, 9))]
    service = f"shop-{rng.randrange(16**8):08x}"
    bed.client("custom", *map(str, counts), OTEL_SERVICE_NAME=service)
    if bed.bug == "wrong-ledger":
        counts[0] += 1
    def seen():
        return bed.weir.promql(f'sum by (region, shelf) (shop_orders_total{{service_name="{service}"}})')
    expected = {frozenset({("region", "eu" if i % 2 else "us"), ("shelf", str(i))}): float(n) for i, n in enumerate(counts)}
    found = wait_until(seen, 10, 0.3, "the metric")
    assert found == expected, f"{found} instead of {expected}"
    assert bed.weir.promql_sum(f'shop_orders_total{{service_name="{service}",region="us"}}') == sum(counts[::2])
