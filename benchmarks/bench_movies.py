"""Movies (text + table): `classic` beside logistic regression on TF-IDF + one-hot + scaled numbers, in one run.

    npm pack vega-datasets@3.2.1 && tar xf vega-datasets-3.2.1.tgz package/data/movies.json
    python benchmarks/bench_movies.py package/data/movies.json

Genres with at least 40 rows, rows without a title dropped, test = SHA-1(title) mod 5 = 0.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from _measure import consilience, machine, run

from consilience.data.sources import write

TARGET = "Major Genre"
NUMBERS = ("US Gross", "Worldwide Gross", "US DVD Sales", "Production Budget", "Running Time min",
           "Rotten Tomatoes Rating", "IMDB Rating", "IMDB Votes")  # fmt: skip
CATEGORIES = ("MPAA Rating", "Distributor", "Source", "Creative Type", "Director")


def tables(source: Path, folder: Path) -> None:
    """train.csv and test.csv in `folder`."""
    movies = [m for m in json.loads(source.read_text(encoding="utf-8")) if m["Title"] is not None]
    genres = Counter(m[TARGET] for m in movies if m[TARGET] is not None)
    kept = [m for m in movies if genres[m[TARGET]] >= 40 and m[TARGET] is not None]
    sides: dict[str, list[dict]] = {"train": [], "test": []}
    for movie in kept:
        digest = int(hashlib.sha1(str(movie["Title"]).encode()).hexdigest(), 16)
        sides["test" if digest % 5 == 0 else "train"].append(movie)
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
        tables(Path(sys.argv[1]), folder)
        done = run(sys.executable, __file__, "--reference", str(folder))
        print(f"  logistic regression: accuracy {done.output.strip()}, {done.cpu_seconds:.1f} CPU-s")
        scores, times = [], []
        for seed in range(3):
            out = folder / f"run{seed}"
            fitted = consilience(
                "fit", str(folder / "train.csv"), "--test", str(folder / "test.csv"), "--target", TARGET,
                "--split", "0.85,0.15,0", "--preset", "classic", "--seed", str(seed), "--out", str(out), "--json",
            )  # fmt: skip
            found = fitted.json()
            scores.append(found["test"]["accuracy"]["value"])
            times.append(fitted.cpu_seconds)
            print(
                f"  classic, seed {seed}: accuracy {scores[-1]:.4f}, {times[-1]:.1f} CPU-s; best: {found['best']}",
                flush=True,
            )
        print(f"  classic: mean accuracy {sum(scores) / 3:.4f}, mean {sum(times) / 3:.1f} CPU-s over 3 seeds")


if __name__ == "__main__":
    main()
