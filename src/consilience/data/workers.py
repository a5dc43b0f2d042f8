"""Media cells decoded in worker processes, and one cell at a time in this one. Knows no modality and no table.

A worker that dies takes nothing with it: the chunks it may have been working on are loaded again, one cell at a time
in a process of their own, and the cell that kills that process too is reported as bad. A worker that takes too long
with one cell is ended by its own alarm clock, which needs no help from a decoder that hangs.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np

from consilience.core import files
from consilience.core.errors import BadCell, DataError, UserError
from consilience.core.limits import Limits
from consilience.data.keys import key, key_of
from consilience.data.sink import FileSink
from consilience.data.store import Space
from consilience.data.stored import put_values
from consilience.modalities.base import Modality

RawCell = tuple[Any, ...]

_CHUNK_CELLS = 32
_CHUNK_STREAMED = 4  # each may take seconds, and the workers should end at about the same time
_CHUNK_BYTES = 16_000_000
_MOST_CRASHES = 50
_LOOK = 1.0
"""Seconds after which a worker looks whether its parent is still there."""
# The decoders' own threads would only fight the other workers for the same cores.
_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What loading a cell of one input needs, besides the cell."""

    modality: Modality
    config: Any
    root: Path
    limits: Limits
    file: FileSink | None = None
    """Where workers write values themselves; None: they send them back."""
    space: Space | None = None
    """Where values of the same content are looked for, and new ones are put; None: every cell is decoded."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One cell, loaded or not. `reason` says why not; `group` is the hash of a media cell's content, -1 without a
    value."""

    value: Any = None
    group: int = -1
    length: int = 0
    """Of a value that a worker has put into the file itself: its first size."""
    key: bytes | None = None
    """Of the content of a media cell (data/keys.py); None without a value."""
    kept: bytes | None = None
    """The key under which the value is in the store; it is then not given here."""
    remarks: Sequence[str] = ()
    reason: str | None = None


Keep = Callable[[Sequence[int], Sequence[Outcome]], None]
"""Called with the numbers of some cells that have been loaded, and the outcome of each."""


def load_media(job: Job, cell: RawCell) -> Outcome:
    """Load one cell of files or bytes and hash its content.

    A file is read here, once, and handed on as bytes, so that hashing costs no second read. What cannot be read is
    handed on as it is: saying what is wrong with it is the modality's business. Paths of streamed cells are handed on
    as they are, and hashed piece by piece; a refused one is not hashed, unless the store may hold it.
    """
    streamed = job.modality.streamed
    content = [] if streamed and job.space is None else read_content(job, cell)
    name = _name(content)
    if job.space is not None and name is not None and len(place := _known(job.space, name)):
        job.space.read(place)  # raises when it is damaged
        return Outcome(group=content_hash(content), key=name, kept=name)
    try:
        value, remarks = job.modality.load(cell if streamed else tuple(content), job.config, job.root, job.limits)
    except BadCell as error:
        return Outcome(reason=error.reason)
    except Exception as error:  # decoders raise anything on damaged bytes, and one cell must not end the run
        return Outcome(reason=f"the decoder failed ({type(error).__name__})")
    if value is None:
        return Outcome(remarks=remarks)
    content = content or read_content(job, cell)
    return Outcome(value=value, remarks=remarks, group=content_hash(content), key=_name(content))


def _name(content: Sequence[Any]) -> bytes | None:
    return key(*content) if content and all(isinstance(part, bytes) for part in content) else None


def load_plain(job: Job, cell: RawCell) -> Outcome:
    """Load a cell that is not media. Unlike a decoder of files, our own parsers raise BadCell or have a bug."""
    try:
        value, remarks = job.modality.load(cell, job.config, job.root, job.limits)
    except BadCell as error:
        return Outcome(reason=error.reason)
    return Outcome(value=value, remarks=remarks)


def read_content(job: Job, cell: RawCell) -> list[Any]:
    """The bytes of each part of a media cell, of a streamed one their hash; a path that cannot be read stays a path."""
    content: list[Any] = []
    for part in cell:
        try:
            if job.modality.streamed:
                content.append(_digest(part, job))
            else:
                path = isinstance(part, str)
                content.append(files.read(part, root=job.root, max_bytes=job.limits.bytes) if path else part)
        except (BadCell, OSError, ValueError, RuntimeError):  # the last two: a lone surrogate, a loop of links
            content.append(part)
    return content


