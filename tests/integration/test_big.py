# SPDX-License-Identifier: Apache-2.0
"""Not a toy in memory: with 10 M spans, 20 M log lines and 50 M samples on disk the server stays within
--memory, answers, reads only the columns it needs, and its answers equal the generator's own ledger, before and
after a restart and merges. WEIR_BIG_SCALE (default 1) scales the amounts down for a quick look."""
import json
import os
import pathlib
import subprocess
import time

import pytest

from weir_server import Weir

SCALE = float(os.environ.get("WEIR_BIG_SCALE", "1"))
SPANS, LOGS, SAMPLES = (int(n * SCALE) // 1000 * 1000 for n in (10_000_000, 20_000_000, 50_000_000))
MEMORY = 512 << 20
HOURS = 48
SERIES = 2000  # what the generator makes

pytestmark = pytest.mark.slow


def peak_memory(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.fixture(scope="module")
def big(build_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("big")
    server = Weir(build_dir, folder / "data", "--memory", str(MEMORY), "--query-timeout", "300s", "--retention-size", "100GiB")
    server.start()
    ledger_file = folder / "ledger.json"
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    command = [build_dir / "bench" / "generate", "--endpoint", server.http, "--ledger", ledger_file, "--seed", seed, "--spans", SPANS,
               "--logs", LOGS, "--samples", SAMPLES, "--hours", HOURS]
    subprocess.run([str(c) for c in command], check=True, stderr=subprocess.DEVNULL)
    yield server, json.loads(ledger_file.read_text())
    if server.process:
        server.stop(120)


def check_everything(server, ledger):
    end_ns = ledger["end_ns"] + 60 * 10**9
    start_ns = ledger["start_ns"] - 60 * 10**9
    seconds = {"start": start_ns // 10**9, "end": end_ns // 10**9}
    services = ledger["services"]

    # traces: by id, by search, by metrics over all of them
    for trace_id in ledger["traces"][:: max(1, len(ledger["traces"]) // 20)]:
        batches = server.trace(trace_id)
        assert sum(len(s["spans"]) for b in batches.get("batches") or batches["resourceSpans"] for s in b["scopeSpans"]) == 5
    span = (end_ns - start_ns) // 10**9
    for query, key in (("{ }", "spans"), ("{ status = error }", "errors"), ("{ duration > 1s }", "slow")):
        answer = server.get("/api/metrics/query", q=f"{query} | count_over_time() by (resource.service.name)", **seconds)
        got = {series["labels"][0]["value"]["stringValue"]: float(series.get("value", series["samples"][-1]["value"] if series.get("samples") else 0))
               for series in answer["series"]}
        assert got == {name: entry[key] for name, entry in services.items() if entry[key]}, query
    found = server.search("{ duration > 1s }", limit=20, **seconds)
    assert len(found) == 20

    # logs: counts per service, by level, a rare word
    range_text = f"[{span + 60}s]"
    when = {"time": end_ns}
    counts = server.get("/loki/api/v1/query", query=f'sum by (service_name) (count_over_time({{service_name=~".+"}}{range_text}))', **when)
    got = {item["metric"]["service_name"]: float(item["value"][1]) for item in counts["data"]["result"]}
    assert {k: v for k, v in got.items() if k in services} == {name: entry["logs"] for name, entry in services.items()}
    errors = server.get("/loki/api/v1/query", query=f'sum by (service_name) (count_over_time({{service_name=~".+"}} | level="error" {range_text}))', **when)
    got = {item["metric"]["service_name"]: float(item["value"][1]) for item in errors["data"]["result"]}
    assert {k: v for k, v in got.items() if k in services} == {name: entry["log_errors"] for name, entry in services.items()}
    needles = server.logql('{service_name=~"service-.*"} |= "needle-in-the-stack"', limit=5000, start=start_ns, end=end_ns)
    assert len(needles) == min(ledger["needles"], 5000)

    # metrics: last values, number of series, samples
    got = server.promql("sum by (service_name) (last_over_time(bench_work_total[1h]))", time=ledger["end_ns"] // 10**9 + 1)
    for labels, value in got.items():
        assert value == pytest.approx(services[dict(labels)["service_name"]]["last"], rel=1e-12)
    assert len(got) == len(services)
    samples = server.promql(f"sum(count_over_time(bench_work_total[{span + 60}s]))", time=end_ns // 10**9)
    assert list(samples.values()) == [ledger["samples"]]


def on_disk(server, folder):
    return sum(p.stat().st_size for p in (server.data / folder).rglob("*") if p.is_file())


def check_reads_only_what_it_needs(server, ledger):
    """A search by service, a count that needs no line, the last five minutes of all series: each reads a small part of what lies on disk."""
    seconds = {"start": ledger["start_ns"] // 10**9 - 60, "end": ledger["end_ns"] // 10**9 + 60}
    answer = server.get("/api/search", q='{ resource.service.name = "service-03" && status = error }', limit=20, explain=1, **seconds)
    assert 0 < answer["explain"]["bytesRead"] < on_disk(server, "spans") / 2, answer["explain"]
    count = f'sum by (service_name) (count_over_time({{service_name=~".+"}}[{HOURS}h]))'
    answer = server.get("/loki/api/v1/query", query=count, time=ledger["end_ns"], explain=1)
    assert 0 < answer["explain"]["bytesRead"] < on_disk(server, "logs") / 3, answer["explain"]
    answer = server.get("/api/v1/query", query="sum(bench_work_total)", time=ledger["end_ns"] // 10**9, explain=1)
    explain = answer.get("explain") or answer["data"]["explain"]
    assert explain["seriesRead"] == SERIES and explain["bytesRead"] < on_disk(server, "metrics") / 2, explain


def test_answers_equal_the_ledger_as_ingested(big):
    server, ledger = big
    check_everything(server, ledger)
    check_reads_only_what_it_needs(server, ledger)
    assert peak_memory(server) <= MEMORY, f"{peak_memory(server) >> 20} MiB"


def test_answers_equal_the_ledger_after_restart_and_merge(big):
    server, ledger = big
    server.stop(120)
    server.start()
    time.sleep(20 * SCALE)  # merges run by themselves
    check_everything(server, ledger)
    check_reads_only_what_it_needs(server, ledger)
    assert peak_memory(server) <= MEMORY, f"{peak_memory(server) >> 20} MiB"


def test_every_page_answers(big):
    server, _ = big
    for path in ("/ui/", "/weir/v1/status", "/metrics", "/-/ready"):
        server.get(path)
