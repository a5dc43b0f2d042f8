"""Arrays as one row of bytes and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consilience.modalities.packed import Layout

LAYOUT = Layout(arrays={"a": ("f4", ()), "b": ("f2", (3,)), "c": ("u1", (2, 2))})


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_what_is_packed_comes_back(a: int, b: int, c: int) -> None:
    rng = np.random.default_rng(a + 7 * b + 49 * c)
    arrays = {
        "a": rng.normal(size=a).astype("f4"),
        "b": rng.normal(size=(b, 3)).astype("f2"),
        "c": rng.integers(0, 256, (c, 2, 2), np.uint8),
    }
    row = LAYOUT.pack(**arrays)
    assert row.dtype == np.uint8
    assert len(row) == LAYOUT.most(a=a, b=b, c=c)
    back = LAYOUT.unpack(row)
    assert all(np.array_equal(back[name], arrays[name]) and back[name].dtype == arrays[name].dtype for name in arrays)
