# SPDX-License-Identifier: Apache-2.0
"""The librdkafka plugin in C programs that know nothing of it, on a real Kafka: however librdkafka came into the program
and whatever the program does with its clients, it goes on unharmed, and every span is received or counted."""
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from kafka_worker import Worker, make_topic, read_all
from otlp_sink import Sink
from weir_server import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
SYSTEM = pathlib.Path("/usr/lib/x86_64-linux-gnu/librdkafka.so.1")  # Debian's, older than ours
BUILDS = ("shared", "static", "not-pie", "exported", "in-library", "debian")


class Hosts:
    """Builds tests/interop/hosts in each way that librdkafka can be part of a program."""

    def __init__(self, folder, plugin):
        self.folder, self.made = folder, {}
        symbols = subprocess.run(["nm", "-D", plugin], capture_output=True, text=True, check=True).stdout
        self.sanitize = ["-fsanitize=address,undefined"] if "__asan_init" in symbols else []
        root = subprocess.run([ROOT / "tools/setup", "--env"], capture_output=True, text=True, check=True).stdout
        root = re.search(r"WEIR_RDKAFKA_ROOT='(.*)'", root)[1]
        self.root = pathlib.Path(root) if root else None
        environment = dict(os.environ, PKG_CONFIG_PATH=f"{root}/lib/pkgconfig")
        self.flags, self.library = (subprocess.run(["pkg-config", *what, "rdkafka"], capture_output=True, text=True, check=True, env=environment).stdout.split()
                                    for what in (["--cflags"], ["--static", "--libs"]))
        self.folder_of_library = f"{root}/lib" if root else str(SYSTEM.parent)

    def compile(self, name, *arguments):
        out = self.folder / name
        subprocess.run(["cc", "-O1", "-g", "-pthread", *self.sanitize, *self.flags, *map(str, arguments), "-o", out], check=True)
        return out

    def linked(self, static):
        """What links librdkafka into a program, or beside it."""
        if static:
            return [f"{self.folder_of_library}/librdkafka.a", *[flag for flag in self.library if flag != "-lrdkafka"]]
        return [f"-L{self.folder_of_library}", f"-Wl,-rpath,{self.folder_of_library}", "-lrdkafka"]

    def get(self, kind):
        if kind not in self.made:
            self.made[kind] = self.make(kind)
        return self.made[kind]

    def make(self, kind):
        source = ROOT / "tests/interop/hosts/host.c"
        if kind == "shared":
            return self.compile(kind, source, *self.linked(False))
        if kind == "static":
            return self.compile(kind, source, *self.linked(True))
        if kind == "not-pie":
            return self.compile(kind, "-no-pie", source, *self.linked(True))
        if kind == "exported":  # what a stripped program can do
            return self.compile(kind, "-s", "-Wl,--export-dynamic", source, *self.linked(True))
        if kind == "stripped":
            return self.compile(kind, "-s", source, *self.linked(True))
        if kind == "in-library":  # a language's package with librdkafka inside, and hidden
            library = self.compile("libhost.so", "-shared", "-fPIC", "-Dmain=host_main", source, "-Wl,--exclude-libs,ALL", *self.linked(True))
            main = self.folder / "main.c"
            main.write_text("int host_main(int, char **);\nint main(int c, char **v) { return host_main(c, v); }\n")
            return self.compile(kind, main, library, f"-Wl,-rpath,{self.folder}")
        if kind == "debian":
            return self.compile(kind, source, SYSTEM)
        if kind == "copies":
            return self.compile(kind, ROOT / "tests/interop/hosts/copies.c", "-ldl")
        raise KeyError(kind)


@pytest.fixture(scope="module")
def plugin(build_dir):
    return build_dir / "src/plugin/libweir-kafka.so"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory, plugin):
    return Hosts(tmp_path_factory.mktemp("hosts"), plugin)


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def topic(rng, kafka):
    return make_topic(kafka, f"plugin-{rng.randrange(16**10):010x}", 3)


