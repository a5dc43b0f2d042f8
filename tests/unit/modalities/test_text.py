"""Text before anything is learned from it: claims, cleaning, loading, tokens and settings."""

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
from hypothesis import given
from hypothesis import strategies as st

from consilience.core.config import decode
from consilience.core.errors import BadCell, ConfigError
from consilience.core.limits import Limits
from consilience.modalities.base import ColumnSample, Evidence
from consilience.modalities.text import Text
from consilience.modalities.text.clean import clean, is_visible
from consilience.modalities.text.config import Config
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


def sample(cells: Sequence[Any]) -> ColumnSample:
    return ColumnSample(name="c", cells=cells[:1000], rows=len(cells), distinct=len(set(cells[:1000])), root=Path("."))


def claim(cells: Sequence[Any]) -> Evidence:
    evidence = TEXT.sniff(sample(cells))
    assert evidence is not None
    assert evidence.kind == "text"
    return evidence


def load(*cell: Any, limit: int = 1000, config: Config | None = None) -> tuple[Any, list[str]]:
    return TEXT.load(cell, config or Config(), Path("."), Limits(characters=limit))


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


# features


def test_runs_of_characters_are_for_tables_that_are_not_large() -> None:
    large, small = replace(sample([]), rows=1_000_000), replace(sample([]), rows=199_999)
    assert TEXT.resolve(Config(), [small], ["text"]).chars
    assert not TEXT.resolve(Config(), [large], ["text"]).chars
    assert TEXT.resolve(Config(chars_below=2_000_000), [large], ["text"]).chars
    assert not TEXT.resolve(Config(chars=False), [small], ["text"]).chars


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
