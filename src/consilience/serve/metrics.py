"""What a server counts, for Prometheus; base units, and labels that no client can invent.

With several worker processes the numbers are added up (prometheus_client's multiprocess mode), which `server.py` turns
on before this file is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from consilience.serve.fields import Fields, Row

STAGES = ("read", "decode", "queue", "compute")
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[Any, Any] = {}
        counter = self._maker(Counter)
        self.requests = counter("requests", "Requests by what became of them", ["protocol", "code"])
        self.errors = counter("errors", "Requests refused or failed, by reason", ["reason"])
        self.given = counter("input_rows", "Rows answered, by input", ["input"])
        self.missing = counter("input_missing_rows", "Rows without this input", ["input"])
        self.undecodable = counter("input_decode_failures", "Values that could not be decoded", ["input"])
        self.new_values = counter("input_new_values", "Values of a category that training did not have", ["input"])
        latest = self._maker(Gauge, multiprocess_mode="max")
        self.last = latest("last_answer_timestamp_seconds", "When a request was last answered, since 1970", [])
        gauge = self._maker(Gauge, multiprocess_mode="livesum")
        self.in_flight = gauge("in_flight_requests", "Requests being answered", [])
        self.queued = gauge("queue_rows", "Rows admitted and not yet answered", [])
        seconds = self._maker(Histogram, buckets=_SECONDS)
        self.duration = seconds("request_duration_seconds", "From the head to the answer", ["protocol", "outcome"])
        self.stage = seconds("stage_duration_seconds", "Time spent in each stage of a request", ["stage"])
        self.stage_of = {stage: self.stage.labels(stage) for stage in STAGES}
        self.batch = self._maker(Histogram, buckets=_ROWS)("batch_rows", "Rows answered in one go", [])

    def _maker(self, kind: Any, **options: Any) -> Any:
        def make(name: str, text: str, labels: Sequence[str]) -> Any:
            return kind(f"consilience_{name}", text, labels, registry=self.registry, **options)

        return make

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.stage_of[stage].observe(perf_counter() - started)

    def saw(self, rows: Sequence[Row], fields: Fields) -> None:
        """Which inputs the rows of a request have."""
        columns: dict[str, set[str]] = {}
        for column, name in fields.input_of.items():
            columns.setdefault(name, set()).add(column)
        for name, of in columns.items():
            without = sum(of.isdisjoint(row) for row in rows)
            self._child(self.given, name).inc(len(rows) - without)
            self._child(self.missing, name).inc(without)

    def requested(self, protocol: str, code: str, seconds: float, reason: str | None) -> None:
        """Count a request and how it ended; `reason`: why it was not answered."""
        outcome = "answered" if reason is None else "refused"
        self._child(self.requests, protocol, code).inc()
        self._child(self.duration, protocol, outcome).observe(seconds)
        if reason is None:
            self.last.set(time())
        else:
            self._child(self.errors, reason).inc()

    def _child(self, metric: Any, *labels: str) -> Any:
        """`metric.labels(...)`, which locks and builds a key every time, remembered."""
        key = (metric, labels)
        if key not in self._children:
            self._children[key] = metric.labels(*labels)
        return self._children[key]

    def expose(self) -> bytes:
        """All numbers in Prometheus' text format, those of other worker processes included."""
        text: bytes = generate_latest(self._all())
        return text

    def totals(self) -> Totals:
        """All numbers, those of other worker processes included."""
        return Totals([sample for metric in self._all().collect() for sample in metric.samples])

    def _all(self) -> CollectorRegistry:
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            return self.registry
        for file in Path(folder).glob("gauge_live*.db"):  # what a worker that has died was doing is no longer done
            if not Path(f"/proc/{file.stem.rpartition('_')[2]}").exists() and Path("/proc/self").exists():
                file.unlink(missing_ok=True)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry


class Totals:
    """Samples of one moment."""

    def __init__(self, samples: Sequence[Any]) -> None:
        self._samples = samples

    def sum(self, name: str, **labels: str) -> float:
        """Of all samples of this name that have these labels, whatever others they have."""
        wanted = labels.items()
        return float(sum(s.value for s in self._samples if s.name == name and wanted <= s.labels.items()))
