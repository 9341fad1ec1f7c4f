# SPDX-License-Identifier: Apache-2.0
"""One order from an HTTP client through Kafka into PostgreSQL and SQLite is one tree of spans, and no value of a
statement leaves the programs; libweir-pq against a real server; C++ reads the headers."""
import http.server
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import threading
import urllib.request

import pytest
import requests

from order_shop import PROGRAMS, OrderShop
from otlp_json import attributes_of, spans_of
from postgres import Postgres, binaries
from weir_server import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = (
    (n, f"SPAN_KIND_{name}") for n, name in enumerate(("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"), 1))
ERROR = (2, "STATUS_CODE_ERROR")

pytestmark = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's programs are not installed (tools/setup test)")


class Tap:
    """Keeps every OTLP body on its way to the server."""

    def __init__(self, target):
        tap = self
        self.bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802 - the library's name
                body = self.rfile.read(int(self.headers["content-length"]))
                tap.bodies.append((self.path, body))
                answer = urllib.request.urlopen(urllib.request.Request(
                    f"http://{target}{self.path}", body, {"content-type": "application/x-protobuf"}), timeout=30)
                data = answer.read()
                self.send_response(answer.status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def tap(weir_module):
    one = Tap(weir_module.http)
    yield one
    one.close()


@pytest.fixture(scope="module")
def shop(build_dir, kafka, postgres, tap, tmp_path_factory):
    programs = build_dir / "examples/http-kafka-sql"
    missing = [name for name in PROGRAMS if not (programs / name).exists()]
    if missing:
        pytest.skip(f"not built, a library is missing (tools/setup test): {', '.join(missing)}")
    one = OrderShop(programs, kafka, postgres, tmp_path_factory.mktemp("shop"), "orders",
                    {"OTEL_EXPORTER_OTLP_ENDPOINT": tap.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})
    try:
        yield one.start()
    finally:
        one.stop()


class Tree:
    """The spans of one trace by their place."""

    def __init__(self, spans):
        self.spans = spans
        self.by_id = {span["span_id"]: span for span in spans}

    def roots(self):
        return [span for span in self.spans if span["parent_span_id"] not in self.by_id]

    def below(self, parent, name=None):
        found = [span for span in self.spans if span["parent_span_id"] == parent["span_id"] and name in (None, span["name"])]
        return sorted(found, key=lambda span: int(span["startTimeUnixNano"]))

    def one(self, parent, name):
        (span,) = self.below(parent, name)
        return span


def tree_of(weir, trace_id, names):
    """The trace once it has all those names."""
    def find():
        spans = spans_of(weir.trace(trace_id)) if weir.search("{ trace:id = \"%s\" }" % trace_id) else []
        return spans if sorted(names) == sorted(set(names) & {span["name"] for span in spans}) else None
    return Tree(wait_until(find, 30, 0.3, f"{names} in trace {trace_id}"))


def is_error(span):
    return span["status"].get("code", 0) in ERROR


KEPT = ["POST", "POST /orders", "send orders", "process orders", "BEGIN", "INSERT orders", "COMMIT", "INSERT journal"]


def process_of(tree, send, service):
    (span,) = [span for span in tree.below(send, "process orders") if span["resource"]["service.name"] == service]
    return span


def test_one_tree(shop, weir_module, postgres, rng):
    customer = f"c{rng.randrange(16**12):012x}"
    ((order_id, status, trace_id),) = shop.order(customer=customer, amount=rng.randrange(1, 1000))
    assert status == 202
    tree = tree_of(weir_module, trace_id, ["order", *KEPT])
    wait_until(lambda: len([s for s in spans_of(weir_module.trace(trace_id)) if s["name"] == "process orders"]) == 2, what="both consumers")
    tree = Tree(spans_of(weir_module.trace(trace_id)))
    (root,) = tree.roots()
    assert root["name"] == "order" and {span["trace_id"] for span in tree.spans} == {trace_id}
    sent = tree.one(root, "POST")
    served = tree.one(sent, "POST /orders")
    send = tree.one(served, "send orders")
    process, audit = process_of(tree, send, "keeper"), process_of(tree, send, "audit")
    assert [span["kind"] in kind for span, kind in ((sent, CLIENT), (served, SERVER), (send, PRODUCER), (process, CONSUMER), (audit, CONSUMER))] == [True] * 5
    assert [span["resource"]["service.name"] for span in (sent, served, send)] == ["customer", "shop", "shop"]
    below = tree.below(process)
    assert [span["name"] for span in below if span["name"] != "connect shop"] == ["BEGIN", "INSERT orders", "COMMIT", "INSERT journal"]
    assert not tree.below(audit) and attributes_of(audit)["audit.seen"] >= 1
    assert not any(is_error(span) for span in tree.spans)
    check_http(shop, sent, served)
    check_sql(postgres, shop, *[span for span in below if span["name"].startswith("INSERT")])
    assert [order_id, customer] in [row[:2] for row in postgres.query("SELECT id, customer FROM orders")]
    with sqlite3.connect(shop.journal) as journal:
        assert (order_id, customer) in journal.execute("SELECT id, customer FROM journal").fetchall()


def check_http(shop, sent, served):
    port = int(shop.url.split(":")[2].split("/")[0])
    expected = {"http.request.method": "POST", "http.response.status_code": 202, "server.address": "127.0.0.1", "server.port": port}
    assert expected.items() <= attributes_of(sent).items() and attributes_of(sent)["url.full"] == shop.url
    expected.update({"http.route": "/orders", "url.path": "/orders", "url.scheme": "http", "network.protocol.version": "1.1"})
    assert expected.items() <= attributes_of(served).items()


def check_sql(postgres, shop, kept, journaled):
    assert kept["kind"] in CLIENT and journaled["kind"] in CLIENT
    assert {"db.system.name": "postgresql", "db.namespace": "shop", "db.query.summary": "INSERT orders", "server.address": "127.0.0.1",
            "server.port": postgres.port, "network.peer.address": "127.0.0.1",
            "db.query.text": "INSERT INTO orders (id, customer, amount) VALUES ($1, $2, $3)"}.items() <= attributes_of(kept).items()
    assert {"db.system.name": "sqlite", "db.namespace": shop.journal.name, "db.query.summary": "INSERT journal",
            "db.query.text": "INSERT INTO journal (id, customer, amount) VALUES (?)"}.items() <= attributes_of(journaled).items()


def post(shop, rng, **fields):
    """An order by a client that has no libweir, but a trace; gives the trace id, the client's span id, the status."""
    trace_id, span_id = f"{rng.randrange(1, 16**32):032x}", f"{rng.randrange(1, 16**16):016x}"
    answer = requests.post(shop.url, json=fields, headers={"traceparent": f"00-{trace_id}-{span_id}-01"}, timeout=30)
    return trace_id, span_id, answer.status_code


def test_failing_sql(shop, weir_module, rng):
    order_id, secret = f"twice-{rng.randrange(16**8):08x}", f"'secret-{rng.randrange(16**8):08x}"
    post(shop, rng, order_id=order_id, customer="Ann", amount=5)
    for fields, code, words in (({"order_id": order_id, "amount": 5}, "23505", "orders_pkey"), ({"order_id": order_id + "-", "amount": -5}, "23514", "orders_amount_check")):
        trace_id, span_id, status = post(shop, rng, customer=secret, **fields)
        assert status == 202
        tree = tree_of(weir_module, trace_id, ["process orders", "INSERT orders", "ROLLBACK", "send orders.dlq"])
        served = tree.one({"span_id": span_id}, "POST /orders")
        process = process_of(tree, tree.one(served, "send orders"), "keeper")
        insert = tree.one(process, "INSERT orders")
        assert is_error(insert) and is_error(process) and not is_error(served)
        assert {"error.type": code, "db.response.status_code": code}.items() <= attributes_of(insert).items()
        assert words in insert["status"]["message"] and secret not in str(tree.spans)
        assert [event["name"] for event in insert["events"]] == ["exception"]
        assert not tree.below(process, "COMMIT") and not tree.below(process, "INSERT journal")
        assert len(tree.below(process, "ROLLBACK")) == 1


def test_excluded_and_unknown_paths(shop, weir_module, tap, rng):
    base = shop.url.removesuffix("/orders")
    for _ in range(20):
        assert requests.get(f"{base}/health", timeout=10).status_code == 200
    secret = f"{rng.randrange(16**12):012x}"
    trace_id = f"{rng.randrange(1, 16**32):032x}"
    headers = {"traceparent": f"00-{trace_id}-{'1' * 16}-01", "user-agent": "seeded"}
    assert requests.get(f"{base}/nothing?a=1&sig={secret}", headers=headers, timeout=10).status_code == 404
    (span,) = tree_of(weir_module, trace_id, ["GET"]).spans  # ended after the others: they would be there
    assert not is_error(span) and "http.route" not in attributes_of(span)
    assert {"http.response.status_code": 404, "url.path": "/nothing", "url.query": "a=1&sig=REDACTED", "user_agent.original": "seeded"}.items() <= attributes_of(span).items()
    everything = b"".join(body for _, body in tap.bodies)
    assert b"/health" not in everything and secret.encode() not in everything
    assert b"/nothing" in everything


def test_no_value_of_a_statement_leaves(shop, weir_module, tap, rng):
    secrets, traces = [], []
    forms = ["%s", "O'%s", "%s' --", '"%s"', "\\%s\\", "/* %s */", "%s'); DROP TABLE journal; --", "$$%s$$", "ü%sé", "'%s''"]
    for form in forms * 2:
        secret = f"s{rng.randrange(16**14):014x}"
        amount = rng.randrange(10**9, 10**10) / 100
        trace_id, _, status = post(shop, rng, order_id=f"id-{secret}", customer=form % secret, amount=amount)
        assert status == 202
        secrets += [secret, f"{amount:.2f}"]
        traces.append(trace_id)
    for trace_id in traces:
        tree_of(weir_module, trace_id, KEPT[1:])
    everything = b"".join(body for _, body in tap.bodies)
    assert len(everything) > 10000 and b"INSERT INTO journal" in everything
    leaked = [secret for secret in secrets if secret.encode() in everything]
    assert not leaked
    with sqlite3.connect(shop.journal) as journal:
        customers = {name for (name,) in journal.execute("SELECT customer FROM journal")}
    assert {form % secret for form, secret in zip(forms * 2, secrets[::2])} <= customers


def test_metrics(shop, weir_module, rng):
    for _ in range(3):
        assert post(shop, rng, order_id=f"m-{rng.randrange(16**8):08x}", customer="Ann", amount=1)[2] == 202
    for query in ('http_server_request_duration_seconds_count{http_route="/orders",http_response_status_code="202",http_request_method="POST"}',
                  'http_client_request_duration_seconds_count{service_name="customer",server_address="127.0.0.1"}',
                  'db_client_operation_duration_seconds_count{db_system_name="postgresql",db_query_summary="INSERT orders",db_namespace="shop"}',
                  'db_client_operation_duration_seconds_count{db_system_name="sqlite",db_query_summary="INSERT journal"}',
                  'db_client_connection_count{db_client_connection_state="idle"}', 'db_client_connection_wait_time_seconds_count'):
        wait_until(lambda: weir_module.promql_sum(query) >= 1, 20, 0.3, query)
    assert not weir_module.promql('http_server_request_duration_seconds_count{http_route="/health"}')
    bounds = {dict(labels)["le"] for labels in weir_module.promql("db_client_operation_duration_seconds_bucket")}
    assert bounds == {"0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "10", "+Inf"}


def test_libweir_pq(build_dir, postgres):
    """tests/unit/pq/server_test.c, which needs a server."""
    program = build_dir / "tests/unit/pq/pq_server_test"
    done = subprocess.run([program], env={**os.environ, **postgres.environment()}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


@pytest.mark.slow
def test_run_script(build_dir):
    """The example's own script, on the release build: three orders, and nothing left behind."""
    done = subprocess.run([ROOT / "examples/http-kafka-sql/run", "--once"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^  A-\S+ 202  http://127\.0\.0\.1:\d+/ui/trace/[0-9a-f]{32}$", done.stdout, re.M)) == 3, done.stdout
    assert "3 orders in PostgreSQL" in done.stdout


@pytest.mark.parametrize("compiler", ["c++", "clang++"])
def test_headers_in_cpp(compiler, tmp_path):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    headers = sorted((ROOT / "include/weir").glob("*.h"))
    source = tmp_path / "all.cc"
    for names in [[header.name] for header in headers] + [[header.name for header in headers] * 2]:
        source.write_text("".join(f"#include <weir/{name}>\n" for name in names) + "int main() { return weir_version() == nullptr; }\n"
                          if "version.h" in names else "".join(f"#include <weir/{name}>\n" for name in names))
        subprocess.run([compiler, "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT}/include", "-fsyntax-only", source], check=True)
