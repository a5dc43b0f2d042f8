"""How quickly trees are fitted (LightGBM) and answer (our NumPy forest), beside scikit-learn's with the same settings.

    OMP_NUM_THREADS=1 python benchmarks/bench_trees.py

780 trees (60 rounds x 13 classes x up to 31 leaves) over 320 dense columns; CPU time, answers: best of 5, the two
alternating. On one thread of a Xeon (2 cores shared with others, LightGBM 4.7, scikit-learn 1.9.1, NumPy 2.4.6): fitted
in 0.7 to 1.0 times the time (on tables with texts, whose columns are mostly 0, in about 0.4 times); 3.4 to 3.7 times as
many rows a second with 4,000 rows a call, 5.2 to 5.7 times with 64, 5.6 times with one (1 ms).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy and scikit-learn start their threads

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from consilience.modalities.base import Features
from consilience.models.base import Block, Goal
from consilience.models.learners.trees import Trees


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--columns", type=int, default=320)
    parser.add_argument("--classes", type=int, default=13)
    parser.add_argument("--rounds", type=int, default=60)
    sizes = parser.parse_args()

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(sizes.rows, sizes.columns)).astype(np.float32)
    target = (matrix[:, : sizes.classes] + rng.normal(size=(sizes.rows, sizes.classes))).argmax(1)
    matrix[rng.random(matrix.shape) < 0.02] = np.nan

    names = tuple(map(str, range(sizes.columns)))
    features = Features(matrix=matrix, present=np.ones(sizes.rows, bool), names=names)
    blocks = {"x": Block(features=features, index=np.arange(sizes.rows))}
    goal = Goal(target=target, width=sizes.classes, discrete=True, weights=np.ones(sizes.rows))

    config = Trees.Config(max_iter=sizes.rounds, rows_per_leaf=1)
    ours, our_fit = timed(lambda: Trees.fit(config, blocks, goal, seed=0, seconds=float("inf")))
    plain = HistGradientBoostingClassifier(
        max_iter=sizes.rounds, learning_rate=0.2, l2_regularization=3.0, max_bins=63, early_stopping=False
    )
    theirs, their_fit = timed(lambda: plain.fit(matrix, target))
    print(f"fit: ours {our_fit:.1f} s, scikit-learn {their_fit:.1f} s, ratio {our_fit / their_fit:.2f}")

    for count in (sizes.rows, 64, 1):
        some, plain_some = {"x": blocks["x"].take(np.arange(count))}, matrix[:count]
        mine, other = race(partial(ours.predict, some), partial(theirs.predict_proba, plain_some), max(1, 256 // count))
        print(
            f"{count:>6} rows a call: ours {count / mine:>9,.0f} rows/s ({mine * 1e3:.2f} ms a call), "
            f"scikit-learn {count / other:>9,.0f} rows/s ({other * 1e3:.2f} ms), ours / theirs {other / mine:.2f}"
        )


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    return work(), time.process_time() - begin


def race(one: Callable[[], object], two: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Best CPU seconds per call of each, in alternating runs."""
    best = [np.inf, np.inf]
    for _ in range(5):
        for i, work in enumerate((one, two)):
            begin = time.process_time()
            for _ in range(repeats):
                work()
            best[i] = min(best[i], (time.process_time() - begin) / repeats)
    return best[0], best[1]


if __name__ == "__main__":
    main()
