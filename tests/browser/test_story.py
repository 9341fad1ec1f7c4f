# SPDX-License-Identifier: Apache-2.0
"""The story of a user, on the data of the two real pipelines over a real Apache Kafka: open, search, open a
waterfall, jump to its logs and back, look at the groups."""
import os
import re
import subprocess

import pytest
from playwright.sync_api import expect

from weir_server import wait_until

PIPELINES = ("metrics-at-most-once", "orders-at-least-once")


def telemetry(weir, kafka):
    return {**os.environ, "KAFKA_BROKERS": kafka, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{weir.grpc}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_SAMPLING": "1.0", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000", "OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BLRP_SCHEDULE_DELAY": "200"}


def is_complete(weir):
    return all(weir.promql_sum(f'weir_runner_processed_total{{messaging_destination_name="{topic}",outcome="{outcome}"}}') >= least
               for topic, outcome, least in (("metrics", "ok", 50), ("metrics", "failed", 1), ("orders", "ok", 50), ("orders", "dead_lettered", 1)))


@pytest.fixture(scope="module")
def demo(weir_module, kafka, build_dir, tmp_path_factory):
    """A server that watches both pipelines at work."""
    environment, parts = telemetry(weir_module, kafka), []
    log = open(tmp_path_factory.mktemp("pipelines") / "log", "wb")

    def start(*command, **more):
        parts.append(subprocess.Popen([str(c) for c in command], env={**environment, **more}, stdout=log, stderr=log))

    for folder in PIPELINES:
        programs = build_dir / "examples" / folder
        start(programs / "processor")
        start(programs / "generator", "-brokers", kafka, "-rate", "20", "-bad", "0.1", "-seed", "7", "-forever",
              OTEL_SERVICE_NAME=f"{folder}-generator")
    try:
        wait_until(lambda: is_complete(weir_module), 60, 0.5, "both pipelines at work")
        yield weir_module
    finally:
        for part in reversed(parts):
            part.terminate()
        codes = [part.wait(40) for part in reversed(parts)]
        log.close()
    assert codes == [0, 0, 0, 0], (tmp_path_factory.getbasetemp(), codes)


def test_open_search_waterfall_logs_and_back(page, demo):
    page.goto(demo.api)
    page.locator(".flow-node").first.wait_for()
    expect(page.locator(".flow-title", has_text="orders.dlq")).to_be_visible()
    for group, semantics in (("metrics-processor", "at-most-once"), ("order-processor", "at-least-once")):
        expect(page.locator("tr", has_text=group)).to_contain_text(semantics)

    page.get_by_role("link", name="Traces", exact=True).click()
    page.get_by_label("Service").select_option("kafka-at-least-once-example")
    page.get_by_role("radio", name="Error").click()
    page.wait_for_url(re.compile("error"))
    page.locator("tr:has(.badge.bad) .row-link").last.click()
    page.locator(".wf-row").first.wait_for()
    names = page.locator(".wf-span").all_inner_texts()
    assert {"send orders", "poll orders", "process orders", "send orders.dlq"} <= set(names)

    page.keyboard.press("e")
    details = page.locator(".details")
    expect(details).to_contain_text("process orders")
    expect(details).to_contain_text("exception")
    page.get_by_role("link", name="Logs for this span").click()
    page.locator(".log").first.wait_for()
    trace_id = re.search(r"[0-9a-f]{32}", page.locator(".log-trace").first.get_attribute("href")).group()
    assert all(trace_id in link.get_attribute("href") for link in page.locator(".log-trace").all())
    expect(page.locator(".log.level-error").first).to_be_visible()
    page.get_by_role("link", name="View trace").first.click()
    expect(page.locator(".wf-row.selected")).to_contain_text("process orders")


def test_each_semantics_shows_in_the_order_of_its_spans(page, demo):
    for topic, order in (("metrics", ["commit", "process"]), ("orders", ["process", "commit"])):
        def found():
            for trace in demo.search(f'{{ name = "process {topic}" && status != error }}', limit=20):
                flow = demo.get(f"/weir/v1/trace/{trace['traceID']}")
                names = {s["name"] for r in flow["resourceSpans"] for c in r["scopeSpans"] for s in c["spans"]}
                if {f"poll {topic}", f"commit {topic}"} <= names:
                    return trace["traceID"]
            return None
        page.goto(f"{demo.api}/ui/trace/{wait_until(found, 30, what='a whole flow')}")
        page.locator(".wf-row").first.wait_for()
        kinds = [name.split(" ")[0] for name in page.locator(".wf-span").all_inner_texts()]
        assert [kind for kind in kinds if kind in order][:2] == order


def test_groups_and_the_live_tail(page, demo):
    page.goto(f"{demo.api}/ui/groups?by=group")
    table = page.get_by_role("table", name="Consumer groups")
    expect(table.locator("tbody tr")).to_have_count(2)
    expect(table).to_contain_text("metrics-processor")
    expect(table).to_contain_text("order-processor")
    page.goto(f"{demo.api}/ui/logs?live=1")
    expect(page.locator(".pulse.open")).to_be_visible()
    expect(page.locator(".log-text", has_text="order processed successfully").first).to_be_visible()
