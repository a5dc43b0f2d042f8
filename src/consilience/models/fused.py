"""Encoders -> fusion -> head, one network. Knows inputs by name, their encoders and their shapes; no modality.

Shape legend: B rows, U distinct cells, T tokens, D width, K answer columns.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from consilience.core.batch import Batch, Output, Tokens, register_pytrees
from consilience.core.masks import masked, masked_max, masked_mean
from consilience.fusion import FEATURE_FUSIONS
from consilience.models.config import DeepConfig

register_pytrees()


class Summary(nn.Module):
    """Encoder tokens [U, T, D'] -> what a fusion takes: one token [U, 1, D] (mean and maximum over T), or all.

    `single`: T is always 1, so there is nothing to sum up.
    """

    def __init__(self, encoded: int, width: int, *, pooled: bool, single: bool, dropout: float) -> None:
        super().__init__()
        self.pooled = pooled and not single
        self.project = nn.Linear(2 * encoded if self.pooled else encoded, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tokens) -> Tokens:
        if not self.pooled:
            values = self.dropout(self.project(masked(tokens.values, tokens.mask)))
            return Tokens(values=values, mask=tokens.mask)
        both = torch.cat([masked_mean(tokens.values, tokens.mask), masked_max(tokens.values, tokens.mask)], 1)
        mask = tokens.mask.any(1, keepdim=True)
        return Tokens(values=self.dropout(self.project(both)).unsqueeze(1), mask=mask)


class FusedModel(nn.Module):
    """A batch of distinct cells -> scores of its rows."""

    def __init__(self, config: DeepConfig, encoders: Mapping[str, nn.Module], out: int) -> None:
        """`encoders`: by input name, each with a `width`. `out`: K."""
        super().__init__()
        names = sorted(encoders)
        fusion = FEATURE_FUSIONS.load(config.fusion.kind)
        # ModuleDict keys may not contain dots, and column names may; so the modules are numbered.
        self.names = tuple(names)
        self.encoders = nn.ModuleList(encoders[n] for n in names)
        self.summaries = nn.ModuleList(
            Summary(
                int(encoders[n].width),  # type: ignore[arg-type]
                config.width,
                pooled=fusion.pooled,
                single=getattr(encoders[n], "single", False),
                dropout=config.dropout,
            )
            for n in names
        )
        self.fusion = fusion(config.fusion.config, names, config.width)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(self.fusion.width, out))
        # Last, so that everything else begins with the same weights whether these are there or not.
        alone = names if config.auxiliary else []
        self.auxiliary, self.alone = config.auxiliary, nn.ModuleList(nn.Linear(config.width, out) for _ in alone)

    def forward(self, batch: Batch) -> Output:
        """Scores [B, K]. In training with auxiliary heads also "alone" [M, B, K], what each input says by itself, and
        "present" [M, B], where it is there to say it."""
        cells = {name: self.encode(name, batch.inputs[name]) for name in self.names}
        out = self.answer(cells, batch.cells)
        if not self.training or not self.alone:
            return out
        says, present = [], []
        for name, head in zip(self.names, self.alone, strict=True):
            vector = torch.relu(masked_mean(cells[name].values, cells[name].mask))
            says.append(head(vector)[batch.cells[name]])
            present.append(cells[name].present[batch.cells[name]])
        return Output(values={**out.values, "alone": torch.stack(says), "present": torch.stack(present)})

    def encode(self, name: str, tokens: Tokens) -> Tokens:
        """Distinct cells of one input -> what the fusion takes of them, [U, 1, D] or [U, T, D]."""
        place = self.names.index(name)
        summary: Tokens = self.summaries[place](_encode(self.encoders[place], tokens))
        return summary

    def answer(self, cells: Mapping[str, Tokens], index: Mapping[str, Tensor]) -> Output:
        """Encoded distinct cells, and which of them each row has [B] -> scores of the rows [B, K]."""
        rows = {name: cells[name].take(index[name]) for name in self.names}
        return Output(values={"scores": self.head(self.fusion(rows).pooled)})


def _encode(encoder: nn.Module, tokens: Tokens) -> Tokens:
    """Encode distinct cells. While training, missing ones stay out: batch statistics are of real cells only."""
    if not encoder.training or getattr(encoder, "apart", False):
        return encoder(tokens)  # type: ignore[no-any-return]
    present = tokens.present
    if bool(present.all()):
        return encoder(tokens)  # type: ignore[no-any-return]
    if not bool(present.any()):
        encoder.eval()  # nothing real to take statistics of
        try:
            return encoder(tokens)  # type: ignore[no-any-return]
        finally:
            encoder.train()
    some = encoder(tokens.map(lambda array: array[present]))
    values = some.values.new_zeros((len(present), *some.values.shape[1:]))
    mask = some.mask.new_zeros((len(present), some.mask.shape[1]))
    values[present], mask[present] = some.values, some.mask
    return Tokens(values=values, mask=mask)
