# SPDX-License-Identifier: Apache-2.0
"""A Python producer against a real Kafka: with librdkafka's plugin `weir`, and with OpenTelemetry's own instrumentation for
confluent-kafka, in turns, both exporting to one counting receiver. A run that loses more than a thousandth of its spans counts for
nothing and is told."""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import common
from weir_server import free_port

PAIRS = int(os.environ.get("WEIR_BENCH_PAIRS", "5"))
SIZE = 100
MESSAGES = {"raw": 1_000_000, "plugin": 1_000_000, "instrumented": 40_000}
SAMPLERS = {"100": {"OTEL_TRACES_SAMPLER": "parentbased_always_on"},
            "1": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}}
TARGETS = {"100": 30, "1": 10}
LOST_MAX = 0.001
# One queue for both that holds what a busy machine keeps waiting; both libraries' own default (2,048) is made for less.
QUEUE = {"OTEL_BSP_MAX_QUEUE_SIZE": "262144", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8192", "OTEL_BSP_SCHEDULE_DELAY": "200",
         "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "WEIR_EXIT_TIMEOUT": "30000"}


class Sink:
    """The receiver of one run."""

    def __enter__(self):
        self.process = subprocess.Popen([common.BUILD / "bench" / "sink"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.terminate()
        _, self.spans = map(int, self.process.communicate()[0].split())


def run(mode, brokers, sampling):
    """Messages a second, microseconds of CPU a message, spans that arrived for each message."""
    plugin = pathlib.Path(common.BUILD / "src/plugin/libweir-kafka.so").resolve()
    with Sink() as sink:
        env = dict(os.environ, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{sink.port}", **QUEUE, **SAMPLERS[sampling])
        command = [sys.executable, str(common.ROOT / "bench/peers/producer.py"), mode, brokers,
                   f"python-{mode}-{sampling}", str(MESSAGES[mode]), str(SIZE), str(plugin)]
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "weir:" not in done.stderr, done.stderr
    rate, cpu = map(float, done.stdout.split())
    return rate, cpu, sink.spans / MESSAGES[mode]


def compare(brokers, sampling):
    expected = 1 if sampling == "100" else 0.01
    found = {mode: [] for mode in MESSAGES}
    for pair in range(PAIRS):
        for mode in (list(MESSAGES) if pair % 2 == 0 else reversed(MESSAGES)):
            rate, cpu, spans = run(mode, brokers, sampling)
            # at one per cent chance decides: within five standard deviations
            slack = LOST_MAX if sampling == "100" else 5 * (0.0099 / MESSAGES[mode]) ** 0.5
            if mode != "raw" and spans < expected - slack:
                print(f"void: {mode} at {sampling} %: {spans:.4f} spans a message arrived, expected {expected}", flush=True)
                continue
            found[mode].append((rate, cpu))
    if not all(found.values()):
        common.row(f"python.produce.{sampling}", None, "messages/s, every run lost spans")
        return
    rates = {mode: statistics.median(rate for rate, _ in runs) for mode, runs in found.items()}
    cpus = {mode: statistics.median(cpu for _, cpu in runs) for mode, runs in found.items()}
    pairs = sorted(a[0] / b[0] for a, b in zip(found["plugin"], found["instrumented"]))
    ratio, target = statistics.median(pairs), TARGETS[sampling]
    common.row(f"python.produce.{sampling}", rates["plugin"], f"messages/s, control: its instrumentation, ratio {pairs[0]:.1f} to {pairs[-1]:.1f}",
               rates["instrumented"], ratio, f">= {target}", "yes" if ratio >= target else "no")
    common.row(f"python.produce.{sampling}.cpu", cpus["plugin"], f"us CPU a message, raw {cpus['raw']:.2f}", cpus["instrumented"],
               cpus["instrumented"] / cpus["plugin"])
    common.row(f"python.produce.{sampling}.raw", rates["plugin"], "messages/s, control: without tracing", rates["raw"], rates["plugin"] / rates["raw"])


def main():
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        kafka = [str(common.ROOT / "tools/kafka")]
        up = subprocess.run([*kafka, "up", "--dir", folder + "/kafka", "--port", str(free_port(120))], capture_output=True, text=True, check=True)
        brokers = up.stdout.split()[-1]
        try:
            run("raw", brokers, "1")
            for sampling in SAMPLERS:
                compare(brokers, sampling)
        finally:
            subprocess.run([*kafka, "down", "--dir", folder + "/kafka"], check=False)


if __name__ == "__main__":
    main()
