"""Training, validation and test rows. Rows that share content stay on one side. Knows no modality and no task.

Method: rows linked by any group form components (connected components of the graph rows - groups), which deal.py deals
out whole. Ties and order come from a hash of the seed and each row's key, so with content keys the order of the rows
plays no role.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
    loosened: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By name, the groups that were not kept together."""


def split(
    rows: int,
    fractions: Sequence[float],
    seed: int,
    groups: Groups = (),
    *,
    soft: Collection[str] = (),
    keys: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> Split:
    """Assign `rows` rows to train, valid and test.

    fractions: of the rows, for the three parts; they sum to 1, and a part with 0 stays empty.
    soft: names of groups that hold only as far as the split does: where it would fail, or leave a class or most of the
    rows to one part, the widest of their groups are not kept together, widest first, and the report says so. An icon,
    a logo or a placeholder is on many rows that have nothing else to do with each other.
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
    hashes = _mix(np.arange(rows) if keys is None else keys, seed)

    def assign(kept: Mapping[str, np.ndarray]) -> Split:
        parts = _components(rows, kept, hashes, codes)
        _enough(parts, shares, kept, rows)
        part_of_row = deal(parts, shares, codes, spread=labels is not None)[parts.of_row]
        chosen = [np.flatnonzero(part_of_row == p) for p in range(3)]
        report = _lopsided(parts, kept, chosen, shares, rows)
        if labels is not None and shares[0] > 0:
            report += _lacking(parts, kept, part_of_row, codes)
        return Split(train=chosen[0], valid=chosen[1], test=chosen[2], report=report)

    first: Split | DataError
    try:
        first = assign(named)
        why = _one_sided(named, soft, shares) or _broken(first, shares, codes, labels is not None)
    except DataError as error:
        first, why = error, "there would be fewer pieces than parts of the split"
    for width in WIDTHS:
        kept, loosened = _without_wide(named, soft, width)
        if why is None or not loosened:
            continue
        try:
            found = assign(kept)
        except DataError:
            continue
        if _broken(found, shares, codes, labels is not None) is None:
            said = [_loosened(name, ids, named[name], rows, why) for name, ids in loosened.items()]
            return replace(found, report=[*said, *found.report], loosened=loosened)
    if isinstance(first, DataError):
        raise first
    return first


WIDTHS = (0.5, 0.25, 0.1, 0.05, 0.02)
"""A group is wide from this share of the rows on; what is tried, one after the other."""
ONE_SIDED = 0.25
"""Share of the rows with one content from which on it is not kept together."""
_COMMON, _LEAST_ROWS = 0.05, 10
"""A class is looked at when it has this share of the rows, and as many."""


def _broken(found: Split, shares: np.ndarray, codes: np.ndarray, classes: bool) -> str | None:
    """Why a split will not do: a part has not nearly its share of the rows, or of a class."""
    rows, parts = len(codes), (found.train, found.valid, found.test)
    for name, chosen, share in zip(PARTS, parts, shares, strict=True):
        if rows >= 4 * _LEAST_ROWS and abs(len(chosen) / rows - share) > max(0.1, 0.35 * share):
            return f"{name} would have {len(chosen) / rows:.0%} of the rows instead of {share:.0%}"
    counts = np.bincount(codes)
    of_train = np.bincount(codes[found.train], minlength=len(counts))
    common = np.flatnonzero((counts >= _LEAST_ROWS) & (counts >= _COMMON * rows))
    if not classes or len(counts) < 2 or not shares[0]:
        return None
    lost = int((of_train[common] < 0.3 * shares[0] * counts[common]).sum())
    return f"training would lose most rows of {lost} of {len(counts)} classes" if lost else None


def _one_sided(groups: Mapping[str, np.ndarray], soft: Collection[str], shares: np.ndarray) -> str | None:
    """Why the parts could not be alike: so many rows have one content that they would be most of one part."""
    if np.count_nonzero(shares) < 2:
        return None
    for name in soft:
        if len(wide := wide_groups(groups[name], ONE_SIDED)):
            share = max(float((groups[name] == one).mean()) for one in wide)
            return f"{share:.0%} of the rows would all be in one part, and the others would have none like them"
    return None


def _without_wide(
    groups: Mapping[str, np.ndarray], soft: Collection[str], width: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The groups without the wide ones of the soft, and which those are, by name."""
    kept, loosened = dict(groups), {}
    for name in soft:
        if len(wide := wide_groups(groups[name], width)):
            kept[name], loosened[name] = np.where(np.isin(groups[name], wide), -1, groups[name]), wide
    return kept, loosened


def wide_groups(array: np.ndarray, width: float) -> np.ndarray:
    """The groups of an array [N] that at least this share of the rows have; a group of one row is none."""
    ids, counts = np.unique(array[array >= 0], return_counts=True)
    return np.asarray(ids[(counts >= width * len(array)) & (counts > 1)])


def _loosened(name: str, ids: np.ndarray, array: np.ndarray, rows: int, why: str) -> str:
    held = int(np.isin(array, ids).sum())
    what = "one content" if len(ids) == 1 else f"{len(ids)} contents"
    return (
        f"{name}: {what} (an icon, a logo, a placeholder?) on {held:,} of {rows:,} rows ({held / rows:.0%}) may be on "
        f"both sides of the split: kept together, {why}. If such rows belong together (one "
        "patient, one video), say so with --group COL"
    )


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
    pieces = len(parts.size)
    if pieces >= len(wanted):
        return
    if pieces == rows:
        raise DataError(f"{rows} rows cannot be split into {', '.join(wanted)}: each part needs at least one row")
    count, why = _largest(parts, groups)
    raise DataError(
        f"the rows cannot be split into {', '.join(wanted)}: {count:,} of {rows:,} rows share {why} and must stay on "
        f"one side, so that all rows make {pieces} piece{'' if pieces == 1 else 's'}. Ask for fewer parts (for example "
        "--split 0.8,0.2,0), give validation and test rows as tables of their own, or group by another column"
    )


def _largest(parts: Components, groups: Mapping[str, np.ndarray]) -> tuple[int, str]:
    """Rows of the largest component and, in words, what ties them together."""
    members = parts.of_row == parts.size.argmax()
    most = {name: np.unique(array[members & (array >= 0)], return_counts=True)[1] for name, array in groups.items()}
    tied = {name: int(counts.max()) for name, counts in most.items() if len(counts) and counts.max() > 1}
    count, name = int(members.sum()), max(tied, key=lambda n: tied[n])
    if tied[name] == count:
        return count, f"one value of {name!r}"
    return count, f"values of {' and '.join(map(repr, tied))}, one with the next"


def _lopsided(
    parts: Components, groups: Mapping[str, np.ndarray], chosen: Sequence[np.ndarray], shares: np.ndarray, rows: int
) -> list[str]:
    if parts.size.max() * 2 <= rows or parts.size.max() == 1:
        return []
    count, why = _largest(parts, groups)
    came, asked = ("/".join(f"{100 * x:.0f}" for x in xs) for xs in ([len(c) / rows for c in chosen], shares))
    return [
        f"{count:,} of {rows:,} rows ({count / rows:.0%}) share {why} and stay on one side: the split is {came} % "
        f"instead of {asked} %"
    ]


def _lacking(
    parts: Components, groups: Mapping[str, np.ndarray], part_of_row: np.ndarray, codes: np.ndarray
) -> list[str]:
    """That classes of several rows are not in train, because their rows are kept together elsewhere."""
    several = np.bincount(codes) > 1
    lacking = np.flatnonzero(several & (np.bincount(codes[part_of_row == 0], minlength=len(several)) == 0))
    if not len(lacking) or not groups or len(parts.size) == len(codes):
        return []
    rows = int(np.isin(codes, lacking).sum())
    some = (
        f"{len(lacking):,} of {len(several):,} classes are" if len(lacking) > 1 else f"1 of {len(several):,} classes is"
    )
    return [
        f"{some} not in training and cannot be learned: the {rows:,} rows stay on other sides, because rows that share "
        f"a value of {' or '.join(map(repr, groups))} are kept together"
    ]
