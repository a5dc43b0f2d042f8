"""A table of a million rows of text and numbers: is every row fitted, in how much memory, in how much time.

    python benchmarks/bench_million.py [ROWS] [--csv] [--budget SECONDS] [--folder DIR] [--predict]

The table is made up from a seed: 10 to 30 words from a Zipf vocabulary, three numbers with gaps, two categories, and a
target of three classes that some words and columns tell of. It is written as Parquet (or CSV) and fitted by the
`classic` preset in a process of its own. Held to: rows of training, validation and test add up to all rows (asserted),
and the peak of the process and its children together stays under 3 GB (resident memory, read from /proc).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from _measure import machine

WORDS, SIGNAL = 20_000, 400
BAR = 3.0
_BLOCK = 50_000
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("rows", type=int, nargs="?", default=1_000_000)
    ask.add_argument("--csv", action="store_true", help="the table as CSV instead of Parquet")
    ask.add_argument("--budget", default="600s", help="--time-budget of the fit (default 600s)")
    ask.add_argument("--folder", type=Path, help="where the table is kept and the run is left (default: removed)")
    ask.add_argument("--predict", action="store_true", help="also answer every row with `consilience predict`")
    given = ask.parse_args()
    print(f"{given.rows:,} rows, {'CSV' if given.csv else 'Parquet'}; {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        table = folder / f"table_{given.rows}{'.csv' if given.csv else '.parquet'}"
        if not table.exists():
            write(table, given.rows)
        print(f"  table: {table.stat().st_size / 1e6:,.0f} MB")
        run = Path(tempfile.mkdtemp(dir=folder)) / "run"
        words = ["fit", str(table), "--target", "label", "--preset", "classic", "--time-budget", given.budget]
        report("fit", *words, "--out", str(run), "--json")
        rows = json.loads((run / "bundle" / "manifest.json").read_text())["facts"]["rows"]
        assert sum(rows.values()) == given.rows, f"{rows} are not all {given.rows:,} rows"
        board = json.loads((run / "leaderboard.json").read_text())
        print(f"  rows used: {rows}; best: {board['best']}, test {board['test']['accuracy']}")
        for entry in board["leaderboard"]:
            print(f"    {entry['name']}: {entry['metrics']['accuracy']['value']:.4f}, {entry['cpu_seconds']:.1f} CPU-s")
        if given.predict:
            report("predict", "predict", str(run), str(table), "--out", str(run / "answers.parquet"))


def report(what: str, *words: str) -> None:
    """Run `consilience WORDS` and print its peak memory, CPU-seconds and wall time."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "consilience", *words], stdout=subprocess.DEVNULL, env=environment
    ) as process:
        peak = Peak(process.pid)
        code = process.wait()
        highest = peak.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - started
    print(f"  {what}: peak {highest / 1e9:.2f} GB (bar {BAR:.0f}), {cpu:.0f} CPU-s, {wall:.0f} s wall", flush=True)
    if code:
        sys.exit(f"consilience {words[0]} ended with {code}")


class Peak(threading.Thread):
    """The highest resident memory of a process and all its descendants together, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._highest, self._over = pid, 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.1):
            self._highest = max(self._highest, sum(map(resident, tree(self._pid))))

    def stop(self) -> int:
        self._over.set()
        self.join()
        return self._highest


def tree(pid: int) -> list[int]:
    """The process and its descendants; one that ends meanwhile has none."""
    found = [pid]
    for one in found:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def write(path: Path, rows: int) -> None:
    """Block after block: the benchmark itself stays small, and the first rows are the same whatever their number."""
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    temporary = path.with_suffix(".part")
    writer = None
    for number, begin in enumerate(range(0, rows, _BLOCK)):
        block = pa.table(make(min(_BLOCK, rows - begin), np.random.default_rng([7, number])))
        if writer is None:
            writer = (csv.CSVWriter if path.suffix == ".csv" else parquet.ParquetWriter)(temporary, block.schema)
        writer.write_table(block)
    assert writer is not None
    writer.close()
    temporary.rename(path)


def make(rows: int, rng: np.random.Generator) -> dict[str, object]:
    """Columns of `rows` rows."""
    vocabulary = np.array(words())
    share = 1.0 / np.arange(1, WORDS + 1)
    length = rng.integers(10, 31, rows)
    drawn = np.searchsorted(np.cumsum(share) / share.sum(), rng.random(int(length.sum())))
    starts = np.cumsum(length) - length
    # Every 50th word, SIGNAL of them, leans to one class.
    leaning = (drawn % 50 == 7) & (drawn < 50 * SIGNAL)
    score = np.stack(
        [np.add.reduceat(np.where(leaning & (drawn // 50 % 3 == k), 1.0, 0.0), starts) for k in range(3)], axis=1
    )
    age, price, visits = rng.normal(40, 12, rows), rng.lognormal(3, 1, rows), rng.poisson(3, rows)
    city, plan = rng.integers(0, 30, rows), rng.integers(0, 4, rows)
    score[:, 0] += 0.04 * (age - 40)
    score[:, 1] += np.where(plan == 2, 0.8, 0.0) + 0.5 * (np.log(price) - 3)
    score[:, 2] += np.where(city % 5 == 0, 0.7, 0.0)
    label = (score + rng.gumbel(0, 0.7, score.shape)).argmax(1)
    texts = vocabulary[np.minimum(drawn, WORDS - 1)].tolist()
    age[rng.random(rows) < 0.05] = np.nan
    return {
        "text": [" ".join(texts[a : a + n]) for a, n in zip(starts.tolist(), length.tolist(), strict=True)],
        "age": [None if a != a else round(a, 1) for a in age.tolist()],
        "price": np.round(price, 2),
        "visits": visits,
        "city": [f"city {c}" for c in city.tolist()],
        "plan": [("free", "basic", "pro", "team")[p] for p in plan.tolist()],
        "label": [("no", "maybe", "yes")[k] for k in label.tolist()],
    }


def words() -> list[str]:
    """Made-up words; the frequent ones are short."""
    rng = np.random.default_rng(3)
    consonants, vowels = list("bcdfghklmnprstvz"), list("aeiou")
    found: dict[str, None] = {}
    while len(found) < WORDS:
        syllables = 1 + rng.binomial(4, min(0.6, 0.1 + len(found) / WORDS))
        found["".join(rng.choice(consonants) + rng.choice(vowels) for _ in range(syllables))] = None
    return list(found)


if __name__ == "__main__":
    main()
