# SPDX-License-Identifier: Apache-2.0
"""Both example pipelines on a real Kafka, seen through the HTTP interfaces: the acceptance rows of the pipelines,
run here on the build under test, so that a broken one shows within minutes."""
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "seeds"))

import check_000  # noqa: E402, F401 - registers its checks
import rows  # noqa: E402
from bed import Bed  # noqa: E402

CHECKS = {row.id: row for row in rows.load() if row.check and row.bed == "pipelines"}


@pytest.fixture(scope="module")
def bed():
    seed = random.SystemRandom().randrange(2**32)
    print(f"WEIR_SEED={seed}")
    opened = Bed(seed)
    try:
        yield opened.open()
    finally:
        opened.close()


@pytest.mark.parametrize("identifier", sorted(CHECKS))
def test_row(bed, identifier):
    CHECKS[identifier].check(bed, random.Random(f"{bed.seed}/{identifier}"))
