"""What encoders cost: forward and backward of one batch on a CPU, every encoder of a modality side by side in one run.

    OMP_NUM_THREADS=1 python benchmarks/bench_encoders.py [--repeat 7] [--cells 64]

Texts of 24 tokens out of 5,000, pictures of 64 x 64; each encoder with its defaults. CPU time, the least of several,
the encoders taking turns so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts its threads

import torch
from _measure import machine

from consilience.core.batch import Tokens
from consilience.modalities import MODALITIES

SHAPES = {
    "text": {"vocabulary": 5_000, "length": 64},
    "image": {"channels": 3, "height": 64, "width": 64},
    "tabular": {"features": 40},
}


def tokens(modality: str, cells: int) -> Tokens:
    generator = torch.Generator().manual_seed(0)
    if modality == "text":
        values = torch.randint(2, 5_000, (cells, 24), generator=generator)
    elif modality == "image":
        values = torch.randn(cells, 1, 3, 64, 64, generator=generator)
    else:
        values = torch.randn(cells, 1, 40, generator=generator)
    return Tokens(values=values, mask=torch.ones(values.shape[:2], dtype=torch.bool))


def step(encoder: torch.nn.Module, given: Tokens) -> float:
    """CPU-seconds of one forward and backward pass."""
    encoder.zero_grad(set_to_none=True)
    begin = time.process_time()
    encoder(given).values.square().mean().backward()
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--cells", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"encoders, {args.cells} cells a batch; {machine()}, torch {torch.__version__}; one thread")
    for name, shape in SHAPES.items():
        family, given = MODALITIES.load(name).encoders, tokens(name, args.cells)
        built = {}
        for kind in family:
            torch.manual_seed(0)
            cls = family.load(kind)
            built[kind] = cls(cls.Config(), shape).train()
        best = dict.fromkeys(built, float("inf"))
        for _ in range(args.repeat):
            for kind, encoder in built.items():
                best[kind] = min(best[kind], step(encoder, given))
        for kind, seconds in best.items():
            weights = sum(p.numel() for p in built[kind].parameters())
            out = built[kind](given)
            print(f"  {name}/{kind}: {1000 * seconds:.1f} ms, {weights:,} weights, {out.mask.shape[1]} tokens a cell")


if __name__ == "__main__":
    main()
