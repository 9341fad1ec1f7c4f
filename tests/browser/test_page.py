# SPDX-License-Identifier: Apache-2.0
"""How the page behaves, on the mock's data: every page, keyboard, links, empty and error states."""
import json
import re
import time
import urllib.parse
import urllib.request

import pytest
from playwright.sync_api import expect

PAGES = ["", "traces", "logs", "metrics?q=weir_kafka_consumer_lag", "groups", "status"]


def traces_of(mock, query="{ }", limit=20):
    now = int(time.time())
    params = urllib.parse.urlencode({"q": query, "limit": limit, "start": now - 800, "end": now})
    with urllib.request.urlopen(f"{mock.removesuffix('/ui')}/api/search?{params}") as answer:
        return json.load(answer)["traces"]


def row_names(page):
    return page.locator(".wf-row .wf-span").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_renders_and_fits(page, mock, name, scheme):
    page.emulate_media(color_scheme=scheme)
    for width in (1440, 900):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{mock}/{name}")
        expect(page.locator(".panel").first).to_be_visible()
        expect(page.locator(".note.error")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.dataset.theme") == scheme


def test_overview_draws_the_flow_and_the_semantics_table(page, mock):
    page.goto(f"{mock}/")
    page.locator(".flow-node").first.wait_for()
    titles = set(page.locator(".flow-node .flow-title").all_inner_texts())
    assert titles == {"metrics-generator", "orders-api", "metrics", "orders", "receipts", "orders.dlt",
                      "metrics-processor", "orders-processor", "billing"}
    row = page.locator("tr", has_text="metrics-processor")
    expect(row).to_contain_text("at-most-once")
    page.locator(".flow-node", has_text="orders-processor").click()
    expect(page.locator(".flow-details")).to_contain_text("p95")
    assert "node=group" in page.url
    page.reload()
    expect(page.locator(".flow-details")).to_contain_text("orders-processor")


def test_keyboard(page, mock):
    page.goto(f"{mock}/")
    expect(page.locator(".flow-node").first).to_be_visible()
    for key, path in [("t", "/traces"), ("l", "/logs"), ("m", "/metrics"), ("g", "/groups"), ("s", "/status"), ("o", "/")]:
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(re.compile(re.escape(f"/ui{path}") + r"(\?|$)"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.locator(".query-editor:not([hidden])").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("{ status = error ")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("status"))
    assert "status = error" in urllib.parse.unquote_plus(page.url)


def test_trace_search_filters_write_traceql(page, mock):
    page.goto(f"{mock}/traces")
    page.get_by_role("radio", name="Error").click()
    page.get_by_label("Service").select_option("orders-at-least-once")
    page.get_by_label("Min").fill("5ms")
    page.get_by_label("Min").press("Enter")
    page.wait_for_url(re.compile("5ms"))
    query = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)["q"][0]
    assert query == '{ resource.service.name = "orders-at-least-once" && status = error && duration >= 5ms }'
    expect(page.locator("tbody tr:not(:has(.badge.bad))")).to_have_count(0)
    expect(page.locator("tbody tr").first).to_be_visible()


@pytest.mark.parametrize("name, order", [
    ("send metrics", ["poll metrics", "commit metrics", "process metrics"]),
    ("POST /orders", ["poll orders", "process orders", "commit orders"]),
])
def test_waterfall_joins_linked_traces_in_the_order_of_their_semantics(page, mock, name, order):
    trace = next(t for t in traces_of(mock) if t["rootTraceName"] == name)
    page.goto(f"{mock}/trace/{trace['traceID']}")
    page.locator(".wf-row").first.wait_for()
    names = row_names(page)
    assert [n for n in names if n in order] == order
    alone = len(names)
    page.get_by_role("radio", name="Whole flow").click()
    page.wait_for_url(re.compile("view=flow"))
    assert len(row_names(page)) > alone


def test_waterfall_keyboard_details_and_the_way_to_logs_and_back(page, mock):
    trace = next(t for t in traces_of(mock, "{ status = error }") if t["rootTraceName"] == "POST /orders")
    page.goto(f"{mock}/trace/{trace['traceID']}")
    page.locator(".wf-row").first.wait_for()
    page.keyboard.press("e")
    details = page.locator(".details")
    expect(details).to_contain_text("process orders")
    expect(details).to_contain_text("exception.message")
    expect(details).to_contain_text("failed to process kafka record")
    rows = page.locator(".wf-row").count()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".wf-row")).to_have_count(rows - 1)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".wf-row")).to_have_count(rows)
    expect(page.locator(".wf-row.linked")).to_have_count(1)
    page.get_by_role("link", name="Logs for this span").click()
    lines = page.locator(".log")
    expect(lines.first).to_be_visible()
    assert all(trace["traceID"] in href for href in page.locator(".log-trace").evaluate_all("links => links.map((a) => a.href)"))
    lines.first.locator(".log-main").click()
    expect(page.locator(".log-fields")).to_contain_text(trace["traceID"])
    page.get_by_role("link", name="View trace").first.click()
    expect(page.locator(".wf-row.selected")).to_contain_text("process orders")
    page.get_by_role("link", name="Metrics of this operation").click()
    page.locator(".chart canvas").wait_for()
    assert "messaging_process_duration_seconds_bucket" in urllib.parse.unquote(page.url)


def test_a_trace_of_20000_spans_keeps_few_rows(page, mock):
    page.goto(f"{mock}/trace/b16feed5b16feed5b16feed5b16feed5")
    page.locator(".wf-row").first.wait_for()
    expect(page.locator(".trace-sub")).to_contain_text("20\u202f000 spans")
    page.keyboard.press("End")
    expect(page.locator(".wf-row.selected")).to_be_visible()
    assert page.locator(".wf-row").count() < 120


