"""From rows to answers: admission, decoding, batching, computing. Knows no protocol.

Requests are decoded apart from each other, so one bad picture fails one request. A thread that has decoded a request
also computes it, unless another thread is computing: then that one takes whatever is decoded by the time it is ready,
up to a batch. So an idle server answers at once, in the thread that decoded, and a busy one in batches; nothing ever
waits for a batch to fill. Answers do not depend on who shares a batch (the model's own promise, kept by its masks).
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import numpy as np

from consilience.bundle.compare import in_request
from consilience.bundle.model import Model
from consilience.data.cells import Dataset, merged
from consilience.data.table import Table
from consilience.serve.config import ServeConfig
from consilience.serve.errors import Busy, TimedOut, Unusable
from consilience.serve.fields import Fields, Row
from consilience.serve.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`answers` [B, K] and the decoded predictions of B rows."""

    answers: np.ndarray
    predictions: list[Any]
    warnings: tuple[str, ...] = ()
    """Sentences about what of the request is not as it was in training."""


@dataclass(eq=False)
class _Job:
    """One request between admission and answer."""

    rows: Sequence[Row]
    future: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop
    dataset: Dataset | None = None
    warnings: tuple[str, ...] = ()
    decoded: float = 0.0
    gone: bool = False
    """Nobody waits for the answer any more."""


class Engine:
    """One model, answering. Start it with `start`, end it with `close`; `answer` may be called from one event loop."""

    def __init__(self, model: Model, config: ServeConfig, metrics: Metrics) -> None:
        # Nobody waits longer for an answer than this, so nothing need be decoded for longer.
        most = min(model.limits.cell_seconds, config.timeout)
        self.model = replace(model, limits=replace(model.limits, cell_seconds=most))
        self.config, self.metrics = config, metrics
        self.fields = Fields(model)
        self.ready = False
        """Whether new requests are wanted: what health checks are told. Those that come anyway are answered."""
        self._open = False
        self._waiting = 0
        self._admitted: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._decoded: deque[_Job] = deque()
        self._turn = threading.Lock()
        """Held by the thread that computes."""
        # One more than decode, for the one that computes.
        names = [f"answer-{n}" for n in range(config.decoders + 1)]
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]

    def start(self) -> None:
        """Answer golden-like rows once, so that the first request finds everything loaded."""
        from consilience.bundle import golden

        for row in golden.make(self.model):
            self._predict(self._load([{column: value for column, value in row.items() if value is not None}]))
        for thread in self._threads:
            thread.start()
        self.ready = self._open = True

    def close(self) -> None:
        """Take nothing more, finish what was admitted, but wait for it no longer than `config.drain`."""
        self.ready = self._open = False
        for _ in self._threads:
            self._admitted.put(None)
        until = monotonic() + self.config.drain
        for thread in self._threads:
            if thread.ident is not None:  # it was started
                thread.join(max(0.0, until - monotonic()))

    async def answer(self, rows: Sequence[Row]) -> Answer:
        """Raises Refusal: Busy at once when too much waits, Unusable for a value, TimedOut."""
        if not self._open:
            raise Busy("the server is starting or stopping; try again in a moment")
        if self._waiting + len(rows) > self.config.waiting_rows:
            raise Busy(f"{self._waiting:,} rows are waiting already; try again in a moment")
        loop = asyncio.get_running_loop()
        job = _Job(rows=rows, future=loop.create_future(), loop=loop)
        self._count(len(rows))
        try:
            self._admitted.put(job)
            async with asyncio.timeout(self.config.timeout):
                return await job.future
        except TimeoutError as error:
            raise TimedOut(f"no answer within {self.config.timeout:g} s") from error
        finally:
            job.gone = True
            self._count(-len(rows))

    def _count(self, rows: int) -> None:
        self._waiting += rows
        self.metrics.queued.set(self._waiting)

    # ------------------------------------------------------------------------------------- in the engine's threads

    def _work(self) -> None:
        while (job := self._admitted.get()) is not None:
            if not job.gone and self._decode(job):
                self._decoded.append(job)
                self._compute()

    def _decode(self, job: _Job) -> bool:
        try:
            with self.metrics.timed("decode"):
                job.dataset = self._load(job.rows)
                job.warnings = self._compared(job.dataset)
            self.metrics.saw(job.rows, self.fields)
        except Exception as error:  # whatever it was, the request must hear of it
            _tell([job], [error])
            return False
        job.decoded = perf_counter()
        return True

    def _load(self, rows: Sequence[Row]) -> Dataset:
        columns: dict[str, list[Any]] = {column: [row.get(column) for row in rows] for column in self.fields.all}
        if not columns:  # a model that looks at nothing still answers every row
            columns = {column: [None] * len(rows) for column in self.model.columns or ("",)}
        table = Table(columns=columns, name="the request", root=Path("."))
        dataset = self.model.load(table, workers=0, encoded=False)
        for problem in dataset.problems:
            name = self.fields.input_of.get(problem.column, problem.column)
            self.metrics.undecodable.labels(name).inc()
            raise Unusable(
                f"row {problem.row}, {problem.column}: {problem.reason}", field=problem.column, row=problem.row
            )
        return dataset

    def _compared(self, dataset: Dataset) -> tuple[str, ...]:
        said, new = in_request(dataset, self.model.inputs)
        for name, values in new.items():
            self.metrics.new_values.labels(name).inc(values)
        return tuple(said)

    def _compute(self) -> None:
        """Answer all that is decoded, unless another thread is at it: it looks again after it has let go."""
        while self._decoded and self._turn.acquire(blocking=False):
            try:
                while self._decoded:
                    self._finish(self._batch())
            finally:
                self._turn.release()

    def _batch(self) -> list[_Job]:
        """What is decoded, up to a batch, but at least one request."""
        batch: list[_Job] = []
        rows = 0
        while self._decoded and (not batch or rows + len(self._decoded[0].rows) <= self.config.batch_rows):
            job = self._decoded.popleft()
            if not job.gone:
                batch.append(job)
                rows += len(job.rows)
        return batch

    def _finish(self, batch: Sequence[_Job]) -> None:
        if not batch:
            return
        now = perf_counter()
        for job in batch:
            self.metrics.stage_of["queue"].observe(now - job.decoded)
        self.metrics.batch.observe(sum(len(job.rows) for job in batch))
        try:
            with self.metrics.timed("compute"):
                whole = self._predict(merged([job.dataset for job in batch if job.dataset is not None]))
        except Exception as error:  # a fault of ours: every request of the batch must hear of it
            _tell(batch, [error] * len(batch))
            return
        answers, start = [], 0
        for job in batch:
            end = start + len(job.rows)
            own = slice(start, end)
            answers.append(
                Answer(answers=whole.answers[own], predictions=whole.predictions[own], warnings=job.warnings)
            )
            start = end
        _tell(batch, answers)

    def _predict(self, dataset: Dataset) -> Answer:
        answers = self.model.member.predict(self.model.view(self.model.encode(dataset)))
        return Answer(answers=answers, predictions=self.model.task.decode(answers))


def _tell(jobs: Sequence[_Job], outcomes: Sequence[Answer | Exception]) -> None:
    """Give the waiting coroutines their answers or errors, from another thread; their event loop wakes up once."""

    def settle() -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.future.done():
                continue
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)

    try:
        jobs[0].loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed: the server has gone, and nobody listens
        return
