# SPDX-License-Identifier: Apache-2.0
"""The queue processor and its stack: traces, logs and metrics of the two example pipelines."""
from collections import defaultdict

from otlp_json import attributes_of
from rows import row

SERVICES = {"metrics": "kafka-at-most-once-example", "orders": "kafka-at-least-once-example"}
ERROR = (2, "STATUS_CODE_ERROR")


def flow_of(bed, trace_id):
    """The joined view of one message: every span of the traces that hang together by links."""
    from otlp_json import spans_of
    return spans_of(bed.weir.get(f"/weir/v1/trace/{trace_id}"))


@row("000-trace-search", bugs=["no-destination"])
def trace_search(bed, rng):
    for query in ('{ resource.service.name = "kafka-at-most-once-example" }',
                  '{.service.name="kafka-at-most-once-example" && .kafka.topic="metrics"}'):
        found = bed.search(query)
        expected = {span["trace_id"] for span in bed.process_spans("metrics").values()}
        assert len(expected) == len(bed.records["metrics"]), f"{len(expected)} processed records in traces, {len(bed.records['metrics'])} in Kafka"
        assert expected <= found, f"{len(expected - found)} of {len(expected)} traces are not found by {query}"


@row("000-trace-order", bugs=["no-commit", "no-poll", "no-send", "late-commit", "early-commit"])
def trace_order(bed, rng):
    order = {"metrics": ["send", "poll", "commit", "process"], "orders": ["send", "poll", "process", "commit"]}
    for topic, wanted in order.items():
        spans = bed.process_spans(topic)
        assert len(spans) == len(bed.records[topic]), f"{len(spans)} of {len(bed.records[topic])} records have a process span"
        for key in rng.sample(sorted(spans), 12):
            process = spans[key]
            flow = flow_of(bed, process["trace_id"])
            polls = {link["span_id"] for link in process["links"]}
            first = {"process": times(process)}
            for span in sorted(flow, key=times):
                kind = span["name"].split(" ")[0]
                mine = (span["span_id"] == process["parent_span_id"] if kind == "send" else span["span_id"] in polls if kind == "poll"
                        else kind == "commit" and covers(span, key, topic))
                if mine:
                    first.setdefault(kind, times(span))
            assert set(wanted) <= set(first), f"{topic} {key}: the view lacks {set(wanted) - set(first)}"
            assert first["send"][0] <= first["process"][0] and first["send"][0] <= first["poll"][1], f"{topic} {key}: send is not first"
            if topic == "metrics":
                assert first["commit"][1] <= first["process"][0], f"{topic} {key}: processed before it was committed"
            else:
                assert first["process"][1] <= first["commit"][1], f"{topic} {key}: committed before it was processed"


def times(span):
    return int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])


def covers(commit, key, topic):
    """True when one of the commit's ranges, on the span itself if it has only one, holds this partition and offset."""
    for range_of in [attributes_of(commit), *map(attributes_of, commit.get("events", []))]:
        if (range_of.get("messaging.destination.name"), range_of.get("messaging.destination.partition.id")) == (topic, str(key[0])):
            if range_of.get("weir.kafka.offset.from", 0) <= key[1] < range_of.get("messaging.kafka.offset", 0):
                return True
    return False


@row("000-trace-parallel", bugs=["one-after-another"])
def trace_parallel(bed, rng):
    by_partition = defaultdict(list)
    for (partition, offset), span in bed.process_spans("orders").items():
        by_partition[partition].append((offset, int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])))
    assert len(by_partition) == 3, f"{len(by_partition)} partitions seen"
    for partition, spans in by_partition.items():
        spans.sort()
        for (_, _, end), (offset, start, _) in zip(spans, spans[1:]):
            assert start >= end, f"partition {partition}: offset {offset} starts before the one before it ended"
    overlaps = sum(1 for _, a, b in by_partition[0] for _, c, d in by_partition[1] if a < d and c < b)
    assert overlaps > 0, "no two partitions work at the same time"
    found = bed.search('{ name = "process orders" && .messaging.destination.partition.id = "1" }')
    assert len(found) == len(by_partition[1]), f"the partition filter finds {len(found)} of {len(by_partition[1])}"


