# SPDX-License-Identifier: Apache-2.0
"""weir doctor: each thing that may be wrong is made wrong for real, and the doctor names it, with a remedy."""
import concurrent.futures
import contextlib
import ctypes
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import grpc
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from kafka_worker import Worker, make_topic, produce
from otlp_make import add_attribute
from weir_server import Weir, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = dict(re.findall(r"(\w+)='(.*)'", subprocess.run([ROOT / "tools/setup", "--env"], capture_output=True, text=True, check=True).stdout))
NEWER = pathlib.Path(SETUP["WEIR_RDKAFKA_ROOT"] or "/nowhere") / "lib/librdkafka.so.1"


def system_version():
    """Of the librdkafka that the loader finds; "" if there is none."""
    try:
        library = ctypes.CDLL("librdkafka.so.1")
    except OSError:
        return ""
    library.rd_kafka_version_str.restype = ctypes.c_char_p
    return library.rd_kafka_version_str().decode()


SYSTEM = system_version()


def traceparent(rng, flags="01"):
    return f"00-{rng.randrange(1, 16**32):032x}-{rng.randrange(1, 16**16):016x}-{flags}"


class Findings:
    """One run's answer: the findings in order, by id."""

    def __init__(self, code, text):
        self.code, self.text, self.answer = code, text, json.loads(text)
        self.all = self.answer["findings"]

    def of(self, identifier):
        return [finding for finding in self.all if finding["id"] == identifier]

    def one(self, identifier, status):
        """The only finding of that id; its words as one text."""
        found = self.of(identifier)
        assert len(found) == 1 and found[0]["status"] == status, f"{identifier}: {found or self.text}"
        if status in ("warn", "fail"):
            assert found[0]["remedy"], f"{identifier} has no remedy"
        return " ".join((found[0]["title"], found[0]["detail"], found[0]["remedy"])).replace("\n", " ")

    def wrong(self):
        return {finding["id"] for finding in self.all if finding["status"] == "fail"}


@pytest.fixture
def doctor(build_dir):
    def run(*arguments, timeout="20s", **environment):
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "KAFKA_", "WEIR_KAFKA_"))}
        env = {**keep, "OTEL_SERVICE_NAME": "shop", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none",
               "OTEL_LOGS_EXPORTER": "none", "WEIR_LIBRDKAFKA": "" if SYSTEM else str(NEWER), **environment}
        done = subprocess.run([build_dir / "src/app/weir", "doctor", "--json", "--timeout", timeout, *map(str, arguments)],
                              env=env, capture_output=True, text=True, timeout=90)
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr[-5000:]
        assert done.stderr == "" and done.returncode in (0, 1), f"{done.returncode}: {done.stderr}"
        findings = Findings(done.returncode, done.stdout)
        counts = {status: sum(f["status"] == status for f in findings.all) for status in ("ok", "warn", "fail", "skip")}
        assert findings.answer["summary"] == counts and (done.returncode == 1) == (counts["fail"] > 0)
        return findings

    return run


OTLP = {"OTEL_TRACES_EXPORTER": "otlp"}


@pytest.fixture
def topic(request, kafka):
    return make_topic(kafka, f"{request.node.originalname.replace('_', '-')}-{time.time_ns() % 10**10}", 2)


@pytest.fixture
def serve():
    """Runs handler(connection) for every connection to a port of its own."""
    sockets = []

    def start(handler):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def guard(connection):
            try:
                with connection:
                    handler(connection)
            except OSError:
                pass

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=guard, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for listener in sockets:
        listener.close()


@pytest.fixture
def http_server():
    """An HTTP/1.1 server that answers every request in one way."""
    servers = []

    def start(status=200, body=b"", headers=(), tls=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1: a server's context, and the file."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


# ── all is well ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("library", ["", str(NEWER)])
def test_all_is_well(kafka, topic, weir, doctor, rng, library):
    if not (NEWER.exists() if library else SYSTEM):
        pytest.skip("this librdkafka is not here")
    count = rng.randrange(3, 30)
    for _ in range(count):
        produce(kafka, topic, ["x"], partition=rng.randrange(2), headers=[("traceparent", traceparent(rng).encode())])
    found = doctor("--brokers", kafka, "--topic", topic, "--endpoint", f"http://{weir.http}", "--write",
                   OTEL_METRICS_EXPORTER="otlp", OTEL_LOGS_EXPORTER="otlp", WEIR_LIBRDKAFKA=library, **OTLP)
    assert found.code == 0, found.text
    assert (library or f"librdkafka {SYSTEM}:") in found.one("librdkafka.found", "ok")
    old = not library and tuple(map(int, SYSTEM.split(".")[:2])) < (2, 13)
    assert bool(found.of("librdkafka.defect")) == old, "2.13 and newer have none of the defects"
    assert "can carry headers" in found.one("kafka.server", "ok")
    assert "1 broker, controller 1" in found.one("kafka.cluster", "ok") and kafka in found.one("kafka.cluster", "ok")
    found.one("kafka.advertised", "ok")
    assert "2 partition(s)" in found.one("topic.found", "ok")
    found.one("topic.size", "ok")
    assert "CreateTime" in found.one("topic.timestamps", "ok")
    assert f"{count} of {count} records" in found.one("records.traceparent", "ok")
    assert f"{count} of {count} contexts" in found.one("records.sampled", "ok")
    found.one("records.clock", "ok")
    found.one("records.round-trip", "ok")
    found.one("records.broker-clock", "ok")
    assert [f["status"] for f in found.of("telemetry.endpoint")] == ["ok"] * 3
    found.one("telemetry.clock", "ok")
    assert not [name for name in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=30).topics if name.startswith("weir-doctor")]


