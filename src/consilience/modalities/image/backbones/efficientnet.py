"""EfficientNet-Lite (Tan & Le 2019, the variant without squeeze-and-excitation, ReLU6 throughout), for encoding only.

Normalisations are folded into the convolutions, so a layer is a convolution and a bias. The folder holds `config.json`,
`preprocessor_config.json` and `model.safetensors`; `models/weights.py` makes one of the weights that a package ships.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from consilience.core.batch import Tokens
from consilience.core.errors import UserError
from consilience.core.masks import masked
from consilience.modalities.backbone import Backbone, model_type, read_json, weight_files
from consilience.modalities.image.config import Config
from consilience.modalities.pixels import Pixels

TYPE = "efficientnet-lite"


class EfficientNetLite(Backbone):
    """The grid of the last convolution, one token a place."""

    kind = "efficientnet-lite"
    settings = ("config.json", "preprocessor_config.json")

    @classmethod
    def claims(cls, folder: Path) -> bool:
        return model_type(folder) == TYPE

    @cached_property
    def _config(self) -> dict[str, Any]:
        return read_json(self.folder / "config.json")

    @property
    def width(self) -> int:
        """Of what the network ends with, or of what enters the layers that are left out."""
        widths = [channels for repeats, *_, channels in self._config["blocks"] for _ in range(repeats)]
        cut = self.config.cut
        if cut >= len(widths):
            raise UserError(f"backbone {self.name}: it has {len(widths)} blocks, so {cut} cannot be unfrozen")
        return int(widths[-cut - 1] if cut else self._config["hidden_size"])

    @cached_property
    def pixels(self) -> Pixels:
        return Pixels.read(self.folder, int(self._config["image_size"]))

    def load_config(self, config: Config) -> Config:
        """Of `config` only what changes a loaded picture: it is part of the key that vectors are stored under."""
        return Config(
            size=self.pixels.load, fit=self.pixels.fit, background=config.background, grey_range=config.grey_range
        )

    def length(self, value: Any) -> int:
        return 1

    def build(self) -> Any:
        assert self.width, "refuses to leave out more than there is"
        cut = self.config.cut
        return self._whole()[: -cut - 1] if cut else self._whole()

    def _whole(self) -> Any:
        from safetensors.torch import load_file

        module = network(self._config)
        try:
            module.load_state_dict(load_file(weight_files(self.folder)[0]))
        except (RuntimeError, IndexError, OSError) as error:
            raise UserError(f"{self.folder}: the weights do not fit its config.json: {error}") from error
        return module

    def upper_from(self) -> dict[str, Any]:
        return {"config": self._config, "cut": self.config.cut}

    @classmethod
    def upper(cls, made_of: Mapping[str, Any]) -> Any:
        return _upper(network(made_of["config"]), made_of)

    def upper_weights(self) -> dict[str, Any]:
        weights: dict[str, Any] = _upper(self._whole(), self.upper_from()).state_dict()
        return weights

    def run(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        pixels = self.pixels.tensor(values).to(next(module.parameters()).device)
        grid = module(pixels).flatten(2).transpose(1, 2)
        return grid, grid.new_ones(grid.shape[:2], dtype=bool)


def network(config: Mapping[str, Any]) -> Any:
    """`blocks`: (repeats, kernel, stride of the first, expansion, channels) of each stage; `stem`, `hidden_size`."""
    from torch import nn

    width = int(config["stem"])
    layers = [_conv(3, width, 3, stride=2)]
    for repeats, kernel, stride, expansion, channels in config["blocks"]:
        for number in range(repeats):
            layers.append(_block(width, channels, kernel, stride if number == 0 else 1, expansion))
            width = channels
    return nn.Sequential(*layers, _conv(width, int(config["hidden_size"]), 1))


def _upper(whole: Any, made_of: Mapping[str, Any]) -> Any:
    """The last blocks as an encoder of tokens, which are the places of a square grid."""
    from torch import nn

    class Upper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.width = whole[-made_of["cut"] - 1 :], int(made_of["config"]["hidden_size"])

        def forward(self, tokens: Tokens) -> Tokens:
            side = round(tokens.mask.shape[1] ** 0.5)
            values = masked(tokens.values, tokens.mask)
            if side * side != tokens.mask.shape[1]:  # nothing but missing cells in the call
                side, values = 1, values[:, :1]
            grid = self.layers(values.transpose(1, 2).unflatten(2, (side, side))).flatten(2).transpose(1, 2)
            mask = tokens.mask.any(1, keepdim=True).expand(grid.shape[:2])
            return Tokens(values=grid * mask.unsqueeze(2), mask=mask)

    return Upper()


def _conv(before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1, bend: bool = True) -> Any:
    """A convolution with TensorFlow's "SAME" padding, which puts the odd pixel right and below, and ReLU6."""
    from torch import nn

    total = kernel - stride if stride > 1 else kernel - 1  # of sides that the stride divides
    left, right = total // 2, total - total // 2
    layers: list[Any] = []
    if left == right:
        layers.append(nn.Conv2d(before, after, kernel, stride, padding=left, groups=groups))
    else:
        layers += [nn.ZeroPad2d((left, right, left, right)), nn.Conv2d(before, after, kernel, stride, groups=groups)]
    return nn.Sequential(*layers, *([nn.ReLU6()] if bend else []))


def _block(before: int, after: int, kernel: int, stride: int, expansion: int) -> Any:
    """An inverted bottleneck: widen, convolve each channel on its own, narrow; added to what came in where it fits."""
    from torch import nn

    wide = before * expansion
    layers = [_conv(before, wide, 1)] if expansion > 1 else []
    layers += [_conv(wide, wide, kernel, stride=stride, groups=wide), _conv(wide, after, 1, bend=False)]
    body = nn.Sequential(*layers)
    return _added(body) if stride == 1 and before == after else body


def _added(body: Any) -> Any:
    from torch import nn

    class Added(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, x: Any) -> Any:
            return x + self.body(x)

    return Added(body)
