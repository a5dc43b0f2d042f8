"""What the convolutional encoders share: pictures in, a grid of tokens of about 8 x 8 out; missing pictures stay out.

Knows no network. Shape legend: U cells, T pictures a cell, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from consilience.core.batch import Tokens

GRID = 8
"""Tokens along a side that the number of halvings aims at."""


def halvings(shape: dict[str, int]) -> int:
    """Halvings that bring the shorter side of the image processor's `shape` nearest to GRID; at least one."""
    side = min(shape["height"], shape["width"])
    return max(1, round(math.log2(max(side, 1) / GRID)))


def widths(channels: int, width: int, count: int) -> list[int]:
    """Channels after each of `count` stages: they double up to the width, which is what the last one has."""
    return [min(channels * 2**stage, width) for stage in range(count - 1)] + [width]


def norm(kind: str, channels: int) -> nn.Module:
    """ "batch": over the batch; "group": within each picture."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(math.gcd(channels, 8), channels)


def encode(stages: Callable[[Tensor], Tensor], tokens: Tokens, *, width: int, halved: int, training: bool) -> Tokens:
    """values [U, T, 3, H, W] -> [U, T * h * w, D]; the mask of a picture becomes the mask of all its tokens.

    `stages`: pictures [N, 3, H, W] -> [N, D, h, w], each side halved `halved` times and rounded up.
    """
    pictures, mask = tokens.values.flatten(0, 1), tokens.mask.flatten(0, 1)
    if training and not bool(mask.all()):
        grid = _present_only(stages, pictures, mask, width, halved)
    else:
        # Whatever a masked picture holds (NaN, say) must not reach anything.
        grid = stages(pictures.masked_fill(~mask[:, None, None, None], 0.0))
    area = grid.shape[2] * grid.shape[3]
    cells, images = tokens.mask.shape
    values = grid.flatten(2).transpose(1, 2).reshape(cells, images * area, width)
    spread = tokens.mask.unsqueeze(2).expand(cells, images, area).reshape(cells, images * area)
    return Tokens(values=values.masked_fill(~spread.unsqueeze(2), 0.0), mask=spread)


def _present_only(
    stages: Callable[[Tensor], Tensor], pictures: Tensor, mask: Tensor, width: int, halved: int
) -> Tensor:
    """While training, normalisation must learn from real pictures only. Never exported: nothing trains there."""
    if not bool(mask.any()):
        height, across = (-(-side // 2**halved) for side in pictures.shape[2:])
        return pictures.new_zeros(len(pictures), width, height, across)
    some = stages(pictures[mask])  # of another precision than the pictures, perhaps
    return some.new_zeros(len(pictures), *some.shape[1:]).index_put((mask.nonzero().squeeze(1),), some)
