"""From a table and its plan to loaded cells: every distinct cell is loaded once, and what is bad is reported by row.

Knows no modality: it asks the modality of each input what is equal, what is missing and what a cell means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from consilience.core.errors import UserError
from consilience.core.limits import Limits
from consilience.core.registry import Family
from consilience.data.cells import Cells, Dataset, Problem
from consilience.data.encode import Encoding, encode
from consilience.data.infer import InputPlan
from consilience.data.keys import KEY_BYTES
from consilience.data.sink import FileSink, Sink, open_sink
from consilience.data.spill import Spill
from consilience.data.store import Store
from consilience.data.stored import StoreSink, loaded_space
from consilience.data.table import Table
from consilience.data.workers import Job, Outcome, RawCell, Workers, chunks_of, load_chunk, load_guarded, load_plain
from consilience.modalities import MODALITIES
from consilience.modalities.base import Modality

Progress = Callable[[int, int], None]
"""Called with how many distinct cells are done, and how many there are."""

_FEW = 256
"""Starting processes costs more than decoding so few cells (about half a second, measured)."""
_FEW_STREAMED = 16
_EVERY = 1_000


@dataclass(frozen=True, kw_only=True)
class _Input:
    """One input on its way: its distinct cells (None: the missing one), and the cell of each row [N]."""

    plan: InputPlan
    modality: Modality
    config: Any
    cells: list[RawCell | None]
    index: np.ndarray


def load(
    table: Table,
    plans: Mapping[str, InputPlan],
    configs: Mapping[str, Any],
    *,
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    scratch: Path | None = None,
    store: Store | None = None,
    encodings: Mapping[str, Encoding] | None = None,
    modalities: Family = MODALITIES,
) -> Dataset:
    """Load all inputs of `table`. `configs` are the resolved processing configs, by input.

    A cell that cannot be used becomes None, and a Problem for every row that holds it.

    workers: processes that decode media; 0 for none, None for one per core. Few cells are decoded in this process, and
    few streamed ones (see `Modality.streamed`) in a process that is kept for the next call, also with 0 workers.
    scratch: a folder for values too many for memory (it and its files are the caller's to remove when the dataset is
    no longer used); None keeps everything in memory. When loading fails or is interrupted, no file is left.
    store: where media of known content are found loaded, and others are put (those that load as arrays of one shape).
    encodings: by input, how its cells become vectors of a frozen backbone, which are then its values.
    """
    limits = Limits() if limits is None else limits
    sinks: list[Sink] = []
    try:
        with ExitStack() as stack:
            spill = stack.enter_context(Spill(scratch))
            parts = {name: modalities.load(plan.modality)() for name, plan in plans.items()}
            inputs = [_distinct(table, plan, parts[name], configs[name], spill) for name, plan in plans.items()]
            tick = _ticker(progress, sum(len(item.cells) for item in inputs))
            pool = stack.enter_context(Workers(_count(workers, inputs)))
            loaded = {}
            for item in inputs:
                job = Job(modality=item.modality, config=item.config, root=table.root, limits=limits)
                if (encoding := (encodings or {}).get(item.plan.name)) is not None:
                    loaded[item.plan.name] = _encode(item, job, encoding, pool, workers, tick)
                    continue
                spec = item.modality.array(item.config)
                space = None if store is None else loaded_space(store, item.modality, item.config, limits)
                if space is not None and spec is not None:
                    sinks.append(StoreSink(len(item.cells), spec[0], space))
                else:
                    sinks.append(open_sink(len(item.cells), spec, scratch, ragged=item.modality.ragged))
                job = replace(job, space=space)
                loaded[item.plan.name] = _load(item, job, sinks[-1], pool, workers, tick)
    except BaseException as error:  # also an interrupt: nothing half-written stays behind
        for sink in sinks:
            sink.discard()
        if isinstance(error, OSError) and scratch is not None:
            raise UserError(f"{scratch}: loaded values cannot be kept there: {error.strerror or error}") from error
        raise
    return Dataset(inputs=loaded, rows=len(table))


def _distinct(table: Table, plan: InputPlan, modality: Modality, config: Any, spill: Spill) -> _Input:
    """Distinct cells in the order of their first row; nothing depends on that order. All missing rows share one. Large
    values of media are put aside in `spill`."""
    number: dict[Any, int] = {}
    cells: list[RawCell | None] = []
    index = np.empty(len(table), np.int64)
    for r, cell in enumerate(zip(*(table[column] for column in plan.columns), strict=True)):
        # The types belong to the key because 1 == 1.0 == True in Python: else the first of them would win.
        known = tuple(map(spill.key, cell)) if modality.media else cell
        key = None if modality.missing(cell) else (modality.key(known), *map(type, cell))
        u = number.setdefault(key, len(cells))
        if u == len(cells):
            kept = tuple(map(spill.aside, cell)) if modality.media else cell
            cells.append(None if key is None else kept)
        index[r] = u
    return _Input(plan=plan, modality=modality, config=config, cells=cells, index=index)


def _count(workers: int | None, inputs: Sequence[_Input]) -> int:
    """How many processes to start, if any are needed."""
    if workers is not None or not any(map(_is_many, inputs)):
        return workers or 0
    from loky import cpu_count

    return int(cpu_count())


def _is_many(item: _Input) -> bool:
    """Whether decoding the cells of an input is worth starting processes for."""
    modality = item.modality
    return modality.media and len(item.cells) >= (_FEW_STREAMED if modality.streamed else _FEW)


def _load(item: _Input, job: Job, sink: Sink, pool: Workers, workers: int | None, tick: Callable[[int], None]) -> Cells:
    places = [u for u, cell in enumerate(item.cells) if cell is not None]
    cells = [cell for cell in item.cells if cell is not None]
    tick(len(item.cells) - len(cells))
    ok = np.zeros(len(item.cells), bool)
    groups = np.full(len(item.cells), -1, np.int64)
    contents = np.zeros((len(item.cells), KEY_BYTES), np.uint8)
    remarkable: dict[int, Outcome] = {}
    many = workers != 0 and _is_many(item)
    apart = many or (item.modality.streamed and bool(cells))  # in other processes, which write to the file themselves
    file = sink if apart and isinstance(sink, FileSink) else None

    def keep(u: int, outcome: Outcome) -> None:
        groups[u] = outcome.group
        if outcome.key is not None:
            contents[u] = np.frombuffer(outcome.key, np.uint8)
        found = outcome.value if outcome.kept is None else outcome.kept
        ok[u] = found is not None if file is None else outcome.group >= 0
        if ok[u] and file is None:
            sink.put(u, found)
        elif ok[u] and file is not None:
            file.note(u, outcome.length)
        if outcome.reason is not None or outcome.remarks:
            remarkable[u] = Outcome(remarks=outcome.remarks, reason=outcome.reason)

    def land(chunk: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        for i, outcome in zip(chunk, outcomes, strict=True):
            keep(places[i], outcome)
        tick(len(chunk))

    if apart:
        load_in = pool.load if many else load_guarded
        load_in(replace(job, file=file), cells, places, land)
    elif item.modality.media:
        for chunk in chunks_of(cells):
            land(chunk, load_chunk(job, chunk, [cells[i] for i in chunk]))
    else:
        for done, (u, cell) in enumerate(zip(places, cells, strict=True), 1):
            keep(u, load_plain(job, cell))
            if done % _EVERY == 0:
                tick(_EVERY)
        tick(len(cells) % _EVERY)
    problems = _problems(item.plan, item.index, remarkable)
    return Cells(
        values=sink.finish(ok),
        index=item.index,
        groups=groups[item.index],
        problems=problems,
        contents=contents if item.modality.media else None,
    )


def _encode(
    item: _Input, job: Job, encoding: Encoding, pool: Workers, workers: int | None, tick: Callable[[int], None]
) -> Cells:
    places = [u for u, cell in enumerate(item.cells) if cell is not None]
    cells = [cell for cell in item.cells if cell is not None]
    tick(len(item.cells) - len(cells))
    several = workers != 0 and _is_many(item)
    vectors, outcomes = encode(cells, job, encoding, pool=pool if several else None, tick=tick)
    values: list[Any] = [None] * len(item.cells)
    groups = np.full(len(item.cells), -1, np.int64)
    remarkable: dict[int, Outcome] = {}
    for u, vector, outcome in zip(places, vectors, outcomes, strict=True):
        values[u], groups[u] = vector, -1 if vector is None else outcome.group
        if outcome.reason is not None or outcome.remarks:
            remarkable[u] = outcome
    problems = _problems(item.plan, item.index, remarkable)
    return Cells(values=values, index=item.index, groups=groups[item.index], problems=problems)


def _problems(plan: InputPlan, index: np.ndarray, remarkable: Mapping[int, Outcome]) -> tuple[Problem, ...]:
    """A Problem for every row that holds a cell with something to say about."""
    if not remarkable:
        return ()
    order = np.argsort(index, kind="stable")
    found = list(remarkable)
    left, right = (np.searchsorted(index[order], found, side) for side in ("left", "right"))
    problems: list[Problem] = []
    for u, a, b in zip(found, left, right, strict=True):
        outcome = remarkable[u]
        said = [(outcome.reason, True)] if outcome.reason is not None else [(text, False) for text in outcome.remarks]
        for text, whole in said:
            column, reason = _blame(plan, text)
            rows = order[a:b].tolist()
            problems += [Problem(row=row, column=column, reason=reason, whole=whole) for row in rows]
    return tuple(sorted(problems, key=lambda p: (p.row, p.column, p.reason)))


def _blame(plan: InputPlan, text: str) -> tuple[str, str]:
    """The column a reason is about: it says so ("price: 'n/a' is not a number") when the input has several."""
    if len(plan.columns) == 1:
        return plan.columns[0], text.removeprefix(f"{plan.columns[0]}: ")
    named = [column for column in plan.columns if text.startswith(f"{column}: ")]
    if not named:
        return plan.name, text
    column = max(named, key=len)
    return column, text[len(column) + 2 :]


def _ticker(progress: Progress | None, total: int) -> Callable[[int], None]:
    done = 0

    def tick(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None and more:
            progress(done, total)

    return tick
