"""Starting and ending the server: sockets, worker processes, readiness, SIGTERM. Knows no protocol."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from consilience.core.errors import UserError
from consilience.serve.config import ServeConfig

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

    from consilience.bundle.manifest import find, unseal

    unseal(find(path))  # say at once what is wrong with the folder, not in a worker
    sock = _bind(host, port)
    address = sock.getsockname()[1]
    if grpc_port is not None:
        _bind(host, grpc_port).close()
    about = {
        "url": f"http://{host}:{address}",
        "grpc": None if grpc_port is None else f"{host}:{grpc_port}",
        "model": config.name,
        "workers": workers,
        "pid": os.getpid(),
    }
    settings = {"path": str(path.resolve()), "config": asdict(config), "grpc": about["grpc"]}
    with ExitStack() as stack:
        os.environ[_SETTINGS] = json.dumps(settings)
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(tempfile.TemporaryDirectory(prefix="metrics-"))
        server_config = uvicorn.Config(
            "consilience.serve.server:worker",
            factory=True,
            workers=workers,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(config.drain)),
            timeout_keep_alive=75,
            h11_max_incomplete_event_size=65_536,
        )
        threading.Thread(target=partial(_announce, about, started), daemon=True).start()
        if workers > 1:
            from uvicorn.supervisors import Multiprocess

            Multiprocess(server_config, sockets=[sock]).run()
        else:
            # uvicorn drains on a signal and then raises it again, for whoever handled it before: nobody needs to.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: None)
            uvicorn.Server(server_config).run(sockets=[sock])


def worker() -> Any:
    """The app of one process, from the environment: uvicorn calls this in every worker."""
    from consilience.bundle.load import load
    from consilience.serve import logs, rest
    from consilience.serve.engine import Engine
    from consilience.serve.metrics import Metrics

    logs.start()
    settings = json.loads(os.environ[_SETTINGS])
    engine = Engine(load(settings["path"]), ServeConfig(**settings["config"]), Metrics())
    also = None
    if settings["grpc"] is not None:
        from consilience.serve import grpc

        also = partial(grpc.serving, engine, settings["grpc"])
    return rest.application(engine, also=also)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise UserError(f"{host}:{port}: cannot listen there: {error}. Choose another --host or --port") from error
    sock.set_inheritable(True)
    return sock


def _announce(about: dict[str, Any], started: Callable[[dict[str, Any]], None]) -> None:
    """Wait until the server answers, then say so."""
    while True:
        try:
            with urllib.request.urlopen(about["url"] + "/v2/health/ready", timeout=5):
                started(about)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
