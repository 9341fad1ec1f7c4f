# SPDX-License-Identifier: Apache-2.0
"""weir/admin.h on a real Kafka: what the cluster then has, what was told item by item, and each operation's span."""
import time

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource

from kafka_worker import Worker, make_topic, produce
from weir_server import free_port, wait_until

CONFLICT, NOT_FOUND, INVALID, TIMEOUT, UNAVAILABLE = -15, -2, -1, -7, -6


class Run:
    """One operation, done: its code and words, the lines that it told, and its span."""

    def __init__(self, program, kafka, folder, *arguments, **environment):
        worker = Worker(program, kafka, folder, *arguments, **environment)
        assert worker.join() == 0, "\n".join(worker.lines)
        (match,) = worker.find(r"code (-?\d+) ?(.*)")
        self.code, self.words, self.worker = int(match[1]), match[2], worker
        spans = {span["span"]: span for span in worker.spans()}
        self.parent = spans.pop("deploy")
        assert len(spans) <= 1
        self.span = next(iter(spans.values()), None)

    def find(self, pattern):
        return [match.groups() for match in self.worker.find(pattern)]


@pytest.fixture(params=["", "_older"], ids=["newer", "older"])
def admin(request, build_dir, kafka, tmp_path):
    program = build_dir / f"tests/unit/kafka/admin_worker{request.param}"
    if request.param and not program.exists():
        pytest.skip("the system has no librdkafka of its own")

    def run(*arguments, broker=None, **environment):
        done = Run(program, broker or kafka, tmp_path, *arguments, **environment)
        if done.span:
            server, _, port = (broker or kafka).rpartition(":")
            attributes = done.span["attributes"]
            assert done.span["kind"] == "CLIENT" and done.span["parent_span_id"] == done.parent["span_id"]
            assert attributes["messaging.system"] == "kafka" and attributes["server.address"] == server and attributes["server.port"] == int(port)
            assert done.span["span"].split(" ")[0] == attributes["messaging.operation.name"]
            assert (done.span["status"] == "ERROR") == (done.code != 0) == ("error.type" in attributes)
        return done

    return run


@pytest.fixture
def name(request):
    return f"{request.node.originalname.replace('_', '-')}-{time.time_ns() % 10**12}"


def topics_of(kafka):
    return AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=30).topics


def settings_of(kafka, topic):
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": kafka})  # must outlive its futures
    (future,) = admin.describe_configs([resource]).values()
    return {entry.name: entry.value for entry in future.result(30).values()}


def test_topics_are_created_enlarged_deleted(kafka, admin, name):
    done = admin("create", 3, name, "--", "retention.ms=123456", "cleanup.policy=compact")
    assert done.code == 0 and done.span["span"] == f"create_topics {name}" and done.span["attributes"]["messaging.destination.name"] == name
    wait_until(lambda: name in topics_of(kafka), 10, 0.2, "the topic")
    assert len(topics_of(kafka)[name].partitions) == 3
    settings = settings_of(kafka, name)
    assert settings["retention.ms"] == "123456" and settings["cleanup.policy"] == "compact"
    done = admin("partitions", name, 5)
    assert done.code == 0 and done.span["span"] == f"create_partitions {name}"
    wait_until(lambda: len(topics_of(kafka)[name].partitions) == 5, 10, 0.2, "5 partitions")
    fewer = admin("partitions", name, 2)
    assert fewer.code == INVALID and name in fewer.words and fewer.span["attributes"]["error.type"] == "INVALID_PARTITIONS"
    done = admin("delete", name)
    assert done.code == 0 and done.span["span"] == f"delete_topics {name}"
    wait_until(lambda: name not in topics_of(kafka), 10, 0.2, "it is gone")


def test_each_item_has_its_own_result(kafka, admin, name):
    there = make_topic(kafka, f"{name}-there")
    done = admin("create", 0, f"{name}-a", there, f"{name}-b", "bad/name")
    told = {topic: (int(code), kind, words) for topic, code, kind, words in done.find(r"result (\S+) (-?\d+) (\S+) (.*)")}
    assert told[f"{name}-a"][0] == told[f"{name}-b"][0] == 0, "one that fails holds up no other"
    assert told[there][:2] == (CONFLICT, "TOPIC_ALREADY_EXISTS") and "exists" in told[there][2]
    assert told["bad/name"][:2] == (INVALID, "INVALID_TOPIC_EXCEPTION")
    assert done.code == CONFLICT and there in done.words, "the first failure is the call's"
    assert done.span["span"] == "create_topics" and "messaging.destination.name" not in done.span["attributes"], "several topics: no name"
    assert done.span["attributes"]["error.type"] == "TOPIC_ALREADY_EXISTS"
    wait_until(lambda: {f"{name}-a", f"{name}-b"} <= set(topics_of(kafka)), 10, 0.2, "both topics")
    done = admin("delete", f"{name}-a", f"{name}-none")
    assert [int(code) for _, code, _, _ in done.find(r"result (\S+) (-?\d+) (\S+) (.*)")] == [0, NOT_FOUND] and done.code == NOT_FOUND


