"""consilience inspect"""

from __future__ import annotations

import argparse

from consilience.cli.output import print_json, print_table
from consilience.cli.tables import Once, add_media_root, add_table, the_media_root, the_table


def arguments(command: argparse.ArgumentParser) -> None:
    add_table(command)
    command.add_argument(
        "--target", action=Once, metavar="COL", help="the column that is to be predicted; several: a,b"
    )
    command.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=KIND:COL[,COL…]",
        help="make an input by hand, as for fit (may be repeated)",
    )
    command.add_argument(
        "--ignore", action="append", default=[], metavar="COL", help="leave a column out (may be repeated)"
    )
    add_media_root(command)
    command.add_argument(
        "--json", action="store_true", help="print one JSON object and nothing else on standard output"
    )


def run(args: argparse.Namespace) -> int:
    from consilience.data.infer import UNKNOWN, parse_input
    from consilience.workflows.inspect import inspect

    root = the_media_root(args)
    inputs = {name: (kind, columns) for name, kind, columns in map(parse_input, args.input)}
    found = inspect(the_table(args.table), target=args.target, inputs=inputs, ignore=args.ignore, root=root)
    if args.json:
        print_json(found)
        return 0
    rows = [
        [c["name"], c["kind"], c["input"] or "–", f"{c['missing']:.1%}", f"{c['distinct']:,}", c["reason"]]
        for c in found["columns"]
    ]
    print_table(
        f"{found['table']}: {found['rows']:,} rows",
        ["column", "is", "input", "missing", "distinct", "because"],
        rows,
        right=(3, 4),
    )
    unknown = [c for c in found["columns"] if c["kind"] == UNKNOWN]
    if unknown:
        print(f"Left out, since nothing here recognises them ({len(unknown):,}):")
    for c in unknown:
        print(f"  {c['name']}: {c['hint']}")
    for column, task in found.get("tasks", {}).items():
        print(f"{column}: {task['kind'] or 'nothing to learn'}, because: {task['reason']}. Another choice: --task KIND")
        for note in task["notes"]:
            print(f"Note: {note}")
    for note in found["notes"]:
        print(f"note: {note}")
    print("Another choice: --input NAME=KIND:COLUMN, or --ignore COLUMN")
    return 0
