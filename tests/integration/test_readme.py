# SPDX-License-Identifier: Apache-2.0
"""The README's own programs, compiled from its text and run: what it shows is what works."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
from confluent_kafka import Consumer, Producer

from otlp_json import spans_of
from weir_server import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = re.findall(r"```c\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """libweir as `make install` leaves it, in a folder of its own."""
    stage = tmp_path_factory.mktemp("stage")
    subprocess.run(["tools/build", "release"], cwd=ROOT, check=True)
    subprocess.run(["meson", "install", "-C", "build/release", "--quiet", "--no-rebuild"], cwd=ROOT, check=True, env=dict(os.environ, DESTDIR=str(stage)))
    (pc,) = stage.rglob("libweir.pc")
    return stage, pc.parent


def compile_program(installed, text, path):
    stage, pc = installed
    environment = dict(os.environ, PKG_CONFIG_PATH=str(pc), PKG_CONFIG_SYSROOT_DIR=str(stage))
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libweir"], env=environment, capture_output=True, text=True, check=True).stdout.split()
    rdkafka = os.environ.get("WEIR_RDKAFKA_ROOT")
    rdkafka_flags = [f"-L{rdkafka}/lib", f"-Wl,-rpath,{rdkafka}/lib", "-lrdkafka"] if rdkafka else ["-lrdkafka"]
    source = path.with_suffix(".c")
    source.write_text(text)
    library = next(stage.rglob("libweir.so")).parent
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", str(source), *flags, *rdkafka_flags, f"-Wl,-rpath,{library}", "-o", str(path)], check=True)
    return path


def environment_for(weir, kafka, service):
    return dict(os.environ, KAFKA_BROKERS=kafka, OTEL_SERVICE_NAME=service, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{weir.http}",
                OTEL_METRIC_EXPORT_INTERVAL="500", OTEL_BSP_SCHEDULE_DELAY="100")


def test_there_are_two_programs_and_the_first_is_short():
    assert len(PROGRAMS) == 2
    lines = [line for line in PROGRAMS[0].splitlines() if line.strip() and line.strip() not in "{}"]
    ours = [line for line in lines if re.search(r"\bweir_[a-z_]+\(", line)]
    assert len(lines) <= 10 and len(ours) <= 5


def test_the_producer(installed, weir_module, own_kafka, tmp_path):
    program = compile_program(installed, PROGRAMS[0], tmp_path / "producer")
    done = subprocess.run([program], env=environment_for(weir_module, own_kafka, "readme-producer"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout and not done.stderr
    consumer = Consumer({"bootstrap.servers": own_kafka, "group.id": "readme", "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    message = wait_until(lambda: consumer.poll(1), 30, what="the message")
    consumer.close()
    assert message.value() == b"hello"
    headers = dict(message.headers())
    version, trace_id, span_id, flags = headers["traceparent"].decode().split("-")
    spans = wait_until(lambda: spans_of(weir_module.trace(trace_id)), what="its trace")
    assert [span["name"] for span in spans] == ["send orders"] and spans[0]["span_id"] == span_id


def test_the_processor(installed, weir_module, own_kafka, tmp_path):
    program = compile_program(installed, PROGRAMS[1], tmp_path / "processor")
    producer = Producer({"bootstrap.servers": own_kafka})
    for i in range(20):
        producer.produce("orders", f"order {i}".encode() if i % 5 else b"")
    producer.flush(30)
    process = subprocess.Popen([program], env=environment_for(weir_module, own_kafka, "readme-processor"))
    try:
        wait_until(lambda: weir_module.promql_sum('weir_runner_processed_total{service_name="readme-processor",outcome="ok"}') >= 16, 40, what="processed")
        wait_until(lambda: weir_module.promql_sum('weir_runner_processed_total{service_name="readme-processor",outcome="dead_lettered"}') == 4, what="dead letters")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
    dead = Consumer({"bootstrap.servers": own_kafka, "group.id": "readme-dlq", "auto.offset.reset": "earliest"})
    dead.subscribe(["orders.dlq"])
    found = wait_until(lambda: (lambda m: m if len(m) == 4 else None)(dead.consume(4, 5)), 30, what="the dead letters")
    dead.close()
    assert all(message.value() in (b"", None) for message in found)


def test_every_command_of_the_table_exists():
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.M), target
    for path in re.findall(r"\]\(([^)#h][^)]*)\)", text):
        assert (ROOT / path).exists(), path
    assert shutil.which("make")
