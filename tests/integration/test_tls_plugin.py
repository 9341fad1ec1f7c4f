# SPDX-License-Identifier: Apache-2.0
"""The plugin exports over https from C programs whose librdkafka has an OpenSSL already: the same library, initialised
by the host, cleaned up by the host's exit handler before the plugin's last export, forked and cut off in full swing."""
import pathlib
import ssl
import subprocess

import pytest

from otlp_sink import Sink
from shop import LANGUAGES, Shop
from test_plugin import check_sends, hosts, plugin, run, told, topic  # noqa: F401  fixtures

ROOT = pathlib.Path(__file__).resolve().parents[2]


class TlsSink(Sink):
    def __init__(self, certs):
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certs / "server.pem", certs / "server.key")
        plain = self.server.get_request

        def get_request():
            raw, address = plain()
            raw.settimeout(30)
            return context.wrap_socket(raw, server_side=True), address

        self.server.get_request = get_request
        self.server.handle_error = lambda *_: None  # a peer that was cut off
        self.endpoint = self.endpoint.replace("http://127.0.0.1", "https://localhost")


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certs")
    subprocess.run([str(ROOT / "tests/support/make_certs"), str(folder)], check=True)
    return folder


@pytest.fixture
def sink(certs, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certs / "ca.pem"))
    sink = TlsSink(certs)
    yield sink
    sink.close()


@pytest.mark.parametrize("kind", ["shared", "static", "exported", "debian"])
@pytest.mark.parametrize("way, sends", [("produce", 1), ("leave", 1), ("threads", 8), ("forked", 3), ("workers", 3)])
def test_every_span_arrives(run, rng, kafka, sink, topic, kind, way, sends):  # noqa: F811
    count = rng.randrange(1, 20)
    leaks = {"ASAN_OPTIONS": "detect_leaks=0"} if way == "forked" else {}
    assert not told(run(kind, way, topic, count, **leaks))
    check_sends(kafka, sink, topic, sends * count)
    assert sink.assert_nothing_lost() == 0


@pytest.mark.parametrize("kind", ["shared", "debian"])
def test_program_that_ends_in_full_swing(run, kafka, sink, topic, kind):  # noqa: F811
    run(kind, "busy", topic, 5)
    assert len(sink.spans(f"send {topic}")) >= 5


@pytest.mark.slow
def test_every_language_sends_over_https(kafka, build_dir, rng, tmp_path, sink):
    """Python and Node bring an OpenSSL of their own, Node with its symbols exported; Go and Rust bring none."""
    shop = Shop(kafka, build_dir / "src/plugin/libweir-kafka.so", tmp_path, rng, sink)
    if "kcat" in shop.missing:
        pytest.skip(shop.missing["kcat"])
    shop.run()
    for hop in shop.hops:
        hop.check(shop.count)
    assert sink.assert_nothing_lost() == 0
    left_out = [f"{language}: {shop.missing[language]}" for language in LANGUAGES if language in shop.missing]
    if left_out:
        pytest.skip("; ".join(left_out))
