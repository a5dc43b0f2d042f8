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
        help="easy-vqa (default), stamps (images, captions, speech) or flags (images, table); shop writes the tables "
        "of the README into DIR and leaves the fit to you",
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="every random choice follows from it")


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.demos import TABLES, demo

    out = Path(args.out)
    if args.data in TABLES:
        for path in TABLES.load(args.data)(out, seed=args.seed):
            print(path)
        print(f"Next: consilience inspect {out / 'train.csv'}")
        return 0
    shutil.rmtree(out / "run", ignore_errors=True)  # ours from the last demo; nothing else in `out` is touched
    fitted = demo(args.data, out=out, seed=args.seed, reporter=Terminal())
    show(fitted)
    return 130 if fitted.interrupted else 0
