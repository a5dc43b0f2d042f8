"""What to say of a column that no modality claims: what it looks like, and what the user may do. Decides nothing.

Knows no modality by name: each is asked for a hint. What no single one of them can say (URLs, paths to files of no
known kind, lists) is said here.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from consilience.data.sample import examples
from consilience.modalities.base import LOOKED_UP, ColumnSample, Modality, looks_like_path, spread

_MOST = 20
"""Columns that are spoken of one by one."""


_FILE = re.compile(r".*[\\/].*\.[A-Za-z]\w{0,4}", re.DOTALL)


def holds_lists(cells: Sequence[Any]) -> bool:
    return tuple in set(map(type, cells))


def reason_of(column: ColumnSample) -> str:
    if holds_lists(column.cells):
        return "it holds lists, which only a target may"
    return f"nothing here recognises it (cells like {', '.join(examples(column.cells))})"


def hint_of(column: ColumnSample, parts: Mapping[str, Modality], kinds: Collection[str]) -> str:
    """What it looks like and how to go on, in a sentence or two; the last is always how to leave it out."""
    if holds_lists(column.cells):
        said = ["unpack them into columns of their own"]
    else:
        media = [part.kinds[0] for part in parts.values() if part.media]
        hints = (_urls(column, media) or _paths(column, media), *(part.hint(column) for part in parts.values()))
        said = [hint.rstrip(".") for hint in hints if hint]
    said = said or [f"say what it is with {column.as_input('KIND')} (kinds: {', '.join(sorted(kinds))})"]
    return "; ".join(said) + f"; or leave it out with {column.as_ignored()}"


def unreadable(column: str) -> str:
    """The hint on a column whose cells cannot even be looked at."""
    return f"leave it out with --ignore {shlex.quote(column)}"


def _urls(column: ColumnSample, media: Sequence[str]) -> str | None:
    """Addresses of files, perhaps, that nobody may fetch until the host is allowed."""
    urls = [cell.strip() for cell in column.cells if isinstance(cell, str) and "://" in cell.strip()[:12]]
    if 2 * len(urls) < len(column.cells) or not media:
        return None
    hosts = Counter(_host(url) for url in urls)
    named = ", ".join(host for host, _ in hosts.most_common(2)) + (", …" if len(hosts) > 2 else "")
    return (
        f"URLs ({named}): if they lead to files, say of which kind, {column.as_input('KIND')} "
        f"({', '.join(media)}), and allow their host with --allow-url {hosts.most_common(1)[0][0]}"
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "HOST"
    except ValueError:
        return "HOST"


def _paths(column: ColumnSample, media: Sequence[str]) -> str | None:
    """Paths whose ending no modality knows, or of which too few lead to a file."""
    texts = [cell for cell in column.cells if isinstance(cell, str)]
    if column.numeric or not media:
        return None
    tried = spread(texts, LOOKED_UP)
    found = sum(map(column.leads_somewhere, tried))
    alike = sum(looks_like_path(text, None) and _FILE.fullmatch(text.strip()) is not None for text in texts)
    if not found and 2 * alike < len(column.cells):
        return None
    return (
        f"paths of files, it seems: {found} of {len(tried)} that were looked up are there under {column.root}; if they "
        f"start elsewhere, choose --media-root, and say of which kind they are with {column.as_input('KIND')} "
        f"({', '.join(media)})"
    )


def warnings(columns: Mapping[str, str]) -> list[str]:
    """By column, why it is left out and how to go on -> a warning for each; of very many, the rest in one."""
    said = [f"column {name!r} is left out: {text}" for name, text in list(columns.items())[:_MOST]]
    if rest := list(columns)[_MOST:]:
        said.append(f"{len(rest):,} more columns are left out (consilience inspect says why): {', '.join(rest)}")
    return said
