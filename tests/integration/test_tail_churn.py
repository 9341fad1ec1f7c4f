# SPDX-License-Identifier: Apache-2.0
"""Live tails that come and go while lines arrive, some without a goodbye, some still open when the server stops."""
import base64
import contextlib
import json
import os
import socket
import struct
import threading
import time
import urllib.parse

QUERY = urllib.parse.quote('{service_name="churn"}')


def open_tail(weir):
    host, port = weir.api.removeprefix("http://").rsplit(":", 1)
    peer = socket.create_connection((host, int(port)), timeout=20)
    key = base64.b64encode(os.urandom(16)).decode()
    peer.sendall((f"GET /loki/api/v1/tail?query={QUERY} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
    return peer


def send_line(weir, text):
    record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": text}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "churn"}}]}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
    assert weir.post_otlp("logs", json.dumps(body), "application/json").status_code == 200


def leave(peer, how):
    """An RST, a half-written frame, or a proper close."""
    with contextlib.suppress(OSError):
        if how == 0:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == 1:
            peer.sendall(b"\x81\xfe")
        else:
            peer.sendall(b"\x88\x80\0\0\0\0")
        peer.close()


def read_some(peer, rng):
    with contextlib.suppress(OSError):
        if rng.random() < 0.7:
            peer.recv(4096)
        if rng.random() < 0.5:
            peer.recv(4096)


def test_tails_come_and_go(weir, rng):
    stop = threading.Event()

    def talk():
        for number in range(10**6):
            if stop.is_set():
                return
            send_line(weir, f"line {number} {'x' * (number % 3000)}")

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        for _ in range(120):
            peer = open_tail(weir)
            read_some(peer, rng)
            leave(peer, rng.randrange(3))
    finally:
        stop.set()
        talker.join()
    last = [open_tail(weir) for _ in range(10)]
    assert all(peer.recv(12) == b"HTTP/1.1 101" for peer in last)
    assert weir.process.poll() is None
    weir.stop()
    for peer in last:
        peer.close()
