"""The video modality: a column of films, or of their bytes, one film a cell. Reads the pictures; what is heard beside
them is another input of the same column.

Says what films need and leaves the work to the files beside it. Imports no torch: encoders are listed by name.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from consilience.core.batch import Tokens
from consilience.core.errors import BadCell, UserError
from consilience.core.limits import Limits
from consilience.core.optional import need, require
from consilience.core.registry import Family
from consilience.core.state import State
from consilience.modalities import container
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
from consilience.modalities.png import png
from consilience.modalities.video import augment, collate, features, load, sniff
from consilience.modalities.video.config import Config as VideoConfig

PREVIEW_FRAMES = 4
"""Frames shown of a film."""

ENCODERS = Family("video encoder", {"gru": "consilience.modalities.video.encoders.gru:GruEncoder"})
BACKBONES = Family(
    "video backbone", {"transformers": "consilience.modalities.video.backbones.transformers:TransformersVideo"}
)


HEADERS = 50
"""Headers read to decide the size."""
SIZE_STEP, SIZE_LEAST, SIZE_MOST, SIZE_UNKNOWN = 16, 32, 64, 64
"""The decided side in pixels: a multiple of the step, within these bounds; without any readable header, the last."""


class VideoProcessor(Processor):
    """Films of one input: channel means and deviations of the training films, in grey levels."""

    def __init__(self, config: VideoConfig, mean: np.ndarray, std: np.ndarray) -> None:
        self.config = config
        self._layout = load.layout(config)
        self._mean = np.asarray(mean, np.float32)
        self._std = np.asarray(std, np.float32)

    def collate(self, values: Values) -> Tokens:
        """values [U, K, 3, S, S] float32, mean 0 and deviation 1 over the training films; mask [U, K]."""
        return collate.collate(values, self._layout, size=self.config.size, mean=self._mean, std=self._std)

    def augment(self, tokens: Tokens, rng: np.random.Generator) -> Tokens:
        return augment.augment(tokens, rng, self.config, self._mean, self._std)

    def features(self, values: Values) -> Features:
        """Dense [U, F] float32: colours, edges, motion and the course of a film; see features.py."""
        names = features.names()
        matrix = np.zeros((len(values), len(names)), np.float32)
        present = np.zeros(len(values), bool)
        for index, value in enumerate(values):
            if value is not None:
                matrix[index] = self._layout.unpack(value)["features"]
                present[index] = True
        return Features(matrix=matrix, present=present, names=names)

    def learned(self) -> State:
        return State()  # features are made while loading

    def shape(self) -> dict[str, int]:
        return {"channels": 3, "height": self.config.size, "width": self.config.size}

    def state(self) -> State:
        return State(arrays={"mean": self._mean.copy(), "std": self._std.copy()})


class Video(Modality):
    """One film a cell: MP4, MOV, WebM, Matroska, AVI, FLV, MPEG."""

    name: ClassVar[str] = "video"
    kinds: ClassVar[tuple[str, ...]] = ("video",)
    media: ClassVar[bool] = True
    streamed: ClassVar[bool] = True
    ragged: ClassVar[bool] = True
    joint: ClassVar[bool] = False
    markers: ClassVar[tuple[str, ...]] = MISSING_MARKERS
    libraries: ClassVar[tuple[str, ...]] = ("av",)
    encoders: ClassVar[Family] = ENCODERS
    backbones: ClassVar[Family] = BACKBONES
    default_encoder: ClassVar[str] = "gru"
    Config: ClassVar[type] = VideoConfig

    def sniff(self, column: ColumnSample) -> Evidence | None:
        found = sniff.claim(column.without_markers)
        return None if found is None else Evidence(strength=found[0], reason=found[1], kind=self.name)

    def hint(self, column: ColumnSample) -> str | None:
        return some_named(column, load.ENDINGS, "video", self.name)

    def resolve(self, config: VideoConfig, columns: Sequence[ColumnSample], kinds: Sequence[str]) -> VideoConfig:
        """Decides `size`: the median shorter side, rounded, within bounds. Raises UserError for several columns,
        MissingExtra without PyAV."""
        require("av", extra="media", to="read film")
        if len(columns) != 1:
            names = ", ".join(repr(column.name) for column in columns)
            raise UserError(
                f"a video input holds one film a row, but this one has the columns {names}. "
                "Make one input of each column; a model can have any number of video inputs."
            )
        if config.size:
            return config
        sides = [side for cell in spread(columns[0].cells, HEADERS) if (side := _side(cell, columns[0].root))]
        if not sides:
            return replace(config, size=SIZE_UNKNOWN)
        size = SIZE_STEP * round(statistics.median(sides) / SIZE_STEP)
        return replace(config, size=min(max(size, SIZE_LEAST), SIZE_MOST))

    def missing(self, cell: tuple[Any, ...]) -> bool:
        return is_nothing(cell[0])

    def load(
        self, cell: tuple[Any, ...], config: VideoConfig, root: Path, limits: Limits
    ) -> tuple[np.ndarray, list[str]]:
        """One row of bytes, see load.py. Raises BadCell: no such file, no pictures in it, damaged, too large."""
        assert config.size, "the size is decided by resolve() before anything is loaded"
        return load.load(cell[0], config, root, limits)

    def array(self, config: VideoConfig) -> tuple[tuple[int, ...], np.dtype[Any]]:
        return (load.largest(config),), np.dtype(np.uint8)

    def fit(self, values: Values, config: VideoConfig, *, weights: np.ndarray) -> VideoProcessor:
        return VideoProcessor(config, *collate.channel_statistics(values, weights, load.layout(config)))

    def restore(self, state: State, config: VideoConfig) -> VideoProcessor:
        require("av", extra="media", to="read film")
        return VideoProcessor(config, state.arrays["mean"], state.arrays["std"])

    def fields(self, config: VideoConfig, columns: Sequence[str]) -> tuple[Field, ...]:
        return tuple(Field(column=column, form="file", accept="video/*") for column in columns)

    def preview(self, columns: Sequence[str], cell: tuple[Any, ...], value: Any, config: VideoConfig) -> Preview:
        """A few of the frames that models see, side by side, with the name of the file."""
        frames = load.layout(config).unpack(np.asarray(value))["frames"]
        words = super().preview(columns, cell, value, config).words
        if not len(frames):
            return Preview(words=words)
        chosen = frames[np.unique(np.linspace(0, len(frames) - 1, PREVIEW_FRAMES).round().astype(int))]
        return Preview(words=words, content=png(np.concatenate(list(chosen), axis=1)), media_type="image/png")

    def example(self, config: VideoConfig, processor: Processor, rng: np.random.Generator) -> tuple[bytes, ...]:
        """A film of a soft random picture that wanders, with a noise beside it, a third of a second long."""
        av = need("av", extra="media", to="read film")
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = coarse.repeat(8, axis=0).repeat(8, axis=1)
        steps = rng.integers(-4, 5, 2)
        heard = np.round(3_000 * rng.normal(0, 1, 2_700)).clip(-32_768, 32_767).astype("<i2")
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="avi") as out:
            stream, track = out.add_stream("mjpeg", rate=10), out.add_stream("pcm_s16le", rate=8_000)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
            for number in range(int(rng.integers(2, 5))):
                moved = np.roll(picture, tuple(number * steps), axis=(0, 1))
                out.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
            out.mux(stream.encode(None))
            packet = av.Packet(heard.tobytes())
            packet.stream, packet.pts, packet.dts, packet.time_base = track, 0, 0, track.time_base
            out.mux(packet)
        return (buffer.getvalue(),)


def frames(value: np.ndarray, config: VideoConfig) -> np.ndarray:
    """The frames [K, size, size, 3] uint8 of a loaded value."""
    return load.layout(config).unpack(value)["frames"]


def _side(cell: Any, root: Path) -> int | None:
    """The shorter side of a film's frames, from its header."""
    try:
        with container.opened(cell, root, Limits()) as source:
            stream = source.first(load.KIND)
            return None if stream is None else min(stream.codec_context.width, stream.codec_context.height) or None
    except (BadCell, OSError):
        return None
