"""fit: tables in, a run folder out: the preset's candidates in the time budget, the ensemble, the test, the bundle."""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from consilience import __version__
from consilience.bundle.manifest import write_text
from consilience.bundle.model import Model
from consilience.bundle.save import save
from consilience.core.errors import UserError
from consilience.core.files import media_root
from consilience.core.optional import lean, require
from consilience.core.progress import Deadline, Reporter
from consilience.core.result import FitResult
from consilience.core.threads import cores, limited, sensible, wished
from consilience.data.check import write_bad_cells
from consilience.data.sources import read, sides
from consilience.data.store import Store
from consilience.data.table import Table
from consilience.models.base import Member
from consilience.models.constant import Constant
from consilience.workflows import audit, report
from consilience.workflows.candidates import Search
from consilience.workflows.config import PRESETS, RunConfig
from consilience.workflows.ensembles import ensembles
from consilience.workflows.kept import CHECKPOINTS
from consilience.workflows.leaderboard import About, Entry, Measured, choose, enter, measure, rank
from consilience.workflows.origin import in_memory, remember
from consilience.workflows.overlooked import of_fit
from consilience.workflows.plan import listed, plan, settled
from consilience.workflows.prepare import Prepared, prepare
from consilience.workflows.presets import Setting, rows_point
from consilience.workflows.runs import Run

FINISH = 0.05
"""Share of the time budget kept for the test, the bundle and the report."""


def fit(sources: Mapping[str, Any], config: RunConfig, *, out: Path, reporter: Reporter) -> FitResult:
    """`sources`: "train", and "valid" and "test" where the user gave them: anything `data.sources.read` takes.

    Ctrl-C while candidates are fitted ends the search: what was found by then is chosen from, saved and reported. A run
    that was cut off, in whatever way, goes on with workflows/resume.py.
    """
    require("lightgbm", "pyarrow", "scipy", "sklearn", extra="train", to="train a model")
    started = time.monotonic()
    sources = spread(sources)
    store, tables = store_of(config), tables_of(sources, config)
    made_of = {"folder": str(Path.cwd()), "threads": threads(config), "sources": remember(sources)}
    with Run.begin(out, config, made_of, used=time.monotonic() - started) as run:
        try:
            return work(run, tables, store=store, reporter=reporter)
        except UserError:
            run.refuse()
            raise


def threads(config: RunConfig) -> int:
    return config.threads or sensible()


def processes(config: RunConfig) -> int:
    """Networks trained at the same time, where that is possible."""
    return config.processes or (1 if (config.threads or wished()) > 1 else cores())


def spread(sources: Mapping[str, Any]) -> dict[str, Any]:
    """The sources by side, where the one for training may hold the others; what the user gave as a side wins."""
    if "train" not in sources:
        return dict(sources)
    return {**sides(sources["train"]), **{side: source for side, source in sources.items() if side != "train"}}


def tables_of(sources: Mapping[str, Any], config: RunConfig, *, folder: Path = Path()) -> dict[str, Table]:
    """The tables, read. `folder`: where relative paths start that the user gave."""
    given = config.data.media_root
    root = media_root(folder / given if given else None, confine=config.data.confine)
    return {side: read(source, root=root) for side, source in sources.items()}


def store_of(config: RunConfig, *, folder: Path = Path()) -> Store | None:
    """The encode-once store the run was given, opened. `folder`: where a relative path starts."""
    return None if config.data.store is None else Store(folder / config.data.store)


def work(run: Run, tables: Mapping[str, Table], *, store: Store | None, reporter: Reporter) -> FitResult:
    """Do of a run what is not done yet, to its end."""
    deadline, config, out = run.deadline, run.config, run.folder
    run.use(config)
    log = Log(out / "log.jsonl", reporter)
    # A new folder each time: workers of a killed process may for a moment still write to theirs.
    scratch = partial(tempfile.TemporaryDirectory, prefix=".scratch-", dir=out, ignore_cleanup_errors=True)
    again = f"to go on: consilience fit --resume --out {shlex.quote(str(out))}"
    try:
        with limited(threads(config)), scratch() as folder:
            prepared = prepare(tables, config, scratch=Path(folder), store=store, reporter=log)
            unreadable = prepared.inference.unreadable
            run.same({**prepared.contents, **in_memory(run, tables, unreadable=unreadable)})
            for side, table in prepared.tables.items():
                name = "bad_cells.csv" if side == "train" else f"bad_cells_{side}.csv"
                write_bad_cells(prepared.problems[side], out / name, table=table)
            write_splits(prepared, out / "splits.parquet")
            for warning in prepared.warnings:
                log.say(f"warning: {warning}")
            entries, interrupted = search(prepared, config, deadline=deadline, folder=out / CHECKPOINTS, log=log)
            fitted = finish(out, config, prepared, entries, deadline=deadline, interrupted=interrupted, log=log)
            if interrupted:
                log.say(again)
            else:
                run.complete({"warnings": fitted.warnings, "bad_cells": fitted.bad_cells})
            return fitted
    except KeyboardInterrupt:  # too early for a model, or a second one
        log.say(f"interrupted; {again}")
        raise
    except OSError as error:  # a full disk, most often: nothing more may be written to the log
        error.filename = error.filename or str(out)
        reporter.say(f"the run is kept as far as it was written; {again}")
        raise


