"""Stored vectors as they are: whoever receives the tokens projects them. Shape legend: U cells, T tokens, D width."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from consilience.core.batch import Tokens


class Vectors(nn.Module):
    """`shape` is the processor's: the width of the vectors, and whether a cell is never more than one."""

    apart = True
    """What it says of a cell never depends on the other cells of the call, not even in training."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        dropout: float = 0.0
        """Part of the numbers set to zero while training."""

        def __post_init__(self) -> None:
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and below 1; got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width, self.single = shape["width"], bool(shape.get("single"))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        return Tokens(values=self.dropout(tokens.values), mask=tokens.mask)