def test_partitions_as_lanes(page, mock):
    trace = next(t for t in traces_of(mock) if t["rootTraceName"] == "POST /orders")
    page.goto(f"{mock}/trace/{trace['traceID']}?view=lanes")
    page.locator(".wf-row").first.wait_for()
    lanes = [name for name in row_names(page) if name.startswith("orders / ")]
    assert len(lanes) == 2 and lanes == sorted(lanes)
    page.get_by_label("Partition").select_option(lanes[0])
    page.wait_for_url(re.compile("partition="))
    assert [name for name in row_names(page) if name.startswith("orders / ")] == lanes[:1]


def test_an_unknown_trace_says_why(page, mock):
    page.goto(f"{mock}/trace/00ff")
    expect(page.locator(".empty")).to_contain_text("This trace is not here")


def test_logs_search_levels_and_live_tail(page, mock):
    page.goto(f"{mock}/logs")
    page.locator(".log").first.wait_for()
    expect(page.locator(".volume-legend")).to_contain_text("error")
    page.get_by_label("Line contains").fill("dead-lettered")
    page.get_by_label("Line contains").press("Enter")
    page.wait_for_url(re.compile("dead-lettered"))
    expect(page.locator(".log.level-info")).to_have_count(0)
    assert all("dead-lettered" in line for line in page.locator(".log-text").all_text_contents())
    page.goto(f"{mock}/logs?live=1")
    page.locator(".log").first.wait_for()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".live-title")).to_contain_text("Paused")
    before = page.locator(".log").count()
    expect(page.get_by_role("button", name=re.compile(r"Resume \([1-9]"))).to_be_visible()
    assert page.locator(".log").count() == before


def test_the_label_browser_narrows_the_query(page, mock):
    page.goto(f"{mock}/logs")
    page.get_by_role("button", name="Labels").click()
    page.get_by_role("option", name="service_name").click()
    page.get_by_role("option", name="orders-at-least-once").click()
    page.wait_for_url(re.compile("service_name"))
    assert '{service_name="orders-at-least-once"}' in urllib.parse.unquote(page.url)


def test_metrics_completion_several_queries_and_table(page, mock):
    page.goto(f"{mock}/metrics")
    page.locator(".query-editor:not([hidden])").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("messaging_process_dur")
    expect(page.get_by_role("option", name=re.compile("messaging_process_duration_seconds_count"))).to_be_visible()
    page.wait_for_timeout(200)  # the list takes no Enter in its first moments, against mishaps
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="PromQL query 1")).to_have_text(re.compile("messaging_process_duration_seconds_(count|sum|bucket)"))
    page.keyboard.press("Enter")
    page.locator(".chart canvas").wait_for()
    page.get_by_role("button", name="Query", exact=True).click()
    expect(page.locator(".query-box")).to_have_count(2)
    page.get_by_placeholder("Find a metric").fill("lag time")
    page.locator(".metric", has_text="weir_kafka_consumer_lag_time_seconds").click()
    page.wait_for_url(re.compile("lag_time"))
    page.get_by_role("radio", name="Table").click()
    expect(page.get_by_role("table", name="Present values")).to_contain_text("orders-processor")


def test_a_drag_over_a_chart_zooms_the_range_for_all_pages(page, mock):
    page.goto(f"{mock}/metrics?q=weir_kafka_consumer_lag")
    plot = page.locator(".chart .u-over")
    plot.wait_for()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}|from=\d{13}.*to=\d{13}"))
    page.get_by_role("link", name="Traces", exact=True).click()
    page.wait_for_url(re.compile(r"/traces\?.*from=\d{13}"))


def test_range_picker_takes_relative_and_absolute_times(page, mock):
    page.goto(f"{mock}/groups")
    page.get_by_role("button", name="Time range").click()
    page.get_by_role("button", name="3 hours").click()
    page.wait_for_url(re.compile("from=now-3h"))
    page.get_by_role("button", name="Time range").click()
    page.get_by_label("From").fill("2026-01-02 03:04:05")
    page.get_by_label("To", exact=True).fill("2026-01-01 00:00:00")
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    page.get_by_label("To", exact=True).fill("2026-01-02 04:00:00")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}"))


def test_an_error_shows_the_servers_words_and_place(page, mock):
    page.goto(f"{mock}/traces?" + urllib.parse.urlencode({"q": "{ status = error"}))
    note = page.get_by_role("alert")
    expect(note).to_contain_text("parse error at line 1, col 17")
    assert note.locator(".caret").inner_text().split("\n")[1].index("^") == 16
    page.goto(f"{mock}/logs?" + urllib.parse.urlencode({"q": '{a="b"} | jsn'}))
    expect(page.get_by_role("alert")).to_contain_text('did you mean "json"')


@pytest.mark.parametrize("name", ["", "traces", "logs", "groups", "metrics?q=weir_kafka_consumer_lag"])
def test_an_empty_server_says_what_to_do(page, mock_empty, name):
    page.goto(f"{mock_empty}/{name}")
    expect(page.locator(".empty")).to_contain_text("Nothing arrives yet")
    expect(page.locator(".empty")).to_contain_text("127.0.0.1:4318")


def test_the_theme_is_kept(page, mock):
    page.emulate_media(color_scheme="light")
    page.goto(f"{mock}/status")
    page.get_by_role("button", name="Dark theme").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_controls_have_names_and_focus_is_visible(page, mock):
    for name in PAGES:
        page.goto(f"{mock}/{name}")
        page.locator(".panel").first.wait_for()
        nameless = page.evaluate("""[...document.querySelectorAll('button, a[href], input, select')].filter((el) =>
          !(el.textContent || el.getAttribute('aria-label') || el.labels?.length || el.title)).map((el) => el.outerHTML)""")
        assert nameless == []
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
