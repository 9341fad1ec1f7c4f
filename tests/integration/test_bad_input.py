# SPDX-License-Identifier: Apache-2.0
"""What bad input gets: a precise message, the right status, a counter; never a crash, never a hang."""
import gzip
import time

import grpc
import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

import otlp_make
from weir_server import Weir, wait_until


def counter(server, name):
    """The sum of one family on the server's own /metrics page."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in server.get("/metrics").splitlines()
               if line.startswith((name + "{", name + " ")))


def still_works(server, rng):
    request, ledger = otlp_make.traces(f"after-{rng.getrandbits(40)}", rng, 3)
    assert server.post_otlp("traces", request.SerializeToString()).status_code == 200
    for trace_id in ledger:
        wait_until(lambda: server.trace(trace_id), what="a good trace after bad input")


def test_malformed_bytes_are_refused_and_named(weir_module, rng):
    server = weir_module
    request, _ = otlp_make.traces("bad", rng, 2)
    good = request.SerializeToString()
    refused = 0
    for cut in rng.sample(range(1, len(good)), 40):
        answer = server.post_otlp("traces", good[:cut])
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            refused += 1
            assert answer.content, "a refusal without words"
    assert refused > 20
    for _ in range(60):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        assert server.post_otlp("traces", bytes(bad)).status_code in (200, 400)
    still_works(server, rng)


def test_single_bad_spans_are_a_partial_success(weir_module, rng):
    server = weir_module
    request, ledger = otlp_make.traces("partial", rng, 5)
    spans = request.resource_spans[0].scope_spans[0].spans
    bad = spans[2].trace_id.hex()
    spans[2].trace_id = b"short"
    spans.add(trace_id=bytes(16), span_id=rng.randbytes(8), name="zero id")
    answer = server.post_otlp("traces", request.SerializeToString())
    assert answer.status_code == 200
    response = ExportTraceServiceResponse.FromString(answer.content)
    assert response.partial_success.rejected_spans == 2
    assert "trace" in response.partial_success.error_message
    for trace_id in ledger:
        if trace_id != bad:
            wait_until(lambda: server.trace(trace_id), what="the good spans")


@pytest.mark.parametrize("content_type,status", [("text/plain", 415), ("application/xml", 415), ("", 415)])
def test_wrong_content_type(weir_module, content_type, status):
    assert weir_module.post_otlp("traces", b"x", content_type).status_code == status


def test_wrong_method_path_and_encoding(weir_module):
    server = weir_module
    assert requests.get(f"http://{server.http}/v1/traces", timeout=10).status_code == 405
    assert requests.post(f"http://{server.http}/v1/tracez", data=b"", timeout=10).status_code == 404
    assert server.post_otlp("traces", b"x", **{"content-encoding": "br"}).status_code == 415
    assert server.post_otlp("traces", b"not gzip", **{"content-encoding": "gzip"}).status_code == 400


def test_gzip_bomb_and_long_body(weir_module, rng):
    server = weir_module
    bomb = gzip.compress(bytes(300 << 20), 9)
    assert server.post_otlp("traces", bomb, **{"content-encoding": "gzip"}).status_code == 413
    try:
        assert server.post_otlp("traces", bytes(80 << 20)).status_code == 413
    except requests.exceptions.ConnectionError:
        pass  # the server may close while we still send
    still_works(server, rng)


def test_bad_json_has_a_position(weir_module):
    answer = weir_module.post_otlp("traces", b'{"resourceSpans": [\n {"scopeSpans": [}]}', "application/json")
    assert answer.status_code == 400
    assert "2" in answer.text and "line" in answer.text.lower() or ":2:" in answer.text


def test_grpc_errors_have_their_codes(weir_module, rng):
    server = weir_module
    with grpc.insecure_channel(server.grpc) as channel:
        raw = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as error:
            raw(b"\xff\xff\xff", timeout=10)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and error.value.details()
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/no.such.Service/Call")(b"", timeout=10)
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
        request, ledger = otlp_make.traces("grpc-good", rng, 1)
        TraceServiceStub(channel).Export(request, timeout=10)
    wait_until(lambda: server.trace(next(iter(ledger))), what="the good one")


BAD_QUERIES = [
    ("/api/v1/query", "query", "sum(rate(x[5m])", "1:"),
    ("/api/v1/query", "query", "rrate(x[5m])", "did you mean"),
    ("/api/v1/query", "query", "x[5m", "1:"),
    ("/loki/api/v1/query_range", "query", '{a="b"', "line 1, col 7"),
    ("/loki/api/v1/query_range", "query", '{a="b"} | jsn', ""),
    ("/loki/api/v1/query_range", "query", '{a=~"("}', ""),
    ("/api/search", "q", "{ .a = ", "line 1, col 8"),
    ("/api/search", "q", "{ status = eror }", ""),
    ("/api/search", "q", "{ duration > 5parsecs }", ""),
]


@pytest.mark.parametrize("path,parameter,query,hint", BAD_QUERIES)
def test_bad_queries_say_where_and_what(weir_module, path, parameter, query, hint):
    answer = requests.get(weir_module.api + path, params={parameter: query}, timeout=10)
    assert answer.status_code == 400, answer.text
    assert len(answer.text) > 15 and hint in answer.text, answer.text


def test_bad_times_and_numbers(weir_module):
    server = weir_module
    for path, params in [("/api/v1/query_range", {"query": "up", "start": "x", "end": "1", "step": "1"}),
                         ("/api/v1/query_range", {"query": "up", "start": "0", "end": "100000000", "step": "1"}),
                         ("/api/v1/query_range", {"query": "up", "start": "10", "end": "1", "step": "1"}),
                         ("/api/v1/query_range", {"query": "up", "start": "1", "end": "10", "step": "0"}),
                         ("/loki/api/v1/query_range", {"query": '{a="b"}', "limit": "-1"}),
                         ("/api/traces/zz", {}), ("/api/search", {"q": "{}", "limit": "many"})]:
        answer = requests.get(server.api + path, params=params, timeout=10)
        assert answer.status_code == 400, (path, params, answer.status_code, answer.text)


def test_foreign_hosts_and_origins_are_refused(weir_module):
    server = weir_module
    assert requests.get(server.api + "/api/v1/query?query=1", headers={"Host": "evil.example"}, timeout=10).status_code == 403
    assert requests.get(server.api + "/api/v1/query?query=1", headers={"Origin": "http://evil.example"}, timeout=10).status_code == 403


def start_and_fail(build_dir, data, *arguments, env=None, code=1):
    server = Weir(build_dir, data, *arguments, env=env)
    server.start(wait=False)
    assert server.process.wait(30) == code, server.output()
    assert "AddressSanitizer" not in server.output() and "runtime error" not in server.output()
    return server.output()


def test_unknown_flag_names_the_nearest(build_dir, tmp_path):
    assert "did you mean --memory" in start_and_fail(build_dir, tmp_path / "d", "--memry", "1GiB", code=2)


@pytest.mark.parametrize("flag,value", [("--memory", "lots"), ("--retention-age", "-3d"), ("--log-level", "loud"), ("--listen", "nowhere")])
def test_bad_values_say_what_is_expected(build_dir, tmp_path, flag, value):
    text = start_and_fail(build_dir, tmp_path / "d", flag, value, code=2)
    assert flag[2:] in text and "expected" in text


def test_bad_environment_is_named(build_dir, tmp_path):
    text = start_and_fail(build_dir, tmp_path / "d", env={"WEIR_MEMORY": "lots"}, code=2)
    assert "WEIR_MEMORY" in text


@pytest.mark.parametrize("yaml,place,word", [
    ("receivers:\n  otlp:\n    protocols:\n      grpz: {endpoint: '127.0.0.1:0'}\n", ":4:7", "grpc"),
    ("exporters:\n  weir:\n    memory: lots\n", ":3:", "expected"),
    ("exporters: [\n", ":", ""),
    ("service:\n  pipelines:\n    tracez:\n      receivers: [otlp]\n", ":3:5", "traces"),
])
def test_bad_configuration_has_line_and_column(build_dir, tmp_path, yaml, place, word):
    file = tmp_path / "weir.yaml"
    file.write_text(yaml)
    text = start_and_fail(build_dir, tmp_path / "d", "--config", str(file), code=2)
    assert f"weir.yaml{place}" in text and word in text


def test_open_listener_needs_a_word(build_dir, tmp_path):
    assert "--allow-open" in start_and_fail(build_dir, tmp_path / "d", "--listen", "0.0.0.0:0", code=2)


def test_locked_data_folder(build_dir, weir):
    text = start_and_fail(build_dir, weir.data.parent / "second", "--data", str(weir.data))
    assert str(weir.process.pid) in text or "already" in text or "locked" in text


def test_taken_port(build_dir, weir, tmp_path):
    port = weir.http.rsplit(":", 1)[1]
    text = start_and_fail(build_dir, tmp_path / "other", "--listen-otlp-http", f"127.0.0.1:{port}")
    assert port in text and ("in use" in text or "taken" in text)


def test_newer_data_is_refused_and_left_alone(build_dir, tmp_path):
    server = Weir(build_dir, tmp_path / "data")
    server.start()
    server.stop()
    versions = [p for p in (tmp_path / "data").iterdir() if "version" in p.name.lower()]
    assert versions, "no version file in the data folder"
    text = versions[0].read_text()
    newer = "".join(str(int(c) + 1) if c.isdigit() and c != "9" else c for c in text)
    versions[0].write_text(newer)
    output = start_and_fail(build_dir, tmp_path / "data")
    assert "newer" in output
    assert versions[0].read_text() == newer


def test_data_path_that_is_a_file(build_dir, tmp_path):
    (tmp_path / "file").write_text("x")
    assert "file" in start_and_fail(build_dir, tmp_path / "file")


def test_a_slow_sender_does_not_hold_others(weir_module, rng):
    import socket

    server = weir_module
    host, port = server.http.rsplit(":", 1)
    slow = [socket.create_connection((host, int(port))) for _ in range(50)]
    for connection in slow:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
    started = time.monotonic()
    still_works(server, rng)
    assert time.monotonic() - started < 10
    for connection in slow:
        connection.close()
