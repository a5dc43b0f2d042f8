"""consilience demo"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from consilience.cli.fit import show
from consilience.cli.output import Terminal


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", default="demo", help="folder for the data and the run (default: demo)")
    command.add_argument(
        "--data",
        metavar="NAME",
        default="easy-vqa",
        help="easy-vqa (default), stamps (pictures, captions, speech) or flags (pictures, table)",
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="every random choice follows from it")


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.demos import demo

    out = Path(args.out)
    shutil.rmtree(out / "run", ignore_errors=True)  # ours from the last demo; nothing else in `out` is touched
    fitted = demo(args.data, out=out, seed=args.seed, reporter=Terminal())
    show(fitted)
    return 130 if fitted.interrupted else 0
