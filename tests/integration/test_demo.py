# SPDX-License-Identifier: Apache-2.0
"""make demo as people meet it: live data, Ctrl-C, taken ports, a wrong or lost cluster; nothing runs on afterwards.

All on librdkafka's mock cluster; tools/fresh runs the same with a real Kafka."""
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import uuid

import pytest
import requests

from weir_server import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIVE = "live data on the page"


class Run:
    """One tools/demo in a session of its own, with everything that it starts marked in the environment."""

    def __init__(self, folder, build, *arguments, terminal=False, env=None):
        self.mark = f"DEMO_TEST_MARK={uuid.uuid4().hex}"
        name, _, value = self.mark.partition("=")
        environment = dict(os.environ, **{name: value}, TERM="xterm", COLUMNS="100", **(env or {}))
        command = [ROOT / "tools/demo", "--dir", folder, "--build", ROOT / build, "--mock", *arguments]
        self.folder, self.text, self.master = folder, "", None
        if terminal:  # below make, as people run it: both get the terminal's signal
            makefile = folder.parent / "Makefile"
            makefile.write_text("demo:\n\t@" + " ".join(f"'{word}'" for word in map(str, command)) + "\n")
            self.master, slave = pty.openpty()
            self.process = subprocess.Popen(["make", "-f", makefile, "demo"], stdin=slave, stdout=slave, stderr=slave, env=environment,
                                            start_new_session=True, preexec_fn=lambda: __import__("fcntl").ioctl(0, 0x540E, 0))  # TIOCSCTTY
            os.close(slave)
        else:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                            env=environment, start_new_session=True)
            self.master = os.dup(self.process.stdout.fileno())
        os.set_blocking(self.master, False)

    def read(self):
        try:
            while chunk := os.read(self.master, 65536):
                self.text += chunk.decode(errors="replace")
        except OSError:  # nothing now, or the other end is closed
            pass
        return self.text

    def await_text(self, wanted, timeout=40):
        wait_until(lambda: wanted in self.read() or self.process.poll() is not None, timeout, what=wanted)
        assert wanted in self.read(), self.text

    def end(self, timeout=60):
        wait_until(lambda: self.read() is not None and self.process.poll() is not None, timeout, what="its end")
        self.read()
        return self.process.returncode

    def running(self):
        """Process ids of everything that still carries the mark."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                pass
        return found

    def close(self):
        for pid in self.running():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)
        os.close(self.master)


@pytest.fixture
def demo(tmp_path, build_dir):
    runs = []

    def start(*arguments, **options):
        runs.append(Run(tmp_path / "demo", build_dir, *arguments, **options))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def counts(run, name):
    return dict((what, int(number)) for what, number in re.findall(r"(\w[\w-]*) (\d+)", re.search(rf"{name}: (.*)", run.text).group(1)))


def test_plain_lines_taken_ports_and_nothing_lost(demo):
    holders = []
    for port in (3000, 4318):
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are closing are nobody's
        try:
            holder.bind(("127.0.0.1", port))
            holder.listen()
        except OSError:
            pass  # somebody else holds it: as good
        holders.append(holder)
    run = demo("--seconds", "6", env={"KAFKA_BROKERS": "production.invalid:9092", "OTEL_SDK_DISABLED": "true"})
    assert run.end() == 0, run.text
    for holder in holders:
        holder.close()
    assert "\x1b" not in run.text and "\r" not in run.text
    assert "port 3000 is taken; the page uses" in run.text and "port 4318 is taken; OTLP/HTTP uses" in run.text
    assert "KAFKA_BROKERS of the environment is not used" in run.text and "mock" in run.text and LIVE in run.text
    assert re.search(r"messages/s [1-9]", run.text), run.text
    for pipeline in ("metrics-at-most-once", "orders-at-least-once"):
        published = int(re.search(r"published (\d+)", (run.folder / f"{pipeline}-generator.log").read_text()).group(1))
        seen = counts(run, f"{pipeline}-processor")
        done = seen["ok"] + seen["failed"] + seen["dead-lettered"] + seen["skipped"]
        assert 0 < done <= seen["received"] <= published, (published, seen)
        # Committed first, then processed: all of it is. Processed first: no more is committed than that.
        assert seen["committed"] == done if pipeline == "metrics-at-most-once" else seen["committed"] <= done, seen
    assert not run.running()


def test_ctrl_c_on_a_terminal_stops_all_and_the_data_stay(demo):
    run = demo(terminal=True)
    run.await_text(LIVE)
    run.await_text("\r\x1b[K  messages/s")
    url = re.search(r"look at (http://[0-9.:]+)/ui/", run.text).group(1)
    spans = requests.get(f"{url}/api/search?limit=5", timeout=10).json()["traces"]
    assert spans
    assert len(run.running()) >= 7
    os.write(run.master, b"\x03")
    run.end()
    assert "stopping: generators" in run.text and re.search(r"stopped\. Data stay", run.text), run.text
    assert "Traceback" not in run.text and "not all of it cleanly" not in run.text
    assert not run.running()
    again = demo("--seconds", "1")  # what was acknowledged is on disk
    again.await_text("look at ")
    url = re.search(r"look at (http://[0-9.:]+)/ui/", again.text).group(1)
    assert requests.get(f"{url}/api/traces/{spans[0]['traceID']}", timeout=10).status_code == 200
    assert again.end() == 0, again.text


def test_a_killed_demo_leaves_nothing_running(demo):
    run = demo()
    run.await_text("look at ")
    run.process.kill()
    wait_until(lambda: not run.running(), 30, what="the end of all parts")


def test_a_broker_that_dies_is_named(demo):
    run = demo()
    run.await_text(LIVE)
    (mock,) = [pid for pid in run.running() if b"kafka-mock" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(mock, signal.SIGKILL)
    assert run.end(90) != 0
    assert "kafka-mock ended by itself" in run.text and "Traceback" not in run.text
    assert not run.running()


@pytest.mark.parametrize("arguments, message", [
    (["--brokers", "127.0.0.1:1"], "no broker of KAFKA_BROKERS takes connections (127.0.0.1:1: Connection refused)"),
    (["--brokers", "localhost"], "KAFKA_BROKERS: 'localhost' is not host:port"),
    (["--brokers", "localhost:1", "--properties", "no-such-file"], "KAFKA_PROPERTIES: cannot read"),
    (["--properties", "/dev/null"], "KAFKA_PROPERTIES is for a cluster of yours"),
    (["--mock", "--brokers", "localhost:1"], "exclude each other"),
])
def test_a_wrong_cluster_is_said(tmp_path, build_dir, arguments, message):
    done = subprocess.run([ROOT / "tools/demo", "--dir", tmp_path / "demo", "--build", ROOT / build_dir, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and message in done.stdout, done.stdout + done.stderr


def test_only_the_command_line_names_a_cluster():
    def commands(*words, **env):
        return subprocess.run(["make", "-n", "demo", *words], cwd=ROOT, env=dict(os.environ, **env), capture_output=True, text=True)

    assert "--brokers" not in commands(KAFKA_BROKERS="production:9092", KAFKA_PROPERTIES="secret").stdout
    assert "--mock" not in commands(KAFKA="mock").stdout
    named = commands("KAFKA_BROKERS=mine:9092", "KAFKA_PROPERTIES=client.properties").stdout
    assert "--brokers 'mine:9092'" in named and "--properties 'client.properties'" in named
    assert "--mock" in commands("KAFKA=mock").stdout
    unknown = commands("KAFKA=moc")
    assert unknown.returncode != 0 and "KAFKA=moc" in unknown.stderr
