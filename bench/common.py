# SPDX-License-Identifier: Apache-2.0
"""What the benches share: rows of the table, a server under measurement, medians."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from weir_server import Weir  # noqa: E402

BUILD = ROOT / os.environ.get("WEIR_BUILD", "build/release")
TICK = os.sysconf("SC_CLK_TCK")


def row(identifier, value, unit, control=None, ratio=None, target="-", held="-"):
    """One line of the table."""
    def text(number):
        return "-" if number is None else number if isinstance(number, str) else f"{number:.4g}" if abs(number) < 1000 else f"{number:,.0f}"

    print("\t".join([identifier, text(value), unit, text(control), text(ratio), target, held]), flush=True)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid):
    """Resident bytes now, and their peak."""
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) * 1024, int(status["VmHWM"].split()[0]) * 1024


def disk_bytes(path):
    return sum(p.stat().st_size for p in pathlib.Path(path).rglob("*") if p.is_file())


def server(*extra):
    """A started server on a folder of its own; call .stop() and .folder.cleanup()."""
    folder = tempfile.TemporaryDirectory(prefix="weir-bench-")
    weir = Weir(BUILD, pathlib.Path(folder.name) / "data", *extra)
    weir.folder = folder
    return weir.start()


def generate(weir, ledger, **sizes):
    """Runs bench/generate; gives its ledger."""
    command = [BUILD / "bench" / "generate", "--endpoint", weir.http, "--ledger", ledger]
    for name, value in sizes.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    subprocess.run([str(c) for c in command], check=True, stderr=subprocess.DEVNULL)
    return json.loads(pathlib.Path(ledger).read_text())


def timed(call, runs=15):
    """Median, least and greatest seconds of so many calls."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times), min(times), max(times)