def test_records_are_deleted(kafka, admin, name, rng):
    make_topic(kafka, name, 2)
    count, before = rng.randrange(5, 20), rng.randrange(1, 5)
    produce(kafka, name, ["x"] * count)
    done = admin("records", name, 0, before, name, 1, -1)
    assert done.code == 0 and done.span["span"] == f"delete_records {name}"
    assert sorted(done.find(r"lowest \S+ (\d+) (-?\d+)")) == [("0", str(before)), ("1", "0")]
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": name})
    assert consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=30) == (before, count)
    consumer.close()
    done = admin("records", name, 0, count + 100)
    assert done.code != 0 and done.span["attributes"]["error.type"] == "OFFSET_OUT_OF_RANGE"


def test_settings_are_described_and_changed(kafka, admin, name):
    make_topic(kafka, name)
    done = admin("alter", name, "retention.ms=777", "cleanup.policy=compact")
    assert done.code == 0 and done.span["span"] == f"alter_configs {name}"
    assert admin("alter", name, "cleanup.policy=").code == 0, "back to the default, and the other stays"
    done = admin("describe", name)
    assert done.code == 0 and done.span["span"] == f"describe_configs {name}"
    told = {setting: (value, how) for setting, value, how in done.find(r"config ([^=]+)=(.*) (default|set)$")}
    assert told["retention.ms"] == ("777", "set") and told["cleanup.policy"] == ("delete", "default")
    assert {setting: value for setting, (value, _) in told.items() if value} == {s: v for s, v in settings_of(kafka, name).items() if v}
    wrong = admin("alter", name, "retention.ms=soon")
    assert wrong.code == INVALID and "retention.ms" in wrong.words and wrong.span["attributes"]["error.type"] == "INVALID_CONFIG"
    broker = admin("describe-broker", 1)
    assert broker.code == 0 and broker.span["span"] == "describe_configs" and broker.find(r"config (log\.dirs)=")
    assert admin("describe", f"{name}-none").code == NOT_FOUND


def test_groups_are_listed_and_described(kafka, admin, name):
    make_topic(kafka, name)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": name})
    consumer.subscribe([name])
    try:
        wait_until(lambda: consumer.poll(0.5) or consumer.assignment(), 30, 0.1, "the assignment")
        listed = admin("groups")
        assert listed.code == 0 and listed.span["span"] == "list_groups"
        assert name in [identifier for identifier, *_ in listed.find(r"group (\S+) (\S+)")]
        done = admin("group", name)
        assert done.code == 0 and done.span["span"] == "describe_groups"
        assert done.find(r"group (\S+) (\S+) (\d+) (-?\d+)") == [(name, "Stable", "1", "0")]
    finally:
        consumer.close()
    none = admin("group", f"{name}-none")
    ((_, state, members, code),) = none.find(r"group (\S+) (\S+) (\d+) (-?\d+)")
    assert members == "0" and (state == "Dead" or int(code) == NOT_FOUND)


def test_a_broker_that_is_not_there(admin, name):
    for operation in (("create", 1, name), ("delete", name), ("describe", name), ("alter", name, "retention.ms=1"), ("group", name)):
        done = admin(*operation, broker=f"127.0.0.1:{free_port()}", ADMIN_TIMEOUT_MS="800")
        assert done.code in (TIMEOUT, UNAVAILABLE) and done.words, operation
        assert [int(code) for _, code in done.find(r"result (\S+) (-?\d+)")] in ([], [done.code])


def test_what_the_settings_leave_out(admin, name):
    assert admin("create", 1, name, WEIR_KAFKA_SPANS="false").span is None
    assert admin("delete", name, WEIR_KAFKA_TOPICS_EXCLUDE="what-*").code == 0
    assert admin("create", 1, name, WEIR_KAFKA_TOPICS_EXCLUDE=f"{name[:5]}*").span is None


def test_wrong_use(admin, name):
    assert admin("partitions", name, 0).code == INVALID
