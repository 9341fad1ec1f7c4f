# SPDX-License-Identifier: Apache-2.0
"""The HTTP server of src/net against peers that we did not write: curl, nghttp, h2load, grpcio,
websocket-client. The server under test is tests/support/http_echo.c."""
import gzip
import hashlib
import re
import shutil
import socket
import subprocess
import threading
import time
import zlib

import grpc
import pytest
import websocket

BODY_MAX = 8 << 20  # of http_echo


class Echo:
    def __init__(self, build_dir):
        program = build_dir / "tests/unit/net/http_echo"
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0, "the server must end cleanly (sanitizers included)"


@pytest.fixture(scope="module")
def echo(build_dir):
    server = Echo(build_dir)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def payload(tmp_path_factory):
    """7 MB that no compressor shrinks, as a file; its content."""
    path = tmp_path_factory.mktemp("http") / "payload"
    content = b"".join(hashlib.sha512(str(i).encode()).digest() for i in range(7_000_000 // 64))
    path.write_bytes(content)
    return path, content


def curl(*arguments, data=None):
    done = subprocess.run(["curl", "-s", "--max-time", "20", *map(str, arguments)], input=data, capture_output=True)
    assert done.returncode == 0, (arguments, done.returncode, done.stderr)
    return done.stdout


def status(*arguments, data=None):
    """Status, headers in lower case, body."""
    answer = curl("-i", *arguments, data=data)
    while answer.startswith(b"HTTP/1.1 100"):
        answer = answer.split(b"\r\n\r\n", 1)[1]
    head, body = answer.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}, body


VERSIONS = pytest.mark.parametrize("version", ["--http1.0", "--http1.1", "--http2-prior-knowledge", "--http2"])
BOTH = pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])


@VERSIONS
def test_echo(echo, payload, version):
    path, content = payload
    assert curl(version, "--data-binary", "hello", f"{echo.url}/echo") == b"hello"
    assert curl(version, "--data-binary", f"@{path}", f"{echo.url}/echo") == content


@VERSIONS
def test_stream(echo, version):
    body = curl(version, f"{echo.url}/stream?count=3000")
    assert body == b"".join(b"%01023d\n" % i for i in range(3000))


@BOTH
def test_chunked_upload(echo, payload, version):
    path, content = payload
    # -T from standard input has no length: chunks in HTTP/1.1, plain DATA in HTTP/2
    assert curl(version, "-T", "-", f"{echo.url}/echo", data=content) == content


@BOTH
def test_expect(echo, payload, version):
    path, content = payload
    assert curl(version, "-H", "Expect: 100-continue", "--data-binary", f"@{path}", f"{echo.url}/echo") == content


@BOTH
@pytest.mark.parametrize("coding,pack", [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("identity", bytes),
])
def test_compressed_upload(echo, version, coding, pack):
    text = b"some text that repeats itself, " * 5000
    packed = pack(text)
    code, headers, body = status(version, "-H", f"Content-Encoding: {coding}", "--data-binary", "@-",
                                 f"{echo.url}/echo", data=packed)
    assert (code, body) == (200, text)
    assert int(headers["x-wire-size"]) == len(packed)


@BOTH
@pytest.mark.parametrize("coding,body,code,words", [
    ("gzip", gzip.compress(bytes(64 << 20)), 413, b"when decompressed"),
    ("gzip", b"junk that is no gzip", 400, b"damaged"),
    ("br", b"x", 415, b"gzip, deflate, zstd"),
    ("gzip", gzip.compress(b"cut off in the middle")[:-5], 400, b"damaged or cut off"),
])
def test_bad_compression(echo, version, coding, body, code, words):
    got, _, answer = status(version, "-H", f"Content-Encoding: {coding}", "--data-binary", "@-", f"{echo.url}/echo",
                            data=body)
    assert got == code
    assert words in answer


@BOTH
def test_zstd_upload(echo, version):
    if not shutil.which("zstd"):
        pytest.skip("no zstd tool here")
    text = b"zstd " * 10000
    packed = subprocess.run(["zstd", "-c"], input=text, capture_output=True, check=True).stdout
    assert curl(version, "-H", "Content-Encoding: zstd", "--data-binary", "@-", f"{echo.url}/echo", data=packed) == text


