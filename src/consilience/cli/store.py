"""consilience store info, consilience store prune"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from consilience.cli.output import Terminal, print_json, print_table


def arguments(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="what the store holds, the longest unused first")
    prune = actions.add_parser("prune", help="remove what was not used for long; what anybody has open stays")
    prune.add_argument("--older-than", metavar="AGE", help="what was not used for so long goes, for example 30d or 12h")
    prune.add_argument("--keep-bytes", metavar="SIZE", help="the longest unused goes until so much is left, e.g. 2GB")
    prune.add_argument("--yes", action="store_true", help="remove it; without this, only say what would go")
    for action in (info, prune):
        action.add_argument("store", metavar="DIR", help="the folder given to fit or encode with --store")
        action.add_argument(
            "--json", action="store_true", help="print one JSON object and nothing else on standard output"
        )


def run(args: argparse.Namespace) -> int:
    from consilience.workflows.store import info, parse_age, parse_bytes, prune

    folder = Path(args.store)
    if args.action == "info":
        found = info(folder)
        if args.json:
            print_json(found)
        else:
            show(f"{found['store']}: {found['entries']:,} entries, {size(found['bytes'])}", found["spaces"])
            if found["left_over_bytes"]:
                print(f"{size(found['left_over_bytes'])} are left of an interrupted prune; the next one removes them")
        return 0
    done = prune(
        folder,
        older_than=parse_age(args.older_than) if args.older_than else None,
        keep_bytes=parse_bytes(args.keep_bytes) if args.keep_bytes else None,
        really=args.yes,
        reporter=Terminal(),
    )
    if args.json:
        print_json(done)
        return 0
    if done["removed"]:
        show("Removed" if args.yes else "Would go", done["removed"])
    freed, kept = size(done["freed_bytes"]), size(done["kept_bytes"])
    print(f"{freed} freed, {kept} kept" if args.yes else f"{freed} would be freed, {kept} kept; --yes does it")
    if done["open"]:
        print(f"{done['open']} in use stay in any case")
    return 0


def show(title: str, spaces: list[dict[str, Any]]) -> None:
    rows = [
        [
            s["fingerprint"][:8],
            s["what"],
            s["of"],
            f"{s['entries']:,}",
            f"{s['width']:,} {s['dtype']}",
            size(s["bytes"]),
            s["last_used"][:16].replace("T", " ") + (", in use" if s["open"] else ""),
        ]
        for s in spaces
    ]
    head = ["space", "what", "of", "entries", "width", "size", "last used"]
    print_table(title, head, rows, right=(3, 4, 5))


def size(count: int) -> str:
    """1.5 MB"""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
