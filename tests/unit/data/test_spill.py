"""Large values of media put aside: the same answers, and equal ones are one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from consilience.core import files
from consilience.core.files import Stored
from consilience.core.limits import Limits
from consilience.data import sources, spill
from consilience.data.infer import infer
from consilience.data.loader import load
from consilience.data.spill import LARGE, Spill
from consilience.modalities import MODALITIES


def test_values_are_kept_or_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "MEMORY", 2 * LARGE)
    large = [bytes([n]) * (LARGE + 1) for n in range(3)]
    coded = base64.b64encode(large[2]).decode()
    with Spill(tmp_path) as aside:
        first, second, text = (aside.aside(part) for part in (large[0], large[1], coded))
        assert first is large[0]
        assert isinstance(second, Stored)
        assert isinstance(text, Stored)
        assert files.read(second, root=tmp_path, max_bytes=10**6) == large[1]
        assert files.read(text, root=tmp_path, max_bytes=10**6) == large[2]
        for part in ("a/path.png", b"few", None, 3, "long words " * LARGE, "data:;base64," + "@" * LARGE):
            assert aside.aside(part) is part
    assert list(tmp_path.iterdir()) == []
    assert Spill.key(large[0]) == Spill.key(bytes(LARGE + 1)) != Spill.key(large[1])
    assert Spill.key("a" * LARGE) == "a" * LARGE


def test_a_table_of_large_values_loads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    import numpy as np
    from PIL import Image

    rng, cells = np.random.default_rng(0), []
    for _ in range(6):
        content = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (60, 60, 3), np.uint8)).save(content, "PNG")
        cells.append(content.getvalue())
    assert min(map(len, cells)) > LARGE
    table = sources.read({"p": [*cells, None, cells[0], b"x" * 5000]}, root=tmp_path)
    found = infer(table, target=None)
    config = MODALITIES.load("image")().resolve(MODALITIES.load("image").Config(), [found.samples["p"]], ("image",))
    kept = load(table, found.inputs, {"p": config}, limits=Limits(), scratch=tmp_path)
    monkeypatch.setattr(spill, "MEMORY", 0)
    aside = load(table, found.inputs, {"p": config}, limits=Limits(), scratch=tmp_path)
    one, two = kept.inputs["p"], aside.inputs["p"]
    assert one.index.tolist() == two.index.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 7]
    assert one.groups.tolist() == two.groups.tolist()
    assert one.problems == two.problems
    assert all(
        (a is None) == (b is None) and (a is None or (a == b).all())
        for a, b in zip(one.values, two.values, strict=True)
    )
