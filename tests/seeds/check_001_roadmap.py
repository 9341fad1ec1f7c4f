# SPDX-License-Identifier: Apache-2.0
"""What the agent's roadmap left open: span names by template, filters and sampling, throughput and lag, admin spans."""
import workshop
from check_001 import CLIENT, ERROR
from kafka_worker import Worker, produce, read_all
from otlp_json import attributes_of
from rows import row
from weir_server import wait_until

ADMIN = workshop.ROOT / "tests/unit/kafka/admin_worker.c"


def sent(bed, topic):
    return bed.weir.promql_sum(f'messaging_client_sent_messages_total{{messaging_destination_name="{topic}"}}')


def names(bed, rng):
    topic, count = bed.topic(rng), rng.randrange(3, 9)
    assert bed.worker("send", "sync", topic, count, WEIR_KAFKA_SPAN_NAME_SEND="{topic} gets one by {operation}").join() == 0
    group = bed.worker("group", topic, f"{topic}-group", WEIR_KAFKA_SPAN_NAME_PROCESS="{group}: {operation}")
    group.wait(r"end ", count=count, timeout=30)
    assert group.stop() == 0
    for name in (f"{topic} gets one by send", f"{topic}-group: process"):
        assert len(bed.spans(name, count)) == count
    assert not bed.search(f'{{ name = "send {topic}" }}'), "the conventions' name is still there"


def filters_and_sampling(bed, rng):
    gold, tin, excluded, unsampled = (rng.randrange(2, 9) for _ in range(4))
    topic = bed.topic(rng)
    only_gold = {"WEIR_KAFKA_HEADER": "tier=gold"}
    assert bed.worker("send", "sync", topic, gold, "tier=gold", **only_gold).join() == 0
    assert bed.worker("send", "sync", topic, tin, "tier=tin", **only_gold).join() == 0
    assert len(bed.spans(f"send {topic}", gold)) == gold, "only what passes the filter makes spans"
    wait_until(lambda: sent(bed, topic) == gold + tin, 10, 0.3, f"{gold + tin} messages counted, whatever is filtered")
    hidden = bed.topic(rng)
    assert bed.worker("send", "sync", hidden, excluded, WEIR_KAFKA_TOPICS_EXCLUDE=f"{hidden[:4]}*").join() == 0
    quiet = bed.topic(rng)
    assert bed.worker("send", "sync", quiet, unsampled, OTEL_TRACES_SAMPLER="always_off").join() == 0
    wait_until(lambda: sent(bed, quiet) == unsampled, 10, 0.3, f"{unsampled} messages counted, whatever is sampled")
    assert not sent(bed, hidden), "an excluded topic has metrics"
    for name in (hidden, quiet):
        assert not bed.search(f'{{ name = "send {name}" }}'), f"a span of {name}"
    headers = [dict(message.headers() or []) for message in read_all(bed.bootstrap, hidden, excluded)]
    assert len(headers) == excluded and not any("traceparent" in header for header in headers)


def throughput_and_lag(bed, rng):
    topic, taken, waiting = bed.topic(rng), rng.randrange(3, 9), rng.randrange(15, 25)
    properties = bed.path / "often.properties"
    properties.write_text("auto.commit.interval.ms=200\n")
    group = bed.worker("group", topic, f"{topic}-group", KAFKA_PROPERTIES=str(properties))
    produce(bed.bootstrap, topic, ["fine"] * taken)
    group.wait(r"end ", count=taken, timeout=30)
    produce(bed.bootstrap, topic, ["sleep:400"] * waiting)
    at = f'messaging_destination_name="{topic}",messaging_consumer_group_name="{topic}-group"'

    def lag():
        return bed.weir.promql_sum(f"weir_kafka_consumer_lag{{{at}}}")

    seen = wait_until(lag, 9, 0.2, "a lag while the handler is slow")
    assert 0 < seen <= waiting, f"a lag of {seen}, of {waiting} messages"
    group.wait(r"end ", count=taken + waiting, timeout=30)
    wait_until(lambda: lag() == 0, 15, 0.3, "no lag")
    consumed = f"messaging_client_consumed_messages_total{{{at}}}"
    wait_until(lambda: bed.weir.promql_sum(consumed) == taken + waiting, 10, 0.3, f"{taken + waiting} messages consumed")
    assert bed.weir.promql_sum(f"rate({consumed}[5m])") > 0, "no throughput"
    assert group.stop() == 0


def admin(bed, rng):
    program, topic = workshop.program(bed.build, ADMIN, bed.mutant), f"admin-{rng.randrange(16**8):08x}"

    def run(*arguments):
        worker = Worker(program, bed.bootstrap, bed.path, *arguments, **bed.telemetry())
        assert worker.join() == 0
        return worker.lines[-1]

    for again in range(2):
        assert run("create", 2, topic).startswith("code -15" if again else "code 0"), "a second time it is there already"
    for operation in (("partitions", topic, 4), ("describe", topic), ("alter", topic, "retention.ms=1000"), ("delete", topic)):
        told = run(*operation)
        assert told.startswith("code 0"), f"{operation[0]}: {told}"
    created = sorted(bed.spans(f"create_topics {topic}", 2), key=lambda span: int(span["startTimeUnixNano"]))
    for span in created + [bed.spans(f"{operation} {topic}")[0] for operation in ("create_partitions", "describe_configs", "alter_configs", "delete_topics")]:
        attributes = attributes_of(span)
        assert span["kind"] in CLIENT and attributes["messaging.system"] == "kafka" and attributes["server.address"] == bed.bootstrap.split(":")[0]
        assert attributes.get("messaging.destination.name") == topic and attributes["messaging.operation.name"] == span["name"].split(" ")[0]
        failed = span is created[1]
        assert (span["status"].get("code") in ERROR) == failed, f"{span['name']} has status {span['status']}"
        assert attributes.get("error.type") == ("TOPIC_ALREADY_EXISTS" if failed else None)


@row("001-roadmap", bed="clients", bugs=["unfiltered", "own-name", "frozen-metrics", "no-errors", "no-destination"])
def roadmap(bed, rng):
    names(bed, rng)
    filters_and_sampling(bed, rng)
    admin(bed, rng)
    throughput_and_lag(bed, rng)
