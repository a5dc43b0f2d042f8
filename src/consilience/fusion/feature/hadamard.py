"""Hadamard products: what two inputs agree on, dimension by dimension (low-rank bilinear pooling).

Kim et al., "Hadamard Product for Low-rank Bilinear Pooling", ICLR 2017: f = P (tanh(U x) * tanh(V y)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import nn

from consilience.core.batch import Fused, Tokens
from consilience.fusion.feature.pooling import Absent, mlp, stack


class Hadamard(nn.Module):
    """Every input, and the product of every pair of inputs, side by side -> MLP."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        rank: int = 128
        """Width in which the products are taken."""
        hidden: int = 128
        """Width of the hidden layer and of the fused vector."""
        dropout: float = 0.1
        """Dropout after the hidden layer, 0 to 1."""

    pooled = True
    """Takes one token per input."""

    def __init__(self, config: Config, names: Sequence[str], width: int) -> None:
        super().__init__()
        self.names = tuple(sorted(names))
        self.width = config.hidden
        self.absent = Absent(len(names), width)
        self.factors = nn.ModuleList(nn.Linear(width, config.rank) for _ in names)
        self.pairs = list(combinations(range(len(names)), 2))
        self.mix = mlp(config.rank * (len(names) + len(self.pairs)), config.hidden, config.hidden, config.dropout)

    def forward(self, inputs: Mapping[str, Tokens]) -> Fused:
        vectors, present = stack(inputs, self.names)
        vectors = self.absent(vectors, present)
        factors = [torch.tanh(factor(vectors[:, m])) for m, factor in enumerate(self.factors)]
        products = [factors[a] * factors[b] for a, b in self.pairs]
        return Fused(pooled=self.mix(torch.cat([*factors, *products], 1)))
