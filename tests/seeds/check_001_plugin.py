# SPDX-License-Identifier: Apache-2.0
"""Clients of other languages, which know nothing of us but one line of configuration."""
from rows import row
from shop import LANGUAGES, Shop

SPOILED = {"no-headers": {"OTEL_PROPAGATORS": "none"}, "no-spans": {"OTEL_TRACES_SAMPLER": "always_off"},
           "no-process": {"WEIR_KAFKA_PROCESS_END": "off"}, "no-metrics": {"WEIR_KAFKA_METRICS": "false"}}


@row("001-plugin", bed="clients", bugs=[*SPOILED, "no-rust"])
def plugin(bed, rng):
    shop = Shop(bed.bootstrap, bed.build / "src/plugin/libweir-kafka.so", bed.path, rng, **SPOILED.get(bed.bug, {}))
    if bed.bug == "no-rust":
        shop.missing["rust"] = "left out"
    assert not shop.missing, "; ".join(f"{language}: {reason}" for language, reason in shop.missing.items())
    shop.run()
    for hop in shop.hops:
        hop.check(shop.count)
        processed = {span.name for span in hop.takes}
        assert processed == {f"poll {hop.topic}", f"process {hop.topic}"}, f"{hop.taker} shows {sorted(processed)}"
    for language in LANGUAGES:
        index = shop.names.index(language)
        for metric, topic in (("sent", shop.topics[index]), ("consumed", shop.topics[index - 1])):
            counted = shop.sink.total(f"messaging.client.{metric}.messages", {"messaging.destination.name": topic})
            assert counted == shop.count, f"{language} counts {counted} {metric} messages of {shop.count}"
    assert shop.sink.assert_nothing_lost() == 0
    shop.sink.close()
