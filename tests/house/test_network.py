"""The tests' own promise: no test reaches another machine."""

import socket
import threading

import pytest


def test_other_hosts_are_refused() -> None:
    with socket.socket() as client, pytest.raises(AssertionError, match="reached for the network"):
        client.connect(("192.0.2.1", 80))
    with pytest.raises(AssertionError, match="looked up"):
        socket.create_connection(("example.org", 80), timeout=1)


def test_this_machine_is_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []
        waiter = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        waiter.start()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5):
            waiter.join(timeout=5)
        assert len(accepted) == 1
        accepted[0].close()
