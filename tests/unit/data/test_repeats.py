"""Rows that say the same: found by what was loaded, kept on one side, told of across tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from consilience.data import sources
from consilience.data.infer import infer
from consilience.data.loader import load
from consilience.data.repeats import contents, repeated, told
from consilience.modalities import MODALITIES

ROWS = {
    "text": ["It is  fine, really", "it is ｆｉｎｅ, really", "it is not fine at all", "It is fine, really", None],
    "n": [1, 1.0, 1, 2, None],
}


def numbers(columns: dict, root: Path) -> np.ndarray:
    table = sources.read(columns, root=root)
    found = infer(table, target=None)
    configs = {}
    for name, plan in found.inputs.items():
        modality = MODALITIES.load(plan.modality)()
        samples = [found.samples[c] for c in plan.columns]
        configs[name] = modality.resolve(modality.Config(), samples, plan.kinds)
    return contents(load(table, found.inputs, configs))


def test_rows_that_say_the_same(tmp_path: Path) -> None:
    first, second, third, fourth, last = numbers(ROWS, tmp_path)
    assert first == second
    assert len({first, third, fourth, last}) == 4
    assert last == -1
    reverse = numbers({name: cells[::-1] for name, cells in ROWS.items()}, tmp_path)
    assert reverse[::-1].tolist() == [first, second, third, fourth, last]


def test_copies_are_told_from_values_that_come_again() -> None:
    assert repeated(np.repeat(np.arange(100), 2))
    assert not repeated(np.arange(100))
    assert not repeated(np.arange(100) % 12)  # a few values, again and again
    assert not repeated(np.where(np.arange(100) < 10, 0, np.arange(100)))  # one common row
    assert not repeated(np.full(10, -1))


def test_repeats_across_tables_are_told() -> None:
    train = np.arange(100)
    assert told(train, np.arange(100, 150)) is None
    text = told(train, np.array([5, 5, 200, -1]))
    assert text is not None
    assert text.startswith("2 of 4 rows (50%) say the same in every input as a training row")
    assert told(np.arange(100) % 5, np.arange(5)) is None
