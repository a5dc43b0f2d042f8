"""Encode once, through the real fit: nothing is decoded or featurised twice, and the model is the same as without."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import consilience as cs
from consilience.core.errors import UserError
from consilience.modalities import MODALITIES
from consilience.modalities.image import ImageProcessor
from consilience.modalities.tabular.processor import TableProcessor
from consilience.modalities.text.processor import TextProcessor

PROCESSORS = {"photo": ImageProcessor, "review": TextProcessor, "table": TableProcessor}
CONFIG = {
    "preset": "classic",
    "data": {"workers": 0},
    "classic": {"single": ["linear"], "joined": ["linear"]},
    "audit": {"at_end": False},
    "report": {"errors": 0},
}
"""The audit measures what an input costs by loading and featurising some of its cells afresh, and the report shows the
cells of the worst errors as they are in their files."""


class Spy:
    """Counts the media that are decoded and the cells that features are computed of."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count: Counter[str] = Counter()
        kind = type(MODALITIES.load("image")())
        monkeypatch.setattr(kind, "load", self._watch(kind.load, "decoded", lambda values: 1))
        for name, processor in PROCESSORS.items():
            seen = self._watch(processor.features, name, lambda values: sum(v is not None for v in values))
            monkeypatch.setattr(processor, "features", seen)

    def _watch(self, real: Any, name: str, size: Any) -> Any:
        def watched(self_: Any, values: Any, *rest: Any) -> Any:
            self.count[name] += size(values)
            return real(self_, values, *rest)

        return watched

    def take(self) -> dict[str, int]:
        found, self.count = {name: n for name, n in self.count.items() if n}, Counter()
        return found


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    """Golden rows are answered by the finished model, which knows no store, and the report opens the few pictures it
    shows: both are left out."""
    from consilience.bundle import golden
    from consilience.workflows import errors_shown

    monkeypatch.setattr(errors_shown, "_cells", lambda shown, part, chosen: [[] for _ in chosen])
    monkeypatch.setattr(golden, "write", lambda path, model: path.write_bytes(b""))
    return Spy(monkeypatch)


def fit(table: Path, out: Path, store: Path | None, **config: Any) -> cs.FitResult:
    data = {**CONFIG["data"], **({"store": str(store)} if store else {})}
    return cs.fit(table, target="label", out=out, config={**CONFIG, "data": data, **config})


def weights(run: Path) -> bytes:
    return (run / "bundle" / "weights.safetensors").read_bytes()


def test_a_second_fit_decodes_and_computes_nothing(mixed_table: Path, tmp_path: Path, spy: Spy) -> None:
    plain = fit(mixed_table, tmp_path / "plain", None)
    want = spy.take()
    assert set(want) == {"decoded", "photo", "review", "table"}
    store = tmp_path / "store"
    first = fit(mixed_table, tmp_path / "first", store)
    assert spy.take() == want
    again = fit(mixed_table, tmp_path / "again", store)
    assert spy.take() == {}
    # Other learners, another rule, a network: what was computed of a cell stays as it is.
    other = {"preset": "auto", "classic": {"single": ["svm"], "joined": ["trees"]},
             "deep": {"width": 8, "fusion": "gated"}, "train": {"epochs": 1}}  # fmt: skip
    fit(mixed_table, tmp_path / "other", store, **other)
    assert spy.take() == {}
    assert weights(plain.run) == weights(first.run) == weights(again.run)
    table = cs.load(plain.run).predict_proba(mixed_table)
    assert np.array_equal(table, cs.load(again.run).predict_proba(mixed_table))


def test_one_changed_cell_is_one_computed_cell(mixed_table: Path, tmp_path: Path, spy: Spy) -> None:
    fit(mixed_table, tmp_path / "first", tmp_path / "store")
    spy.take()
    photo = sorted((mixed_table.parent / "photos").iterdir())[3]
    from PIL import Image

    Image.new("RGB", (24, 24), (1, 2, 3)).save(photo)
    fit(mixed_table, tmp_path / "second", tmp_path / "store")
    assert spy.take() == {"decoded": 1, "photo": 1}
    fit(mixed_table, tmp_path / "third", None)
    assert weights(tmp_path / "second") == weights(tmp_path / "third")


def test_a_changed_test_row_is_computed_alone(
    mixed_table: Path, tmp_path: Path, spy: Spy, make_mixed_table: Any
) -> None:
    """No training row changes, so neither do the weights of words: one text, one photo and one row of numbers do."""
    test = make_mixed_table(tmp_path / "other", rows=30, seed=5, name="test.csv")

    def both(out: str) -> None:
        data = {"workers": 0, "store": str(tmp_path / "store"), "split": [0.8, 0.2, 0.0]}
        cs.fit(mixed_table, target="label", test=test, out=tmp_path / out, config={**CONFIG, "data": data})

    both("first")
    spy.take()
    with test.open(newline="") as file:
        rows = [*csv.reader(file)]
    rows[1][1:3] = "an entirely new text", "12345.5"
    with test.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    both("second")
    assert spy.take() == {"review": 1, "table": 1}


def test_another_size_or_way_is_computed_anew(mixed_table: Path, tmp_path: Path, spy: Spy) -> None:
    fit(mixed_table, tmp_path / "first", tmp_path / "store")
    want = spy.take()
    fit(mixed_table, tmp_path / "second", tmp_path / "store", inputs={"photo": {"size": 16}})
    assert spy.take() == {"decoded": want["decoded"], "photo": want["photo"]}


def test_a_folder_that_is_no_store_is_refused_before_anything_is_done(mixed_table: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not made a store"):
        fit(mixed_table, tmp_path / "run", mixed_table.parent)
    assert not (tmp_path / "run").exists()
