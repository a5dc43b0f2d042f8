"""Tasks beyond one class or number: `classic` beside scikit-learn, on the same rows, in one run.

    npm pack vega-datasets@3.2.1 && tar xf vega-datasets-3.2.1.tgz package/data/movies.json
    python benchmarks/bench_tasks.py [package/data/movies.json]

- labels: scikit-learn's generator of multilabel data (synthetic), 2,000 rows, 40 counts, 10 labels; beside one-vs-rest
  logistic regression. Micro and macro F1 of the test rows.
- ordered classes: scikit-learn's diabetes (442 patients), the progression cut at its quintiles; beside logistic
  regression. Quadratic weighted kappa.
- several targets (with the movies): genre (at least 40 rows) and IMDB rating, which many films lack, learned together;
  beside a logistic regression and a ridge regression that each see only the rows with their target.

Test rows are the same for both sides: every fifth row, or SHA-1(title) mod 5 = 0. Nothing is held to a bar: the
question is whether the reduction to plain learners costs accuracy against what one would write by hand.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from _measure import Cost, consilience, machine, run

from consilience.data.sources import read, write

NUMBERS = ("US Gross", "Worldwide Gross", "Production Budget", "Running Time min", "Rotten Tomatoes Rating")
CATEGORIES = ("MPAA Rating", "Distributor", "Source", "Creative Type", "Director")
GENRE, RATING = "Major Genre", "IMDB Rating"


def labels(folder: Path) -> None:
    from sklearn.datasets import make_multilabel_classification

    counts, held = make_multilabel_classification(
        n_samples=2_000, n_features=40, n_classes=10, n_labels=3, random_state=0
    )
    rows = {f"x{k}": column.tolist() for k, column in enumerate(counts.T)}
    rows["y"] = [json.dumps([f"l{k}" for k in np.flatnonzero(row)]) for row in held]
    parted(rows, np.arange(2_000) % 5 == 0, folder)


def ranks(folder: Path) -> None:
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    edges = np.quantile(data.target, [0.2, 0.4, 0.6, 0.8])
    rows = dict(zip(data.feature_names, data.data.T.tolist(), strict=True))
    rows["y"] = np.searchsorted(edges, data.target).tolist()
    parted(rows, np.arange(len(data.target)) % 5 == 0, folder)


def movies(source: Path, folder: Path) -> None:
    films = [m for m in json.loads(source.read_text(encoding="utf-8")) if m["Title"] is not None]
    genres = Counter(m[GENRE] for m in films)
    kept = [m for m in films if m[GENRE] is not None and genres[m[GENRE]] >= 40]
    columns = {name: [m[name] for m in kept] for name in ("Title", *NUMBERS, *CATEGORIES, GENRE, RATING)}
    parted(columns, np.array([_digest(str(m["Title"])) % 5 == 0 for m in kept]), folder)


def _digest(title: str) -> int:
    return int(hashlib.sha1(title.encode()).hexdigest(), 16)


def parted(columns: dict[str, list[Any]], held: np.ndarray, folder: Path) -> None:
    """train.csv and test.csv in `folder`."""
    for side, mask in (("train", ~held), ("test", held)):
        chosen = np.flatnonzero(mask)
        write({name: [cells[r] for r in chosen] for name, cells in columns.items()}, folder / f"{side}.csv")


# --------------------------------------------------------------------------------- what one would write by hand


def reference(what: str, folder: Path) -> dict[str, float]:
    import pandas as pd
    from sklearn import metrics as sk
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

    train, test = (pd.read_csv(folder / f"{side}.csv") for side in ("train", "test"))
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
    if what == "labels":
        coder = MultiLabelBinarizer().fit(train["y"].map(json.loads))
        held, wanted = (coder.transform(t["y"].map(json.loads)) for t in (train, test))
        model = OneVsRestClassifier(plain).fit(train.drop(columns="y"), held)
        said = model.predict(test.drop(columns="y"))
        return {f"f1_{how}": sk.f1_score(wanted, said, average=how) for how in ("micro", "macro")}
    if what == "ranks":
        said = plain.fit(train.drop(columns="y"), train["y"]).predict(test.drop(columns="y"))
        return {
            "qwk": sk.cohen_kappa_score(test["y"], said, weights="quadratic"),
            "mae_ranks": sk.mean_absolute_error(test["y"], said),
        }
    return _films(train, test)


def _films(train: Any, test: Any) -> dict[str, float]:
    from sklearn import metrics as sk
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def made(model: Any) -> Any:
        columns = [
            ("text", TfidfVectorizer(), "Title"),
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(CATEGORIES)),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(NUMBERS)),
        ]
        return make_pipeline(ColumnTransformer(columns), model)

    for frame in (train, test):
        frame["Title"] = frame["Title"].astype(str)
    genre = made(LogisticRegression(max_iter=2_000)).fit(train, train[GENRE]).predict(test)
    rated, scored = train[train[RATING].notna()], test[test[RATING].notna()]
    rating = made(Ridge()).fit(rated, rated[RATING]).predict(scored)
    return {
        f"{GENRE}.accuracy": sk.accuracy_score(test[GENRE], genre),
        f"{RATING}.rmse": sk.root_mean_squared_error(scored[RATING], rating),
    }


# --------------------------------------------------------------------------------- side by side


def compare(what: str, folder: Path, *flags: str) -> None:
    told = run(sys.executable, __file__, "--reference", what, str(folder))
    wanted = told.json()
    print(f"{what}: {len(read(folder / 'train.csv')):,} training rows, {len(read(folder / 'test.csv')):,} test rows")
    print(f"  by hand           {_shown(wanted, wanted)}; {told.cpu_seconds:.1f} CPU-s")
    found = []
    for seed in range(3):
        done: Cost = consilience(
            "fit", str(folder / "train.csv"), "--test", str(folder / "test.csv"), *flags, "--split", "0.85,0.15,0",
            "--preset", "classic", "--seed", str(seed), "--out", str(folder / f"run{seed}"), "--json",
        )  # fmt: skip
        board = done.json()
        found.append({name: board["test"][name]["value"] for name in wanted})
        print(f"  classic, seed {seed}   {_shown(found[-1], wanted)}; {done.cpu_seconds:.1f} CPU-s; {board['best']}",
              flush=True)  # fmt: skip
    mean = {name: float(np.mean([f[name] for f in found])) for name in wanted}
    print(f"  classic, mean     {_shown(mean, wanted)}")


def _shown(values: dict[str, float], names: Any) -> str:
    return ", ".join(f"{name} {values[name]:.3f}" for name in names)


def main() -> None:
    if sys.argv[1:2] == ["--reference"]:
        print(json.dumps(reference(sys.argv[2], Path(sys.argv[3]))))
        return
    print(f"tasks; {machine()}; one thread each")
    with tempfile.TemporaryDirectory() as temporary:
        one, two, three = (Path(temporary) / name for name in ("labels", "ranks", "films"))
        for folder in (one, two, three):
            folder.mkdir()
        labels(one)
        compare("labels", one, "--target", "y")
        ranks(two)
        compare("ranks", two, "--target", "y", "--task", "ordinal")
        if len(sys.argv) > 1:
            movies(Path(sys.argv[1]), three)
            compare("films", three, "--target", f"{GENRE},{RATING}")


if __name__ == "__main__":
    main()
