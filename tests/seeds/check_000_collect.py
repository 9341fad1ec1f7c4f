# SPDX-License-Identifier: Apache-2.0
"""Pipelines between the doors and the store: what is sampled, and what is made of it."""
import time

import requests

from otlp_json import spans_of
from rows import row
from shops import make_traces, requests_of, send
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
