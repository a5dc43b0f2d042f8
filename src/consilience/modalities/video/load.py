"""From a cell (see core/files.py) to a film: some frames, evenly spread in time, and features of the whole of it.

A short film is decoded from end to end. Of a long one only the surroundings of the frames that are kept are: it is
searched for the key frame before each. Either way memory does not grow with the length. Whatever goes wrong is one
BadCell. Refuses to know what is learned from training rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import BadCell
from consilience.core.limits import Limits
from consilience.core.optional import need
from consilience.modalities import container
from consilience.modalities.packed import Layout
from consilience.modalities.video import features, transform
from consilience.modalities.video.clean import Spread, moments
from consilience.modalities.video.config import Config

KIND = "video"
"""FFmpeg's word for a stream of pictures."""
ENDINGS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"),
    *(".ogv", ".flv", ".wmv", ".3gp", ".ts", ".m2ts", ".mts"),
)
WHOLE = 600
"""Frames up to which a film is decoded from end to end."""
FAR = 300
"""Most frames decoded from a key frame to the frame that is wanted."""
GLANCES = 1 / 15
"""Least seconds between two glances at what moves."""


def layout(config: Config) -> Layout:
    side = config.size
    return Layout(arrays={"features": ("f4", ()), "times": ("f4", ()), "frames": ("u1", (side, side, 3))})


def largest(config: Config) -> int:
    """Bytes of the largest value."""
    return layout(config).most(features=len(features.names()), times=config.frames, frames=config.frames)


def load(cell: Any, config: Config, root: Path, limits: Limits) -> tuple[np.ndarray, list[str]]:
    """The value (see `layout`), and a remark where the film is cut off or partly damaged. Raises BadCell."""
    with container.opened(cell, root, limits) as source:
        stream = source.first(KIND)
        if stream is None:
            raise BadCell("there are no pictures in the file, only sound")
        _check_size(stream.codec_context, limits)
        source.check_seconds(KIND)
        watcher = Watcher(config, source, stream)
        watcher.watch()
        if not watcher.seen:
            raise BadCell(f"the {source.name} file holds no pictures: not one frame could be decoded")
        return watcher.value(), source.remark(watcher.end, KIND)


def _check_size(picture: Any, limits: Limits) -> None:
    """Raises BadCell for frames of no or of too many pixels."""
    width, height = picture.width, picture.height
    if width < 1 or height < 1:
        raise BadCell("the frames of the film have no pixels")
    if width * height > limits.pixels:
        raise BadCell(
            f"frames of {width:,} x {height:,} = {width * height:,} pixels; the limit is {limits.pixels:,} "
            "(limits.pixels)"
        )


class Watcher:
    """Watches one film, from end to end or here and there."""

    def __init__(self, config: Config, source: container.Container, stream: Any) -> None:
        self.config, self.source, self.stream = config, source, stream
        self._start = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
        self._gap = 1 / float(stream.guessed_rate or stream.average_rate or 25)
        self._size = (1.0, 1.0)
        self._begin()

    def _begin(self) -> None:
        self.seen = 0
        """Frames decoded."""
        self.end = 0.0
        """Seconds from the start to the end of the last frame."""
        self._spread = Spread(self.config.frames)
        self._motion = features.Motion()
        self._glanced = float("-inf")

    def watch(self) -> None:
        seconds = self.source.seconds(KIND) or 0.0
        # A header may say more than there is: then the search is done again, over as much as was found.
        for _ in range(2):
            if seconds <= WHOLE * self._gap:
                break
            if not self._here_and_there(seconds):
                break
            last = moments(0.0, seconds, self.config.frames)[-1]
            if self.end >= last - max(0.1 * last, 1.0):
                self.end = max(self.end, seconds)
                return
            seconds = self.end
            self._begin()
        self._end_to_end()

    def value(self) -> np.ndarray:
        """The film as one row of bytes."""
        times, frames = self._spread.chosen(self.config.frames, self.end)
        pictures = np.stack(frames)
        rate = float(self.stream.average_rate) if self.stream.average_rate else np.nan
        header = features.of_header(self.end, rate, *self._size)
        described = np.concatenate([features.of_frames(pictures), self._motion.describe(), header])
        return layout(self.config).pack(
            features=described.astype(np.float32), times=np.array(times, np.float32), frames=pictures
        )

    def _end_to_end(self) -> None:
        if self.source.decoded:
            self._begin()
            self.source.handle.seek(int(self._start / self.stream.time_base), stream=self.stream)
        for time, frame in self._frames():
            self._keep(time, frame)

    def _here_and_there(self, seconds: float) -> bool:
        """False when the file cannot be searched."""
        errors = need("av", extra="media", to="read film").FFmpegError
        for left, moment in zip(
            range(self.config.frames)[::-1], moments(0.0, seconds, self.config.frames), strict=True
        ):
            try:
                self.source.handle.seek(int((self._start + moment) / self.stream.time_base), stream=self.stream)
            except errors:
                return False
            self._motion.forget()
            self._glanced = float("-inf")
            # The last one is always looked for, to see whether the film is as long as its header says.
            self._look_from(moment, key=self.config.sampling == "key" and left > 0)
            self.source.check_time()
        return self.seen > 0

    def _look_from(self, moment: float, *, key: bool) -> None:
        """Keep the last frame up to the moment, and look at the one after it, to see what moves."""
        last: tuple[float, Any] | None = None
        for count, (time, frame) in enumerate(self._frames()):
            after = time > moment or count >= FAR
            if count >= FAR:
                self.end = max(self.end, moment)  # it goes on, if not to be decoded as far as that
            if last is not None and after:
                self._keep(*last)
                self._glance(time, frame)
                return
            last = time, frame
            if key:
                break
        if last is not None:
            self._keep(*last)

    def _keep(self, time: float, frame: Any) -> None:
        self._spread.offer(time, partial(transform.square, frame, self.config))
        self._glance(time, frame)

    def _glance(self, time: float, frame: Any) -> None:
        if time >= self._glanced + GLANCES:
            self._glanced = time
            self._motion.see(time, transform.glance(frame))

    def _frames(self) -> Iterator[tuple[float, Any]]:
        """Frames with their time from the start, in seconds. Those without a time come after the one before them."""
        gap = self._gap
        last = -gap
        for frame in self.source.frames(self.stream):
            if frame.width * frame.height > self.source.limits.pixels:
                _check_size(frame, self.source.limits)
            self.seen += 1
            if self.seen > self.source.limits.frames:
                raise BadCell(f"more than {self.source.limits.frames:,} frames, which is the limit (limits.frames)")
            if self.seen == 1:
                self._size = transform.shown_size(frame)
            time = last + gap if frame.time is None else frame.time - self._start
            self.source.check_heard(time)
            self.end = max(self.end, time + gap)
            last = time
            yield time, frame
