"""What is wrong with the data, in words: bad cells as a file, a summary per column, contents on both sides of a split.

Knows no modality: it counts what the loader found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from consilience.data import sources
from consilience.data.cells import Dataset, Problem
from consilience.data.table import Table

_SHOWN = 3


def write_bad_cells(problems: Iterable[Problem], path: Path, *, table: Table | None = None) -> None:
    """A CSV of row, column, reason, in the order of the rows. `row` is what a user calls the row (`Table.line`): the
    line of the CSV file; without a table, rows count from 1. Of a table of several files, `file` says in which the row
    is. Parts of cells that were taken as missing are listed too.
    """
    # A column that two inputs read may be called bad twice, for one reason.
    listed = sorted(set(problems), key=lambda p: (p.row, p.column, p.reason))
    columns: dict[str, list[Any]] = {
        "row": [p.row + 1 if table is None else table.line(p.row) for p in listed],
        "column": [p.column for p in listed],
        "reason": [" ".join(p.reason.replace("\0", "").split()) for p in listed],
    }
    if table is not None and table.files:
        columns["file"] = [table.file(p.row) for p in listed]
    sources.write(columns, path)


def summarize(data: Dataset) -> list[str]:
    """One sentence per column with problems: "image: 253 of 506 cells could not be used: 200 truncated, 53 no such
    file". Counts are rows; reasons that differ only in their numbers or quotations are counted together."""
    out: list[str] = []
    for name, cells in data.inputs.items():
        usable = np.fromiter((value is not None for value in cells.values), bool, len(cells.values))
        present = int(usable[cells.index].sum()) + len({p.row for p in cells.problems if p.whole})
        for whole, verb in ((True, "could not be used"), (False, "had a part that was taken as missing")):
            for column in sorted({p.column for p in cells.problems if p.whole == whole}):
                those = [p for p in cells.problems if p.column == column and p.whole == whole]
                label = column if column == name else f"{name}, {column}"
                rows = len({p.row for p in those})
                out.append(f"{label}: {rows:,} of {present:,} cells {verb}: {_reasons(p.reason for p in those)}")
    return out


def overlap(train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray]) -> list[str]:
    """A sentence per input whose contents occur on both sides: rows the model has, in part, already seen.

    Both sides map names of inputs to `Cells.groups`, whose numbers are hashes of the content and so mean the same in
    every table; -1 belongs to no content.
    """
    out: list[str] = []
    for name in train:
        if name not in test:
            continue
        both = np.intersect1d(train[name], test[name])
        both = both[both >= 0]
        if len(both):
            rows = np.isin(test[name], both).sum()
            out.append(
                f"{name}: {len(both):,} contents occur on both sides; {rows:,} of {len(test[name]):,} test rows "
                f"({rows / len(test[name]):.0%}) hold one that was seen in training"
            )
    return out


def _reasons(reasons: Iterable[str]) -> str:
    kinds: Counter[str] = Counter()
    wording: dict[str, str] = {}
    for reason in reasons:
        kind = re.sub(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*", "…", reason)
        kinds[kind] += 1
        wording[kind] = reason if wording.get(kind, reason) == reason else kind
    common = sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))
    parts = [f"{count:,} {wording[kind]}" for kind, count in common[:_SHOWN]]
    rest = sum(count for _, count in common[_SHOWN:])
    return ", ".join(parts) + (f", {rest:,} for other reasons" if rest else "")
