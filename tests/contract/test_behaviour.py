"""The contracts' own tools find what they are for: parts with a dead key, a dead parameter, or that learn nothing."""

from dataclasses import dataclass

import pytest
import torch
from behaviour import Other, halved, idle_keys, idle_parameters, quality, same, traits
from torch import nn


class Part(nn.Module):
    """A part as it should be, but for what `fault` says."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        width: int = 8
        dropout: float = 0.0
        power: int = 1
        curved: bool = False

    fault = ""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.layer = nn.Linear(4, config.width)
        self.spare = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(0.0 if self.fault == "dead key" else config.dropout)

    def forward(self, x):
        if self.fault == "deaf":
            x = x * 0
        out = self.dropout(self.layer(x))
        if self.config.curved:
            out = out.abs() ** self.config.power
        return out if self.fault == "dead parameter" else out * self.spare


OTHERS = {"width": 4, "dropout": 0.5, "power": Other(2, curved=True), "curved": True}


def faulty(fault):
    return type("Faulty", (Part,), {"fault": fault})


def look(part):
    def seen(config):
        torch.manual_seed(0)
        module = part(config)
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
        return traits(module, lambda: module(x))

    return seen


def test_every_key_of_a_sound_part_does_something():
    assert idle_keys(Part.Config, OTHERS, look(Part)) == []


def test_a_dead_key_is_found():
    assert idle_keys(Part.Config, OTHERS, look(faulty("dead key"))) == ["dropout"]
    assert idle_keys(Part.Config, {**OTHERS, "power": 2}, look(Part)) == ["power"], "it matters only when curved"


def test_a_key_that_nobody_looked_at_fails():
    some = {key: value for key, value in OTHERS.items() if key != "power"}
    with pytest.raises(AssertionError, match="no other value for \\['power'\\]"):
        idle_keys(Part.Config, some, look(Part))
    with pytest.raises(AssertionError, match="no key \\['depth'\\]"):
        idle_keys(Part.Config, {**OTHERS, "depth": 2}, look(Part))


def test_a_dead_parameter_is_found():
    x = torch.randn(5, 4)
    for fault, idle in (("", []), ("dead parameter", ["spare"])):
        module = faulty(fault)(Part.Config())
        assert idle_parameters(module, lambda module=module: module(x)) == idle


@pytest.mark.parametrize(("fault", "learns"), [("", True), ("deaf", False)])
def test_a_part_that_learns_nothing_is_found(fault, learns):
    def examples(seed):
        x = torch.randn(400, 4, generator=torch.Generator().manual_seed(seed))
        return x, (x[:, 0] > 0).long()

    known, fresh = examples(0), examples(1)

    def accuracy(labels):
        build = lambda: faulty(fault)(Part.Config())  # noqa: E731
        return quality(build, lambda module, x: module(x), (known[0], labels), fresh)

    assert (accuracy(known[1]) > 0.8) == learns
    assert abs(accuracy(halved(known[1])) - 0.5) < 0.25


def test_halved_labels_say_nothing():
    labels = torch.tensor([0] * 10 + [1] * 6)
    assert labels[halved(labels) == 1].tolist() == [0] * 5 + [1] * 3


def test_what_differs_in_anything_is_not_the_same():
    array = torch.zeros(2).numpy()
    assert same([array, 1, "a"], [array.copy(), 1, "a"])
    assert not same([array], [array + 1])
    assert not same([array], [array[:1]])
    assert not same([array], [array, array])
    assert not same([1], [True])
