"""Tux Paint stamps: picture + caption + Spanish speech -> category, on packaged backbones, five splits by caption.

    sudo apt-get install tuxpaint-stamps-default librsvg2-bin
    python benchmarks/bench_stamps.py [--splits 5] [--store DIR]

Fused: `--preset pretrained` as it is. Alone: the same preset with the other two columns left out (there
is nothing to fuse, so one network instead of three). Reference: the same
frozen vectors, standardised and joined, in scikit-learn's LogisticRegression, its C chosen on the validation rows. All
learn from the same rows and answer the same test rows; differences are paired, intervals resample captions.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from _measure import consilience, machine

import consilience as cs
from consilience.core.limits import Limits
from consilience.data.encode import Encoding
from consilience.data.infer import infer
from consilience.data.loader import load
from consilience.data.sources import read, write
from consilience.data.store import Store
from consilience.workflows.backbones import PretrainedConfig, frozen_views
from consilience.workflows.demos.stamps import prepare

COLUMNS = ("picture", "caption", "speech")
BACKBONES = {"text": "package:minilm", "image": "package:efficientnet-lite0", "audio": "package:whisper-tiny-en"}
WORDS = ("--backbone", *(f"{key}={value}" for key, value in BACKBONES.items()))


def main() -> None:
    command = argparse.ArgumentParser()
    command.add_argument("--splits", type=int, default=5)
    command.add_argument("--store", help="where vectors are kept (default: a new folder)")
    args = command.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = prepare(folder)
        if made.notes:  # figures of fewer stamps would be figures of other data
            raise SystemExit("\n".join(made.notes))
        table = made.sources["train"]
        rows = list(read(table).rows())
        print(
            f"Tux Paint stamps: {len(rows)} rows, {len({row['thing'] for row in rows})} captions, by category "
            f"{dict(Counter(row['category'] for row in rows))}; {machine()}; one thread"
        )
        store = args.store or str(folder / "store")
        common = ("--store", store, *WORDS, "--json")
        encoded = consilience("encode", str(table), "--ignore", "category", "--ignore", "thing", *common)
        counts = {name: (f["encoded"], f["found"]) for name, f in encoded.json()["inputs"].items()}
        print(f"  encode: {encoded.cpu_seconds:.1f} CPU-s, {encoded.wall_seconds:.0f} s; (encoded, found) {counts}")
        vectors = _vectors(table, store)
        right: dict[str, list[np.ndarray]] = {}
        things: list[str] = []
        for number in range(args.splits):
            test = np.array([_side(row["thing"], number) < 0.25 for row in rows])
            for name, chosen in (("train", ~test), ("test", test)):
                some = [row for row, one in zip(rows, chosen, strict=True) if one]
                write({key: [row[key] for row in some] for key in rows[0]}, folder / f"{name}.csv")
            things += [row["thing"] for row, one in zip(rows, test, strict=True) if one]
            found = _split(folder, store, number)
            found["logistic regression on the vectors"] = _reference(rows, vectors, test, folder / f"{number}-fused")
            print(
                f"  split {number + 1}: " + ", ".join(f"{name} {ok.mean():.3f}" for name, ok in found.items()),
                flush=True,
            )
            for name, ok in found.items():
                right.setdefault(name, []).append(ok)
            _pooled(right, things)
        for title, extra in (("fit", ()), ("fit, another fusion", ("--set", 'pretrained.fusions=["cross_attention"]'))):
            out = str(folder / title.replace(", ", "-").replace(" ", "-"))
            fitted = consilience(
                "fit", str(folder / "train.csv"), "--target", "category", "--split", "0.8,0.2,0", "--group", "thing",
                "--preset", "pretrained", "--out", out, *extra, *common,
            )  # fmt: skip
            told = [line for line in (Path(out) / "log.jsonl").read_text().splitlines() if "distinct cells" in line]
            print(f"  {title} on stored vectors: {fitted.cpu_seconds:.1f} CPU-s (bar 20); {len(told)} inputs:")
            for line in told:
                print(f"    {line[line.index('said') + 8 : -2]}")


def _pooled(right: dict[str, list[np.ndarray]], things: list[str]) -> None:
    """All splits so far together: how often each is right, and the paired difference."""
    pooled = {name: np.concatenate(parts).astype(float) for name, parts in right.items()}
    for name, ok in pooled.items():
        gap = pooled["fused"] - ok
        low, high = _interval(gap, things)
        print(
            f"    {name}: {ok.mean():.4f}; fused is {gap.mean():+.4f} above it ({low:+.4f} to {high:+.4f})", flush=True
        )


def _side(thing: str, number: int) -> float:
    """0 to 1, by the caption: stamps of one thing are on one side."""
    return int.from_bytes(hashlib.sha256(f"{number}/{thing}".encode()).digest()[:4], "big") / 2**32


def _split(folder: Path, store: str, number: int) -> dict[str, np.ndarray]:
    """By model, which test rows it gets right."""
    looks = {"fused": (), **{f"{name} alone": tuple(c for c in COLUMNS if c != name) for name in COLUMNS}}
    found = {}
    for name, without in looks.items():
        out = folder / f"{number}-{name.replace(' ', '-')}"
        used = {c: BACKBONES[k] for c, k in zip(COLUMNS, ("image", "text", "audio"), strict=True) if c not in without}
        config: dict[str, Any] = {
            "seed": number,
            "data": {"split": [0.8, 0.2, 0.0], "group": "thing", "store": store, "ignore": list(without)},
            "pretrained": {"backbones": used, **({"fusions": ["concat"]} if without else {})},
            "audit": {"at_end": False},
            "time_budget": 3600.0,
        }  # fmt: skip
        cs.fit(folder / "train.csv", target="category", preset="pretrained", config=config, out=out)
        test = read(folder / "test.csv")
        answers = cs.load(out).answer(test).labels
        found[name] = np.array([a == b for a, b in zip(answers, test["category"], strict=True)])
    return found


def _vectors(path: Path, store: str) -> dict[str, np.ndarray]:
    """By view, the vector of every row."""
    table = read(path)
    inference = infer(table, target="category", ignore=("thing",))
    views = frozen_views(inference.inputs, PretrainedConfig(backbones=BACKBONES, device="cpu"), needed=True)
    opened = Store(Path(store))
    from consilience.modalities import MODALITIES

    configs = {}
    for name, view in views.items():
        modality = MODALITIES.load(view.plan.modality)()
        samples = [inference.samples[c] for c in view.plan.columns]
        configs[name] = view.backbone.load_config(modality.resolve(modality.Config(), samples, view.plan.kinds))
    encodings = {name: Encoding(backbone=view.backbone, store=opened) for name, view in views.items()}
    loaded = load(table, {n: v.plan for n, v in views.items()}, configs, limits=Limits(), encodings=encodings)
    assert not any(encoding.tally.encoded for encoding in encodings.values())
    return {n: np.stack([c.values[u][0] for u in c.index]) for n, c in loaded.inputs.items()}


def _reference(rows: list[dict[str, str]], vectors: dict[str, np.ndarray], test: np.ndarray, run: Path) -> np.ndarray:
    """scikit-learn on the same rows: fitted on the training rows of our own split for the choice of C, then on both."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    target, learn = np.array([row["category"] for row in rows]), np.flatnonzero(~test)
    splits = read(run / "splits.parquet")
    valid = learn[[int(r) - 2 for r, side in zip(splits["row"], splits["side"], strict=True) if side == "valid"]]
    train = np.setdiff1d(learn, valid)
    joined = np.concatenate(list(vectors.values()), 1)

    def fit(on: np.ndarray, strength: float) -> Any:
        scaler = StandardScaler().fit(joined[on])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=strength, max_iter=300).fit(scaler.transform(joined[on]), target[on])
        return lambda some: model.predict(scaler.transform(joined[some])) == target[some]

    best = max((0.0003, 0.003, 0.03, 0.3), key=lambda strength: fit(train, strength)(valid).mean())
    right: np.ndarray = fit(learn, best)(np.flatnonzero(test))
    return right


def _interval(gap: np.ndarray, things: list[str], *, draws: int = 4_000) -> tuple[float, float]:
    """95 %, over captions: the rows of one, in whichever splits, are drawn together."""
    _, number = np.unique(things, return_inverse=True)
    sums, counts = np.bincount(number, gap), np.bincount(number)
    drawn = np.random.default_rng(0).integers(len(sums), size=(draws, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
