# SPDX-License-Identifier: Apache-2.0
"""Recording and alerting rules: evaluated in the server, asked for over HTTP, told to a webhook and to a real Alertmanager."""
import http.server
import json
import shutil
import subprocess
import threading

import pytest
import requests

import otlp_make
from weir_server import Weir, free_port, wait_until

RULES = """
groups:
  - name: orders
    interval: 300ms
    rules:
      - {record: "orders:failures:sum", expr: "sum by (topic) (orders_failures)", labels: {team: shop}}
      - alert: OrdersFail
        expr: orders:failures:sum > 10
        for: 600ms
        labels: {severity: page}
        annotations: {summary: "{{ $labels.topic }} fails {{ $value | printf \\"%.1f\\" }} times"}
      - {alert: Never, expr: "orders_failures > 1000000"}
"""


class Webhook:
    """Keeps what is posted to it."""

    def __init__(self):
        self.got = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802 - the library's name
                webhook.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def statuses(self, name):
        return [alert["status"] for message in self.got for alert in message["alerts"] if alert["labels"]["alertname"] == name]


@pytest.fixture
def webhook():
    hook = Webhook()
    yield hook
    hook.server.shutdown()


@pytest.fixture
def alertmanager(tmp_path):
    """A real one; its URL."""
    program = shutil.which("prometheus-alertmanager")
    assert program, "prometheus-alertmanager is missing; tools/setup test installs it"
    port, config = free_port(2), tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody, group_wait: 0s}\nreceivers: [{name: nobody}]\n")
    process = subprocess.Popen([program, f"--config.file={config}", f"--storage.path={tmp_path}/am", "--cluster.listen-address=",
                                f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def ready():
        try:
            return requests.get(f"{url}/-/ready", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False

    wait_until(ready, 30, 0.2, "the Alertmanager")
    yield url
    process.terminate()
    process.wait(20)


def report(weir, **failures):
    request = otlp_make.gauge("shop", "orders.failures", failures)
    for point in request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points:
        point.attributes[0].key = "topic"
    return weir.post_otlp("metrics", request.SerializeToString())


def rules_of(weir):
    (group,) = weir.get("/api/v1/rules")["data"]["groups"]
    return {rule["name"]: rule for rule in group["rules"]}


def test_an_alert_from_pending_to_resolved(build_dir, tmp_path, webhook, alertmanager):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    weir = Weir(build_dir, tmp_path / "data", "--rules", str(path), "--webhook", webhook.url, "--alertmanager", alertmanager).start()
    try:
        def at(value):
            report(weir, orders=value, payments=1.0)
            return True

        assert wait_until(lambda: at(3.0) and weir.promql('orders:failures:sum{topic="payments",team="shop"}'), 15, 0.2, "the recorded series")
        assert not weir.get("/api/v1/alerts")["data"]["alerts"]
        states = set()

        def firing():
            at(42.0)
            found = weir.get("/api/v1/alerts")["data"]["alerts"]
            states.update(alert["state"] for alert in found)
            return [alert for alert in found if alert["state"] == "firing"]

        (alert,) = wait_until(firing, 20, 0.1, "a firing alert")
        assert alert["labels"] == {"alertname": "OrdersFail", "severity": "page", "team": "shop", "topic": "orders"}
        assert alert["annotations"] == {"summary": "orders fails 42.0 times"} and float(alert["value"]) == 42.0
        assert "pending" in states, "it was pending before"
        rule = rules_of(weir)["OrdersFail"]
        assert rule["state"] == "firing" and rule["health"] == "ok" and rule["duration"] == 0.6 and rule["type"] == "alerting"
        assert rules_of(weir)["Never"]["state"] == "inactive" and rules_of(weir)["orders:failures:sum"]["type"] == "recording"
        assert wait_until(lambda: at(42.0) and weir.promql('ALERTS{alertname="OrdersFail",alertstate="firing"}'), 10, 0.2, "ALERTS")

        def at_alertmanager():
            at(42.0)
            return [a for a in requests.get(f"{alertmanager}/api/v2/alerts", timeout=10).json() if a["labels"]["alertname"] == "OrdersFail"]

        (told,) = wait_until(at_alertmanager, 20, 0.3, "the alert at the Alertmanager")
        assert told["labels"] == alert["labels"] and told["annotations"] == alert["annotations"] and told["status"]["state"] == "active"
        assert wait_until(lambda: webhook.statuses("OrdersFail"), 10, 0.2, "the webhook")[0] == "firing"
        wait_until(lambda: at(0.0) and "resolved" in webhook.statuses("OrdersFail"), 20, 0.2, "the resolved message")
        assert not weir.get("/api/v1/alerts")["data"]["alerts"]
        wait_until(lambda: not requests.get(f"{alertmanager}/api/v2/alerts?active=true", timeout=10).json(), 20, 0.3, "the end at the Alertmanager")
        assert not weir.promql("ALERTS"), "the series has ended"
        assert webhook.statuses("Never") == [] and webhook.statuses("OrdersFail").count("firing") == 1
    finally:
        weir.stop()


@pytest.mark.parametrize("text, words", [
    ("groups:\n  - name: a\n    rules:\n      - {alert: A, expr: 'rate(x['}\n", ":4:26: 1:8 of the expr"),
    ("groups:\n  - name: a\n    rules:\n      - {alrt: A, expr: x}\n", '"alert"'),
    ("groups:\n  - name: a\n    rules:\n      - {record: 'a b', expr: x}\n", "no metric name"),
    ("groups:\n  - name: a\n    rules:\n      - {alert: A, expr: x, annotations: {s: '{{ query \"x\" }}'}}\n", "is not understood"),
    ("groups:\n  - name: a\n    rules:\n      - {record: r, expr: x, for: 5m}\n", "only alerts"),
    ("groups: 7\n", "must be a list"),
])
def test_rule_files_with_faults(build_dir, tmp_path, text, words):
    path = tmp_path / "rules.yml"
    path.write_text(text)
    done = subprocess.run([build_dir / "src/app/weir", "--rules", path, "--print-config"], capture_output=True, text=True)
    assert done.returncode == 2 and f"{path}:" in done.stderr and words in done.stderr, done.stderr


def test_a_rule_that_cannot_be_evaluated_says_so(build_dir, tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text("groups:\n  - name: a\n    interval: 200ms\n    rules:\n      - {record: r, expr: 'up[5m]'}\n      - {record: fine, expr: vector(7)}\n")
    weir = Weir(build_dir, tmp_path / "data", "--rules", str(path)).start()
    try:
        wait_until(lambda: rules_of(weir)["r"]["health"] == "err" and rules_of(weir)["r"]["lastError"], 15, 0.2, "the error")
        assert list(wait_until(lambda: weir.promql("fine"), 10, 0.2, "the other rule").values()) == [7.0]
    finally:
        weir.stop()
