"""Measures of texts: what they count, and that each text's depend on that text alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import consilience as cs
from consilience.modalities.text import Text, spans
from consilience.modalities.text.config import Config
from consilience.modalities.text.measures import NAMES, measure
from consilience.modalities.text.transform import tokenise


def counted(text):
    """[log of characters, log of words, characters per word, shares of capitals, digits, symbols] of (characters,
    words, characters of words, capitals, digits, symbols)."""
    characters, words, inside, *kinds = text
    of = max(characters, 1)
    return [math.log1p(characters), math.log1p(words), inside / max(words, 1), *(kind / of for kind in kinds)]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Hello World 42!", (15, 3, 12, 2, 2, 1)),
        ("don't", (5, 2, 4, 0, 0, 1)),
        ("我喜欢it", (5, 4, 5, 0, 0, 0)),
        ("我 喜欢。", (5, 3, 3, 0, 0, 1)),
        ("नमस्ते दुनिया", (13, 2, 12, 0, 0, 0)),  # marks belong to their words
        ("e\u0301a", (3, 1, 3, 0, 0, 0)),
        ("\u0301", (1, 0, 0, 0, 0, 0)),
        ("❤️love ☀️sun", (12, 2, 7, 0, 0, 2)),  # a mark on a symbol is of no word
        ("a❤️b", (4, 2, 2, 0, 0, 1)),
        ("ที่iPhone", (9, 2, 9, 1, 0, 0)),
        ("snake_case", (10, 1, 10, 0, 0, 0)),
        ("ÄÖ ǅ ß", (6, 3, 4, 3, 0, 0)),
        ("٣½ x", (4, 2, 3, 0, 2, 0)),
        ("😀😀", (2, 0, 0, 0, 0, 2)),
        ("", (0, 0, 0, 0, 0, 0)),
        (None, (0, 0, 0, 0, 0, 0)),
    ],
)
def test_what_is_counted(text, counts):
    np.testing.assert_allclose(measure(["AB", text, "x"])[1], counted(counts), rtol=1e-6)


@given(st.lists(st.one_of(st.none(), st.text()), max_size=8), st.integers(1, 12), st.integers(1, 4), st.randoms())
def test_a_text_is_measured_by_itself(texts, characters, most, random):
    alone = np.concatenate([np.zeros((0, len(NAMES)), np.float32), *(measure([text]) for text in texts)])
    order = list(range(len(texts)))
    random.shuffle(order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "CHARACTERS", characters)
        patch.setattr(spans, "TEXTS", most)
        found = measure([texts[i] for i in order])
    assert np.isfinite(found).all()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, alone[order])


@given(st.text(alphabet=st.characters(categories=["L", "M", "N", "Z", "P", "S"])))
def test_words_are_those_that_features_are_made_of(text):
    words = round(math.expm1(float(measure([text])[0, 1])))
    assert words == len(tokenise(text, symbols=False))


def fit(**settings):
    return Text().fit(["one red circle"], Config(**settings), weights=np.ones(1))


def test_a_missing_text_is_absent_and_measures_can_be_left_out():
    found = fit().measures(["red", None])
    assert found.present.tolist() == [True, False]
    assert found.matrix.shape == (2, len(found.names))
    assert fit(measures=False).measures(["red"]) is None


@pytest.mark.parametrize("learner", ["trees", "extra_trees"])
def test_trees_learn_how_long_texts_are(tmp_path, learner):
    """Words at random; only how many of them there are tells the classes apart."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    words = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "aeiou"]
    texts = [" ".join(rng.choice(words, n)) for n in rng.integers(8, 12, 400) + 4 * label]
    rows = {"text": [text if n % 9 else "" for n, text in enumerate(texts)], "label": [f"c{n}" for n in label]}
    quick = [f"classic.joined=['{learner}']", "ensemble.rules=[]", "audit.at_end=false"]

    def right(run, *settings):
        settings = [*quick, "data.split=[0.5, 0.1, 0.4]", *settings]
        result = cs.fit(rows, target="label", preset="classic", settings=settings, out=tmp_path / run)
        return result.test["accuracy"]["value"]

    with_measures, without = right("with"), right("without", "inputs.text.measures=false")
    assert with_measures > 0.88
    assert without < with_measures - 0.1
