# SPDX-License-Identifier: Apache-2.0
"""The whole way: data sent over OTLP to a real server, read back through the page in the browser."""
import re
import subprocess
import urllib.parse

import pytest
import requests
from playwright.sync_api import expect

from weir_server import Weir, free_port, wait_until


def feed(weir, minutes):
    subprocess.run(["node", "ui/dev/feed.mjs", "--otlp", f"http://{weir.http}", "--minutes", str(minutes)], check=True, timeout=120)


@pytest.fixture(scope="module")
def fed(weir_module):
    """A server that holds five minutes of two pipelines."""
    feed(weir_module, 5)
    wait_until(lambda: weir_module.search("{ status = error }", limit=1), what="a failed trace")
    return weir_module


def test_files_are_cached_compressed_and_fenced(fed):
    page = requests.get(f"{fed.api}/", timeout=10)
    assert page.url == f"{fed.api}/ui/" and page.history[0].status_code == 302
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert requests.get(f"{fed.api}/ui/", headers={"If-None-Match": page.headers["etag"]}, timeout=10).status_code == 304
    script = re.search(r"/ui/app-\w+\.js", page.text).group()
    packed = requests.get(fed.api + script, timeout=10)
    plain = requests.get(fed.api + script, headers={"Accept-Encoding": "identity"}, timeout=10)
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.content == plain.content and "immutable" in packed.headers["cache-control"]
    assert requests.get(f"{fed.api}/ui/app-old.js", timeout=10).status_code == 404
    assert requests.get(f"{fed.api}/ui/trace/ff", timeout=10).text == page.text


def test_overview_shows_what_was_sent(page, fed):
    page.goto(fed.api)
    page.locator(".flow-node").first.wait_for()
    titles = set(page.locator(".flow-node .flow-title").all_inner_texts())
    assert titles == {"metrics-generator", "orders-api", "metrics", "orders", "receipts", "orders.dlt",
                      "metrics-processor", "orders-processor", "billing"}
    expect(page.locator("tr", has_text="metrics-processor")).to_contain_text("at-most-once")
    expect(page.locator(".flow-node", has_text="metrics-processor")).to_contain_text("lost")


def test_from_search_over_the_waterfall_to_logs_and_back(page, fed):
    page.goto(f"{fed.api}/ui/traces")
    page.get_by_label("Service").select_option("orders-at-least-once")
    page.get_by_role("radio", name="Error").click()
    page.wait_for_url(re.compile("error"))
    page.locator("tr:has(.badge.bad) .row-link").first.click()
    page.locator(".wf-row").first.wait_for()
    names = page.locator(".wf-span").all_inner_texts()
    kinds = [name.split(" ")[0] for name in names if name.split(" ")[0] in ("poll", "process", "commit")]
    assert kinds == ["poll", "process", "commit"]
    page.keyboard.press("e")
    details = page.locator(".details")
    expect(details).to_contain_text("exception.message")
    expect(details).to_contain_text("failed to process kafka record")
    trace_id = re.search(r"/trace/([0-9a-f]{32})", page.url).group(1)
    page.get_by_role("link", name="Logs for this span").click()
    page.locator(".log").first.wait_for()
    page.locator(".log-main").first.click()
    expect(page.locator(".log-fields")).to_contain_text(trace_id)
    page.get_by_role("link", name="View trace").first.click()
    expect(page.locator(".wf-row.selected")).to_contain_text("process")
    page.get_by_role("link", name="Metrics of this operation").click()
    page.locator(".chart canvas").wait_for()


def test_logs_with_levels_and_search(page, fed):
    page.goto(f"{fed.api}/ui/logs?" + urllib.parse.urlencode({"q": '{service_name="orders-at-least-once"} | level = "error"'}))
    page.locator(".log").first.wait_for()
    expect(page.locator(".log:not(.level-error)")).to_have_count(0)
    expect(page.locator(".volume-legend")).to_contain_text("error")


def test_the_live_tail_shows_lines_as_they_arrive(page, fed):
    page.goto(f"{fed.api}/ui/logs?live=1")
    expect(page.locator(".live-title")).to_contain_text("Live")
    expect(page.locator(".pulse.open")).to_be_visible()
    feed(fed, 0.3)
    page.locator(".log").first.wait_for()


