"""Does a run that is killed end as if it had not been? `kill -9` at random instants of encoding and training.

    python benchmarks/bench_resume.py --kills 20 --chain 6 [--preset pretrained]

A small table of pictures, texts and numbers is fitted once without disturbance. Then, `--kills` times: the same fit is
killed at a random instant of that duration and resumed; and once a run is killed again and again, `--chain` times.
Held to: every one ends with the same bundle weights byte for byte, the same leaderboard and test metrics, the same
predictions, and the same features in the encode-once store. Prints a line for each and ends with 1 if one differs.

With `--preset pretrained`: tiny backbones with random weights, and three networks on their vectors, side by side.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

AUTO = ("train.epochs=6", "train.batch_rows=32", "deep.width=32", "classic.joined=['linear','trees']",
        "classic.single=['linear']", "data.workers=2")  # fmt: skip
PRETRAINED = ("pretrained.train.epochs=60", "pretrained.train.patience=60", "data.workers=2",
              "pretrained.fusions=['concat', 'gated', 'film']")  # fmt: skip


def table(folder: Path, *, rows: int, side: int, seed: int = 0) -> Path:
    """Pictures large enough that decoding them takes a while; the label follows from picture and text together."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    (folder / "pictures").mkdir(parents=True)
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "text", "size", "label"])
        for row in range(rows):
            name, bright, odd = f"pictures/{row}.png", row % 2, int(rng.integers(2))
            noise = rng.integers(0, 120, (side, side, 3), np.uint8) + np.uint8(90 * bright)
            Image.fromarray(noise).save(folder / name, compress_level=1)
            words = ["an odd one", "quite even"][odd] + f", number {rng.integers(30)}"
            writer.writerow([name, words, f"{rng.normal():.3f}", ["no", "yes"][bright ^ odd]])
    return folder / "train.csv"


def start(*words: str | Path) -> subprocess.Popen[str]:
    """`consilience fit`, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "consilience", "fit", *map(str, words), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def store_of(run: Path) -> Path:
    """Each run has a store of its own, so that every one of them encodes."""
    return run.with_name(f"{run.name}-store")


def begin(source: Path, run: Path) -> subprocess.Popen[str]:
    """A fresh fit, once its run folder says that it has begun: on backbones, if there are any beside the table."""
    frozen = source.with_name("backbones")
    given = [word for setting in (PRETRAINED if frozen.is_dir() else AUTO) for word in ("--set", setting)]
    if frozen.is_dir():
        given += ["--preset", "pretrained", "--backbone", *(f"{path.name}={path}" for path in sorted(frozen.iterdir()))]
    given += ["--store", str(store_of(run))]
    process = start(source, "--target", "label", "--time-budget", "1h", *given, "--out", run)
    while not (run / "run.json").is_file() and process.poll() is None:
        time.sleep(0.005)
    return process


def resume(run: Path) -> subprocess.Popen[str]:
    return start("--resume", "--out", run)


def end(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it printed, when it has ended well."""
    out, error = process.communicate()
    if process.returncode:
        raise SystemExit(f"consilience fit ended with {process.returncode}:\n{error}")
    printed: dict[str, Any] = json.loads(out)
    return printed


def kill(process: subprocess.Popen[str], run: Path, *, group: bool = False) -> str:
    """kill -9 the process (or with its workers), and where that found it."""
    done = process.poll() is not None
    if not done:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.communicate()
    return "complete" if done else where(run)


def where(run: Path) -> str:
    kept = len([*run.glob("checkpoints/*/member.safetensors")])
    if [*run.glob("checkpoints/*/training.safetensors")]:
        return f"training, {kept} candidates kept"
    if (run / "splits.parquet").is_file():
        return f"fitting, {kept} candidates kept"
    return "encoding"


def held(store: Path) -> dict[str, str]:
    """By space of a store: a hash of all its keys and values, in whatever order they came."""
    from consilience.data.store import Store

    found = {}
    for folder in sorted((store / "spaces").iterdir()):
        with Store(store).space(folder.name, about={}) as space:
            keys = [space.key(place) for place in range(len(space))]
            values = space.read(space.find(sorted(keys)))
            told = [(k, v.shape, str(v.dtype), v.tobytes()) for k, v in zip(sorted(keys), values, strict=True)]
        found[folder.name] = hashlib.sha256(repr(told).encode()).hexdigest()
    return found


def outcome(run: Path, printed: dict[str, Any], source: Path) -> dict[str, str]:
    """By what is compared: a hash."""
    import consilience

    timed = ("cpu_seconds", "ms_per_row")
    board = [{k: v for k, v in entry.items() if k not in timed} for entry in printed["leaderboard"]]
    facts = {
        "weights": (run / "bundle" / "weights.safetensors").read_bytes(),
        "baseline": (run / "bundle" / "baseline.parquet").read_bytes(),
        "leaderboard": json.dumps([board, printed["best"], printed["test"]]).encode(),
        "predictions": consilience.load(run).predict_proba(source).tobytes(),
        "store": json.dumps(held(store_of(run))).encode(),
    }
    return {name: hashlib.sha256(content).hexdigest() for name, content in facts.items()}


def differences(want: dict[str, str], run: Path, source: Path) -> list[str]:
    """Resume to the end; the names of what came out otherwise."""
    got = outcome(run, end(resume(run)), source)
    return [name for name in want if got[name] != want[name]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--chain", type=int, default=6)
    parser.add_argument("--preset", choices=("auto", "pretrained"), default="auto")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--side", type=int, default=500, help="pixels of a picture's side")
    parser.add_argument("--seed", type=int, default=0)
    sizes = parser.parse_args()

    folder, rng, failures = Path(tempfile.mkdtemp()), random.Random(sizes.seed), 0
    source = table(folder, rows=sizes.rows, side=sizes.side)
    if sizes.preset == "pretrained":
        from consilience.testing.backbones import tiny_image, tiny_text

        tiny_image(folder / "backbones" / "image"), tiny_text(folder / "backbones" / "text")
    process, started = begin(source, folder / "straight"), time.monotonic()
    printed = end(process)
    took = time.monotonic() - started
    want = outcome(folder / "straight", printed, source)
    print(f"undisturbed: {took:.1f} s after its folder was there; best {printed['best']}")
    for number in range(sizes.kills):
        run, moment = folder / f"killed-{number}", rng.uniform(0, took)
        process = begin(source, run)
        time.sleep(moment)
        found = kill(process, run, group=number % 2 == 1)
        wrong = differences(want, run, source)
        failures += bool(wrong)
        print(f"killed after {moment:5.2f} s ({found}): {'DIFFERS: ' + ', '.join(wrong) if wrong else 'the same'}")
        shutil.rmtree(run)
        shutil.rmtree(store_of(run))
    run, found = folder / "chain", ""
    for number in range(sizes.chain):
        process = resume(run) if number else begin(source, run)
        time.sleep(rng.uniform(0.3, 0.7) * took)
        found = kill(process, run)
        print(f"chain, kill {number + 1}: {found}")
    wrong = differences(want, run, source)
    failures += bool(wrong)
    print(f"killed {sizes.chain} times: {'DIFFERS: ' + ', '.join(wrong) if wrong else 'the same'}")
    shutil.rmtree(folder)
    sys.exit(f"{failures} runs ended otherwise" if failures else 0)


if __name__ == "__main__":
    main()
