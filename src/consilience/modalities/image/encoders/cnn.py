"""A small convolutional network trained from scratch: pictures [U, T, 3, H, W] to a grid of tokens of about 8 x 8.

Each stage is a 3 x 3 convolution of stride 2, a normalisation and ReLU; channels double up to the width. It neither
pools nor fuses: that is for whoever receives the tokens. Shape legend: U cells, T pictures a cell, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from consilience.core.batch import Tokens

GRID = 8
"""Tokens along a side that the number of stages aims at."""


class CnnEncoder(nn.Module):
    """`shape` is the image processor's: channels, height and width of a picture."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """Numbers per token (D)."""
        channels: int = 32
        """Channels after the first stage; they double with every stage, up to the width."""
        dropout: float = 0.0
        """Part of the tokens' numbers set to zero while training."""
        norm: Literal["batch", "group"] = "batch"
        """Normalise over the batch (faster to train), or within each picture (for batches of a few pictures)."""

        def __post_init__(self) -> None:
            if self.width < 1 or self.channels < 1:
                raise ValueError("width and channels must be at least 1")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and below 1; got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width = config.width
        stages = stage_count(min(shape["height"], shape["width"]))
        widths = [min(config.channels * 2**stage, config.width) for stage in range(stages - 1)] + [config.width]
        layers: list[nn.Module] = []
        for before, after in zip([shape["channels"], *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), _norm(config.norm, after)]
            layers.append(nn.ReLU())
        self.stages = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        """values [U, T, 3, H, W] -> [U, T * h * w, D]; the mask of a picture becomes the mask of all its tokens."""
        pictures, mask = tokens.values.flatten(0, 1), tokens.mask.flatten(0, 1)
        if self.training and not bool(mask.all()):
            grid = self._present_only(pictures, mask)
        else:
            # Whatever a masked picture holds (NaN, say) must not reach anything.
            grid = self.stages(pictures.masked_fill(~mask[:, None, None, None], 0.0))
        area = grid.shape[2] * grid.shape[3]
        cells, images = tokens.mask.shape
        values = grid.flatten(2).transpose(1, 2).reshape(cells, images * area, self.width)
        spread = tokens.mask.unsqueeze(2).expand(cells, images, area).reshape(cells, images * area)
        return Tokens(values=self.dropout(values.masked_fill(~spread.unsqueeze(2), 0.0)), mask=spread)

    def _present_only(self, pictures: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """While training, normalisation must learn from real pictures only. Never exported: nothing trains there."""
        height, width = pictures.shape[2:]
        for _ in range(stage_count(min(height, width))):
            height, width = (height + 1) // 2, (width + 1) // 2
        if not bool(mask.any()):
            return pictures.new_zeros(len(pictures), self.width, height, width)
        some = self.stages(pictures[mask])  # of another precision, perhaps
        return some.new_zeros(len(pictures), self.width, height, width).index_put((mask.nonzero().squeeze(1),), some)


def stage_count(side: int) -> int:
    """Halvings that bring `side` pixels nearest to GRID; at least one."""
    return max(1, round(math.log2(max(side, 1) / GRID)))


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(math.gcd(channels, 8), channels)
