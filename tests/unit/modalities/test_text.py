"""Text without networks: claims, cleaning, tokens, collate and features."""

from __future__ import annotations

import random
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.core.config import decode, encode
from consilience.core.errors import BadCell, ConfigError
from consilience.core.limits import Limits
from consilience.core.sparse import CSR
from consilience.modalities.base import ColumnSample, Evidence
from consilience.modalities.text import Text
from consilience.modalities.text.clean import clean, is_visible
from consilience.modalities.text.config import Config
from consilience.modalities.text.processor import TextProcessor
from consilience.modalities.text.spans import spans
from consilience.modalities.text.transform import UNKNOWN, Vocabulary, most_frequent, tokenise

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


def sample(cells: Sequence[Any]) -> ColumnSample:
    return ColumnSample(name="c", cells=cells[:1000], rows=len(cells), distinct=len(set(cells[:1000])), root=Path("."))


def claim(cells: Sequence[Any]) -> Evidence:
    evidence = TEXT.sniff(sample(cells))
    assert evidence is not None
    assert evidence.kind == "text"
    return evidence


def fit(values: Sequence[str | None], weights: Sequence[int] | None = None, **settings: Any) -> TextProcessor:
    counts = np.array(weights if weights is not None else [1] * len(values))
    return TEXT.fit(values, Config(**settings), weights=counts)


def load(*cell: Any, limit: int = 1000, config: Config | None = None) -> tuple[Any, list[str]]:
    return TEXT.load(cell, config or Config(), Path("."), Limits(characters=limit))


def equal(a: CSR, b: CSR) -> bool:
    return a.width == b.width and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("values", "indices", "indptr")
    )


def nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def is_unassigned(character: str) -> bool:
    return unicodedata.category(character) in ("Cn", "Co")


# claims


def test_sniff_questions_that_repeat_are_written_text() -> None:
    evidence = claim(random.Random(0).choices(QUESTIONS, k=5000))
    assert evidence.strength > 0.7
    assert "107 different" in evidence.reason


def test_sniff_counts_characters_of_chinese_as_words() -> None:
    assert claim([f"这部电影真的非常好看{chr(0x4E00 + i)}" for i in range(300)]).strength > 0.7


@pytest.mark.parametrize("cells", [[f"Title {c}x" for c in range(400)], ["Ann", "Bob", "Cid"], ["only"]])
def test_sniff_short_different_texts_beat_a_category(cells: list[str]) -> None:
    assert claim(cells).strength > 0.6


@pytest.mark.parametrize(
    "values",
    [["yes", "no"], ["Married-civ-spouse", "Not in family"], ["高兴", "电子产品"], [f"City{i}x" for i in range(100)]],
)
def test_sniff_few_repeating_values_lose_to_a_category(values: list[str]) -> None:
    assert 0 < claim(random.Random(0).choices(values, k=1000)).strength < 0.6


