"""From rows to answers: admission, decoding, batching, computing. Knows no protocol.

Requests are decoded apart from each other, so one bad picture fails one request. One thread computes: it takes
whatever is decoded, up to a batch, and never waits for more, so an idle server answers at once and a busy one in
batches. Answers do not depend on who shares a batch (the model's own promise, kept by its masks).
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from consilience.bundle.model import Model
from consilience.data.cells import Dataset, merged
from consilience.data.sources import read
from consilience.serve.config import ServeConfig
from consilience.serve.errors import Busy, TimedOut, Unusable
from consilience.serve.fields import Fields, Row
from consilience.serve.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`answers` [B, K] and the decoded predictions of B rows."""

    answers: np.ndarray
    predictions: list[Any]


@dataclass(eq=False)
class _Job:
    """One request between admission and answer."""

    rows: Sequence[Row]
    future: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop
    dataset: Dataset | None = None
    decoded: float = 0.0
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits for the answer any more."""


class Engine:
    """One model, answering. Start it with `start`, end it with `close`; `answer` may be called from one event loop."""

    def __init__(self, model: Model, config: ServeConfig, metrics: Metrics) -> None:
        # Nobody waits longer for an answer than this, so nothing need be decoded for longer.
        most = min(model.limits.cell_seconds, config.timeout)
        self.model = replace(model, limits=replace(model.limits, cell_seconds=most))
        self.config, self.metrics = config, metrics
        self.fields = Fields(model)
        self.ready = False
        self._waiting = 0
        self._decoders = ThreadPoolExecutor(config.decoders, thread_name_prefix="decode")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._computer = threading.Thread(target=self._compute, name="compute", daemon=True)

    def start(self) -> None:
        """Answer golden-like rows once, so that the first request finds everything loaded."""
        from consilience.bundle import golden

        self._computer.start()
        for row in golden.make(self.model):
            self._answer_now([{column: value for column, value in row.items() if value is not None}])
        self.ready = True

    def close(self) -> None:
        """Finish what was admitted, then stop."""
        self.ready = False
        self._decoders.shutdown(wait=True)
        self._jobs.put(None)
        self._computer.join()

    async def answer(self, rows: Sequence[Row]) -> Answer:
        """Raises Refusal: Busy at once when too much waits, Unusable for a value, TimedOut."""
        if self._waiting + len(rows) > self.config.waiting_rows:
            raise Busy(f"{self._waiting:,} rows are waiting already; try again in a moment")
        loop = asyncio.get_running_loop()
        job = _Job(rows=rows, future=loop.create_future(), loop=loop)
        self._count(len(rows))
        try:
            self._decoders.submit(self._decode, job)
            async with asyncio.timeout(self.config.timeout):
                return await job.future
        except TimeoutError as error:
            raise TimedOut(f"no answer within {self.config.timeout:.0f} s") from error
        finally:
            job.gone.set()
            self._count(-len(rows))

    def _count(self, rows: int) -> None:
        self._waiting += rows
        self.metrics.queued.set(self._waiting)

    def _decode(self, job: _Job) -> None:
        """In a decoder's thread."""
        if job.gone.is_set():
            return
        try:
            with self.metrics.timed("decode"):
                job.dataset = self._load(job.rows)
            self.metrics.saw(job.rows, self.fields)
        except Exception as error:  # whatever it was, the request must hear of it
            _tell(job, error)
            return
        job.decoded = perf_counter()
        self._jobs.put(job)

    def _load(self, rows: Sequence[Row]) -> Dataset:
        table = read([{column: row.get(column) for column in self.fields.all} for row in rows], root=Path("."))
        dataset = self.model.load(table, workers=0)
        for problem in dataset.problems:
            name = self.fields.input_of.get(problem.column, problem.column)
            self.metrics.undecodable.labels(name).inc()
            raise Unusable(
                f"row {problem.row}, {problem.column}: {problem.reason}", field=problem.column, row=problem.row
            )
        return dataset

    def _compute(self) -> None:
        """The computing thread: takes all that is there, up to a batch."""
        kept: _Job | None = None
        while (first := kept or self._jobs.get()) is not None:
            batch, kept, rows = [first], None, len(first.rows)
            while not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    self._jobs.put(None)  # close: after this batch
                    break
                if rows + len(job.rows) > self.config.batch_rows:
                    kept = job
                    break
                batch.append(job)
                rows += len(job.rows)
            self._finish([job for job in batch if not job.gone.is_set()])

    def _finish(self, batch: Sequence[_Job]) -> None:
        if not batch:
            return
        now = perf_counter()
        for job in batch:
            self.metrics.stage.labels("queue").observe(now - job.decoded)
        self.metrics.batch.observe(sum(len(job.rows) for job in batch))
        try:
            with self.metrics.timed("compute"):
                whole = self._predict(merged([job.dataset for job in batch if job.dataset is not None]))
        except Exception as error:  # a fault of ours: every request of the batch must hear of it
            for job in batch:
                _tell(job, error)
            return
        start = 0
        for job in batch:
            end = start + len(job.rows)
            _tell(job, Answer(answers=whole.answers[start:end], predictions=whole.predictions[start:end]))
            start = end

    def _predict(self, dataset: Dataset) -> Answer:
        answers = self.model.member.predict(self.model.view(dataset))
        return Answer(answers=answers, predictions=self.model.task.decode(answers))

    def _answer_now(self, rows: Sequence[Row]) -> Answer:
        return self._predict(self._load(rows))


def _tell(job: _Job, outcome: Answer | Exception) -> None:
    """Give the waiting coroutine its answer or its error, from another thread."""

    def settle() -> None:
        if job.future.done():
            return
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)

    try:
        job.loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed: the server has gone, and nobody listens
        return
