"""Convolutions over time, then a bidirectional GRU: mel spectrograms [U, T, M] to one token every 40 ms that knows what
was heard before and after it. Shape legend: U sounds, T frames, M bands, D width, H half of it (one direction).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from consilience.core.batch import Tokens
from consilience.core.masks import both_ways, masked


class GruEncoder(nn.Module):
    """`shape` is the audio processor's: bands of the spectrogram.

    D. Amodei et al.: Deep Speech 2, 2016 (convolutions that shorten, recurrence above them), much smaller.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """Numbers per token (D), even: half of them read forwards, half backwards."""
        dropout: float = 0.1
        """Part of each token's numbers set to zero while training."""

        def __post_init__(self) -> None:
            if self.width < 2 or self.width % 2:
                raise ValueError(f"width must be even and at least 2, got {self.width}")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and less than 1, got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width = config.width
        self.first = nn.Conv1d(shape["bands"], config.width, 5, stride=2, padding=2)
        self.second = nn.Conv1d(config.width, config.width, 5, stride=2, padding=2)
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.forwards = nn.GRU(config.width, config.width // 2, batch_first=True)
        self.backwards = nn.GRU(config.width, config.width // 2, batch_first=True)

    def forward(self, tokens: Tokens) -> Tokens:
        """values [U, T, M] -> [U, T', D], T' a quarter of T (rounded up)."""
        mask_UT, values_UTD = tokens.mask, masked(tokens.values, tokens.mask)
        for convolution in (self.first, self.second):
            mask_UT = mask_UT[:, ::2]
            values_UTD = torch.relu(convolution(values_UTD.transpose(1, 2)).transpose(1, 2))
            values_UTD = masked(values_UTD, mask_UT)
        values_UTD = self.dropout(self.norm(values_UTD))
        said_UTD = self.dropout(both_ways(self.forwards, self.backwards, values_UTD, mask_UT))
        return Tokens(values=masked(said_UTD, mask_UT), mask=mask_UT)
