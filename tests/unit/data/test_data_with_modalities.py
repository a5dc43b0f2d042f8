"""The data package with the real modalities, on a small table of pictures, texts and numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from consilience.data import sources
from consilience.data.check import summarize
from consilience.data.infer import Inference, infer, sample
from consilience.data.loader import load
from consilience.data.table import Table
from consilience.modalities import MODALITIES


def resolved(table: Table, found: Inference) -> dict:
    configs = {}
    for name, plan in found.inputs.items():
        modality = MODALITIES.load(plan.modality)()
        columns = [sample(table, column) for column in plan.columns]
        configs[name] = modality.resolve(modality.Config(), columns, plan.kinds)
    return configs


def test_columns_of_a_mixed_table_are_recognised(mixed_table: Path) -> None:
    found = infer(sources.read(mixed_table), target="label")
    assert {name: (plan.modality, plan.columns, plan.kinds) for name, plan in found.inputs.items()} == {
        "photo": ("image", ("photo",), ("image",)),
        "review": ("text", ("review",), ("text",)),
        "table": ("tabular", ("price", "shop", "day"), ("number", "category", "date")),
    }


def test_damaged_pictures_are_reported_and_the_rest_is_loaded(mixed_table: Path) -> None:
    table = sources.read(mixed_table)
    cells = table["photo"]
    damaged = next(cell for cell in cells if cell)
    path = mixed_table.parent / damaged
    path.write_bytes(path.read_bytes()[:60])
    found = infer(table, target="label")
    data = load(table, found.inputs, resolved(table, found))
    rows = [r for r, cell in enumerate(cells) if cell == damaged]
    assert [p.row for p in data.problems if p.column == "photo"] == rows
    photos = data.inputs["photo"]
    for r, cell in enumerate(cells):
        assert (photos.values[photos.index[r]] is None) == (cell is None or cell == damaged)
    assert summarize(data)[0].startswith(f"photo: {len(rows)} of {sum(c is not None for c in cells)} cells could not")


@pytest.mark.parametrize("count", [0, 2])
def test_pictures_are_the_same_from_workers_bytes_and_paths(mixed_table: Path, tmp_path: Path, count: int) -> None:
    from PIL import Image

    for i in range(260):
        Image.new("RGB", (20, 20), (i % 256, i // 256 * 90, 7)).save(tmp_path / f"{i}.png")
    names = [f"{i}.png" for i in range(260)]
    table = Table(columns={"p": names, "y": names}, name="t", root=tmp_path)
    found = infer(table, target="y")
    configs = resolved(table, found)
    (tmp_path / "scratch").mkdir()
    data = load(table, found.inputs, configs, workers=count, scratch=tmp_path / "scratch")
    content = [(tmp_path / name).read_bytes() for name in names[:50]]
    given = load(Table(columns={"p": content}, name="t", root=Path("/")), found.inputs, configs)
    for row in range(50):
        assert (data.inputs["p"].values[row] == given.inputs["p"].values[row]).all()
    assert (data.inputs["p"].groups[:50] == given.inputs["p"].groups).all()
    assert len(np.unique(data.inputs["p"].groups)) == 260