def test_nothing_is_written_or_committed_unasked(kafka, topic, doctor):
    produce(kafka, topic, ["x"] * 3)
    admin = AdminClient({"bootstrap.servers": kafka})
    before = sorted(admin.list_topics(timeout=30).topics)
    doctor("--brokers", kafka, "--topic", topic, "--group", "nobody")
    doctor("--brokers", kafka, "--topic", f"{topic}x")
    assert sorted(admin.list_topics(timeout=30).topics) == before
    groups = [g.group_id for g in admin.list_consumer_groups().result(30).valid]
    assert not [g for g in groups if "doctor" in g or g == "nobody"]


def test_text_and_json_tell_the_same(build_dir, kafka, topic, doctor, rng):
    produce(kafka, topic, ["x"], headers=[("traceparent", b"\x1b[31mred\x07")])
    found = doctor("--brokers", kafka, "--topic", topic)
    env = {**os.environ, "OTEL_SERVICE_NAME": "shop", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    done = subprocess.run([build_dir / "src/app/weir", "doctor", f"--brokers={kafka}", f"--topic={topic}"], env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == found.code == 1
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout, "what a record holds never reaches the terminal"
    said = re.findall(r"^  (ok  |warn|FAIL|skip)  ", done.stdout, re.M)
    assert [word.strip().lower() for word in said] == [finding["status"] for finding in found.all]
    flat = re.sub(r"\s+", " ", done.stdout)
    for finding in found.all:
        assert re.sub(r"\s+", " ", finding["title"])[:40] in flat
    assert "things are wrong" in flat or "thing is wrong" in flat


def test_usage(build_dir):
    def run(*arguments):
        return subprocess.run([build_dir / "src/app/weir", "doctor", *arguments], capture_output=True, text=True, timeout=60)

    assert "did you mean --brokers?" in run("--broker", "x").stderr
    for wrong in (["--broker", "x"], ["--records", "many"], ["--timeout", "soon"], ["--explain", "xyz"], ["--topic"], ["orders"], ["--topic="]):
        assert run(*wrong).returncode == 2, wrong
    assert run("--help").returncode == 0 and "--explain TRACE_ID" in run("--help").stdout


# ── brokers ────────────────────────────────────────────────────────────────────────────────────


def test_broker_down_and_unknown_name(kafka, doctor):
    dead = free_port()
    found = doctor("--brokers", f"127.0.0.1:{dead},no-such-host.invalid:9092,{kafka}")
    first, second, third = found.of("kafka.server")
    assert (first["status"], second["status"], third["status"]) == ("fail", "fail", "ok"), "each on its own"
    assert "refuses the connection" in first["detail"] and str(dead) in first["title"]
    assert "cannot be looked up" in second["detail"]
    found.one("kafka.cluster", "ok")
    alone = doctor("--brokers", f"127.0.0.1:{dead}")
    assert alone.code == 1 and not alone.of("kafka.cluster"), "what cannot be is not asked"


def test_not_a_broker(weir, doctor, certificate, http_server, serve):
    assert "speaks HTTP/2" in doctor("--brokers", weir.ui.split("/")[2]).one("kafka.server", "fail")
    assert "speaks HTTP/1.1" in doctor("--brokers", f"127.0.0.1:{http_server()}").one("kafka.server", "fail")
    found = doctor("--brokers", f"127.0.0.1:{http_server(tls=certificate[0])}")
    assert "speaks TLS" in found.one("kafka.server", "fail") and "security.protocol=SSL" in found.one("kafka.server", "fail")
    assert "without a word" in doctor("--brokers", f"127.0.0.1:{serve(lambda c: None)}").one("kafka.server", "fail")


def test_security_protocol_is_wrong(kafka, doctor, tmp_path):
    properties = tmp_path / "client.properties"
    properties.write_text(f"bootstrap.servers={kafka}\nsecurity.protocol=SSL\n")
    found = doctor("--properties", properties)
    words = found.one("kafka.server", "fail")
    assert "security.protocol=ssl" in words and "PLAINTEXT" in words
    properties.write_text(f"bootstrap.servers={kafka}\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password=p\n")
    assert "The listener has no SASL" in doctor("--properties", properties).one("kafka.server", "fail")
    properties.write_text("bootstrap.server=x\n")
    assert "did you mean 'bootstrap.servers'" in doctor("--properties", properties).one("kafka.properties", "fail")


@contextlib.contextmanager
def changed_kafka(folder, change):
    """A real broker whose configuration went through change(text, port) before its start; gives its port."""
    port = free_port(span=120)
    command, place = [str(ROOT / "tools/kafka")], ["--dir", str(folder)]
    up = subprocess.run([*command, "up", *place, "--port", str(port)], capture_output=True, text=True)
    assert up.returncode == 0, up.stderr
    try:
        subprocess.run([*command, "down", *place], check=True, capture_output=True)
        config = folder / "node1.properties"
        config.write_text(change(config.read_text(), port))
        subprocess.run([*command, "start", *place, "--node", "1"], check=True, capture_output=True)
        yield port
    finally:
        subprocess.run([*command, "down", *place], capture_output=True)


@pytest.fixture
def misled_kafka(tmp_path):
    """A broker that gives out an address where nobody listens."""
    wrong = free_port()
    with changed_kafka(tmp_path / "kafka", lambda text, port: text.replace(f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}",
                                                                           f"advertised.listeners=PLAINTEXT://127.0.0.1:{wrong}")) as port:
        yield f"127.0.0.1:{port}", wrong


@pytest.fixture
def guarded_kafka(tmp_path, certificate):
    """A broker with a listener for TLS and one for SASL: their addresses, and the certificate."""
    chain = tmp_path / "chain.pem"
    chain.write_text((certificate[1].parent / "key.pem").read_text() + certificate[1].read_text())

    def change(text, port):
        more = f",SSL://127.0.0.1:{port + 50},SASL_PLAINTEXT://127.0.0.1:{port + 51}"
        text = re.sub(r"^((?:advertised\.)?listeners=.*)$", rf"\1{more}", text, flags=re.M)
        text = re.sub(r"^(listener\.security\.protocol\.map=.*)$", r"\1,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", text, flags=re.M)
        return text + f"""ssl.keystore.type=PEM
ssl.keystore.location={chain}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="right";
"""

    with changed_kafka(tmp_path / "kafka", change) as port:
        yield f"127.0.0.1:{port + 50}", f"127.0.0.1:{port + 51}", certificate[1]


def test_tls_and_sasl_of_a_broker(guarded_kafka, doctor, tmp_path):
    tls, sasl, authority = guarded_kafka
    properties = tmp_path / "client.properties"

    def ask(server, text):
        properties.write_text(text)
        return doctor("--brokers", server, "--properties", properties)

    trusted = f"security.protocol=SSL\nssl.ca.location={authority}\n"
    found = wait_until(lambda: (answer := ask(tls, trusted)) and not answer.wrong() & {"kafka.server", "kafka.cluster"} and answer, 60, 0.5, "the broker")
    assert "over TLS" in found.one("kafka.server", "ok") and "1 broker" in found.one("kafka.cluster", "ok")
    assert "ssl.ca.location" in ask(tls, "security.protocol=SSL\n").one("kafka.server", "fail")
    words = ask(tls, "security.protocol=PLAINTEXT\n").one("kafka.server", "fail")
    assert "speaks TLS" in words and "security.protocol=SSL" in words
    login = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism={}\nsasl.username=ann\nsasl.password={}\n"
    ask(sasl, login.format("PLAIN", "right")).one("kafka.cluster", "ok")
    words = ask(sasl, login.format("PLAIN", "wrong")).one("kafka.server", "fail")
    assert "sasl.username and sasl.password" in words
    assert "sasl.enabled.mechanisms" in ask(sasl, login.format("SCRAM-SHA-256", "right")).one("kafka.server", "fail")
    assert "SASL" in ask(sasl, "security.protocol=PLAINTEXT\n").one("kafka.cluster", "fail")


@pytest.mark.slow
def test_a_topic_in_an_old_format(build_dir, doctor, tmp_path, rng):
    """The oldest broker can still keep a topic in the format before headers."""
    command, place = [str(ROOT / "tools/kafka")], ["--dir", str(tmp_path / "kafka")]
    up = subprocess.run([*command, "up", "--version", "2.8.2", *place, "--port", str(free_port(span=120))], capture_output=True, text=True)
    assert up.returncode == 0, up.stderr
    try:
        kafka, topic = up.stdout.strip().splitlines()[-1], f"old-{rng.randrange(16**8):08x}"

        def create(*settings):
            worker = Worker(build_dir / "tests/unit/kafka/admin_worker", kafka, tmp_path, "create", 1, topic, "--", *settings)
            return worker.join() == 0 and worker.find(r"code (0|-15)")

        wait_until(lambda: create("message.format.version=0.10.2"), 60, 0.5, "the topic")
        found = doctor("--brokers", kafka, "--topic", topic)
        assert "0.10.2" in found.one("topic.format", "fail") and "Kafka 2.7 or newer" in found.one("kafka.server", "ok")
    finally:
        subprocess.run([*command, "down", *place], capture_output=True)


def test_advertised_listener_is_wrong(misled_kafka, doctor):
    server, wrong = misled_kafka

    def ready():
        found = doctor("--brokers", server)
        return found if found.of("kafka.cluster") and found.of("kafka.cluster")[0]["status"] == "ok" and found.of("kafka.advertised") else None

    found = wait_until(ready, 60, 0.5, "the broker's answer")
    words = found.one("kafka.advertised", "fail")
    assert f"calls itself 127.0.0.1:{wrong}" in words and "advertised.listeners" in words
    # The same without librdkafka, in Kafka's own protocol.
    bare = doctor("--brokers", server, WEIR_LIBRDKAFKA="/nowhere/librdkafka.so.1")
    assert f"127.0.0.1:{wrong}" in bare.one("kafka.advertised", "fail")


def test_without_librdkafka(kafka, doctor, weir):
    found = doctor("--brokers", kafka, "--topic", "x", "--endpoint", f"http://{weir.http}", WEIR_LIBRDKAFKA="/nowhere/librdkafka.so.1", **OTLP)
    assert "/nowhere/librdkafka.so.1" in found.one("librdkafka.found", "fail")
    assert "can carry headers" in found.one("kafka.server", "ok")
    assert "1 broker" in found.one("kafka.cluster", "ok")
    found.one("telemetry.endpoint", "ok")


def test_the_plugin(kafka, topic, weir, build_dir, doctor, tmp_path, rng):
    """It is found where the loader looks; and it does not observe the doctor."""
    plugin = build_dir.resolve() / "src/plugin/libweir-kafka.so"
    if not plugin.exists():
        pytest.skip("this build has no plugin")
    words = doctor(LD_LIBRARY_PATH=str(tmp_path)).one("librdkafka.plugin", "warn")
    assert str(tmp_path) in words and "make install" in words
    (tmp_path / "weir.so").symlink_to(plugin)
    doctor(LD_LIBRARY_PATH=str(tmp_path)).one("librdkafka.plugin", "ok")
    produce(kafka, topic, ["x"] * 3, headers=[("traceparent", traceparent(rng).encode())])
    properties = tmp_path / "client.properties"
    properties.write_text(f"plugin.library.paths={plugin}\nweir.propagate=off\n")
    found = doctor("--brokers", kafka, "--topic", topic, "--properties", properties, "--endpoint", f"http://{weir.http}", "--write", **OTLP)
    assert "3 of 3 records" in found.one("records.traceparent", "ok") and "propagate=off" in found.one("telemetry.observation", "fail")
    found.one("telemetry.settings", "ok")
    assert weir.search("{}") == [], "the doctor's own reading made spans"


# ── topics, records, groups ────────────────────────────────────────────────────────────────────


def test_topic_is_missing_or_empty(kafka, topic, doctor):
    words = doctor("--brokers", kafka, "--topic", topic[:-1]).one("topic.found", "fail")
    assert f"Did you mean {topic}?" in words
    doctor("--brokers", kafka, "--topic", topic).one("records.read", "warn")


def test_client_lets_larger_records_pass(kafka, topic, doctor, tmp_path):
    properties = tmp_path / "client.properties"
    properties.write_text("message.max.bytes=5000000\n")
    words = doctor("--brokers", kafka, "--topic", topic, "--properties", properties).one("topic.size", "warn")
    assert "5000000" in words and "1048588" in words


def test_headers_are_counted(kafka, topic, doctor, rng):
    """Every record's headers are in the ledger; the doctor's counts are exact."""
    ledger = {"bare": 0, "malformed": 0, "duplicated": 0, "unsampled": 0, "good": 0, "state": 0}
    good = traceparent(rng)
    spoiled = [good[:-1], good.upper().replace("00-", "00-A"), f"ff{good[2:]}", good.replace("-", "_"), f"00-{'0' * 32}{good[35:]}", "", "x" * 500]
    kinds = [rng.choice(list(ledger)) for _ in range(rng.randrange(40, 120))] + list(ledger)
    rng.shuffle(kinds)
    for kind in kinds:
        ledger[kind] += 1
        headers = {"bare": [("app", b"1")], "malformed": [("traceparent", rng.choice(spoiled).encode())],
                   "duplicated": [("traceparent", traceparent(rng).encode()), ("traceparent", good.encode())],
                   "unsampled": [("traceparent", traceparent(rng, "00").encode())], "good": [("traceparent", traceparent(rng).encode())],
                   "state": [("traceparent", traceparent(rng).encode()), ("tracestate", b"a=b"), ("baggage", b"user=ann")]}[kind]
        produce(kafka, topic, ["x"], partition=rng.randrange(2), headers=headers)
    found = doctor("--brokers", kafka, "--topic", topic, "--records", 1000)
    total, valid = sum(ledger.values()), sum(ledger[k] for k in ("duplicated", "unsampled", "good", "state"))
    assert f"{total - ledger['bare']} of {total} records carry a traceparent" in found.one("records.traceparent", "warn")
    assert f"{ledger['malformed']} records carry a traceparent that is malformed" in found.one("records.malformed", "fail")
    assert f"{ledger['duplicated']} records carry traceparent more than once" in found.one("records.duplicated", "warn")
    assert f"{valid - ledger['unsampled']} of {valid} contexts are sampled" in found.one("records.sampled", "ok")
    assert f"{ledger['state']} records carry tracestate, {ledger['state']} baggage" in found.one("records.others", "ok")
    fewer = doctor("--brokers", kafka, "--topic", topic, "--records", 10)
    assert re.search(r"Read the newest (\d+) records", fewer.text)[1] == "10", "only the newest"


@pytest.mark.parametrize("value, why", [("00-1-2-01", "shorter"), ("{}0", "longer"), ("A{}", "divided"), ("UPPER", "capital"), ("ff", "version ff"),
                                        ("zero", "trace id is all zero")])
def test_a_malformed_header_is_explained(kafka, topic, doctor, rng, value, why):
    good = traceparent(rng)
    good = good[:3] + "abc" + good[6:]
    text = {"UPPER": good.upper(), "ff": "ff" + good[2:], "zero": f"00-{'0' * 32}{good[35:]}"}.get(value, value.format(good))
    produce(kafka, topic, ["x"], headers=[("traceparent", text.encode())])
    assert why in doctor("--brokers", kafka, "--topic", topic).one("records.malformed", "fail")


def test_no_headers_and_no_samples(kafka, topic, doctor, rng):
    produce(kafka, topic, ["x"] * 3)
    words = doctor("--brokers", kafka, "--topic", topic).one("records.traceparent", "fail")
    assert "0 of 3 records" in words and "plugin.library.paths" in words and "OTEL_PROPAGATORS" in words
    other = make_topic(kafka, f"{topic}-unsampled")
    produce(kafka, other, ["x"] * 4, headers=[("traceparent", traceparent(rng, "00").encode())])
    assert "OTEL_TRACES_SAMPLER" in doctor("--brokers", kafka, "--topic", other).one("records.sampled", "fail")


def test_a_producers_clock_is_ahead(kafka, topic, doctor, rng):
    ahead = rng.randrange(60, 3000)  # the broker refuses more than an hour
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, b"x", timestamp=int((time.time() + ahead) * 1000))
    assert producer.flush(30) == 0
    assert "producer's clock" in doctor("--brokers", kafka, "--topic", topic).one("records.clock", "fail")


