# SPDX-License-Identifier: Apache-2.0
"""From a chart to a trace: an exemplar is a dot that opens it."""
import re
import time

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from playwright.sync_api import expect

import otlp_make


def histogram(service, values):
    """A cumulative histogram twice, so that it has a rate; the second time with an exemplar for each (value, trace id, span id)."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    otlp_make.add_attribute(resource.resource.attributes, "service.name", service)
    metric = resource.scope_metrics.add().metrics.add(name="shop.wait", unit="s")
    metric.histogram.aggregation_temporality = 2
    now = time.time_ns()
    for ago, count in ((40 * 10**9, 1), (20 * 10**9, 11)):
        metric.histogram.data_points.add(count=count, sum=count * 1.0, explicit_bounds=[0.5, 2, 10], bucket_counts=[0, count, 0, 0], time_unix_nano=now - ago)
    for i, (value, trace_id, span_id) in enumerate(values):
        metric.histogram.data_points[1].exemplars.add(as_double=value, time_unix_nano=now - (30 + 11 * i) * 10**9, trace_id=trace_id, span_id=span_id)
    return request


def test_a_dot_opens_its_trace(page, weir, rng):
    spans, ledger = otlp_make.traces("shop", rng, 2, name="waits")
    (first, first_span), (second, second_span) = ledger.items()
    assert weir.post_otlp("traces", spans.SerializeToString()).status_code == 200
    values = [(1.0, bytes.fromhex(first), bytes.fromhex(first_span)), (9.0, bytes.fromhex(second), bytes.fromhex(second_span))]
    assert weir.post_otlp("metrics", histogram("shop", values).SerializeToString()).status_code == 200
    query = "histogram_quantile(0.9, sum by (le) (rate(shop_wait_seconds_bucket[2m])))"
    page.goto(f"{weir.api}/ui/metrics?q={query}&from=now-15m")
    dots = page.locator("a.exemplar")
    expect(dots).to_have_count(2)
    box = page.locator(".chart-plot .u-over").bounding_box()
    for i in range(2):
        dot = dots.nth(i).bounding_box()
        assert box["x"] <= dot["x"] + 3 <= box["x"] + box["width"] and box["y"] <= dot["y"] + 3 <= box["y"] + box["height"], "inside of the plot"
    wanted = page.locator(f'a.exemplar[href*="{first}"]')
    expect(wanted).to_have_attribute("title", re.compile(f"^1.* open trace {first[:8]}"))
    wanted.click()
    expect(page).to_have_url(re.compile(f"/ui/trace/{first}"))
    expect(page.locator("main")).to_contain_text("waits")
