"""Splits: a partition, groups whole, the same for the same rows, and fractions as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.core.errors import DataError, UserError
from consilience.data.split import row_keys, split
from consilience.data.table import Table

SHARES = (0.7, 0.15, 0.15)


def parts(done) -> list[np.ndarray]:
    return [done.train, done.valid, done.test]


def side_of(done, rows: int) -> np.ndarray:
    side = np.full(rows, -1)
    for p, chosen in enumerate(parts(done)):
        side[chosen] = p
    return side


GROUP_LISTS = st.lists(st.lists(st.integers(-1, 15), min_size=40, max_size=40), max_size=2)


@settings(deadline=None)
@given(groups=GROUP_LISTS, labels=st.lists(st.integers(0, 4), min_size=40, max_size=40), seed=st.integers(0, 99))
def test_a_split_is_a_partition_that_keeps_groups_whole(groups: list, labels: list, seed: int) -> None:
    arrays = [np.array(g) for g in groups]
    try:
        done = split(40, SHARES, seed, arrays, labels=np.array(labels))
    except DataError:
        with pytest.raises(DataError, match="must stay on one side"):
            split(40, SHARES, seed, arrays)
        return
    assert sorted(np.concatenate(parts(done))) == list(range(40))
    assert all(len(p) and (np.diff(p) > 0).all() for p in parts(done))
    side = side_of(done, 40)
    for array in arrays:
        for group in set(array) - {-1}:
            assert len(set(side[array == group])) == 1


@settings(deadline=None)
@given(groups=GROUP_LISTS, labels=st.lists(st.integers(0, 4), min_size=40, max_size=40), seed=st.integers(0, 99))
def test_with_keys_the_order_of_rows_plays_no_role(groups: list, labels: list, seed: int) -> None:
    keys = np.random.default_rng(seed).integers(0, 2**63, 40).astype(np.uint64)
    order = np.random.default_rng(seed + 1).permutation(40)
    arrays, classes = [np.array(g) for g in groups], np.array(labels)
    try:
        done = split(40, SHARES, seed, arrays, keys=keys, labels=classes)
    except DataError:
        with pytest.raises(DataError):
            split(40, SHARES, seed, [a[order] for a in arrays], keys=keys[order], labels=classes[order])
        return
    renumbered = [np.where(a < 0, -1, 100 - a)[order] for a in arrays]
    again = split(40, SHARES, seed, renumbered, keys=keys[order], labels=classes[order])
    assert (side_of(again, 40) == side_of(done, 40)[order]).all()


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    groups = [np.arange(1000) // 3]
    first, again, other = (split(1000, SHARES, seed, groups) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(parts(first), parts(again), strict=True))
    assert set(first.test) != set(other.test)


@pytest.mark.parametrize("fractions", [(0.7, 0.15, 0.15), (0.85, 0.15, 0), (0, 0.5, 0.5), (1, 0, 0), (0.1, 0, 0.9)])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_fractions_of_rows_come_out_close(fractions: tuple, size: int) -> None:
    done = split(5000, fractions, 0, [np.arange(5000) // size])
    shares = np.array([len(p) for p in parts(done)]) / 5000
    assert np.abs(shares - fractions).max() <= (0.0001 if size == 1 else 0.011)
    assert all((f == 0) == (s == 0) for f, s in zip(fractions, shares, strict=True))


def test_big_and_small_groups_together_come_out_close() -> None:
    sizes = np.random.default_rng(0).zipf(1.6, 400).clip(max=300)
    done = split(int(sizes.sum()), SHARES, 3, [np.repeat(np.arange(400), sizes)])
    shares = np.array([len(p) for p in parts(done)]) / sizes.sum()
    assert np.abs(shares - SHARES).max() < 0.02
    assert done.report == []


def test_a_few_very_big_groups_are_made_up_for_by_the_small_ones() -> None:
    rng = np.random.default_rng(1)
    for seed in range(30):
        sizes = np.concatenate([rng.integers(40, 120, 12), rng.integers(1, 4, 100)])
        done = split(int(sizes.sum()), SHARES, seed, [np.repeat(np.arange(112), sizes)])
        shares = np.array([len(p) for p in parts(done)]) / sizes.sum()
        assert np.abs(shares - SHARES).max() < 0.01


def test_groups_of_different_arrays_chain() -> None:
    # 0-1 by the first, 1-2 by the second: 0, 1 and 2 stay together
    first, second = np.full(30, -1), np.full(30, -1)
    first[[0, 1]], second[[1, 2]] = 4, 4
    for seed in range(10):
        side = side_of(split(30, SHARES, seed, {"photo": first, "patient": second}), 30)
        assert side[0] == side[1] == side[2]


def test_classes_keep_their_shares() -> None:
    labels = np.repeat([0, 1, 2], [9000, 900, 100])
    done = split(10_000, SHARES, 5, labels=labels)
    for chosen, share in zip(parts(done), SHARES, strict=True):
        counts = np.bincount(labels[chosen], minlength=3)
        assert (np.abs(counts - np.array([9000, 900, 100]) * share) <= 2).all()


def test_grouped_classes_roughly_keep_their_shares() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.choice(3, 2000, p=[0.9, 0.07, 0.03]), 3)
    done = split(6000, SHARES, 5, [np.arange(6000) // 3], labels=labels)
    counts = np.bincount(labels[done.test], minlength=3) / np.bincount(labels)
    assert np.abs(counts - 0.15).max() < 0.02


def test_a_class_seen_once_goes_to_train() -> None:
    labels = np.array(["a", "b"] * 20 + ["only"])
    for seed in range(20):
        assert 40 in split(41, (0.3, 0.35, 0.35), seed, labels=labels).train


def test_a_class_of_few_groups_is_in_train() -> None:
    labels = np.repeat([0, 1, 2], [90, 6, 4])
    for seed in range(20):
        done = split(100, (0.2, 0.4, 0.4), seed, [np.arange(100) // 2], labels=labels)
        assert set(labels[done.train]) == {0, 1, 2}


def test_unique_labels_do_not_empty_the_other_parts() -> None:
    assert [len(p) > 0 for p in parts(split(10, SHARES, 0, labels=np.arange(10)))] == [True] * 3


def test_tiny_tables() -> None:
    assert [len(p) for p in parts(split(3, SHARES, 0))] == [1, 1, 1]
    assert [len(p) for p in parts(split(1, (1, 0, 0), 0))] == [1, 0, 0]
    with pytest.raises(DataError, match="2 rows cannot be split into train, valid, test"):
        split(2, SHARES, 0)
    with pytest.raises(DataError, match="no rows"):
        split(0, SHARES, 0)


def test_one_group_that_holds_everything_is_named() -> None:
    with pytest.raises(DataError, match="30 of 30 rows share one value of 'patient'"):
        split(30, SHARES, 0, {"photo": np.arange(30), "patient": np.full(30, 7)})


def test_a_lopsided_split_is_reported() -> None:
    groups = np.where(np.arange(100) < 60, 5, np.arange(100))
    done = split(100, (0.4, 0.3, 0.3), 0, {"clip": groups})
    assert len(done.report) == 1
    assert "60 of 100 rows (60%) share one value of 'clip' and stay on one side" in done.report[0]
    assert "instead of 40/30/30" in done.report[0]


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_fractions_that_make_no_sense(fractions: tuple) -> None:
    with pytest.raises(UserError, match="three fractions"):
        split(100, fractions, 0)


def test_keys_of_rows_tell_cells_apart() -> None:
    columns = {"a": ["x", "x", "x", None, 1, True], "b": ["y", "y", "z", "y", "y", "y"], "c": range(6)}
    keys = row_keys(Table(columns=columns, name="t", root=Path(".")), ["a", "b"])
    assert keys.dtype == np.uint64
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 5


@pytest.mark.slow
def test_a_million_rows_in_seconds() -> None:
    import time

    rng = np.random.default_rng(0)
    groups = [rng.integers(-1, 300_000, 1_000_000)]
    start = time.process_time()
    split(1_000_000, SHARES, 0, groups, labels=rng.integers(0, 20, 1_000_000))
    assert time.process_time() - start < 30


# ------------------------------------------------------------------- contents that hold as far as the split does


def divided(images, labels=None, **more):
    """Split by one input's contents."""
    images = np.asarray(images)
    done = split(len(images), SHARES, 0, {"photo": images}, soft=["photo"], labels=labels, **more)
    shares = np.array([len(p) for p in parts(done)]) / len(images)
    return done, shares


