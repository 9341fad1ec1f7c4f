# SPDX-License-Identifier: Apache-2.0
"""How far instrumentation reaches: brokers of earlier generations."""
import contextlib
import subprocess

from bed import ROOT
from kafka_worker import read_all
from otlp_json import attributes_of
from rows import row
from weir_server import free_port

GENERATIONS = ["2.8.2", "3.5.2", "4.3.0"]


@contextlib.contextmanager
def broker(bed, version):
    """Bootstrap servers of a broker of that version."""
    tool, folder = ROOT / "tools/kafka", bed.path / f"kafka-{version}"
    up = subprocess.run([tool, "up", "--version", version, "--dir", folder, "--port", str(free_port(120))], capture_output=True, text=True)
    assert up.returncode == 0, f"Kafka {version} does not start: {up.stderr[-300:]}"
    try:
        yield up.stdout.strip().splitlines()[-1]
    finally:
        subprocess.run([tool, "down", "--dir", folder], capture_output=True)


@row("001-old", bed="clients", bugs=["no-send", "no-links", "wrong-parent", "no-partition"])
def old(bed, rng):
    for version in GENERATIONS:
        with broker(bed, version) as servers:
            exchange(bed, rng, version, servers)


def exchange(bed, rng, version, servers):
    """What one program sends another receives, as one trace for each message, with offsets as the broker gave them."""
    topic, count = f"old-{rng.randrange(16**8):08x}", rng.randrange(5, 12)
    properties = bed.path / f"{version}.properties"
    # Kafka 2.8 under KRaft has no idempotent producers yet.
    properties.write_text("enable.idempotence=false\n" if version.startswith("2.") else "")
    more = {"kafka": servers, "KAFKA_PROPERTIES": str(properties)}
    assert bed.worker("send", "sync", topic, count, "app=kept", **more).join() == 0, f"{version}: cannot send"
    assert bed.worker("raw-receive", topic, f"{topic}-group", count, **more).join() == 0, f"{version}: cannot receive"
    sent = {span["span_id"]: span for span in bed.spans(f"send {topic}", count)}
    told = {(attributes_of(span)["messaging.destination.partition.id"], attributes_of(span)["messaging.kafka.offset"]) for span in sent.values()}
    ledger = {(str(message.partition()), message.offset()) for message in read_all(servers, topic, count)}
    assert told == ledger and len(ledger) == count, f"{version}: spans tell {sorted(told)}, the broker {sorted(ledger)}"
    for span in bed.spans(f"process {topic}", count):
        sender = sent.get(span.get("parent_span_id"))
        assert sender and sender["trace_id"] == span["trace_id"], f"{version}: a processing that hangs on no sending"
        assert any(link["span_id"] == sender["span_id"] for link in span.get("links", [])), f"{version}: no link to the message"
