# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of examples/http-kafka-sql: HTTP -> Kafka -> PostgreSQL and SQLite."""
import os
import re
import signal
import subprocess

from kafka_worker import make_topic
from weir_server import wait_until

PROGRAMS = ("shop", "keeper", "order", "audit")


class OrderShop:
    """start() to stop(); `telemetry` are the variables of all programs."""

    def __init__(self, programs, kafka, postgres, folder, topic, telemetry):
        self.programs, self.kafka, self.topic, self.folder = programs, kafka, topic, folder
        self.environment = {**os.environ, **postgres.environment(), "KAFKA_BROKERS": kafka, "OTEL_BSP_SCHEDULE_DELAY": "200",
                            "OTEL_METRIC_EXPORT_INTERVAL": "500", **telemetry}
        self.journal = folder / "journal.db"
        self.processes = {}

    def start_one(self, name, *arguments):
        log = open(self.folder / f"{name}.log", "wb")
        self.processes[name] = subprocess.Popen([str(self.programs / name), *map(str, arguments)], stdout=log, stderr=log, env=self.environment)

    def start(self):
        make_topic(self.kafka, self.topic, 2)
        make_topic(self.kafka, f"{self.topic}.dlq")
        self.start_one("shop", "-port", 0, "-topic", self.topic)
        self.start_one("keeper", "-topic", self.topic, "-sqlite", self.journal)
        self.start_one("audit", self.topic)
        line = wait_until(lambda: re.search(r"shop: (\S+)", self.log("shop")), 30, what="the shop's address")
        self.url = line[1]
        return self

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def order(self, **options):
        """Runs the ordering program; gives [(order id, status, trace id)]."""
        arguments = [text for key, value in options.items() for text in (f"-{key}", str(value))]
        done = subprocess.run([str(self.programs / "order"), "-url", self.url, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        assert "Sanitizer" not in done.stderr, done.stderr
        return [(order_id, int(status), trace_id) for order_id, status, trace_id in map(str.split, done.stdout.splitlines())]

    def stop(self):
        """Ends all; each must end well."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {}
        for name, process in self.processes.items():
            try:
                codes[name] = process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        self.processes = {}
        for name, code in codes.items():
            assert code == 0 and "Sanitizer" not in self.log(name), f"{name} ended with {code}: {self.log(name)[-3000:]}"