class Log(Reporter):
    """Passes everything on, and keeps what was said in log.jsonl with the time it was said."""

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self.path, self.reporter, self.bar = path, reporter, reporter.bar  # type: ignore[method-assign]

    def say(self, text: str) -> None:
        self.event({"said": text})
        self.reporter.say(text)

    def entry(self, entry: Entry, primary: str) -> None:
        """A new line of the leaderboard."""
        found = entry.metrics[primary]["value"]
        value = "undefined" if found is None else f"{found:.4f}"
        self.reporter.say(f"{entry.name}: {primary} {value} on validation rows, {entry.about.cpu_seconds:.1f} CPU-s")
        self.event({"entry": entry.line(), **entry.about.facts})

    def event(self, fact: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": round(time.time(), 3), **fact}, ensure_ascii=False) + "\n")


def search(
    prepared: Prepared, config: RunConfig, *, deadline: Deadline, folder: Path, log: Log
) -> tuple[list[Entry], bool]:
    """Fit the preset's candidates, cheapest first, as long as there is time; then the ensembles. Also whether Ctrl-C
    ended it: what was found by then stands."""
    task, seed = prepared.task, config.seed
    setting = Setting(prepared=prepared, config=config, reporter=log, point=rows_point)
    train = prepared.parts["train"]
    answer = Constant(task.constant(train.target, train.weights))
    entries: list[Entry] = []
    slowest = 0.0

    def scored(member: Member, about: About) -> None:
        nonlocal slowest
        started = time.monotonic()
        entries.append(enter(prepared, member, about, seed=seed))
        slowest = max(slowest, time.monotonic() - started)

    scored(answer, About(name=task.baseline, preset="baseline"))
    # What comes after a candidate: its own score, three ensembles', the test's, the files.
    ending = FINISH * config.time_budget + kept_for_audit(config)
    fitting = Search(
        task=task,
        folder=folder,
        left=lambda: deadline.left - ending - 5 * slowest,
        least=FINISH * config.time_budget,
        at_once=processes(config),
        reporter=log,
    )
    candidates = list(PRESETS.load(config.preset).candidates(setting))
    for line in plan(candidates, prepared, config, used=deadline.elapsed, left=fitting.left()):
        log.say(line)
    late: list[str] = []
    try:
        for candidate, found in fitting.fit(candidates):
            if found is None:
                late.append(candidate.name)
                continue
            about = About(
                name=candidate.name,
                preset=candidate.preset,
                fusion=candidate.fusion,
                cpu_seconds=found.cpu_seconds,
                facts=found.facts,
                refit=candidate.refit and partial(candidate.refit, found.member),
                fold=candidate.fold and partial(candidate.fold, found.member),
                subset=candidate.subset,
            )
            scored(found.member, about)
            log.entry(entries[-1], task.primary)
            if (best := settled(entries, candidates, task, preset=config.preset)) is not None:
                rest = [c.name for c in candidates if c.name not in {e.name for e in entries}]
                more = f"{listed(rest)} and ensembles" if rest else "ensembles"
                log.say(f"{best} answers every validation row right, so nothing left could win; not tried: {more}")
                return entries, False
        if late:
            log.say(f"not tried, the time budget of {config.time_budget:.0f} s is used up: {listed(late)}")
        fitted = len(entries)
        entries = ensembles(entries, prepared, config, deadline=deadline.within(deadline.left - ending - slowest))
        for entry in entries[fitted:]:
            log.entry(entry, task.primary)
    except KeyboardInterrupt:
        log.say("interrupted: choosing from what is there")
        return entries, True
    return entries, False


def finish(
    out: Path,
    config: RunConfig,
    prepared: Prepared,
    entries: list[Entry],
    *,
    deadline: Deadline,
    interrupted: bool,
    log: Log,
) -> FitResult:
    """Choose, touch the test rows once, and write the leaderboard, the bundle and the report."""
    task, best = prepared.task, choose(entries, prepared)
    chosen = best
    if (
        best.about.refit is not None
        and not interrupted
        and deadline.left > 2 * FINISH * config.time_budget + kept_for_audit(config)
    ):
        log.say(f"{best.name}: fitted again with the validation rows added")
        best = replace(
            best, member=best.about.refit(deadline.left - FINISH * config.time_budget - kept_for_audit(config))
        )
    test = answers = None
    if (part := prepared.parts.get("test")) is not None and not interrupted:
        answers = best.member.predict(part.view)
        test = measure(prepared, answers, "test", seed=config.seed)
    found = of_fit(
        prepared,
        best,
        entries[0],
        {"validation": (prepared.parts["valid"], chosen.answers)}
        | ({} if answers is None else {"test": (prepared.parts["test"], answers)}),
    )
    for warning in found:
        log.say(f"warning: {warning}")
    order = sorted(entries, key=lambda e: (e.name == best.name, *rank(e, task)), reverse=True)
    facts = {
        "rows": {side: len(part.target) for side, part in prepared.parts.items()},
        "seed": config.seed,
        "fitted_on": ["train"] if best is chosen else ["train", "valid"],
        "validation": {task.primary: best.metrics[task.primary]},
        "test": {task.primary: test.metrics[task.primary]} if test else None,
    }
    model = Model(
        name=best.name,
        target=", ".join(prepared.targets),
        targets=prepared.targets,
        weight=config.data.weight,
        task=task,
        inputs={name: prepared.inputs[name] for name in best.inputs},
        member=best.member,
        limits=config.limits,
        columns=tuple(sorted({c for given in prepared.inputs.values() for c in given.plan.columns})),
    )
    save(model, out / "bundle", config=config, facts=facts, baseline=report.baseline(prepared, best.answers))
    fitted = FitResult(
        run=out,
        leaderboard=[entry.line() for entry in order],
        best=best.name,
        test=test.metrics if test else None,
        warnings=(*prepared.warnings, *found),
        bad_cells=sum(p.whole for found in prepared.problems.values() for p in found),
        interrupted=interrupted,
    )
    write_text(out / "leaderboard.json", json.dumps({**fitted.json(), "consilience": __version__}, indent=1) + "\n")
    audited = None
    if config.audit.at_end and not interrupted:
        # A model that was fitted again knows the validation rows: on those, the one that was chosen is asked.
        asked = chosen if test is None else best
        within = deadline.within(deadline.left - FINISH / 2 * config.time_budget)
        audited = _audit(prepared, config, entries, asked, test=test, deadline=within, log=log)
        if audited is not None:
            audit.write(audited, out / audit.FILE)
    report.write(
        out / "report.html",
        config=config,
        prepared=prepared,
        entries=order,
        best=best,
        test=test,
        answers=answers,
        audited=audited,
    )
    log.event({"best": best.name, "test": fitted.test})
    return replace(fitted, audit=audited)


def kept_for_audit(config: RunConfig) -> float:
    """Seconds."""
    return config.audit.share * config.time_budget if config.audit.at_end else 0.0


def _audit(
    prepared: Prepared,
    config: RunConfig,
    entries: list[Entry],
    asked: Entry,
    *,
    test: Measured | None,
    deadline: Deadline,
    log: Log,
) -> dict[str, Any] | None:
    """The short audit. Ctrl-C, or rows that cannot be scored, leave it out: the run is whole without."""
    bins = (test or asked.measured).details.get("reliability") or ()
    try:
        return audit.at_end(prepared, config, entries, asked, reliability=bins, deadline=deadline, reporter=log)
    except KeyboardInterrupt:
        log.say("interrupted: no audit; to have one: consilience audit RUN")
    except UserError as error:
        log.say(f"no audit: {error}")
    return None


def write_splits(prepared: Prepared, path: Path) -> None:
    """Which row went where: table, row (as a user counts it: the line of a CSV), side."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[Any]] = {"table": [], "row": [], "side": []}
    for side, part in prepared.parts.items():
        columns["table"] += [part.table.file(int(r)) for r in part.rows]
        columns["row"] += [part.table.line(int(r)) for r in part.rows]
        columns["side"] += [side] * len(part.rows)
    with lean():
        pq.write_table(pa.table(columns), path)
