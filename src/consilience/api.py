"""The verbs, each a few lines that delegate. What `import consilience` offers is listed in __init__.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.bundle.load import load
from consilience.bundle.model import Model, warn
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
    `config`: any keys of a run's config, nested, as `consilience config show --preset auto` prints them.
    `settings`: "dotted.key=value" strings, as with --set.
    `resume`: go on with the run in `out`. It knows its settings and its tables, but for those given in memory:
    give them again. What is given must agree with it; only a new time budget is taken over.
    Raises UserError when the call or the data are wrong.

    >>> result = fit("train.csv", target="answer", config={"time_budget": 60.0})  # doctest: +SKIP
    >>> load(result.run).predict({"image": "a.png", "question": "what colour?"})  # doctest: +SKIP
    """
    from consilience.workflows.config import resolve
    from consilience.workflows.fit import fit as run_fit
    from consilience.workflows.resume import resume as run_resume
    from consilience.workflows.runs import new_run

    sides = {"train": train, "valid": valid, "test": test}
    sources = {side: source for side, source in sides.items() if source is not None}
    flags = {
        **(config or {}),
        **({} if metric is None else {"metric": metric}),
        **({} if target is None else {"target": target if isinstance(target, str) else list(target)}),
    }
    reporter = reporter or Reporter()
    if resume:
        if out is None:
            raise UserError("resume=True: say which run to go on with: out=RUN")
        return run_resume(Path(out), sources=sources, flags=flags, settings=settings, preset=preset, reporter=reporter)
    if train is None:
        raise UserError("there is no table to train on; give one, or go on with a run: resume=True, out=RUN")
    resolved = resolve(flags, settings=settings, preset=preset)
    return run_fit(sources, resolved, out=new_run(out), reporter=reporter)


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

    root = _root(media_root, confine=confine)
    page = Path(html) if html else None
    found = run_evaluate(Path(run), table, by=by, html=page, root=root, hosts=allow_urls, seed=0, reporter=Reporter())
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
    seconds: float = 300.0,
) -> dict[str, Any]:
    """What each input is worth to the model of a run or bundle, and whether the data leak, as JSON (docs/audit.md).

    `table`: rows with targets; when not given, those that the run held out. `html`: where to write a page for people.
    `seconds`: about how long it may take, retraining without inputs included.
    """
    from consilience.workflows.audit_run import audit as run_audit

    root = _root(media_root, confine=confine)
    page = Path(html) if html else None
    return run_audit(Path(run), table, html=page, root=root, hosts=allow_urls, seconds=seconds, reporter=Reporter())


def inspect(table: Any, *, target: str | Sequence[str] | None = None) -> dict[str, Any]:
    """What each column of a table is taken for, and why."""
    from consilience.workflows.inspect import inspect as run_inspect

    return run_inspect(table, target=target)
