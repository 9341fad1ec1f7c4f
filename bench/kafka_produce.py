# SPDX-License-Identifier: Apache-2.0
"""Produce to a real Kafka, instrumented and not, in pairs; how long on_send takes; instructions of the hooks."""
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

import common
from weir_server import free_port

MESSAGES, SIZE = 500_000, 100
PAIRS = int(os.environ.get("WEIR_BENCH_PAIRS", "15"))
MODES = {"off": {"OTEL_SDK_DISABLED": "true"}, "1": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
         "100": {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}}


def run(what, brokers, topic, mode="raw", port=None, messages=MESSAGES, wrapper=(), **env):
    """The program's output: a line of figures, and with mode "time" more."""
    command = [*wrapper, common.BUILD / "bench" / "kafka_client", what, brokers, topic, messages, SIZE, mode]
    env = dict(os.environ, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", **env)
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True, env=env).stdout


def client(what, brokers, topic, mode="raw", port=None, **env):
    rate, cpu, *_ = run(what, brokers, topic, mode, port, **env).split()
    return float(rate), float(cpu)


def pairs(what, brokers, topic, port, env, control="raw", count=PAIRS):
    """Control, ours, ours, control …: both as (messages/s, CPU), one entry a pair."""
    theirs, ours = [], []
    for i in range(count):
        for mine in (False, True) if i % 2 == 0 else (True, False):
            if mine:
                ours.append(client(what, brokers, topic, "instrument", port, **env))
            else:
                theirs.append(client(what, brokers, topic, control, port))
    return theirs, ours


def rows(what, raw, ours, unit, target="-"):
    """Throughput and CPU: medians, and the median of the ratio within each pair with its spread."""
    for column, name, unit in ((0, what, f"messages/s, {unit}"), (1, f"{what}.cpu", "us CPU a message")):
        a, b = [r[column] for r in raw], [o[column] for o in ours]
        ratios = sorted(y / x for x, y in zip(a, b))
        held = "-" if target == "-" or column else "yes" if statistics.median(ratios) >= target else "no"
        common.row(name, statistics.median(b), f"{unit}, ratio {ratios[0]:.2f} to {ratios[-1]:.2f}", statistics.median(a), statistics.median(ratios),
                   "-" if column else str(target), held)


# 1 % of the spans, every message counted, headers only where there is a span
SAMPLED = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01", "WEIR_KAFKA_PROPAGATE": "sampled"}


def instructions(brokers, topic, port):
    """Instructions of both hooks for one message, as librdkafka calls them: ours over those of the control."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        for mode in ("control", "instrument"):
            out, messages = f"{folder}/{mode}", 100_000
            run("produce", brokers, topic, mode, port, messages, ("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"),
                WEIR_KAFKA_SLOW_MS="1000000", **SAMPLED)  # everything is slow under valgrind
            text = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", out], capture_output=True, text=True, check=True).stdout
            counts = dict((name, int(count.replace(",", ""))) for count, name in re.findall(r"([\d,]+) \([ \d.]+%\)\s+\S+:(\w+) \[", text))
            whole = int(re.search(r"([\d,]+) \(100.0%\)", text)[1].replace(",", ""))
            found[mode] = [sum(counts[name] for name in names) / messages for names in (
                ("rd_kafka_interceptors_on_send", "rd_kafka_interceptors_on_acknowledgement"),
                ("control_send", "control_ack") if mode == "control" else ("on_send", "on_acknowledgement"))] + [whole / messages]
    for i, (name, target) in enumerate((("as called", 1.5), ("hooks alone", "-"), ("whole client", "-"))):
        control, ours = found["control"][i], found["instrument"][i]
        held = "-" if target == "-" else "yes" if ours / control <= target else "no"
        common.row(f"produce.instructions.{name.split()[0]}", ours, f"instructions a message, {name}", control, ours / control, str(target), held)


def produce(brokers, port):
    rows("produce.sampled", *pairs("produce", brokers, "produce-1", port, SAMPLED), f"{SIZE} B, 1 % traced, all counted, {PAIRS} pairs with raw")
    rows("produce.headers", *pairs("produce", brokers, "produce-100", port, MODES["100"], "control-header"),
         f"{SIZE} B, all traced, {PAIRS} pairs with an application that adds the header", 0.95)
    rows("produce.100", *pairs("produce", brokers, "produce-raw", port, MODES["100"], count=5), f"{SIZE} B, all traced, 5 pairs with raw")
    for name, env in (("sampled", SAMPLED), ("100", MODES["100"])):
        times = dict(re.findall(r"on_send p(\S+) (\d+) ns", run("produce", brokers, "produce-time", "time", port, **env)))
        worst = int(times["99.9"])
        common.row(f"produce.on_send.{name}", worst, f"ns, p99.9; p50 {times['50']}, p99 {times['99']}", target="1000", held="yes" if worst <= 1000 else "no")
    if shutil.which("valgrind"):
        instructions(brokers, "produce-instructions", port)


def main():
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        kafka = [str(common.ROOT / "tools/kafka")]
        up = subprocess.run([*kafka, "up", "--dir", folder + "/kafka", "--port", str(free_port(120))], capture_output=True, text=True, check=True)
        brokers = up.stdout.split()[-1]
        sink = subprocess.Popen([common.BUILD / "bench" / "sink"], stdout=subprocess.PIPE, text=True)
        port = int(sink.stdout.readline())
        try:
            client("produce", brokers, "warm")
            produce(brokers, port)
        finally:
            sink.terminate()
            sink.wait()
            subprocess.run([*kafka, "down", "--dir", folder + "/kafka"], check=False)


if __name__ == "__main__":
    main()
