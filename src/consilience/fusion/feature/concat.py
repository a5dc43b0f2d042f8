"""Concatenation + MLP: the baseline every other fusion must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from consilience.core.batch import Fused, Tokens
from consilience.fusion.feature.pooling import Absent, mlp, stack


class Concat(nn.Module):
    """[x_1 ; ... ; x_M] -> MLP. Inputs are laid side by side in the order of their sorted names."""

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
        self.mix = mlp(width * len(names), config.hidden, config.hidden, config.dropout)

    def forward(self, inputs: Mapping[str, Tokens]) -> Fused:
        vectors, present = stack(inputs, self.names)
        return Fused(pooled=self.mix(self.absent(vectors, present).flatten(1)))
