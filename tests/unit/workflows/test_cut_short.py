"""Cells that a backbone does not read to their end are told of, with how many and where it stops."""

import pytest

from consilience.core.limits import Limits
from consilience.data.infer import infer
from consilience.data.sources import read
from consilience.modalities import MODALITIES
from consilience.workflows.backbones import PretrainedConfig, cut_short, frozen_views

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "near",
    "the",
    "river",
    "bank",
    "every",
    "single",
    "day",
]


def said(texts):
    table = read([{"t": text, "y": n % 2} for n, text in enumerate(texts)])
    inference = infer(table, target="y", assigned={"t": ("text", ["t"])})
    (view,) = frozen_views(
        inference.inputs, PretrainedConfig(backbones={"text": "package:minilm"}), needed=True
    ).values()
    return cut_short(view, [inference.samples["t"]], MODALITIES.load("text").Config(), Limits())


@pytest.mark.parametrize(("words", "part"), [(700, 1.0), (700, 0.3), (5000, 0.05)])
def test_long_texts_are_counted(words, part) -> None:
    texts = [f"{n} " + " ".join(WORDS[(n + i) % 14] for i in range(words if n < part * 40 else 20)) for n in range(40)]
    text = said(texts)
    assert text is not None
    assert f"{part:.0%} of the cells are longer" in text
    assert "tokens" in text


@pytest.mark.parametrize("words", [5, 60, 300])
def test_nothing_is_said_of_texts_that_are_read_whole(words) -> None:
    assert said([f"{n} " + " ".join(WORDS[(n + i) % 14] for i in range(words)) for n in range(40)]) is None
