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


def test_where_all_is_easy_what_is_no_copy_is_not_suspicious():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 600)
    town = {"town": rng.permutation(60)[target * 20 + rng.integers(0, 20, 600)].astype(str)}  # tells the country
    assert look(town, target, powers={"table": 1.0, "photo": 0.99}) == []
    assert [s.column for s in look(town, target, powers={"table": 1.0, "photo": 0.3})] == ["town"]
    copy = {"one": target + rng.normal(0, 0.01, 600)}
    assert [s.column for s in look(copy, target, powers={"table": 1.0, "photo": 0.99})] == ["one"]


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


def two(rng, rows=600):
    return rng.integers(0, 2, rows), ("kept", "returned")


def filled(target, rng, what, blank=None):
    return [what(rng) if t == 1 else blank for t in target]


AFTERWARDS = {
    "three letters of it": lambda t, rng: np.array(["kep", "ret"])[t],
    "in capitals": lambda t, rng: np.array(["KEPT", "RETURNED"])[t],
    "a flag": lambda t, rng: t == 1,
    "its hash": lambda t, rng: np.array(["9f2c", "03ab"])[t],
    "two thirds of a code": lambda t, rng: np.where(rng.random(len(t)) < 0.67, np.array(["x", "z"])[t], None),
    "an amount or nothing": lambda t, rng: filled(t, rng, lambda r: round(50 * r.random(), 2)),
    "an amount or 0": lambda t, rng: filled(t, rng, lambda r: round(1 + 50 * r.random(), 2), 0),
    "a date": lambda t, rng: filled(t, rng, lambda r: f"2026-03-{r.integers(1, 31):02}"),
    "a date or the last of all": lambda t, rng: filled(
        t, rng, lambda r: f"2026-03-{r.integers(1, 31):02}", "9999-12-31"
    ),
    "a reason": lambda t, rng: filled(t, rng, lambda r: str(r.choice(["size", "colour", "late"]))),
    "a reason or n/a": lambda t, rng: filled(t, rng, lambda r: str(r.choice(["size", "colour", "late"])), "n/a"),
    "a reference": lambda t, rng: [f"{'KR'[k]}E-{rng.integers(10**4, 10**5)}" for k in t],
    "the name of a folder": lambda t, rng: [f"{'cats' if k else 'dogs'}/{n}.png" for n, k in enumerate(t)],
}


@pytest.mark.parametrize("plant", AFTERWARDS.values(), ids=AFTERWARDS)
def test_what_is_known_only_afterwards_is_named(plant):
    rng = np.random.default_rng(0)
    target, names = two(rng)
    columns = {"price": rng.random(600).round(2), "shop": rng.choice(list("abc"), 600), "after": plant(target, rng)}
    assert [(s.column, s.kind) for s in look(columns, target, names)] == [("after", "target")]


@pytest.mark.parametrize("seed", range(8))
def test_leaks_do_not_hide_each_other_nor_anything_else_them(seed):
    rng = np.random.default_rng(seed)
    target, names = two(rng)
    some = rng.choice(list(AFTERWARDS), 1 + seed % 4, replace=False)
    planted = {f"after {name}": AFTERWARDS[name](target, rng) for name in some}
    columns = {"price": rng.random(600).round(2), **planted, "shop": rng.choice(list("abc"), 600)}
    for powers in ({"table": 1.0}, {"table": 1.0, "photo": 1.0}, {"table": 1.0, "id": 0.0}):
        assert {s.column for s in look(columns, target, names, powers=powers)} == {*planted}


def test_two_columns_that_give_one_class_away_do_not_hide_each_other():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 600)
    columns = {
        "returned on": [f"2026-01-{1 + n % 28:02}" if t == 2 else None for n, t in enumerate(target)],
        "refund": [round(50 * rng.random(), 2) if t == 2 else 0 for t in target],
        "felled": np.where(target == 0, "y", "n"),
    }
    found = look({**honest(rng, target), **columns}, target)
    assert {(s.column, s.detail) for s in found} == {("returned on", "cedar"), ("refund", "cedar"), ("felled", "ash")}


