"""Gated multimodal units: every input proposes a vector, and gates that see all inputs say how much of it counts.

Arevalo et al., "Gated Multimodal Units for Information Fusion", ICLR workshop 2017, equations for more than two inputs:
h_m = tanh(W_m x_m), z_m = sigmoid(V_m [x_1 ; ... ; x_M]), h = sum of z_m h_m, feature by feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from consilience.core.batch import Fused, Tokens
from consilience.core.masks import masked
from consilience.fusion.feature.pooling import stack


class Gated(nn.Module):
    """The gate of a missing input is 0, and the other gates know that it is missing. `weights` of the answer: the mean
    gate of each input."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        hidden: int = 128
        """Width of the proposals, the gates and the fused vector."""
        dropout: float = 0.1
        """Dropout on the fused vector, 0 to 1."""

    pooled = True
    """Takes one token per input."""

    def __init__(self, config: Config, names: Sequence[str], width: int) -> None:
        super().__init__()
        self.names = tuple(sorted(names))
        self.width = config.hidden
        self.propose = nn.ModuleList(nn.Linear(width, config.hidden) for _ in names)
        self.gate = nn.ModuleList(nn.Linear((width + 1) * len(names), config.hidden) for _ in names)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs: Mapping[str, Tokens]) -> Fused:
        vectors, present = stack(inputs, self.names)
        vectors = masked(vectors, present)
        seen = torch.cat([vectors.flatten(1), present.to(vectors.dtype)], 1)
        by_input, weights, total = {}, {}, torch.zeros_like(self.gate[0](seen))
        for m, name in enumerate(self.names):
            gate = torch.sigmoid(self.gate[m](seen)) * present[:, m, None].to(seen.dtype)
            by_input[name] = gate * torch.tanh(self.propose[m](vectors[:, m]))
            weights[name] = gate.mean(1)
            total = total + by_input[name]
        return Fused(pooled=self.dropout(total), by_input=by_input, weights=weights)
