"""Relevance: columns whose presence tells of the answer cost less; nothing else changes."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from consilience.models.learners import relevance
from consilience.models.learners.relevance import penalty_factors

TARGET = np.array([0, 0, 0, 0, 1, 1, 1, 1])
COLUMNS = csr_matrix(
    np.array(
        [
            [1, 1, 1, 1, 0, 0, 0, 0],  # tells all
            [1, 0, 1, 0, 1, 0, 1, 0],  # tells nothing
            [1, 0, 0, 0, 0, 0, 0, 0],  # one row alone tells little
        ],
        np.float32,
    ).T
)
NUMBERS = np.where(TARGET, 1.0, -1.0)


def factors(matrix=COLUMNS, cell=None, weights=None, target=TARGET, *, share=0.5, discrete=True):
    cell = np.arange(8) if cell is None else cell
    weights = np.ones(len(cell)) if weights is None else weights
    return penalty_factors(matrix, cell, weights, target, discrete=discrete, share=share)


@pytest.mark.parametrize(("target", "discrete"), [(TARGET, True), (NUMBERS, False)])
def test_what_tells_more_costs_less(target, discrete):
    all_, nothing, little = factors(target=target, discrete=discrete)
    assert all_ < little < nothing


def test_a_share_of_none_leaves_all_alike():
    np.testing.assert_allclose(factors(share=0.0), 1.0)


def test_columns_that_tell_nothing_cost_what_they_did():
    np.testing.assert_allclose(factors(target=np.zeros(8, np.int64)), 1.0)


def test_the_columns_of_the_rows_are_as_long_as_before():
    mass = np.asarray(COLUMNS.multiply(COLUMNS).sum(0)).ravel()
    assert (mass / factors()).sum() == pytest.approx(mass.sum())


def test_a_weight_is_a_repetition():
    again = np.repeat(np.arange(8), [1, 1, 1, 1, 2, 3, 1, 1])
    weights = np.bincount(again).astype(float)
    np.testing.assert_allclose(factors(weights=weights), factors(cell=again, target=TARGET[again]))


def test_a_class_that_no_row_has_changes_nothing():
    np.testing.assert_allclose(factors(target=2 * TARGET), factors())


def test_stretches_of_cells_add_up(monkeypatch):
    whole = factors()
    monkeypatch.setattr(relevance, "_CELLS", 3)
    np.testing.assert_allclose(factors(), whole)
