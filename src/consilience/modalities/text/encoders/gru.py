"""Bidirectional GRU: every token becomes a vector that knows what stands before and after it. Knows no other input.

Shape legend: U distinct cells, T tokens, D width, H half of it (one direction).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from consilience.core.batch import Tokens
from consilience.core.masks import masked
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
        place_UT = mask_UT.cumsum(1)  # 1 for the first real token, 2 for the second, ...
        before_UTH = _read(self.forwards, vectors_UTD, mask_UT, place_UT - 1)
        after_UTH = _read(self.backwards, vectors_UTD, mask_UT, place_UT[:, -1:] - place_UT)
        values_UTD = self.dropout(torch.cat([before_UTH, after_UTH], dim=-1))
        return Tokens(values=masked(values_UTD, mask_UT), mask=mask_UT)


def _read(gru: nn.GRU, vectors_UTD: Tensor, mask_UT: Tensor, turn_UT: Tensor) -> Tensor:
    """What the GRU says at each real token when it reads only those, in the order of `turn` (0, 1, ...).

    Real tokens are gathered to the front, so what stands elsewhere is read after them and cannot reach them. Unlike a
    packed sequence this needs no sorting by length, no copy to the CPU, and it exports to ONNX.
    """
    length = mask_UT.shape[1]
    end_UT = length + torch.arange(length, device=mask_UT.device)
    order_UT = torch.argsort(torch.where(mask_UT, turn_UT, end_UT), dim=1)
    said_UTH, _ = gru(_pick(vectors_UTD, order_UT))
    return _pick(said_UTH, turn_UT.masked_fill(~mask_UT, 0))


def _pick(values_UTD: Tensor, index_UT: Tensor) -> Tensor:
    return values_UTD.gather(1, index_UT.unsqueeze(-1).expand(-1, -1, values_UTD.shape[-1]))
