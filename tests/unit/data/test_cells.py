"""Values kept in arrays, and narrowing a dataset to some of its rows."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.data.cells import ArrayValues, Cells, Dataset, Problem
from consilience.data.sink import FileSink, open_sink


def values() -> ArrayValues:
    return ArrayValues(np.arange(12, dtype=np.float32).reshape(3, 2, 2), np.array([True, False, True]))


def test_values_are_views_or_none() -> None:
    kept = values()
    assert len(kept) == 3
    assert kept[1] is None
    assert (kept[-1] == [[8, 9], [10, 11]]).all()
    assert [v is None for v in kept] == [False, True, False]
    assert [v is None for v in kept[1:]] == [True, False]
    with pytest.raises(IndexError):
        kept[3]
    with pytest.raises(ValueError, match="read-only"):
        kept[0][0, 0] = 5


def test_gather_takes_many_at_once() -> None:
    array, ok = values().gather(np.array([2, 1, 2]))
    assert array.shape == (3, 2, 2)
    assert ok.tolist() == [True, False, True]
    assert (array[0] == array[2]).all()
    array[:] = 0  # a copy
    assert values()[2][0, 0] == 8


def test_take_narrows_rows_and_keeps_values() -> None:
    problems = (Problem(row=0, column="a", reason="r"), Problem(row=2, column="a", reason="q", whole=False))
    cells = Cells(values=["x", None], index=np.array([1, 0, 0]), groups=np.array([-1, 5, 5]), problems=problems)
    part = Dataset(inputs={"a": cells}, rows=3).take(np.array([2, 0, 2]))
    kept = part.inputs["a"]
    assert part.rows == 3
    assert kept.values is cells.values
    assert (kept.index.tolist(), kept.groups.tolist()) == ([0, 1, 0], [5, -1, 5])
    assert [(p.row, p.reason, p.whole) for p in kept.problems] == [(0, "q", False), (1, "r", True), (2, "q", False)]
    assert cells.weights().tolist() == [2, 1]
    assert cells.take(np.array([1])).weights().tolist() == [1, 0]


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bool", "int64"])
def test_a_file_sink_keeps_values_out_of_order(tmp_path, dtype: str) -> None:
    sink = open_sink(3, ((2, 3), np.dtype(dtype)), tmp_path)
    assert isinstance(sink, FileSink)
    assert (sink.path.stat().st_blocks * 512) < 100_000
    value = np.ones((3, 2), dtype).T  # not contiguous
    sink.put(2, value)
    sink.put(0, np.zeros((2, 3), dtype))
    kept = sink.finish(np.array([True, False, True]))
    assert kept[1] is None
    assert kept[2].dtype == dtype
    assert (kept[2] == 1).all()
    assert (kept[0] == 0).all()
    sink.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.float32)])
def test_values_that_are_not_alike_are_a_bug(tmp_path, value: np.ndarray) -> None:
    for scratch in (None, tmp_path):
        with pytest.raises(AssertionError, match=r"Modality\.array"):
            open_sink(1, ((2, 3), np.dtype(np.uint8)), scratch).put(0, value)
