"""Every feature-level fusion, on rows of two classes that no input tells apart alone: it trains, it learns what is
there and nothing else, and every key of its config does something. A new one fails until its keys are in OTHERS.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from behaviour import halved, idle_keys, idle_parameters, quality, traits

from consilience.core.batch import Tokens
from consilience.core.config import Part, decode
from consilience.fusion import FEATURE_FUSIONS
from consilience.models.config import DeepConfig
from consilience.models.network import build as build_network
from consilience.models.network import to_device
from consilience.models.view import Source, View
from consilience.tasks.classification import Classification

OTHERS = {
    "concat": {"hidden": 24, "dropout": 0.5},
    "cross_attention": {"heads": 2, "attended": 16, "hidden": 24, "dropout": 0.5},
    "film": {"hidden": 24, "dropout": 0.5},
    "gated": {"hidden": 24, "dropout": 0.5},
    "hadamard": {"rank": 8, "hidden": 24, "dropout": 0.5},
}
"""Another value for every key of every fusion's config."""
NAMES, WIDTH = ("picture", "a.text"), 8


def rows(fusion, count, seed):
    """Inputs with gaps in their tokens, and whether the first numbers of both together are positive."""
    generator = torch.Generator().manual_seed(seed)
    length = 1 if fusion.pooled else 3
    inputs, total = {}, torch.zeros(count)
    for name in NAMES:
        mask = torch.rand(count, length, generator=generator) > 0.3
        mask[:, 0] = True
        vector = torch.randn(count, 1, WIDTH, generator=generator)
        values = vector + 0.1 * torch.randn(count, length, WIDTH, generator=generator)
        inputs[name] = Tokens(values=values, mask=mask)
        total += vector[:, 0, 0]
    return inputs, (total > 0).long()


@pytest.fixture(params=list(FEATURE_FUSIONS))
def kind(request):
    return request.param


def build(kind, config=None):
    torch.manual_seed(0)
    cls = FEATURE_FUSIONS.load(kind)
    return cls(config or cls.Config(), NAMES, WIDTH)


def say(fusion, inputs):
    return fusion(inputs).pooled


def test_every_key_does_something(kind):
    inputs, _ = rows(FEATURE_FUSIONS.load(kind), 6, 0)

    def look(config):
        fusion = build(kind, config)
        return traits(fusion, lambda: say(fusion, inputs))

    assert idle_keys(FEATURE_FUSIONS.load(kind).Config, OTHERS[kind], look) == []


def test_every_parameter_trains(kind):
    fusion = build(kind)
    inputs, _ = rows(fusion, 40, 0)
    for row, name in enumerate(NAMES):
        inputs[name].mask[row] = False  # each is missing somewhere
    assert idle_parameters(fusion, lambda: say(fusion, inputs)) == []


def test_it_learns_from_both_inputs_and_nothing_from_shuffled_labels(kind):
    cls = FEATURE_FUSIONS.load(kind)
    (known, labels), (fresh, truth) = rows(cls, 200, 0), rows(cls, 400, 1)
    make = lambda: build(kind)  # noqa: E731
    together = quality(make, say, (known, labels), (fresh, truth))
    assert together > 0.85
    for name in NAMES:  # the other one alone decides about 75 % of the rows
        without = [
            {**side, name: Tokens(values=side[name].values, mask=torch.zeros_like(side[name].mask))}
            for side in (known, fresh)
        ]
        assert 0.53 < quality(make, say, (without[0], labels), (without[1], truth)) < together - 0.05
    assert abs(quality(make, say, (known, halved(labels)), (fresh, truth)) - 0.5) < 0.12


def test_bf16_is_no_obstacle(kind):
    fusion = build(kind).train()
    inputs, _ = rows(fusion, 6, 0)
    inputs[NAMES[0]].mask[2] = False
    with torch.autocast("cpu", torch.bfloat16):
        out = say(fusion, {n: t.map(lambda a: a.bfloat16() if a.is_floating_point() else a) for n, t in inputs.items()})
    assert torch.isfinite(out.float()).all()
    out.float().square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in fusion.parameters() if p.grad is not None)


# ------------------------------------------------------------------------------------------------ the whole network

TASK = Classification(["a", "b"])
DEEP = {
    "fusion": Part(kind="concat", config=FEATURE_FUSIONS.load("concat").Config()),
    "width": 24,
    "encoders": {"x": {"kind": "mlp", "width": 8}},
    "dropout": 0.5,
    "auxiliary": 0.5,
}


class Numbers:
    """A processor of cells that are vectors already."""

    def collate(self, values):
        return Tokens(values=np.stack(values)[:, None], mask=np.ones((len(values), 1), bool))


def test_every_key_of_the_network_does_something():
    rng = np.random.default_rng(0)
    source = Source(values=list(rng.normal(size=(6, 4)).astype(np.float32)), processor=Numbers())
    view = View(sources={"x": source, "y": source}, index={"x": np.arange(6), "y": np.arange(6)[::-1]}, rows=6)
    batch = to_device(view.batch(np.arange(6), ["x", "y"]), torch.device("cpu"))
    inputs = {name: {"modality": "tabular", "shape": {"features": 4}} for name in ("x", "y")}

    def look(config):
        torch.manual_seed(0)
        model = build_network(config, inputs, TASK).model
        return traits(model, lambda: torch.cat([v.flatten().float() for v in model(batch).values.values()]))

    base = {"fusion": Part(kind="film", config=FEATURE_FUSIONS.load("film").Config())}
    assert idle_keys(DeepConfig, DEEP, look, base) == []
    assert decode(DeepConfig, {"fusion": "concat"}).fusion == DEEP["fusion"]
