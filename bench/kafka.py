# SPDX-License-Identifier: Apache-2.0
"""Produce and consume against a real Kafka: raw librdkafka and instrumented, off, 1 % and 100 % sampled, in pairs."""
import os
import pathlib
import statistics
import subprocess
import tempfile

import common
from weir_server import free_port

MESSAGES, SIZE = 300_000, 100
PAIRS = int(os.environ.get("WEIR_BENCH_PAIRS", "7"))
MODES = {"off": {"OTEL_SDK_DISABLED": "true"}, "1": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
         "100": {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}}


def client(what, brokers, topic, port=None, **env):
    command = [common.BUILD / "bench" / "kafka_client", what, brokers, topic, str(MESSAGES), str(SIZE)]
    if port:
        command.append("instrument")
        env = dict(os.environ, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", **env)
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True, env=env or None)
    rate, cpu = done.stdout.split()
    return float(rate), float(cpu)


def pairs(what, brokers, topic, port, env):
    """Raw, ours, raw, ours …: medians of both, and of the ratio within each pair."""
    raw, ours = [], []
    for _ in range(PAIRS):
        raw.append(client(what, brokers, topic))
        ours.append(client(what, brokers, topic, port, **env))
    ratio = statistics.median(o[0] / r[0] for r, o in zip(raw, ours))
    cpu = statistics.median(o[1] for o in ours), statistics.median(r[1] for r in raw)
    return statistics.median(o[0] for o in ours), statistics.median(r[0] for r in raw), ratio, cpu


def main():
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        kafka = [str(common.ROOT / "tools/kafka")]
        up = subprocess.run([*kafka, "up", "--dir", folder + "/kafka", "--port", str(free_port(120))], capture_output=True, text=True, check=True)
        brokers = up.stdout.split()[-1]
        sink = subprocess.Popen([common.BUILD / "bench" / "sink"], stdout=subprocess.PIPE, text=True)
        port = int(sink.stdout.readline())
        try:
            client("produce", brokers, "warm")
            for name, env in MODES.items():
                rate, raw, ratio, cpu = pairs("produce", brokers, f"produce-{name}", port, env)
                common.row(f"produce.{name}", rate, f"messages/s, {SIZE} B, {PAIRS} pairs", raw, ratio)
                common.row(f"produce.{name}.cpu", cpu[0], "us CPU a message", cpu[1], cpu[0] / cpu[1])
            client("produce", brokers, "consume-headers", port, **MODES["100"])
            for name, env in MODES.items():
                rate, raw, ratio, cpu = pairs("consume", brokers, "consume-headers", port, env)
                common.row(f"consume.{name}", rate, f"messages/s, {SIZE} B with traceparent, {PAIRS} pairs", raw, ratio)
                common.row(f"consume.{name}.cpu", cpu[0], "us CPU a message", cpu[1], cpu[0] / cpu[1])
        finally:
            sink.terminate()
            sink.wait()
            subprocess.run([*kafka, "down", "--dir", folder + "/kafka"], check=False)


if __name__ == "__main__":
    main()
