# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all Python tests: a server of ours, a real Apache Kafka, seeds that are printed."""
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from weir_server import Weir, free_port  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: minutes rather than seconds; runs in make check-all")


@pytest.fixture(scope="session")
def build_dir():
    """The build under test: tools/check says which in WEIR_BUILD."""
    return ROOT / os.environ.get("WEIR_BUILD", "build/check")


@pytest.fixture
def seed(request):
    """A seed, printed, for names, values and faults; WEIR_SEED replays one."""
    value = int(os.environ.get("WEIR_SEED", random.SystemRandom().randrange(2**32)))
    print(f"WEIR_SEED={value}")
    return value


@pytest.fixture
def rng(seed):
    return random.Random(seed)


@pytest.fixture
def weir(build_dir, tmp_path):
    """A fresh server on free ports, stopped at the end."""
    server = Weir(build_dir, tmp_path / "weir-data")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def weir_module(build_dir):
    """One server for a whole test file."""
    with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
        server = Weir(build_dir, pathlib.Path(folder) / "data")
        server.start()
        yield server
        server.stop()


def one_broker():
    """Gives the bootstrap servers of a real one-broker Apache Kafka, and ends it."""
    with tempfile.TemporaryDirectory(prefix="weir-kafka-") as folder:
        port = free_port(span=120)
        command = [str(ROOT / "tools/kafka")]
        up = subprocess.run([*command, "up", "--dir", folder, "--port", str(port)], capture_output=True, text=True)
        assert up.returncode == 0, up.stderr
        yield up.stdout.strip().splitlines()[-1]
        subprocess.run([*command, "down", "--dir", folder], capture_output=True)


@pytest.fixture(scope="session")
def kafka():
    """Bootstrap servers of a broker that all tests of the session share."""
    yield from one_broker()


@pytest.fixture(scope="module")
def own_kafka():
    """The same for one test file, whose programs name their topics themselves."""
    yield from one_broker()