ROWS = np.arange(240)
NARROW = {
    "four icons that are the class": (ROWS % 4, ROWS % 4),
    "one logo": (np.zeros(240, int), ROWS % 2),
    "two logos": (ROWS % 2, (ROWS // 2) % 2),
    "a placeholder on most rows": (np.where(ROWS % 5 == 0, ROWS + 1, 0), ROWS % 2),
    "a default avatar on half the rows": (np.where(ROWS % 2 == 0, ROWS + 1, 0), ROWS % 3),
    "twelve icons that are the class": (ROWS % 12, ROWS % 12),
    "three jingles": (ROWS % 3, (ROWS // 3) % 2),
}


@pytest.mark.parametrize("kind", NARROW)
def test_few_contents_do_not_break_a_split_and_it_is_told(kind) -> None:
    images, labels = NARROW[kind]
    done, shares = divided(images, labels)
    assert np.abs(shares - SHARES).max() < 0.06
    counts = np.bincount(labels)
    for part, share in zip(parts(done), SHARES, strict=True):
        assert (np.bincount(labels[part], minlength=len(counts)) >= 0.3 * share * counts).all()
    (said,) = [text for text in done.report if text.startswith("photo:")]
    assert "both sides" in said
    assert "--group" in said
    held = np.isin(images, done.loosened["photo"]).sum()
    assert f"on {held} of 240 rows" in said


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.repeat(np.arange(20), 25), np.arange(500) % 2),  # 20 videos
        (np.arange(5000) % 506, np.arange(5000) % 13),  # easy-VQA
        (np.repeat(np.arange(60), 4), np.repeat(np.arange(60) % 3, 4)),  # several shots of each thing
        (np.concatenate([np.repeat(np.arange(9), 12), np.full(300, -1)]), np.arange(408) % 2),  # most rows without
    ],
)
def test_contents_that_do_no_harm_stay_on_one_side(images, labels) -> None:
    done, shares = divided(images, labels)
    side = side_of(done, len(images))
    assert all(len(set(side[images == image])) == 1 for image in set(images.tolist()) - {-1})
    assert not done.loosened
    assert np.abs(shares - SHARES).max() < 0.1


def test_groups_that_the_user_asked_for_are_never_loosened() -> None:
    with pytest.raises(DataError, match="must stay on one side"):
        split(240, SHARES, 0, {"patient": ROWS % 2}, soft=[])
    done = split(240, SHARES, 0, {"patient": ROWS // 6, "photo": ROWS % 2}, soft=["photo"], labels=ROWS % 3)
    side = side_of(done, 240)
    assert all(len(set(side[patient == ROWS // 6])) == 1 for patient in range(40))
    assert set(done.loosened) == {"photo"}


@pytest.mark.parametrize("kind", NARROW)
def test_what_is_loosened_does_not_hang_on_the_order_of_rows(kind) -> None:
    images, labels = NARROW[kind]
    keys = np.random.default_rng(1).integers(0, 2**63, 240).astype(np.uint64)
    order = np.random.default_rng(2).permutation(240)
    done, _ = divided(images, labels, keys=keys)
    again, _ = divided(images[order], labels[order], keys=keys[order])
    assert (side_of(again, 240) == side_of(done, 240)[order]).all()
    assert done.report == again.report


def test_a_second_input_keeps_what_it_can() -> None:
    done = split(
        240, SHARES, 0, {"logo": np.zeros(240, int), "photo": ROWS // 3}, soft=["logo", "photo"], labels=ROWS % 2
    )
    side = side_of(done, 240)
    assert all(len(set(side[photo == ROWS // 3])) == 1 for photo in range(80))
    assert set(done.loosened) == {"logo"}
