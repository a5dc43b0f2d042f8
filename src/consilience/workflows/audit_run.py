"""audit: the full audit of a run or bundle, on its own held-out rows or on a table. Knows where a run keeps what.

A run remembers its tables and keeps its candidates: the split is made again, the models of single inputs are found in
checkpoints/, and there are training rows to look for leaks in and to retrain on. A bundle, or a run whose tables are
gone, is audited on the given table by masking and permuting alone, and the audit says so.
"""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from consilience import __version__
from consilience.bundle.compare import compare
from consilience.bundle.load import load
from consilience.bundle.manifest import MANIFEST, find, write_text
from consilience.bundle.model import Input, Model, encodings, load_inputs, make_view, require_some
from consilience.core.errors import UserError
from consilience.core.optional import require
from consilience.core.progress import Deadline, Reporter
from consilience.core.threads import limited, sensible
from consilience.core.writable import check_writable
from consilience.data.cells import Dataset
from consilience.data.fetch import fetching
from consilience.data.sources import read
from consilience.data.table import Table
from consilience.evaluate import audited, score
from consilience.models.base import Member
from consilience.workflows import kept
from consilience.workflows.audit import examine, loaded_of, subject_of
from consilience.workflows.config import PRESETS, AuditConfig, RunConfig
from consilience.workflows.fit import store_of, tables_of, threads
from consilience.workflows.leaderboard import About, Entry, Measured
from consilience.workflows.origin import recall
from consilience.workflows.prepare import Part, Prepared, independent, prepare
from consilience.workflows.presets import Setting, rows_point
from consilience.workflows.runs import Begun
from consilience.workflows.subject import Subject
from consilience.workflows.targets import truth

FULL = AuditConfig(rows=10_000, permutations=10, resamples=1000, orders=256)


def audit(
    run: Path,
    source: Any = None,
    *,
    html: Path | None = None,
    root: Path | None = None,
    hosts: Sequence[str] = (),
    seconds: float = 300.0,
    reporter: Reporter,
) -> dict[str, Any]:
    """Audit the model of a run or bundle: on `source`, a table with targets, or else on the rows that the run itself
    held out. Writes a page to `html` where given. About `seconds` long at most. Returns the JSON of docs/audit.md."""
    if html is not None:
        check_writable(html, "--html")
    deadline = Deadline(seconds)
    model = load(run)
    begun = Begun.find(run)
    with tempfile.TemporaryDirectory(prefix="consilience-", ignore_cleanup_errors=True) as scratch:
        known = None if begun is None else _again(begun, Path(scratch), reporter)
        if isinstance(known, str):
            reporter.say(known)
            known = None
        if source is None and known is not None and "test" not in known.parts:
            model = _before_validation(model, run, known)
        if source is None and known is None:
            raise UserError(
                f"{run}: there are no rows to audit on. Give a table with the target column {model.target!r}: "
                f"consilience audit {run} TABLE"
            )
        with limited(threads(begun.config) if begun is not None else sensible()), ExitStack() as opened:
            table = None
            if source is not None:
                given = read(source, root=root)
                for note in given.notes:
                    reporter.say(f"warning: {note}")
                fetched = fetching(given, model.media, hosts, max_bytes=model.limits.bytes, reporter=reporter)
                table = opened.enter_context(fetched)
            found = _examined(model, begun, known, table, deadline=deadline, reporter=reporter)
    if html is not None:
        today = datetime.date.today().isoformat()
        page = audited.page(found, model.task, target=model.target, version=__version__, date=today)
        try:
            write_text(html, page)
        except OSError as error:
            raise UserError(f"{html}: the page cannot be written: {error.strerror or error}") from error
    return found


def _examined(
    model: Model,
    begun: Begun | None,
    known: Prepared | None,
    table: Table | None,
    *,
    deadline: Deadline,
    reporter: Reporter,
) -> dict[str, Any]:
    seed = begun.config.seed if begun is not None else 0
    subject = None if known is None or begun is None else _of_run(model, begun, known)
    given: Dataset | None = None
    if table is not None:
        held, given = _held(model, model.inputs if known is None else known.inputs, table, reporter)
        subject = replace(subject or _alone(model, held), held=held, on=Path(table.name).name)
    assert subject is not None  # without rows of its own, a run is audited on a table only
    loaded: tuple[Dataset, Dataset] | None = None
    if known is not None:
        of_train, of_held = loaded_of(known, subject if given is None else replace(subject, held=known.parts["train"]))
        loaded = of_train, given or of_held
    part = subject.held
    answers = part.widen(subject.member.predict(part.view))
    details = score(part.task, answers, part.target, names=part.names, resamples=0)["details"]
    return examine(
        subject,
        FULL,
        form="full",
        loaded=loaded,
        reliability=details.get("reliability") or (),
        targets=(*(model.targets or (model.target,)), *([model.weight] if model.weight else [])),
        group=begun.config.data.group if begun is not None else None,
        seed=seed,
        deadline=deadline,
        reporter=reporter,
    )


