# SPDX-License-Identifier: Apache-2.0
"""Pipelines between the doors and the store: what is sampled, and what is made of it."""
import collections
import time

import requests

from otlp_json import spans_of
from rows import row
from shops import SERVICES, make_traces, requests_of, send
from weir_server import Weir, wait_until

TAIL = """
processors:
  tail_sampling:
    decision_wait: 1500ms
    num_traces: 100000
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [%(status)s]}}
      - {name: slow, type: latency, latency: {threshold_ms: %(threshold)d}}
      - {name: rest, type: %(rest)s}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [%(processor)s], exporters: [weir]}
"""
PERCENT = "probabilistic, probabilistic: {sampling_percentage: 20}"
BUDGET = "adaptive, adaptive: {spans_per_second: 60}"


def server(bed, name, **settings):
    path = bed.path / f"{name}.yaml"
    path.write_text(TAIL % {"status": "ERROR", "threshold": 500, "rest": PERCENT, "processor": "tail_sampling", **settings})
    return Weir(bed.build, bed.path / name, "--config", str(path)).start()


def stored(weir, trace):
    """How many of the trace's spans are there."""
    answer = requests.get(f"{weir.api}/api/traces/{trace['id'].hex()}", timeout=30)
    return len(spans_of(answer.json())) if answer.status_code == 200 else 0


@row("000-tail", bed="clients", bugs=["no-tail-sampling", "errors-not-asked", "threshold-too-high", "no-budget"])
def tail(bed, rng):
    spoiled = {"no-tail-sampling": {"processor": ""}, "errors-not-asked": {"status": "OK"}, "threshold-too-high": {"threshold": 5000}}
    keeps_errors_and_slow_ones(bed, rng, spoiled.get(bed.bug, {}))
    holds_its_budget(bed, rng, {"rest": "always_sample"} if bed.bug == "no-budget" else {"rest": BUDGET})


def keeps_errors_and_slow_ones(bed, rng, settings):
    weir = server(bed, "tail", **settings)
    try:
        traces = make_traces(rng, 600)
        for request in requests_of(rng, traces):
            send(weir.http, request)
        must = [trace for trace in traces if trace["error"] or trace["slow"]]
        rest = [trace for trace in traces if not trace["error"] and not trace["slow"]]
        wait_until(lambda: all(stored(weir, trace) == len(trace["spans"]) for trace in must), 15, 0.5, "every error and every slow trace, whole")
        counts = [stored(weir, trace) for trace in rest]
        assert set(counts) <= {0, len(traces[0]["spans"])}, f"some traces were cut: {sorted(set(counts))} spans"
        share = sum(count > 0 for count in counts) / len(rest)
        assert 0.1 < share < 0.32, f"{share:.2f} of the rest were kept, not 0.20"
    finally:
        weir.kill()


def holds_its_budget(bed, rng, settings):
    """About 300 spans a second for eight seconds into a budget of 60."""
    weir = server(bed, "budget", **settings)
    try:
        traces, until, sent = [], time.monotonic() + 8, 0
        while time.monotonic() < until:
            piece = make_traces(rng, 6, error_share=0, slow_share=0)
            traces += piece
            for request in requests_of(rng, piece):
                send(weir.http, request)
            sent += sum(len(trace["spans"]) for trace in piece)
            time.sleep(max(0.0, len(traces) / 60 - (8 - (until - time.monotonic()))))
        time.sleep(3)
        kept = sum(stored(weir, trace) for trace in traces)
        assert 0 < kept <= 8 * 60 * 2, f"{kept} of {sent} spans were kept in 8 s; the budget is 60 a second"
    finally:
        weir.kill()


# ---- span metrics ----------------------------------------------------------------------------------

SPANMETRICS = """
connectors:
  spanmetrics: {names: %(names)s, exemplars: {enabled: %(exemplars)s}, metrics_flush_interval: 400ms, histogram: {unit: s, disable: %(disable)s}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [%(stored)sspanmetrics]}
    metrics: {receivers: [otlp, spanmetrics], exporters: [weir]}
"""
CALLS = ["traces_spanmetrics_calls_total", "traces_span_metrics_calls_total"]
LATENCY = ["traces_spanmetrics_latency", "traces_span_metrics_duration_seconds"]


