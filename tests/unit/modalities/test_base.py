"""What modalities share of a column: whether it is all numbers, and what it leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.core import files
from consilience.modalities import MODALITIES
from consilience.modalities.base import ColumnSample


def seen(cells, root=Path(".")) -> ColumnSample:
    return ColumnSample(name="c", cells=cells, rows=len(cells), distinct=len(set(cells)), root=root)


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1.5", "-2", "3e5"], True),
        ([1, 2.5], True),
        (["1", "NA", " n/a ", "2"], True),
        (["NA", "-"], False),
        (["1_000", "2"], False),
        (["inf", "1"], False),
        (["1", "one"], False),
        ([True, False], False),
        ([b"12"], False),
        ([10**400, 1], False),
        ([], False),
    ],
    ids=repr,
)
def test_columns_of_numbers(cells, numeric) -> None:
    assert seen(cells).numeric is numeric


def test_numbers_that_are_names_of_files_are_looked_at(tmp_path) -> None:
    (tmp_path / "7").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not seen(["7"] * 10, tmp_path).numeric
    assert MODALITIES.load("image")().sniff(seen(["7"] * 10, tmp_path)).kind == "image"


@pytest.mark.parametrize(
    ("cells", "most"),
    [
        ([f"{n / 7:.4f}" for n in range(200)], 0),
        ([str(n) for n in range(200)], 0),
        (["AA", "AG", "GG"] * 70, 3),
        ([f"name {n}" for n in range(200)], 20),
    ],
    ids=["decimals", "whole", "few words", "many words"],
)
def test_files_are_looked_up_once_for_all_modalities(cells, most, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(files, "resolve", lambda cell, root: asked.append(cell) or Path("/nowhere/at/all"))
    column = seen(cells)
    for name in MODALITIES:
        assert (claim := MODALITIES.load(name)().sniff(column)) is None or claim.kind in ("number", "category", "text")
    assert len(asked) == len(set(asked))
    assert len(set(asked)) <= 2 * most  # image, and audio and video, look at cells of their own
