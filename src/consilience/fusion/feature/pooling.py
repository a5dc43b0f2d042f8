"""What the vector fusions share: the inputs of a batch side by side, and which of them are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from consilience.core.batch import Tokens
from consilience.core.masks import masked_mean


def stack(inputs: Mapping[str, Tokens], names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """{name: Tokens [B, T, D]} -> vectors [B, M, D], present [B, M]; in the order of `names`. The vector of a missing
    input may hold anything: `Absent` or `masked` puts something in its place."""
    vectors = []
    for values, mask in ((inputs[name].values, inputs[name].mask) for name in names):
        vectors.append(values.squeeze(1) if values.shape[1] == 1 else masked_mean(values, mask))
    return torch.stack(vectors, 1), torch.stack([inputs[name].present for name in names], 1)


class Absent(nn.Module):
    """A learned vector in the place of each missing input: "not there" must not look like any real value."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(0.02 * torch.randn(inputs, width))

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        return torch.where(present.unsqueeze(-1), vectors, self.vectors)


def mlp(width: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out))
