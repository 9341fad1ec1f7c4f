# SPDX-License-Identifier: Apache-2.0
"""libweir on the caller's thread: instructions (callgrind) and nanoseconds of a span, a measurement, and of nothing."""
import re
import subprocess

import common

PROGRAM = common.BUILD / "bench" / "span"
METRIC = common.BUILD / "bench" / "metric"


def instructions(*mode, program=PROGRAM, inside="main"):
    """Instructions of one operation: the difference of two lengths, so that start and end cancel out."""
    def total(count):
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--toggle-collect={inside}", str(program), *mode, str(count)],
                              capture_output=True, text=True, check=True, env={"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
        return int(re.search(r"Collected : (\d+)", done.stderr).group(1))

    return (total(3000) - total(1000)) / 2000


def spans():
    """A span beside its floor in the same program, in turns; what is switched off beside an empty call."""
    functions = {"span": "one_span", "floor": "one_floor", "unsampled": "one_start", "disabled": "calls_disabled", "enabled": "calls_enabled", "empty": "calls_empty"}
    done = subprocess.run([PROGRAM, "pairs", "1001"], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        mode, ns, control, control_ns = line.split()
        count, control_count = (instructions(side, inside=functions[side]) for side in (mode, control))
        common.row(f"client.{mode}.instructions", count, "instructions", control_count, count / control_count)
        ratio = float(ns) / float(control_ns)
        target = None if mode == "unsampled" else 1.3
        common.row(f"client.{mode}.ns", float(ns), "ns, caller's thread, median of 1001 bursts of 1000 in turns", float(control_ns), ratio,
                   str(target or "-"), "-" if not target else "yes" if ratio <= target else "no")


def measurements():
    """A bound measurement beside a plain add to a cell of the thread in the same program, in turns; switched off, beside an empty call."""
    for mode, target in (("counter", 1.5), ("histogram", 1.5), ("disabled", 1.3), ("exemplar", None)):
        count, control = (instructions(mode, side, program=METRIC) for side in ("ours", "floor"))
        common.row(f"client.metric.{mode}.instructions", count, "instructions", control, count / control)
        done = subprocess.run([METRIC, mode, "both", "50000", "401"], capture_output=True, text=True, check=True,
                              env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
        ours, least, most, floor, floor_least, floor_most, ratio = map(float, done.stdout.split())
        spread = f"ns, median of 401 turns; {least:.2f}–{most:.2f}, control {floor_least:.2f}–{floor_most:.2f}"
        common.row(f"client.metric.{mode}.ns", ours, spread, floor, ratio, str(target or "-"), "-" if not target else "yes" if ratio <= target else "no")


def exports():
    """500,000 spans a second from four threads, taken by bench/sink: all must arrive."""
    for coding in ("none", "gzip"):
        sink = subprocess.Popen([common.BUILD / "bench" / "sink"], stdout=subprocess.PIPE, text=True)
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{int(sink.stdout.readline())}", "OTEL_EXPORTER_OTLP_COMPRESSION": coding,
               "OTEL_BSP_MAX_QUEUE_SIZE": "65536", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8192"}
        done = subprocess.run([common.BUILD / "bench" / "export", "4", "500000", "4"], capture_output=True, text=True, check=True, env=env)
        sink.terminate()
        taken = int(sink.stdout.read().split()[1])
        sink.wait()
        started, exported, dropped, _, _, cpu_ns = map(float, done.stdout.split())
        if taken != exported:
            raise SystemExit(f"{exported:.0f} spans were exported, {taken} arrived")
        common.row(f"client.export.{coding}.dropped", dropped, "spans of 2 million, 500,000/s from 4 threads", started, dropped / started, "0",
                   "yes" if dropped == 0 else "no")
        common.row(f"client.export.{coding}.cpu", cpu_ns, "ns a span, the exporter's processor time")


def main():
    spans()
    exports()
    measurements()


if __name__ == "__main__":
    main()
