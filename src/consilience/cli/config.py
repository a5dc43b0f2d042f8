"""consilience config"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from consilience.core.errors import UserError


def arguments(command: argparse.ArgumentParser) -> None:
    verbs = command.add_subparsers(dest="verb", metavar="show", required=True)
    show = verbs.add_parser("show", help="print the config of a run or a preset as TOML")
    show.add_argument("run_folder", metavar="RUN", nargs="?", help="a run, or its bundle")
    show.add_argument("--preset", metavar="NAME", help="auto, classic, deep or pretrained")


def run(args: argparse.Namespace) -> int:
    if (args.run_folder is None) == (args.preset is None):
        raise UserError("config show: name a run, or --preset NAME; one of the two")
    if args.run_folder is not None:
        path = Path(args.run_folder) / "config.toml"
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; is this a run?")
        sys.stdout.write(path.read_text(encoding="utf-8"))
        return 0
    from consilience.core.config import dump_toml
    from consilience.workflows.config import resolve

    sys.stdout.write(dump_toml(resolve({"target": "COLUMN"}, preset=args.preset)))
    return 0
