"""What does another fusion cost when every cell is encoded? Twelve of them on the stored vectors of 10,000 rows.

    python benchmarks/bench_stored.py --rows 10000 --epochs 20

A table of `--rows` rows with three inputs, every cell of them different: a picture, a text, another text. Its label
follows from all three, with one label in ten wrong, so that no training ends early. Small backbones with random weights
and usual widths (768 for pictures, 384 for texts) encode it into a store once (`consilience encode`); that is reported
and not counted. Then `fit --preset pretrained` trains twelve networks of `--epochs` epochs each, all five fusions among
them, beside the linear models it always has. Held to: no cell is encoded; twelve networks with all their losses;
the whole fit, its audit and report included, takes under 2 minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from _measure import consilience, machine

FUSIONS: list[Any] = [
    "concat",
    {"kind": "concat", "hidden": 64},
    {"kind": "concat", "hidden": 256},
    "gated",
    {"kind": "gated", "hidden": 64},
    {"kind": "gated", "hidden": 256},
    "film",
    {"kind": "film", "hidden": 64},
    "hadamard",
    {"kind": "hadamard", "rank": 64},
    "cross_attention",
    {"kind": "cross_attention", "heads": 2},
]
SECONDS = 120.0
LABELS = ("yes", "no", "later")
WORDS = ("red", "green", "blue", "small", "large", "round", "square", "old", "new", "fine")


def table(folder: Path, rows: int) -> Path:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "question", "remark", "label"])
        for row in range(rows):
            parts = rng.integers(0, 2, 3)
            pixels = rng.integers(0, 90, (24, 24, 3), np.uint8) + np.uint8(120 * parts[0])
            Image.fromarray(pixels).save(folder / f"pictures/{row}.png", compress_level=1)
            question, remark = (
                f"{('is it', 'why is it')[part]} {' '.join(rng.choice(WORDS, 4))} number {row}" for part in parts[1:]
            )
            label = LABELS[int(parts.sum()) % 3] if rng.random() < 0.9 else LABELS[int(rng.integers(3))]
            writer.writerow([f"pictures/{row}.png", question, remark, label])
    return folder / "train.csv"


def backbones(folder: Path) -> tuple[str, str]:
    from consilience.testing.backbones import tiny_image, tiny_text

    picture = tiny_image(folder / "vit", width=768, layers=1, side=16)
    text = tiny_text(folder / "bert", width=384, layers=1)
    return f"image={picture}", f"text={text}"


def curves(run: Path) -> dict[str, list[dict[str, float]]]:
    """By leaderboard entry: its epochs, as log.jsonl tells them."""
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {event["entry"]["name"]: event["curve"] for event in events if "curve" in event}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="what `fit` takes of two cores")
    parser.add_argument("--batch-rows", type=int, help="rows of a step (default: the preset's own)")
    sizes = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        good = measure(folder, sizes)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


def measure(folder: Path, sizes: argparse.Namespace) -> bool:
    source, frozen, store = table(folder, sizes.rows), backbones(folder), str(folder / "store")
    print(f"{sizes.rows:,} rows x 3 inputs, {len(FUSIONS)} fusions, {sizes.epochs} epochs; {machine()}, "
          f"{sizes.threads} thread(s), steps of {sizes.batch_rows or 'the usual'} rows")  # fmt: skip
    columns = ("--input", "picture=image:picture", "--input", "question=text:question", "--input", "remark=text:remark")
    made = consilience(
        "encode", str(source), "--store", store, "--backbone", *frozen, "--ignore", "label", *columns, "--json"
    )
    print(f"encoded in {made.cpu_seconds:.1f} CPU-s, {made.wall_seconds:.1f} s (not counted):")
    for name, found in made.json()["inputs"].items():
        print(f"  {name}: {found['encoded']:,} of {found['cells']:,} cells, width {found['width']}")
    train = {"epochs": sizes.epochs, "patience": sizes.epochs, "lr": 1e-3}
    if sizes.batch_rows:
        train["batch_rows"] = sizes.batch_rows
    settings = [*(word for key, value in train.items() for word in ("--set", f"pretrained.train.{key}={value}"))]
    config = folder / "run.toml"
    fusions = ", ".join(
        f'"{part}"'
        if isinstance(part, str)
        else "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in part.items()) + "}"
        for part in FUSIONS
    )
    config.write_text(f"[pretrained]\nfusions = [{fusions}]\n")
    run = folder / "run"
    fitted = consilience(
        "fit", str(source), "--target", "label", "--preset", "pretrained", "--store", store, "--backbone", *frozen,
        "--config", str(config), *settings, *columns, "--time-budget", "30m", "--out", str(run), "--json",
        threads=sizes.threads,
    )  # fmt: skip
    log = (run / "log.jsonl").read_text()
    encoded = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) of [\d,]+ distinct cells encoded", log)]
    epochs = curves(run)
    networks = [e for e in fitted.json()["leaderboard"] if e["name"] in epochs]
    for entry in networks:
        first, *_, last = losses = epochs[entry["name"]]
        value = entry["metrics"]["accuracy"]["value"]
        print(
            f"  {entry['name']}: {entry['cpu_seconds']:.1f} CPU-s, accuracy {value:.3f}; {len(losses)} epochs, losses:"
        )
        for name in ("train_loss", "valid_loss"):
            print(f"    {name} {first[name]:.3f} to {last[name]:.3f}")
    whole = len(networks) == len(FUSIONS) and all(len(losses) == sizes.epochs for losses in epochs.values())
    checks = {
        f"{len(FUSIONS)} networks of {sizes.epochs} epochs": whole,
        "nothing encoded": len(encoded) == 3 and not any(encoded),
        f"under {SECONDS:.0f} s (the whole fit: {fitted.wall_seconds:.1f} s, {fitted.cpu_seconds:.1f} CPU-s)":
            fitted.wall_seconds < SECONDS,
    }  # fmt: skip
    for text, good in checks.items():
        print(f"  {text}: {'yes' if good else 'NO'}")
    return all(checks.values())


if __name__ == "__main__":
    main()