def _held(model: Model, inputs: Mapping[str, Input], table: Table, reporter: Reporter) -> tuple[Part, Dataset]:
    """The rows of a table that have a target, with all of the inputs."""
    require_some(table, model.columns)
    found = truth(model, table, reporter=reporter)
    table, rows = found.table, found.rows
    plans, configs = ({n: given.plan for n, given in inputs.items()}, {n: given.config for n, given in inputs.items()})
    dataset = load_inputs(table, plans, configs, model.limits, reporter=reporter, encodings=encodings(inputs))
    used = Dataset(inputs={n: c for n, c in dataset.inputs.items() if n in model.member.inputs}, rows=dataset.rows)
    for text in (*found.warnings, *compare(table, used, inputs, known=model.columns).warnings):
        reporter.say(f"warning: {text}")
    part = Part(
        view=make_view(dataset, inputs).take(rows),
        target=found.target,
        task=found.task,
        known=model.task,
        weights=found.weights,
        groups=independent(dataset, table, None)[rows],
        table=table,
        rows=rows,
    )
    return part, dataset


def _alone(model: Model, held: Part) -> Subject:
    """A model without its run."""
    return Subject(
        name=model.name,
        task=model.task,
        member=model.member,
        inputs=model.inputs,
        limits=model.limits,
        held=held,
        on="",
    )


def _again(begun: Begun, scratch: Path, reporter: Reporter) -> Prepared | str:
    """The run's rows, prepared as they were when it was fitted; or why that cannot be."""
    require("lightgbm", "pyarrow", "scipy", "sklearn", extra="train", to="audit a run on the rows it was fitted from")
    try:
        sources = recall(begun, {})
        here = Path(begun.facts["folder"]) == Path.cwd()
        folder = Path() if here else Path(begun.facts["folder"])
        tables = tables_of(sources, begun.config, folder=folder)
        store = store_of(begun.config, folder=folder)
        prepared = prepare(tables, begun.config, scratch=scratch, store=store, reporter=reporter)
    except UserError as error:
        return f"the run's own rows are not at hand: {error}"
    contents = begun.progress.get("contents") or {}
    changed = [name for name, was in contents.items() if name in prepared.contents and prepared.contents[name] != was]
    if changed:
        return f"the run's own rows are not at hand: the contents of {', '.join(changed)} have changed since"
    return prepared


def _before_validation(model: Model, run: Path, prepared: Prepared) -> Model:
    """The model as it was before it was fitted again with the validation rows, which are all there is to ask about."""
    facts = json.loads((find(run) / MANIFEST).read_text(encoding="utf-8")).get("facts", {})
    if "valid" not in facts.get("fitted_on", ()):
        return model
    was = kept.find(kept.folder_of(run / kept.CHECKPOINTS, model.name), prepared.task)
    if was is None:
        raise UserError(
            f"{run}: it has no test rows, and its model was fitted again with the validation rows added. Give a table "
            "of other rows: consilience audit RUN TABLE"
        )
    return replace(model, member=was.member)


def _of_run(model: Model, begun: Begun, prepared: Prepared) -> Subject:
    """The chosen model among the run's candidates, as they were kept."""
    config: RunConfig = begun.config
    setting = Setting(prepared=prepared, config=config, reporter=Reporter(), point=rows_point)
    board = json.loads((begun.folder / "leaderboard.json").read_text(encoding="utf-8"))["leaderboard"]
    lines = {line["name"]: line for line in board}
    entries = []
    for candidate in PRESETS.load(config.preset).candidates(setting):
        was = kept.find(kept.folder_of(begun.folder / kept.CHECKPOINTS, candidate.name), prepared.task)
        if was is None or candidate.name not in lines:
            continue
        about = About(
            name=candidate.name,
            preset=candidate.preset,
            fusion=candidate.fusion,
            cpu_seconds=was.cpu_seconds,
            subset=candidate.subset,
        )
        entries.append(_entry(about, was.member, lines[candidate.name]))
    chosen = _entry(About(name=model.name, preset=""), model.member, lines.get(model.name, board[0]))
    return replace(subject_of(prepared, entries, chosen), inputs={**prepared.inputs, **model.inputs})


def _entry(about: About, member: Member, line: dict[str, Any]) -> Entry:
    measured = Measured(metrics=line["metrics"], details={})
    return Entry(about=about, member=member, answers=np.zeros((0, 0)), measured=measured, ms_per_row=line["ms_per_row"])
