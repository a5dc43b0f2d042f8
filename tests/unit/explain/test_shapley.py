"""Shapley values: the axioms, by definition and by sampling."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from consilience.explain import shapley
from consilience.explain.ablation import subsets


def game(players, seed=0, width=5):
    """A random value for every subset, [width] each."""
    rng = np.random.default_rng(seed)
    return {subset: rng.normal(size=width) for subset in subsets(players)}


def by_definition(value, players):
    """The mean, over every order, of what a player adds to those before."""
    orders = list(permutations(players))
    out = dict.fromkeys(players, 0.0)
    for order in orders:
        for place, player in enumerate(order):
            out[player] = out[player] + value[frozenset(order[: place + 1])] - value[frozenset(order[:place])]
    return {player: total / len(orders) for player, total in out.items()}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_exact_is_the_definition(count):
    players = [f"input {i}" for i in range(count)]
    value = game(players)
    found, want = shapley.exact(value.__getitem__, players), by_definition(value, players)
    for player in players:
        np.testing.assert_allclose(found[player], want[player], atol=1e-12)
    total = value[frozenset(players)] - value[frozenset()]
    np.testing.assert_allclose(sum(found.values()), total, atol=1e-12)


def test_a_player_that_adds_nothing_gets_nothing_and_equals_get_the_same():
    def value(subset):
        return np.array([2.0 * ("a" in subset) + 2.0 * ("b" in subset) + ("a" in subset and "b" in subset)])

    found = shapley.exact(value, ["a", "b", "idle"])
    assert found["idle"] == pytest.approx(0)
    assert found["a"] == pytest.approx(2.5) == found["b"]


def test_sampling_is_efficient_exactly_and_right_nearly():
    players = [f"input {i}" for i in range(8)]
    value = game(players, width=400)
    rng = np.random.default_rng(1)
    found = shapley.sampled(value.__getitem__, players, permutations=600, rng=rng)
    total = value[frozenset(players)] - value[frozenset()]
    np.testing.assert_allclose(sum(found.values()), total, atol=1e-9)
    want = shapley.exact(value.__getitem__, players)
    error = np.array([found[p][0] - want[p][0] for p in players])
    assert np.abs(error).max() < 0.25  # values are of size 1; the standard error of 600 orders is about 0.05
    few = shapley.sampled(value.__getitem__, players, permutations=2, rng=np.random.default_rng(1))
    assert max(abs(few[p][0] - want[p][0]) for p in players) > np.abs(error).max()


def test_sampling_doubts_itself():
    """The resamples redraw the orders: with a value that never changes, the spread is that of sampling alone."""
    players = ["a", "b", "c", "d"]
    fixed = {subset: np.full(200, v[0]) for subset, v in game(players, width=1).items()}
    found = shapley.sampled(fixed.__getitem__, players, permutations=12, rng=np.random.default_rng(0))
    assert found["a"].std() > 0
