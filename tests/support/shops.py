# SPDX-License-Identifier: Apache-2.0
"""Traces over several services, sent in shuffled pieces, and a ledger of what they are."""
import time

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_make import add_attribute

SERVICES = ["web", "orders", "billing"]
MS = 10**6


def make_traces(rng, count, slow_ms=500, error_share=0.1, slow_share=0.1):
    """[{id, spans, error, slow}]: web calls orders calls billing; the last span may fail, the first may be slow."""
    made = []
    now = time.time_ns()
    for _ in range(count):
        trace = {"id": rng.randbytes(16), "error": rng.random() < error_share, "slow": rng.random() < slow_share, "spans": []}
        took = (slow_ms + rng.randrange(50, 500) if trace["slow"] else rng.randrange(1, slow_ms - 100)) * MS
        parent = b""
        for depth, service in enumerate(SERVICES):
            for kind in (2, 3) if depth < len(SERVICES) - 1 else (2,):  # SERVER, and CLIENT towards the next
                span = {"service": service, "id": rng.randbytes(8), "parent": parent, "kind": kind, "start": now + depth * 1000, "took": took,
                        "error": trace["error"] and depth == len(SERVICES) - 1}
                trace["spans"].append(span)
                parent = span["id"]
                took = took * 9 // 10
        made.append(trace)
    return made


def requests_of(rng, traces, size=50):
    """OTLP requests with all spans in a random order."""
    pieces = [(trace, span) for trace in traces for span in trace["spans"]]
    rng.shuffle(pieces)
    for at in range(0, len(pieces), size):
        request = ExportTraceServiceRequest()
        for trace, span in pieces[at:at + size]:
            batch = request.resource_spans.add()
            add_attribute(batch.resource.attributes, "service.name", span["service"])
            one = batch.scope_spans.add().spans.add(trace_id=trace["id"], span_id=span["id"], parent_span_id=span["parent"], kind=span["kind"],
                                                    name=f"{span['service']} work")
            one.start_time_unix_nano = span["start"]
            one.end_time_unix_nano = span["start"] + span["took"]
            if span["error"]:
                one.status.code = 2
        yield request


def send(address, request):
    answer = requests.post(f"http://{address}/v1/traces", request.SerializeToString(), headers={"content-type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200, answer.text