def _digest(part: Any, job: Job) -> Any:
    """The hash of what a file or bytes hold, read piece by piece; anything else as it is."""
    if isinstance(part, bytes):
        return hashlib.blake2b(part).digest()
    if not isinstance(part, str):
        return part
    with files.open_cell(part, job.root, job.limits.bytes, max_file=job.limits.stream_bytes) as file:
        digest = hashlib.blake2b()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.digest()


def _known(space: Space, name: bytes) -> np.ndarray:
    """Its place, or nothing."""
    place = space.find([name])
    return place[place >= 0]


def content_hash(content: Sequence[Any]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in content:
        part = part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogatepass")
        if len(content) > 1:
            digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "big") >> 1  # 63 bits: never negative as int64


def load_chunk(
    job: Job, places: Sequence[int], cells: Sequence[RawCell], *, watch: Callable[[float], Any] = nullcontext
) -> list[Outcome]:
    """Load media cells, in a worker or here. `places` are their numbers in `job.file`. `watch(seconds)`: a context in
    which each cell is loaded."""
    outcomes = []
    for cell in cells:
        with watch(job.limits.cell_seconds):
            outcomes.append(load_media(job, cell))
    if job.space is not None:
        return _put_away(outcomes, job.space)
    if job.file is None:
        return outcomes
    done = list(outcomes)
    for n, (place, outcome) in enumerate(zip(places, outcomes, strict=True)):
        if outcome.value is not None:
            job.file.put(place, outcome.value)
            done[n] = replace(outcome, value=None, length=len(outcome.value))
    job.file.close()
    return done


def _load_in_worker(job: Job, places: Sequence[int], cells: Sequence[RawCell]) -> list[Outcome]:
    return load_chunk(job, places, cells, watch=_alarm)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer. The kernel does it: a decoder need not return."""
    if not hasattr(signal, "setitimer"):  # Windows: ends what lets other threads run, as decoders mostly do
        timer = threading.Timer(seconds, os._exit, (1,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _put_away(outcomes: Sequence[Outcome], space: Space) -> list[Outcome]:
    """The values into the store. One with remarks goes where nobody looks: it is loaded each time, for the remarks."""
    done = list(outcomes)
    for place, outcome in enumerate(outcomes):
        if outcome.value is not None and outcome.kept is None:
            name = outcome.key or key_of(outcome.value)
            done[place] = replace(outcome, value=None, kept=key(name, *outcome.remarks) if outcome.remarks else name)
    new = [(now.kept, was.value) for now, was in zip(done, outcomes, strict=True) if was.value is not None]
    put_values(space, [name for name, _ in new if name is not None], [value for _, value in new])
    return done


def _end_with(parent: int) -> None:
    """End this process soon after its parent has ended, however that ended: nobody else tells an idle worker."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def _start_worker(parent: int) -> None:
    threading.Thread(target=_end_with, args=(parent,), name="end with the parent", daemon=True).start()
    # Ctrl-C reaches the whole process group; only the parent acts on it, by ending its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process, whatever it is doing


