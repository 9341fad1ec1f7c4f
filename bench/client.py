# SPDX-License-Identifier: Apache-2.0
"""libweir on the caller's thread: instructions (callgrind) and nanoseconds of a span, a counter, and of nothing."""
import re
import statistics
import subprocess

import common

PROGRAM = common.BUILD / "bench" / "span"


def instructions(mode):
    """Instructions of one operation: the difference of two lengths, so that start and end cancel out."""
    def total(count):
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=main", str(PROGRAM), mode, str(count)],
                              capture_output=True, text=True, check=True, env={"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
        return int(re.search(r"Collected : (\d+)", done.stderr).group(1))

    return (total(3000) - total(1000)) / 2000


def nanoseconds(mode):
    runs = [float(subprocess.run([PROGRAM, mode, "1000000"], capture_output=True, text=True, check=True,
                                 env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}).stdout) for _ in range(9)]
    return statistics.median(runs)


def main():
    floor, empty = instructions("floor"), instructions("empty")
    for mode, target in (("span", "1.3"), ("unsampled", "-"), ("counter", "-")):
        count = instructions(mode)
        control = floor if mode == "span" else empty
        held = "-" if target == "-" else "yes" if count / control <= float(target) else "no"
        common.row(f"client.{mode}.instructions", count, "instructions", control, count / control, target, held)
    floor_ns = nanoseconds("floor")
    for mode in ("span", "unsampled", "counter"):
        ns = nanoseconds(mode)
        common.row(f"client.{mode}.ns", ns, "ns, caller's thread, median of 9", floor_ns, ns / floor_ns)


if __name__ == "__main__":
    main()
