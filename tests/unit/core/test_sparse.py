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


def test_matmul_in_stretches_is_the_same(pair, monkeypatch) -> None:
    from consilience.core import sparse

    ours, _ = pair
    dense = np.random.default_rng(0).normal(size=(25, 4))
    whole = ours.matmul(dense)
    for most in (1, 30, 100):
        monkeypatch.setattr(sparse, "_PAIRS", most)
        np.testing.assert_array_equal(ours.matmul(dense), whole)


def test_take_with_repeats_and_none(pair) -> None:
    ours, matrix = pair
    rows = np.array([3, 3, 7, 0, 39])
    np.testing.assert_array_equal(ours.take(rows).to_scipy().toarray(), matrix[rows].toarray())
    assert ours.take(np.array([], np.int64)).shape == (0, 25)


def test_taking_all_rows_copies_nothing(pair) -> None:
    ours, matrix = pair
    assert ours.take(np.arange(40)) is ours
    np.testing.assert_array_equal(ours.take(np.arange(40)[::-1]).to_scipy().toarray(), matrix[::-1].toarray())


def test_columns(pair) -> None:
    ours, matrix = pair
    keep = np.array([4, 0, 24])
    np.testing.assert_array_equal(ours.columns(keep), matrix[:, keep].toarray())


def test_a_row_is_summed_on_its_own(pair) -> None:
    ours, _ = pair
    dense = np.random.default_rng(0).normal(size=(25, 4))
    alone = np.concatenate([ours.take(np.array([r])).matmul(dense) for r in range(40)])
    assert np.array_equal(alone, ours.matmul(dense))


@pytest.mark.parametrize("most", [1, 50, 1 << 20])
def test_dot(pair, most, monkeypatch) -> None:
    monkeypatch.setattr("consilience.core.sparse._PAIRS", most)  # however the rows are cut
    ours, matrix = pair
    other = ours.take(np.array([5, 7, 5, 39, 0]))
    got = ours.dot(other)
    np.testing.assert_allclose(got, (matrix @ matrix[[5, 7, 5, 39, 0]].T).toarray(), atol=1e-6)
    assert np.array_equal(ours.take(np.array([9])).dot(other)[0], got[9]), "alone as among others"
    assert ours.dot(ours.take(np.zeros(0, int))).shape == (40, 0)
    assert ours.take(np.zeros(0, int)).dot(ours).shape == (0, 40)
    assert not ours.take(np.array([7])).dot(ours).any()


@pytest.mark.parametrize("columns", [[], [0], [3, 4, 24], list(range(25))])
def test_narrow(pair, columns) -> None:
    ours, matrix = pair
    got = ours.narrow(np.array(columns, np.int32))
    assert got.shape == (40, len(columns))
    np.testing.assert_array_equal(got.to_scipy().toarray(), matrix[:, columns].toarray())


def test_numbers_of_half_the_precision_are_added_up_in_full() -> None:
    values = np.full(20_000, 0.1, np.float32)
    row = CSR(values=values, indices=np.zeros(20_000, np.int32), indptr=np.array([0, 20_000]), width=1)
    np.testing.assert_allclose(row.matmul(np.array([[0.1]], np.float32)), 20_000 * float(np.float32(0.1)) ** 2)
