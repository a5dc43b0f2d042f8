"""Copies across a split: what was planted is named, what agrees by chance is not."""

from __future__ import annotations

import numpy as np

from consilience.data import duplicates

LONG = [f"a sentence that nobody writes twice, number {n}" for n in range(60)]


def test_texts_but_for_case_spaces_and_signs():
    held = ["something of its own that is long enough", LONG[7].upper() + " !!", None, "short"]
    found = duplicates.texts("note", [*LONG, "short"], held)
    assert found is not None
    assert (found.rows.tolist(), found.twins.tolist()) == ([1], [7])


def test_a_chinese_text_is_long_sooner():
    assert duplicates.texts("note", ["这家店的菜很好吃"], ["这家店的菜很好吃。"]) is not None
    assert duplicates.texts("note", ["不错"], ["不错"]) is None


def test_a_standard_phrase_is_no_copy():
    question = "what colour is the rectangle in the picture?"
    assert duplicates.texts("q", [question] * 50, [question]) is None


def test_whole_rows():
    rng = np.random.default_rng(0)
    train = {"a": rng.normal(size=200).tolist(), "b": rng.choice(["x", "y"], 200).tolist()}
    train["c"] = rng.normal(size=200).round(4).tolist()
    held = {name: [cells[n] for n in (3, 50)] for name, cells in train.items()}
    held = {"a": [*held["a"], 0.5], "b": [*held["b"], "x"], "c": [*held["c"], 0.25]}
    found = duplicates.rows(train, held)
    assert found is not None
    assert (found.rows.tolist(), found.twins.tolist()) == ([0, 1], [3, 50])


def test_rows_that_agree_by_chance_are_no_copies():
    rng = np.random.default_rng(0)
    train, held = ({"a": rng.integers(0, 4, n).tolist(), "b": rng.choice(["x", "y"], n).tolist()} for n in (300, 100))
    assert duplicates.rows(train, held) is None
    assert duplicates.rows({"a": [None] * 9}, {"a": [None]}) is None


def test_contents():
    train, held = np.array([5, 9, 9, -1]), np.array([9, -1, 7, 5])
    found = duplicates.contents("photo", train, held)
    assert found is not None
    assert (found.rows.tolist(), found.twins.tolist()) == ([0, 3], [1, 0])
    assert duplicates.contents("photo", train, np.array([7, -1])) is None
    assert duplicates.contents("photo", np.array([-1]), np.array([-1])) is None


def test_near_copies():
    rng = np.random.default_rng(0)
    a, of_a = rng.random((30, 12)).astype(np.float32), np.arange(30)
    b = np.concatenate([a[[4]] + 0.005, rng.random((5, 12)), np.full((1, 12), np.nan)]).astype(np.float32)
    found = duplicates.near("photo", (a, of_a), (b, np.array([1, 0, 6, 0])), within=0.02)
    assert found is not None
    assert (found.rows.tolist(), found.twins.tolist()) == ([1, 3], [4, 4])
    assert duplicates.near("photo", (a, of_a), (b[1:], np.arange(6)), within=0.02) is None