def test_group(kafka, topic, doctor, rng):
    name = f"{topic}-group"
    doctor("--brokers", kafka, "--group", name).one("group.state", "fail")
    sent, taken = rng.randrange(5, 20), rng.randrange(1, 5)
    produce(kafka, topic, ["x"] * sent)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                         "client.id": "till"})
    consumer.subscribe([topic])
    got = []
    while len(got) < taken:
        got += [m for m in consumer.consume(taken - len(got), 1) if not m.error()]
    consumer.commit(message=got[-1], asynchronous=False)
    found = doctor("--brokers", kafka, "--topic", topic, "--group", name)
    assert "stable with 1 member(s)" in found.one("group.state", "ok") and "till" in found.one("group.state", "ok")
    lag = found.one("group.lag", "ok")
    assert f"{sent - taken} message(s) behind" in lag and f"committed {taken}, end {sent}" in lag
    consumer.close()
    assert "has no members" in doctor("--brokers", kafka, "--group", name).one("group.state", "fail")


# ── telemetry ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def grpc_receiver():
    """A receiver that speaks OTLP over gRPC alone, as a collector's port 4317 does."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: ExportTraceServiceResponse(),
                                                  request_deserializer=ExportTraceServiceRequest.FromString,
                                                  response_serializer=ExportTraceServiceResponse.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("opentelemetry.proto.collector.trace.v1.TraceService", {"Export": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None)


def test_protocols_are_mixed_up(doctor, grpc_receiver, http_server):
    doctor("--endpoint", f"http://127.0.0.1:{grpc_receiver}", "--protocol", "grpc", **OTLP).one("telemetry.endpoint", "ok")
    words = doctor("--endpoint", f"http://127.0.0.1:{grpc_receiver}", **OTLP).one("telemetry.endpoint", "fail")
    assert "takes grpc, not http/protobuf" in words and "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in words
    port = http_server()
    words = doctor(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_PROTOCOL="grpc", **OTLP).one("telemetry.endpoint", "fail")
    assert "takes http/protobuf, not grpc" in words and "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in words


def test_endpoint_is_down(doctor):
    found = doctor("--endpoint", f"http://127.0.0.1:{free_port()}", OTEL_METRICS_EXPORTER="otlp", **OTLP)
    words = found.one("telemetry.endpoint", "fail")
    assert "refuses the connection" in words and "metrics fail alike" in words


@pytest.mark.parametrize("status, remedy", [(401, "OTEL_EXPORTER_OTLP_HEADERS"), (403, "not allowed"), (404, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
                                            (415, "OTEL_EXPORTER_OTLP_COMPRESSION"), (429, "overloaded"), (500, "its log")])
def test_endpoint_refuses(doctor, http_server, status, remedy):
    words = doctor("--endpoint", f"http://127.0.0.1:{http_server(status, b'no')}", **OTLP).one("telemetry.endpoint", "fail")
    assert f"HTTP {status}" in words and remedy in words


def test_tls_and_certificates(doctor, http_server, certificate):
    context, path = certificate
    port = http_server(tls=context)
    assert "write https://" in doctor("--endpoint", f"http://127.0.0.1:{port}", **OTLP).one("telemetry.endpoint", "fail")
    words = doctor("--endpoint", f"https://127.0.0.1:{port}", **OTLP).one("telemetry.endpoint", "fail")
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in words
    doctor("--endpoint", f"https://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_CERTIFICATE=str(path), **OTLP).one("telemetry.endpoint", "ok")
    plain = http_server()
    assert "write http://" in doctor("--endpoint", f"https://127.0.0.1:{plain}", **OTLP).one("telemetry.endpoint", "fail")


def test_receivers_clock(doctor, http_server, rng):
    off = rng.choice([-1, 1]) * rng.randrange(60, 7200)
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + off))
    words = doctor("--endpoint", f"http://127.0.0.1:{http_server(headers=[('Date', date)])}", **OTLP).one("telemetry.clock", "fail")
    assert ("ahead of" if off > 0 else "behind") in words


@pytest.mark.parametrize("environment, identifier, status, words", [
    ({"OTEL_TRACES_SAMPLER": "always_off"}, "telemetry.sampler", "fail", "records no trace"),
    ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, "telemetry.sampler", "ok", "25 %"),
    ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.0"}, "telemetry.sampler", "ok", "holes"),
    ({"OTEL_TRACES_SAMPLER": "sometimes"}, "telemetry.settings", "fail", "OTEL_TRACES_SAMPLER"),
    ({"OTEL_SDK_DISABLED": "true"}, "telemetry.settings", "fail", "nothing is recorded"),
    ({"OTEL_PROPAGATORS": "baggage"}, "telemetry.propagators", "fail", "no tracecontext"),
    ({"OTEL_PROPAGATORS": "b3"}, "telemetry.propagators", "warn", "B3 headers alone"),
    ({"OTEL_SERVICE_NAME": ""}, "telemetry.service", "warn", "OTEL_SERVICE_NAME"),
    ({"OTEL_TRACES_EXPORTER": "none"}, "telemetry.exporter", "fail", "go nowhere"),
    ({"OTEL_TRACES_EXPORTER": "console"}, "telemetry.exporter", "warn", "printed"),
    ({"WEIR_KAFKA_PROPAGATE": "off"}, "telemetry.observation", "fail", "propagate=off"),
    ({"WEIR_KAFKA_PROPAGATE": "sometimes"}, "telemetry.observation", "fail", "WEIR_KAFKA_PROPAGATE is wrong"),
    ({"WEIR_KAFKA_SPANS": "false"}, "telemetry.observation", "fail", "only metrics"),
    ({"WEIR_KAFKA_TOPICS_EXCLUDE": "ord*", "KAFKA_TOPIC": "orders"}, "telemetry.observation", "fail", "left out"),
    ({"WEIR_KAFKA_PROPAGATE_EXCLUDE": "ord*", "KAFKA_TOPIC": "orders"}, "telemetry.observation", "fail", "no headers"),
])
def test_settings(doctor, environment, identifier, status, words):
    assert words in doctor(**environment).one(identifier, status)


def test_settings_of_a_properties_file(doctor, tmp_path):
    properties = tmp_path / "client.properties"
    properties.write_text("weir.propagate=off\n")
    assert "propagate=off" in doctor("--properties", properties).one("telemetry.observation", "fail")


# ── an application's counts ────────────────────────────────────────────────────────────────────


def test_application_drops(kafka, topic, build_dir, tmp_path, doctor, rng):
    """A consumer whose exporter has nobody to send to: what it took is what was dropped or waits."""
    port, count = free_port(), rng.randrange(10, 40)
    produce(kafka, topic, ["fine"] * count, headers=[("traceparent", traceparent(rng).encode())])
    produce(kafka, topic, ["fine"] * 3, headers=[("traceparent", b"nonsense")])
    worker = Worker(build_dir, kafka, tmp_path, "group", topic, f"{topic}-group", WEIR_METRICS_PORT=str(port), OTEL_TRACES_EXPORTER="otlp",
                    OTEL_LOGS_EXPORTER="none", OTEL_BSP_EXPORT_TIMEOUT="100", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    worker.wait(r"end ", count=count + 3)

    def dropped():
        found = doctor("--app", f"127.0.0.1:{port}")
        return found if found.of("application.dropped") and found.of("application.clients") else None

    found = wait_until(dropped, 30, 0.5, "drops")
    words = found.one("application.dropped", "fail")
    assert "the export failed for good" in words and "endpoint" in words
    assert int(re.search(r"(\d+) because the export failed", words)[1]) >= 1
    assert "3 propagation headers were malformed" in found.one("application.headers", "fail")
    assert "1 of its 1 Kafka clients reach a broker" in found.one("application.clients", "ok")
    worker.stop()
    assert "cannot be read" in doctor("--app", f"127.0.0.1:{port}").one("application.metrics", "fail")


def test_application_queue_full_and_all_well(doctor, http_server, rng):
    full, memory, failed = rng.randrange(1, 10**6), rng.randrange(1, 100), rng.randrange(1, 10**9)
    page = f"""# TYPE otel_sdk_span_started_total counter
