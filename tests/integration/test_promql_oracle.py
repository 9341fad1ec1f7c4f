# SPDX-License-Identifier: Apache-2.0
"""PromQL against a real Prometheus (Debian's 2.42): the same samples, the same queries, the same answers.

Prometheus 3 made range selectors left-open, and weir follows 3. No sample here lies on a window's
edge, so that both readings agree; what 3 changed besides (rates of counters near zero) is left out."""
import json
import math
import random
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

START = 1_700_000_000  # seconds
SCRAPES, EVERY = 240, 15

QUERIES = """
requests_total
requests_total{job="a"}
{__name__=~"requests_.*",instance!~"i1|i2"}
requests_total offset 5m
requests_total @ 1700001201
requests_total @ end()
rate(requests_total[5m])
rate(requests_total[37s])
increase(requests_total[10m])
irate(requests_total[5m])
delta(temperature[5m])
idelta(temperature[5m])
deriv(temperature[10m])
predict_linear(temperature[10m], 3600)
changes(temperature[5m])
resets(requests_total[30m])
avg_over_time(temperature[5m])
sum_over_time(temperature[5m])
min_over_time(temperature[5m])
max_over_time(temperature[5m])
count_over_time(temperature[5m])
last_over_time(temperature[5m])
present_over_time(temperature[5m])
stddev_over_time(temperature[5m])
stdvar_over_time(temperature[5m])
quantile_over_time(0.9, temperature[5m])
quantile_over_time(0.33, temperature[10m])
holt_winters(temperature[10m], 0.5, 0.5)
absent(nothing{a="b"})
absent(temperature)
absent_over_time(nothing{a="b"}[5m])
absent_over_time(gappy[2m])
gappy
count_over_time(gappy[5m])
rate(gappy[5m])
sum(requests_total)
sum by (job) (rate(requests_total[5m]))
sum without (instance) (rate(requests_total[5m]))
avg by (job) (temperature)
min by (job) (temperature)
max by (job) (temperature)
count by (job) (temperature)
group by (job) (temperature)
stddev by (job) (temperature)
stdvar by (job) (temperature)
quantile by (job) (0.7, temperature)
quantile(0.5, temperature)
topk(2, temperature)
bottomk(2, temperature)
topk by (job) (1, temperature)
count_values("v", round(temperature / 10))
histogram_quantile(0.5, rate(latency_bucket[5m]))
histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m])))
histogram_quantile(0.9, sum by (job, le) (rate(latency_bucket[10m])))
histogram_quantile(0.9, latency_bucket)
requests_total + 1
2 * temperature ^ 2 % 7
-temperature
temperature > 20
temperature > bool 20
20 < temperature
temperature == temperature
temperature != bool 20
requests_total / on (job, instance) temperature
requests_total / ignoring (code) group_left temperature
temperature * on (job, instance) group_right requests_total
requests_total * on (job) group_left (team) owner
sum by (job) (requests_total) / on (job) group_left (team) owner
requests_total and on (instance) temperature{instance="i1"}
requests_total unless on (instance) temperature{instance="i1"}
temperature or requests_total
temperature{job="a"} or on (job) owner
temperature atan2 on (job, instance) (temperature + 1)
abs(temperature - 20)
ceil(temperature)
floor(temperature)
round(temperature)
round(temperature, 0.3)
sqrt(temperature)
exp(temperature / 10)
ln(temperature)
log2(temperature)
log10(temperature)
sgn(temperature - 20)
clamp(temperature, 15, 25)
clamp_min(temperature, 20)
clamp_max(temperature, 20)
sin(temperature)
tanh(temperature / 100)
acos(temperature / 100)
deg(temperature)
label_replace(temperature, "host", "$1-x", "instance", "i(.*)")
label_replace(temperature, "host", "${n}", "instance", "i(?P<n>.*)")
label_replace(temperature, "job", "", "instance", ".*")
label_join(temperature, "both", "/", "job", "instance")
sort(temperature)
sort_desc(temperature)
scalar(temperature{job="a",instance="i0"})
scalar(temperature)
vector(time())
time()
timestamp(temperature)
timestamp(temperature + 1)
hour()
minute(temperature * 1e6)
day_of_week(vector(1e9))
day_of_year()
days_in_month(vector(951782400))
month()
year(vector(1e9))
max_over_time(rate(requests_total[2m])[10m:1m])
avg_over_time(temperature[10m:30s])
sum_over_time(sum by (job) (temperature)[10m:2m] offset 3m)
rate(sum(requests_total)[10m:1m])
count_over_time(vector(1)[10m:1m])
min_over_time(temperature[5m:1m] @ 1700001831)
sum(rate(requests_total{code="500"}[5m])) / sum(rate(requests_total[5m])) > 0.001
(temperature > 20) or (temperature < 18)
requests_total{code="200"} - ignoring (code) requests_total{code="500"}
1 / 0
-1 / 0
0 / 0
5 % 3 + 2 ^ 3 ^ 2
"text"
requests_total / on (job) temperature
requests_total + on (code) owner
abs({job="a"})
rate(temperature[0s])
sum(
unknown_function(temperature)
topk(temperature, 1)
requests_total{
""".strip().split("\n")


