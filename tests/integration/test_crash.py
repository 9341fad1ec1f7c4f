# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is there: after kill -9 in the middle of load, twenty times over, and on a disk that
is full. Spans, log records and points are sent by three clients at once; nothing is ever sent twice, so
nothing may be there twice."""
import collections
import json
import pathlib
import shutil
import subprocess
import threading
import time

import pytest
import requests

from weir_server import Weir, wait_until

KILLS = 20
SERVICE = "crash-test"


class Ledger:
    """Which records were sent, and which of them were acknowledged."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = {"traces": [], "logs": [], "metrics": []}
        self.acked = {"traces": [], "logs": [], "metrics": []}

    def next_number(self, signal):
        with self.lock:
            self.sent[signal].append(len(self.sent[signal]))
            return self.sent[signal][-1]


def attribute(key, value):
    return {"key": key, "value": {"stringValue": value}}


RESOURCE = {"attributes": [attribute("service.name", SERVICE)]}


def trace_id(number):
    return f"{0xc4a5 << 96 | number + 1:032x}"


def spans_of(number):
    return number % 7 + 1


def body_of(signal, number, now_ns):
    """Batch `number` of a signal: one trace of some spans, one log line, one series of one point."""
    if signal == "traces":
        spans = [{"traceId": trace_id(number), "spanId": f"{number * 8 + i + 1:016x}", "name": f"batch {number}", "kind": 4,
                  "startTimeUnixNano": str(now_ns + i), "endTimeUnixNano": str(now_ns + i + 1000)} for i in range(spans_of(number))]
        return {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": spans}]}]}
    if signal == "logs":
        record = {"timeUnixNano": str(now_ns), "severityNumber": 9, "severityText": "INFO", "body": {"stringValue": f"line {number}"}}
        return {"resourceLogs": [{"resource": RESOURCE, "scopeLogs": [{"logRecords": [record]}]}]}
    point = {"timeUnixNano": str(now_ns), "asDouble": number, "attributes": [attribute("n", str(number))]}
    return {"resourceMetrics": [{"resource": RESOURCE, "scopeMetrics": [{"metrics": [{"name": "crash.point", "gauge": {"dataPoints": [point]}}]}]}]}


def push(session, server, signal, number):
    """The answer's status and headers, or None when the connection broke."""
    body = json.dumps(body_of(signal, number, time.time_ns()))
    try:
        return session.post(f"http://{server.http}/v1/{signal}", data=body, headers={"content-type": "application/json"}, timeout=30)
    except requests.exceptions.RequestException:
        return None


def load(server, ledger, signal, stop):
    session = requests.Session()
    while not stop.is_set():
        number = ledger.next_number(signal)
        answer = push(session, server, signal, number)
        if answer is None:
            return
        if answer.status_code == 200:
            ledger.acked[signal].append(number)
        time.sleep(0.002)  # some thousand records in all: one query shows them


def check_traces(server, ledger, start):
    for number in ledger.acked["traces"][start:]:
        answer = server.trace(trace_id(number))
        batches = answer.get("batches") or answer["resourceSpans"]
        ids = [span["spanId"] for batch in batches for scope in batch["scopeSpans"] for span in scope["spans"]]
        assert len(ids) == len(set(ids)) == spans_of(number), (number, ids)


def check_logs(server, ledger, start_ns):
    lines = server.logql(f'{{service_name="{SERVICE}"}}', start=start_ns, end=time.time_ns() + 10**9, limit=5000, direction="forward")
    found = collections.Counter(int(line.split()[1]) for _, line, _ in lines if line.startswith("line "))
    assert len(lines) < 5000, "the test asks for too little"
    missing = set(ledger.acked["logs"]) - set(found)
    assert not missing, f"{len(missing)} acknowledged lines are missing: {sorted(missing)[:10]}"
    twice = [number for number, count in found.items() if count > 1]
    assert not twice, f"lines came twice: {twice[:10]}"
    assert set(found) <= set(ledger.sent["logs"])


def check_points(server, ledger):
    values = server.promql(f'last_over_time(crash_point{{service_name="{SERVICE}"}}[1h])')
    found = {int(dict(labels)["n"]): value for labels, value in values.items()}
    missing = set(ledger.acked["metrics"]) - set(found)
    assert not missing, f"{len(missing)} acknowledged points are missing: {sorted(missing)[:10]}"
    assert all(value == number for number, value in found.items())
    counts = server.promql(f'count_over_time(crash_point{{service_name="{SERVICE}"}}[1h])')
    assert set(counts.values()) <= {1.0}


def test_kill_under_load(build_dir, tmp_path, rng):
    ledger, start_ns = Ledger(), time.time_ns()
    server = Weir(build_dir, tmp_path / "data")
    checked = 0
    for _ in range(KILLS):
        server.start()
        stop = threading.Event()
        clients = [threading.Thread(target=load, args=(server, ledger, signal, stop)) for signal in ledger.sent]
        for client in clients:
            client.start()
        time.sleep(rng.uniform(0.05, 0.6))
        server.kill()
        stop.set()
        for client in clients:
            client.join()
        server.start()  # what the load of this round left
        check_traces(server, ledger, checked)
        checked = len(ledger.acked["traces"])
        check_points(server, ledger)
        server.kill()  # without a clean end: the next start replays all of it again
    server.start()
    check_traces(server, ledger, 0)
    check_logs(server, ledger, start_ns)
    check_points(server, ledger)
    amounts = {signal: len(numbers) for signal, numbers in ledger.acked.items()}
    print("acknowledged:", amounts)
    assert all(amount >= KILLS for amount in amounts.values()), amounts
    server.stop()
    server.start()  # and after a clean end
    check_logs(server, ledger, start_ns)
    check_points(server, ledger)
    server.stop()


# ---- a full disk -------------------------------------------------------------------------------

DISK_BYTES = 12 << 20
BALLAST_BYTES = 8 << 20


@pytest.fixture
def small_disk(build_dir, tmp_path):
    """A server whose data folder lies on a tmpfs of its own, most of it taken by a file `ballast`."""
    mount = tmp_path / "disk"
    mount.mkdir()
    inside = (f"mount -t tmpfs -o size={DISK_BYTES} tmpfs {mount} && head -c {BALLAST_BYTES} /dev/zero > {mount}/ballast"
              f' && exec "$0" "$@"')
    unshare = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system lets nobody mount a tmpfs in a namespace of their own")
    server = Weir(build_dir, mount / "data", "--retention-size", "100GiB")
    server.log = tmp_path / "disk.log"
    wrapper = tmp_path / "weir-on-a-small-disk"
    quoted = " ".join(f"'{word}'" for word in unshare)
    wrapper.write_text(f'#!/bin/sh\nexec {quoted} {server.binary} "$@"\n')
    wrapper.chmod(0o755)
    server.binary = wrapper
    server.start()
    yield server, mount
    server.stop()


def test_full_disk(small_disk):
    server, mount = small_disk
    ledger, session, start_ns = Ledger(), requests.Session(), time.time_ns()
    filler = "".join(chr(33 + i * 7919 % 90) for i in range(60_000))

    def push_lines():
        number = ledger.next_number("logs")
        body = body_of("logs", number, time.time_ns())
        record = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
        record["attributes"] = [attribute("filler", filler[number % 60:] + str(number))]
        answer = session.post(f"http://{server.http}/v1/logs", json=body, timeout=30)
        if answer.status_code == 200:
            ledger.acked["logs"].append(number)
        return answer

    answer = None
    for _ in range(400):
        answer = push_lines()
        if answer.status_code != 200:
            break
    assert answer.status_code == 503, "the disk never filled up"
    assert int(answer.headers["Retry-After"]) > 0
    assert "disk full" in answer.text or "space" in answer.text, answer.text
    assert len(ledger.acked["logs"]) > 5
    check_logs(server, ledger, start_ns)  # questions are answered all the time
    for _ in range(3):
        assert push_lines().status_code == 503
    check_logs(server, ledger, start_ns)

    pathlib.Path(f"/proc/{server.process.pid}/root{mount}/ballast").unlink()
    wait_until(lambda: push_lines().status_code == 200, 20, what="recovery when there is space again")
    refused = set(ledger.sent["logs"]) - set(ledger.acked["logs"])
    check_logs(server, ledger, start_ns)
    lines = server.logql(f'{{service_name="{SERVICE}"}}', start=start_ns, end=time.time_ns() + 10**9, limit=5000)
    assert not refused & {int(line.split()[1]) for _, line, _ in lines}, "what was refused is not there"
