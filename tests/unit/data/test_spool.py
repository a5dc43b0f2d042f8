"""Cells kept as bytes, in memory or in a file."""

from __future__ import annotations

import json

import pytest

from consilience.data import spool
from consilience.data.spool import Spool
from consilience.data.table import BLOCK


@pytest.mark.parametrize("memory", [0, 100_000, 64_000_000])
def test_cells_come_back_wherever_they_were(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MEMORY", memory)
    kept = Spool(2, lambda cells: json.dumps(cells).encode(), json.loads)
    rows = 2 * BLOCK + 3
    for begin in range(0, rows, BLOCK):
        some = range(begin, min(begin + BLOCK, rows))
        kept.add([[f"text {r}" for r in some], [None if r % 2 else r for r in some]])
    text, number = kept.columns()
    assert list(text) == [f"text {r}" for r in range(rows)]
    assert list(number) == [None if r % 2 else r for r in range(rows)]
    assert (text[rows - 1], text[0], number[BLOCK]) == (f"text {rows - 1}", "text 0", BLOCK)


def test_no_rows() -> None:
    (column,) = Spool(1, lambda cells: b"", lambda content: []).columns()
    assert list(column) == []
