# SPDX-License-Identifier: Apache-2.0
"""TLS between real peers: libweir to receivers of Python's, official SDKs to the server's doors, and libweir to the
server; certificates that are wrong, missing, renewed; no OpenSSL at all."""
import concurrent.futures
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess

import grpc
import pytest
import requests
import websocket
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otlp_json import attributes_of, spans_of
from test_sdk_otlp import GrpcReceiver, HttpReceiver, probe
from weir_server import Weir, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOCOLS = ["http/protobuf", "grpc"]


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certs")
    subprocess.run([str(ROOT / "tests/support/make_certs"), str(folder)], check=True)
    return folder


# -- libweir to Python's receivers -------------------------------------------------------------------------------


class TlsHttpReceiver(HttpReceiver):
    def __init__(self, certs, own, client_ca):
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certs / f"{own}.pem", certs / f"{own}.key")
        if client_ca:
            context.load_verify_locations(certs / f"{client_ca}.pem")
            context.verify_mode = ssl.CERT_REQUIRED
        plain, handshakes = self.server.get_request, []
        self.handshakes = handshakes

        def get_request():
            raw, address = plain()
            handshakes.append(address)
            raw.settimeout(10)
            try:
                return context.wrap_socket(raw, server_side=True), address
            except OSError:
                raw.close()
                raise

        self.server.get_request = get_request
        self.endpoint = self.endpoint.replace("http://127.0.0.1", "https://localhost")


class TlsGrpcReceiver(GrpcReceiver):
    def __init__(self, certs, own, client_ca):
        pair = ((certs / f"{own}.key").read_bytes(), (certs / f"{own}.pem").read_bytes())
        authority = (certs / f"{client_ca}.pem").read_bytes() if client_ca else None
        self.credentials = grpc.ssl_server_credentials([pair], authority, require_client_auth=client_ca is not None)
        super().__init__()

    def listen(self):
        return f"https://localhost:{self.server.add_secure_port('127.0.0.1:0', self.credentials)}"


@pytest.fixture
def receive(certs):
    opened = []

    def open_one(protocol, own="server", client_ca=None):
        one = (TlsGrpcReceiver if protocol == "grpc" else TlsHttpReceiver)(certs, own, client_ca)
        one.protocol = protocol
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_libweir_to_a_python_receiver(build_dir, receive, certs, protocol):
    receiver = receive(protocol)
    said, done = probe(build_dir, receiver, "300", OTEL_EXPORTER_OTLP_CERTIFICATE=str(certs / "ca.pem"),
                       OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
    assert said["flush"] == 0 and said["spans_exported"] == 301 and done.returncode == 0, said
    assert len(receiver.spans()) == 301 and "probe.orders" in receiver.metrics() and len(receiver.logs()) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_address_without_a_scheme_is_tls_for_grpc(build_dir, receive, certs, protocol):
    receiver = receive(protocol)
    receiver.endpoint = receiver.endpoint.removeprefix("https://")
    said, _ = probe(build_dir, receiver, OTEL_EXPORTER_OTLP_CERTIFICATE=str(certs / "ca.pem"))
    assert said["flush"] == (0 if protocol == "grpc" else -6), said
    said, _ = probe(build_dir, receiver, OTEL_EXPORTER_OTLP_CERTIFICATE=str(certs / "ca.pem"),
                    OTEL_EXPORTER_OTLP_INSECURE="true")
    assert said["flush"] == -6 and said["spans_exported"] == 0, said


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_client_certificates_per_signal(build_dir, receive, certs, protocol):
    receiver = receive(protocol, client_ca="ca")
    own = {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(certs / "client.pem"),
           "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(certs / "client.key")}
    said, _ = probe(build_dir, receiver, OTEL_EXPORTER_OTLP_CERTIFICATE=str(certs / "ca.pem"), **own)
    assert said["flush"] == 0, said
    before = len(receiver.requests["traces"])
    # traces show a certificate, metrics and logs do not
    said, _ = probe(build_dir, receiver, OTEL_EXPORTER_OTLP_CERTIFICATE=str(certs / "ca.pem"),
                    **{name.replace("_OTLP_", "_OTLP_TRACES_"): value for name, value in own.items()})
    assert said["flush"] == -6 and said["spans_exported"] == 4, said
    assert len(receiver.requests["traces"]) == before + 1 and "client certificate" in said["message"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("own,ca,words", [
    ("server", "other-ca", "is signed by an authority that is not trusted here"),
    ("server", None, "is signed by an authority that is not trusted here"),
    ("elsewhere", "ca", "is for other names"), ("expired", "ca", "has expired")])
def test_what_cannot_be_trusted_gets_nothing(build_dir, receive, certs, protocol, own, ca, words):
    receiver = receive(protocol, own)
    more = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(certs / f"{ca}.pem")} if ca else {}
    said, done = probe(build_dir, receiver, **more)
    assert said["flush"] == -6 and words in said["message"] and done.returncode == 2, said
    assert said["spans_exported"] == 0 and not receiver.headers
    # no storm: each signal tries a few times, at its pace, and then counts the loss
    assert len(getattr(receiver, "handshakes", [])) <= 12


def test_plain_receiver_is_named(build_dir):
    plain = HttpReceiver()
    plain.protocol, plain.endpoint = "http/protobuf", plain.endpoint.replace("http://", "https://")
    try:
        said, _ = probe(build_dir, plain)
        assert said["flush"] == -6 and "does not speak TLS on this port" in said["message"], said
    finally:
        plain.close()


@pytest.mark.parametrize("name,value,words", [
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere", "No such file"),
    ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "/nowhere", "No such file"),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/dev/null", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")])
