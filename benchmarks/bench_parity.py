"""Exported answers against the run's own: every row of the easy-VQA test set, with and without each input.

    python benchmarks/bench_parity.py [RUN ...]

RUN: runs on easy-VQA. Without any, three are fitted on 5,000 rows: classic, deep and auto. Of every run also the
average of all it has tried is exported: an ensemble, with a network in it where the run had one. Bars: the same label
on all 9,673 rows, probabilities within 1e-4, and the exported folder answers at least as many rows a second as the run
(both in this process, alternately, one thread).
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _measure import consilience, machine

import consilience as cs
from consilience.bundle.save import save
from consilience.core.state import State
from consilience.data.sources import read
from consilience.data.table import Table
from consilience.fusion import DECISION_FUSIONS
from consilience.models.ensemble import Ensemble
from consilience.workflows import kept
from consilience.workflows.demos.easy_vqa import tables as easy_vqa_tables
from consilience.workflows.export import export

ROUNDS = 3


def main() -> None:
    print(f"parity of exported answers; {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = easy_vqa_tables(folder, rows=5_000, test_rows=None)
        table = read(folder / "test.csv", root=root)
        runs = [Path(word) for word in sys.argv[1:]] or list(_fitted(folder, root))
        for number, run in enumerate(runs):
            _compare(run, table, folder / f"exported{number}")
            if (both := _average(run, folder / f"average{number}")) is not None:
                _compare(both, table, folder / f"exported-average{number}")


def _fitted(folder: Path, root: Path) -> Iterator[Path]:
    for preset in ("classic", "deep", "auto"):
        consilience(
            "fit", str(folder / "train.csv"), "--target", "answer", "--split", "0.85,0.15,0", "--preset", preset,
            "--media-root", str(root), "--out", str(folder / preset), "--json",
        )  # fmt: skip
        yield folder / preset


def _average(run: Path, out: Path) -> Path | None:
    """A bundle like the run's whose model is the average of everything the run has tried, if that is several things."""
    model = cs.load(run)
    tried = {f.name: kept.find(f, model.task) for f in sorted((run / "checkpoints").iterdir())}
    members = {name: found.member for name, found in tried.items() if found is not None}
    if len(members) < 2:
        return None
    even = np.full(model.task.width, 1 / model.task.width)
    rule = DECISION_FUSIONS.load("average").restore(State(arrays={"otherwise": even}))
    name = f"average of {len(members)}"
    both = replace(model, name=name, member=Ensemble(members, rule, kind="average"))
    save(both, out, config=model.limits, facts={}, baseline={"input": list(model.inputs)})
    return out


def _compare(run: Path, table: Table, out: Path) -> None:
    found = export(run, to="onnx", out=out, verify=True)
    own, exported = cs.load(run), cs.load(out)
    print(f"  {own.name}: {found['bytes'] / 1e6:.1f} MB, golden rows within {found['max_difference']:.1e}")
    for without in ((), ("image",), ("question",), ("image", "question")):
        columns = {c: [None] * len(table) if c in without else v for c, v in table.columns.items()}
        poorer = replace(table, columns=columns)
        want, got = own.answer(poorer), exported.answer(poorer)
        worst = float(np.abs(want.answers - got.answers).max())
        other = sum(a != b for a, b in zip(want.labels, got.labels, strict=True))
        print(
            f"    without {' and '.join(without) or 'nothing':18} largest difference {worst:.1e}, "
            f"other labels {other} of {len(table):,}",
            flush=True,
        )
        assert worst <= 1e-4
        assert other == 0
    rates: dict[str, list[float]] = {"run": [], "exported": []}
    for _ in range(ROUNDS):
        for name, model in (("run", own), ("exported", exported)):
            started = time.process_time()
            model.answer(table, workers=0)
            rates[name].append(len(table) / (time.process_time() - started))
    run_rate, exported_rate = (statistics.median(rates[name]) for name in ("run", "exported"))
    print(
        f"    rows per CPU-second: run {run_rate:,.0f}, exported {exported_rate:,.0f} "
        f"({exported_rate / run_rate:.2f} times; bar 1)"
    )


if __name__ == "__main__":
    main()
