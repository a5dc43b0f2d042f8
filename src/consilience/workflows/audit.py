"""The audit of a model: its numbers (examine.py), what is wrong with the data (suspects.py), and the verdict in words.

Here they are put together, in the shape that docs/audit.md describes; `at_end` is the short form that ends every fit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from consilience.bundle.manifest import write_text
from consilience.bundle.model import same_cells
from consilience.core.progress import Deadline, Reporter
from consilience.data.cells import Dataset
from consilience.data.duplicates import EXAMPLES, Shared
from consilience.data.leaks import LEAKS, Suspect
from consilience.evaluate import verdicts
from consilience.evaluate.base import Metric
from consilience.evaluate.paired import Scores, difference
from consilience.evaluate.sections import lowered, quantity, shown
from consilience.workflows import suspects
from consilience.workflows.config import AuditConfig, RunConfig
from consilience.workflows.examine import Examination
from consilience.workflows.leaderboard import Entry, rank
from consilience.workflows.prepare import Part, Prepared
from consilience.workflows.subject import Recipe, Subject

FILE = "audit.json"
RETRAIN = 0.1
"""Of the seconds the search took, the share that retraining may take at the end of a fit."""
_LEAST, _MOST = 1.0, 90.0
"""Seconds: with less left no audit is begun at the end of a fit; more it never takes there."""


def at_end(
    prepared: Prepared,
    config: RunConfig,
    entries: Sequence[Entry],
    best: Entry,
    *,
    reliability: Sequence[Mapping[str, Any]],
    deadline: Deadline,
    reporter: Reporter,
) -> dict[str, Any] | None:
    """The short audit: on the test rows where there are any, else on the validation rows. None when time is up."""
    if deadline.left < _LEAST:
        reporter.say("no audit, the time budget is used up; to have one: consilience audit RUN")
        return None
    subject = subject_of(prepared, entries, best)
    every = sum(entry.about.cpu_seconds for entry in entries)
    if subject.recipe is not None and subject.recipe.cpu_seconds * len(subject.member.inputs) > RETRAIN * every:
        subject = replace(subject, recipe=None)
    return examine(
        subject,
        config.audit,
        form="short",
        loaded=loaded_of(prepared, subject),
        reliability=reliability,
        targets=(*prepared.targets, *([config.data.weight] if config.data.weight else [])),
        group=config.data.group,
        seed=config.seed,
        deadline=deadline.within(_MOST),
        reporter=reporter,
    )


def subject_of(prepared: Prepared, entries: Sequence[Entry], best: Entry) -> Subject:
    """What is audited of a run: the chosen model, beside the best model of each input alone."""
    task, parts = prepared.task, prepared.parts
    on = "test" if "test" in parts else "validation"
    alone: dict[str, Entry] = {}
    for name, ways in same_cells(prepared.inputs).items():
        fitted = [entry for entry in entries if entry.inputs and set(entry.inputs) <= {*ways}]
        if fitted:
            alone[name] = max(fitted, key=lambda entry: rank(entry, task))
    known = {best.name, *best.member.made_of()}
    recipes = [
        e
        for e in entries
        if e.name in known and e.about.subset is not None and set(e.inputs) >= set(best.inputs) and len(e.inputs) > 1
    ]
    recipe = max(recipes, key=lambda e: rank(e, task), default=None)
    return Subject(
        name=best.name,
        task=task,
        member=best.member,
        inputs=prepared.inputs,
        limits=prepared.limits,
        held=parts["test" if on == "test" else "valid"],
        on=on,
        train=parts["train"],
        valid=parts["valid"],
        constant=task.constant(parts["train"].target, parts["train"].weights),
        baseline=task.baseline,
        alone={name: (entry.name, entry.member) for name, entry in alone.items()},
        recipe=None
        if recipe is None or recipe.about.subset is None
        else Recipe(
            name=recipe.name,
            member=recipe.member,
            fit=recipe.about.subset,
            cpu_seconds=recipe.about.cpu_seconds,
        ),
    )


def loaded_of(prepared: Prepared, subject: Subject) -> tuple[Dataset, Dataset]:
    """The cells of the tables that the training rows and the held-out rows are in."""

    def of(part: Part | None) -> Dataset:
        return next(prepared.loaded[side] for side, table in prepared.tables.items() if part and table is part.table)

    return of(subject.train), of(subject.held)


def examine(
    subject: Subject,
    config: AuditConfig,
    *,
    form: str,
    loaded: tuple[Dataset, Dataset] | None,
    reliability: Sequence[Mapping[str, Any]],
    targets: Sequence[str],
    group: str | None,
    seed: int,
    deadline: Deadline,
    reporter: Reporter,
) -> dict[str, Any]:
    """The whole audit as JSON. `loaded`: cells of the tables of the training rows and the held-out rows, where training
    rows are known. `targets`: columns of the target, and of weights. `reliability`: bins of the model's answers to
    the held-out rows, where it states a confidence."""
    started = time.monotonic()
    exam = Examination(subject, config, seed=seed, deadline=deadline)
    nothing, full = exam.nothing, exam.full
    lines, alone = exam.baselines()
    permuted, missing = exam.permuted(), exam.missing()
    shares = exam.shapley()
    combined = exam.subsets()
    cost = exam.cost(reporter)
    powers = {name: _power(scores, nothing, exam.judge.metric) for name, scores in alone.items()}
    in_data = _in_the_data(exam, subject, loaded, powers, apart=targets, group=group, seed=seed)
    copies, found = ([], []) if in_data is None else in_data
    lost = exam.retrained(combined, every=form == "full")
    if subject.recipe is None and len(exam.names) > 1:
        exam.skipped.append("subsets of inputs are of the model masked, not of models trained without the others")
    every = same_cells(subject.inputs)
    leaking = {
        name
        for suspect in found
        for name, ways in every.items()
        if suspect.kind in LEAKS and suspect.column in (name, *subject.inputs[ways[0]].plan.columns)
    }
    losses = {"missing": missing, "permuted": permuted, "retrained": lost}
    ids = suspects.ids(subject.held, subject.inputs) - leaking
    inputs = {
        name: _judged(
            exam,
            name,
            alone.get(name),
            losses,
            shares["values"].get(name),
            cost.get(name),
            leaking=leaking - {name},
            is_id=name in ids,
        )
        for name in sorted({*exam.names, *subject.alone})
    }
    confidence = verdicts.calibration(reliability, seed=seed)
    if confidence is not None:
        said = verdicts.say(confidence.pop("says"), **{k: f"{v:.1%}" for k, v in confidence.items()})
        confidence["said"] = said
    named = [_suspect(suspect) for suspect in found]
    twins = [_copy(item, subject) for item in copies]
    findings = [item["said"] for item in [*named, *twins]]
    findings += [given["said"] for given in inputs.values() if given["verdict"] in verdicts.FINDINGS]
    clean = verdicts.say("clean_inputs" if in_data is None else "clean")
    rest = [given["said"] for given in inputs.values() if given["said"] not in findings]
    return {
        "form": form,
        "model": subject.name,
        "on": subject.on,
        "rows": len(exam.held.target),
        "metric": exam.judge.metric.name,
        "score": exam.judge.told(full),
        "gain": difference(full - nothing),
        "baselines": lines,
        "subsets": combined,
        "retrained_with": subject.recipe.name if subject.recipe is not None and lost else None,
        "shapley": shares,
        "inputs": inputs,
        "leaks": named,
        "duplicates": twins,
        "calibration": confidence,
        "findings": findings,
        "verdict": [*(findings or [clean]), *rest, *([confidence["said"]] if confidence else [])],
        "skipped": exam.skipped,
        "seconds": round(time.monotonic() - started, 2),
    }


def _in_the_data(
    exam: Examination,
    subject: Subject,
    loaded: tuple[Dataset, Dataset] | None,
    powers: Mapping[str, float],
    *,
    apart: Sequence[str],
    group: str | None,
    seed: int,
) -> tuple[list[Shared], list[Suspect]] | None:
    """Among all rows of the subject, copies across the split, and columns that know too much (see suspects.py); None
    where nobody could look."""
    if subject.train is None or loaded is None or not exam.deadline.left > 0:
        why = "the training rows are not at hand" if loaded is None else "time was up"
        exam.skipped.append(f"{why}: leaks and copies across the split were not looked for")
        return None
    if (seconds := suspects.seconds(subject.train, subject.held, subject.inputs)) > exam.deadline.left:
        exam.skipped.append(
            f"leaks and copies across the split were not looked for: in so many columns that takes {seconds:,.0f} s, "
            f"and {exam.deadline.left:,.0f} s are left"
        )
        return None
    copies, skipped = suspects.shared((subject.train, loaded[0]), (subject.held, loaded[1]), subject.inputs)
    exam.skipped += skipped
    found = suspects.suspected(
        subject.train, subject.held, subject.inputs, powers=powers, apart=apart, group=group, seed=seed
    )
    return copies, found


def _judged(
    exam: Examination,
    name: str,
    alone: Scores | None,
    losses: Mapping[str, Mapping[str, Scores]],
    share: dict[str, Any] | None,
    cost: dict[str, float] | None,
    *,
    leaking: set[str],
    is_id: bool,
) -> dict[str, Any]:
    """The numbers of one input and what is said of it. `losses`: by way of losing it, by input; `leaking`: other inputs
    that look like a leak; `is_id`: each row has a value of its own."""
    numbers: dict[str, Any] = {"alone": None if alone is None else difference(alone - exam.nothing)}
    numbers |= {way: difference(of[name]) if name in of else None for way, of in losses.items()}
    numbers |= {"shapley": share, "cost": cost}
    gain = difference(exam.full - exam.nothing)
    verdict, key = verdicts.judge(
        used=name in exam.names,
        rows=len(exam.held.target),
        gain=gain,
        permuted=numbers["permuted"],
        alone=numbers["alone"],
        retrained=numbers["retrained"],
        is_id=is_id,
    )
    fitted = numbers["alone"] if name in exam.subject.alone else None
    if verdict in verdicts.FINDINGS and leaking and not (is_id or verdicts.tells_nothing(fitted, gain)):
        verdict, key = "unclear", "unclear_leak"
    said = _say_input(name, key, numbers, exam.judge.metric, len(exam.held.target))
    return {**numbers, "verdict": verdict, "said": said}


def write(found: Mapping[str, Any], path: Path) -> None:
    write_text(path, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _power(scores: Scores, nothing: Scores, metric: Metric) -> float:
    """How far the scores are from those of knowing nothing (0) to perfect ones (1)."""
    perfect = 1.0 if metric.greater_is_better else 0.0
    way = perfect - float(nothing[0])
    return float(np.clip((scores[0] - nothing[0]) / way, 0, 1)) if way > 0 and np.isfinite(scores[0]) else 0.0


def _say_input(name: str, key: str, numbers: Mapping[str, Any], metric: Metric, rows: int) -> str:
    told = numbers["retrained" if key.endswith("_retrained") or key.startswith("redundant") else "permuted"]
    facts: dict[str, Any] = {"input": name, "rows": f"{rows:,}", "metric": lowered(metric.title)}
    if told is not None and told["value"] is not None:
        # What is lost is told as a loss, what is won as a win; the interval in the same direction.
        sign = -1 if key.startswith("harms") else 1
        low, high = (told["ci95"] or [told["value"]] * 2)[::sign]
        facts |= {
            "lost": quantity(told["value"], metric),
            "won": quantity(-told["value"], metric),
            "low": quantity(sign * low, metric).removesuffix(" points"),
            "high": quantity(sign * high, metric),
        }
    if numbers["cost"] is not None:
        facts["ms"] = f"{numbers['cost']['load_ms'] + numbers['cost']['answer_ms']:.2f}"
    return verdicts.say(key, **facts)


def _suspect(suspect: Suspect) -> dict[str, Any]:
    share = Metric(name="", title="", meaning="", percent=True)
    quoted = suspect.column if suspect.column.isidentifier() else f'"{suspect.column}"'
    said = verdicts.say(
        suspect.kind,
        column=suspect.column,
        quoted=quoted,
        power=shown(suspect.power, share),
        others=shown(suspect.others, share),
        detail=repr(suspect.detail),
    )
    return {
        "column": suspect.column,
        "kind": suspect.kind,
        "power": suspect.power,
        "others": suspect.others,
        "said": said,
    }


def _copy(item: Shared, subject: Subject) -> dict[str, Any]:
    train, held = subject.train, subject.held
    assert train is not None
    pairs = [
        [held.table.line(int(held.rows[a])), train.table.line(int(train.rows[b]))]
        for a, b in zip(item.rows[:EXAMPLES], item.twins[:EXAMPLES], strict=True)
    ]
    same = train.table is held.table and not held.table.files
    file = Path(train.table.file(int(train.rows[item.twins[0]]))).name
    example = f"row {pairs[0][0]} is row {pairs[0][1]}" + ("" if same else f" of {file}")
    of = len(held.rows)
    said = verdicts.say(
        item.kind,
        column=item.what,
        rows=f"{len(item.rows):,}",
        of=f"{of:,}",
        share=f"{len(item.rows) / of:.1%}",
        example=example,
    )
    return {"kind": item.kind, "column": item.what or None, "rows": len(item.rows), "examples": pairs, "said": said}