@pytest.mark.parametrize(
    "cells",
    [
        ["1.5", "-2,000", "3e5", "$ 4", "n/a"],
        [1, 2.5, None],
        ["2020-01-31", "31 March 2020 10:30 am", "2020-01-31T10:00:00Z"],
        ["photos/a 1.png", "b.JPG"],
        ["https://example.org/a", "s3://x/y"],
        [b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xd8\xff"],
        ["n/a", "", "null"],
        [],
    ],
)
def test_sniff_leaves_what_is_not_text_to_others(cells: list[Any]) -> None:
    assert TEXT.sniff(sample(cells)) is None


def test_sniff_counts_cells_of_another_kind_against_the_claim() -> None:
    texts = [f"a sentence about number {i}" for i in range(90)]
    assert claim(texts + ["7"] * 10).strength == pytest.approx(0.9 * claim(texts).strength)
    assert "10 % of the cells are numbers" in claim(texts + ["7"] * 10).reason


def test_sniff_stays_quick_on_hostile_cells() -> None:
    hostile = ["t " * 500_000, "1" * 500_000 + "x", "a/" * 200_000, " " * 500_000 + "1x", "1 t " * 12 + "!"]
    assert claim(hostile).strength > 0


# cleaning and loading


@given(ANY_TEXT)
def test_clean_leaves_no_control_character_and_is_idempotent(text: str) -> None:
    cleaned = clean(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned)
    assert clean(cleaned) == cleaned
    assert cleaned == " ".join(cleaned.split())
    assert unicodedata.is_normalized("NFKC", cleaned)
    assert is_visible(text) == bool(cleaned)


def test_clean_every_character_that_it_changes() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    changed = [c for c in every if (unicodedata.category(c)[0] in "CZ" and not is_unassigned(c)) or c != nfkc(c)]
    assert len(changed) > 5000
    for character in changed:
        cleaned = clean(character)
        assert clean(cleaned) == cleaned
        assert is_visible(character) == bool(cleaned), hex(ord(character))
        if unicodedata.category(character) in ("Cc", "Cs"):
            assert not cleaned


def test_clean_examples() -> None:
    assert clean(" Ｈｅｌｌｏ\t\r\n ﬁne\x00\x07\u200b①\u2028 ") == "Hello fine1"
    assert clean("cafe\u0301") == "café"
    assert clean("e\x00\u0301") == "é"


def test_clean_takes_linear_time_in_combining_marks() -> None:
    assert len(clean("a" + "\u0300\u0316" * 400_000)) < 40  # quadratic: about ten minutes
    grows = clean("a" + "\u0344" * 40)
    assert clean(grows) == grows


def test_load_raw_types() -> None:
    assert load(" a\x00  b ") == ("a b", [])
    assert load(12) == ("12", [])
    assert load("grün".encode()) == ("grün", [])
    assert load("\u200b") == (None, [])


def test_load_bad_cells_say_why() -> None:
    with pytest.raises(BadCell, match=r"not UTF-8 text \(at byte 2\)"):
        load(b"ab\xff")
    with pytest.raises(BadCell, match=r"1,001 characters; the limit is 1,000 \(limits.characters\)"):
        load("x" * 1001)
    with pytest.raises(BadCell, match="limit"):
        load("x" * 600, "y" * 600)
    assert load("x" * 1000)[0] == "x" * 1000


def test_load_joins_columns_by_line_and_names_the_one_it_cannot_read() -> None:
    config = TEXT.resolve(Config(), [replace(sample([]), name=name) for name in ("title", "body")], ["text", "text"])
    assert config.columns == ("title", "body")
    assert load(" a ", "b\nc", config=config) == ("a\nb c", [])
    assert load(None, "b", config=config) == ("b", [])
    assert load("a", b"\xff", config=config) == ("a", ["body: the bytes are not UTF-8 text (at byte 0)"])
    with pytest.raises(BadCell, match="title: "):
        load(b"\xff", None, config=config)
    with pytest.raises(ConfigError, match="columns"):
        TEXT.resolve(replace(config, columns=("other",)), [sample([])], ["text"])


@pytest.mark.parametrize("value", [None, "", " \n", float("nan"), "\u200b\x00", b"", b"  "])
def test_missing(value: Any) -> None:
    assert TEXT.missing((value, None))
    assert not TEXT.missing((value, "a"))


@pytest.mark.parametrize("value", ["a", 0, b"\xff", ".", "nan"])
def test_not_missing(value: Any) -> None:
    assert not TEXT.missing((value,))


def test_key_tells_texts_apart_that_python_calls_equal() -> None:
    assert len({TEXT.key((value,)) for value in (1, True, 1.0)}) == 3
    assert TEXT.key(("nan",)) != TEXT.key((float("nan"),))
    assert TEXT.key((None,)) == TEXT.key((" ",))


# tokens


def test_tokenise_examples() -> None:
    def cut(text: str, symbols: bool = False) -> list[str]:
        return tokenise(clean(text), symbols=symbols)

    assert cut("我喜欢it") == ["我", "喜", "欢", "it"]
    assert cut("Don't STOP, 3 snake_case") == ["don", "t", "stop", "3", "snake_case"]
    assert cut("Why?! 😀") == ["why"]
    assert cut("Why?! 😀", symbols=True) == ["why", "?", "!", "😀"]
    assert cut("हिन्दी 한국어 İ") == ["हिन्दी", "한국어", "i̇"]
    assert cut("สวัสดี") == ["ส", "วั", "ส", "ดี"]
    assert cut("...") == []


@given(ANY_TEXT, st.booleans(), st.integers(1, 5))
def test_tokenise_any_text(text: str, symbols: bool, limit: int) -> None:
    tokens = tokenise(text, symbols=symbols)
    assert all(tokens)
    assert not any(c.isspace() for token in tokens for c in token)
    letters = [c for c in text.lower() if c.isalnum()]
    assert [c for token in tokens for c in token if c.isalnum()] == letters
    assert tokenise(text, symbols=symbols, limit=limit) == tokens[:limit]


@given(st.lists(st.text(min_size=1), unique=True))
def test_vocabulary_survives_as_arrays(entries: list[str]) -> None:
    arrays = Vocabulary(entries).arrays()
    assert {name: array.dtype for name, array in arrays.items()} == {"bytes": np.uint8, "offsets": np.int64}
    assert Vocabulary.from_arrays(arrays["bytes"], arrays["offsets"]).entries == tuple(entries)


@given(st.dictionaries(st.text(max_size=2), st.integers(1, 4)), st.integers(1, 3), st.integers(1, 6))
def test_most_frequent_matches_a_plain_sort(counts: dict[str, int], at_least: int, at_most: int) -> None:
    plain = sorted((entry for entry in counts if counts[entry] >= at_least), key=lambda entry: (-counts[entry], entry))
    backwards = dict(reversed(counts.items()))
    assert most_frequent(counts, at_least=at_least, at_most=at_most) == sorted(plain[:at_most])
    assert most_frequent(backwards, at_least=at_least, at_most=at_most) == sorted(plain[:at_most])


# collate and augment


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


# features


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


def test_runs_of_characters_are_for_tables_that_are_not_large() -> None:
    large, small = replace(sample([]), rows=1_000_000), replace(sample([]), rows=199_999)
    assert TEXT.resolve(Config(), [small], ["text"]).chars
    assert not TEXT.resolve(Config(), [large], ["text"]).chars
    assert TEXT.resolve(Config(chars_below=2_000_000), [large], ["text"]).chars
    assert not TEXT.resolve(Config(chars=False), [small], ["text"]).chars


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


@pytest.mark.parametrize(
    "bad",
    [
        {"max_tokens": 0},
        {"min_df": 0},
        {"word_min_df": 0},
        {"token_dropout": 1.5},
        {"char_ngrams": [3, 2]},
        {"unspaced_ngrams": [0, 2]},
    ],
)
def test_config_refuses(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        decode(Config, bad)


# the modality


def test_example_loads_for_every_column() -> None:
    config = Config(columns=("title", "body"))
    processor = TEXT.fit(QUESTIONS, config, weights=np.ones(len(QUESTIONS)))
    for seed in range(20):
        cell = TEXT.example(config, processor, np.random.default_rng(seed))
        assert len(cell) == 2
        value, remarks = TEXT.load(cell, config, Path("."), Limits())
        assert not remarks
        ids = processor.collate([value]).values
        assert (ids > UNKNOWN).any()
        assert (ids == UNKNOWN).any()
    empty = TEXT.fit([None], Config(), weights=np.ones(1))
    assert len(TEXT.example(Config(), empty, np.random.default_rng(0))) == 1


def test_processing_imports_no_training_library() -> None:
    code = (
        "import sys, numpy as np; from consilience.modalities.text import Text; t = Text(); "
        "p = t.fit(['a b', 'a'], t.Config(), weights=np.ones(2)); p.features(['a']); p.collate(['a']); "
        "print([m for m in ('torch', 'sklearn', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("cell", [["awful"], ("awful",), {"a": 1}])
def test_a_list_is_no_text(cell) -> None:
    """`fit` refuses such a column; what is asked later is treated no differently, cell by cell."""
    with pytest.raises(BadCell, match="is no text"):
        TEXT.load((cell,), Config(columns=("t",)), Path("."), Limits())
