"""A residual network trained from scratch: pictures [U, T, 3, H, W] to a grid of tokens of about 8 x 8.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the stem of small pictures: one 3 x 3
convolution of stride 2. Then stages of blocks, the channels doubling and the sides halving from one stage to the next.
Shape legend: U cells, T pictures a cell, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import relu

from consilience.core.batch import Tokens
from consilience.modalities.image.encoders import grid


class ResnetEncoder(nn.Module):
    """`shape` is the image processor's: channels, height and width of a picture."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """Numbers per token (D)."""
        channels: int = 32
        """Channels of the first stage; they double with every stage, up to the width, which the last one has."""
        blocks: int = 2
        """Residual blocks of each stage, two convolutions in each."""
        dropout: float = 0.0
        """Part of the tokens' numbers set to zero while training."""
        norm: Literal["batch", "group"] = "batch"
        """Normalise over the batch (faster to train), or within each picture (for batches of a few pictures)."""

        def __post_init__(self) -> None:
            if self.width < 1 or self.channels < 1 or self.blocks < 1:
                raise ValueError("width, channels and blocks must be at least 1")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and below 1; got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width, self.halved = config.width, grid.halvings(shape)
        widths = grid.widths(config.channels, config.width, self.halved)
        before = widths[0]
        layers: list[nn.Module] = [
            nn.Conv2d(shape["channels"], before, 3, stride=2, padding=1, bias=False),
            grid.norm(config.norm, before),
            nn.ReLU(),
        ]
        for stage, after in enumerate(widths):
            for block in range(config.blocks):
                layers.append(_Block(before, after, 2 if stage and not block else 1, config.norm))
                before = after
        self.stages = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        """values [U, T, 3, H, W] -> [U, T * h * w, D]."""
        out = grid.encode(self.stages, tokens, width=self.width, halved=self.halved, training=self.training)
        return Tokens(values=self.dropout(out.values), mask=out.mask)


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which is a 1 x 1 convolution where the shape changes."""

    def __init__(self, before: int, after: int, stride: int, norm: str) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(grid.norm(norm, after) for _ in range(2))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), grid.norm(norm, after)
            )

    def forward(self, pictures: Tensor) -> Tensor:
        inner = self.norms[1](self.second(relu(self.norms[0](self.first(pictures)))))
        return relu(inner + self.shortcut(pictures))
