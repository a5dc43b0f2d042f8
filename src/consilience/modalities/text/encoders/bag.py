"""Bag of words: every token becomes a vector of its own, whatever stands around it. Knows no other input.

Shape legend: U distinct cells, T tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from consilience.core.batch import Tokens
from consilience.core.masks import masked
from consilience.modalities.text.transform import PADDING


class BagEncoder(nn.Module):
    """ids [U, T] -> vectors [U, T, D], one per token, in the same mask; masked vectors are zero."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """D, the width of a token's vector."""
        dropout: float = 0.1
        """Share of each token's vector set to zero in training, 0 to 1."""

        def __post_init__(self) -> None:
            if self.width < 1:
                raise ValueError(f"width must be at least 1, got {self.width}")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and less than 1, got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width = config.width
        self.embedding = nn.Embedding(shape["vocabulary"], config.width, padding_idx=PADDING)
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(config.width, config.width)

    def forward(self, tokens: Tokens) -> Tokens:
        # What stands at masked positions may be anything, numbers outside the vocabulary too.
        ids_UT = tokens.values.masked_fill(~tokens.mask, PADDING)
        values_UTD = torch.relu(self.linear(self.dropout(self.embedding(ids_UT))))
        return Tokens(values=masked(values_UTD, tokens.mask), mask=tokens.mask)