otel_sdk_span_started_total{{otel_span_sampling_result="RECORD_AND_SAMPLE",x="a,}}\\"b"}} {full * 3} 1700000000000
otel_sdk_span_started_total{{otel_span_sampling_result="DROP"}} 7
otel_sdk_processor_span_processed_total{{error_type="queue_full"}} {full}
otel_sdk_processor_span_processed_total{{error_type="out_of_memory"}} {memory}
otel_sdk_exporter_span_exported_total{{error_type="export_failed"}} {failed}
otel_sdk_exporter_span_exported_total{{error_type="rejected"}} 5
weir_kafka_broker_connected{{client="a"}} 0
"""
    found = doctor("--app", f"http://127.0.0.1:{http_server(body=page.encode())}/metrics")
    words = found.one("application.dropped", "fail")
    assert f"{full + memory + failed + 5} spans were recorded and then dropped" in words
    assert f"{full} because the queue was full" in words and "OTEL_BSP_MAX_QUEUE_SIZE" in words and f"{memory} because memory" in words
    assert "5 because the receiver took the request, but not these" in words
    assert f"{full * 3} spans that are recorded and 7 that are not" in found.one("application.spans", "ok")
    found.one("application.clients", "fail")
    other = doctor("--app", f"127.0.0.1:{http_server(body=b'up 1')}")
    assert "none of them libweir's" in other.one("application.metrics", "warn")


# ── a stored trace ─────────────────────────────────────────────────────────────────────────────


def send_spans(weir, spans):
    """[(service, {field: value}, {attribute: value}, [(trace, span) links])] by OTLP."""
    request = ExportTraceServiceRequest()
    for service, fields, attributes, links in spans:
        batch = request.resource_spans.add()
        add_attribute(batch.resource.attributes, "service.name", service)
        span = batch.scope_spans.add().spans.add(**fields)
        span.end_time_unix_nano = span.start_time_unix_nano + 10**6
        for key, value in attributes.items():
            add_attribute(span.attributes, key, value)
        for trace_id, span_id in links:
            span.links.add(trace_id=trace_id, span_id=span_id)
    assert weir.post_otlp("traces", request.SerializeToString()).status_code == 200


def explain(doctor, weir, trace_id, *more):
    return doctor("--explain", trace_id.hex(), "--server", weir.api, *more)


def test_explain_a_whole_trace(kafka, topic, weir, build_dir, tmp_path, doctor):
    telemetry = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{weir.http}"}
    assert Worker(build_dir, kafka, tmp_path, "send", "sync", topic, 1, OTEL_SERVICE_NAME="shop", **telemetry).join() == 0
    worker = Worker(build_dir, kafka, tmp_path, "group", topic, f"{topic}-group", OTEL_SERVICE_NAME="kitchen", **telemetry)
    worker.wait(r"end ")
    assert worker.stop() == 0
    (trace,) = wait_until(lambda: weir.search(f'{{ name = "process {topic}" }}'), 10, 0.3, "the span")
    found = explain(doctor, weir, bytes.fromhex(trace["traceID"].zfill(32)))
    assert found.code == 0, found.text
    assert f'"send {topic}" of shop leads to "process {topic}" of kitchen' in found.one("trace.hop", "ok")
    assert "Service kitchen." in found.one("trace.found", "ok")


def test_explain_unconnected_traces(kafka, topic, weir, build_dir, tmp_path, doctor, rng):
    """Nobody took it: the record itself says whose side is at fault."""
    trace, send, orphan, lost, batch_trace = rng.randbytes(16), rng.randbytes(8), rng.randbytes(8), rng.randbytes(8), rng.randbytes(16)
    now = time.time_ns()
    produce(kafka, topic, ["x"])  # without a header

    def sent(offset, span_id, name):
        return ("shop", {"trace_id": trace, "span_id": span_id, "name": name, "kind": 4, "start_time_unix_nano": now},
                {"messaging.operation.type": "send", "messaging.destination.name": topic, "messaging.destination.partition.id": "0",
                 "messaging.kafka.offset": offset}, [])

    linked = rng.randbytes(8)
    send_spans(weir, [
        sent(0, send, "send lost"), sent(1, linked, "send linked"),
        ("kitchen", {"trace_id": trace, "span_id": orphan, "parent_span_id": lost, "name": "process orphan", "kind": 5, "start_time_unix_nano": now}, {}, []),
        ("batch", {"trace_id": batch_trace, "span_id": rng.randbytes(8), "name": "process many", "kind": 5, "start_time_unix_nano": now}, {},
         [(trace, linked)]),
        ("early", {"trace_id": trace, "span_id": rng.randbytes(8), "parent_span_id": send, "name": "too early", "kind": 1,
                   "start_time_unix_nano": now - 5 * 10**9}, {}, []),
        ("cook", {"trace_id": batch_trace, "span_id": rng.randbytes(8), "name": "process bare", "kind": 5, "start_time_unix_nano": now},
         {"messaging.destination.name": topic, "messaging.destination.partition.id": "0", "messaging.kafka.offset": 0}, [])])
    found = explain(doctor, weir, trace, "--brokers", kafka)
    first, second = sorted(found.of("trace.hop"), key=lambda f: f["status"])
    assert first["status"] == "fail" and "send lost" in first["title"] and "carries no traceparent" in first["detail"]
    assert second["status"] == "ok" and "process many" in second["title"] and batch_trace.hex() in second["detail"]
    words = found.one("trace.parent", "fail")
    assert "process orphan" in words and lost.hex() in words and "did not export" in words
    assert "5000 ms before" in found.one("trace.clock", "warn")
    other = explain(doctor, weir, batch_trace, "--brokers", kafka)
    words = other.one("trace.sender", "fail")
    assert "process bare" in words and "carries no traceparent" in words
    assert "does not know this trace" in explain(doctor, weir, rng.randbytes(16)).one("trace.found", "fail")


def test_explain_without_a_server(doctor, rng, http_server):
    assert "cannot be read" in doctor("--explain", rng.randbytes(16).hex(), "--server", f"http://127.0.0.1:{free_port()}").one("trace.found", "fail")
    garbage = rng.randbytes(5000)
    doctor("--explain", rng.randbytes(16).hex(), "--server", f"http://127.0.0.1:{http_server(body=garbage)}").one("trace.found", "fail")


# ── hostile peers ──────────────────────────────────────────────────────────────────────────────


def test_hostile_answers(doctor, serve, rng, http_server):
    """Whatever a port answers, the doctor says so and ends."""
    def framed(size):
        """Answers as a broker would, but for the content; `size` is what it claims, None: the truth."""
        def answer(connection):
            while head := connection.recv(4096):
                body = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 300)))
                claimed = len(body) + 4 if size is None else size
                connection.sendall(claimed.to_bytes(4, "big", signed=True) + head[8:12] + body)

        return answer

    def noise(connection):
        connection.sendall(rng.randbytes(rng.randrange(1, 20000)))
        connection.recv(100)

    for handler in (*map(framed, (None, None, 0, 4, 1000, 2**31 - 1, -1)), noise, noise, noise):
        port = serve(handler)
        found = doctor("--brokers", f"127.0.0.1:{port}", "--topic", "x", "--group", "g", "--endpoint", f"http://127.0.0.1:{port}",
                       "--app", f"127.0.0.1:{port}", timeout="6s", **OTLP)
        assert {"kafka.server", "telemetry.endpoint", "application.metrics"} <= found.wrong(), found.text
    page = bytes(rng.randrange(256) for _ in range(20000)) + b'\na{b="c\nx{} 1\n{"'
    doctor("--app", f"127.0.0.1:{http_server(body=page)}")


def test_silent_peers_cost_no_more_than_the_timeout(doctor, serve):
    """Nobody answers anything: the report is there, and says so."""
    port = serve(lambda connection: time.sleep(60))
    found = doctor("--brokers", f"127.0.0.1:{port}", "--endpoint", f"http://127.0.0.1:{port}", "--app", f"127.0.0.1:{port}", timeout="3s", **OTLP)
    assert {"kafka.server", "telemetry.endpoint", "application.metrics"} <= found.wrong(), found.text


# ── the page ───────────────────────────────────────────────────────────────────────────────────


def test_every_finding_is_documented():
    page = (ROOT / "docs/doctor.md").read_text()
    sections = "librdkafka|kafka|topic|records|group|telemetry|application|trace|doctor"
    said = set()
    for source in (ROOT / "src/doctor").glob("*.c"):
        said |= set(re.findall(rf'"((?:{sections})\.[a-z-]+)"', source.read_text()))
    told = set(re.findall(rf"`((?:{sections})\.[a-z-]+)`", page))
    said -= {"group.id"}  # librdkafka's
    assert said == told, f"only in the source: {said - told}; only in docs/doctor.md: {told - said}"
