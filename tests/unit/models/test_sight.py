"""Sight: the matrix trees are fitted on and the one they predict from have the same places."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from consilience.core.sparse import CSR
from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners import sight as module
from consilience.models.learners.sight import NOTHING, Sight, affordable

ROWS, CELLS = 90, 50


def block_of(matrix, index):
    present = np.arange(CELLS) >= 3
    names = tuple(map(str, range(matrix.shape[1])))
    return Block(features=Features(matrix=matrix, present=present, names=names), index=index)


def make_blocks():
    """Two sparse inputs of 12 columns and a dense one of 4, three classes."""
    rng = np.random.default_rng(0)
    words = scipy.sparse.csr_matrix(((rng.random((CELLS, 12)) < 0.3) * rng.random((CELLS, 12))).astype(np.float32))
    sparse = CSR(values=words.data, indices=words.indices, indptr=words.indptr.astype(np.int64), width=12)
    blocks = {
        name: block_of(matrix, rng.integers(0, CELLS, ROWS))
        for name, matrix in (("words", sparse), ("more", sparse), ("dense", rng.normal(size=(CELLS, 4)).astype("f4")))
    }
    return blocks, Goal(target=rng.integers(0, 3, ROWS), width=3, discrete=True, weights=np.ones(ROWS))


def fit(blocks, goal, **settings):
    return Sight.fit(blocks, goal, **{"sparse": 5, "evidence": 32, "least": 3, "seed": 0} | settings)


def test_columns_come_first_and_then_evidence():
    blocks, goal = make_blocks()
    sight, matrix = fit(blocks, goal)
    again = sight.matrix(blocks, np.arange(ROWS))
    assert matrix.shape == again.shape == (ROWS, 4 + 5 + 5 + 3 + 3)
    np.testing.assert_array_equal(matrix[:, :14], again[:, :14])
    assert not np.array_equal(matrix[:, 14:], again[:, 14:], equal_nan=True)  # other rows' and all rows' evidence
    assert sight.inputs == ["dense", "more", "words"]


def test_what_is_kept_stays_in_its_order():
    blocks, goal = make_blocks()
    sight, _ = fit(blocks, goal)
    rows = np.array([7, 0, 88])
    whole = sight.matrix(blocks, rows)
    for used in ([0, 3, 9, 13, 15, 18, 19], [14], [2], [17, 19], []):
        kept = sight.keep(np.array(used, np.int64))
        np.testing.assert_array_equal(kept.matrix(blocks, rows), whole[:, used])
    assert sight.keep(np.array([1, 18])).inputs == ["dense", "words"]
    assert NOTHING.matrix(blocks, rows).shape == (3, 0)


def test_it_is_restored_as_it_was():
    blocks, goal = make_blocks()
    sight = fit(blocks, goal)[0].keep(np.array([1, 5, 16, 17, 19]))
    again = Sight.restore(sight.arrays(), list(sight.columns), list(sight.told), list(sight.measured))
    np.testing.assert_array_equal(again.matrix(blocks, np.arange(ROWS)), sight.matrix(blocks, np.arange(ROWS)))
    assert all(array.flags.c_contiguous for array in sight.arrays().values())  # safetensors takes no others


def test_measures_are_columns_of_the_input_they_are_of():
    plain, goal = make_blocks()
    numbers = np.random.default_rng(1).normal(size=(CELLS, 2)).astype("f4")
    measures = block_of(numbers, None).features
    blocks = {**plain, "words": replace(plain["words"], measures=measures)}
    sight, matrix = fit(blocks, goal)
    assert matrix.shape == (ROWS, 4 + 5 + 5 + 2 + 3 + 3)
    assert sight.inputs == ["dense", "more", "words"]
    shown = np.where(measures.present[:, None], numbers, np.nan)[blocks["words"].index]
    np.testing.assert_array_equal(matrix[:, 14:16], shown)
    np.testing.assert_array_equal(np.delete(matrix, [14, 15], 1), fit(plain, goal)[1])  # nothing else changes
    only = sight.keep(np.array([15]))
    assert only.inputs == ["words"]
    rows = np.array([3, 60, 3])
    np.testing.assert_array_equal(only.matrix(blocks, rows), shown[rows, 1:])
    again = Sight.restore(only.arrays(), list(only.columns), list(only.told), list(only.measured))
    np.testing.assert_array_equal(again.matrix(blocks, rows), shown[rows, 1:])


@pytest.mark.parametrize(
    ("rows", "columns", "evidence"), [(1_000, 32, 9), (1_300, 23, 9), (3_000, 8, 6), (100_000, 8, 4)]
)
def test_on_a_large_table_less_of_sparse_inputs_is_looked_at(monkeypatch, rows, columns, evidence):
    blocks, _ = make_blocks()
    monkeypatch.setattr(module, "_NUMBERS", 90 * 1_000)
    assert affordable(32, 9, blocks, rows) == (columns, evidence)
    assert affordable(0, 0, blocks, rows) == (0, 0)
