"""resume: a run that was cut off goes on to the end it would have had. What is asked of it must be what it is.

Knows nothing of models: what was done is found by those who did it (kept.py, train/checkpoint.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.core.config import assign_all, encode, load_toml, merge
from consilience.core.errors import ConfigError
from consilience.core.optional import require
from consilience.core.progress import Reporter
from consilience.core.result import FitResult
from consilience.workflows import audit
from consilience.workflows.config import RunConfig, resolve
from consilience.workflows.fit import spread, store_of, tables_of, threads, work
from consilience.workflows.origin import recall
from consilience.workflows.runs import Run

_FREE = "time_budget"
"""The one setting that a run may be given another value of."""


def resume(
    out: Path,
    *,
    sources: Mapping[str, Any],
    flags: Mapping[str, Any],
    file: Path | None = None,
    settings: Sequence[str] = (),
    reporter: Reporter,
) -> FitResult:
    """Go on with the run in `out` within what is left of its time budget; a complete one is only told of.

    The run knows its tables and settings. Those given (as for `resolve`) must agree with it, but for a new time budget;
    a table in memory must be given, as the run cannot read it again.
    """
    require("lightgbm", "pyarrow", "scipy", "sklearn", extra="train", to="train a model")
    with Run.reopen(out) as run:
        config = agreed(run, flags, file=file, settings=settings)
        given = recall(run, spread(sources))
        if run.result is not None:
            reporter.say(f"{out}: this run is complete")
            return told(run)
        run.use(config)
        reporter.say(f"{out}: going on; {run.seconds:.0f} s of {config.time_budget:.0f} s are used")
        if (now := threads(config)) != run.facts["threads"]:
            reporter.say(
                f"warning: the run was begun with {run.facts['threads']} threads and goes on with {now}: the last "
                "digits may differ (OMP_NUM_THREADS or --set threads=N says how many)"
            )
        folder = Path(run.facts["folder"])
        if folder == Path.cwd():
            folder = Path()
        store, tables = store_of(config, folder=folder), tables_of(given, config, folder=folder)
        return work(run, tables, store=store, reporter=reporter)


def agreed(run: Run, flags: Mapping[str, Any], *, file: Path | None, settings: Sequence[str]) -> RunConfig:
    """The run's config with the time budget that was asked for. Raises ConfigError for whatever else is asked for and
    differs."""
    own = encode(run.config)
    asked = merge(merge(encode(run.config), load_toml(file) if file is not None else {}), flags)
    assign_all(asked, settings)
    pairs = [("preset", own["preset"], asked.get("preset"))]  # another preset has other keys: it is told of first
    if pairs[0][1] == pairs[0][2]:
        pairs = [pair for pair in _differences(own, encode(resolve(asked))) if pair[0] != _FREE]
    problems = [f"{key}: the run was begun with {was!r}, not {now!r}" for key, was, now in pairs if was != now]
    if problems:
        raise ConfigError([*problems, f"{run.folder}: a run keeps its settings but for {_FREE}. Start a new run."])
    return resolve({**own, _FREE: asked[_FREE]})


def told(run: Run) -> FitResult:
    """The result of a complete run."""
    board = json.loads((run.folder / "leaderboard.json").read_text(encoding="utf-8"))
    result, audited = run.result or {}, run.folder / audit.FILE
    return FitResult(
        run=run.folder,
        leaderboard=board["leaderboard"],
        best=board["best"],
        test=board["test"],
        warnings=tuple(result["warnings"]),
        bad_cells=result["bad_cells"],
        audit=json.loads(audited.read_text(encoding="utf-8")) if audited.is_file() else None,
    )


def _differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted path, value here, value there) where two plain configs differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    elif one != other:
        yield path, one, other
