# SPDX-License-Identifier: Apache-2.0
"""libweir on the caller's thread: instructions (callgrind) and nanoseconds of a span, a measurement, and of nothing."""
import re
import statistics
import subprocess

import common

PROGRAM = common.BUILD / "bench" / "span"
METRIC = common.BUILD / "bench" / "metric"


def instructions(*mode, program=PROGRAM):
    """Instructions of one operation: the difference of two lengths, so that start and end cancel out."""
    def total(count):
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=main", str(program), *mode, str(count)],
                              capture_output=True, text=True, check=True, env={"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
        return int(re.search(r"Collected : (\d+)", done.stderr).group(1))

    return (total(3000) - total(1000)) / 2000


def nanoseconds(mode):
    runs = [float(subprocess.run([PROGRAM, mode, "1000000"], capture_output=True, text=True, check=True,
                                 env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}).stdout) for _ in range(9)]
    return statistics.median(runs)


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


def main():
    floor, empty = instructions("floor"), instructions("empty")
    for mode, target in (("span", "1.3"), ("unsampled", "-")):
        count = instructions(mode)
        control = floor if mode == "span" else empty
        held = "-" if target == "-" else "yes" if count / control <= float(target) else "no"
        common.row(f"client.{mode}.instructions", count, "instructions", control, count / control, target, held)
    floor_ns = nanoseconds("floor")
    for mode in ("span", "unsampled"):
        ns = nanoseconds(mode)
        common.row(f"client.{mode}.ns", ns, "ns, caller's thread, median of 9", floor_ns, ns / floor_ns)
    measurements()


if __name__ == "__main__":
    main()
