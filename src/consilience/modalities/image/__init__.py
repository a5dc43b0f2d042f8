"""The image modality: a column of picture files, or of their bytes, one picture a cell.

Says what pictures need and leaves the work to the files beside it. Imports no torch: encoders are listed by name.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image as Pillow

from consilience.core.batch import Tokens
from consilience.core.errors import UserError
from consilience.core.limits import Limits
from consilience.core.registry import Family
from consilience.core.state import State
from consilience.modalities.base import (
    MISSING_MARKERS,
    ColumnSample,
    Evidence,
    Features,
    Field,
    Modality,
    Preview,
    Processor,
    Values,
    is_nothing,
    some_named,
    spread,
)
from consilience.modalities.image import augment, collate, features, likeness, load, objects, sniff, transform
from consilience.modalities.image.config import Config as ImageConfig
from consilience.modalities.png import png

ENCODERS = Family(
    "image encoder",
    {
        "cnn": "consilience.modalities.image.encoders.cnn:CnnEncoder",
        "resnet": "consilience.modalities.image.encoders.resnet:ResnetEncoder",
        "vgg": "consilience.modalities.image.encoders.vgg:VggEncoder",
    },
)

BACKBONES = Family(
    "image backbone",
    {
        "efficientnet-lite": "consilience.modalities.image.backbones.efficientnet:EfficientNetLite",
        "transformers": "consilience.modalities.image.backbones.transformers:TransformersImage",
    },
)

HEADERS = 200
"""Picture headers read to decide the size."""
SIZE_STEP, SIZE_LEAST, SIZE_MOST, SIZE_UNKNOWN = 16, 32, 96, 64
"""The decided side in pixels: a multiple of the step, within these bounds; without any readable header, the last."""


class ImageProcessor(Processor):
    """Pictures of one input: channel means and deviations of the training pictures, in grey levels."""

    def __init__(self, config: ImageConfig, mean: np.ndarray, std: np.ndarray) -> None:
        self.config = config
        self._mean = np.asarray(mean, np.float32)
        self._std = np.asarray(std, np.float32)

    def collate(self, values: Values) -> Tokens:
        """values [U, 1, 3, H, W] float32, mean 0 and deviation 1 over the training pictures; mask [U, 1]."""
        return collate.collate(values, size=self.config.size, mean=self._mean, std=self._std)

    def augment(self, tokens: Tokens, rng: np.random.Generator) -> Tokens:
        return augment.augment(tokens, rng, self.config, self._mean, self._std)

    def features(self, values: Values) -> Features:
        """Dense [U, F] float32: layout of colours, histograms, edges, and the figure before its background."""
        return features.features(values)

    def learned(self) -> State:
        """Nothing: the statistics are for tokens alone."""
        return State()

    def shape(self) -> dict[str, int]:
        return {"channels": 3, "height": self.config.size, "width": self.config.size}

    def state(self) -> State:
        return State(arrays={"mean": self._mean.copy(), "std": self._std.copy()})


class Image(Modality):
    """One picture a cell: PNG, JPEG, WebP, BMP, AVIF, HEIC, GIF (its first frame) or TIFF (its first page)."""

    name: ClassVar[str] = "image"
    kinds: ClassVar[tuple[str, ...]] = ("image",)
    media: ClassVar[bool] = True
    joint: ClassVar[bool] = False
    markers: ClassVar[tuple[str, ...]] = MISSING_MARKERS
    libraries: ClassVar[tuple[str, ...]] = ("pillow",)
    encoders: ClassVar[Family] = ENCODERS
    default_encoder: ClassVar[str] = "cnn"
    backbones: ClassVar[Family] = BACKBONES
    Config: ClassVar[type] = ImageConfig

    file_of = staticmethod(objects.file_of)

    def sniff(self, column: ColumnSample) -> Evidence | None:
        found = sniff.claim(column.without_markers)
        return None if found is None else Evidence(strength=found[0], reason=found[1], kind=self.name)

    def hint(self, column: ColumnSample) -> str | None:
        return some_named(column, load.ENDINGS, "image", self.name)

    def resolve(self, config: ImageConfig, columns: Sequence[ColumnSample], kinds: Sequence[str]) -> ImageConfig:
        """Decides `size` (the median shorter side, rounded, within bounds) and `grey_range`. Raises UserError for
        several columns."""
        if len(columns) != 1:
            names = ", ".join(repr(column.name) for column in columns)
            raise UserError(
                f"an image input holds one picture a row, but this one has the columns {names}. "
                "Make one input of each column; a model can have any number of image inputs."
            )
        column, low_high = columns[0], config.grey_range
        looked_at = spread(column.cells, HEADERS)
        headers = [load.header(cell, column.root) for cell in looked_at]
        if low_high[0] == low_high[1]:
            deep = [cell for cell, header in zip(looked_at, headers, strict=True) if header is not None and header[1]]
            config = replace(config, grey_range=_grey_range(deep, column.root))
        if config.size:
            return config
        shorter = [min(header[0]) for header in headers if header is not None]
        if not shorter:
            return replace(config, size=SIZE_UNKNOWN)
        size = SIZE_STEP * round(statistics.median(shorter) / SIZE_STEP)
        return replace(config, size=min(max(size, SIZE_LEAST), SIZE_MOST))

    def missing(self, cell: tuple[Any, ...]) -> bool:
        return is_nothing(cell[0])

    def load(
        self, cell: tuple[Any, ...], config: ImageConfig, root: Path, limits: Limits
    ) -> tuple[np.ndarray, list[str]]:
        """[size, size, 3] uint8. Raises BadCell: no such file, not a picture, damaged, cut off, too large."""
        assert config.size, "the size is decided by resolve() before anything is loaded"
        content = load.content_of(cell[0], root, limits)
        with load.opened(content, limits) as picture:
            return transform.square(picture, config), []

    def preview(self, columns: Sequence[str], cell: tuple[Any, ...], value: Any, config: ImageConfig) -> Preview:
        """The picture as models see it, as PNG."""
        return Preview(content=png(np.asarray(value)), media_type="image/png")

    def likeness(self, values: Values) -> tuple[np.ndarray, float]:
        return likeness.likeness(values), likeness.NEAR

    def array(self, config: ImageConfig) -> tuple[tuple[int, ...], np.dtype[Any]]:
        return (config.size, config.size, 3), np.dtype(np.uint8)

    def fit(self, values: Values, config: ImageConfig, *, weights: np.ndarray) -> ImageProcessor:
        return ImageProcessor(config, *collate.channel_statistics(values, weights))

    def restore(self, state: State, config: ImageConfig) -> ImageProcessor:
        return ImageProcessor(config, state.arrays["mean"], state.arrays["std"])

    def fields(self, config: ImageConfig, columns: Sequence[str]) -> tuple[Field, ...]:
        return tuple(Field(column=column, form="file", accept="image/*") for column in columns)

    def example(self, config: ImageConfig, processor: Processor, rng: np.random.Generator) -> tuple[bytes, ...]:
        """A PNG of soft random colours."""
        noise = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Pillow.fromarray(noise).resize((80, 60), Pillow.Resampling.BICUBIC).save(buffer, "PNG")
        return (buffer.getvalue(),)


def _grey_range(cells: Sequence[Any], root: Path) -> tuple[float, float]:
    """Of deep grey images, from all that are looked at together; (0, 0) where there are none."""
    found = [levels for cell in cells if (levels := load.levels(cell, root)) is not None]
    if not found:
        return 0.0, 0.0
    low, high, whole = np.stack(found).T
    return transform.grey_range(float(low.min()), float(high.max()), bool(whole.all()))
