"""The PNG files that previews are made of, read by another program."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from consilience.modalities.png import png


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (3,)]), st.integers(0, 2**32 - 1))
def test_pixels_come_back(height, width, channels, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as picture:
        picture.load()  # checks the checksums
        assert picture.mode == ("RGB" if channels else "L")
        np.testing.assert_array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize("step", [2, -1])
def test_a_view_of_an_array_is_written_as_it_looks(step):
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)[::step, ::step]
    with Image.open(io.BytesIO(png(pixels))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)