def test_files_that_are_not_there_are_told_at_once(build_dir, name, value, words):
    said, done = probe(build_dir, None, OTEL_EXPORTER_OTLP_ENDPOINT="https://localhost:1", **{name: value})
    assert done.returncode == 1 and said["init"] == -1 and name in said["message"] and words in said["message"], said


NO_OPENSSL = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
void *dlopen(const char *name, int flags) {
    void *(*next)(const char *, int);
    if (name && strncmp(name, "libssl", 6) == 0) return NULL;
    *(void **)&next = dlsym(RTLD_NEXT, "dlopen");
    return next(name, flags);
}
"""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_openssl_it_says_so_and_goes_on(build_dir, receive, tmp_path, protocol):
    (tmp_path / "none.c").write_text(NO_OPENSSL)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "none.so", tmp_path / "none.c", "-ldl"], check=True)
    preload = [str(tmp_path / "none.so")]
    linked = subprocess.run(["ldd", str(build_dir / "tests/unit/sdk/otlp_probe")], capture_output=True, text=True).stdout
    preload[:0] = [line.split()[2] for line in linked.splitlines() if "libasan" in line]
    receiver = receive(protocol)
    said, done = probe(build_dir, receiver, LD_PRELOAD=":".join(preload))
    assert said["flush"] == -6 and "install libssl3" in said["message"] and said["spans_exported"] == 0, said
    assert done.returncode == 2  # it ran to its end, and nothing but the telemetry is missing


# -- the server's doors ----------------------------------------------------------------------------------------


@pytest.fixture
def serve(build_dir, tmp_path, certs, monkeypatch):
    opened = []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certs / "ca.pem"))

    def open_one(*extra, own="server"):
        folder = tmp_path / f"server{len(opened)}"
        folder.mkdir()
        for ending in ("pem", "key"):
            shutil.copy(certs / f"{own}.{ending}", folder / f"live.{ending}")
        one = Weir(build_dir, folder / "data", "--tls-cert", str(folder / "live.pem"), "--tls-key", str(folder / "live.key"),
                   *extra)
        one.certs = folder
        one.start()
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.stop()


def address(server, door):
    host, _, port = getattr(server, door).rpartition(":")
    return host, int(port)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_libweir_to_the_server(build_dir, serve, certs, protocol):
    server = serve("--tls-client-ca", str(certs / "ca.pem")) if protocol == "grpc" else serve()
    more = {}
    if protocol == "grpc":
        more = {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(certs / "client.pem"),
                "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(certs / "client.key")}
    said, done = probe(build_dir, None, "500", OTEL_EXPORTER_OTLP_CERTIFICATE=str(certs / "ca.pem"),
                       OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                       OTEL_EXPORTER_OTLP_ENDPOINT=f"https://{server.grpc if protocol == 'grpc' else server.http}", **more)
    assert said["flush"] == 0 and said["spans_exported"] == 501 and done.returncode == 0, said
    if protocol == "grpc":  # the page's door wants a certificate too
        with pytest.raises(requests.exceptions.ConnectionError):
            server.get("/metrics")
        answer = requests.get(f"{server.api}/api/traces/{said['trace_id']}", timeout=30,
                              cert=(str(certs / "client.pem"), str(certs / "client.key")))
        assert answer.status_code == 200
        assert len(list(spans_of(answer.json()))) == 501
    else:
        spans = wait_until(lambda: spans_of(server.trace(said["trace_id"])), what="the trace")
        assert len(list(spans)) == 501
        assert attributes_of(spans[0])


def exporter_of(server, certs, transport, own=None):
    ca = certs / "ca.pem"
    if transport == "grpc":
        chain = {"private_key": (certs / f"{own}.key").read_bytes(), "certificate_chain": (certs / f"{own}.pem").read_bytes()} if own else {}
        return GrpcSpanExporter(endpoint=f"https://{server.grpc}", timeout=2,
                                credentials=grpc.ssl_channel_credentials(ca.read_bytes(), **chain))
    client = {"client_certificate_file": str(certs / f"{own}.pem"), "client_key_file": str(certs / f"{own}.key")} if own else {}
    return HttpSpanExporter(endpoint=f"https://{server.http}/v1/traces", certificate_file=str(ca), timeout=2, **client)


def send_one(exporter, service):
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("peer").start_as_current_span("one") as span:
        span.set_attribute("text", "x" * 100000)
    provider.shutdown()
    return f"{span.get_span_context().trace_id:032x}"


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_python_sdk_to_the_server(serve, certs, rng, transport):
    server = serve()
    trace_id = send_one(exporter_of(server, certs, transport), f"tls-{transport}-{rng.randrange(10**9)}")
    spans = wait_until(lambda: spans_of(server.trace(trace_id)), what="the trace")
    assert [span["name"] for span in spans] == ["one"] and attributes_of(spans[0]) == {"text": "x" * 100000}


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_client_ca_per_door(build_dir, certs, tmp_path, monkeypatch, rng, transport):
    """The OTLP doors ask for certificates, the page's does not: as the file says, door by door."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certs / "ca.pem"))
    block = f"{{cert_file: '{certs}/server.pem', key_file: '{certs}/server.key', client_ca_file: '{certs}/ca.pem'}}"
    (tmp_path / "weir.yaml").write_text(f"""
receivers: {{otlp: {{protocols: {{grpc: {{tls: {block}}}, http: {{tls: {block}}}}}}}}}
extensions: {{weir_ui: {{tls: {{cert_file: '{certs}/server.pem', key_file: '{certs}/server.key', min_version: "1.3"}}}}}}
""")
    server = Weir(build_dir, tmp_path / "data", "--config", str(tmp_path / "weir.yaml"))
    server.start()
    try:
        trace_id = send_one(exporter_of(server, certs, transport, "client"), "with")
        assert spans_of(wait_until(lambda: server.trace(trace_id), what="the trace"))
        for nobody in (None, "stranger"):
            lost = send_one(exporter_of(server, certs, transport, nobody), "without")
            server.get(f"/api/traces/{lost}", expect=404)
        door = "otlp/grpc" if transport == "grpc" else "otlp/http"
        text = server.get("/metrics")
        line = next(l for l in text.splitlines() if l.startswith("weir_http_refused_total") and f'door="{door}"' in l and 'reason="tls"' in l)
        assert float(line.split()[-1]) >= 2
    finally:
        server.stop()


