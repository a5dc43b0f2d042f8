"""A VGG-style network trained from scratch: pictures [U, T, 3, H, W] to a grid of tokens of about 8 x 8.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015: stages of 3 x 3
convolutions at full resolution, each stage closed by 2 x 2 max-pooling; here with a normalisation after every
convolution. Shape legend: U cells, T pictures a cell, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from consilience.core.batch import Tokens
from consilience.modalities.image.encoders import grid


class VggEncoder(nn.Module):
    """`shape` is the image processor's: channels, height and width of a picture."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """Numbers per token (D)."""
        channels: int = 16
        """Channels of the first stage, which works at full resolution and costs most; they double with every stage, up
        to the width, which the last one has."""
        convolutions: int = 2
        """Convolutions of each stage."""
        dropout: float = 0.0
        """Part of the tokens' numbers set to zero while training."""
        norm: Literal["batch", "group"] = "batch"
        """Normalise over the batch (faster to train), or within each picture (for batches of a few pictures)."""

        def __post_init__(self) -> None:
            if self.width < 1 or self.channels < 1 or self.convolutions < 1:
                raise ValueError("width, channels and convolutions must be at least 1")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and below 1; got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width, self.halved = config.width, grid.halvings(shape)
        layers: list[nn.Module] = []
        before = shape["channels"]
        for after in grid.widths(config.channels, config.width, self.halved):
            for _ in range(config.convolutions):
                layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), grid.norm(config.norm, after), nn.ReLU()]
                before = after
            layers.append(nn.MaxPool2d(2, ceil_mode=True))  # sides that are odd lose nothing
        self.stages = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        """values [U, T, 3, H, W] -> [U, T * h * w, D]."""
        out = grid.encode(self.stages, tokens, width=self.width, halved=self.halved, training=self.training)
        return Tokens(values=self.dropout(out.values), mask=out.mask)
