"""FiLM: every input scales and shifts every other one, feature by feature.

Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018: FiLM(x | c) = gamma(c) x + beta(c).
The paper conditions one stream on one other; here the condition of an input is the mean of what the other inputs that
are present ask for, so no input has a special role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import relu

from consilience.core.batch import Fused, Tokens
from consilience.fusion.feature.pooling import Absent, mlp, stack


class Film(nn.Module):
    """h_m = relu((1 + gamma_m) x_m + beta_m), conditioned on the others; then [h ; x ; products of pairs] -> MLP."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
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
        # What input n asks of each of the others, in order: [gamma beta] of the first, of the second, ...
        self.condition = nn.ModuleList(nn.Linear(width, 2 * width * (len(names) - 1)) for _ in names[1:] and names)
        self.mix = mlp(2 * width * len(names), config.hidden, config.hidden, config.dropout)

    def forward(self, inputs: Mapping[str, Tokens]) -> Fused:
        vectors, present = stack(inputs, self.names)
        filled = self.absent(vectors, present)
        asks = [ask(filled[:, n]).chunk(len(self.names) - 1, 1) for n, ask in enumerate(self.condition)]
        filmed = []
        for m in range(len(self.names)):
            total, count = torch.zeros_like(filled[:, m]).repeat(1, 2), torch.zeros_like(filled[:, m, :1])
            for n, given in enumerate(asks):
                if n != m:  # an input asks nothing of itself, and a missing one asks nothing of anybody
                    there = present[:, n, None].to(filled.dtype)
                    total, count = total + there * given[m - (m > n)], count + there
            gamma, beta = (total / count.clamp(min=1)).chunk(2, 1)
            filmed.append(relu((1 + gamma) * filled[:, m] + beta))
        return Fused(pooled=self.mix(torch.cat([*filmed, filled.flatten(1)], 1)))
