# SPDX-License-Identifier: Apache-2.0
"""Consume from a real Kafka: raw librdkafka and instrumented, in pairs: metrics alone, spans, and a poll span that links a batch."""
import os
import statistics
import subprocess
import tempfile

import common
from weir_server import free_port

MESSAGES, SIZE = 500_000, 100
PAIRS = int(os.environ.get("WEIR_BENCH_PAIRS", "15"))
# name: what, mode of ours, environment, least ratio
ROWS = {
    "consume.metrics": ("consume", "instrument", {"WEIR_KAFKA_SPANS": "false"}, 0.97),
    "consume.unsampled": ("consume", "instrument", {"OTEL_TRACES_SAMPLER": "always_off"}, None),
    "consume.100": ("consume", "instrument", {}, None),
    "consume.batch.metrics": ("consume-batch", "instrument", {"WEIR_KAFKA_SPANS": "false"}, 0.97),
    "consume.batch.linked": ("consume-batch", "wrapper", {}, 0.80),
}


def client(what, brokers, topic, mode="raw", port=None, **env):
    command = [common.BUILD / "bench" / "kafka_client", what, brokers, topic, str(MESSAGES), str(SIZE), mode]
    env = dict(os.environ, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", **env)
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True, env=env)
    rate, cpu = done.stdout.split()[:2]
    return float(rate), float(cpu)


def measure(name, brokers, port):
    what, mode, env, least = ROWS[name]
    raw, ours = [], []
    for i in range(PAIRS):
        for mine in (False, True) if i % 2 == 0 else (True, False):
            if mine:
                ours.append(client(what, brokers, "consumed", mode, port, **env))
            else:
                raw.append(client(what, brokers, "consumed"))
    for column, row, unit in ((0, name, f"messages/s, {SIZE} B with traceparent, {PAIRS} pairs"), (1, f"{name}.cpu", "us CPU a message")):
        ratios = sorted(y[column] / x[column] for x, y in zip(raw, ours))
        ratio, is_rate = statistics.median(ratios), column == 0
        target, held = (f">= {least}", "yes" if ratio >= least else "no") if least and is_rate else ("-", "-")
        common.row(row, statistics.median(o[column] for o in ours), f"{unit}, ratio {ratios[0]:.2f} to {ratios[-1]:.2f}",
                   statistics.median(r[column] for r in raw), ratio, target, held)


def main():
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        kafka = [str(common.ROOT / "tools/kafka")]
        up = subprocess.run([*kafka, "up", "--dir", folder + "/kafka", "--port", str(free_port(120))], capture_output=True, text=True, check=True)
        brokers = up.stdout.split()[-1]
        sink = subprocess.Popen([common.BUILD / "bench" / "sink"], stdout=subprocess.PIPE, text=True)
        port = int(sink.stdout.readline())
        try:
            client("produce", brokers, "consumed", "control-header")
            client("consume", brokers, "consumed")
            for name in ROWS:
                measure(name, brokers, port)
        finally:
            sink.terminate()
            sink.wait()
            subprocess.run([*kafka, "down", "--dir", folder + "/kafka"], check=False)


if __name__ == "__main__":
    main()
