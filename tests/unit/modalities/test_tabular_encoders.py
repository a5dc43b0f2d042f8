"""Encoders of tables: shapes, padding that never leaks, gradients, saving and ONNX."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from consilience.core.batch import Tokens
from consilience.core.config import decode
from consilience.core.errors import ConfigError
from consilience.modalities.tabular import ENCODERS, Tabular

FEATURES = 7


def encoder(kind="mlp", seed=0, **settings):
    torch.manual_seed(seed)
    cls = ENCODERS.load(kind)
    return cls(cls.Config(**settings), {"features": FEATURES}).eval()


def tokens(rows=5, seed=0):
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, 1, FEATURES)).astype(np.float32))
    mask = torch.ones(rows, 1, dtype=torch.bool)
    mask[1] = False
    return Tokens(values=values, mask=mask)


@pytest.mark.parametrize("kind", ENCODERS)
def test_shapes_and_width(kind):
    model = encoder(kind)
    out = model(tokens())
    assert out.values.shape == (5, 1, model.width)
    assert out.mask.tolist() == tokens().mask.tolist()


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("scribble", [1e6, float("nan"), float("inf")])
def test_what_stands_under_a_mask_never_leaks(kind, scribble):
    model, clean = encoder(kind), tokens()
    dirty = Tokens(values=clean.values.clone(), mask=clean.mask)
    dirty.values[1] = scribble
    out = model(dirty)
    assert torch.equal(out.values, model(clean).values)
    assert torch.isfinite(out.values).all()
    assert not out.values[1].any()
    everything_missing = model(Tokens(values=clean.values * torch.nan, mask=torch.zeros(5, 1, dtype=torch.bool)))
    assert not everything_missing.values.any()


@pytest.mark.parametrize("kind", ENCODERS)
def test_gradients_are_finite_and_reach_every_parameter(kind):
    model, data = encoder(kind).train(), tokens()
    data.values[1] = float("nan")
    model(data).values.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_row_does_not_depend_on_the_others(kind):
    model, data = encoder(kind), tokens()
    alone = model(data.map(lambda array: array[2:3]))
    torch.testing.assert_close(model(data).values[2:3], alone.values)


@pytest.mark.parametrize("kind", ENCODERS)
def test_weights_survive_being_saved(kind):
    model = encoder(kind)
    again = encoder(kind, seed=1)
    assert not torch.equal(again(tokens()).values, model(tokens()).values)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(tokens()).values, model(tokens()).values)


def test_every_setting_changes_the_network():
    def sizes(**settings):
        return [tuple(p.shape) for p in encoder(**settings).parameters()]

    assert encoder(width=32).width == 32
    assert sizes(hidden=16) != sizes()
    assert len(sizes(layers=3)) > len(sizes()) > len(sizes(layers=0))
    dropped = encoder(dropout=0.5).train()
    assert not torch.equal(dropped(tokens()).values, dropped(tokens()).values)
    still = encoder(dropout=0.0).train()
    assert torch.equal(still(tokens()).values, still(tokens()).values)
    with pytest.raises(ConfigError, match="dropout"):
        decode(ENCODERS.load("mlp").Config, {"dropout": 1.0})


def test_it_learns_a_rule_from_a_real_table():
    modality = Tabular()
    config = modality.Config(columns={"x": "number", "c": "category"})
    rng = np.random.default_rng(0)
    rows = [(float(x), str(c)) for x, c in zip(rng.normal(size=256), rng.choice(["a", "b"], 256), strict=True)]
    target = torch.tensor([float((x > 0) == (c == "a")) for x, c in rows])  # neither column alone tells anything
    processor = modality.fit(rows, config, weights=np.ones(len(rows)))
    data = processor.collate(rows).map(torch.from_numpy)
    torch.manual_seed(0)
    cls = ENCODERS.load(modality.default_encoder)
    model = cls(cls.Config(width=16, hidden=32), processor.shape())
    head = nn.Linear(model.width, 1)
    optimiser = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(head(model(data).values[:, 0])[:, 0], target)
        loss.backward()
        optimiser.step()
    model.eval()
    accuracy = ((head(model(data).values[:, 0])[:, 0] > 0) == (target > 0.5)).float().mean()
    assert accuracy > 0.9


class Flat(nn.Module):
    """Named tensors in and out, as export wants them."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, values, mask):
        out = self.model(Tokens(values=values, mask=mask))
        return out.values, out.mask


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporter's own libraries warn about themselves
def test_onnx_gives_the_same_answer_at_any_batch_size(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = encoder(width=16, hidden=16)
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(
        Flat(model),
        (tokens().values, tokens().mask),
        dynamo=True,
        dynamic_shapes=({0: batch}, {0: batch}),
        verbose=False,
    )
    path = tmp_path / "mlp.onnx"
    program.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    for rows in (2, 9):
        data = tokens(rows)
        values, _ = session.run(None, dict(zip(names, (data.values.numpy(), data.mask.numpy()), strict=True)))
        np.testing.assert_allclose(values, model(data).values.detach().numpy(), atol=1e-5)
