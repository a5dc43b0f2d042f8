"""What is learned from texts, and the features and tokens that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.core.config import decode, encode
from consilience.core.sparse import CSR
from consilience.modalities.text import Text
from consilience.modalities.text.clean import clean
from consilience.modalities.text.config import Config
from consilience.modalities.text.processor import TextProcessor
from consilience.modalities.text.spans import spans
from consilience.modalities.text.transform import UNKNOWN, tokenise

TEXT = Text()
ANY_TEXT = st.text(st.one_of(st.characters(), st.characters(categories=["Cc", "Cf", "Cs", "Mn", "Lo", "Zs"])))
QUESTIONS = [
    f"is there {article} {colour} {shape}{end}?"
    for article in ("a", "no")
    for colour in ("red", "green", "blue", "brown", "yellow", "grey")
    for shape in ("circle", "square", "triangle")
    for end in ("", " in the image", " at the top")
][:107]
MIXED = [
    *QUESTIONS[:20],
    "我喜欢这部电影!",
    "不好看",
    "It's   naïve, naïve NAÏVE: don't!",
    "...",
    None,
    "हिन्दी में",
    "b" * 50,
]


def fit(values: Sequence[str | None], weights: Sequence[int] | None = None, **settings: Any) -> TextProcessor:
    counts = np.array(weights if weights is not None else [1] * len(values))
    return TEXT.fit(values, Config(**settings), weights=counts)


def equal(a: CSR, b: CSR) -> bool:
    return a.width == b.width and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("values", "indices", "indptr")
    )


def test_collate_pads_right_and_masks_missing() -> None:
    processor = fit(["b a b", "a", None], [1, 1, 5], min_count=2)
    assert processor.shape() == {"vocabulary": 4, "length": 64}
    tokens = processor.collate(["a b z", None, "b", "..."])
    assert tokens.values.dtype == np.int64
    assert tokens.values.tolist() == [[2, 3, UNKNOWN], [0, 0, 0], [3, 0, 0], [UNKNOWN, 0, 0]]
    assert tokens.mask.tolist() == [[True] * 3, [False] * 3, [True, False, False], [True, False, False]]
    assert processor.collate([None]).mask.tolist() == [[False]]
    assert processor.collate([]).values.shape == (0, 1)


def test_collate_keeps_the_beginning() -> None:
    processor = fit(["a b c d"], min_count=1, max_tokens=2)
    assert processor.collate(["a b c d", "c"]).values.tolist() == [[2, 3], [4, 0]]


def test_vocabulary_counts_rows_and_is_bounded() -> None:
    values, weights = ["a b", "c c", "d"], [3, 1, 1]
    assert fit(values, weights).tokens.entries == ("a", "b", "c")
    assert fit(values, weights, min_count=3).tokens.entries == ("a", "b")
    assert fit(values, weights, max_vocabulary=1).tokens.entries == ("a",)
    assert fit(values, [3, 0, 1], min_count=1).tokens.entries == ("a", "b", "d")


def test_augment_makes_some_tokens_unknown_but_never_all() -> None:
    processor = fit(QUESTIONS, token_dropout=0.3)
    tokens = processor.collate([*QUESTIONS, None])
    changed = processor.augment(tokens, np.random.default_rng(0))
    differs = changed.values != tokens.values
    assert (changed.mask == tokens.mask).all()
    assert (changed.values[differs] == UNKNOWN).all()
    assert not differs[~tokens.mask].any()
    assert 0.25 < differs[tokens.mask].mean() < 0.35
    everything = fit(QUESTIONS, token_dropout=1.0).augment(tokens, np.random.default_rng(0))
    assert ((everything.values != UNKNOWN) & everything.mask).sum(1).tolist() == [1] * len(QUESTIONS) + [0]
    assert fit(QUESTIONS).augment(tokens, np.random.default_rng(0)) is tokens


@pytest.mark.parametrize("longest", [1, 2, 3])
def test_word_features_equal_scikit_learn(longest: int) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    weights = np.random.default_rng(0).integers(1, 5, len(QUESTIONS))
    processor = fit(QUESTIONS, weights.tolist(), chars=False, word_ngrams=longest, min_df=3, word_min_df=3)
    reference = TfidfVectorizer(
        tokenizer=lambda text: tokenise(text, symbols=True),
        token_pattern=None,
        ngram_range=(1, longest),
        sublinear_tf=True,
        min_df=3,
    ).fit([text for text, weight in zip(QUESTIONS, weights, strict=True) for _ in range(weight)])
    assert processor.blocks["words"].vocabulary.entries == tuple(reference.get_feature_names_out())
    test = [*QUESTIONS, "a red red red blue elephant", "!"]
    ours, theirs = processor.features(test).matrix.to_scipy().toarray(), reference.transform(test).toarray()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_single_words_are_kept_sooner_than_runs() -> None:
    texts = ["a red dot", "a blue dot", "a red sun"]
    entries = fit(texts, chars=False).blocks["words"].vocabulary.entries
    assert entries == ("a", "a red", "blue", "dot", "red", "sun")
    processor = fit(texts, char_ngrams=(3, 3), min_df=2)  # runs of characters without a space are no words
    assert processor.blocks["chars"].vocabulary.entries == (" a ", " do", " re", "dot", "ed ", "ot ", "red")


def test_character_features_equal_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["is there a red circle", "no no a big square", "a x ab", "red redder reddest"]
    processor = fit(texts, char_ngrams=(3, 5), min_df=1)
    reference = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit(texts)
    assert processor.blocks["chars"].vocabulary.entries == tuple(reference.get_feature_names_out())
    ours = processor.features(texts).matrix.to_scipy().toarray()[:, len(processor.blocks["words"].vocabulary) :]
    np.testing.assert_allclose(ours, reference.transform(texts).toarray(), atol=1e-6)


def test_features_of_unspaced_scripts_cross_characters_not_words() -> None:
    names = fit(["我喜欢it我"], min_df=1).features([]).names
    shown = {name.removeprefix("characters ").strip("'") for name in names if name.startswith("characters ")}
    assert {"我", "我喜", "我喜欢", " it "} <= shown
    assert not any("欢" in name and "i" in name for name in shown)


def test_features_contract() -> None:
    processor = fit(MIXED)
    features = processor.features([*MIXED, "nothing knownzz"])
    matrix = features.matrix
    assert isinstance(matrix, CSR)
    assert (matrix.values.dtype, matrix.indices.dtype, matrix.indptr.dtype) == (np.float32, np.int32, np.int64)
    assert features.names == tuple(dict.fromkeys(features.names))
    assert len(features.names) == matrix.width
    assert features.present.tolist() == [text is not None for text in MIXED] + [True]
    assert np.diff(matrix.indptr)[MIXED.index(None)] == 0
    dense = matrix.to_scipy().toarray()
    split = len(processor.blocks["words"].vocabulary)
    for block in (dense[:20, :split], dense[:20, split:]):
        np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1, atol=1e-6)


def test_features_do_not_depend_on_other_rows_or_their_order() -> None:
    processor = fit(MIXED)
    whole, order = processor.features(MIXED), np.random.default_rng(0).permutation(len(MIXED))
    assert equal(processor.features([MIXED[i] for i in order]).matrix, whole.matrix.take(order))
    for i, text in enumerate(MIXED):
        assert equal(processor.features([text]).matrix, whole.matrix.take(np.array([i])))
        alone, together = processor.collate([text]), processor.collate(MIXED)
        assert alone.values[alone.mask].tolist() == together.values[i][together.mask[i]].tolist()


def test_fit_does_not_depend_on_order_and_counts_rows() -> None:
    weights = np.random.default_rng(0).integers(1, 4, len(MIXED))
    order = np.random.default_rng(1).permutation(len(MIXED))
    settings = {"max_features": 60, "max_vocabulary": 12}
    first = fit(MIXED, weights.tolist(), **settings).state()
    shuffled = fit([MIXED[i] for i in order], weights[order].tolist(), **settings).state()
    repeated = fit([MIXED[i] for i in range(len(MIXED)) for _ in range(weights[i])], **settings).state()
    for other in (shuffled, repeated):
        assert first.arrays.keys() == other.arrays.keys()
        assert all(np.array_equal(first.arrays[name], other.arrays[name]) for name in first.arrays)


def test_spans_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(MIXED).features(MIXED).matrix
    monkeypatch.setattr("consilience.modalities.text.spans.TEXTS", 3)
    monkeypatch.setattr("consilience.modalities.text.spans.CHARACTERS", 40)
    assert equal(fit(MIXED).features(MIXED).matrix, whole)


@given(st.lists(st.one_of(st.none(), st.text(max_size=9)), max_size=12), st.integers(1, 5), st.integers(1, 12))
def test_spans_hold_all_texts_and_not_too_much(texts: list[str | None], most: int, characters: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consilience.modalities.text.spans.TEXTS", most)
        patch.setattr("consilience.modalities.text.spans.CHARACTERS", characters)
        found = list(spans(texts))
    assert [text for span in found for text in span] == texts
    for span in found:
        assert 1 <= len(span) <= most
        assert len(span) == 1 or sum(len(text or "") for text in span) <= characters


@pytest.mark.parametrize("chars", [True, False])
def test_restore_is_equal_bit_for_bit(chars: bool) -> None:
    processor = fit(MIXED, chars=chars)
    state = processor.state()
    assert all(isinstance(array, np.ndarray) for array in state.arrays.values())
    restored = TEXT.restore(state, decode(Config, encode(processor.config)))
    ours, theirs = processor.features(MIXED), restored.features(MIXED)
    assert equal(ours.matrix, theirs.matrix)
    assert ours.names == theirs.names
    assert np.array_equal(processor.collate(MIXED).values, restored.collate(MIXED).values)
    assert restored.shape() == processor.shape()


@pytest.mark.parametrize("values", [[None, None], ["...", "--"], []])
def test_nothing_to_learn_still_works(values: list[str | None]) -> None:
    processor = TEXT.restore(fit(values).state(), Config())
    assert processor.shape() == {"vocabulary": 2, "length": 64}
    matrix = processor.features(["a new text", None]).matrix
    assert matrix.shape[0] == 2
    assert matrix.width == len(processor.features([]).names) >= 1
    assert not matrix.values.any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), ANY_TEXT.map(clean).map(lambda text: text or None)), max_size=6))
def test_any_texts_pass_through(values: list[str | None]) -> None:
    processor = fit(values, min_df=1, min_count=1)
    features, tokens = processor.features(values), processor.collate(values)
    assert np.isfinite(features.matrix.values).all()
    assert tokens.present.tolist() == features.present.tolist() == [text is not None for text in values]
    assert UNKNOWN not in tokens.values[[bool(text and tokenise(text, symbols=True)) for text in values]]


def test_every_setting_of_the_features_changes_them() -> None:
    plain = fit(MIXED).state().arrays
    for change in (
        {"symbols": False},
        {"word_ngrams": 1},
        {"chars": False},
        {"char_ngrams": (2, 3)},
        {"unspaced_ngrams": (1, 2), "min_df": 1},
        {"min_df": 3},
        {"word_min_df": 2},
        {"max_features": 10},
    ):
        base = fit(MIXED, min_df=1).state().arrays if change.get("min_df") == 1 else plain
        arrays = fit(MIXED, **change).state().arrays
        same = arrays.keys() == base.keys() and all(np.array_equal(arrays[name], base[name]) for name in base)
        assert not same, change
