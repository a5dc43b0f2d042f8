"""A multilayer perceptron over one row of a table. Knows nothing of columns: it sees standardised numbers.

Shape legend: U cells, T tokens (1), F features, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from consilience.core.batch import Tokens
from consilience.core.masks import masked


class MlpEncoder(nn.Module):
    """Tokens [U, 1, F] -> Tokens [U, 1, D]. A masked row gives zeros whatever it holds."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 128
        """Size of the vector each row becomes."""
        hidden: int = 128
        """Units of each hidden layer."""
        layers: int = 2
        """Hidden layers; 0 leaves one linear map."""
        dropout: float = 0.1
        """Share of the hidden units left out in training."""

        def __post_init__(self) -> None:
            if self.width < 1 or self.hidden < 1 or self.layers < 0 or not 0 <= self.dropout < 1:
                raise ValueError(
                    "width and hidden must be at least 1, layers at least 0, dropout at least 0 and below 1"
                )

    def __init__(self, config: Config, shape: Mapping[str, int]) -> None:
        super().__init__()
        self.width = config.width
        layers: list[nn.Module] = []
        size = shape["features"]
        for _ in range(config.layers):
            # Normalised over the features of one row, never over a batch: a row's answer is its own.
            layers += [
                nn.Linear(size, config.hidden),
                nn.LayerNorm(config.hidden),
                nn.GELU(),
                nn.Dropout(config.dropout),
            ]
            size = config.hidden
        self.network = nn.Sequential(*layers, nn.Linear(size, config.width))

    def forward(self, tokens: Tokens) -> Tokens:
        values = self.network(masked(tokens.values, tokens.mask))
        return Tokens(values=masked(values, tokens.mask), mask=tokens.mask)
