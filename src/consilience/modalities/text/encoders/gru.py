"""Bidirectional GRU: every token becomes a vector that knows what stands before and after it. Knows no other input.

Shape legend: U distinct cells, T tokens, D width, H half of it (one direction).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from consilience.core.batch import Tokens
from consilience.core.masks import both_ways, masked
from consilience.modalities.text.transform import PADDING


class GruEncoder(nn.Module):
    """ids [U, T] -> vectors [U, T, D], one per token, in the same mask; masked vectors are zero.

    K. Cho et al.: Learning phrase representations using RNN encoder-decoder for statistical machine translation, 2014.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """D, the width of a token's vector, even: half of it reads forwards, half backwards."""
        dropout: float = 0.1
        """Share of each token's vector set to zero in training, before and after the GRU, 0 to 1."""

        def __post_init__(self) -> None:
            if self.width < 2 or self.width % 2:
                raise ValueError(f"width must be even and at least 2, got {self.width}")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and less than 1, got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width = config.width
        self.embedding = nn.Embedding(shape["vocabulary"], config.width, padding_idx=PADDING)
        self.dropout = nn.Dropout(config.dropout)
        self.forwards = nn.GRU(config.width, config.width // 2, batch_first=True)
        self.backwards = nn.GRU(config.width, config.width // 2, batch_first=True)

    def forward(self, tokens: Tokens) -> Tokens:
        mask_UT = tokens.mask
        vectors_UTD = self.dropout(self.embedding(tokens.values.masked_fill(~mask_UT, PADDING)))
        values_UTD = self.dropout(both_ways(self.forwards, self.backwards, vectors_UTD, mask_UT))
        return Tokens(values=masked(values_UTD, mask_UT), mask=mask_UT)
