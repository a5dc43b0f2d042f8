"""The TABLE of a command: one or several paths. What they may be is the business of data/sources."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from consilience.core.files import media_root

KINDS = (
    ".csv, .tsv, .jsonl (also .gz), .parquet, .tar shards, or a folder; several of one kind, with commas, or a pattern "
    "such as 'data/*.csv' or 's-{000..004}.tar', are one table"
)


def add_table(command: argparse.ArgumentParser, what: str = "", *, optional: bool = False) -> None:
    """`what`: the rows that are wanted."""
    text = f"{what}: {KINDS}" if what else KINDS
    command.add_argument("table", metavar="TABLE", nargs="*" if optional else "+", help=text)


class Once(argparse.Action):
    """A flag that means one thing: given twice, the last would win and the other be forgotten without a word."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        before = getattr(namespace, self.dest)
        if before is not None and before != values:
            parser.error(f"argument {option}: given twice, as {before!r} and {values!r}; give it once")
        setattr(namespace, self.dest, values)


def add_media_root(command: argparse.ArgumentParser) -> None:
    command.add_argument("--media-root", metavar="DIR", help="where relative paths start (default: the table's folder)")
    command.add_argument(
        "--confine",
        action="store_true",
        help="keep to the folder given with --media-root: absolute paths and links that lead out of it are refused",
    )


def the_media_root(args: argparse.Namespace) -> Path | None:
    """What --media-root and --confine say."""
    return media_root(args.media_root, confine=args.confine)


def add_allow_url(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow-url",
        action="append",
        default=[],
        metavar="HOST",
        help="fetch URLs of pictures and other media from this host (HOST or HOST:PORT; may be repeated); without it "
        "nothing is fetched",
    )


def the_table(given: str | Sequence[str]) -> Any:
    """What `data.sources.read` takes."""
    parts = [given] if isinstance(given, str) else [*given]
    return Path(parts[0]) if len(parts) == 1 else parts
