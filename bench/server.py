# SPDX-License-Identifier: Apache-2.0
"""The server: ingest per CPU second, bytes on disk, query latencies, start, idle memory, size."""
import pathlib
import time

import common

SPANS, LOGS, SAMPLES = 500_000, 1_000_000, 4_000_000


def start_and_idle():
    started = time.perf_counter()
    weir = common.server()
    common.row("server.start", (time.perf_counter() - started) * 1000, "ms to ready, Python's part included")
    time.sleep(2)
    now, _ = common.memory(weir.process.pid)
    common.row("server.idle.memory", now / 2**20, "MiB resident")
    weir.stop()
    weir.folder.cleanup()
    binary = common.BUILD / "src/app/weir"
    common.row("server.binary", binary.stat().st_size / 2**20, "MiB, with the page")


def ingest(weir, folder, what, unit, count, signal_folder, **sizes):
    before = common.cpu_seconds(weir.process.pid)
    began = time.perf_counter()
    ledger = common.generate(weir, folder / f"{what}.json", **sizes)
    seconds = time.perf_counter() - began
    cpu = common.cpu_seconds(weir.process.pid) - before
    common.row(f"ingest.{what}", count / cpu, f"{unit} per CPU second")
    common.row(f"ingest.{what}.rate", count / seconds, f"{unit} per second, one sender")
    return ledger


def sizes_on_disk(weir):
    for what, folder, count in (("spans", "spans", SPANS), ("logs", "logs", LOGS), ("samples", "metrics", SAMPLES)):
        common.row(f"disk.{what}", common.disk_bytes(weir.data / folder) / count, f"bytes per {what[:-1]}")


def queries(weir, ledger):
    end = ledger["end_ns"] // 10**9 + 60
    start = ledger["start_ns"] // 10**9 - 60
    trace_id = ledger["traces"][len(ledger["traces"]) // 2]
    span = {"start": start, "end": end}
    nanos = {"start": start * 10**9, "end": end * 10**9}
    cases = {
        "trace.by.id": lambda: weir.trace(trace_id),
        "traceql.service": lambda: weir.search('{ resource.service.name = "service-03" && status = error }', limit=20, **span),
        "traceql.slow": lambda: weir.search("{ duration > 1s }", limit=20, **span),
        "logql.lines": lambda: weir.logql('{service_name="service-03"} |= "failed"', limit=100, **nanos),
        "logql.needle": lambda: weir.logql('{service_name=~"service.*"} |= "needle-in-the-stack"', limit=1000, **nanos),
        "logql.count": lambda: weir.get("/loki/api/v1/query", query='sum by (service_name) (count_over_time({service_name=~".+"}[48h]))', time=end * 10**9),
        "promql.instant": lambda: weir.get("/api/v1/query", query="sum by (service_name) (bench_work_total)", time=end),
        "promql.rate.range": lambda: weir.get("/api/v1/query_range", query="sum by (service_name) (rate(bench_work_total[5m]))", start=end - 3 * 3600, end=end, step=30),
    }
    for name, call in cases.items():
        median, least, most = common.timed(call)
        common.row(f"query.{name}", median * 1000, f"ms median of 15 ({least * 1000:.2g} to {most * 1000:.2g})")


def main():
    start_and_idle()
    weir = common.server("--memory", "512MiB")
    folder = pathlib.Path(weir.folder.name)
    ingest(weir, folder, "spans", "spans", SPANS, "spans", spans=SPANS, hours=24)
    ingest(weir, folder, "logs", "lines", LOGS, "logs", logs=LOGS, hours=24)
    ingest(weir, folder, "samples", "samples", SAMPLES, "metrics", samples=SAMPLES, hours=24)
    weir.stop()
    weir.start()
    sizes_on_disk(weir)
    ledger = common.generate(weir, folder / "queries.json", spans=20000, logs=20000, samples=20000, hours=24, seed=7)
    queries(weir, ledger)
    _, peak = common.memory(weir.process.pid)
    common.row("server.memory.peak", peak / 2**20, "MiB after queries")
    weir.stop()
    weir.folder.cleanup()


if __name__ == "__main__":
    main()
