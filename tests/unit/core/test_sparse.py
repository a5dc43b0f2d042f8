"""CSR against SciPy."""

import numpy as np
import pytest
import scipy.sparse

from consilience.core.sparse import CSR


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(40, 25)) * (rng.random((40, 25)) < 0.15)
    dense[7] = 0
    matrix = scipy.sparse.csr_matrix(dense.astype(np.float32))
    ours = CSR(
        values=matrix.data, indices=matrix.indices.astype(np.int32), indptr=matrix.indptr.astype(np.int64), width=25
    )
    return ours, matrix


def test_matmul(pair) -> None:
    ours, matrix = pair
    dense = np.random.default_rng(0).normal(size=(25, 4))
    np.testing.assert_allclose(ours.matmul(dense), matrix @ dense, atol=1e-6)


def test_take_with_repeats_and_none(pair) -> None:
    ours, matrix = pair
    rows = np.array([3, 3, 7, 0, 39])
    np.testing.assert_array_equal(ours.take(rows).to_scipy().toarray(), matrix[rows].toarray())
    assert ours.take(np.array([], np.int64)).shape == (0, 25)


def test_columns(pair) -> None:
    ours, matrix = pair
    keep = np.array([4, 0, 24])
    np.testing.assert_array_equal(ours.columns(keep), matrix[:, keep].toarray())


def test_a_row_is_summed_on_its_own(pair) -> None:
    ours, _ = pair
    dense = np.random.default_rng(0).normal(size=(25, 4))
    alone = np.concatenate([ours.take(np.array([r])).matmul(dense) for r in range(40)])
    assert np.array_equal(alone, ours.matmul(dense))
