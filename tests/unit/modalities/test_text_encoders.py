"""The contract of text encoders, for every one in the table."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from consilience.core.batch import Tokens
from consilience.core.config import decode
from consilience.core.errors import ConfigError
from consilience.modalities.text import ENCODERS, Text

VOCABULARY = 30
SHAPE = {"vocabulary": VOCABULARY, "length": 20}


def build(kind: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    cls = ENCODERS.load(kind)
    return cls(cls.Config(**{"width": 16, **settings}), SHAPE).eval()


def batch(lengths: tuple[int, ...] = (7, 3, 0, 1), seed: int = 0) -> Tokens:
    rng = np.random.default_rng(seed)
    mask = np.arange(max(1, *lengths)) < np.array(lengths)[:, None]
    values = np.where(mask, rng.integers(1, VOCABULARY, mask.shape), 0)
    return Tokens(values=torch.from_numpy(values), mask=torch.from_numpy(mask))


pytestmark = pytest.mark.parametrize("kind", ENCODERS)


def test_shapes_and_masked_rows(kind: str) -> None:
    encoder, tokens = build(kind), batch()
    out = encoder(tokens)
    assert encoder.width == 16
    assert out.values.shape == (4, 7, 16)
    assert torch.equal(out.mask, tokens.mask)
    assert out.values.isfinite().all()
    assert not out.values[~out.mask].any()
    assert out.values[out.mask].abs().sum(-1).min() > 0


def test_masked_positions_never_leak(kind: str) -> None:
    encoder, tokens = build(kind), batch()
    for scribble in (5, -3, 10**9):
        values = tokens.values.masked_fill(~tokens.mask, scribble)
        assert torch.equal(encoder(Tokens(values=values, mask=tokens.mask)).values, encoder(tokens).values)


def test_more_padding_changes_nothing(kind: str) -> None:
    encoder, tokens = build(kind), batch()
    wider = tokens.map(lambda array: nn.functional.pad(array, (0, 5)))
    torch.testing.assert_close(encoder(wider).values[:, :7], encoder(tokens).values, atol=1e-6, rtol=0)


def test_holes_are_as_if_the_tokens_were_not_there(kind: str) -> None:
    encoder = build(kind)
    values = torch.tensor([[0, 4, 0, 9, 6, 0]])
    with_holes = encoder(Tokens(values=values, mask=values > 0))
    without = encoder(Tokens(values=torch.tensor([[4, 9, 6]]), mask=torch.ones(1, 3, dtype=torch.bool)))
    torch.testing.assert_close(with_holes.values[0, [1, 3, 4]], without.values[0], atol=1e-6, rtol=0)


def test_rows_do_not_see_each_other(kind: str) -> None:
    encoder, tokens = build(kind), batch()
    order = torch.tensor([3, 0, 2, 1])
    shuffled = encoder(tokens.map(lambda array: array[order]))
    torch.testing.assert_close(shuffled.values, encoder(tokens).values[order], atol=1e-6, rtol=0)


def test_only_an_order_aware_encoder_sees_neighbours(kind: str) -> None:
    encoder, tokens = build(kind), batch((4,))
    before = encoder(tokens).values
    for changed, seen in ((0, 3), (3, 0)):  # looking back, looking ahead
        values = tokens.values.clone()
        values[0, changed] = (values[0, changed] + 1) % VOCABULARY
        after = encoder(Tokens(values=values, mask=tokens.mask)).values
        assert torch.equal(after[0, seen], before[0, seen]) == (kind == "bag")
        assert not torch.equal(after[0, changed], before[0, changed])


def test_every_parameter_trains_and_dropout_acts_in_training_only(kind: str) -> None:
    encoder, tokens = build(kind, dropout=0.5), batch()
    assert torch.equal(encoder(tokens).values, encoder(tokens).values)
    encoder.train()
    first = encoder(tokens).values
    assert not torch.equal(first, encoder(tokens).values)
    first.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_padding_has_no_gradient(kind: str) -> None:
    encoder = build(kind)
    encoder(batch()).values.sum().backward()
    assert not encoder.embedding.weight.grad[0].any()


def test_survives_save_and_load_bit_for_bit(kind: str, tmp_path: Path) -> None:
    encoder, tokens = build(kind), batch()
    save_file(encoder.state_dict(), tmp_path / "w.safetensors")
    torch.manual_seed(1)
    other = type(encoder)(type(encoder).Config(width=16), SHAPE).eval()
    assert not torch.equal(other(tokens).values, encoder(tokens).values)
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    assert torch.equal(other(tokens).values, encoder(tokens).values)


def test_learns_from_a_processor(kind: str) -> None:
    torch.manual_seed(0)
    texts = [f"{'not ' * negated}good {word}" for negated in (0, 1) for word in ("film", "book", "song", "game")] * 4
    modality = Text()
    processor = modality.fit(texts, modality.Config(), weights=np.ones(len(texts)))
    tokens = processor.collate(texts).map(torch.from_numpy)
    cls = ENCODERS.load(kind)
    encoder = cls(cls.Config(width=16), processor.shape())
    head = nn.Linear(16, 1)
    target = torch.tensor([float("not" in text) for text in texts])
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.02)

    def answer() -> Tensor:
        return head(encoder(tokens).values.sum(1)).squeeze(1)

    for _ in range(40):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(answer(), target).backward()
        optimiser.step()
    encoder.eval()
    assert ((answer() > 0) == (target > 0)).all()


@pytest.mark.parametrize("bad", [{"width": 0}, {"dropout": 1.0}, {"dropout": -0.1}])
def test_config_refuses(kind: str, bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        decode(ENCODERS.load(kind).Config, bad)
    if kind in ("gru", "lstm"):
        with pytest.raises(ConfigError, match="even"):
            decode(ENCODERS.load(kind).Config, {"width": 5})


class _Flat(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(Tokens(values=values, mask=mask)).values


@pytest.mark.slow
def test_exports_to_onnx_with_any_batch_and_length(kind: str, tmp_path: Path) -> None:
    import onnxruntime

    encoder, tokens = build(kind), batch()
    size = {0: torch.export.Dim("cells"), 1: torch.export.Dim("length")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            _Flat(encoder),
            (tokens.values, tokens.mask),
            tmp_path / "e.onnx",
            dynamo=True,
            dynamic_shapes=(size, size),
            input_names=["values", "mask"],
            verbose=False,
        )
    session = onnxruntime.InferenceSession(tmp_path / "e.onnx", providers=["CPUExecutionProvider"])
    for lengths in ((7, 3, 0, 1), (1,), (0,), (12, 0, 5, 4, 2, 9)):
        tokens = batch(lengths, seed=1)
        got = session.run(None, {"values": tokens.values.numpy(), "mask": tokens.mask.numpy()})[0]
        np.testing.assert_allclose(got, encoder(tokens).values.detach().numpy(), atol=1e-5)