HONEST = {
    "a threshold": lambda rng: {"y": (x := rng.random(600)) > 0.5, "size": x.round(3)},
    "a threshold of whole numbers": lambda rng: {"y": (x := rng.integers(0, 90, 600)) >= 40, "age": x},
    "stars": lambda rng: {"y": (x := rng.integers(1, 6, 600)) >= 4, "stars": x},
    "a count": lambda rng: {"y": (x := rng.poisson(1, 600)) >= 1, "defects": x},
    "two columns together": lambda rng: {
        "y": ((x := rng.random(600)) > 0.5) != (c := rng.random(600) < 0.33),
        "size": x,
        "colour": np.where(c, "red", "blue"),
    },
    "two flags together": lambda rng: {
        "y": (a := rng.random(600) < 0.5) != (b := rng.random(600) < 0.5),
        "left": a,
        "right": b,
    },
    "a strong feature": lambda rng: {"y": (x := rng.random(600)) + rng.normal(0, 0.03, 600) > 0.5, "size": x},
    "well apart": lambda rng: {"y": (t := rng.integers(0, 2, 600)) == 1, "size": 5 * t + rng.normal(size=600)},
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST)
def test_what_is_easy_and_honest_is_not_named(make, seed):
    columns = make(np.random.default_rng(seed))
    target = columns.pop("y").astype(np.int64)
    for powers in ({"table": 1.0}, {"table": 1.0, "id": 0.0}):
        assert look(columns, target, ("no", "yes"), powers=powers) == []


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_honest_tables_that_everybody_knows(name):
    datasets = pytest.importorskip("sklearn.datasets")
    table = getattr(datasets, f"load_{name}")()
    order = np.random.default_rng(0).permutation(len(table.target))
    columns = {f"c{n}": table.data[order, n].tolist() for n in range(table.data.shape[1])}
    train, held = sides(columns, table.target[order], cut=int(0.7 * len(order)))
    names = [str(name) for name in getattr(table, "target_names", ["y"])]
    assert suspects(train, held, names=names, inputs=dict.fromkeys(columns, "table"), powers={"table": 0.9}) == []


