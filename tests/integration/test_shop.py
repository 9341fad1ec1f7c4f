# SPDX-License-Identifier: Apache-2.0
"""Python, Node, Go, Rust, C and kcat, each without a line of tracing code, on a real Kafka: the plugin connects every hop
from one language to the next."""
import random

import pytest

from shop import LANGUAGES, Shop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(kafka, build_dir, tmp_path_factory):
    seed = random.SystemRandom().randrange(2**32)
    print(f"WEIR_SEED={seed}")
    shop = Shop(kafka, build_dir / "src/plugin/libweir-kafka.so", tmp_path_factory.mktemp("shop"), random.Random(seed))
    if "kcat" in shop.missing:
        pytest.skip(shop.missing["kcat"])
    yield shop.run()
    shop.sink.close()


def test_orders_went_through_every_stage(shop):
    stages = "".join(f" {name.split('-')[0]}" for name in shop.names[1:-1])
    assert sorted(shop.arrived) == sorted(order + stages for order in shop.orders)


@pytest.mark.parametrize("language", LANGUAGES)
def test_hops_are_connected(shop, language):
    if language in shop.missing:
        pytest.skip(shop.missing[language])
    for hop in shop.hops:
        if language in (hop.sender, hop.taker):
            hop.check(shop.count)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_counted(shop, language):
    if language in shop.missing:
        pytest.skip(shop.missing[language])
    index = shop.names.index(language)
    for metric, topic in (("sent", shop.topics[index]), ("consumed", shop.topics[index - 1])):
        assert shop.sink.total(f"messaging.client.{metric}.messages", {"messaging.destination.name": topic}) == shop.count


def test_no_span_is_lost(shop):
    assert shop.sink.assert_nothing_lost() == 0
