"""consilience evaluate"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from consilience.cli.output import Terminal, print_json, print_table, show_metric
from consilience.cli.tables import Once, add_allow_url, add_media_root, add_table, the_media_root, the_table


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_folder", metavar="RUN", help="a run, or its bundle")
    add_table(command, "rows with the target column")
    command.add_argument("--by", action=Once, metavar="COL", help="also for each value of this column")
    command.add_argument("--html", metavar="F", help="also write a page for people, worst errors included")
    add_allow_url(command)
    add_media_root(command)
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap intervals (default: 0)")
    command.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else on standard output"
    )


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.answer import evaluate

    root = the_media_root(args)
    found = evaluate(
        Path(args.run_folder),
        the_table(args.table),
        by=args.by,
        html=Path(args.html) if args.html else None,
        root=root,
        hosts=args.allow_url,
        seed=args.seed,
        reporter=Terminal(),
    )
    if args.json:
        print_json(found)
        return 0
    rows = [[name, show_metric(metric)] for name, metric in found["metrics"].items()]
    print_table(_title(found), ["metric", "value (95 %)"], rows, right=(1,))
    if args.html:
        print(f"Page: {args.html}")
    if found["by"]:
        first = next(iter(found["metrics"]))
        rows = [[v, f"{g['rows']:,}", show_metric(g["metrics"][first])] for v, g in found["by"].items()]
        print_table(f"By {args.by}", [args.by, "rows", f"{first} (95 %)"], rows, right=(1, 2))
    return 0


def _title(found: dict[str, Any]) -> str:
    """How many rows, and for each column how many in which it could not be read, in whole or in part."""
    bad = ", ".join(f"{column} {count:,}" for column, count in found["bad_rows"].items())
    return f"{found['rows']:,} rows, " + (f"bad cells: {bad}" if bad else "0 bad cells")
