"""Cross-attention: the tokens of every input look at the tokens of all other inputs.

softmax(Q K^T / sqrt(d)) V with queries of one input over keys and values of the others, in both directions: Tsai et
al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", ACL 2019, with the others' tokens side by
side instead of one block for each pair.

Shape legend: B rows, T tokens of one input, S tokens of all others, H heads, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from consilience.core.batch import Fused, Tokens
from consilience.core.masks import masked, masked_max, masked_mean
from consilience.fusion.feature.pooling import Absent, mlp


class CrossAttention(nn.Module):
    """Attention, residual, norm, small MLP with residual for every input; then mean and maximum over its tokens, side
    by side -> MLP."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        heads: int = 4
        """Heads of the attention; they share `attended` evenly."""
        attended: int = 128
        """Width of queries, keys and values, all heads together."""
        hidden: int = 128
        """Width of the hidden layers and of the fused vector."""
        dropout: float = 0.1
        """Dropout after the attention and the hidden layers, 0 to 1."""

        def __post_init__(self) -> None:
            if self.heads < 1 or self.attended % self.heads:
                raise ValueError(f"attended ({self.attended}) must be a multiple of heads ({self.heads})")

    pooled = False
    """Takes all tokens of every input."""

    def __init__(self, config: Config, names: Sequence[str], width: int) -> None:
        super().__init__()
        self.names = tuple(sorted(names))
        self.width = config.hidden
        looking = self.names[1:] and self.names  # a single input has nobody to look at
        self.look = nn.ModuleList(_Look(config, width) for _ in looking)
        # What an input shows to the others: its keys and values.
        self.show = nn.ModuleList(nn.Linear(width, 2 * config.attended) for _ in looking)
        self.absent = Absent(len(names), 2 * width)
        self.mix = mlp(2 * width * len(names), config.hidden, config.hidden, config.dropout)

    def forward(self, inputs: Mapping[str, Tokens]) -> Fused:
        tokens = [inputs[name] for name in self.names]
        clean = [masked(t.values, t.mask) for t in tokens]
        shown = [show(values) for show, values in zip(self.show, clean, strict=False)]
        vectors = []
        for m, (values, own) in enumerate(zip(clean, tokens, strict=True)):
            if shown:
                others = [n for n in range(len(self.names)) if n != m]
                seen = torch.cat([shown[n] for n in others], 1)
                mask = torch.cat([tokens[n].mask for n in others], 1)
                values = self.look[m](values, seen, mask)
            vectors.append(torch.cat([masked_mean(values, own.mask), masked_max(values, own.mask)], 1))
        present = torch.stack([t.present for t in tokens], 1)
        filled = self.absent(torch.stack(vectors, 1), present)
        return Fused(pooled=self.mix(filled.flatten(1)))


class _Look(nn.Module):
    """One input's tokens [B, T, D] looking at what the others show [B, S, 2 A] -> [B, T, D]."""

    def __init__(self, config: CrossAttention.Config, width: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(width, config.attended)
        # One more key and value that are always there: to look at when all others are missing, or say nothing.
        self.nobody = nn.Parameter(0.02 * torch.randn(1, 1, 2 * config.attended))
        self.out = nn.Linear(config.attended, width)
        self.norm, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
        self.think = mlp(width, config.hidden, width, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, values: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
        rows = seen.shape[0]
        keys, contents = torch.cat([seen, self.nobody.expand(rows, -1, -1)], 1).chunk(2, 2)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
        found = scaled_dot_product_attention(
            self._split(self.query(values)), self._split(keys), self._split(contents), attn_mask=mask[:, None, None, :]
        )
        joined = found.transpose(1, 2).flatten(2)
        values = self.norm(values + self.dropout(self.out(joined)))
        thought: Tensor = self.last(values + self.think(values))
        return thought

    def _split(self, array: Tensor) -> Tensor:
        """[B, T, A] -> [B, H, T, A / H]."""
        return array.unflatten(2, (self.heads, -1)).transpose(1, 2)
