# SPDX-License-Identifier: Apache-2.0
"""HTTP -> Kafka -> SQL as one tree, with real peers at every end; what configuration says is left out."""
import contextlib
import re
import signal
import subprocess

import requests

import workshop
from bed import numbers
from check_001 import ERROR, events_of
from kafka_worker import read_all
from order_shop import OrderShop
from otlp_json import attributes_of, spans_of
from postgres import Postgres
from rows import row
from weir_server import wait_until


@contextlib.contextmanager
def running_shop(bed, rng):
    postgres = Postgres()
    shop = None
    try:
        postgres.start()
        topic = f"orders{next(numbers)}-{rng.randrange(16**8):08x}"
        folder = bed.path / topic
        folder.mkdir()
        shop = OrderShop(workshop.example(bed.build, bed.mutant), bed.bootstrap, postgres, folder, topic, bed.telemetry())
        yield shop.start(), postgres
    finally:
        if shop:
            shop.stop()
        postgres.stop()


def trace_of(bed, trace_id, done):
    """The spans of a trace once `done` is content with their names."""
    def find():
        spans = spans_of(bed.weir.trace(trace_id)) if bed.search('{ trace:id = "%s" }' % trace_id) else []
        return spans if done([span["name"] for span in spans]) else None
    return wait_until(find, 15, 0.3, f"the whole trace {trace_id}")


def child(spans, parent, name, service):
    found = [span for span in spans if span["name"] == name and span["parent_span_id"] == parent["span_id"] and span["resource"]["service.name"] == service]
    assert len(found) == 1, f"{len(found)} spans '{name}' of {service} below '{parent['name']}'"
    return found[0]


@row("001-tree", bed="clients", bugs=["no-send", "no-errors", "forgets-caller", "tells-values", "sql-goes-well"])
def tree(bed, rng):
    with running_shop(bed, rng) as (shop, postgres):
        secret = f"s{rng.randrange(16**14):014x}"
        amount = rng.randrange(10**9, 10**10) / 100
        ((order_id, status, trace_id),) = shop.order(customer=f"O'{secret}", amount=amount)
        assert status == 202, f"the shop answered {status}"
        spans = trace_of(bed, trace_id, lambda names: {"POST", f"process {shop.topic}", "INSERT journal"} <= set(names))
        (root,) = [span for span in spans if not span["parent_span_id"]]
        at = child(spans, root, "POST", "customer")
        for name, service in (("POST /orders", "shop"), (f"send {shop.topic}", "shop"), (f"process {shop.topic}", "keeper")):
            at = child(spans, at, name, service)
        kept, journaled = child(spans, at, "INSERT orders", "keeper"), child(spans, at, "INSERT journal", "keeper")
        assert [attributes_of(span)["db.system.name"] for span in (kept, journaled)] == ["postgresql", "sqlite"]
        assert [row[:2] for row in postgres.query("SELECT id, customer FROM orders")] == [[order_id, f"O'{secret}"]]
        assert secret not in str(spans) and f"{amount:.2f}" not in str(spans), f"values are told: {attributes_of(journaled)['db.query.text']}"
        refused_order(bed, shop, order_id)


def refused_order(bed, shop, order_id):
    """PostgreSQL refuses the id that it has: its span and the message's have the error."""
    ((_, _, trace_id),) = shop.order(id=order_id, customer="Ann")
    spans = trace_of(bed, trace_id, lambda names: {f"process {shop.topic}", "INSERT orders"} <= set(names))
    (insert,) = [span for span in spans if span["name"] == "INSERT orders"]
    assert insert["status"].get("code") in ERROR, f"a refused INSERT has status {insert['status']}"
    assert attributes_of(insert)["db.response.status_code"] == attributes_of(insert)["error.type"] == "23505"
    assert events_of(insert, "exception") and not any(span["name"] in ("COMMIT", "INSERT journal") for span in spans)


@row("001-config", bed="clients", bugs=["tells-health", "tells-topic", "properties-lost"])
def config(bed, rng):
    properties(bed, rng)
    variables(bed, rng)
    excluded_topics(bed, rng)
    excluded_paths(bed, rng)


