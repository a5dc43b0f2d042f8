"""The contract of every modality with the store: what comes back is bit for bit what was computed, and `learned()`
is all that features depend on. A new modality is tested by being listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from consilience.core.limits import Limits
from consilience.core.sparse import CSR
from consilience.data import stored
from consilience.data.cells import Cells
from consilience.data.keys import key_of
from consilience.data.store import Store
from consilience.modalities import MODALITIES
from consilience.modalities.base import ColumnSample

SAMPLES = {
    "text": ["a red circle on white", "two blue squares", "好看 的 图片", "no circle at all"],
    "tabular": ["1.5", "2", "-3", "7e1", "12"],
}


@pytest.fixture(params=[*MODALITIES])
def made(request):
    """(modality, config, six values of which number 2 is missing, how to fit a processor on some of them)"""
    modality = MODALITIES.load(request.param)()
    raw = SAMPLES.get(request.param, [])
    column = ColumnSample(name="c", cells=raw, rows=len(raw), distinct=len(raw), root=Path("."))
    config = modality.resolve(modality.Config(), [column], [modality.kinds[0]])
    rng = np.random.default_rng(0)
    cells = [(cell,) for cell in raw] or [modality.example(config, None, rng) for _ in range(5)]
    values = [modality.load(cell, config, Path("."), Limits())[0] for cell in cells]
    values.insert(2, None)

    def fit(chosen):
        return modality.fit(chosen, config, weights=np.ones(len(chosen)))

    return modality, config, values, fit


def through(store, modality, config, values, processor):
    cells = Cells(values=values, index=np.arange(len(values)), groups=np.full(len(values), -1))
    with stored.features_space(store, modality, config, processor) as space:
        before = len(space)
        found = stored.features(values, cells.keys, processor, space)
        return found, len(space) - before


def arrays(found):
    matrix = found.matrix
    parts = [matrix.values, matrix.indices, matrix.indptr] if isinstance(matrix, CSR) else [matrix]
    return [found.present.tobytes(), *(part.tobytes() for part in parts)]


def test_features_come_back_bit_for_bit(made, tmp_path):
    modality, config, values, fit = made
    processor, store = fit([v for v in values if v is not None]), Store(tmp_path)
    want = processor.features(values)
    for new in (len({key_of(v) for v in values if v is not None}), 0):
        found, added = through(store, modality, config, values, processor)
        assert added == new
        assert found.names == want.names
        assert found.present.tolist() == [v is not None for v in values]
        assert arrays(found) == arrays(want)


def test_equal_learned_states_make_equal_features(made, tmp_path):
    """Processors fitted on other cells either say that they differ, or do not differ."""
    modality, config, values, fit = made
    there = [v for v in values if v is not None]
    one, other = fit(there), fit(there[:2])
    store = Store(tmp_path)
    through(store, modality, config, values, one)
    found, _ = through(store, modality, config, values, other)
    assert found.names == other.features([]).names
    assert arrays(found) == arrays(other.features(values))
