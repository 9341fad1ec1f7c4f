# SPDX-License-Identifier: Apache-2.0
"""One Python producer, with or without tracing: producer.py raw|plugin|instrumented BROKERS TOPIC MESSAGES BYTES [PLUGIN]

Prints messages per second and microseconds of CPU a message, from the first message until the last one is acknowledged;
what is exported afterwards is not in it. OTEL_* variables say what is recorded, the same ones for both ways of tracing.
"""
import os
import resource
import sys
import time

import confluent_kafka


def instrumented_producer(settings):
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return ConfluentKafkaInstrumentor.instrument_producer(confluent_kafka.Producer(settings), tracer_provider=provider), provider.shutdown


def main():
    mode, brokers, topic, count, size = sys.argv[1:6]
    settings = {"bootstrap.servers": brokers, "linger.ms": 10, "queue.buffering.max.messages": 1_000_000}
    shutdown = None
    if mode == "plugin":
        settings["plugin.library.paths"] = sys.argv[6]
    if mode == "instrumented":
        producer, shutdown = instrumented_producer(settings)
    else:
        producer = confluent_kafka.Producer(settings)
    value = b"x" * int(size)
    produce, poll, count = producer.produce, producer.poll, int(count)
    started, used = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    for i in range(count):
        while True:
            try:
                produce(topic, value)
                break
            except BufferError:
                poll(0.01)
        if i % 1000 == 0:
            poll(0)
    assert producer.flush(60) == 0
    seconds, now = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    print(f"{count / seconds:.0f} {cpu * 1e6 / count:.3f}", flush=True)
    del producer, produce, poll
    if shutdown:
        shutdown()
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
