"""Any picture encoder of `transformers`, from its folder: ViT, DINOv2, Swin, ResNet, ConvNeXt, the picture side of a
CLIP. Knows squares of pixels and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from consilience.modalities.backbone import model_type, read_json
from consilience.modalities.image.config import Config
from consilience.modalities.pixels import Pixels
from consilience.modalities.stack import Stack, from_folder

SIDE = 224
"""Pixels, where neither the network's nor the processor's config says anything."""


class TransformersImage(Stack):
    """The folder of a model and its image processor, as `save_pretrained` writes them."""

    kind, part, feed, masks = "transformers", "vision_model", "pixel_values", False
    settings = ("config.json", "preprocessor_config.json")

    @classmethod
    def claims(cls, folder: Path) -> bool:
        path = folder / "preprocessor_config.json"
        if model_type(folder) is None or not path.is_file():
            return False
        said = read_json(path)
        return "image_mean" in said or "image_processor_type" in said

    @cached_property
    def _config(self) -> dict[str, Any]:
        config = read_json(self.folder / "config.json")
        own = config.get("vision_config")
        return own if isinstance(own, dict) else config

    @property
    def width(self) -> int:
        config = self._config
        if isinstance(config.get("hidden_sizes"), list):
            return int(config["hidden_sizes"][-1])
        if isinstance(config.get("embed_dim"), int) and isinstance(config.get("depths"), list):
            return int(config["embed_dim"]) * 2 ** (len(config["depths"]) - 1)
        if isinstance(config.get("hidden_size"), int):
            return int(config["hidden_size"])
        return int(from_folder(self.folder, self.part).config.hidden_size)

    @cached_property
    def pixels(self) -> Pixels:
        side = self._config.get("image_size")
        return Pixels.read(self.folder, side if isinstance(side, int) else SIDE)

    def load_config(self, config: Config) -> Config:
        """Of `config` only what changes a loaded picture: it is part of the key that vectors are stored under."""
        return Config(
            size=self.pixels.load, fit=self.pixels.fit, background=config.background, grey_range=config.grey_range
        )

    def length(self, value: Any) -> int:
        return 1

    def probe(self) -> Sequence[Any]:
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (2, self.pixels.load, self.pixels.load, 3), dtype=np.uint8)  # type: ignore[return-value]

    def call(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        out = module(pixel_values=self.pixels.tensor(values).to(module.device)).last_hidden_state
        if out.ndim == 4:  # a grid of channels
            out = out.flatten(2).transpose(1, 2)
        return out, out.new_ones(out.shape[:2], dtype=bool)
