"""Columns that know too much are named; columns that merely help, in 20 draws, are not."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.data.leaks import Side, groups, suspects

NAMES = ("ash", "birch", "cedar")


def sides(columns, target, cut=400):
    """Training rows, then held-out rows."""
    return (
        Side(columns={n: list(c)[:cut] for n, c in columns.items()}, target=target[:cut]),
        Side(columns={n: list(c)[cut:] for n, c in columns.items()}, target=target[cut:]),
    )


def honest(rng, target):
    """Columns that help: a number, a category, and one that is noise."""
    return {
        "height": target + rng.normal(0, 1, len(target)),
        "soil": np.where(rng.random(len(target)) < 0.6, np.array(["a", "b", "c"])[target], "d"),
        "noise": rng.normal(size=len(target)),
    }


def look(columns, target, names=NAMES, powers=None):
    train, held = sides(columns, target)
    inputs = dict.fromkeys(columns, "table")
    return suspects(train, held, names=names, inputs=inputs, powers=powers or {"table": 0.7})


@pytest.mark.parametrize("seed", range(20))
def test_honest_columns_are_not_named(seed):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, 600)
    assert look(honest(rng, target), target) == []
    price = rng.normal(size=600)
    columns = {
        "size": price + rng.normal(0, 0.5, 600),
        "age": rng.normal(size=600),
        "kind": rng.choice(["a", "b"], 600),
    }
    assert look(columns, price, names=("price",)) == []


PLANTS = {
    "a code of the target": lambda t, rng: np.array(["K3", "K7", "K1"])[t],
    "a number of the target": lambda t, rng: 10.0 - 3 * t + rng.normal(0, 0.1, len(t)),
    "a code with a few mistakes": lambda t, rng: np.where(rng.random(len(t)) < 0.02, "?", np.array(["x", "y", "z"])[t]),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_a_copy_of_the_target_is_named(plant):
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 600)
    found = look({**honest(rng, target), "ledger": plant(target, rng)}, target)
    assert [(s.column, s.kind) for s in found] == [("ledger", "target")]


def test_a_function_of_a_number_is_named():
    rng = np.random.default_rng(0)
    price = np.exp(rng.normal(size=600))
    columns = {"size": np.log(price) + rng.normal(0, 0.5, 600), "tax": 0.19 * price, "age": rng.normal(size=600)}
    found = look(columns, price, names=("price",))
    assert [(s.column, s.kind) for s in found] == [("tax", "target")]


def test_a_column_filled_in_afterwards_is_named_with_its_class():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 600)
    returned = [f"2026-01-{1 + n % 28:02}" if t == 2 else None for n, t in enumerate(target)]
    found = look({**honest(rng, target), "returned on": returned}, target)
    assert [(s.column, s.kind, s.detail) for s in found] == [("returned on", "class", "cedar")]


def test_where_all_is_easy_nothing_is_suspicious():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 600)
    columns = {"one": target + rng.normal(0, 0.01, 600), "two": np.array(["a", "b", "c"])[target]}
    assert look(columns, target) == []
    assert look({"one": columns["one"]}, target, powers={"table": 1.0, "photo": 0.99}) == []
    assert look({"one": columns["one"]}, target, powers={"table": 1.0, "photo": 0.3}) != []


def test_a_row_counter_is_named():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 600)
    found = look({**honest(rng, target), "id": rng.permutation(600) + 1000}, target)
    assert [(s.column, s.kind) for s in found] == [("id", "counter")]


def test_groups_whose_rows_share_their_answer():
    rng = np.random.default_rng(0)
    patient = rng.integers(0, 60, 600)
    target = (rng.permutation(60) % 3)[patient]
    names = np.array([f"patient {n}" for n in range(60)])[patient]
    train, held = sides({"patient": names, "shop": rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 600)}, target)
    found = groups(train, held, columns=["patient", "shop"])
    assert [(s.column, s.kind) for s in found] == [("patient", "group")]


def test_few_rows_say_nothing():
    target = np.arange(20) % 2
    train, held = sides({"copy": target.astype(str)}, target, cut=12)
    assert suspects(train, held, names=("a", "b"), inputs={"copy": "table"}, powers={}) == []


def test_several_targets_are_looked_at_one_by_one():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(600, 2))
    columns = {"tax": 3 * target[:, 1], "age": rng.normal(size=600)}
    assert [s.column for s in look(columns, target, names=("a", "b"))] == ["tax"]
