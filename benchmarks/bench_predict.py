"""Prediction from a loaded bundle: rows per second on the easy-VQA test set, one row's latency, start-up times.

    python benchmarks/bench_predict.py [RUN]

RUN: a run on easy-VQA (`consilience demo` leaves one in demo/run); without it, one is fitted with --preset auto.
Decoding is included and nothing is cached between calls.
AutoGluon-Multimodal 1.6.3 made 121 rows/s and 51 ms for one row on such a machine (measured once, elsewhere).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measure import consilience, machine

import consilience as cs
from consilience.data.sources import read
from consilience.workflows.demos.easy_vqa import tables as easy_vqa_tables


def main() -> None:
    print(f"prediction; {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = easy_vqa_tables(folder, rows=5_000, test_rows=None)
        run = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "run"
        if len(sys.argv) < 2:
            consilience(
                "fit", str(folder / "train.csv"), "--target", "answer", "--split", "0.85,0.15,0", "--media-root",
                str(root), "--out", str(run), "--json",
            )  # fmt: skip
        model = cs.load(run)
        table = read(folder / "test.csv", root=root)
        model.answer(table.take(range(50)))
        wall, cpu = time.perf_counter(), time.process_time()
        model.answer(table)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"  {model.name}: {len(table) / wall:,.0f} rows/s, {cpu:.1f} CPU-s for {len(table):,} rows (bar 2,420)")
        rows = [table.take([r]) for r in range(0, 2_000, 10)]
        spent = []
        for row in rows:
            started = time.perf_counter()
            model.answer(row)
            spent.append(1000 * (time.perf_counter() - started))
        spent.sort()
        print(f"  one row: median {statistics.median(spent):.1f} ms, 95 % {spent[190]:.1f} ms (bar 10 ms)")
    for what, command in (
        ("consilience --help", ["-m", "consilience", "--help"]),
        ("import consilience", ["-c", "import consilience"]),
        ("nothing (Python itself)", ["-c", ""]),
    ):
        times = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - started)
        print(f"  {what}: {min(times):.2f} s")


if __name__ == "__main__":
    main()
