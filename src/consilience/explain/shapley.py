"""Shapley values: what is won by all inputs together, dealt out fairly among them. Knows players and a value function.

Source: Shapley 1953, "A value for n-person games"; sampled by permutations after Castro, Gómez and Tejada 2009,
"Polynomial calculation of the Shapley value based on sampling". Both ways the values of all players sum to
v(all) − v(none), exactly (the efficiency axiom).

A value may be an array [R] (the metric under R weightings of the rows): all is done elementwise, so one call gives the
values and their bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Value = Callable[[frozenset[str]], np.ndarray]

EXACT = 6
"""Most players whose 2^n subsets are all asked for."""


def exact(value: Value, players: Sequence[str]) -> dict[str, np.ndarray]:
    """{player: its Shapley value [R]}: the mean over all orders of what it adds to those before it."""
    from consilience.explain.ablation import subsets

    count = len(players)
    worth = {subset: value(subset) for subset in subsets(players)}
    out = {player: np.zeros_like(worth[frozenset()], np.float64) for player in players}
    for subset, v in worth.items():
        for player in subset:
            before = len(subset) - 1
            share = math.factorial(before) * math.factorial(count - before - 1) / math.factorial(count)
            out[player] += share * (v - worth[subset - {player}])
    return out


def sampled(
    value: Value, players: Sequence[str], *, permutations: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The same, estimated from random orders, each taken forwards and backwards (which cancels much of the noise).

    Element 0 of a value [R] is taken as the value itself and gets the mean over all orders; the others are taken as
    resamples, and the orders are redrawn with each, so that an interval over them holds the doubt of sampling too.
    """
    pairs = max(1, permutations // 2)
    added: list[Mapping[str, np.ndarray]] = []
    for _ in range(pairs):
        order = [players[i] for i in rng.permutation(len(players))]
        forward, backward = _added(value, order), _added(value, order[::-1])
        added.append({player: (forward[player] + backward[player]) / 2 for player in players})
    width = len(value(frozenset()))
    drawn = rng.multinomial(pairs, np.full(pairs, 1 / pairs), width).T / pairs  # [pairs, R]
    drawn[:, 0] = 1 / pairs
    return {player: (np.stack([step[player] for step in added]) * drawn).sum(0) for player in players}


def _added(value: Value, order: Sequence[str]) -> dict[str, np.ndarray]:
    """What each player adds to those before it in one order."""
    out, before, so_far = {}, value(frozenset()), frozenset[str]()
    for player in order:
        so_far = so_far | {player}
        now = value(so_far)
        out[player], before = now - before, now
    return out


def mapping(values: Mapping[frozenset[str], np.ndarray]) -> Value:
    """A value function from a table of all subsets."""
    return values.__getitem__
