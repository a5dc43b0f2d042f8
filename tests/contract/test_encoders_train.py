"""Every encoder of every modality, on cells of two classes: it trains, it learns what is there and nothing else, and
every key of its config does something. A new encoder is tested by being listed, and fails until its keys are in OTHERS.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from behaviour import halved, idle_keys, idle_parameters, quality, traits
from media_files import film, moving_square, tone, wav
from PIL import Image as Pillow

from consilience.core.batch import Tokens
from consilience.core.limits import Limits
from consilience.core.masks import masked_mean
from consilience.modalities import MODALITIES, frozen
from consilience.modalities.base import ColumnSample

CONVOLUTIONS = {"width": 8, "channels": 6, "dropout": 0.5, "norm": "group"}
OTHERS = {
    "text/bag": {"width": 8, "dropout": 0.5},
    "text/gru": {"width": 8, "dropout": 0.5},
    "text/lstm": {"width": 8, "dropout": 0.5},
    "text/transformer": {
        "width": 8, "heads": 2, "layers": 1, "hidden": 24, "dropout": 0.5, "positions": "learned",
    },
    "image/cnn": CONVOLUTIONS,
    "image/resnet": {**CONVOLUTIONS, "blocks": 1},
    "image/vgg": {**CONVOLUTIONS, "convolutions": 1},
    "audio/cnn": {"width": 8, "channels": 6, "stages": 2, "dropout": 0.5},
    "audio/gru": {"width": 8, "dropout": 0.5},
    "video/gru": {"width": 8, "channels": 6, "dropout": 0.5},
    "tabular/mlp": {"width": 8, "hidden": 8, "layers": 1, "dropout": 0.5},
    "frozen/vectors": {"dropout": 0.5},
}  # fmt: skip
"""Another value for every key of every encoder's config."""
SMALL = {"width": 16, "channels": 4, "hidden": 16}
"""Of those keys that an encoder has: to spare time."""
ALL = [*(f"{m}/{kind}" for m in MODALITIES for kind in MODALITIES.load(m).encoders), "frozen/vectors"]
QUICK = {"text/bag", "text/gru", "image/cnn", "tabular/mlp", "frozen/vectors"}
"""One of each kind of network; the others learn in `make test`."""


# ------------------------------------------------------------------------------------------ cells of two classes


def words(label, rng):
    some = rng.choice(["the", "film", "was", "a", "rather", "long", "one"], 4)
    return " ".join([*some, ("dreadful", "wonderful")[label], rng.choice(["indeed", "really"])])


def number(label, rng):
    return str(round((1 if label else -1) * (0.3 + abs(rng.normal())), 3))


def picture(label, rng):
    pixels = rng.integers(60, 120, (32, 32, 3))
    pixels[8:24, 8:24, label] += 100
    buffer = io.BytesIO()
    Pillow.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def sound(label, rng):
    return wav(tone((300, 2000)[label] * rng.uniform(0.9, 1.1), seconds=0.3, loud=rng.uniform(0.1, 0.4)))


def moving(label, rng):
    colour = ((220, 30, 30), (30, 30, 220))[label]
    return film(moving_square(frames=4, colour=colour, step=int(rng.integers(1, 4))))


CELLS = {"text": words, "tabular": number, "image": picture, "audio": sound, "video": moving}


class Examples:
    """A processor and cells of two classes of one modality: known ones it was fitted on, fresh ones, and four of which
    one is missing."""

    def __init__(self, name: str) -> None:
        rng = np.random.default_rng(0)
        labels = [torch.from_numpy(rng.permutation(np.repeat([0, 1], 24))) for _ in range(2)]
        if name == "frozen":
            values = [[rng.normal(size=(3, 16)) + 1.5 * label for label in side.tolist()] for side in labels]
            self.processor = frozen.FrozenProcessor.fit(values[0], weights=np.ones(48), width=16, name="made up")
            self.family = frozen.ENCODERS
        else:
            modality = MODALITIES.load(name)()
            cells = [[(CELLS[name](label, rng),) for label in side.tolist()] for side in labels]
            raw = [cell for (cell,) in cells[0]]
            column = ColumnSample(name="c", cells=raw, rows=48, distinct=len(set(raw)), root=Path("."))
            config = modality.resolve(modality.Config(), [column], [modality.kinds[0]])
            values = [[modality.load(cell, config, Path("."), Limits())[0] for cell in side] for side in cells]
            self.processor = modality.fit(values[0], config, weights=np.ones(48))
            self.family = modality.encoders
        self.known, self.fresh = (
            (self.processor.collate(side).map(torch.from_numpy), y) for side, y in zip(values, labels, strict=True)
        )
        self.few = self.processor.collate([values[0][0], None, *values[0][1:3]]).map(torch.from_numpy)