@BOTH
@pytest.mark.parametrize("size", [BODY_MAX + 1, 40 << 20])
def test_too_large(echo, version, size):
    code, _, body = status(version, "--data-binary", "@-", f"{echo.url}/echo", data=bytes(size))
    assert code == 413
    assert b"send smaller batches" in body


@BOTH
def test_refusals(echo, version):
    assert status(version, f"{echo.url}/nothing")[0] == 404
    code, headers, _ = status(version, "-X", "DELETE", f"{echo.url}/echo")
    assert (code, headers["allow"]) == (405, "GET, HEAD, POST, PUT, OPTIONS")
    assert status(version, "-H", "Host: evil.example", f"{echo.url}/echo")[0] == 403
    assert status(version, "-H", "Origin: http://evil.example", f"{echo.url}/echo")[0] == 403
    assert status(version, "--path-as-is", f"{echo.url}/a/../echo")[0] == 400
    many = [part for i in range(200) for part in ("-H", f"X-{i}: y")]
    assert status(version, *many, f"{echo.url}/echo")[0] == 431


@BOTH
def test_head_and_gzip(echo, version):
    code, headers, body = status(version, "--head", f"{echo.url}/big?size=5000")
    assert (code, headers["content-length"], body) == (200, "5000", b"")
    plain = curl(version, f"{echo.url}/big?size=500000")
    code, headers, body = status(version, "-H", "Accept-Encoding: gzip", f"{echo.url}/big?size=500000")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == plain
    assert len(body) < 50000


@BOTH
def test_form(echo, version):
    body = curl(version, "--data-urlencode", 'match[]={a="ä+ &"}', "--data-urlencode", "match[]=up",
                f"{echo.url}/params?match[]=last", "-g")
    assert body.decode() == '0={a="ä+ &"}\n1=up\n2=last\n'


def test_kept_connection(echo):
    trace = subprocess.run(["curl", "-sv", *[f"{echo.url}/echo"] * 3], capture_output=True, text=True).stderr
    assert trace.count("Re-using existing connection") == 2


