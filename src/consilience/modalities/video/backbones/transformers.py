"""Any encoder of films of `transformers` (VideoMAE, ViViT, TimeSformer), or any encoder of pictures, frame by frame.

Which of the two it is, its config says: an encoder of films has a number of frames. Knows no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from consilience.modalities.backbone import Backbone, model_type, read_json
from consilience.modalities.pixels import Pixels
from consilience.modalities.stack import from_folder
from consilience.modalities.video import load
from consilience.modalities.video.config import Config

SIDE = 224
"""Pixels, where neither the network's nor the processor's config says anything."""


class TransformersVideo(Backbone):
    """One token a place and moment of a film's encoder, or one a frame of a picture's."""

    kind = "transformers"
    settings = ("config.json", "preprocessor_config.json")

    @classmethod
    def claims(cls, folder: Path) -> bool:
        path = folder / "preprocessor_config.json"
        return model_type(folder) is not None and path.is_file() and "image_mean" in read_json(path)

    @cached_property
    def _config(self) -> dict[str, Any]:
        config = read_json(self.folder / "config.json")
        own = config.get("vision_config")
        return own if isinstance(own, dict) else config

    @property
    def moments(self) -> int:
        """Frames that an encoder of films takes; 0 of one that takes pictures."""
        return int(self._config.get("num_frames") or 0)

    @property
    def width(self) -> int:
        if isinstance(self._config.get("hidden_size"), int):
            return int(self._config["hidden_size"])
        return int(from_folder(self.folder, "vision_model").config.hidden_size)

    @cached_property
    def pixels(self) -> Pixels:
        side = self._config.get("image_size")
        return Pixels.read(self.folder, side if isinstance(side, int) else SIDE)

    @cached_property
    def _loading(self) -> Config:
        usual = Config()
        return Config(frames=self.moments or usual.frames, size=self.pixels.load, fit=self.pixels.fit)

    def load_config(self, config: Config) -> Config:
        return self._loading

    def length(self, value: Any) -> int:
        return 1

    def build(self) -> Any:
        if self.config.cut:
            self.upper_from()  # says that this is not for this kind
        return from_folder(self.folder, "vision_model")

    def run(self, module: Any, values: Sequence[Any]) -> tuple[Any, Any]:
        layout = load.layout(self._loading)
        films = [layout.unpack(value)["frames"] for value in values]
        return self._films(module, films) if self.moments else self._frames(module, films)

    def _films(self, module: Any, films: Sequence[np.ndarray]) -> tuple[Any, Any]:
        """A film with too few frames stands still at its last one."""
        places = [np.minimum(np.arange(self.moments), len(film) - 1) for film in films]
        frames = np.concatenate([film[place] for film, place in zip(films, places, strict=True)])
        pixels = self.pixels.tensor(frames).unflatten(0, (len(films), self.moments))
        out = module(pixel_values=pixels.to(module.device)).last_hidden_state
        return out, out.new_ones(out.shape[:2], dtype=bool)

    def _frames(self, module: Any, films: Sequence[np.ndarray]) -> tuple[Any, Any]:
        """Of each frame the mean of its tokens."""
        from torch.nn.utils.rnn import pad_sequence

        out = module(pixel_values=self.pixels.tensor(np.concatenate(films)).to(module.device)).last_hidden_state
        means = out.flatten(2).mean(2) if out.ndim == 4 else out.mean(1)
        rows = means.split([len(film) for film in films])
        mask = pad_sequence([row.new_ones(len(row)) for row in rows], batch_first=True)
        return pad_sequence(list(rows), batch_first=True), mask.bool()
