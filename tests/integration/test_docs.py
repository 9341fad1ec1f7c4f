# SPDX-License-Identifier: Apache-2.0
"""Every metric and variable that exists is documented, and nothing is documented that does not exist."""
import pathlib
import re

from weir_server import Weir

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


def described():
    """Name, type and labels of the server's metrics as the page has them."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \| ([^|]*)\|", (ROOT / "docs/server-metrics.md").read_text(), re.M)
    return {(name, kind, *re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}


def served_by(weir):
    text = weir.get("/metrics")
    labels = {name: re.findall(r'(\w+)="', inside) for name, inside in re.findall(r"^([a-z_]+)(?:\{(.*)\})? \S+$", text, re.M)}
    return {(name, kind, *labels[name]) for name, kind in re.findall(r"^# TYPE (\S+) (\S+)", text, re.M)}


def is_an_exporters(metric):
    return metric[0].startswith("otelcol_exporter_")


def test_server_metrics(weir_module):
    served = served_by(weir_module)
    assert len(served) > 30
    assert served == {metric for metric in described() if not is_an_exporters(metric)}


def test_exporter_metrics(build_dir, tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text("""
exporters: {otlphttp/away: {endpoint: "http://127.0.0.1:9"}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [weir, otlphttp/away]}
""")
    server = Weir(build_dir, tmp_path / "data", "--config", str(file)).start()
    try:
        served = {metric for metric in served_by(server) if is_an_exporters(metric)}
    finally:
        server.stop()
    assert len(served) == 7
    assert served == {metric for metric in described() if is_an_exporters(metric)}


def test_environment():
    page = "".join((ROOT / "docs" / name).read_text() for name in PAGES)
    read = set()
    for path in SOURCES:
        read |= set(re.findall(r'"((?:OTEL|WEIR|KAFKA)_[A-Z_]+)"', path.read_text()))
    missing = {name for name in read if name not in page}
    assert len(read) > 25 and not missing
