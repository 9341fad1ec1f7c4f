# SPDX-License-Identifier: Apache-2.0
"""Runs tests/unit/kafka/kafka_worker and reads what it tells: lines on stderr, spans as JSON on stdout."""
import json
import os
import re
import signal
import subprocess
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


class Worker:
    def __init__(self, build_dir, kafka, folder, *arguments, **environment):
        self.out_path = folder / f"worker-{time.monotonic_ns()}.out"
        self.lines = []
        self.changed = threading.Condition()
        env = {**os.environ, "KAFKA_BROKERS": kafka, "OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none",
               "OTEL_LOGS_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "100", **environment}
        program = build_dir if build_dir.is_file() else build_dir / "tests/unit/kafka/kafka_worker"
        with open(self.out_path, "wb") as out:
            self.process = subprocess.Popen([str(program), *map(str, arguments)],
                                            stdout=out, stderr=subprocess.PIPE, env=env, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def find(self, pattern):
        return [match for match in (re.match(pattern, line) for line in list(self.lines)) if match]

    def wait(self, pattern, count=1, timeout=60):
        """Waits for so many matching lines; gives them."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(found := self.find(pattern)) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(found)} of {count} lines '{pattern}' in: " + "\n".join(self.lines[-40:])
                self.changed.wait(left)
        return found

    def stop(self, timeout=60):
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.join(timeout)

    def join(self, timeout=60):
        code = self.process.wait(timeout)
        self.reader.join(10)
        assert not self.find(r".*(AddressSanitizer|runtime error)"), "\n".join(self.lines)
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(10)

    def records(self, word):
        """(partition, offset) of every 'begin' or 'end' line, in order."""
        return [(int(m[1]), int(m[2])) for m in self.find(rf"{word} \S+ (\d+) (\d+) ")]

    def stats(self):
        (match,) = self.find(r"stats (.*)")
        return {key: int(value) for key, value in (pair.split("=") for pair in match[1].split())}

    def spans(self):
        found = []
        for line in self.out_path.read_text().splitlines():
            record = json.loads(line)
            if "span" in record:
                found.append(record)
        return found


def make_topic(kafka, name, partitions=1):
    admin = AdminClient({"bootstrap.servers": kafka})  # must outlive its futures
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result(30)
    return name


def produce(kafka, topic, values, partition=0, headers=None):
    """Sends the values in order to one partition; gives their offsets."""
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True})
    offsets = []
    for value in values:
        producer.produce(topic, value.encode(), partition=partition, headers=headers,
                         on_delivery=lambda err, message: offsets.append(message.offset() if not err else None))
    assert producer.flush(30) == 0
    assert None not in offsets
    return offsets


def committed(kafka, group, topic, partition=0):
    """The group's (offset, metadata)."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    try:
        (found,) = consumer.committed([TopicPartition(topic, partition)], timeout=30)
        return found.offset, found.metadata
    finally:
        consumer.close()


def read_all(kafka, topic, count, timeout=30):
    """The first `count` messages of a topic, as confluent_kafka gives them."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"reader-{time.time_ns()}", "auto.offset.reset": "earliest",
                         "topic.metadata.refresh.interval.ms": 500})
    consumer.subscribe([topic])
    found, deadline = [], time.monotonic() + timeout
    try:
        while len(found) < count and time.monotonic() < deadline:
            found += [message for message in consumer.consume(count - len(found), 0.5) if not message.error()]
    finally:
        consumer.close()
    return found