def test_nghttp_speaks_to_us(echo):
    done = subprocess.run(["nghttp", "-nv", f"{echo.url}/big?size=3000000", f"{echo.url}/slow?ms=20"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert done.stdout.count(":status: 200") == 2
    assert re.search(r"SETTINGS_INITIAL_WINDOW_SIZE\(0x04\):1048576", done.stdout)


@pytest.mark.parametrize("arguments", [["--h1", "-c", "50"], ["-c", "5", "-m", "100"], ["-c", "100", "-m", "1"]])
def test_load(echo, arguments, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"x" * 20000)
    out = subprocess.run(["h2load", "-n", "4000", *arguments, "-d", str(body), f"{echo.url}/echo"],
                         capture_output=True, text=True, timeout=60).stdout
    assert "4000 succeeded, 0 failed" in out, out


def test_slow_reader_gets_everything(echo):
    with socket.create_connection(("127.0.0.1", echo.port)) as peer:
        peer.sendall(b"GET /stream?count=20000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        time.sleep(0.5)  # the server's writer has to wait meanwhile
        answer = bytearray()
        while part := peer.recv(1 << 16):
            answer += part
    assert answer.endswith(b"\r\n0\r\n\r\n")
    assert sum(1 for _ in re.finditer(rb"\d{1023}\n", answer)) >= 19000  # chunk borders split some lines


# ---- gRPC ----

def plain_bytes(message):
    return message


def unary(channel, method="Unary"):
    return channel.unary_unary(f"/test.Echo/{method}", plain_bytes, plain_bytes)


@pytest.fixture(params=[grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate])
def channel(echo, request):
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{echo.port}", compression=request.param, options=options) as channel:
        yield channel


@pytest.mark.parametrize("method", ["Unary", "Blocking"])
def test_grpc_sizes(channel, payload, method):
    for size in (0, 1, 4, 100, 16383, 16384, 65535, 1 << 20, 6_000_000):
        assert unary(channel, method)(payload[1][:size], timeout=20) == payload[1][:size]


def test_grpc_status(channel):
    with pytest.raises(grpc.RpcError) as failure:
        unary(channel)(b"fail", timeout=20)
    assert failure.value.code() == grpc.StatusCode.UNAVAILABLE
    assert failure.value.details() == "later: 100 % full"
    assert dict(failure.value.trailing_metadata())["grpc-status-details-bin"] == b"\x08\x0e"


def test_grpc_limits(channel):
    with pytest.raises(grpc.RpcError) as failure:
        unary(channel)(bytes(BODY_MAX + 1), timeout=20)
    assert failure.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "send smaller batches" in failure.value.details()
    with pytest.raises(grpc.RpcError) as failure:
        unary(channel, "Missing")(b"", timeout=20)
    assert failure.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert unary(channel)(b"still works", timeout=20) == b"still works"


def test_grpc_many_at_once(channel):
    calls = [unary(channel, "Blocking").future(b"%d" % i * 1000, timeout=20) for i in range(60)]
    for i, call in enumerate(calls):
        assert call.result() == b"%d" % i * 1000


def grpc_with_curl(echo, encoding, message, flag=1):
    frame = bytes([flag]) + len(message).to_bytes(4, "big") + message
    return status("--http2-prior-knowledge", "-H", "Content-Type: application/grpc", "-H", "TE: trailers",
                  *(["-H", f"grpc-encoding: {encoding}"] if encoding else []), "--data-binary", "@-",
                  f"{echo.url}/test.Echo/Unary", data=frame)


def test_grpc_encodings(echo):
    _, headers, _ = grpc_with_curl(echo, "snappy", b"x")
    assert headers["grpc-status"] == "12"
    assert headers["grpc-accept-encoding"] == "gzip, deflate, zstd, identity"
    _, headers, _ = grpc_with_curl(echo, None, b"x")
    assert headers["grpc-status"] == "3"
    _, headers, _ = grpc_with_curl(echo, "gzip", gzip.compress(bytes(64 << 20)))
    assert headers["grpc-status"] == "8"
    code, headers, body = grpc_with_curl(echo, "gzip", gzip.compress(b"fine"))
    assert code == 200 and body.startswith(b"\0\0\0\0\x04fine")


def test_grpc_bad_frames(echo):
    for frame in (b"", b"\0\0\0", b"\0\0\0\0\x05abc", b"\0\0\0\0\x01ab", b"\2\0\0\0\x01a"):
        _, headers, _ = status("--http2-prior-knowledge", "-H", "Content-Type: application/grpc", "--data-binary", "@-",
                               "-X", "POST", f"{echo.url}/test.Echo/Unary", data=frame)
        assert headers["grpc-status"] == "3", frame


# ---- WebSocket ----

def test_websocket(echo):
    peer = websocket.create_connection(f"ws://127.0.0.1:{echo.port}/websocket?count=5", timeout=10)
    assert [peer.recv() for _ in range(5)] == [f"text {i}" for i in range(5)]
    assert peer.recv() == ""
    peer.close()


def test_websocket_slow_reader(echo):
    peer = websocket.create_connection(f"ws://127.0.0.1:{echo.port}/websocket?count=100000", timeout=10)
    time.sleep(0.3)
    for i in range(100000):
        assert peer.recv() == f"text {i}"
    peer.close()


def test_websocket_foreign_origin(echo):
    with pytest.raises(websocket.WebSocketBadStatusException) as failure:
        websocket.create_connection(f"ws://127.0.0.1:{echo.port}/websocket", origin="http://evil.example")
    assert failure.value.status_code == 403


# ---- stopping ----

def test_stop_answers_what_is_in_flight(build_dir):
    server = Echo(build_dir)
    answers = []
    threads = [threading.Thread(target=lambda v=v: answers.append(curl(v, f"{server.url}/slow?ms=600")))
               for v in ("--http1.1", "--http2-prior-knowledge")]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    server.stop()
    for thread in threads:
        thread.join()
    assert answers == [b"late\n"] * 2