IDS = {
    "uuid": lambda rng, n: [bytes(rng.bytes(16)).hex() for _ in range(n)],
    "hash": lambda rng, n: rng.integers(0, 2**62, n).tolist(),
    "number": lambda rng, n: [f"ORD-{k:06}" for k in rng.choice(10**6, n, replace=False)],
    "counter": lambda rng, n: (rng.permutation(n) + 1000).tolist(),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", IDS)
def test_an_id_never_changes_what_is_named_of_the_rest(kind, seed):
    rng = np.random.default_rng(seed)
    target, names = two(rng)
    planted = {name: AFTERWARDS[name](target, rng) for name in rng.choice(list(AFTERWARDS), seed, replace=False)}
    columns = {"price": target + rng.normal(0, 1.0, 600), **planted}
    before = look(columns, target, names)
    after = look({**columns, "id": IDS[kind](rng, 600)}, target, names, powers={"table": 0.7, "id": 0.0})
    assert [(s.column, s.kind) for s in after if s.column != "id"] == [(s.column, s.kind) for s in before]
    assert {s.kind for s in after if s.column == "id"} <= {"counter"}


@pytest.mark.parametrize(
    "number",
    [lambda n: n + 1, lambda n: f"R{n:05}", lambda n: 3 * n + n % 2, lambda n: f"#{7000 - n}"],
    ids=["counter", "with a letter", "with gaps", "from behind"],
)
def test_an_id_of_rows_in_the_order_of_the_target_is_named(number):
    rng = np.random.default_rng(0)
    target = np.sort(rng.integers(0, 3, 600))
    order = rng.permutation(600)
    columns = {"noise": rng.normal(size=600), "id": [number(int(n)) for n in order]}
    found = look(columns, target[order])
    assert [(s.column, s.kind) for s in found] == [("id", "order")]


FUNCTIONS = {
    "another unit": lambda y, rng: 1.8 * y + 32,
    "rounded": lambda y, rng: y.round(-1),
    "a logarithm": lambda y, rng: np.log(y),
    "falling": lambda y, rng: 1000 / y,
    "in dollars": lambda y, rng: [f"${1.1 * v:,.2f}" for v in y],
    "nearly the same": lambda y, rng: y + rng.normal(0, 0.2, len(y)),
    "bands": lambda y, rng: np.array(["low", "mid", "high", "top"])[np.searchsorted([12, 20, 35], y)],
    "now and then": lambda y, rng: np.where(rng.random(len(y)) < 0.4, y, np.nan),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_of_a_number_is_named_beside_another(function):
    rng = np.random.default_rng(0)
    price = 20 * np.exp(rng.normal(size=600))
    columns = {
        "size": np.log(price) + rng.normal(0, 0.5, 600),
        "strong": price + rng.normal(0, 0.12 * price.std(), 600),
        "copy": price.round(2),
        "after": function(price, rng),
    }
    assert {s.column for s in look(columns, price, names=("price",))} == {"copy", "after"}


TOGETHER = {
    "a sum": lambda a, b: a + b,
    "a difference": lambda a, b: a - b,
    "a product": lambda a, b: a * b,
    "a ratio": lambda a, b: a / b,
}


@pytest.mark.parametrize("formula", TOGETHER.values(), ids=TOGETHER)
def test_two_numbers_that_are_the_target_together_are_named(formula):
    rng = np.random.default_rng(0)
    a, b = 10 + 50 * rng.random(600), 5 + 40 * rng.random(600)
    found = look({"one": a, "two": b, "age": rng.normal(size=600)}, formula(a, b), names=("y",))
    assert {(s.column, s.kind, s.detail) for s in found} == {("one", "pair", "two"), ("two", "pair", "one")}
    rough = formula(a, b) * (1 + rng.normal(0, 0.1, 600))
    assert look({"one": a, "two": b}, rough, names=("y",)) == []


@pytest.mark.parametrize("between", ["", "-", " "])
def test_a_label_in_two_parts_is_named(between):
    rng = np.random.default_rng(0)
    parts = rng.choice(list("ABC"), 600), rng.choice(["1", "2"], 600)
    label = [one + between + two for one, two in zip(*parts, strict=True)]
    names, target = np.unique(label, return_inverse=True)
    found = look({"row": parts[0], "seat": parts[1], "age": rng.normal(size=600)}, target, names.tolist())
    assert [(s.column, s.kind) for s in found] == [("row", "pair"), ("seat", "pair")]


def test_digits_whose_sum_is_the_label():
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 5, (2, 600))
    found = look({"one": one, "two": two}, one + two, [str(k) for k in range(9)])
    assert [(s.column, s.kind) for s in found] == [("one", "pair"), ("two", "pair")]


@pytest.mark.parametrize(
    ("say", "named"),
    [
        (lambda label, rng: f"parcel {rng.integers(99)} was {label.upper()}, thanks", True),
        (lambda label, rng: f"[{label}] {rng.choice(['a', 'the'])} box", True),
        (lambda label, rng: None if label == "kept" else f"box {rng.integers(99)}", True),
        (lambda label, rng: f"a {'good' if label == 'kept' else 'bad'} box, no {rng.integers(99)}", False),
        (lambda label, rng: f"returned or kept? box {rng.integers(99)}", False),
    ],
)
def test_of_texts_only_the_label_itself_and_being_there_are_asked(say, named):
    rng = np.random.default_rng(0)
    target, names = two(rng)
    columns = {"note": [say(names[t], rng) for t in target], "price": list(rng.random(600))}
    train, held = sides(columns, target)
    inputs = {"note": "note", "price": "table"}
    found = suspects(train, held, names=names, inputs=inputs, powers={"note": 1.0, "table": 0.0}, texts=["note"])
    assert [s.column for s in found] == ["note"] * named


def test_of_media_the_path_is_not_looked_at_but_whether_there_is_one():
    rng = np.random.default_rng(0)
    target, names = two(rng)
    paths = [f"{names[t]}/{n}.png" for n, t in enumerate(target)]
    damage = [path if t else None for path, t in zip(paths, target, strict=True)]
    train, held = sides({"photo": paths, "damage": damage}, target)
    inputs = {"photo": "photo", "damage": "damage"}
    found = suspects(train, held, names=names, inputs=inputs, powers={"photo": 1.0, "damage": 1.0}, media=[*inputs])
    assert [s.column for s in found] == ["damage"]
