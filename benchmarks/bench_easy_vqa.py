"""easy-VQA: accuracy and CPU-seconds of the presets beside scikit-learn's boosted trees, in one run.

    python benchmarks/bench_easy_vqa.py [--rows 5000] [--seeds 0,1,2] [--presets deep,auto,classic] [--reference]

5,000 training rows (506 pictures), split 0.85 / 0.15 by picture for us; the reference gets all 5,000. Test: all 9,673.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from _measure import consilience, machine, run

from consilience.data.sources import read, write
from consilience.workflows.demos.easy_vqa import tables as easy_vqa_tables

HERE = Path(__file__).parent


def main() -> None:
    command = argparse.ArgumentParser()
    command.add_argument("--rows", type=int, default=5_000)
    command.add_argument("--seeds", default="0,1,2")
    command.add_argument("--presets", default="deep,auto,classic")
    command.add_argument("--reference", action="store_true", help="also scikit-learn's HistGradientBoosting")
    command.add_argument("--budget", default="5m")
    args = command.parse_args()
    print(f"easy-VQA, {args.rows:,} training rows; {machine()}; one thread each")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = easy_vqa_tables(folder, rows=args.rows, test_rows=None)
        _with_kind(folder / "test.csv")
        reference = None
        if args.reference or "classic" in args.presets:
            reference = run(sys.executable, str(HERE / "_reference_trees.py"), str(folder), str(root))
            print(f"  reference (HistGradientBoosting, 60 iterations): {reference.output.strip()}, "
                  f"{reference.cpu_seconds:.1f} CPU-s")  # fmt: skip
        for preset in args.presets.split(","):
            found = [_one(folder, root, preset, int(seed), args.budget) for seed in args.seeds.split(",")]
            accuracy, cpu = (statistics.mean(x) for x in zip(*found, strict=True))
            line = f"  {preset}: mean accuracy {accuracy:.4f}, mean {cpu:.1f} CPU-s over {len(found)} seeds"
            if reference is not None:
                line += f" ({cpu / reference.cpu_seconds:.2f} x the reference)"
            print(line, flush=True)


def _with_kind(path: Path) -> None:
    """A column with the type of question (yes/no, colour, shape), for --by."""
    table = read(path)
    answers = table["answer"]
    colours = {"black", "blue", "brown", "gray", "green", "red", "teal", "yellow"}
    kinds = ["yes / no" if a in ("yes", "no") else "colour" if a in colours else "shape" for a in answers]
    write({**{n: list(c) for n, c in table.columns.items()}, "kind": kinds}, path)


def _one(folder: Path, root: Path, preset: str, seed: int, budget: str) -> tuple[float, float]:
    """Accuracy on the whole test table and the CPU-seconds of `fit`."""
    out = folder / f"{preset}-{seed}"
    fitted = consilience(
        "fit", str(folder / "train.csv"), "--target", "answer", "--split", "0.85,0.15,0", "--preset", preset,
        "--seed", str(seed), "--time-budget", budget, "--media-root", str(root), "--out", str(out), "--json",
    )  # fmt: skip
    common = ("--media-root", str(root), "--json")
    found = consilience("evaluate", str(out), str(folder / "test.csv"), "--by", "kind", *common).json()
    by = {kind: group["metrics"]["accuracy"]["value"] for kind, group in found["by"].items()}
    permuted = folder / "permuted.csv"
    table = read(folder / "test.csv")
    columns = {name: list(cells) for name, cells in table.columns.items()}
    columns["image"] = [columns["image"][i] for i in np.random.default_rng(seed).permutation(len(table))]
    write(columns, permuted)
    blind = consilience("evaluate", str(out), str(permuted), *common).json()["metrics"]["accuracy"]["value"]
    accuracy = found["metrics"]["accuracy"]["value"]
    print(
        f"    {preset}, seed {seed}: accuracy {accuracy:.4f} ({', '.join(f'{k} {v:.3f}' for k, v in by.items())}); "
        f"pictures permuted {blind:.4f}; fit {fitted.cpu_seconds:.1f} CPU-s, {fitted.wall_seconds:.1f} s; "
        f"best: {fitted.json()['best']}",
        flush=True,
    )
    shutil.rmtree(out)
    return accuracy, fitted.cpu_seconds


if __name__ == "__main__":
    main()
