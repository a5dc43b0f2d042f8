"""Tables of thousands of columns: how long is a look at them, and does a fit keep to its time budget?

    python benchmarks/bench_wide.py [COLUMNS ...] [--rows N] [--budget SECONDS] [--kind numbers|gaps|words] [--json]

The tables are made up from a seed: 200 rows of so many columns (2,000 and 8,000), of numbers, of numbers with gaps, or
of short words as genotypes are written; one column tells the target of two classes. Each is inspected and fitted by the
`classic` preset in processes of their own, start-up included. Held to: `inspect` under 5 s; the fit within its budget
of 30 s and a tenth of it; linear models, SVMs and trees all on the leaderboard.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _measure import consilience, machine

LOOK, OVER, TRIED = 5.0, 1.1, {"linear", "svm", "trees"}
SEED = 0


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("columns", type=int, nargs="*", default=[2_000, 8_000])
    ask.add_argument("--rows", type=int, default=200)
    ask.add_argument("--budget", type=float, default=30.0, help="seconds")
    ask.add_argument("--kind", choices=("numbers", "gaps", "words"), default="numbers")
    ask.add_argument("--json", action="store_true", help="print the figures as JSON at the end")
    given = ask.parse_args()
    print(f"{given.rows:,} rows of {given.kind}; {machine()}")
    found = []
    for columns in given.columns:
        with tempfile.TemporaryDirectory() as temporary:
            found.append(measure(Path(temporary), given.rows, columns, given.kind, given.budget))
        line = found[-1]
        print(
            f"  {columns:,} columns: inspect {line['inspect_seconds']:.1f} s (bar {LOOK:.0f}), fit "
            f"{line['fit_seconds']:.1f} s of {given.budget:.0f} (bar {OVER * given.budget:.0f}), tried "
            f"{', '.join(line['tried'])}, best {line['best']}, test accuracy {line['accuracy']:.3f}",
            flush=True,
        )
        missing = TRIED - set(line["tried"])
        assert not missing, f"not tried: {missing}"
    if given.json:
        print(json.dumps({"machine": machine(), "rows": given.rows, "kind": given.kind, "tables": found}))


def measure(folder: Path, rows: int, columns: int, kind: str, budget: float) -> dict[str, Any]:
    table, run = folder / "wide.csv", folder / "run"
    write(table, rows, columns, kind)
    look = consilience("inspect", str(table), "--target", "y")
    words = ("--target", "y", "--preset", "classic", "--time-budget", f"{budget:g}s", "--out", str(run), "--json")
    board = (fitted := consilience("fit", str(table), *words)).json()
    return {
        "columns": columns,
        "inspect_seconds": round(look.wall_seconds, 2),
        "inspect_cpu_seconds": round(look.cpu_seconds, 2),
        "fit_seconds": round(fitted.wall_seconds, 2),
        "fit_cpu_seconds": round(fitted.cpu_seconds, 2),
        "budget": budget,
        "tried": sorted(
            {line["name"].partition("[")[0] for line in board["leaderboard"] if line["preset"] == "classic"}
        ),
        "best": board["best"],
        "accuracy": board["test"]["accuracy"]["value"],
    }


def write(path: Path, rows: int, columns: int, kind: str) -> None:
    rng = np.random.default_rng(SEED)
    if kind == "words":
        number = rng.integers(0, 3, (rows, columns))
        cells, tells = np.array(["AA", "AG", "GG"])[number], number[:, 3] > 0
    else:
        values = rng.normal(size=(rows, columns)).round(4)
        cells, tells = values.astype(str), values[:, 3] > 0
        if kind == "gaps":
            cells[rng.random((rows, columns)) < 0.1] = "NA"
    lines = [",".join([*(f"g{i}" for i in range(columns)), "y"])]
    lines += [",".join([*row, "ba"[int(yes)]]) for row, yes in zip(cells.tolist(), tells.tolist(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
