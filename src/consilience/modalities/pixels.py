"""How a backbone wants its pictures, read off the `preprocessor_config.json` of its folder, and how they become that.

Pictures are decoded and scaled by our own code (the same as everywhere, with its limits); cutting out the middle,
scaling the numbers and normalising are done here. Knows no network and no modality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from consilience.core.errors import UserError
from consilience.modalities.backbone import read_json

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Sides in pixels: `load` of the decoded square, `side` of the middle that is cut out of it."""

    load: int
    side: int
    fit: Literal["pad", "crop", "squash"]
    scale: float
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def read(cls, folder: Path, side: int) -> Pixels:
        """`side`: what the network's own config says, where the file does not."""
        path = folder / "preprocessor_config.json"
        said = read_json(path) if path.is_file() else {}
        size, crop = _sides(said.get("size"), side), _sides(said.get("crop_size"), side)
        cut = bool(said.get("do_center_crop", False))
        load, square = size
        wanted = crop[0] if cut else load
        if load < 1 or wanted < 1:
            raise UserError(
                f"{path}: the size of a picture is not said in a way that is known here: {said.get('size')}"
            )
        normal = bool(said.get("do_normalize", True))
        mean, std = (said.get(key, given) for key, given in zip(("image_mean", "image_std"), IMAGENET, strict=True))
        return cls(
            load=max(load, wanted),
            side=wanted,
            fit=said.get("fit", "squash" if square and not cut else "crop"),
            scale=float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0,
            mean=np.array(mean if normal else (0, 0, 0), np.float32),
            std=np.array(std if normal else (1, 1, 1), np.float32),
        )

    def tensor(self, values: Sequence[np.ndarray] | np.ndarray) -> Any:
        """[U] pictures [load, load, 3] uint8 -> a float tensor [U, 3, side, side] in channels-last order."""
        import torch

        start = (self.load - self.side) // 2
        whole = np.stack([v[start : start + self.side, start : start + self.side] for v in values])
        factor, shift = self.scale / self.std, -self.mean / self.std
        pixels = torch.from_numpy(whole).float().mul_(torch.from_numpy(factor)).add_(torch.from_numpy(shift))
        return pixels.permute(0, 3, 1, 2)


def _sides(said: Any, side: int) -> tuple[int, bool]:
    """The side in pixels, and whether a picture is brought to a square of it whatever its shape."""
    if isinstance(said, int):
        return said, False
    if isinstance(said, dict):
        if "shortest_edge" in said:
            return int(said["shortest_edge"]), False
        if "height" in said and said.get("height") == said.get("width"):
            return int(said["height"]), True
    return side, True
