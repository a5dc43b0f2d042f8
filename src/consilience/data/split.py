"""Training, validation and test rows. Rows that share content stay on one side. Knows no modality and no task.

Method: rows linked by any group form components (connected components of the graph rows - groups), which deal.py deals
out whole. Ties and order come from a hash of the seed and each row's key, so with content keys the order of the rows
plays no role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from consilience.core.errors import DataError, UserError
from consilience.core.optional import need
from consilience.core.seeding import derive
from consilience.data.deal import Components, deal
from consilience.data.table import Table

PARTS = ("train", "valid", "test")

Groups = Mapping[str, np.ndarray] | Sequence[np.ndarray]
"""Arrays [N] int64, by name (shown in messages) or in a list; -1 belongs to no group."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Row numbers of each part, sorted; every row is in exactly one. `report` holds warnings for the user."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    report: list[str] = field(default_factory=list)


def split(
    rows: int,
    fractions: Sequence[float],
    seed: int,
    groups: Groups = (),
    *,
    keys: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> Split:
    """Deal `rows` rows out to train, valid and test.

    fractions: of the rows, for the three parts; they sum to 1, and a part with 0 stays empty.
    keys: [N] uint64, a hash of each row's content (`row_keys`); rows with equal keys count as interchangeable. With
    keys, the same rows land in the same parts whatever their order; without, the position stands in.
    labels: [N] classes: every part gets its share of each where groups allow, and at least one row of a class that has
    enough of them. A class seen once goes to train, as does one component of any class that train would otherwise lack
    (as long as no other part is emptied by it).
    Raises UserError for fractions, DataError when a part that should have rows cannot get one.
    """
    shares = _check(fractions)
    named = dict(groups) if isinstance(groups, Mapping) else {f"group {i + 1}": g for i, g in enumerate(groups)}
    for name, array in named.items():
        assert array.shape == (rows,), f"{name}: one group number per row"
    if rows == 0:
        raise DataError("the table has no rows to split")
    codes = np.zeros(rows, np.int64) if labels is None else np.unique(labels, return_inverse=True)[1].reshape(-1)
    parts = _components(rows, named, _mix(np.arange(rows) if keys is None else keys, seed), codes)
    _enough(parts, shares, named, rows)
    assigned = deal(parts, shares, codes, spread=labels is not None)
    part_of_row = assigned[parts.of_row]
    chosen = [np.flatnonzero(part_of_row == p) for p in range(3)]
    report = _lopsided(parts, named, chosen, shares, rows)
    return Split(train=chosen[0], valid=chosen[1], test=chosen[2], report=report)


def row_keys(table: Table, columns: Sequence[str]) -> np.ndarray:
    """[N] uint64: a hash of each row's cells in `columns`, the same on every machine."""
    import hashlib

    keys = np.empty(len(table), np.uint64)
    for r, row in enumerate(zip(*(table[c] for c in columns), strict=True)):
        digest = hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        keys[r] = int.from_bytes(digest, "little")
    return keys


def _check(fractions: Sequence[float]) -> np.ndarray:
    shares = np.array(fractions, np.float64)
    shown = ", ".join(f"{f:g}" for f in shares.reshape(-1))
    if shares.shape != (3,):
        raise UserError(f"the split {shown} must be three fractions: train, valid, test; for example 0.7,0.15,0.15")
    if not np.isfinite(shares).all() or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise UserError(f"the split {shown} must be three fractions from 0 to 1 that sum to 1; for example 0.85,0.15,0")
    return shares


def _mix(keys: np.ndarray, seed: int) -> np.ndarray:
    """A pseudo-random uint64 per key (the finaliser of SplitMix64: Steele, Lea and Flood 2014), another per seed."""
    with np.errstate(over="ignore"):
        x = keys.astype(np.uint64) ^ np.uint64(derive(seed, "split"))
        x = (x + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def _components(rows: int, groups: Mapping[str, np.ndarray], hashes: np.ndarray, codes: np.ndarray) -> Components:
    of_row = np.arange(rows)
    edges_row, edges_group, offset = [], [], rows
    for array in groups.values():
        member = np.flatnonzero(array >= 0)
        ids, inverse, counts = np.unique(array[member], return_inverse=True, return_counts=True)
        linked = counts[inverse] > 1
        edges_row.append(member[linked])
        edges_group.append(inverse[linked] + offset)
        offset += len(ids)
    if sum(map(len, edges_row)):
        sparse = need("scipy.sparse", extra="train", to="keep related rows on one side of a split")
        graph = need("scipy.sparse.csgraph", extra="train", to="keep related rows on one side of a split")
        row, group = np.concatenate(edges_row), np.concatenate(edges_group)
        links = sparse.coo_array((np.ones(len(row), np.int8), (row, group)), shape=(offset, offset))
        found = graph.connected_components(links.tocsr(), directed=False)[1][:rows]
        of_row = np.unique(found, return_inverse=True)[1].reshape(-1)
    order = np.lexsort((hashes, of_row))
    starts = np.flatnonzero(np.diff(of_row[order], prepend=-1))
    return Components(of_row=of_row, size=np.diff(np.append(starts, rows)), rank=hashes[order][starts])


def _enough(parts: Components, shares: np.ndarray, groups: Mapping[str, np.ndarray], rows: int) -> None:
    wanted = [name for name, share in zip(PARTS, shares, strict=True) if share > 0]
    if len(parts.size) >= len(wanted):
        return
    if len(parts.size) == rows:
        raise DataError(f"{rows} rows cannot be split into {', '.join(wanted)}: each part needs at least one row")
    count, why = _largest(parts, groups)
    raise DataError(
        f"the rows cannot be split into {', '.join(wanted)}: {count:,} of {rows:,} rows hang together through {why} "
        f"and must stay on one side, which leaves {len(parts.size)} piece(s). Ask for fewer parts, give validation and "
        "test rows as tables of their own, or leave that column out of the grouping"
    )


def _largest(parts: Components, groups: Mapping[str, np.ndarray]) -> tuple[int, str]:
    """Rows of the largest component and, in words, the group that ties most of them together."""
    members = parts.of_row == parts.size.argmax()
    best: tuple[int, str, Any] = (0, "", -1)
    for name, array in groups.items():
        ids, counts = np.unique(array[members & (array >= 0)], return_counts=True)
        if len(counts) and counts.max() > best[0]:
            best = (int(counts.max()), name, int(ids[counts.argmax()]))
    count = int(members.sum())
    if best[0] == count:
        return count, f"one content of {best[1]!r} (group {best[2]})"
    return count, f"{' and '.join(map(repr, groups))} (the most common: {best[0]:,} rows share one of {best[1]!r})"


def _lopsided(
    parts: Components, groups: Mapping[str, np.ndarray], chosen: Sequence[np.ndarray], shares: np.ndarray, rows: int
) -> list[str]:
    if parts.size.max() * 2 <= rows or parts.size.max() == 1:
        return []
    count, why = _largest(parts, groups)
    came, asked = ("/".join(f"{100 * x:.0f}" for x in xs) for xs in ([len(c) / rows for c in chosen], shares))
    return [
        f"{count:,} of {rows:,} rows ({count / rows:.0%}) hang together through {why} and stay on one side: the split "
        f"is {came} % instead of {asked} %"
    ]
