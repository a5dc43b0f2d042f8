"""Cells through a frozen backbone, each distinct content once: decoded in worker processes while this one computes.

Knows no modality and no kind of backbone. Batches are put together by content, never by the order of rows nor by what
happens to be stored already, so that an encoding that was cut off goes on to the very same vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from consilience.core import memory
from consilience.core.config import encode as plain
from consilience.data.keys import fingerprint, key
from consilience.data.store import Space, Store
from consilience.data.workers import (
    Job,
    Outcome,
    RawCell,
    Workers,
    content_hash,
    load_guarded,
    load_media,
    load_plain,
    read_content,
)
from consilience.modalities.backbone import Backbone

_TOKENS = 8_192
"""Most tokens of a batch, padding included, where cells are long."""


@dataclass
class Tally:
    """How many distinct contents there were, and how many of them had to be encoded."""

    distinct: int = 0
    encoded: int = 0


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How the cells of one input become vectors."""

    backbone: Backbone
    store: Store | None = None
    """Where vectors are looked up and put; None keeps them in memory only."""
    batch: int = 32
    """Cells encoded at once, at most."""
    tally: Tally = field(default_factory=Tally)

    def space(self, job: Job) -> Space | None:
        """The vectors of this backbone, for cells that are loaded in this way."""
        if self.store is None:
            return None
        about = self.backbone.about()
        loading = (
            plain(job.config) if job.modality.media else None
        )  # of other cells, the loaded value itself is the key
        return self.store.space(
            fingerprint([about["fingerprint"], loading]), about={"what": "vectors", **about, "loading": loading}
        )


@dataclass
class _Cell:
    """One cell on its way."""

    raw: RawCell
    key: bytes | None = None
    """Of its content; None when there is none that can be used."""
    group: int = -1
    """Of media: the hash of the content that tells rows apart."""
    length: int = 0
    outcome: Outcome | None = None
    """None until it is loaded. Holds the value only of what is not media."""


def encode(
    cells: Sequence[RawCell], job: Job, encoding: Encoding, *, pool: Workers | None, tick: Callable[[int], None]
) -> tuple[list[np.ndarray | None], list[Outcome]]:
    """The vectors [T, D] of each cell, None where it cannot be used; and what there is to say of each cell.

    `pool`: the processes that decode media; None decodes here. `tick(n)`: n more cells are done.
    """
    seen = [_look(raw, job) for raw in cells]
    first: dict[bytes, _Cell] = {}
    for cell in seen:
        if cell.key is not None:
            first.setdefault(cell.key, cell)
    space = encoding.space(job)
    vectors = _Vectors(encoding, space)
    known = vectors.known(list(first))
    batches: list[list[_Cell]] = []
    if len(known) < len(first):  # batches are the same whatever is known, so an interruption changes no vector
        order = _by_length(first.values(), encoding.backbone)
        batches = [[cell for cell in batch if cell.key not in known] for batch in _batches(order, encoding.batch)]
    lost = [cell for cell in seen if cell.key is None and cell.outcome is None]  # loading says what is wrong with them
    batches = [batch for batch in [*batches, *_batches(lost, encoding.batch)] if batch]
    tick(len(cells) - sum(map(len, batches)))

    def land(number: int, outcomes: Sequence[Outcome]) -> None:
        batch = batches[number]
        vectors.add([cell.key for cell in batch], [outcome.value for outcome in outcomes])
        for cell, outcome in zip(batch, outcomes, strict=True):
            cell.outcome = replace(outcome, value=None)
        tick(len(batch))

    with memory.reused(when=len(batches) > 1):
        if pool is not None and job.modality.media:
            pool.stream(job, [[cell.raw for cell in batch] for batch in batches], land)
        elif job.modality.streamed:
            for number, batch in enumerate(batches):
                land(number, _guarded(job, [cell.raw for cell in batch]))
        else:
            for number, batch in enumerate(batches):
                land(number, [cell.outcome or load_media(job, cell.raw) for cell in batch])
    encoding.tally.distinct += len(first)
    found = vectors.of([*first])
    return [found.get(cell.key) for cell in seen], [_told(cell, first) for cell in seen]  # type: ignore[arg-type]


