"""What all tests share: one thread each, no network, and a small mixed table with pictures.

Knows nothing of how a model is made: the table is plain files, as a user would have them.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from consilience.workflows.demos.shop import write_table

# Before NumPy or torch are imported: test processes run side by side, and spinning threads would fight over cores.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

# Whoever starts the tests in the background of a shell has them ignore Ctrl-C, and all programs that they start: those
# that tests interrupt would go on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about the code. In CI the same examples come each time.
settings.register_profile(
    "house",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")

MakeTable = Callable[..., Path]


# ------------------------------------------------------------------------------------------------------ no network


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):  # a Unix socket
        return True
    host = str(address[0]).split("%", 1)[0]
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: looking it up is network already
        return False


def _refuse_other_hosts() -> None:
    """Let sockets reach this machine only. Processes that tests start are not covered: none of ours may need it."""

    def guard(name: str) -> None:
        real = getattr(socket.socket, name)

        def guarded(self: socket.socket, *args: object) -> object:
            if not _is_local(args[-1]):
                raise AssertionError(f"a test reached for the network: {name} {args[-1]!r}")
            return real(self, *args)

        setattr(socket.socket, name, guarded)

    for name in ("connect", "connect_ex", "sendto"):
        guard(name)
    look_up = socket.getaddrinfo

    def guarded_look_up(host: object, *args: object, **options: object) -> object:
        if host is not None and not _is_local((host.decode() if isinstance(host, bytes) else host,)):
            raise AssertionError(f"a test reached for the network: looked up {host!r}")
        return look_up(host, *args, **options)  # type: ignore[arg-type]

    socket.getaddrinfo = guarded_look_up  # type: ignore[assignment]


_refuse_other_hosts()


# ------------------------------------------------------------------------------------------------------ a small table


@pytest.fixture(scope="session")
def make_mixed_table() -> MakeTable:
    """`write_table`, for tests that choose folder and size themselves."""
    return write_table


@pytest.fixture
def mixed_table(tmp_path: Path) -> Path:
    """A CSV of 60 rows with pictures, texts, numbers, categories and dates; see `write_table`."""
    return write_table(tmp_path)
