"""Every modality shows its cells on a page: words, or a small picture that opens."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from consilience.core.limits import Limits
from consilience.core.optional import MissingExtra
from consilience.modalities import MODALITIES
from consilience.modalities.base import PREVIEW, ColumnSample


@pytest.mark.parametrize("name", list(MODALITIES))
def test_a_cell_can_be_shown(name: str) -> None:
    modality = MODALITIES.load(name)()
    rng = np.random.default_rng(0)
    column = ColumnSample(name="cell", cells=["1.5", "2.5"], rows=2, distinct=2, root=Path("."))
    try:
        config = modality.resolve(modality.Config(), [column], [modality.kinds[0]])
    except MissingExtra:
        pytest.skip("its decoder is not installed")
    processor = modality.fit([], config, weights=np.zeros(0))
    cell = modality.example(config, processor, rng)
    value, _ = modality.load(cell, config, Path("."), Limits())
    shown = modality.preview(["cell"], cell, value, config)
    assert shown.words or shown.content
    assert len(shown.words) <= PREVIEW
    assert len(shown.content) < 100_000
    if shown.content:
        assert shown.media_type == "image/png"
        with Image.open(io.BytesIO(shown.content)) as picture:
            assert min(picture.size) > 1
            assert np.asarray(picture).std() > 1  # something is to be seen
    again = modality.preview(["cell"], cell, value, config)
    assert again == shown
