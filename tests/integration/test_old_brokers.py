# SPDX-License-Identifier: Apache-2.0
"""Brokers of earlier generations: contexts travel in the headers, spans have offsets, the runner runs. Topics are made by
the first send, since 2.8 names no controller to administer it; nor has 2.8 idempotent producers under KRaft."""
import subprocess

import pytest

from kafka_worker import Worker, read_all
from weir_server import free_port

VERSIONS = ["2.8.2", "3.5.2", "3.9.1"]


@pytest.fixture(scope="module", params=VERSIONS)
def old_kafka(request, tmp_path_factory):
    """A broker of that version: bootstrap servers, version."""
    tool = [str(request.config.rootpath / "tools/kafka")]
    folder = str(tmp_path_factory.mktemp("kafka"))
    up = subprocess.run([*tool, "up", "--version", request.param, "--dir", folder, "--port", str(free_port(span=120))],
                        capture_output=True, text=True)
    assert up.returncode == 0, up.stderr
    yield up.stdout.strip().splitlines()[-1], request.param
    subprocess.run([*tool, "down", "--dir", folder], capture_output=True)


@pytest.fixture
def worker_of(build_dir, old_kafka, tmp_path):
    """Makes a worker on that broker."""
    servers, version = old_kafka
    properties = tmp_path / "properties"
    properties.write_text("enable.idempotence=false\n" if version.startswith("2.") else "")
    return lambda *arguments: Worker(build_dir, servers, tmp_path, *arguments, KAFKA_PROPERTIES=str(properties))


def spans_of(worker):
    assert worker.join() == 0, "\n".join(worker.lines)
    return worker.spans()


@pytest.mark.slow
@pytest.mark.parametrize("send", [("send", "sync"), ("send", "batch"), ("raw-send",)], ids="-".join)
def test_each_hop_connects(old_kafka, worker_of, rng, send):
    topic, count = f"old-{rng.randrange(16**8):08x}", rng.randrange(3, 9)
    sent = {span["span_id"]: span for span in spans_of(worker_of(*send, topic, count, "app=kept"))}
    messages = read_all(old_kafka[0], topic, count)
    assert len(sent) == len(messages) == count
    for message in messages:
        headers = dict(message.headers())
        assert headers["app"] == b"kept" and [name for name, _ in message.headers()].count("traceparent") == 1
        span = sent[headers["traceparent"].decode().split("-")[2]]
        assert span["attributes"]["messaging.kafka.offset"] == message.offset() and span["status"] == "UNSET"
    received = spans_of(worker_of("raw-receive", topic, f"{topic}-raw", count))
    process = [span for span in received if span["kind"] == "CONSUMER"]
    assert {span["parent_span_id"] for span in process} == set(sent), "every message's processing is its sender's child"


@pytest.mark.slow
@pytest.mark.parametrize("semantics", ["least", "most"])
def test_runner(worker_of, rng, semantics):
    topic, count = f"old-{rng.randrange(16**8):08x}", rng.randrange(20, 60)
    spans_of(worker_of("send", "batch", topic, count))
    worker = worker_of("run", semantics, topic, f"{topic}-group")
    worker.wait(r"end ", count)
    assert worker.stop() == 0, "\n".join(worker.lines[-20:])
    spans = worker.spans()
    assert len([span for span in spans if span["span"] == f"process {topic}"]) == count
    assert any(span["span"] == f"commit {topic}" for span in spans)
