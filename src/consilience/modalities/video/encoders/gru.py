"""A small convolutional network for each frame, then a bidirectional GRU over the frames: films [U, K, 3, S, S] to one
token a frame that knows what came before and after it. J. Donahue et al.: Long-term recurrent convolutional networks,
2015, much smaller. Shape legend: U films, K frames, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from consilience.core.batch import Tokens
from consilience.core.masks import both_ways, masked

GRID = 4
"""Cells along a side of what is left of a frame: what stands where matters for what moves."""


class GruEncoder(nn.Module):
    """`shape` is the video processor's: channels, height and width of a frame."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """Numbers per token (D), even: half of them read forwards, half backwards."""
        channels: int = 16
        """Channels after the first stage; they double with every stage, up to the width."""
        dropout: float = 0.1
        """Part of each token's numbers set to zero while training."""

        def __post_init__(self) -> None:
            if self.width < 2 or self.width % 2:
                raise ValueError(f"width must be even and at least 2, got {self.width}")
            if self.channels < 1:
                raise ValueError("channels must be at least 1")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and less than 1, got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width = config.width
        side = shape["height"]
        stages = max(1, round(math.log2(side / GRID)))
        widths = [min(config.channels * 2**stage, config.width) for stage in range(stages)]
        layers: list[nn.Module] = []
        for before, after in zip([shape["channels"], *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            side = (side + 1) // 2
        self.stages = nn.Sequential(*layers)
        self.joined = nn.Linear(widths[-1] * side * side, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.forwards = nn.GRU(config.width, config.width // 2, batch_first=True)
        self.backwards = nn.GRU(config.width, config.width // 2, batch_first=True)

    def forward(self, tokens: Tokens) -> Tokens:
        """values [U, K, 3, S, S] -> [U, K, D] in the same mask."""
        mask_UK = tokens.mask
        frames = tokens.values.flatten(0, 1)
        real = mask_UK.flatten(0, 1)
        if self.training and not bool(mask_UK.all()):
            vectors = self._present_only(frames, real)
        else:
            # Whatever a masked frame holds (NaN, say) must not reach anything.
            vectors = self._each(frames.masked_fill(~real[:, None, None, None], 0.0))
        vectors_UKD = masked(self.dropout(vectors.unflatten(0, mask_UK.shape)), mask_UK)
        said_UKD = both_ways(self.forwards, self.backwards, vectors_UKD, mask_UK)
        # What a frame shows, and how it stands to the others.
        return Tokens(values=masked(self.dropout(vectors_UKD + said_UKD), mask_UK), mask=mask_UK)

    def _each(self, frames: Tensor) -> Tensor:
        return torch.relu(self.joined(self.stages(frames).flatten(1)))

    def _present_only(self, frames: Tensor, real: Tensor) -> Tensor:
        """While training, normalisation must learn from real frames only. Never exported: nothing trains there."""
        if not bool(real.any()):
            return frames.new_zeros(len(frames), self.width)
        some = self._each(frames[real])  # of another precision than the frames, perhaps
        return some.new_zeros(len(frames), self.width).index_put((real.nonzero().squeeze(1),), some)
