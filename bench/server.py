# SPDX-License-Identifier: Apache-2.0
"""The server: ingest per CPU second, bytes on disk, query latencies, start, stop, a start after kill -9, memory, size."""
import pathlib
import re
import resource
import statistics
import time

import common

SPANS, LOGS, SAMPLES = 2_000_000, 4_000_000, 10_000_000
HOURS = 24


def started(weir):
    """Milliseconds from main to ready, by the server's own clock."""
    return float(re.findall(r"after=(\d+)ms", weir.output())[-1])


def milliseconds(seconds):
    return f"{seconds * 1000:.1f}" if seconds < 0.01 else f"{seconds * 1000:.0f}"


def start_stop_and_idle():
    starts, stops = [], []
    for _ in range(9):
        weir = common.server()
        starts.append(started(weir))
        time.sleep(1.5 if not stops else 0.1)
        if not stops:
            idle, _ = common.memory(weir.process.pid)
        began = time.perf_counter()
        weir.stop()
        stops.append((time.perf_counter() - began) * 1000)
        weir.folder.cleanup()
    common.row("server.start", statistics.median(starts), f"ms from main to ready, empty folder, median of 9 ({min(starts):g} to {max(starts):g})")
    common.row("server.stop", statistics.median(stops), f"ms from SIGTERM to the end, idle, median of 9 ({min(stops):.1f} to {max(stops):.1f})")
    common.row("server.idle.memory", idle / 2**20, "MiB resident")
    binary = common.BUILD / "src/app/weir"
    common.row("server.binary", binary.stat().st_size / 2**20, "MiB, with the page")


def ingest(weir, folder, what, unit, count, **sizes):
    """CPU of the whole life of a server that takes them, flushes and ends: nothing is left to be done later but merges."""
    began = time.perf_counter()
    ledger = common.generate(weir, folder / f"{what}.json", hours=HOURS, **sizes)
    seconds = time.perf_counter() - began
    _, peak = common.memory(weir.process.pid)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    weir.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    common.row(f"ingest.{what}", count / cpu, f"{unit} per CPU second, until in parts")
    common.row(f"ingest.{what}.rate", count / seconds, f"{unit} per second, one sender on the same cores")
    common.row(f"ingest.{what}.memory", peak / 2**20, "MiB resident at most")
    weir.start()
    return ledger


def restart_after_kill(folder):
    """What a start reads back when the server was killed while it took spans."""
    weir = common.server("--memory", "512MiB")
    common.generate(weir, folder / "killed.json", spans=SPANS // 4, hours=HOURS, seed=3)
    weir.kill()
    log = common.disk_bytes(weir.data / "wal")
    weir.start()
    _, peak = common.memory(weir.process.pid)
    common.row("server.start.after.kill", started(weir), f"ms from main to ready, {log / 2**20:.0f} MiB of log read back")
    common.row("server.start.after.kill.memory", peak / 2**20, "MiB resident at most")
    weir.stop()
    weir.folder.cleanup()


def sizes_on_disk(weir):
    for what, one, folder, count in (("spans", "span", "spans", SPANS), ("logs", "line", "logs", LOGS), ("samples", "sample", "metrics", SAMPLES)):
        common.row(f"disk.{what}", common.disk_bytes(weir.data / folder) / count, f"bytes per {one}")


def queries(weir, ledger):
    end = ledger["end_ns"] // 10**9 + 60
    start = ledger["start_ns"] // 10**9 - 60
    trace_id = ledger["traces"][len(ledger["traces"]) // 2]
    span = {"start": start, "end": end}
    nanos = {"start": start * 10**9, "end": end * 10**9}
    all_lines = 'sum by ({}) (count_over_time({{service_name=~".+"}}[25h]))'
    cases = {
        "trace.by.id": lambda: weir.trace(trace_id),
        "traceql.service": lambda: weir.search('{ resource.service.name = "service-03" && status = error }', limit=20, **span),
        "traceql.slow": lambda: weir.search("{ duration > 1s }", limit=20, **span),
        "traceql.none": lambda: weir.search('{ status = error } >> { name = "nothing" }', limit=20, **span),
        "traceql.rate": lambda: weir.get("/api/metrics/query_range", q="{ status = error } | rate() by (resource.service.name)", step="600s", **span),
        "logql.lines": lambda: weir.logql('{service_name="service-03"} |= "failed"', limit=100, **nanos),
        "logql.needle": lambda: weir.logql('{service_name=~"service.*"} |= "needle-in-the-stack"', limit=1000, **nanos),
        "logql.count": lambda: weir.get("/loki/api/v1/query", query=all_lines.format("service_name"), time=end * 10**9),
        "logql.count.level": lambda: weir.get("/loki/api/v1/query", query=all_lines.format("level"), time=end * 10**9),
        "promql.instant": lambda: weir.get("/api/v1/query", query="sum by (service_name) (bench_work_total)", time=end - 60),
        "promql.rate.3h": lambda: weir.get("/api/v1/query_range", query="sum by (service_name) (rate(bench_work_total[5m]))", start=end - 3 * 3600, end=end, step=30),
        "promql.rate.24h": lambda: weir.get("/api/v1/query_range", query="sum by (service_name) (rate(bench_work_total[5m]))", start=start, end=end, step=300),
    }
    for name, call in cases.items():
        median, least, most = common.timed(call)
        common.row(f"query.{name}", median * 1000, f"ms, median of 15 ({milliseconds(least)} to {milliseconds(most)})")


def main():
    start_stop_and_idle()
    weir = common.server("--memory", "512MiB")
    folder = pathlib.Path(weir.folder.name)
    ledger = ingest(weir, folder, "spans", "spans", SPANS, spans=SPANS)
    ingest(weir, folder, "logs", "lines", LOGS, logs=LOGS)
    ingest(weir, folder, "samples", "samples", SAMPLES, samples=SAMPLES)
    time.sleep(6)  # merges look every five seconds
    sizes_on_disk(weir)
    queries(weir, ledger)
    _, peak = common.memory(weir.process.pid)
    common.row("server.memory.queries", peak / 2**20, "MiB resident at most, all the queries above")
    weir.stop()
    weir.folder.cleanup()
    with common.tempfile.TemporaryDirectory(prefix="weir-bench-") as other:
        restart_after_kill(pathlib.Path(other))


if __name__ == "__main__":
    main()
