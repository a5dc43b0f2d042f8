"""The verbs, each a few lines that delegate. What `import consilience` offers is listed in __init__.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

from consilience.bundle.load import RUN, load
from consilience.bundle.model import Model, warn
from consilience.core.arguments import columns_named, expect, path_of
from consilience.core.config import merge
from consilience.core.errors import UserError
from consilience.core.files import media_root as _root
from consilience.core.progress import Reporter
from consilience.core.result import FitResult

__all__ = ["FitResult", "Model", "audit", "evaluate", "fit", "inspect", "load", "predict"]


def fit(
    train: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    valid: Any = None,
    test: Any = None,
    out: str | Path | None = None,
    preset: str | None = None,
    metric: str | None = None,
    task: str | None = None,
    time_budget: float | str | None = None,
    seed: int | None = None,
    group: str | None = None,
    weight: str | None = None,
    ignore: str | Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    resume: bool = False,
    reporter: Reporter | None = None,
) -> FitResult:
    """Train on a table and leave a run folder, or go on with one that was cut off.

    `target`: the column to predict, or several, as "a,b" or a list.
    `train`, `valid`, `test`: a path or several, a folder, a DataFrame, an Arrow table, a Hugging Face dataset, a list
    or a stream of dicts, or a dict of columns. What holds the sides of a split may be given as `train` alone.
    `out`: the run folder; a new one under runs/ when not given.
    `metric`: what models are chosen by, where it is not to be the task's own: balanced_accuracy, f1, mae, ...
    `task`: what kind of answer: classification, regression, multilabel, ordinal; when not given, the target decides.
    `time_budget`: for the whole run, in seconds or as "90s", "10m", "2h". `seed`: every random choice follows from it.
    `group`: the column whose equal values stay on one side of the split. `weight`: the column that says how much each
    row counts. `ignore`: columns to leave out.
    `config`: any keys of a run's config, nested, as `consilience config show --preset auto` prints them.
    `settings`: "dotted.key=value" strings, as with --set.
    `resume`: go on with the run in `out`. It knows its settings and its tables, but for those given in memory:
    give them again. What is given must agree with it; only a new time budget is taken over.
    Raises UserError when the call or the data are wrong.

    >>> result = fit("train.csv", target="answer", time_budget="60s")  # doctest: +SKIP
    >>> load(result.run).predict({"image": "a.png", "question": "what colour?"})  # doctest: +SKIP
    """
    from consilience.workflows.config import resolve
    from consilience.workflows.fit import fit as run_fit
    from consilience.workflows.resume import resume as run_resume
    from consilience.workflows.runs import new_run

    sides = {"train": train, "valid": valid, "test": test}
    sources = {side: source for side, source in sides.items() if source is not None}
    expect("config", config, (Mapping, NoneType), 'a dict of settings, for example config={"seed": 1}')
    expect("resume", resume, bool, "True or False; the run to go on with is out=RUN")
    reporter = Reporter() if reporter is None else reporter
    expect("reporter", reporter, Reporter, "a consilience.core.progress.Reporter, or leave it out")
    data = {"group": group, "weight": weight, "ignore": _list(columns_named("ignore", ignore)) or None}
    top = {
        "target": None if target is None else columns_named("target", target),
        "task": task,
        "metric": metric,
        "preset": preset,
        "seed": seed,
        "time_budget": time_budget,
        "data": {key: value for key, value in data.items() if value is not None} or None,
    }
    flags = merge(config or {}, {key: value for key, value in top.items() if value is not None})
    if resume:
        if out is None:
            raise UserError("resume=True: say which run to go on with: out=RUN")
        return run_resume(path_of("out", out), sources=sources, flags=flags, settings=settings, reporter=reporter)
    if train is None:
        raise UserError("there is no table to train on; give one, or go on with a run: resume=True, out=RUN")
    return run_fit(sources, resolve(flags, settings=settings), out=new_run(out), reporter=reporter)


def _list(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def predict(
    run: str | Path,
    rows: Any,
    *,
    media_root: str | Path | None = None,
    confine: bool = False,
    allow_urls: Sequence[str] = (),
) -> list[Any]:
    """One answer for each row of a table. To answer often, `load` once and use `Model.predict`.

    `media_root`: where relative paths in cells start; `confine`: nothing outside of it is opened."""
    return load(run).predict(rows, root=_root(media_root, confine=confine), allow_urls=allow_urls)


def evaluate(
    run: str | Path,
    table: Any,
    *,
    by: str | None = None,
    html: str | Path | None = None,
    media_root: str | Path | None = None,
    confine: bool = False,
    allow_urls: Sequence[str] = (),
) -> dict[str, Any]:
    """{"metrics": {name: {"value", "ci95"}}, "rows", "bad_cells", "warnings", "notes", "by"} of a run or bundle on a
    table with targets. Warns (DataWarning) where the table differs from the one of training.
    `html`: where to write a page for people."""
    from consilience.workflows.answer import evaluate as run_evaluate

    expect("by", by, (str, NoneType), 'the name of one column, for example by="shop"')
    folder, page = path_of("run", run, RUN), None if html is None else path_of("html", html)
    root = _root(media_root, confine=confine)
    found = run_evaluate(folder, table, by=by, html=page, root=root, hosts=allow_urls, seed=0, reporter=Reporter())
    warn(found["warnings"])
    return found


def audit(
    run: str | Path,
    table: Any = None,
    *,
    html: str | Path | None = None,
    media_root: str | Path | None = None,
    confine: bool = False,
    allow_urls: Sequence[str] = (),
    seconds: float | str = 300.0,
) -> dict[str, Any]:
    """What each input is worth to the model of a run or bundle, and whether the data leak, as JSON (docs/audit.md).

    `table`: rows with targets; when not given, those that the run held out. `html`: where to write a page for people.
    `seconds`: about how long it may take, retraining without inputs included.
    """
    from consilience.workflows.audit_run import audit as run_audit
    from consilience.workflows.config import parse_seconds

    folder, page = path_of("run", run, RUN), None if html is None else path_of("html", html)
    root, limit = _root(media_root, confine=confine), parse_seconds(seconds)
    return run_audit(folder, table, html=page, root=root, hosts=allow_urls, seconds=limit, reporter=Reporter())


def inspect(table: Any, *, target: str | Sequence[str] | None = None) -> dict[str, Any]:
    """What each column of a table is taken for, and why."""
    from consilience.workflows.inspect import inspect as run_inspect

    return run_inspect(table, target=None if target is None else columns_named("target", target))
