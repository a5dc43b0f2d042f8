"""Transformer: every token looks at all tokens of its text, several times over. Knows no other input.

Shape legend: U distinct cells, T tokens, D width, H heads, E width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from consilience.core.batch import Tokens
from consilience.core.masks import masked
from consilience.modalities.text.transform import PADDING

_SLOWEST = 10_000.0
"""Of rotary positions: the pairs of numbers turn once in 2 pi to 2 pi times this many tokens."""


class TransformerEncoder(nn.Module):
    """ids [U, T] -> vectors [U, T, D], one per token, in the same mask; masked vectors are zero.

    Vaswani et al. 2017, normalised before each layer (Xiong et al. 2020).
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """D, the width of a token's vector."""
        heads: int = 4
        """Heads of the attention; they share the width evenly."""
        layers: int = 2
        """How often tokens look at each other."""
        hidden: int = 256
        """Width inside the small network that follows each look."""
        dropout: float = 0.1
        """Share set to zero in training, of a token's first vector and of what each layer adds to it, 0 to 1."""
        positions: Literal["rotary", "learned"] = "rotary"
        """How a token knows its place. Queries and keys are turned by it, so that distances count (Su et al. 2021);
        or a learned vector for each place is added to the token's."""

        def __post_init__(self) -> None:
            if self.width < 1 or self.hidden < 1 or self.layers < 1:
                raise ValueError("width, hidden and layers must be at least 1")
            if self.heads < 1 or self.width % self.heads:
                raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
            if self.positions == "rotary" and self.width // self.heads % 2:
                raise ValueError(f"width / heads must be even for rotary positions, got {self.width // self.heads}")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"dropout must be at least 0 and less than 1, got {self.dropout}")

    def __init__(self, config: Config, shape: dict[str, int]) -> None:
        super().__init__()
        self.width = config.width
        self.embedding = nn.Embedding(shape["vocabulary"], config.width, padding_idx=PADDING)
        learned = config.positions == "learned"
        self.places = nn.Parameter(torch.randn(shape["length"], config.width)) if learned else None
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens: Tokens) -> Tokens:
        mask_UT = tokens.mask
        place_UT = (mask_UT.cumsum(1) - 1).clamp(min=0)  # among the real tokens
        values_UTD = self.embedding(tokens.values.masked_fill(~mask_UT, PADDING))
        if self.places is not None:
            values_UTD = values_UTD + self.places[place_UT]
        values_UTD = self.dropout(values_UTD)
        # A text without any token may look at anything, for an average over nothing is no number; it stays masked.
        seen_UT = mask_UT | ~mask_UT.any(1, keepdim=True)
        for layer in self.layers:
            values_UTD = layer(values_UTD, seen_UT, None if self.places is not None else place_UT)
        return Tokens(values=masked(self.norm(values_UTD), mask_UT), mask=mask_UT)


class _Layer(nn.Module):
    """Attention, then a small network on each token; each adds to what it was given."""

    def __init__(self, config: TransformerEncoder.Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.before, self.between = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.ask = nn.Linear(config.width, 3 * config.width, bias=False)  # a bias of keys would change nothing
        self.say = nn.Linear(config.width, config.width)
        self.think = nn.Sequential(
            nn.Linear(config.width, config.hidden), nn.GELU(), nn.Linear(config.hidden, config.width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, values_UTD: Tensor, seen_UT: Tensor, place_UT: Tensor | None) -> Tensor:
        """`place_UT`: by which queries and keys are turned; None: not at all."""
        asked = self.ask(self.before(values_UTD)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries_UHTE, keys_UHTE, contents_UHTE = asked.unbind(0)
        if place_UT is not None:
            queries_UHTE, keys_UHTE = _turn(queries_UHTE, place_UT), _turn(keys_UHTE, place_UT)
        found = scaled_dot_product_attention(
            queries_UHTE, keys_UHTE, contents_UHTE, attn_mask=seen_UT[:, None, None, :]
        )
        values_UTD = values_UTD + self.dropout(self.say(found.transpose(1, 2).flatten(2)))
        thought: Tensor = values_UTD + self.dropout(self.think(self.between(values_UTD)))
        return thought


def _turn(values_UHTE: Tensor, place_UT: Tensor) -> Tensor:
    """Number i and number i + E/2 of a vector are a point in the plane, turned by place / 10,000^(2 i / E)."""
    half = values_UHTE.shape[3] // 2
    speed = _SLOWEST ** (-torch.arange(half, device=values_UHTE.device, dtype=torch.float32) / half)
    angle = place_UT[:, None, :, None].float() * speed
    sine, cosine = angle.sin().to(values_UHTE.dtype), angle.cos().to(values_UHTE.dtype)
    first, second = values_UHTE[..., :half], values_UHTE[..., half:]
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