def _guarded(job: Job, cells: Sequence[RawCell]) -> list[Outcome]:
    """`load_guarded`, in the order of the cells."""
    found: dict[int, Outcome] = {}
    load_guarded(job, cells, range(len(cells)), lambda some, outcomes: found.update(zip(some, outcomes, strict=True)))
    return [found[n] for n in range(len(cells))]


def _look(raw: RawCell, job: Job) -> _Cell:
    """The key of a cell. Media are read and not decoded; everything else is loaded, which costs little."""
    if job.modality.media:
        content = read_content(job, raw)
        if not all(isinstance(part, bytes) for part in content):
            return _Cell(raw=raw)
        return _Cell(raw=raw, key=key(*content), group=content_hash(content))
    outcome = load_plain(job, raw)
    if outcome.value is None:
        return _Cell(raw=raw, outcome=outcome)
    return _Cell(raw=raw, key=key(outcome.value), outcome=outcome)


def _by_length(cells: Iterable[_Cell], backbone: Backbone) -> list[_Cell]:
    """Cells of about the same length side by side. Media, whose length shows when they are decoded, by content."""
    for cell in cells:
        if cell.outcome is not None:
            cell.length = backbone.length(cell.outcome.value)
    return sorted(cells, key=lambda cell: (cell.length, cell.key))


def _told(cell: _Cell, first: Mapping[bytes, _Cell]) -> Outcome:
    """What there is to say of a cell that was loaded, or in whose stead one of the same content was, or whose vectors
    were there already."""
    outcome = cell.outcome or (first[cell.key].outcome if cell.key is not None else None)
    if outcome is None:
        outcome = Outcome(group=cell.group)
    return replace(outcome, value=None)


def _batches(order: Sequence[_Cell], most: int) -> list[list[_Cell]]:
    """Neighbours as batches: at most `most` cells, and not too many tokens."""
    batches: list[list[_Cell]] = []
    longest = 0
    for cell in order:
        longest = max(longest, cell.length)
        if not batches or len(batches[-1]) == most or longest * (len(batches[-1]) + 1) > _TOKENS:
            batches.append([])
            longest = cell.length
        batches[-1].append(cell)
    return batches


class _Vectors:
    """The vectors of contents by key, in the space or, without one, in memory."""

    def __init__(self, encoding: Encoding, space: Space | None) -> None:
        self.encoding, self.space = encoding, space
        self._made: dict[bytes, np.ndarray] = {}

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        if self.space is None:
            return set()
        return {content for content, place in zip(keys, self.space.find(keys), strict=True) if place >= 0}

    def add(self, keys: Sequence[bytes | None], values: Sequence[Any]) -> None:
        """Encode the values of one batch; None is a cell that cannot be used."""
        good = [(content, v) for content, v in zip(keys, values, strict=True) if content is not None and v is not None]
        if not good:
            return
        names = [content for content, _ in good]
        made = encode_values([value for _, value in good], self.encoding.backbone, batch=self.encoding.batch)
        self.encoding.tally.encoded += len(made)
        if self.space is None:
            self._made.update(zip(names, made, strict=True))
        else:
            self.space.append(names, made)

    def of(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Those there are."""
        if self.space is None:
            return self._made
        places = self.space.find(keys)
        there = [content for content, place in zip(keys, places, strict=True) if place >= 0]
        return dict(zip(there, self.space.read(places[places >= 0]), strict=True))


def encode_values(values: Sequence[Any], backbone: Backbone, *, batch: int = 32) -> list[Any]:
    """The vectors of loaded values that are in memory anyway, None where there is none; those of like length together,
    so that little is padded."""
    cells = [_Cell(raw=(n,), length=backbone.length(v)) for n, v in enumerate(values) if v is not None]
    answers: list[Any] = [None] * len(values)
    for some in _batches(sorted(cells, key=lambda cell: cell.length), batch):
        places = [cell.raw[0] for cell in some]
        for place, vectors in zip(places, backbone.encode([values[n] for n in places]), strict=True):
            answers[place] = vectors
    return answers
