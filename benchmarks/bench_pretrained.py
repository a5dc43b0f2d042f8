"""Preset `pretrained`: easy-VQA on MiniLM and EfficientNet-Lite0, frozen, beside `deep` in one run.

    python benchmarks/bench_pretrained.py [--rows 5000] [--seeds 0,1,2] [--deep]

5,000 training rows (506 pictures), split 0.85 / 0.15 by picture; test: all 9,673. First `fit` with an empty store,
then `fit` with another fusion on the full one.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from _measure import consilience, machine

from consilience.workflows.demos.easy_vqa import tables

BACKBONES = ("text=package:minilm", "image=package:efficientnet-lite0")


def main() -> None:
    command = argparse.ArgumentParser()
    command.add_argument("--rows", type=int, default=5_000)
    command.add_argument("--seeds", default="0")
    command.add_argument("--deep", action="store_true", help="also the preset deep")
    args = command.parse_args()
    print(f"easy-VQA, {args.rows:,} training rows; {machine()}; one thread each")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = tables(folder, rows=args.rows, test_rows=None)
        for seed in args.seeds.split(","):
            store = str(folder / f"store-{seed}")
            frozen = ("--preset", "pretrained", "--backbone", *BACKBONES, "--store", store)
            _one(folder, root, seed, "pretrained, empty store", *frozen)
            other = ("--set", 'pretrained.fusions=["hadamard"]')
            _one(folder, root, seed, "pretrained, full store, another fusion", *frozen, *other)
            if args.deep:
                _one(folder, root, seed, "deep", "--preset", "deep")


def _one(folder: Path, root: Path, seed: str, name: str, *flags: str) -> None:
    out = folder / f"{name.replace(' ', '-')}-{seed}"
    common = ("--media-root", str(root), "--json")
    fitted = consilience(
        "fit", str(folder / "train.csv"), "--target", "answer", "--split", "0.85,0.15,0", "--seed", seed,
        "--out", str(out), *flags, *common,
    )  # fmt: skip
    found = consilience("evaluate", str(out), str(folder / "test.csv"), *common).json()
    metric = found["metrics"]["accuracy"]
    print(
        f"  {name}, seed {seed}: test accuracy {metric['value']:.4f} ({metric['ci95'][0]:.4f} to "
        f"{metric['ci95'][1]:.4f}); fit {fitted.cpu_seconds:.1f} CPU-s, {fitted.wall_seconds:.1f} s; best: "
        f"{fitted.json()['best']}",
        flush=True,
    )
    for entry in fitted.json()["leaderboard"]:
        value = entry["metrics"]["accuracy"]["value"]
        print(f"      {value:.4f} on validation, {entry['cpu_seconds']:5.1f} CPU-s  {entry['name']}", flush=True)


if __name__ == "__main__":
    main()
