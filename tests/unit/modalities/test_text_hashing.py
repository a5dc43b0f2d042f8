"""Hashed features: the same everywhere, nothing stored, signs that cancel; and they still tell texts apart."""

from __future__ import annotations

import os
import subprocess
import sys
from zlib import crc32

import numpy as np
import pytest

import consilience as cs
from consilience.core.config import decode
from consilience.core.errors import ConfigError
from consilience.modalities.text import Text
from consilience.modalities.text.config import Config
from consilience.modalities.text.hashing import Hashed, Numbered

TEXT = Text()
TEXTS = [
    "A red circle, a red square!",
    "我喜欢 this film",
    "...",
    None,
    "no circle at all",
    "a red circle a red square",
]


def fit(values, **settings):
    return TEXT.fit(values, Config(**{"hashed_features": 512, **settings}), weights=np.ones(len(values)))


def dense(processor, values):
    return processor.features(values).matrix.to_scipy().toarray()


def test_columns_signs_and_weights_are_the_formula():
    block = Hashed({"words": list}, 64)
    row, column, value = block.entries([["red", "red", "blue"]])
    salt = crc32(b"words")
    weights = {"red": 1 + np.log(2), "blue": 1.0}
    expected = np.zeros(64)
    for word, weight in weights.items():
        code = crc32(word.encode(), salt)
        expected[(code & 0x7FFFFFFF) % 64] += (-weight if code >> 31 else weight) / np.hypot(1 + np.log(2), 1)
    got = np.zeros(64)
    got[column] = value
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert set(row) == {0}


def test_nothing_is_learned_or_stored():
    one, other = fit(TEXTS), fit(["something else", "entirely"])
    assert np.array_equal(dense(one, TEXTS), dense(other, TEXTS))
    assert {name.partition(".")[0] for name in one.state().arrays} == {"tokens"}, "the encoder's, and no other"
    again = TEXT.restore(one.state(), one.config)
    assert np.array_equal(dense(again, TEXTS), dense(one, TEXTS))


def test_the_same_in_every_process():
    code = (
        "import numpy as np; from consilience.modalities.text import Text; from consilience.modalities.text.config "
        "import Config; import hashlib, sys\n"
        f"values = {TEXTS!r}\n"
        "made = Text().fit(values, Config(hashed_features=512), weights=np.ones(6)).features(values).matrix\n"
        "print(hashlib.sha256(made.values.tobytes() + made.indices.tobytes() + made.indptr.tobytes()).hexdigest())"
    )
    seen = set()
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        seen.add(done.stdout.strip())
    assert len(seen) == 1


def test_a_text_depends_on_itself_alone_and_missing_is_empty():
    processor = fit(TEXTS)
    together = processor.features(TEXTS)
    assert together.matrix.shape == (6, 512)
    assert together.present.tolist() == [True, True, True, False, True, True]
    whole = together.matrix.to_scipy().toarray()
    assert not whole[3].any()
    for place, text in enumerate(TEXTS):
        assert np.array_equal(dense(processor, [text])[0], whole[place])
    np.testing.assert_allclose(np.linalg.norm(whole[0]), np.sqrt(2), atol=0.2)  # two kinds of runs, length 1 each
    assert np.array_equal(whole[0] != 0, whole[5] != 0) is False


def test_words_and_runs_of_characters_of_one_spelling_differ():
    words, both = fit(TEXTS, chars=False), fit(TEXTS)
    assert 0 < (dense(words, TEXTS)[0] != 0).sum() < (dense(both, TEXTS)[0] != 0).sum()


def test_signs_cancel_rather_than_add_up():
    """With hardly any columns, scalar products of unrelated texts stay near 0 on average."""
    rng = np.random.default_rng(0)
    texts = [" ".join("".join(rng.choice(list("abcdefgh"), 5)) for _ in range(6)) for _ in range(200)]
    matrix = dense(fit(texts, hashed_features=64), texts)
    products = matrix @ matrix.T
    apart = products[np.triu_indices(200, 1)]
    assert abs(apart.mean()) < 0.1
    assert products.diagonal().mean() > 1


def test_names_are_made_when_asked_for():
    names = Numbered("column {}", 1 << 24)
    assert (len(names), names[3], names[-1]) == (1 << 24, "column 3", f"column {(1 << 24) - 1}")
    assert list(names[1:3]) == ["column 1", "column 2"]
    with pytest.raises(IndexError):
        names[1 << 24]


@pytest.mark.parametrize(
    "wrong", [{"hashed_features": 1}, {"hashed_features": 1 << 30}, {"hashed_features": -1}], ids=str
)
def test_impossible_numbers_of_columns_are_refused(wrong):
    with pytest.raises(ConfigError, match="hashed_features"):
        decode(Config, wrong)


@pytest.mark.parametrize("idle", [{"min_df": 3}, {"word_min_df": 2}, {"max_features": 10}], ids=str)
def test_what_would_do_nothing_beside_it_is_refused(idle):
    with pytest.raises(ConfigError, match=f"{next(iter(idle))} does nothing"):
        decode(Config, {"hashed_features": 64, **idle})


def test_a_whole_run_whose_size_the_columns_bound(tmp_path):
    """Texts of many words of which two matter: the vocabulary is most of such a model."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnop"), 9)) for _ in range(1500)]
    texts = [" ".join(rng.choice(words, 12)) + rng.choice([" wonderful", " dreadful"]) for _ in range(300)]
    table = {"review": texts, "label": ["good" if "wonderful" in text else "bad" for text in texts]}
    sizes = {}
    for columns in (0, 1 << 12, 1 << 18):
        config = {"classic": {"single": [], "joined": ["linear"]}, "preset": "classic"}
        config["inputs"] = {"review": {"kind": "text", "columns": ["review"], "hashed_features": columns}}
        result = cs.fit(table, target="label", config=config, out=tmp_path / str(columns))
        assert result.leaderboard[0]["metrics"]["accuracy"]["value"] > 0.9
        model = cs.load(result.run)
        assert model.predict({"review": ["wonderful", "dreadful", ""]})[:2] == ["good", "bad"]
        sizes[columns] = (tmp_path / str(columns) / "bundle" / "weights.safetensors").stat().st_size
    assert sizes[1 << 12] < 0.4 * sizes[0]
    assert sizes[1 << 18] < 1.3 * sizes[0], "columns that no text has cost nothing"