def make_samples(seed):
    """{series: [(ms, value)]}; every time has its own odd milliseconds."""
    rand = random.Random(seed)
    series = {}

    def scrape(name, start_value, step, reset=0.0):
        value, samples, offset = start_value, [], rand.randrange(1, 900)
        for i in range(SCRAPES):
            value = rand.random() if rand.random() < reset else value
            value = step(value)
            samples.append(((START + i * EVERY) * 1000 + 7000 + offset, value))
        series[name] = samples

    for job in "ab":
        for instance in ("i0", "i1", "i2"):
            labels = f'job="{job}",instance="{instance}"'
            for code in ("200", "500"):
                scrape(f'requests_total{{{labels},code="{code}"}}', 1e6, lambda v: v + rand.randrange(50), 0.0)
            scrape(f"temperature{{{labels}}}", 20, lambda v: v + rand.uniform(-1, 1))
        for i, le in enumerate(("0.1", "0.5", "1", "+Inf")):
            scrape(f'latency_bucket{{job="{job}",le="{le}"}}', 1e5 * (i + 1), lambda v, i=i: v + 10 * (i + 1))
        scrape(f'owner{{job="{job}",team="team {job}"}}', 1, lambda v: 1)
    scrape('gappy{job="a"}', 1e4, lambda v: v + 3)
    series['gappy{job="a"}'] = [s for i, s in enumerate(series['gappy{job="a"}']) if i // 30 % 2 == 0]
    return series


@pytest.fixture(scope="module")
def samples():
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    return make_samples(seed)


@pytest.fixture(scope="module")
def prometheus(samples, tmp_path_factory):
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        pytest.skip("no prometheus here; apt-get install prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    families = {}
    for name, values in samples.items():
        families.setdefault(name.split("{")[0], []).append((name, values))
    with open(folder / "metrics.txt", "w") as out:
        for family, members in families.items():
            out.write(f"# TYPE {family} unknown\n")
            for name, values in members:
                out.writelines(f"{name} {value!r} {ms / 1000:.3f}\n" for ms, value in values)
        out.write("# EOF\n")
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "metrics.txt", folder / "data"],
                   check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                               f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(url + "/-/ready", timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    yield url
    server.terminate()
    server.wait(timeout=20)


def ask_prometheus(url, query, start, end, step):
    path, params = "query", {"query": query, "time": start}
    if step:
        path, params = "query_range", {"query": query, "start": start, "end": end, "step": step}
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(params)}") as answer:
            data = json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        return {"error": json.load(error)["error"]}
    if data["resultType"] == "string":
        return []
    if data["resultType"] == "scalar":
        return [[{}, [data["result"]]]]
    return [[s["metric"], s.get("values") or [s["value"]]] for s in data["result"]]


def ask_weir(build_dir, path, questions):
    lines = "".join(f"{start * 1000} {(end or start) * 1000} {(step or 0) * 1000}\t{query}\n"
                    for query, start, end, step in questions)
    done = subprocess.run([build_dir / "tests/unit/promql/promql_eval", path], input=lines, capture_output=True,
                          text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers


def same_value(a, b):
    a, b = float(a), float(b)
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or math.isinf(b):
        return a == b or (math.isnan(a) and math.isnan(b))
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def difference(ours, theirs, ordered):
    """None when both say the same, else words."""
    if isinstance(ours, dict) or isinstance(theirs, dict):
        return None if isinstance(ours, dict) and isinstance(theirs, dict) else f"weir {ours} prometheus {theirs}"
    if not ordered:
        ours, theirs = (sorted(x, key=lambda s: sorted(s[0].items())) for x in (ours, theirs))
    if [s[0] for s in ours] != [s[0] for s in theirs]:
        return f"series: weir {[s[0] for s in ours]} prometheus {[s[0] for s in theirs]}"
    for (labels, a), (_, b) in zip(ours, theirs):
        if [t for t, _ in a] != [round(t * 1000) for t, _ in b]:
            return f"{labels}: times differ"
        for (t, x), (_, y) in zip(a, b):
            if not same_value(x, y):
                return f"{labels} at {t}: weir {x} prometheus {y}"
    return None


def test_same_answers(build_dir, prometheus, samples, tmp_path):
    path = tmp_path / "samples"
    path.write_text("\n".join(name + "\t" + " ".join(f"{ms} {value!r}" for ms, value in values)
                              for name, values in samples.items()))
    questions = []
    for query in QUERIES:
        for start in (START + 31, START + 1831, START + 3631, START + 4031):
            questions.append((query, start, None, None))
        questions.append((query, START - 29, START + 4051, 120))
    # 2.42 spells one function in its old way, which weir knows too.
    ours = ask_weir(build_dir, path, questions)
    wrong = []
    for question, answer in zip(questions, ours):
        query, start, end, step = question
        words = difference(answer, ask_prometheus(prometheus, *question), query.startswith("sort") and not step)
        if words:
            wrong.append(f"{query} [{start}…{end} step {step}]: {words[:400]}")
    assert not wrong, f"{len(wrong)} of {len(questions)} differ:\n" + "\n".join(wrong[:30])
