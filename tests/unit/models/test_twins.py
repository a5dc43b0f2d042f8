"""Twins: merged columns are those that are multiples of one another, and a ridge solution does not notice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from consilience.models.learners.twins import merging


def test_multiples_are_merged_and_nothing_else():
    a, b = np.array([1, 0, 2, 0, 3.0]), np.array([0, 1, 0, 0, 3.0])
    matrix = csr_matrix(np.stack([a, b, 0.1 * a, 7 * b, a + b, -a, 0 * a], axis=1).astype(np.float32))
    bundles = [set(column.nonzero()[0]) for column in merging(matrix).toarray().T]
    assert sorted(map(sorted, bundles)) == [[0, 2], [1, 3], [4], [5], [6]]


@given(
    arrays(np.float32, (6, 9), elements=st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0])),
    st.floats(0.01, 10, allow_subnormal=False),
)
def test_the_ridge_solution_is_that_of_all_columns(plain, strength):
    matrix = csr_matrix(plain)
    goal = np.arange(6.0)
    twins = merging(matrix)

    def ridge(columns):
        return np.linalg.solve(columns.T @ columns + strength * np.eye(columns.shape[1]), columns.T @ goal)

    merged = twins @ ridge((matrix @ twins).toarray().astype(np.float64))
    np.testing.assert_allclose(merged, ridge(plain.astype(np.float64)), atol=1e-4)
