"""consilience encode"""

from __future__ import annotations

import argparse
from pathlib import Path

from consilience.cli.fit import backbone_arguments, backbone_flags
from consilience.cli.output import Terminal, print_json, print_table
from consilience.cli.tables import add_media_root, add_table, the_media_root, the_table
from consilience.core.errors import UserError


def arguments(command: argparse.ArgumentParser) -> None:
    add_table(command, "rows whose cells are encoded")
    backbone_arguments(command)
    command.add_argument(
        "--tokens", choices=("pooled", "all"), default="pooled", help="keep one vector of a cell, or several (pooled)"
    )
    add_media_root(command)
    command.add_argument(
        "--input", action="append", default=[], metavar="NAME=KIND:COL[,COL…]", help="make an input by hand, as for fit"
    )
    command.add_argument(
        "--ignore", action="append", default=[], metavar="COL", help="leave a column out (may be repeated)"
    )
    command.add_argument("--batch", type=int, default=32, metavar="N", help="cells encoded at once, at most (32)")
    command.add_argument("--workers", type=int, metavar="N", help="processes that decode media (default: one per core)")
    command.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else on standard output"
    )


def run(args: argparse.Namespace) -> int:
    from consilience.core.config import decode
    from consilience.data.infer import parse_input
    from consilience.workflows.backbones import PretrainedConfig
    from consilience.workflows.encode import encode

    if not args.store:
        raise UserError("--store is missing: say where the vectors go: --store DIR")
    settings = {**backbone_flags(args), "keep": {"tokens": args.tokens}, "batch": args.batch}
    done = encode(
        the_table(args.table),
        store=Path(args.store),
        config=decode(PretrainedConfig, settings, "pretrained"),
        inputs={name: (kind, columns) for name, kind, columns in map(parse_input, args.input)},
        ignore=args.ignore,
        root=the_media_root(args),
        workers=args.workers,
        reporter=Terminal(),
    )
    if args.json:
        print_json(done)
        return 0
    rows = [
        [name, *(f"{found[key]:,}" for key in ("cells", "encoded", "found", "bad_cells", "width"))]
        for name, found in done["inputs"].items()
    ]
    head = ["input", "distinct cells", "encoded", "found there", "bad cells", "width"]
    print_table(f"{done['store']}: {done['rows']:,} rows", head, rows, right=(1, 2, 3, 4, 5))
    return 0
