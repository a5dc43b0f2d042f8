"""The audit's bars: does it name what was planted, nothing on clean data, and how long does it take.

    python benchmarks/bench_audit.py [--seeds 20] [--rows 2000] [--only clean,leak,useless,copies]

Each table has three inputs, a picture, a text and two numbers, and each of them says something of its own about the
label. Plants: a column that copies the label, a text of random words, rows that were copied (the picture saved again
in another format, so that its bytes differ). Every fit is `--preset classic`; the audit is the short one that ends it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _measure import machine
from PIL import Image

import consilience as cs

CLASSES = ("ash", "birch", "cedar", "dogwood")
COLOURS = ((200, 60, 50), (60, 160, 70), (50, 90, 200), (210, 180, 60))
WORDS = ("tall", "pale", "rough", "sweet")
FILLING = ("near the river", "on the hill", "by the road", "in the old park", "behind the barn", "at the gate")
Rows = dict[str, list[Any]]


def table(folder: Path, rows: int, seed: int) -> Rows:
    """A clean table: each input alone is right on about half of the rows, all together on most."""
    rng = np.random.default_rng(seed)
    (folder / "pictures").mkdir(parents=True)
    label = rng.integers(0, 4, rows)
    seen = [np.where(rng.random(rows) < 0.55, label, rng.integers(0, 4, rows)) for _ in range(2)]
    out: Rows = {name: [] for name in ("picture", "note", "height", "age", "label")}
    for r in range(rows):
        noise = rng.integers(90, 165, (24, 24, 3)).astype(np.float64)
        y, x = rng.integers(0, 10, 2)
        noise[y : y + 14, x : x + 14] = 0.5 * noise[y : y + 14, x : x + 14] + 0.5 * np.array(COLOURS[seen[0][r]])
        Image.fromarray(noise.astype(np.uint8)).save(folder / "pictures" / f"{r}.png")
        out["picture"].append(f"pictures/{r}.png")
        filling = [FILLING[i] for i in rng.permutation(len(FILLING))[:2]]
        out["note"].append(f"{WORDS[seen[1][r]]} one {filling[0]} {filling[1]}, number {rng.integers(10**6)}")
        out["height"].append(round(float(label[r] + rng.normal(0, 1.6)), 3))
        out["age"].append(round(float((label[r] % 2) * 2 + rng.normal(0, 1.6)), 3))
        out["label"].append(CLASSES[label[r]])
    return out


def leak(rows: Rows, folder: Path, rng: np.random.Generator) -> None:
    """A code that is known only once the answer is, wrong on 2 % of the rows."""
    codes = [CLASSES.index(name) if rng.random() > 0.02 else int(rng.integers(4)) for name in rows["label"]]
    rows["ledger"] = [f"K{7 * code + 3}" for code in codes]


def useless(rows: Rows, folder: Path, rng: np.random.Generator) -> None:
    """The text is made of words that have nothing to do with the label."""
    words = (*WORDS, "stone", "cloud", "amber", "river", "quiet", "ladder", "copper", "meadow", "thistle", "violet")
    rows["note"] = [" ".join(rng.choice(words, 9)) for _ in rows["note"]]


def copies(rows: Rows, folder: Path, rng: np.random.Generator) -> None:
    """A twentieth of the rows once more: the picture as JPEG, the text in capitals, the numbers as they are."""
    for r in rng.permutation(len(rows["label"]))[: len(rows["label"]) // 20]:
        path = folder / f"pictures/{r}.jpg"
        Image.open(folder / rows["picture"][r]).save(path, quality=90)
        for name in rows:
            rows[name].append(rows[name][r])
        rows["picture"][-1] = f"pictures/{r}.jpg"
        rows["note"][-1] = rows["note"][r].upper()


def audited(rows: int, seed: int, plant: Callable[..., None] | None) -> tuple[dict[str, Any], float]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = table(folder, rows, seed)
        if plant is not None:
            plant(made, folder, np.random.default_rng(1000 + seed))
        from consilience.data.sources import write

        write(made, folder / "train.csv")
        config = {"preset": "classic", "seed": seed, "classic": {"single": ["linear"], "joined": ["linear", "trees"]}}
        result = cs.fit(folder / "train.csv", target="label", config=config, out=folder / "run")
        assert result.audit is not None
        return result.audit, result.audit["seconds"]


def named(found: dict[str, Any]) -> set[str]:
    """What an audit names, as (what, where)."""
    out = {f"leak {item['column']}" for item in found["leaks"]}
    out |= {f"copies {item['kind']}" for item in found["duplicates"]}
    return out | {
        f"useless {name}"
        for name, given in found["inputs"].items()
        if given["verdict"] in ("does_not", "harms", "unused")
    }


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--seeds", type=int, default=20)
    words.add_argument("--rows", type=int, default=2000)
    words.add_argument("--only", default="clean,leak,useless,copies")
    asked = words.parse_args()
    print(f"audit; {machine()}; {asked.rows:,} rows, seeds 0 to {asked.seeds - 1}")
    for title, plant, wanted in (
        ("clean", None, None),
        ("leak", leak, {"leak ledger"}),
        ("useless", useless, {"useless note"}),
        ("copies", copies, {"copies near copies"}),
    ):
        if title not in asked.only.split(","):
            continue
        right, others, longest, cpu = 0, [], 0.0, time.process_time()
        for seed in range(asked.seeds):
            found, seconds = audited(asked.rows, seed, plant)
            names = named(found)
            right += wanted is not None and wanted <= names
            extra = names - (wanted or set()) - ({"copies rows", "copies texts"} if plant is copies else set())
            others += [f"seed {seed}: {name}" for name in sorted(extra)]
            longest = max(longest, seconds)
        cpu = (time.process_time() - cpu) / asked.seeds
        plants = "" if wanted is None else f"planted and named {right} of {asked.seeds}; "
        print(
            f"  {title}: {plants}named besides: {len(others)} {others or ''}; "
            f"longest audit {longest:.1f} s; fit and audit {cpu:.1f} CPU-s",
            flush=True,
        )


if __name__ == "__main__":
    main()
