"""demo: the main job on real data that a package brings. The only place that knows a data set.

A data set is one file with a function `prepare(folder) -> Demo` that writes its tables and says how to fit them, or
`write(folder, seed=N) -> paths`, which only writes them: the fit is the reader's.
"""

from __future__ import annotations

from pathlib import Path

from consilience.core.progress import Reporter
from consilience.core.registry import Family
from consilience.core.result import FitResult

DEMOS = Family(
    "demo data",
    {
        "easy-vqa": "consilience.workflows.demos.easy_vqa:prepare",
        "stamps": "consilience.workflows.demos.stamps:prepare",
        "flags": "consilience.workflows.demos.flags:prepare",
    },
)


TABLES = Family("demo table", {"shop": "consilience.workflows.demos.shop:write"})
"""What is written and not fitted."""


def demo(data: str, *, out: Path, seed: int, reporter: Reporter) -> FitResult:
    """Write the tables of `data` to `out`/data and fit them with the default preset; the run is in `out`/run.

    Raises UserError: unknown data, or data whose package is absent (and how to install it).
    """
    from consilience.workflows.config import resolve
    from consilience.workflows.fit import fit

    made = DEMOS.load(data)(out / "data")
    reporter.say(made.about)
    for note in made.notes:
        reporter.say(f"warning: {note}")
    return fit(made.sources, resolve({**made.flags, "seed": seed}), out=out / "run", reporter=reporter)
