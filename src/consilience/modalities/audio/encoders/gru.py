"""Convolutions over time, then a bidirectional GRU: mel spectrograms [U, G, F, M] to one token every 40 ms that knows
what was heard before and after it. Shape legend: U sounds, G groups of F frames, M bands, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from consilience.core.batch import Tokens
from consilience.core.masks import both_ways, masked


class GruEncoder(nn.Module):
    """`shape` is the audio processor's: bands of the spectrogram, frames of a group.

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
        self.first = nn.Conv1d(shape["group"] * shape["bands"], config.width, 3, padding=1)
        self.second = nn.Conv1d(config.width, config.width, 3, padding=1)
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.forwards = nn.GRU(config.width, config.width // 2, batch_first=True)
        self.backwards = nn.GRU(config.width, config.width // 2, batch_first=True)

    def forward(self, tokens: Tokens) -> Tokens:
        """values [U, G, F, M] -> [U, G, D] in the same mask."""
        mask_UG, values_UGD = tokens.mask, masked(tokens.values.flatten(2), tokens.mask)
        for convolution in (self.first, self.second):
            values_UGD = torch.relu(convolution(values_UGD.transpose(1, 2)).transpose(1, 2))
            values_UGD = masked(values_UGD, mask_UG)
        values_UGD = self.dropout(self.norm(values_UGD))
        said_UGD = self.dropout(both_ways(self.forwards, self.backwards, values_UGD, mask_UG))
        return Tokens(values=masked(said_UGD, mask_UG), mask=mask_UG)
