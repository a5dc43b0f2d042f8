"""Icons, logos, jingles, placeholders and texts from templates break no split; what is said of them is true."""

from __future__ import annotations

import wave

import numpy as np
import pytest
from PIL import Image

import consilience as cs

ROWS = 240
QUICK = {
    "preset": "classic",
    "classic": {"single": ["linear"], "joined": ["trees"]},
    "ensemble": {"rules": []},
    "task": "classification",
}
N = np.arange(ROWS)
SIZE = np.random.default_rng(0).random(ROWS)
BY_SIZE = np.where(SIZE > 0.5, "big", "small")


def icons(folder, which):
    for k in set(which.tolist()):
        colour = np.random.default_rng(k).integers(0, 255, 3).tolist()
        Image.new("RGB", (32, 32), tuple(colour)).save(folder / f"{k}.png")
    return [f"{k}.png" for k in which]


def sounds(folder, which):
    for k in set(which.tolist()):
        with wave.open(str(folder / f"{k}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes((8000 * np.sin(np.arange(4000) * (0.1 + 0.2 * k))).astype("<i2").tobytes())
    return [f"{k}.wav" for k in which]


CASES = {
    "icons that are the class": (lambda f: {"icon": icons(f, N % 4), "size": SIZE, "y": N % 4}, "icon"),
    "one logo": (lambda f: {"logo": icons(f, 0 * N), "size": SIZE, "y": BY_SIZE}, "logo"),
    "two logos": (lambda f: {"logo": icons(f, N % 2), "size": SIZE, "y": BY_SIZE}, "logo"),
    "an avatar on half": (lambda f: {"face": icons(f, np.where(N % 2, 0, N)), "size": SIZE, "y": BY_SIZE}, "face"),
    "two jingles": (lambda f: {"jingle": sounds(f, N % 2), "size": SIZE, "y": BY_SIZE}, "jingle"),
    "an image for each of 24 classes": (lambda f: {"image": icons(f, N % 24), "y": N % 24}, "image"),
    "texts from templates": (
        lambda f: {"text": [f"thank you for choosing template number {'abcdef'[k]}" for k in N % 6], "y": N % 6},
        None,
    ),
}


@pytest.mark.parametrize(("make", "said_of"), CASES.values(), ids=CASES)
def test_few_contents_are_learned_from_and_measured(make, said_of, tmp_path):
    table = {name: np.asarray(cells).astype(str).tolist() for name, cells in make(tmp_path).items()}
    result = cs.fit(table, target="y", config={**QUICK, "data": {"media_root": str(tmp_path)}}, out=tmp_path / "run")
    assert result.test["accuracy"]["value"] >= 0.9
    assert result.test["accuracy"]["ci95"][0] >= 0.7  # rows that share an icon are independent all the same
    of = [said.partition(":")[0] for said in result.warnings]
    assert of == ([said_of] if said_of else [])
    assert result.audit["duplicates"] == []


@pytest.mark.parametrize(("sites", "said"), [(2, "share one value of 'site'"), (1, "make 1 piece")])
def test_a_group_column_of_few_values_is_refused_with_the_reason(sites, said, tmp_path):
    table = {"size": SIZE.tolist(), "site": [f"s{k}" for k in N % sites], "y": BY_SIZE.tolist()}
    with pytest.raises(cs.UserError, match=said):
        cs.fit(table, target="y", config={**QUICK, "data": {"group": "site"}}, out=tmp_path / "run")


def test_a_group_column_that_takes_classes_out_of_training_says_so(tmp_path):
    table = {"size": SIZE.tolist(), "site": [f"s{k}" for k in N % 4], "y": [f"c{k}" for k in N % 4]}
    result = cs.fit(table, target="y", config={**QUICK, "data": {"group": "site"}}, out=tmp_path / "run")
    assert any("2 of 4 classes are not in training" in said and "'site'" in said for said in result.warnings)
    assert not any("at most one" in said for said in result.warnings)
    assert any("no training row" in said for said in result.warnings)
