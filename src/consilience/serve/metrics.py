"""What a server counts, for Prometheus; base units, and labels that no client can invent.

With several worker processes the numbers are added up (prometheus_client's multiprocess mode), which `server.py` turns
on before this file is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
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
        counter = self._maker(Counter)
        self.requests = counter("requests", "Requests by what became of them", ["protocol", "code"])
        self.errors = counter("errors", "Requests refused or failed, by reason", ["reason"])
        self.given = counter("input_rows", "Rows answered, by input", ["input"])
        self.missing = counter("input_missing_rows", "Rows without this input", ["input"])
        self.undecodable = counter("input_decode_failures", "Values that could not be decoded", ["input"])
        gauge = self._maker(Gauge, multiprocess_mode="livesum")
        self.in_flight = gauge("in_flight_requests", "Requests being answered", [])
        self.queued = gauge("queue_rows", "Rows admitted and not yet answered", [])
        seconds = self._maker(Histogram, buckets=_SECONDS)
        self.duration = seconds("request_duration_seconds", "From the first byte to the answer", ["protocol"])
        self.stage = seconds("stage_duration_seconds", "Time spent in each stage of a request", ["stage"])
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
            self.stage.labels(stage).observe(perf_counter() - started)

    def saw(self, rows: Sequence[Row], fields: Fields) -> None:
        """Which inputs the rows of a request have."""
        columns: dict[str, set[str]] = {}
        for column, name in fields.input_of.items():
            columns.setdefault(name, set()).add(column)
        for name, of in columns.items():
            without = sum(of.isdisjoint(row) for row in rows)
            self.given.labels(name).inc(len(rows) - without)
            self.missing.labels(name).inc(without)

    def expose(self) -> bytes:
        """All numbers in Prometheus' text format, those of other worker processes included."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            text: bytes = generate_latest(self.registry)
            return text
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
