# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes the server's /metrics and an instrumented program's; promtool finds nothing wrong."""
import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest

import otlp_make
from weir_server import free_port, wait_until

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed: tools/setup test")


def promtool(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_servers_page(weir_module, rng):
    request, _ = otlp_make.traces("prom", rng, 5)
    weir_module.post_otlp("traces", request.SerializeToString())
    promtool(weir_module.get("/metrics"))


@pytest.fixture
def prometheus(weir_module, build_dir, tmp_path, kafka):
    """Prometheus on a free port, scraping the server and a processor of the examples."""
    page, port = free_port(), free_port()
    environment = dict(os.environ, KAFKA_BROKERS=kafka, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{weir_module.http}", WEIR_METRICS_PORT=str(page))
    topic = subprocess.run([build_dir / "examples/metrics-at-most-once/generator", "-brokers", kafka, "-rate", "100", "-duration", "1s"],
                           env=environment, capture_output=True, text=True, timeout=60)
    assert topic.returncode == 0, topic.stderr
    processor = subprocess.Popen([build_dir / "examples/metrics-at-most-once/processor"], env=environment, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
    config = tmp_path / "prometheus.yml"
    server = weir_module.api.removeprefix("http://")
    config.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n"
                      f"  - {{job_name: weir, static_configs: [{{targets: ['{server}']}}]}}\n"
                      f"  - {{job_name: processor, static_configs: [{{targets: ['localhost:{page}']}}]}}\n")
    log = open(tmp_path / "prometheus.log", "wb")
    process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                                f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}", page
    for part in (process, processor):
        part.terminate()
        part.wait(30)


def ask(url, query):
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?query={urllib.parse.quote(query)}", timeout=5) as answer:
            return {tuple(sorted(item["metric"].items())): float(item["value"][1]) for item in json.load(answer)["data"]["result"]}
    except OSError:
        return {}


def test_a_real_prometheus_scrapes_both(prometheus, weir_module):
    url, page = prometheus
    wait_until(lambda: list(ask(url, "up").values()) == [1.0, 1.0], 40, 0.5, "both targets up")
    processed, received = "sum(weir_runner_processed_total)", "sum(weir_runner_received_total)"
    theirs = wait_until(lambda: ask(url, f"({processed} > 50) == {received}"), 60, 0.5, "all that was received is processed, in Prometheus")
    with urllib.request.urlopen(f"http://localhost:{page}/metrics", timeout=10) as answer:
        page_sum = sum(float(line.rsplit(" ", 1)[1]) for line in answer.read().decode().splitlines() if line.startswith("weir_runner_processed_total"))
    assert list(theirs.values()) == [page_sum]
    with urllib.request.urlopen(f"http://localhost:{page}/metrics", timeout=10) as answer:
        promtool(answer.read().decode())
    accepted = ask(url, "sum(otelcol_receiver_accepted_metric_points_total)")
    assert accepted and list(accepted.values())[0] > 0
