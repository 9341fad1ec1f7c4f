# SPDX-License-Identifier: Apache-2.0
"""Every metric and variable that exists is documented, and nothing is documented that does not exist."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = [path for room in ("kafka", "sdk", "rd", "http", "sql", "pq", "sqlite") for path in ROOT.glob(f"src/{room}/**/*.c")]
PAGES = ("telemetry.md", "kafka.md", "http.md", "sql.md")


def in_table(page, pattern, second="[^|]*"):
    return set(re.findall(rf"^\| `({pattern})` \| {second} \|", (ROOT / "docs" / page).read_text(), re.M))


def test_client_metrics():
    made = set()
    for path in SOURCES:
        made |= set(re.findall(r'"((?:messaging|weir|otel|process|http|db)\.[a-z_.]+)",\s*"(?:\{[a-z_]+\}|s|By|1)"', path.read_text()))
    assert len(made) > 30
    assert made == set().union(*(in_table(page, r"[a-z_.]+", r"(?:\{[a-z_]+\}|s|By|1)") for page in PAGES))


def test_server_metrics(weir_module):
    served = set(re.findall(r"^# TYPE (\S+)", weir_module.get("/metrics"), re.M))
    assert len(served) > 30
    assert served == in_table("server-metrics.md", r"[a-z_]+")


def test_environment():
    page = "".join((ROOT / "docs" / name).read_text() for name in PAGES)
    read = set()
    for path in SOURCES:
        read |= set(re.findall(r'"((?:OTEL|WEIR|KAFKA)_[A-Z_]+)"', path.read_text()))
    missing = {name for name in read if name not in page}
    assert len(read) > 25 and not missing
