"""consilience serve"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from consilience.cli.output import print_json


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_folder", metavar="RUN_OR_DIR", help="a run, its bundle, or an exported folder")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    command.add_argument("--port", type=int, default=8000, help="port of HTTP (default: 8000; 0: any free one)")
    command.add_argument("--grpc-port", type=int, metavar="PORT", help="port of gRPC (default: no gRPC; 0: any)")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    command.add_argument("--name", default="model", help="the model's name in the Open Inference Protocol")
    command.add_argument("--max-body", type=int, metavar="BYTES", help="largest request body (default: 64,000,000)")
    command.add_argument("--timeout", type=float, metavar="SECONDS", help="most time for an answer (default: 30)")
    command.add_argument("--drain", type=float, metavar="SECONDS", help="time to finish after SIGTERM (default: 10)")
    command.add_argument("--json", action="store_true", help="print one JSON object when the server is ready")


def run(args: argparse.Namespace) -> int:
    from consilience.core.errors import UserError
    from consilience.serve.config import ServeConfig
    from consilience.serve.server import serve

    limits = {"name": args.name, "body_bytes": args.max_body, "timeout": args.timeout, "drain": args.drain}
    try:
        config = ServeConfig(**{key: value for key, value in limits.items() if value is not None})
    except ValueError as error:
        raise UserError(str(error)) from error
    if args.workers < 1:
        raise UserError("--workers must be at least 1")

    def started(about: dict[str, Any]) -> None:
        if args.json:
            print_json(about)
        else:
            print(f"Serving {args.run_folder} at {about['url']} (page, /docs, /v1/predict, /v2, /metrics)")
        sys.stdout.flush()

    serve(
        Path(args.run_folder),
        config,
        host=args.host,
        port=args.port,
        grpc_port=args.grpc_port,
        workers=args.workers,
        started=started,
    )
    return 0
