"""The contract of every encoder of every modality. A new one is tested by being listed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from consilience.core.batch import Tokens
from consilience.core.limits import Limits
from consilience.modalities import MODALITIES
from consilience.modalities.base import ColumnSample

ALL = [(m, e) for m in MODALITIES for e in MODALITIES.load(m).encoders]
SAMPLES = {  # raw cells from which a modality's processor can learn something
    "text": ["a red circle on white", "two blue squares", "好看 的 图片", "no circle at all"] * 3,
    "tabular": ["1.5", "2", "-3", "7e1", "12"] * 3,
}


@pytest.fixture(params=ALL, ids=lambda pair: "/".join(pair))
def made(request):
    """(encoder in evaluation mode, Tokens of 6 cells of which number 2 is missing, how to build another)."""
    name, kind = request.param
    modality = MODALITIES.load(name)()
    rng = np.random.default_rng(0)
    raw = SAMPLES.get(name)
    if raw is None:  # media: whatever the modality makes up as an example
        config = modality.resolve(modality.Config(), [column([])], [modality.kinds[0]])
        cells = [modality.example(config, None, rng) for _ in range(12)]
    else:
        config = modality.resolve(modality.Config(), [column(raw)], [modality.kinds[0]])
        cells = [(cell,) for cell in raw]
    values = [modality.load(cell, config, Path("."), Limits())[0] for cell in cells]
    processor = modality.fit(values, config, weights=np.ones(len(values)))
    tokens = processor.collate([values[0], values[1], None, values[2], values[3], values[4]])
    cls = modality.encoders.load(kind)

    def build(seed=0):
        torch.manual_seed(seed)
        return cls(cls.Config(), processor.shape()).eval()

    return build(), tokens.map(torch.from_numpy), build


def column(cells):
    return ColumnSample(name="c", cells=cells, rows=len(cells), distinct=len(set(cells)), root=Path("."))


def test_shapes_and_masks(made):
    encoder, tokens, _ = made
    out = encoder(tokens)
    assert out.values.shape == (*out.mask.shape, encoder.width)
    assert out.mask.any(1).tolist() == [True, True, False, True, True, True]


def test_masked_positions_never_leak(made):
    encoder, tokens, _ = made
    mask = tokens.mask.reshape(*tokens.mask.shape, *[1] * (tokens.values.ndim - 2))
    scribbled = Tokens(values=torch.where(mask, tokens.values, torch.ones_like(tokens.values)), mask=tokens.mask)
    plain, other = encoder(tokens), encoder(scribbled)
    assert torch.equal(plain.mask, other.mask)
    assert torch.equal(plain.values[plain.mask], other.values[other.mask])


def test_a_cell_depends_on_itself_alone(made):
    encoder, tokens, _ = made
    together = encoder(tokens)
    alone = encoder(tokens.map(lambda t: t[3:4]))
    length = alone.mask.sum()
    torch.testing.assert_close(
        alone.values[0][alone.mask[0]], together.values[3][together.mask[3]], atol=1e-5, rtol=1e-4
    )
    assert length == together.mask[3].sum()


def test_finite_when_everything_is_missing(made):
    encoder, tokens, _ = made
    gone = Tokens(values=tokens.values, mask=torch.zeros_like(tokens.mask))
    out = encoder(gone)
    assert not out.mask.any()
    assert torch.isfinite(out.values).all()


def test_every_parameter_trains(made):
    encoder, tokens, _ = made
    present = tokens.map(lambda t: t[tokens.mask.any(1)])
    out = encoder.train()(present)
    (out.values[out.mask] ** 2).sum().backward()
    idle = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_saves_and_loads_bit_for_bit(made, tmp_path):
    from safetensors.torch import load_file, save_file

    encoder, tokens, build = made
    save_file(encoder.state_dict(), tmp_path / "e.safetensors")
    again = build(seed=1)
    assert not torch.equal(again(tokens).values, encoder(tokens).values)
    again.load_state_dict(load_file(tmp_path / "e.safetensors"))
    assert torch.equal(again(tokens).values, encoder(tokens).values)