class Workers:
    """Worker processes, started when first needed and gone when the `with` block ends, however it ends."""

    def __init__(self, count: int, *, idle: float | None = None) -> None:
        """`idle`: seconds after which a worker without work goes; another starts when there is work again."""
        self._count, self._idle = count, idle
        self._executor: Any = None
        self._crashes = 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop(kill=kind is not None)

    def load(self, job: Job, cells: Sequence[RawCell], places: Sequence[int], keep: Keep) -> None:
        """Load every cell and `keep` it as it comes, in any order. `places` are their numbers in `job.file`."""
        most = _CHUNK_STREAMED if job.modality.streamed else _CHUNK_CELLS
        self._run(job, cells, places, chunks_of(cells, most), keep)

    def stream(
        self, job: Job, batches: Sequence[Sequence[RawCell]], land: Callable[[int, Sequence[Outcome]], None]
    ) -> None:
        """Load every batch; `land(number of the batch, its outcomes)` is called for each as it comes, in any order.
        Only a few batches are loaded ahead of it."""
        cells = [cell for batch in batches for cell in batch]
        starts = list(accumulate((len(batch) for batch in batches), initial=0))
        number = {start: n for n, start in enumerate(starts[:-1])}
        chunks = [list(range(a, b)) for a, b in pairwise(starts)]
        self._run(job, cells, range(len(cells)), chunks, lambda chunk, loaded: land(number[chunk[0]], loaded))

    def _run(
        self,
        job: Job,
        cells: Sequence[RawCell],
        places: Sequence[int],
        chunks: Sequence[list[int]],
        keep: Keep,
    ) -> None:
        """`keep`, in this process, each chunk of cells as it is loaded."""
        waiting = deque(chunks)
        flying: dict[Future[list[Outcome]], list[int]] = {}

        def land(futures: Sequence[Future[list[Outcome]]]) -> list[list[int]]:
            lost: list[list[int]] = []
            for future in futures:
                chunk = flying.pop(future)
                try:
                    loaded = future.result()
                except BrokenProcessPool:
                    lost.append(chunk)
                else:
                    keep(chunk, loaded)
            return lost

        while waiting or flying:
            whole = True
            while whole and waiting and len(flying) < 2 * self._count:
                chunk = waiting[0]
                try:
                    flying[self._submit(self._count, job, cells, places, chunk)] = chunk
                    waiting.popleft()
                except BrokenProcessPool:  # a worker died since the last look
                    whole = False
            lost = land(list(wait(flying, return_when=FIRST_COMPLETED).done)) if flying else []
            if lost or not whole:
                lost += land(list(wait(flying).done))  # a broken pool fails everything it held, at once
                self._stop(kill=True)
                for chunk in lost:
                    keep(chunk, self._one_by_one(job, cells, places, chunk))
                self._stop(kill=False)

    def _one_by_one(
        self, job: Job, cells: Sequence[RawCell], places: Sequence[int], chunk: Sequence[int]
    ) -> list[Outcome]:
        try:
            self._submit(1, job, cells, places, []).result()
        except BrokenProcessPool as error:
            raise UserError(
                "the worker processes that load media die as soon as they start (out of memory, or a broken "
                "installation?); run with 0 workers to see why"
            ) from error
        outcomes: list[Outcome] = []
        for i in chunk:
            begun = monotonic()
            try:
                outcomes += self._submit(1, job, cells, places, [i]).result()
            except BrokenProcessPool as error:
                long = monotonic() - begun >= job.limits.cell_seconds
                self._stop(kill=True)
                self._crashes += 1
                if self._crashes > _MOST_CRASHES:
                    raise DataError(
                        f"the decoder of {job.modality.name} crashed on more than {_MOST_CRASHES} cells, one after "
                        "the other; it is not one damaged file. Check the files and the installation"
                    ) from error
                outcomes.append(Outcome(reason=_late(job.limits) if long else "the decoder crashed"))
        return outcomes

    def _submit(
        self, count: int, job: Job, cells: Sequence[RawCell], places: Sequence[int], chunk: Sequence[int]
    ) -> Future[list[Outcome]]:
        if self._executor is None:
            # loky: its workers do not import the user's __main__, so a script needs no `if __name__ == "__main__"`.
            from loky import ProcessPoolExecutor

            self._executor = ProcessPoolExecutor(
                max_workers=count,
                timeout=self._idle,
                initializer=_start_worker,
                initargs=(os.getpid(),),
                env=_ENVIRONMENT,
            )
        chosen = [places[i] for i in chunk], [cells[i] for i in chunk]
        future: Future[list[Outcome]] = self._executor.submit(_load_in_worker, job, *chosen)
        return future

    def _stop(self, *, kill: bool) -> None:
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=kill)


def _late(limits: Limits) -> str:
    return f"loading it took longer than {limits.cell_seconds:g} s and was stopped (limits.cell_seconds)"


_GUARD = Workers(1, idle=60.0)
_GUARDED = threading.Lock()


def load_guarded(job: Job, cells: Sequence[RawCell], places: Sequence[int], keep: Keep) -> None:
    """`Workers.load` of a few cells, in one process that is kept for the next call and goes when nobody calls for a
    minute. One call at a time: a cell that crashes the process must not spoil somebody else's."""
    with _GUARDED:
        _GUARD._crashes = 0
        try:
            _GUARD.load(job, cells, places, keep)
        except BaseException:  # an interrupt: what is still being decoded must not hold up the next call
            _GUARD._stop(kill=True)
            raise


def chunks_of(cells: Sequence[RawCell], most: int = _CHUNK_CELLS) -> list[list[int]]:
    """Numbers of cells in chunks that are small to send: few cells, and few bytes where cells hold them."""
    found: list[list[int]] = []
    size = 0
    for i, cell in enumerate(cells):
        weight = sum(len(part) for part in cell if isinstance(part, bytes))
        if not found or len(found[-1]) == most or size + weight > _CHUNK_BYTES:
            found.append([])
            size = 0
        found[-1].append(i)
        size += weight
    return found
