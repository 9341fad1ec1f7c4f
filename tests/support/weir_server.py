# SPDX-License-Identifier: Apache-2.0
"""A server of ours for tests: on free loopback ports, its own data folder, ended by process id."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import requests


def free_port(span=1):
    """A port that is free now, with the `span` - 1 above it likely free too."""
    for _ in range(200):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port + span > 65000:
            continue
        try:
            for extra in {port, port + 1, port + 2, port + span - 1}:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", extra))
            return port
        except OSError:
            continue
    raise RuntimeError("no free port")


def wait_until(check, timeout=20.0, every=0.1, what="condition"):
    """Polls until check() gives something true, and gives that; fails with the last answer."""
    deadline = time.monotonic() + timeout
    last = None
    while time.monotonic() < deadline:
        last = check()
        if last:
            return last
        time.sleep(every)
    raise AssertionError(f"{what} not reached within {timeout} s; last: {last!r}")


class Weir:
    """Starts, asks, stops and kills one `weir serve`."""

    def __init__(self, build_dir, data, *extra, env=None):
        self.binary = pathlib.Path(build_dir) / "src" / "app" / "weir"
        self.data = pathlib.Path(data)
        self.extra = list(extra)
        self.env = env or {}
        self.process = None
        self.log = self.data.with_suffix(".log")
        self.ui = self.grpc = self.http = None

    def start(self, *extra, wait=True):
        self.data.parent.mkdir(parents=True, exist_ok=True)
        command = [str(self.binary), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0", "--listen-otlp-grpc", "127.0.0.1:0",
                   "--listen-otlp-http", "127.0.0.1:0", *self.extra, *extra]
        environment = dict(os.environ, ASAN_OPTIONS="abort_on_error=0:detect_leaks=1", **self.env)
        start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        if wait:
            self.await_ready(start)
        return self

    def output(self):
        return self.log.read_text(errors="replace")

    def await_ready(self, start=0, timeout=60):
        def ready():
            text = self.log.read_bytes()[start:].decode(errors="replace")
            if self.process.poll() is not None:
                raise AssertionError(f"weir ended with {self.process.returncode}:\n{text[-4000:]}")
            return "ready" in text and re.search(r"ready: (.*)", text)

        line = wait_until(ready, timeout, 0.02, "readiness").group(1)
        found = dict(re.findall(r"(\S+)=(\S+)", line))
        self.ui, self.grpc, self.http = found["ui"].rstrip("/"), found["otlp/grpc"], found["otlp/http"]
        self.api = re.sub(r"/ui$", "", self.ui)

    def stop(self, timeout=60):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self.process = None
        text = self.output()
        assert "ERROR: AddressSanitizer" not in text and "runtime error:" not in text and "LeakSanitizer" not in text, text[-6000:]
        assert code == 0, f"weir ended with {code}:\n{text[-4000:]}"
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def get(self, path, expect=200, **params):
        answer = requests.get(self.api + path, params=params, timeout=60)
        assert answer.status_code == expect, f"{answer.status_code} {answer.text[:2000]}"
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    def promql(self, query, **params):
        """The instant vector as {frozenset of labels: value}."""
        data = self.get("/api/v1/query", query=query, **params)["data"]
        return {frozenset(item["metric"].items()): float(item["value"][1]) for item in data["result"]}

    def promql_sum(self, query):
        return sum(self.promql(query).values())

    def logql(self, query, **params):
        """All lines as [(ns, line, labels)]."""
        data = self.get("/loki/api/v1/query_range", query=query, **params)["data"]
        return [(int(ns), line, stream["stream"]) for stream in data["result"] for ns, line, *_ in stream["values"]]

    def search(self, traceql, **params):
        return self.get("/api/search", q=traceql, **params)["traces"]

    def trace(self, trace_id):
        return self.get(f"/api/traces/{trace_id}")

    def post_otlp(self, signal_name, body, content_type="application/x-protobuf", **headers):
        return requests.post(f"http://{self.http}/v1/{signal_name}", data=body, headers={"content-type": content_type, **headers}, timeout=60)