def properties(bed, rng):
    """Any property of librdkafka: one that shows, one that works, one that does not exist."""
    client, file = f"client-{rng.randrange(16**8):08x}", bed.path / f"{rng.randrange(16**8):08x}.properties"
    file.write_text(f"client.id={client}\nmessage.max.bytes=1000\n")
    topic = bed.topic(rng)
    assert bed.worker("send", "sync", topic, 1, KAFKA_PROPERTIES=str(file)).join() == 0
    (span,) = bed.spans(f"send {topic}")
    assert attributes_of(span)["messaging.client.id"] == client, f"client.id is {attributes_of(span).get('messaging.client.id')}"
    worker = bed.worker("send", "sync", topic, 1, f"app={'x' * 2000}", KAFKA_PROPERTIES=str(file))
    assert worker.join() == 1 and worker.find(r"sent -3 -1 -1 "), f"message.max.bytes is ignored: {worker.lines[-2:]}"
    file.write_text("no.such.property=1\n")
    worker = bed.worker("send", "sync", topic, 1, KAFKA_PROPERTIES=str(file))
    assert worker.join() != 0 and any("no.such.property" in line for line in worker.lines), f"a wrong property: {worker.lines[-2:]}"


def variables(bed, rng):
    service, topic, silent = f"service-{rng.randrange(16**8):08x}", bed.topic(rng), bed.topic(rng)
    resource = {"OTEL_SERVICE_NAME": service, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=staging,team=a%20b"}
    for name in (topic, silent):
        sampler = {"OTEL_TRACES_SAMPLER": "always_off"} if name == silent else {}
        assert bed.worker("send", "sync", name, 2, **resource, **sampler).join() == 0
    (span, _) = bed.spans(f"send {topic}", 2)
    expected = {"service.name": service, "deployment.environment": "staging", "team": "a b"}
    assert expected.items() <= span["resource"].items(), f"resource is {span['resource']}"
    query = f'messaging_client_sent_messages_total{{service_name="{service}"}}'
    wait_until(lambda: bed.weir.promql_sum(query) >= 4, 10, 0.3, "measurements of both")
    assert not bed.search('{ name = "send %s" }' % silent), "always_off sends spans"


def excluded_topics(bed, rng):
    told, hidden = bed.topic(rng), bed.topic(rng)
    for topic in (hidden, told):
        assert bed.worker("send", "sync", topic, 1, WEIR_KAFKA_TOPICS_EXCLUDE=f"nobody,{hidden[:-1]}*").join() == 0
    bed.spans(f"send {told}")
    assert not bed.search('{ name = "send %s" }' % hidden), "an excluded topic has spans"
    headers = [dict(read_all(bed.bootstrap, topic, 1)[0].headers() or {}) for topic in (hidden, told)]
    assert "traceparent" not in headers[0] and "traceparent" in headers[1], f"headers {headers}"


def excluded_paths(bed, rng):
    """Exact, prefix and pattern; defaults, lists of one's own, and off."""
    word = f"w{rng.randrange(16**8):08x}"
    settings = {
        "defaults": ({}, ["/health", "/v1/ready", "/ping"], ["/v1/v2/health", "/healthy", f"/{word}"]),
        "own": ({"WEIR_EXCLUDED_PATHS": f"/a,/{word}", "WEIR_EXCLUDED_PATH_PREFIXES": "/internal/", "WEIR_EXCLUDED_PATH_PATTERNS": "/*/x?"},
                [f"/{word}", "/internal/b/c", "/b/xy"], ["/health", "/internal", "/b/xyz"]),
        "off": ({"WEIR_EXCLUDED_PATHS": "", "WEIR_EXCLUDED_PATH_PATTERNS": ""}, [], ["/health", "/v1/health"]),
    }
    for name, (environment, hidden, told) in settings.items():
        service = f"{name}-{rng.randrange(16**8):08x}"
        log = bed.path / f"{service}.log"
        with open(log, "wb") as out:
            shop = subprocess.Popen([str(workshop.example(bed.build, bed.mutant) / "shop"), "-port", "0"], stdout=out, stderr=out,
                                    env=bed.environment(OTEL_SERVICE_NAME=service, **environment))
        try:
            base = wait_until(lambda: re.search(r"(http://\S+)/orders", log.read_text()), 20, what="the shop's address")[1]
            for path in hidden + told:
                requests.get(base + path, timeout=10)
            def seen():
                spans = [span for trace in bed.search('{ resource.service.name = "%s" }' % service) for span in spans_of(bed.weir.trace(trace))]
                return spans if len(spans) >= len(told) else None
            found = sorted(attributes_of(span)["url.path"] for span in wait_until(seen, 15, 0.3, "the other paths"))
            assert found == sorted(told), f"{name}: told {found}, expected {sorted(told)}"
        finally:
            shop.send_signal(signal.SIGTERM)
            assert shop.wait(30) == 0
