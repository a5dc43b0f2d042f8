"""Movies (text + table): `classic` beside logistic regression on TF-IDF + one-hot + scaled numbers, in one run.

    npm pack vega-datasets@3.2.1 && tar xf vega-datasets-3.2.1.tgz package/data/movies.json
    python benchmarks/bench_movies.py package/data/movies.json
    python benchmarks/bench_movies.py package/data/movies.json --remainders   # 1 to 4 instead of 0, seed 0

Genres with at least 40 rows, rows without a title dropped, test = SHA-1(title) mod 5 = 0. That is 611 rows, on which
two models seldom differ by more than chance; with all remainders every row is a test row once.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from _measure import consilience, machine, run

from consilience.data.sources import read, write

TARGET = "Major Genre"
NUMBERS = ("US Gross", "Worldwide Gross", "US DVD Sales", "Production Budget", "Running Time min",
           "Rotten Tomatoes Rating", "IMDB Rating", "IMDB Votes")  # fmt: skip
CATEGORIES = ("MPAA Rating", "Distributor", "Source", "Creative Type", "Director")


def tables(source: Path, folder: Path, remainder: int = 0) -> None:
    """train.csv and test.csv in `folder`."""
    movies = [m for m in json.loads(source.read_text(encoding="utf-8")) if m["Title"] is not None]
    genres = Counter(m[TARGET] for m in movies if m[TARGET] is not None)
    kept = [m for m in movies if genres[m[TARGET]] >= 40 and m[TARGET] is not None]
    sides: dict[str, list[dict]] = {"train": [], "test": []}
    for movie in kept:
        digest = int(hashlib.sha1(str(movie["Title"]).encode()).hexdigest(), 16)
        sides["test" if digest % 5 == remainder else "train"].append(movie)
    for side, rows in sides.items():
        write({name: [row[name] for row in rows] for name in rows[0]}, folder / f"{side}.csv")


def reference(folder: Path) -> None:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, test = (pd.read_csv(folder / f"{side}.csv") for side in ("train", "test"))
    for frame in (train, test):
        frame["Title"] = frame["Title"].astype(str)
    columns = ColumnTransformer(
        [
            ("text", TfidfVectorizer(), "Title"),
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(CATEGORIES)),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(NUMBERS)),
        ]
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=2000)).fit(train, train[TARGET])
    print(f"{model.score(test, test[TARGET]):.4f}")


def main() -> None:
    if sys.argv[1] == "--reference":
        reference(Path(sys.argv[2]))
        return
    print(f"movies; {machine()}; one thread each")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if "--remainders" in sys.argv:
            found = [side_by_side(Path(sys.argv[1]), folder, remainder, seeds=1) for remainder in range(1, 5)]
            rows = sum(one[0] for one in found)
            other, ours = (sum(one[0] * one[place] for one in found) / rows for place in (1, 2))
            print(f"  {rows} rows: logistic regression {other:.4f}, classic {ours:.4f}")
        else:
            side_by_side(Path(sys.argv[1]), folder, 0, seeds=3)


def side_by_side(source: Path, folder: Path, remainder: int, *, seeds: int) -> tuple[int, float, float]:
    """Test rows, and accuracy of the reference and of `classic` (its mean)."""
    tables(source, folder, remainder)
    done = run(sys.executable, __file__, "--reference", str(folder))
    print(f"  remainder {remainder}: logistic regression: accuracy {done.output.strip()}, {done.cpu_seconds:.1f} CPU-s")
    scores, times = [], []
    for seed in range(seeds):
        fitted = consilience(
            "fit", str(folder / "train.csv"), "--test", str(folder / "test.csv"), "--target", TARGET,
            "--split", "0.85,0.15,0", "--preset", "classic", "--seed", str(seed),
            "--out", str(folder / f"run{remainder}{seed}"), "--json",
        )  # fmt: skip
        found = fitted.json()
        scores.append(found["test"]["accuracy"]["value"])
        times.append(fitted.cpu_seconds)
        print(
            f"  classic, seed {seed}: accuracy {scores[-1]:.4f}, {times[-1]:.1f} CPU-s; best: {found['best']}",
            flush=True,
        )
    print(
        f"  classic: mean accuracy {sum(scores) / seeds:.4f}, mean {sum(times) / seeds:.1f} CPU-s over {seeds} seed(s)"
    )
    return len(read(folder / "test.csv")), float(done.output), sum(scores) / seeds


if __name__ == "__main__":
    main()
