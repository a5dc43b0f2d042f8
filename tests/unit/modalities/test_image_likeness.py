"""Copies of a picture in another format or size are alike; other pictures, however simple, are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from consilience.modalities.image.config import Config
from consilience.modalities.image.likeness import NEAR, likeness
from consilience.modalities.image.transform import square


def drawing(seed):
    """A square of some colour at some place before a pale background."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (64, 64), (235, 235, 230))
    x, y = (int(v) for v in rng.integers(0, 40, 2))
    picture.paste(tuple(int(v) for v in rng.integers(30, 200, 3)), (x, y, x + 20, y + 20))
    return picture


def value(picture):
    return square(picture, Config(size=32))


def saved(picture, format, **how):
    buffer = io.BytesIO()
    picture.save(buffer, format, **how)
    return Image.open(io.BytesIO(buffer.getvalue()))


def apart(one, other):
    a, b = likeness([value(one), value(other)])
    return float(np.sqrt(((a - b) ** 2).mean()))


@pytest.mark.parametrize("seed", range(5))
def test_copies_are_near(seed):
    picture = drawing(seed)
    for copy in (saved(picture, "JPEG", quality=75), saved(picture, "WEBP", quality=80), picture.resize((90, 90))):
        assert apart(picture, copy) <= NEAR


def test_different_drawings_are_not_near():
    found = likeness([value(drawing(seed)) for seed in range(60)])
    apart = np.sqrt(((found[:, None] - found[None]) ** 2).mean(2))
    assert apart[~np.eye(60, dtype=bool)].min() > NEAR


def test_a_flat_picture_says_nothing():
    flat = np.full((32, 32, 3), 120, np.uint8)
    found = likeness([flat, None, value(drawing(0))])
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2]).all()


def test_a_picture_smaller_than_the_grid():
    assert likeness([np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5]).shape == (1, 48)
