# SPDX-License-Identifier: Apache-2.0
"""weir doctor explains unconnected traces and missing spans, each of them caused for real."""
import json
import os
import re
import subprocess
import time

from confluent_kafka import Producer

from kafka_worker import read_all
from rows import row
from weir_server import free_port


def ask(bed, *arguments, **environment):
    """{id: "status title detail remedy"} of one run; of several findings with one id the worst comes last."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "KAFKA_", "WEIR_KAFKA_"))}
    done = subprocess.run([bed.build / "src/app/weir", "doctor", "--json", *map(str, arguments)], capture_output=True, text=True, timeout=90,
                          env={**keep, **bed.telemetry(), "OTEL_SERVICE_NAME": "shop", **environment})
    answer = json.loads(done.stdout)
    assert done.returncode == (answer["summary"]["fail"] > 0), f"exit status {done.returncode} with {answer['summary']}"
    order = ("skip", "ok", "warn", "fail")
    found = sorted(answer["findings"], key=lambda finding: order.index(finding["status"]))
    for finding in found:
        assert finding["remedy"] or finding["status"] in ("ok", "skip"), f"{finding['id']} says no remedy"
    return {f["id"]: " ".join((f["status"], f["title"], f["detail"], f["remedy"])) for f in found}


@row("001-doctor", bed="clients", bugs=["no-send", "wrong-ledger", "nothing-wrong"])
def doctor(bed, rng):
    nothing_wrong = bed.bug == "nothing-wrong"  # the faults are left out: the doctor must not name them
    # A whole trace, from the send to the handler.
    topic, count = bed.topic(rng), rng.randrange(3, 12)
    assert bed.worker("send", "sync", topic, count).join() == 0
    group = bed.worker("group", topic, f"{topic}-group")
    group.wait(r"end ", count=count, timeout=30)
    assert group.stop() == 0
    span = bed.spans(f"process {topic}", count)[0]
    told = ask(bed, "--explain", span["trace_id"], "--server", bed.weir.api)
    assert told["trace.hop"].startswith(f'ok "send {topic}"') and "trace.parent" not in told, f"of a whole trace: {told}"
    told = ask(bed, "--brokers", bed.bootstrap, "--topic", topic, "--group", f"{topic}-group")
    assert told["telemetry.endpoint"].startswith("ok") and told["telemetry.clock"].startswith("ok"), told["telemetry.endpoint"]
    assert "can carry headers" in told["kafka.server"], f"broker format: {told['kafka.server']}"
    # Unconnected: the producer writes no headers.
    bare, sent = bed.topic(rng), rng.randrange(3, 12)
    switched_off = {} if nothing_wrong else {"WEIR_KAFKA_PROPAGATE": "off"}
    assert bed.worker("send", "sync", bare, sent, **switched_off).join() == 0
    carried = sum("traceparent" in dict(message.headers() or []) for message in read_all(bed.bootstrap, bare, sent))
    carried += bed.bug == "wrong-ledger"
    told = ask(bed, "--brokers", bed.bootstrap, "--topic", bare, **switched_off)
    assert f"{carried} of {sent} records carry a traceparent" in told["records.traceparent"], f"headers off: {told['records.traceparent']}"
    assert told["records.traceparent"].startswith("fail") and "OTEL_PROPAGATORS" in told["records.traceparent"]
    assert "propagate=off" in told["telemetry.observation"], f"headers off: {told['telemetry.observation']}"
    lost = bed.spans(f"send {bare}")[0]
    told = ask(bed, "--explain", lost["trace_id"], "--server", bed.weir.api, "--brokers", bed.bootstrap)
    assert told["trace.hop"].startswith("fail") and "carries no traceparent" in told["trace.hop"], f"the lost hop: {told['trace.hop']}"
    # Missing spans: the sampler, the endpoint and its protocol.
    quiet = bed.topic(rng)
    assert bed.worker("send", "sync", quiet, 3, OTEL_TRACES_SAMPLER="always_off").join() == 0
    told = ask(bed, "--brokers", bed.bootstrap, "--topic", quiet, OTEL_TRACES_SAMPLER="always_off")
    assert told["telemetry.sampler"].startswith("fail") and told["records.sampled"].startswith("fail"), f"sampler: {told['telemetry.sampler']}"
    told = ask(bed, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    assert told["telemetry.endpoint"].startswith("fail") and "refuses the connection" in told["telemetry.endpoint"]
    told = ask(bed, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")  # the relay speaks HTTP alone
    assert re.search("fail .*takes http/protobuf, not grpc", told["telemetry.endpoint"]), f"protocol: {told['telemetry.endpoint']}"
    # The clock of a producer.
    ahead = rng.randrange(60, 3000)  # the broker refuses more than an hour
    producer = Producer({"bootstrap.servers": bed.bootstrap})
    producer.produce(quiet, b"x", timestamp=int((time.time() + ahead) * 1000))
    assert producer.flush(30) == 0
    told = ask(bed, "--brokers", bed.bootstrap, "--topic", quiet)
    assert told["records.clock"].startswith("fail") and "producer's clock" in told["records.clock"], f"clock: {told['records.clock']}"
