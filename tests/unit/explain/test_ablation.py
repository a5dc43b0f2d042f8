"""Subsets and permutations of inputs."""

from __future__ import annotations

import numpy as np

from consilience.explain.ablation import Remembered, orders, subsets


def test_every_subset_once_smaller_first():
    found = list(subsets(["b", "a", "c"]))
    assert len(found) == len(set(found)) == 8
    assert found[0] == frozenset()
    assert [len(s) for s in found] == sorted(len(s) for s in found)


def test_no_row_keeps_its_own():
    for rows in (2, 3, 50):
        drawn = list(orders(rows, 20, np.random.default_rng(0)))
        assert len(drawn) == 20
        for order in drawn:
            assert sorted(order) == list(range(rows))
            assert (order != np.arange(rows)).all()
    assert list(orders(1, 5, np.random.default_rng(0))) == []


def test_each_subset_is_asked_for_once():
    class Counting:
        inputs, rows, asked = ("a",), 1, 0

        def answers(self, kept):
            self.asked += 1
            return np.ones((1, 1))

        def shuffled(self, name, order):
            raise AssertionError

    counting = Counting()
    remembered = Remembered(counting)
    for _ in range(3):
        remembered.answers(frozenset({"a"}))
    assert counting.asked == 1