@pytest.fixture(scope="module")
def examples():
    made: dict[str, Examples] = {}

    def of(name):
        if name not in made:
            made[name] = Examples(name)
        return made[name]

    return of


class Case:
    def __init__(self, path, examples) -> None:
        modality, self.kind = path.split("/")
        self.examples = examples(modality)
        self.encoder = self.examples.family.load(self.kind)
        self.small = {k: v for k, v in SMALL.items() if k in self.encoder.Config.__dataclass_fields__}

    def build(self, config=None):
        torch.manual_seed(0)
        return self.encoder(config or self.encoder.Config(**self.small), self.examples.processor.shape())


@pytest.fixture(params=ALL)
def case(request, examples):
    return Case(request.param, examples)


def say(encoder, tokens: Tokens):
    out = encoder(tokens)
    return masked_mean(out.values, out.mask)


def test_every_key_does_something(case, request):
    def look(config):
        encoder = case.build(config)
        return traits(encoder, lambda: say(encoder, case.examples.few))

    assert idle_keys(case.encoder.Config, OTHERS[request.node.callspec.params["case"]], look, case.small) == []


def test_every_parameter_trains(case):
    encoder = case.build()
    assert idle_parameters(encoder, lambda: say(encoder, case.examples.known[0])) == []


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ALL], indirect=True
)
def test_it_learns_what_is_there_and_nothing_from_shuffled_labels(case):
    known, labels = case.examples.known
    assert quality(case.build, say, (known, labels), case.examples.fresh) > 0.8
    assert abs(quality(case.build, say, (known, halved(labels)), case.examples.fresh) - 0.5) < 0.3


def test_bf16_is_no_obstacle(case):
    encoder = case.build().train()
    with torch.autocast("cpu", torch.bfloat16):
        out = encoder(case.examples.few)
    assert torch.equal(out.mask.any(1), case.examples.few.mask.any(1))
    loss = out.values.float()[out.mask].square().sum()
    assert torch.isfinite(loss)
    if loss.requires_grad:
        loss.backward()
        assert all(p.dtype == torch.float32 and torch.isfinite(p.grad).all() for p in encoder.parameters())


@pytest.mark.slow
def test_text_encoders_that_read_in_order_know_the_order(examples):
    """The same words, before or after each other: only where they stand tells the classes apart."""
    modality = MODALITIES.load("text")()
    rng = np.random.default_rng(0)

    def make(seed):
        labels = torch.from_numpy(np.random.default_rng(seed).permutation(np.repeat([0, 1], 60)))
        texts = []
        for label in labels.tolist():
            pair = ["cat bites dog", "dog bites cat"][label]
            texts.append(" ".join([*rng.choice(["so", "now", "then"], rng.integers(0, 3)), pair, "today"]))
        return texts, labels

    (texts, labels), (others, truth) = make(1), make(2)
    processor = modality.fit(texts, modality.Config(), weights=np.ones(120))
    known, fresh = (processor.collate(t).map(torch.from_numpy) for t in (texts, others))
    found = {}
    for kind in modality.encoders:
        cls = modality.encoders.load(kind)
        settings = {"width": 16} | ({"hidden": 32} if kind == "transformer" else {})
        for positions in ("rotary", "learned") if kind == "transformer" else ("",):
            more = {"positions": positions} if positions else {}
            build = lambda: cls(cls.Config(**settings, **more), processor.shape())  # noqa: B023, E731
            name = f"{kind} {positions}".strip()
            found[name] = quality(build, say, (known, labels), (fresh, truth), steps=60, lr=1e-2)
    assert 0.3 < found.pop("bag") < 0.7
    assert min(found.values()) > 0.9, found
