"""Coordinates that ease a solver's way: nothing but the way may change."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from consilience.models.learners import additive
from consilience.models.learners.additive import Solver, minimise
from consilience.models.learners.linear import _Cross
from consilience.models.learners.precondition import Coordinates


def some_inputs():
    """A dense input with columns that say nearly the same, a narrow sparse one, and a wide one of rare columns."""
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(40, 3)).astype(np.float32)
    dense = np.concatenate([dense, dense + 0.01 * rng.normal(size=dense.shape).astype(np.float32)], axis=1)
    narrow = csr_matrix((rng.random((20, 5)) < 0.3).astype(np.float32))
    often = 1 / np.arange(2, 702)  # as words are
    wide = csr_matrix((rng.random((1500, 700)) < often).astype(np.float32))
    rows = 1500
    return [(matrix, rng.integers(0, matrix.shape[0], rows)) for matrix in (dense, narrow, wide)], rng


def coordinates_of(operands):
    held = [np.bincount(place, minlength=matrix.shape[0]) / len(place) for matrix, place in operands]
    columns = sum(matrix.shape[1] for matrix, _ in operands)
    return Coordinates([matrix for matrix, _ in operands], held, np.full(columns, 1e-3), curvature=0.5)


def test_there_and_back():
    operands, rng = some_inputs()
    coordinates = coordinates_of(operands)
    solution, gradient = rng.normal(size=(2, 712, 4))
    np.testing.assert_allclose(coordinates.solution(coordinates.of(solution)), solution, rtol=1e-6, atol=1e-9)
    # What a small step in the coordinates changes, the slope in the coordinates tells.
    step = rng.normal(size=solution.shape)
    np.testing.assert_allclose(
        np.vdot(coordinates.slope(gradient), step), np.vdot(gradient, coordinates.solution(step)), rtol=1e-9
    )


def test_they_are_those_of_the_curvature():
    """0.5 x^T w twice differentiated, and the penalty: the unit matrix, where the columns are few."""
    (operand, *_), _ = some_inputs()
    coordinates, (matrix, place) = coordinates_of([operand]), operand
    rows = matrix[place].astype(np.float64)
    curvature = 0.5 * rows.T @ rows / len(rows) + 1e-3 * np.eye(6)
    steps = coordinates.solution(np.eye(7))[:6, :6]
    np.testing.assert_allclose(steps.T @ curvature @ steps, np.eye(6), atol=1e-6)


def test_as_low_a_loss_in_fewer_steps(monkeypatch):
    operands, rng = some_inputs()
    number = (operands[0][0][operands[0][1], 0] + 2.0 * rng.normal(size=1500) > 0).astype(int)
    weights, ends = rng.uniform(0.5, 2, 1500), []

    def counting(*args, **kwargs):
        result = minimize(*args, **kwargs)
        ends.append(result)
        return result

    monkeypatch.setattr("scipy.optimize.minimize", counting)

    def fitted():
        how = Solver(C=1.0, max_iter=2000, tol=1e-5)
        minimise(operands, weights, _Cross(number, 2), 2, how, seconds=60)

    fitted()
    monkeypatch.setattr(additive._Eased, "given", lambda self, solution: solution)
    monkeypatch.setattr(additive._Eased, "solution", lambda self, flat: flat.reshape(-1, 2))
    monkeypatch.setattr(additive._Eased, "__call__", lambda self, flat: _plain(self._objective, flat))
    fitted()
    assert ends[0].fun == pytest.approx(ends[1].fun, rel=1e-3)
    assert ends[0].nit * 2 < ends[1].nit


def _plain(objective, flat):
    value, gradient = objective(flat.reshape(-1, 2))
    return value, gradient.reshape(-1)


@pytest.mark.parametrize("width", [3, 600])
def test_a_column_without_anything_in_it(width):
    empty = csr_matrix((4, width), dtype=np.float32)
    coordinates = Coordinates([empty], [np.full(4, 0.25)], np.zeros(width), curvature=1.0)
    solution = np.ones((width + 1, 1))
    there = coordinates.of(solution)
    assert np.isfinite(there).all()
    np.testing.assert_allclose(coordinates.solution(there), solution)


def test_columns_that_say_the_same_and_hardly_any_penalty():
    same = np.repeat(1e4 * np.random.default_rng(0).normal(size=(30, 1)), 100, axis=1).astype(np.float32)
    coordinates = Coordinates([same], [np.full(30, 1 / 30)], np.full(100, 1e-15), curvature=1.0)
    assert np.isfinite(coordinates.solution(coordinates.of(np.ones((101, 2))))).all()