@pytest.fixture
def run(hosts, plugin, kafka, sink):
    def run(kind, *arguments, expect=0, **environment):
        if kind == "debian" and not SYSTEM.exists():
            pytest.skip("no librdkafka1 of the system; tools/setup interop installs it")
        environment = {**os.environ, "KAFKA_BROKERS": kafka, "WEIR_PLUGIN": str(plugin), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
                       "OTEL_SERVICE_NAME": "host", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", **environment}
        ended = subprocess.run([hosts.get(kind), *map(str, arguments)], capture_output=True, text=True, timeout=120, env=environment)
        assert ended.returncode == expect, f"{ended.returncode}\n{ended.stdout}{ended.stderr}"
        assert "done" in ended.stdout
        return ended

    return run


def told(ended):
    """What we said on stderr."""
    return [line for line in ended.stderr.splitlines() if line.startswith("weir: ")]


def sent(messages, name="traceparent"):
    """Span ids in the messages' headers, of which each has exactly one."""
    found = [[value.decode() for key, value in message.headers() or [] if key == name] for message in messages]
    assert all(len(values) == 1 for values in found), f"{name}s of the messages: {found}"
    return {values[0].split("-")[2] for values in found}


def check_sends(kafka, sink, topic, count):
    """Every message carries the id of the span that says where it was stored."""
    messages = read_all(kafka, topic, count)
    assert len(messages) == count
    spans = {span.span_id: span for span in sink.spans(f"send {topic}") if not span.error}
    assert sent(messages) == set(spans) and len(spans) == count
    for message in messages:
        attributes = spans[dict(message.headers())["traceparent"].decode().split("-")[2]].attributes
        assert attributes["messaging.destination.partition.id"] == str(message.partition())
        assert attributes["messaging.kafka.offset"] == message.offset()


def test_exports_its_entry_and_needs_libc_alone(plugin, hosts):
    if hosts.sanitize:
        pytest.skip("a sanitizer's build needs its library")
    symbols = [line.split() for line in subprocess.run(["nm", "-D", plugin], capture_output=True, text=True, check=True).stdout.splitlines()]
    assert [name for *_, kind, name in symbols if kind not in "Uw"] == ["conf_init"]
    foreign = [name for *_, kind, name in symbols if kind == "U" and "@GLIBC_" not in name]
    weak = {name for *_, kind, name in symbols if kind == "w"}
    assert not foreign and all("@GLIBC_" in name or name in ("__gmon_start__", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable") for name in weak)
    dynamic = subprocess.run(["readelf", "-dW", plugin], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"NEEDED.*\[(.*)\]", dynamic)) <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}
    assert re.search(r"SONAME.*\[weir\.so\]", dynamic) and "NODELETE" in dynamic


def test_is_small(plugin, hosts, tmp_path):
    if hosts.sanitize:
        pytest.skip("a sanitizer's build is not small")
    subprocess.run(["strip", "-o", tmp_path / "weir.so", plugin], check=True)
    size = (tmp_path / "weir.so").stat().st_size
    print(f"stripped: {size} bytes")
    assert size <= 400 * 1000


@pytest.mark.parametrize("kind", BUILDS)
def test_every_way_to_have_librdkafka(run, rng, kafka, sink, topic, kind):
    count = rng.randrange(5, 50)
    ended = run(kind, "produce", topic, count)
    check_sends(kafka, sink, topic, count)
    assert ended.stderr == ""
    assert run(kind, "consume", topic, count).stderr == ""
    sends = {span.span_id for span in sink.spans(f"send {topic}")}
    linked = [span.links for span in sink.spans(f"poll {topic}")]
    assert set().union(*linked) >= sends, "each message's send is linked by the poll that gave it"
    assert sink.spans(f"commit {topic}")
    assert sink.total("messaging.client.sent.messages", {"messaging.destination.name": topic}) == count
    assert sink.total("messaging.client.consumed.messages", {"messaging.destination.name": topic}) == count
    assert sink.assert_nothing_lost() == 0


def test_stripped_program_is_told_and_left_alone(run, kafka, sink, topic):
    ended = run("stripped", "order", topic, 3)
    (line,) = ended.stderr.splitlines()
    assert line.startswith("weir: ") and "strip" in line and "-Wl,--export-dynamic" in line
    assert run("stripped", "order", topic, 3, WEIR_QUIET="1").stderr == ""
    assert not any(message.headers() for message in read_all(kafka, topic, 18))
    assert not sink.spans()


@pytest.mark.parametrize("variable, value", [("OTEL_TRACES_SAMPLER", "sometimes"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://nowhere"),
                                             ("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon")])
def test_wrong_environment_is_told_and_left_alone(run, kafka, sink, topic, variable, value):
    ended = run("shared", "order", topic, 3, **{variable: value})
    (line,) = ended.stderr.splitlines()
    assert line.startswith("weir: ") and variable in line
    assert not any(message.headers() for message in read_all(kafka, topic, 9))
    assert not sink.spans()


def test_switched_off(run, kafka, sink, topic):
    assert run("shared", "order", topic, 3, OTEL_SDK_DISABLED="true").stderr == ""
    assert not any(message.headers() for message in read_all(kafka, topic, 9))
    assert not sink.spans() and not sink.points


@pytest.mark.parametrize("kind", ["shared", "debian"])
@pytest.mark.parametrize("way, sends", [("leave", 1), ("late", 2), ("order", 3), ("refused", 1), ("twice", 1), ("threads", 8), ("forked", 3), ("workers", 3)])
def test_every_way_to_treat_clients(run, rng, kafka, sink, topic, kind, way, sends):
    count = rng.randrange(1, 20)
    # librdkafka itself leaks when it refuses a configuration, and in a forked child.
    leaks = {"ASAN_OPTIONS": "detect_leaks=0"} if way in ("refused", "forked") else {}
    assert not told(run(kind, way, topic, count, **leaks))
    check_sends(kafka, sink, topic, sends * count)
    assert sink.assert_nothing_lost() == 0


@pytest.mark.parametrize("kind", ["shared", "debian"])
def test_abandoned_messages(run, kafka, sink, topic, kind):
    """Destroyed before the acknowledgements: each send has its span all the same, as a failure unless it was stored."""
    run(kind, "abandon", topic, 500)
    spans = sink.spans(f"send {topic}")
    stored = {span.attributes.get("messaging.kafka.offset") for span in spans if not span.error}
    assert len(spans) == 500 and len(stored - {None}) <= 500
    assert sink.assert_nothing_lost() == 0


@pytest.mark.parametrize("kind", ["shared", "debian"])
def test_headers_come_back_as_they_were(run, kafka, sink, topic, kind):
    run(kind, "retry", topic, 1)
    messages = read_all(kafka, topic, 2)
    assert len(sent(messages)) == 2
    (kept,) = [message for message in messages if dict(message.headers()).get("app")]
    assert [name for name, _ in kept.headers()] == ["app", "traceparent"] and dict(kept.headers())["app"] == b"kept"
    failed = [span for span in sink.spans(f"send {topic}") if span.error]
    assert len(failed) == 5 and {span.attributes["error.type"] for span in failed} == {"_UNKNOWN_PARTITION"}
    assert sink.assert_nothing_lost() == 0


def test_private_copies_of_different_versions(run, hosts, kafka, sink, topic):
    ours = pathlib.Path(hosts.folder_of_library) / "librdkafka.so.1"
    if not SYSTEM.exists() or ours.resolve() == SYSTEM.resolve():
        pytest.skip("one librdkafka only; tools/setup interop installs Debian's")
    another = hosts.folder / "librdkafka-1a2b3c.so.1"
    shutil.copy(ours, another)
    ended = run("copies", topic, SYSTEM, ours, another)
    versions = ended.stdout.splitlines()[:3]
    assert len(set(versions)) == 2 and ended.stderr == ""
    check_sends(kafka, sink, topic, 3)
    assert sorted(message.value().decode() for message in read_all(kafka, topic, 3)) == sorted(versions)
    assert sink.assert_nothing_lost() == 0


def test_a_receiver_that_is_away_costs_nothing_but_telemetry(run, kafka, sink, topic):
    assert run("shared", "produce", topic, 5, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1").stderr == ""
    assert len(sent(read_all(kafka, topic, 5))) == 5


def test_a_receiver_that_never_answers(run, kafka, topic):
    """The end of the process waits for it no longer than it must."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        ended = run("shared", "order", topic, 2, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert ended.stderr == "" and len(sent(read_all(kafka, topic, 6))) == 6


def test_program_that_ends_in_full_swing(run, kafka, sink, topic):
    run("shared", "busy", topic, 5, ASAN_OPTIONS="detect_leaks=0")
    assert len(sink.spans(f"send {topic}")) >= 5


def test_found_by_its_name(run, plugin, kafka, sink, topic, tmp_path):
    """plugin.library.paths=weir after `make install`: ldconfig goes by the soname."""
    shutil.copy(plugin, tmp_path)
    subprocess.run(["/sbin/ldconfig", "-n", tmp_path], check=True)
    run("shared", "produce", topic, 2, WEIR_PLUGIN="weir", LD_LIBRARY_PATH=str(tmp_path))
    check_sends(kafka, sink, topic, 2)


def test_program_with_libweir_is_instrumented_once(build_dir, plugin, kafka, sink, topic, tmp_path):
    """The program's own libweir does the work, once."""
    properties = tmp_path / "kafka.properties"
    properties.write_text(f"plugin.library.paths={plugin}\n")
    for way in (("raw-send",), ("send", "sync")):
        before = len(sink.spans())
        worker = Worker(build_dir, kafka, tmp_path, *way, topic, 3, OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
                        KAFKA_PROPERTIES=str(properties))
        assert worker.join() == 0, worker.lines
        assert len(wait_until(lambda: sink.spans()[before:], what="spans")) == 3
    assert len(sent(read_all(kafka, topic, 6))) == 6
