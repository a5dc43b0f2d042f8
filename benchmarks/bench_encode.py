"""Encoding throughput: `consilience encode` beside decode + forward pass written by hand, in one run.

    python benchmarks/bench_encode.py [--pictures 600] [--rounds 3]

Pictures of 320 x 240 to 640 x 480 pixels (half JPEG, half PNG), made here; EfficientNet-Lite0. Both sides: two
processes that decode, one computing thread in this one, batches of 32; a first go of each is not counted. By hand: a
pool of two processes, `imap` of batches, torch's own forward pass; it keeps no store and checks nothing.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from _measure import machine
from PIL import Image

from consilience.core.progress import Reporter
from consilience.modalities import MODALITIES
from consilience.modalities.backbone import BackboneConfig, find_backbone
from consilience.models.weights import packaged
from consilience.workflows.backbones import PretrainedConfig
from consilience.workflows.encode import encode

SIDE, BATCH = 224, 32


def main() -> None:
    command = argparse.ArgumentParser()
    command.add_argument("--pictures", type=int, default=600)
    command.add_argument("--rounds", type=int, default=3)
    args = command.parse_args()
    print(f"encoding {args.pictures} pictures; {machine()}; two decoding processes, one computing thread")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = make(folder, args.pictures)
        _ours(folder, -1, paths[:BATCH])
        _by_hand(folder, paths[:BATCH])
        ratios = []
        for number in range(args.rounds):
            sides = {"ours": lambda: _ours(folder, number, paths), "by hand": lambda: _by_hand(folder, paths)}  # noqa: B023
            order = list(sides) if number % 2 == 0 else list(sides)[::-1]  # whoever goes first finds the files cold
            took = {}
            for side in order:
                began, cpu = time.perf_counter(), _cpu()
                sides[side]()
                took[side] = time.perf_counter() - began, _cpu() - cpu
            ratios.append([hand / ours for hand, ours in zip(took["by hand"], took["ours"], strict=True)])
            rates = ", ".join(
                f"{side} {args.pictures / wall:.1f} pictures/s, {cpu:.1f} CPU-s" for side, (wall, cpu) in took.items()
            )
            print(f"  round {number + 1}: {rates}; ratios {ratios[-1][0]:.3f} and {ratios[-1][1]:.3f}", flush=True)
        wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
        print(f"  median ratio of throughputs {wall:.3f} (bar 0.9), of CPU-seconds {cpu:.3f}")


def _cpu() -> float:
    """CPU-seconds of this process and of those it started that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def make(folder: Path, count: int) -> list[str]:
    """Soft noise with shapes on it, as hard to decode as photographs of that size."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        width = int(rng.integers(320, 641))
        height = width * 3 // 4
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        picture = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
        picture = np.clip(picture + rng.integers(-8, 9, picture.shape), 0, 255).astype(np.uint8)
        paths.append(f"{number:05}.{'jpg' if number % 2 else 'png'}")
        Image.fromarray(picture).save(folder / paths[-1])
    return paths


def _ours(folder: Path, number: int, paths: list[str]) -> None:
    config = PretrainedConfig(backbones={next(iter(_modality())): "package:efficientnet-lite0"}, device="cpu")
    done = encode({"picture": paths}, store=folder / f"store-{number}", config=config, root=folder, workers=2,
                  reporter=Reporter())  # fmt: skip
    assert [found["encoded"] for found in done["inputs"].values()] == [len(paths)], done


def _by_hand(folder: Path, paths: list[str]) -> None:
    import torch

    torch.set_num_threads(1)
    name, modality = next(iter(_modality().items()))
    backbone = find_backbone(
        modality.backbones, packaged("efficientnet-lite0"), BackboneConfig(), name=name, device="cpu"
    )
    network = backbone.build().eval()
    batches = [[str(folder / path) for path in paths[at : at + BATCH]] for at in range(0, len(paths), BATCH)]
    out = []
    with multiprocessing.get_context("spawn").Pool(2) as pool, torch.inference_mode():
        for pixels in pool.imap(_decode, batches):
            tensor = torch.from_numpy(pixels).float().div_(127.5).sub_(1).permute(0, 3, 1, 2)
            out.append(network(tensor).mean((2, 3)))
    assert torch.cat(out).shape == (len(paths), 1280)


def _decode(paths: list[str]) -> np.ndarray:
    """Fit into the square, the rest white."""
    out = np.full((len(paths), SIDE, SIDE, 3), 255, np.uint8)
    for number, path in enumerate(paths):
        with Image.open(io.BytesIO(Path(path).read_bytes())) as picture:
            scale = SIDE / max(picture.size)
            size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            picture.draft("RGB", (2 * size[0], 2 * size[1]))
            small = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))
        top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
        out[number, top : top + size[1], left : left + size[0]] = small
    return out


def _modality() -> dict:
    return {"image": MODALITIES.load("image")()}


if __name__ == "__main__":
    main()