def test_node_sdk_to_the_server(serve, certs, rng):
    server = serve()
    peers = pathlib.Path(os.environ.get("WEIR_NODE_PEERS", "missing"))
    if not (peers / "node_modules").is_dir():
        pytest.skip("npm packages are not installed: tools/setup test")
    environment = dict(os.environ, NODE_PATH=str(peers / "node_modules"), OTEL_EXPORTER_OTLP_ENDPOINT=f"https://{server.http}",
                       NODE_EXTRA_CA_CERTS=str(certs / "ca.pem"), SERVICE=f"node-tls-{rng.randrange(10**9)}")
    done = subprocess.run(["node", str(ROOT / "tests/integration/node/send.js")], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    trace_id = done.stdout.split()[0]
    assert {span["name"] for span in wait_until(lambda: spans_of(server.trace(trace_id)), what="the trace")} == {"outer", "inner"}


def negotiated(server, door, certs, protocols, version=None):
    context = ssl.create_default_context(cafile=certs / "ca.pem")
    context.set_alpn_protocols(protocols)
    if version:
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(address(server, door), timeout=10) as raw, \
            context.wrap_socket(raw, server_hostname="localhost") as tls:
        return tls.selected_alpn_protocol(), tls.version()


def test_alpn_and_versions(serve, certs):
    server = serve()
    for door in ("grpc", "http"):
        assert negotiated(server, door, certs, ["http/1.1", "h2"]) == ("h2", "TLSv1.3")
        assert negotiated(server, door, certs, ["http/1.1"]) == ("http/1.1", "TLSv1.3")
        assert negotiated(server, door, certs, ["spdy/3"])[0] is None
        assert negotiated(server, door, certs, ["h2"], ssl.TLSVersion.TLSv1_2) == ("h2", "TLSv1.2")
    strict = serve("--tls-min-version", "1.3")
    assert negotiated(strict, "http", certs, ["h2"])[1] == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        negotiated(strict, "http", certs, ["h2"], ssl.TLSVersion.TLSv1_2)


def test_the_page_and_its_live_tail(serve, certs):
    server = serve()
    assert server.ui.startswith("https://")
    if shutil.which("curl"):
        for flag, version in (("--http2", "2"), ("--http1.1", "1.1")):
            done = subprocess.run(["curl", "-sS", flag, "--cacert", str(certs / "ca.pem"), "-o", "/dev/null", "-w", "%{http_code} %{http_version}",
                                   f"{server.ui}/"], capture_output=True, text=True, timeout=30)
            assert done.stdout == f"200 {version}", done.stderr
    tail = websocket.create_connection(server.api.replace("https://", "wss://") + '/loki/api/v1/tail?query={service_name="probe-service"}',
                                       sslopt={"ca_certs": str(certs / "ca.pem")}, timeout=20)
    probe(pathlib.Path(server.binary).parents[2], None, OTEL_EXPORTER_OTLP_CERTIFICATE=str(certs / "ca.pem"),
          OTEL_EXPORTER_OTLP_ENDPOINT=f"https://{server.http}")
    seen = ""
    while not ("no span, 7" in seen and "and another" in seen):
        seen += tail.recv()
    tail.close()


def test_plain_requests_are_told(serve):
    server = serve()
    answer = requests.get(server.ui.replace("https://", "http://") + "/", timeout=10)
    assert answer.status_code == 400 and "ask with https" in answer.text
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as failure:
            call(b"", timeout=5)
        assert failure.value.code() == grpc.StatusCode.UNAVAILABLE


def serial(server, certs):
    context = ssl.create_default_context(cafile=certs / "ca.pem")
    with socket.create_connection(address(server, "http"), timeout=10) as raw, \
            context.wrap_socket(raw, server_hostname="localhost") as tls:
        return tls.getpeercert()["serialNumber"]


def test_renewed_certificates_need_no_restart(serve, certs, tmp_path):
    server = serve()
    subprocess.run([str(ROOT / "tests/support/make_certs"), str(tmp_path / "new")], check=True)
    kept = requests.Session()
    assert kept.get(f"{server.api}/-/ready", timeout=10).status_code == 200
    old = serial(server, certs)
    shutil.copy(tmp_path / "new/server.pem", server.certs / "live.pem")  # the key does not match yet
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP: otlp/grpc: new certificate not used: " in server.output(), what="the complaint")
    assert serial(server, certs) == old
    status = server.get("/weir/v1/status")
    assert "new certificate not used" in str(status)
    shutil.copy(tmp_path / "new/server.key", server.certs / "live.key")
    assert serial(server, tmp_path / "new") != old
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP: certificates are as their files are now" in server.output(), what="the good news")
    assert kept.get(f"{server.api}/-/ready", timeout=10).status_code == 200  # a connection outlives its certificate
    with pytest.raises(ssl.SSLCertVerificationError):
        serial(server, certs)


def test_many_at_once_and_some_who_stall(serve, certs, rng):
    server = serve()
    stalled = [socket.create_connection(address(server, "http"), timeout=30) for _ in range(40)]
    for one in stalled:
        one.sendall(bytes([0x16, 3, 1, 2, 0, 1])[:rng.randrange(1, 7)])
    body = os.urandom(2_000_000)

    def ask(number):
        with requests.Session() as session:
            session.verify = str(certs / "ca.pem")
            for _ in range(5):
                # not OTLP: read whole, then refused
                answer = session.post(f"https://{server.http}/v1/traces", data=body[:rng.randrange(len(body))],
                                      headers={"content-type": "application/x-protobuf"}, timeout=60)
                assert answer.status_code in (200, 400), answer.text
                assert session.get(f"{server.api}/-/ready", timeout=60).status_code == 200
        return number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == list(range(8))
    for one in stalled:
        one.close()


def run_weir(build_dir, *arguments):
    return subprocess.run([str(build_dir / "src/app/weir"), "serve", *arguments], capture_output=True, text=True, timeout=30)


def test_off_loopback_only_with_tls(build_dir, certs, tmp_path):
    open_ones = ["--listen", "0.0.0.0:0", "--print-config"]
    refused = run_weir(build_dir, *open_ones)
    assert refused.returncode == 2 and "without TLS" in refused.stderr and "--tls-cert" in refused.stderr
    taken = run_weir(build_dir, *open_ones, "--tls-cert", str(certs / "server.pem"), "--tls-key", str(certs / "server.key"))
    assert taken.returncode == 0 and f"extensions.weir_ui.tls: {{cert_file: {certs}/server.pem" in taken.stdout


@pytest.mark.parametrize("cert,key,words", [
    ("nothing.pem", "server.key", "nothing.pem is not a certificate in PEM: No such file"),
    ("server.pem", "client.key", "client.key is not the key of that certificate"),
    ("server.key", "server.key", "server.key is not a certificate in PEM")])
def test_unusable_certificates_end_the_start(build_dir, certs, tmp_path, cert, key, words):
    done = run_weir(build_dir, "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--listen-otlp-grpc", "127.0.0.1:0",
                    "--listen-otlp-http", "127.0.0.1:0", "--tls-cert", str(certs / cert), "--tls-key", str(certs / key))
    assert done.returncode == 1 and words in done.stderr, done.stderr
