"""Connections as hostile clients use them, over a real socket: slow, endless, half-closed, pipelined, no HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from consilience.serve.config import ServeConfig
from consilience.serve.connection import Connection
from consilience.serve.engine import Engine
from consilience.serve.metrics import Metrics
from consilience.serve.rest import application

BODY = json.dumps({"inputs": {"review": "fine"}}).encode()
POST = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture(scope="module")
def address(model) -> Iterator[tuple[str, int]]:
    settings = ServeConfig(body_bytes=300_000, held_bytes=400_000, read_timeout=0.6)
    app = application(Engine(model, settings, Metrics()))
    config = uvicorn.Config(app, http=Connection, ws="none", log_config=None, access_log=False, port=0)
    server = uvicorn.Server(config)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([sock])))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield sock.getsockname()
    server.should_exit = True
    thread.join(timeout=20)


def talk(address: tuple[str, int], *parts: bytes, end: bool = False, pause: float = 0.0) -> bytes:
    """Send the parts, a pause after each; all that comes back until the server has no more, or a second of silence."""
    with socket.create_connection(address, timeout=2.0) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = b""
        try:
            for part in parts:
                sock.sendall(part)
                time.sleep(pause)
            if end:
                sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65_536):
                got += piece
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        return got


def status(answer: bytes) -> int:
    head, _, content = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head
    assert int(head.split(b" ")[1]) == 200 or json.loads(content)["error"]
    return int(head.split(b" ")[1])


def test_a_client_that_closed_its_side_is_answered(address):
    assert status(talk(address, POST, end=True)) == 200
    assert talk(address, POST[:-5], end=True) == b"", "half a request is none"


def test_requests_sent_at_once_are_answered_in_order(address):
    ids = [b"X-Request-ID: n%d" % n for n in range(4)]
    answer = talk(address, b"".join(POST.replace(b"Host: x", name) for name in ids), end=True)
    assert answer.count(b"HTTP/1.1 200") == 4
    assert [answer.find(name.lower().replace(b": n", b": n")) for name in ids] == sorted(
        answer.find(name.lower()) for name in ids
    )


def test_what_is_no_http(address):
    assert status(talk(address, b"\x00\xff\r\n\r\n")) == 400
    assert status(talk(address, POST.replace(b"Content-Length: ", b"Content-Length: -"))) == 400


def test_an_endless_head(address):
    assert status(talk(address, b"GET / HTTP/1.1\r\nX: ", b"a" * 300_000)) == 431
    assert status(talk(address, b"GET / HTTP/1.1\r\n", b"X: a\r\n" * 50_000)) == 431


@pytest.mark.slow
def test_a_head_or_body_that_does_not_come(address):
    started = time.monotonic()
    assert status(talk(address, b"POST /v1/pre")) == 408
    trickle = talk(address, *[b"X"] * 10, pause=0.1)  # a client that still sends may lose the answer
    assert trickle == b"" or status(trickle) == 408
    assert status(talk(address, POST[:-5])) == 408
    trickle = talk(address, POST[:-5], *[b" "] * 4, pause=0.3)
    assert trickle == b"" or status(trickle) == 408
    assert time.monotonic() - started < 8
    assert status(talk(address, POST, end=True)) == 200


def test_a_slow_client_that_keeps_within_the_time_is_served(address):
    assert status(talk(address, POST[:30], POST[30:90], POST[90:], end=True, pause=0.1)) == 200


def test_a_connection_that_says_nothing_is_closed(address):
    started = time.monotonic()
    assert status(talk(address)) == 408
    assert time.monotonic() - started < 1.9


def test_too_many_bytes_are_refused_before_they_are_sent_and_the_connection_ends(address):
    answer = talk(address, POST.replace(b"Content-Length: %d" % len(BODY), b"Content-Length: 100000000"))
    assert status(answer) == 413
    assert b"connection: close" in answer


def test_bodies_together_are_bounded(address):
    """Two bodies of 250 kB are more than 400 kB held at once: the second is told to come again."""
    head = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 260000\r\n\r\n"
    with socket.create_connection(address, timeout=2.0) as first:
        first.sendall(head + b" " * 250_000)
        time.sleep(0.1)
        second = talk(address, head + b" " * 250_000)
        assert status(second) == 503
        assert b"retry-after: 1" in second
    time.sleep(0.1)
    assert status(talk(address, head + BODY + b" " * (260_000 - len(BODY)), end=True)) == 200, "the first has gone"
