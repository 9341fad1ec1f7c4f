# SPDX-License-Identifier: Apache-2.0
"""The shop of tests/interop/shop: one order goes through a stage in every language, none of which has a line of tracing.

    kcat -> orders -> python -> payments -> node -> shipping -> go -> ... -> kcat
"""
import os
import pathlib
import shutil
import subprocess
import sys

from kafka_worker import make_topic, read_all
from otlp_sink import Sink

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOPICS = ("orders", "payments", "shipping", "invoices", "returns", "stock", "ledger")
LANGUAGES = ("python", "node", "go", "rust", "rust-dynamic", "c")


class Missing(Exception):
    """This machine cannot run that language; says why."""


def interop():
    """Where tools/setup interop builds."""
    cache = os.environ.get("WEIR_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "weir"
    return pathlib.Path(os.environ.get("WEIR_INTEROP") or pathlib.Path(cache) / "interop")


def rdkafka_folder():
    listing = subprocess.run([ROOT / "tools/setup", "--env"], capture_output=True, text=True, check=True).stdout
    root = dict(line.split("=", 1) for line in listing.splitlines())["WEIR_RDKAFKA_ROOT"].strip("'")
    return pathlib.Path(root) if root else None


def built(language, path):
    program, reason = interop() / language / path, interop() / f"{language}.reason"
    if not program.exists() or reason.exists():
        raise Missing(reason.read_text().strip() if reason.exists() else "not built; run tools/setup interop")
    return program


def compiled_c(folder):
    root, out = rdkafka_folder(), folder / "shop-c"
    flags = [f"-I{root}/include", f"-L{root}/lib", f"-Wl,-rpath,{root}/lib"] if root else []
    subprocess.run(["cc", "-O2", ROOT / "tests/interop/shop/c/shop.c", *flags, "-lrdkafka", "-o", out], check=True)
    return out


def command(language, folder):
    """What starts a stage: arguments, and variables that it needs beside the shop's."""
    if language == "python":
        return [sys.executable, ROOT / "tests/interop/shop/python/shop.py"], {}
    if language == "node":
        built("node", "node_modules/@confluentinc/kafka-javascript/build/Release/confluent-kafka-javascript.node")
        return ["node", built("node", "shop.js")], {}
    if language == "go":
        return [built("go", "shop")], {}
    if language == "rust":
        return [built("rust", "target/release/shop")], {}
    if language == "rust-dynamic":
        root = rdkafka_folder()
        return [built("rust", "target-dynamic/release/shop")], {"LD_LIBRARY_PATH": f"{root}/lib"} if root else {}
    if language == "c":
        return [compiled_c(folder)], {}
    if language == "kcat":
        if not shutil.which("kcat"):
            raise Missing("no kcat; run tools/setup interop")
        return ["kcat"], {}
    raise KeyError(language)


class Hop:
    """One topic: who sent to it, who took from it, and the span ids that its messages carry."""

    def __init__(self, shop, index):
        self.topic, self.sender, self.taker = shop.topics[index], shop.names[index], shop.names[index + 1]
        self.messages = read_all(shop.kafka, self.topic, shop.count)
        headers = [[value.decode().split("-")[2] for name, value in message.headers() or [] if name == "traceparent"] for message in self.messages]
        self.carried = [ids[0] if len(ids) == 1 else None for ids in headers]
        self.sends = {span.span_id for span in shop.sink.spans(f"send {self.topic}", self.sender)}
        self.takes = [span for span in shop.sink.spans(service=self.taker) if span.name in (f"poll {self.topic}", f"process {self.topic}")]

    def check(self, count):
        where = f"{self.sender} -> {self.topic} -> {self.taker}"
        assert len(self.messages) == count, f"{where}: {len(self.messages)} of {count} messages"
        assert None not in self.carried, f"{where}: messages without exactly one traceparent"
        assert set(self.carried) == self.sends and len(self.sends) == count, f"{where}: {len(self.sends)} send spans for {count} messages, or others"
        related = set().union(*(span.related for span in self.takes))
        assert related >= self.sends, f"{where}: {len(self.sends - related)} of {count} sends have no poll or process span that belongs to them"


class Shop:
    """Runs orders through the stages that this machine has; then .hops tells what became of them."""

    def __init__(self, kafka, plugin, folder, rng, sink=None, **variables):
        self.kafka, self.plugin, self.folder, self.rng, self.variables = kafka, str(plugin), folder, rng, variables
        self.count, self.sink, self.missing, self.stages = rng.randrange(3, 12), sink or Sink(), {}, {}
        for language in (*LANGUAGES, "kcat"):
            try:
                self.stages[language] = command(language, folder)
            except Missing as reason:
                self.missing[language] = str(reason)
        self.names = ["kcat", *[language for language in LANGUAGES if language in self.stages], "kcat-reader"]
        suffix = f"{rng.randrange(16**8):08x}"
        self.topics = [f"{name}-{suffix}" for name in TOPICS[:len(self.names) - 1]]

    def environment(self, name, extra):
        return {**os.environ, "KAFKA_BROKERS": self.kafka, "KAFKA_GROUP": f"{name}-{self.topics[0]}", "WEIR_PLUGIN": self.plugin,
                "OTEL_SERVICE_NAME": name, "OTEL_EXPORTER_OTLP_ENDPOINT": self.sink.endpoint, **extra, **self.variables}

    def kcat(self, name, *arguments, **options):
        return subprocess.run(["kcat", "-b", self.kafka, "-X", f"plugin.library.paths={self.plugin}", *arguments], check=True, text=True,
                              capture_output=True, timeout=120, env=self.environment(name, {}), **options).stdout.splitlines()

    def run(self):
        for topic in self.topics:
            make_topic(self.kafka, topic, self.rng.randrange(1, 4))
        running = []
        try:
            for index, name in enumerate(self.names[1:-1]):
                arguments, extra = self.stages[name]
                running.append(subprocess.Popen([*map(str, arguments), self.topics[index], self.topics[index + 1], str(self.count)], text=True,
                                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment(name, extra)))
            self.orders = [f"order-{number}" for number in range(self.count)]
            self.kcat("kcat", "-P", "-t", self.topics[0], input="".join(f"{order}\n" for order in self.orders))
            for name, process in zip(self.names[1:-1], running):
                text = process.communicate(timeout=120)[0]
                assert process.returncode == 0 and f"done {self.count}" in text and "weir: " not in text, f"{name}: {text[-2000:]}"
        finally:
            for process in running:
                process.kill()
                process.wait()
        self.arrived = self.kcat("kcat-reader", "-C", "-t", self.topics[-1], "-o", "beginning", "-e", "-q")
        self.hops = [Hop(self, index) for index in range(len(self.topics))]
        return self
