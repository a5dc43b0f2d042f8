"""consilience predict"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from consilience.cli.output import Terminal, print_json
from consilience.cli.tables import add_allow_url, add_media_root, add_table, the_media_root, the_table
from consilience.core.errors import UserError


def arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("run_folder", metavar="RUN", help="a run, or its bundle")
    add_table(command, "rows to answer; columns that are absent count as missing")
    command.add_argument("--out", metavar="FILE", help=".csv, .parquet or .jsonl (default: CSV on standard output)")
    command.add_argument("--proba", action="store_true", help="also one column proba_<class> for every class")
    command.add_argument(
        "--json", action="store_true", help="with --out: print one JSON object and nothing else on standard output"
    )
    add_allow_url(command)
    add_media_root(command)


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.answer import predict

    if args.json and not args.out:
        raise UserError("--json says what was done, so the answers need a file of their own: add --out FILE")
    reporter = Terminal()
    out = Path(args.out) if args.out else None
    root = the_media_root(args)
    found = predict(
        Path(args.run_folder),
        the_table(args.table),
        out=out,
        proba=args.proba,
        root=root,
        hosts=args.allow_url,
        reporter=reporter,
    )
    if args.json:
        print_json({key: value for key, value in found.items() if key != "columns"})
    elif out is None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(found["columns"])
        writer.writerows(zip(*found["columns"].values(), strict=True))
    else:
        reporter.say(f"{found['rows']:,} rows answered: {out}")
    return 0
