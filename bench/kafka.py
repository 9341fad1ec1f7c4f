# SPDX-License-Identifier: Apache-2.0
"""Produce and consume against a real Kafka: raw librdkafka and instrumented, off, 1 % and 100 % sampled, in pairs."""
import os
import pathlib
import statistics
import subprocess
import tempfile

import common
from weir_server import free_port

MESSAGES, SIZE = 500_000, 100
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
    """Raw, ours, ours, raw …: both as (messages/s, CPU), one entry a pair."""
    raw, ours = [], []
    for i in range(PAIRS):
        for mine in (False, True) if i % 2 == 0 else (True, False):
            if mine:
                ours.append(client(what, brokers, topic, port, **env))
            else:
                raw.append(client(what, brokers, topic))
    return raw, ours


def rows(what, raw, ours, unit):
    """Throughput and CPU: medians, and the median of the ratio within each pair with its spread."""
    for column, name, unit in ((0, what, f"messages/s, {unit}"), (1, f"{what}.cpu", "us CPU a message")):
        a, b = [r[column] for r in raw], [o[column] for o in ours]
        ratios = sorted(y / x for x, y in zip(a, b))
        common.row(name, statistics.median(b), f"{unit}, ratio {ratios[0]:.2f} to {ratios[-1]:.2f}", statistics.median(a), statistics.median(ratios))


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
                rows(f"produce.{name}", *pairs("produce", brokers, f"produce-{name}", port, env), f"{SIZE} B, {PAIRS} pairs")
            client("produce", brokers, "consume-headers", port, **MODES["100"])
            client("consume", brokers, "consume-headers")
            for name, env in MODES.items():
                rows(f"consume.{name}", *pairs("consume", brokers, "consume-headers", port, env), f"{SIZE} B with traceparent, {PAIRS} pairs")
        finally:
            sink.terminate()
            sink.wait()
            subprocess.run([*kafka, "down", "--dir", folder + "/kafka"], check=False)


if __name__ == "__main__":
    main()