@row("000-spanmetrics", bed="clients", bugs=["one-set-of-names", "no-exemplars", "no-histogram", "traces-not-stored"])
def spanmetrics(bed, rng):
    spoiled = {"one-set-of-names": {"names": "otel"}, "no-exemplars": {"exemplars": "false"}, "no-histogram": {"disable": "true"},
               "traces-not-stored": {"stored": ""}}
    path = bed.path / "spanmetrics.yaml"
    path.write_text(SPANMETRICS % {"names": "both", "exemplars": "true", "disable": "false", "stored": "weir, ", **spoiled.get(bed.bug, {})})
    weir = Weir(bed.build, bed.path / "spanmetrics", "--config", str(path)).start()
    try:
        traces = make_traces(rng, 120)
        for request in requests_of(rng, traces):
            send(weir.http, request)
            time.sleep(0.25)  # over several flushes, so that there is a rate
        ledger = {span["id"].hex(): (trace["id"].hex(), span) for trace in traces for span in trace["spans"]}
        calls, seconds = collections.Counter(), collections.Counter()
        for _, span in ledger.values():
            calls[series_of(span)] += 1
            seconds[series_of(span)] += span["took"] / 1e9
        for name in CALLS:
            wait_until(lambda name=name: told(weir, name) == calls, 15, 0.3, f"{name} as the spans that were sent")
        for service in SERVICES:
            rates = weir.promql(f'rate(traces_spanmetrics_calls_total{{service_name="{service}"}}[5m])')
            assert rates and all(rate > 0 for rate in rates.values()), f"rates of {service}: {rates}"
        for name in LATENCY:
            assert told(weir, name + "_count") == calls, f"{name}_count differs from the spans that were sent"
            sums = told(weir, name + "_sum")
            assert sums.keys() == seconds.keys() and all(abs(sums[key] - seconds[key]) < 1e-6 * seconds[key] for key in sums), f"{name}_sum differs"
        for query in (*CALLS, *(name + "_bucket" for name in LATENCY)):
            exemplars_open_traces(weir, query, ledger)
    finally:
        weir.kill()


def series_of(span):
    kind = {2: "SPAN_KIND_SERVER", 3: "SPAN_KIND_CLIENT"}[span["kind"]]
    return span["service"], f"{span['service']} work", kind, "STATUS_CODE_ERROR" if span["error"] else "STATUS_CODE_UNSET"


def named(labels):
    return labels["service_name"], labels["span_name"], labels["span_kind"], labels["status_code"]


def told(weir, query):
    return collections.Counter({named(dict(labels)): value for labels, value in weir.promql(query).items()})


def exemplars_open_traces(weir, query, ledger):
    """Every exemplar is one of the spans, in its series and bucket; each service has some, and each opens its trace."""
    bounds = sorted({float(dict(labels).get("le", "inf")) for labels in weir.promql(query)})
    seen = set()
    for series in weir.get("/api/v1/query_exemplars", query=f"sum(rate({query}[5m]))")["data"]:
        labels = series["seriesLabels"]
        for one in series["exemplars"]:
            trace, span = ledger[one["labels"]["span_id"]]
            assert one["labels"]["trace_id"] == trace and named(labels) == series_of(span), f"{query}: an exemplar of another series"
            if "le" in labels:
                assert abs(float(one["value"]) - span["took"] / 1e9) < 1e-9, f"{query}: {one['value']} s, the span took {span['took']} ns"
                assert float(labels["le"]) == min(bound for bound in bounds if float(one["value"]) <= bound), f"{query}: in the wrong bucket"
            answer = requests.get(f"{weir.api}/api/traces/{trace}", timeout=30)
            assert answer.status_code == 200, f"{query}: its exemplar opens no trace"
            assert one["labels"]["span_id"] in {found["span_id"] for found in spans_of(answer.json())}, f"{query}: its exemplar opens another trace"
            seen.add(labels["service_name"])
    assert seen == set(SERVICES), f"{query}: exemplars of {sorted(seen)} only"
