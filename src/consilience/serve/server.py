"""Starting and ending the server: sockets, worker processes, readiness, SIGTERM. Knows no protocol."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilience.core.errors import ConsilienceError, UserError
from consilience.core.threads import sensible
from consilience.serve.config import ServeConfig

if TYPE_CHECKING:
    from consilience.serve.engine import Engine

_SETTINGS = "CONSILIENCE_SERVE"
"""Environment variable that tells worker processes what to serve."""


def serve(
    path: Path,
    config: ServeConfig,
    *,
    host: str,
    port: int,
    grpc_port: int | None,
    workers: int,
    started: Callable[[dict[str, Any]], None],
) -> None:
    """Serve a run, bundle or exported folder until SIGTERM or Ctrl-C. `started` is told the addresses once requests
    are answered. Raises UserError when the model cannot be loaded or a port is taken."""
    import uvicorn

    _check(path, workers)
    with ExitStack() as stack:
        sock = stack.enter_context(_bind(host, port, "--port"))
        also = None if grpc_port is None else stack.enter_context(_bind(host, grpc_port, "--grpc-port", shared=True))
        about = {
            "url": f"http://{_address(sock)}",
            "grpc": None if also is None else _address(also),
            "model": config.name,
            "workers": workers,
            "pid": os.getpid(),
        }
        settings = {"path": str(path.resolve()), "config": asdict(config), "grpc": about["grpc"]}
        os.environ[_SETTINGS] = json.dumps(settings)
        if workers > 1:
            os.environ.setdefault("OMP_NUM_THREADS", str(max(1, sensible() // workers)))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(tempfile.TemporaryDirectory(prefix="metrics-"))
        server_config = uvicorn.Config(
            "consilience.serve.server:worker",
            factory=True,
            workers=workers,
            http="consilience.serve.connection:Connection",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(config.drain)),
            timeout_keep_alive=max(1, round(config.idle_timeout)),
        )
        threading.Thread(target=partial(_announce, about, started), daemon=True).start()
        if workers > 1:
            _run_many(server_config, sock)
        else:
            _run_one(server_config, sock)


def _run_one(server_config: Any, sock: socket.socket) -> None:
    import uvicorn

    # uvicorn drains on a signal and then raises it again, for whoever handled it before: nobody needs to.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        uvicorn.Server(server_config).run(sockets=[sock])
    except SystemExit as stop:
        if stop.code:
            raise ConsilienceError(_CANNOT_START) from stop


def _run_many(server_config: Any, sock: socket.socket) -> None:
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    class Supervisor(Multiprocess):
        def terminate_all(self) -> None:
            sock.close()  # while anybody holds it open, the system takes connections that nobody will answer
            super().terminate_all()

    supervisor = Supervisor(server_config, sockets=[sock])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise ConsilienceError(_CANNOT_START)


_CANNOT_START = "the server could not start; the log on standard error says why"


def worker() -> Any:
    """The app of one process, from the environment: uvicorn calls this in every worker."""
    from consilience.bundle.load import load
    from consilience.serve import logs, rest
    from consilience.serve.engine import Engine
    from consilience.serve.metrics import Metrics

    logs.start()
    settings = json.loads(os.environ[_SETTINGS])
    engine = Engine(load(settings["path"]), ServeConfig(**settings["config"]), Metrics())
    return rest.application(engine, also=partial(_alongside, engine, settings["grpc"]))


@asynccontextmanager
async def _alongside(engine: Engine, grpc_address: str | None) -> AsyncIterator[None]:
    """gRPC while HTTP serves, and one signal for both: what asks whether we are ready is told no, and neither takes
    anything new, while what is under way gets its answer."""
    server = None
    if grpc_address is not None:
        from consilience.serve import grpc

        server = await grpc.start(engine, grpc_address)
    ending: list[asyncio.Task[None]] = []

    def end() -> None:
        engine.ready = False
        if server is not None and not ending:
            ending.append(asyncio.create_task(server.stop(engine.config.drain)))

    _on_signal(asyncio.get_running_loop(), end)
    try:
        yield
    finally:
        end()
        await asyncio.gather(*ending)


def _on_signal(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """`call`, in the loop, on the signals that end uvicorn, before uvicorn's own handler."""
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handle(given: int, frame: Any, before: Any = before) -> None:
            loop.call_soon_threadsafe(call)
            if callable(before):
                before(given, frame)

        signal.signal(number, handle)


def _check(path: Path, workers: int) -> None:
    """Say at once what is wrong with the folder, not in a worker (one that fails would be started again)."""
    from consilience.bundle.load import load
    from consilience.bundle.manifest import find, unseal

    if workers > 1:
        load(path)
    else:
        unseal(find(path))


def _bind(host: str, port: int, flag: str, *, shared: bool = False) -> socket.socket:
    """A bound socket. `shared`: only to hold the port; whoever serves there binds it too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio does not switch off Nagle: head and body of an answer would wait 40 ms for each other.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if shared:
            _bind(host, port, flag).close()  # taken by somebody who shares it too?
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise UserError(f"{host}:{port}: cannot listen there: {error}. Choose another --host or {flag}") from error
    sock.set_inheritable(True)
    return sock


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _announce(about: dict[str, Any], started: Callable[[dict[str, Any]], None]) -> None:
    """Wait until the server answers, then say so."""
    while True:
        try:
            with urllib.request.urlopen(about["url"] + "/v2/health/ready", timeout=5):
                started(about)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