def test_metrics_groups_and_status(page, fed):
    page.goto(f"{fed.api}/ui/metrics?q=weir_kafka_consumer_lag")
    page.locator(".chart canvas").wait_for()
    expect(page.locator(".legend")).to_contain_text("13 series")
    page.goto(f"{fed.api}/ui/groups")
    expect(page.get_by_role("table", name="Consumer groups").locator("tbody tr")).to_have_count(13)
    page.goto(f"{fed.api}/ui/status")
    expect(page.get_by_role("table", name="Components")).to_contain_text("ready")
    expect(page.locator(".badge.ok").first).to_be_visible()


@pytest.mark.parametrize("name, query", [("metrics", "sum("), ("logs", '{service_name="x"} |'), ("traces", "{ status = ")])
def test_the_servers_own_words_on_a_bad_query(page, fed, name, query):
    page.goto(f"{fed.api}/ui/{name}?" + urllib.parse.urlencode({"q": query}))
    note = page.get_by_role("alert").first
    expect(note).to_contain_text("HTTP 400")
    expect(note.locator(".caret")).to_contain_text("^")


def test_a_shared_address_shows_the_same(page, browser, fed):
    page.goto(f"{fed.api}/ui/traces")
    page.get_by_role("radio", name="Error").click()
    page.wait_for_url(re.compile("error"))
    page.get_by_role("button", name="Time range").click()
    page.get_by_role("button", name="1 hour", exact=True).click()
    page.wait_for_url(re.compile("now-1h"))
    page.locator(".row-link").first.click()
    page.locator(".wf-row", has_text="process").first.click()
    page.wait_for_url(re.compile("span="))
    page.locator(".details").wait_for()
    other = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        again = other.new_page()
        again.goto(page.url)
        again.locator(".details").wait_for()
        for part in (".wf-span", ".wf-row.selected", ".details h2", ".range-text"):
            assert again.locator(part).all_inner_texts() == page.locator(part).all_inner_texts()
    finally:
        other.close()


def test_metric_names_are_completed_from_the_server(page, fed):
    page.goto(f"{fed.api}/ui/metrics")
    page.locator(".query-editor:not([hidden])").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("weir_runner_proc")
    expect(page.get_by_role("option", name=re.compile("weir_runner_processed_total"))).to_be_visible()


def test_status_speaks_in_words_sizes_and_times(page, fed):
    refused = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{fed.api}/ui/status")
    page.locator(".figures").wait_for()
    expect(page.locator("tr", has_text="Keeps data for")).to_contain_text("days")
    expect(page.locator("tr", has_text="Memory limit")).to_contain_text("iB")
    expect(page.get_by_role("heading", name="Other")).to_have_count(0)
    assert not re.search(r"_(ns|s|bytes)\b", page.locator("main").inner_text()) and not refused
    since = page.get_by_role("table", name="Components").locator("tbody td:nth-child(4)").all_inner_texts()
    assert len(since) == 4 and all("ago" in text or text == "now" for text in since)


def test_a_fresh_server_gives_its_own_addresses_and_they_work(page, weir):
    page.goto(f"{weir.api}/ui/traces")
    expect(page.locator(".empty")).to_contain_text("Nothing arrives yet")
    assert page.locator(".doors dd").all_inner_texts() == [weir.grpc, f"http://{weir.http}"]
    subprocess.run(["bash", "-c", page.locator(".snippet pre").inner_text()], check=True, timeout=30, capture_output=True)
    page.get_by_role("button", name=re.compile("Refresh now|Refresh")).first.click()
    expect(page.locator("tbody tr")).to_contain_text("hello")


def test_a_server_that_goes_away_and_comes_back(browser, build_dir, tmp_path):
    server = Weir(build_dir, tmp_path / "data", "--listen", f"127.0.0.1:{free_port()}").start()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.goto(f"{server.api}/ui/status?refresh=1s")
        expect(page.get_by_role("table", name="Components")).to_be_visible()
        server.stop()
        expect(page.locator(".banner")).to_contain_text("The server cannot be reached", timeout=15000)
        expect(page.get_by_role("table", name="Components")).to_be_visible()
        server.start()
        expect(page.locator(".banner")).to_have_count(0, timeout=15000)
        expect(page.get_by_role("alert")).to_have_count(0)
    finally:
        context.close()
        server.stop()
