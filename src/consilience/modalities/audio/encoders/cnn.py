"""A small convolutional network trained from scratch: mel spectrograms [U, G, F, M] to one token every 80 ms.

Each stage is a 3 x 3 convolution over time and bands, a normalisation and ReLU, and halves both; what is left of the
bands is then joined into one vector per moment. It neither pools nor fuses.

Shape legend: U sounds, G groups of F frames, T frames, M bands, C channels, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from consilience.core.batch import Tokens
from consilience.core.masks import halved, lengthened, masked


class CnnEncoder(nn.Module):
    """`shape` is the audio processor's: bands of the spectrogram, frames of a group."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """Numbers per token (D)."""
        channels: int = 16
        """Channels after the first stage; they double with every stage."""
        stages: int = 3
        """Halvings of time and bands: three make a token every 80 ms."""
        dropout: float = 0.0
        """Part of the tokens' numbers set to zero while training."""

        def __post_init__(self) -> None:
            if self.width < 1 or self.channels < 1:
                raise ValueError("width and channels must be at least 1")
            if not 1 <= self.stages <= 6:
                raise ValueError(f"stages must be from 1 to 6; got {self.stages}")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and below 1; got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width = config.width
        widths = [config.channels * 2**stage for stage in range(config.stages)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            for before, after in zip([1, *widths], widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths)
        bands = shape["bands"]
        for _ in range(config.stages):
            bands = (bands + 1) // 2
        self.joined = nn.Linear(bands * widths[-1], config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        """values [U, G, F, M] -> [U, T', D], T' being G * F halved (rounded up) at every stage, and one more."""
        mask_UT = tokens.mask.unsqueeze(2).expand(tokens.values.shape[:3]).flatten(1)
        # Two tokens at least, as an exported graph needs them.
        values_UTM, mask_UT = lengthened(masked(tokens.values.flatten(1, 2), mask_UT), mask_UT, 2 ** len(self.norms))
        values_UTCM = values_UTM.unsqueeze(2)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            values_UTCM = convolution(values_UTCM.transpose(1, 2)).transpose(1, 2)
            mask_UT = halved(mask_UT)
            # Set to zero at every stage: past its end a sound must look the same, however long the others are.
            values_UTCM = torch.relu(_over_frames(norm, values_UTCM, mask_UT, training=self.training))
            values_UTCM = values_UTCM.masked_fill(~mask_UT[:, :, None, None], 0.0)
        values_UTD = self.dropout(torch.relu(self.joined(values_UTCM.flatten(2))))
        return Tokens(values=masked(values_UTD, mask_UT), mask=mask_UT)


def _over_frames(norm: nn.Module, values_UTCM: Tensor, mask_UT: Tensor, *, training: bool) -> Tensor:
    """Batch normalisation that, while training, learns from real frames only. Never exported: nothing trains there."""
    if not training:
        count, length = mask_UT.shape
        return norm(values_UTCM.flatten(0, 1)).unflatten(0, (count, length))
    if not bool(mask_UT.any()):
        return values_UTCM
    out = torch.zeros_like(values_UTCM)
    return out.index_put((mask_UT,), norm(values_UTCM[mask_UT]))