@row("000-trace-attrs", bugs=["no-record-attributes", "no-errors"])
def trace_attrs(bed, rng):
    import json
    spans = bed.process_spans("metrics")
    bad = 0
    for partition, offset, value in bed.records["metrics"]:
        span = spans[(partition, offset)]
        attributes = attributes_of(span)
        if bed.is_bad("metrics", value):
            bad += 1
            assert span["status"].get("code") in ERROR, f"bad record {partition}/{offset}: status {span['status']}"
            assert any(event["name"] == "exception" for event in span.get("events", [])), "a bad record without exception event"
            continue
        record = json.loads(value)
        assert attributes.get("metric.name", attributes.get("name")) == record["name"], f"name of {partition}/{offset}: {attributes}"
        assert abs(attributes.get("metric.value", attributes.get("value")) - record["value"]) < 1e-9
        for key, text in record.get("tags", {}).items():
            assert text in [v for k, v in attributes.items() if k.endswith(key)], f"tag {key} of {partition}/{offset}: {attributes}"
    assert bad > 0, "the generator sent no bad record"


@row("000-span-logs", bugs=["no-log-ids"])
def span_logs(bed, rng):
    spans = bed.process_spans("metrics")
    for key in rng.sample(sorted(spans), 10):
        span = spans[key]
        lines = bed.weir.logql(f'{{service_name="{SERVICES["metrics"]}"}} | span_id="{span["span_id"]}" | trace_id="{span["trace_id"]}"', limit=100)
        assert lines, f"no log line of span {span['span_id']}"
        start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        assert all(start - 10**6 <= ns <= end + 10**6 for ns, _, _ in lines), "a line outside its span's time"
        trace_id = lines[0][2]["trace_id"]
        assert bed.weir.trace(trace_id), "the way back from the line to the trace"


@row("000-logs", bugs=["no-log-ids", "no-severity"])
def logs(bed, rng):
    name = SERVICES["metrics"]
    selector = f'{{service_name="{name}"}}'
    everything = bed.weir.logql(selector, limit=5000)
    assert everything, "no lines at all"
    processing = bed.weir.logql(f'{selector} |= "processing metric"', limit=5000)
    good = [value for _, _, value in bed.records["metrics"] if not bed.is_bad("metrics", value)]
    assert len(processing) == len(good), f"{len(processing)} lines for {len(good)} good records"
    errors = bed.weir.logql(f'{selector} | json | level="ERROR"', limit=5000)
    assert len(errors) >= len(bed.records["metrics"]) - len(good) > 0, f"{len(errors)} error lines"
    line = rng.choice(processing)
    labels = line[2]
    for key in ("trace_id", "span_id", "service_name", "service_version"):
        assert labels.get(key), f"a line without {key}: {labels}"
    same = bed.weir.logql(f'{selector} | json | trace_id="{labels["trace_id"]}"', limit=5000)
    assert line[:2] in [item[:2] for item in same], "the line is not found by its trace id"
    assert all(item[2]["trace_id"] == labels["trace_id"] for item in same)


@row("000-compare", bugs=["frozen-metrics"])
def compare(bed, rng):
    for topic, group in (("metrics", "metrics-processor"), ("orders", "order-processor")):
        records = bed.records[topic]
        bad = sum(bed.is_bad(topic, value) for _, _, value in records)
        semantics = "at_most_once" if topic == "metrics" else "at_least_once"
        labels = f'messaging_destination_name="{topic}",messaging_consumer_group_name="{group}",weir_runner_semantics="{semantics}"'
        received = bed.weir.promql_sum(f"weir_runner_received_total{{{labels}}}")
        assert received == len(records), f"{topic}: received {received}, in Kafka {len(records)}"
        committed = bed.weir.promql_sum(f"weir_runner_committed_total{{{labels}}}")
        assert committed == len(records), f"{topic}: committed {committed} of {len(records)}"
        ok = bed.weir.promql_sum(f'weir_runner_processed_total{{{labels},outcome="ok"}}')
        assert ok == len(records) - bad, f"{topic}: ok {ok}, good records {len(records) - bad}"
        other = "failed" if topic == "metrics" else "dead_lettered"
        assert bed.weir.promql_sum(f'weir_runner_processed_total{{{labels},outcome="{other}"}}') == bad
        lost = bed.weir.promql_sum(f'weir_runner_lost{{{labels},bound="min"}}')
        assert lost == (bad if topic == "metrics" else 0), f"{topic}: loss {lost}, really lost {bad}"


@row("trap-14", bugs=["no-log-ids"])
def logs_without_trace_id(bed, rng):
    for topic, name in SERVICES.items():
        lines = [line for line in bed.weir.logql(f'{{service_name="{name}"}}', limit=5000) if "process" in line[1]]
        assert lines
        without = [line for line in lines if not line[2].get("trace_id")]
        assert not without, f"{len(without)} of {len(lines)} lines about records have no trace id, e.g. {without[0][1]}"
