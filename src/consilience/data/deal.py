"""Whole components of rows, dealt out to train, valid and test so that rows and classes keep their shares.

Method: components of several rows go largest first, each to the part where it makes the squared distance from the
shares, of all rows and of every class relative to its size, smallest. Single rows then fill what each class still lacks
in each part. What rounding did to small classes is mended by exchange, which leaves the sizes of the parts as they are.
(Greedy stratification after K. Sechidis, G. Tsoumakas, I. Vlahavas: On the stratification of multi-label data, 2011.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PARTS = 3


@dataclass(frozen=True, kw_only=True)
class Components:
    """C components: component of each row [N], and size and hash of each [C]."""

    of_row: np.ndarray
    size: np.ndarray
    rank: np.ndarray


def deal(parts: Components, shares: np.ndarray, codes: np.ndarray, *, spread: bool) -> np.ndarray:
    """[C] the part of each component. `codes` [N]: classes from 0; `spread`: keep them in proportion."""
    assigned = np.zeros(len(parts.size), np.int8)
    several = parts.size > 1
    counted = np.zeros((int(codes.max()) + 1, PARTS), np.int64)
    _deal_several(assigned, parts, shares, codes, counted)
    singles = np.flatnonzero(~several)
    if len(singles):
        label = np.empty(len(parts.size), np.int64)
        label[parts.of_row] = codes  # of a single row it is that of the row
        singles = singles[np.lexsort((parts.rank[singles], label[singles]))]
        assigned[singles] = _deal_singles(label[singles], shares, codes, counted)
    if spread and shares[0] > 0:
        _cover(assigned, parts, codes)
    _fill(assigned, parts, shares)
    return assigned


def _deal_several(
    assigned: np.ndarray, parts: Components, shares: np.ndarray, codes: np.ndarray, counted: np.ndarray
) -> None:
    """Deal out the components of several rows; `counted` [K, 3] becomes their rows by class and part."""
    several = np.flatnonzero(parts.size > 1)
    if not len(several):
        return
    of_row, total = parts.of_row, np.bincount(codes, minlength=len(counted)).astype(np.float64)
    rows = np.flatnonzero(parts.size[of_row] > 1)
    pairs, count = np.unique(of_row[rows] * len(counted) + codes[rows], return_counts=True)
    component, label = pairs // len(counted), pairs % len(counted)
    starts = np.searchsorted(component, several).tolist()
    ends = np.searchsorted(component, several, side="right").tolist()
    rarest = np.array([total[label[a:b]].min() for a, b in zip(starts, ends, strict=True)])
    order = np.lexsort((parts.rank[several], rarest, -parts.size[several])).tolist()
    open_parts = [p for p in range(PARTS) if shares[p] > 0]
    share, all_rows = shares.tolist(), float(len(codes))
    filled, by_class = [0.0] * PARTS, np.zeros((len(counted), PARTS)).tolist()
    labels, counts, totals = label.tolist(), count.tolist(), total.tolist()
    for place in order:
        held = range(starts[place], ends[place])
        size = int(parts.size[several[place]])

        def cost(p: int, held: range = held, size: int = size) -> float:
            """What the squared distance from the shares grows by, each relative to what it should be."""
            more = size * (size + 2 * (filled[p] - share[p] * all_rows)) / (share[p] * all_rows)
            for at in held:
                want = share[p] * totals[labels[at]]
                more += counts[at] * (counts[at] + 2 * (by_class[labels[at]][p] - want)) / want
            return more

        chosen = min(open_parts, key=cost)
        filled[chosen] += size
        for at in held:
            by_class[labels[at]][chosen] += counts[at]
        assigned[several[place]] = chosen
    counted += np.array(by_class).astype(np.int64)


def _deal_singles(labels: np.ndarray, shares: np.ndarray, codes: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Parts of single rows, which come sorted by class [S]."""
    total = np.bincount(codes, minlength=len(counted))
    number = np.bincount(labels, minlength=len(counted))
    # What each class lacks in each part beside the components of several rows; scaled to the rows there are to deal.
    lacking = np.maximum(shares * total[:, None] - counted, 0) * (shares > 0)
    lacking *= (number / np.maximum(lacking.sum(1), 1e-12))[:, None]
    quota = _rounded(lacking, number)
    _reach(quota, counted, shares, total)
    sides = np.arange(PARTS, dtype=np.int8)
    return np.concatenate([_even(sides, row) for row in quota[number > 0]])


def _rounded(wanted: np.ndarray, number: np.ndarray) -> np.ndarray:
    """[K, 3] whole numbers near `wanted` whose rows sum to `number` and whose columns sum to within 1 of theirs: what
    rounding one class left over goes on to the next."""
    ends = np.cumsum(wanted.cumsum(1), axis=0)  # over classes and parts: differences of rounded sums carry on
    ends[:, -1] = np.cumsum(number)
    rounded = np.round(ends).astype(np.int64)
    cells = np.diff(rounded, axis=0, prepend=0)
    cells = np.diff(cells, axis=1, prepend=0)
    for row, n in zip(cells, number, strict=True):  # carrying on can overdraw a class by one
        while (low := int(row.argmin())) >= 0 and row[low] < 0:
            row[low] += 1
            row[int(row.argmax())] -= 1
        assert row.sum() == n
    # Which leaves a part too large or too small, where there are few rows of each class.
    while np.abs(off := (cells - wanted).sum(0)).max() > 1:
        over, under = int(off.argmax()), int(off.argmin())
        gain = (cells - wanted)[:, over] - (cells - wanted)[:, under]
        row = int(np.where(cells[:, over] > 0, gain, -np.inf).argmax())
        cells[row, over], cells[row, under] = cells[row, over] - 1, cells[row, under] + 1
    return cells


def _reach(quota: np.ndarray, counted: np.ndarray, shares: np.ndarray, total: np.ndarray) -> None:
    """A class with a row for each part, and none in one, gets one there, in exchange for one of a class that has most
    beyond its share there. The sizes of parts and classes stay."""
    open_parts = np.flatnonzero(shares > 0)
    for part in open_parts[1:] if shares[0] > 0 else open_parts:
        here = quota[:, part] + counted[:, part]
        need = np.flatnonzero((here == 0) & (total >= len(open_parts)))
        for label in need[np.argsort(total[need], kind="stable")].tolist():
            giver = int(quota[label].argmax())
            if quota[label, giver] + counted[label, giver] < 2 or quota[label, giver] < 1 or giver == part:
                continue
            surplus = quota[:, part] + counted[:, part] - shares[part] * total
            surplus[(quota[:, part] < 1) | (quota[:, part] + counted[:, part] < 2)] = -np.inf
            other = int(surplus.argmax())
            if surplus[other] == -np.inf:
                return
            quota[label, giver], quota[label, part] = quota[label, giver] - 1, quota[label, part] + 1
            quota[other, part], quota[other, giver] = quota[other, part] - 1, quota[other, giver] + 1


def _even(sides: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """So many of each part, in an even pattern."""
    # Element k of a part of n stands at (k + 1/2) / n of the way; the parts are merged by that place.
    place = np.concatenate([(np.arange(n) + 0.5) / max(n, 1) for n in sizes.tolist()])
    return np.repeat(sides, sizes)[np.argsort(place, kind="stable")]


def _cover(assigned: np.ndarray, parts: Components, codes: np.ndarray) -> None:
    """Move one component of every class that train lacks into train, unless that would empty another part."""
    in_train = assigned[parts.of_row] == 0
    lacking = np.setdiff1d(np.unique(codes), np.unique(codes[in_train]))
    components = np.bincount(assigned, minlength=3)
    candidates = np.flatnonzero(np.isin(codes, lacking))
    order = np.lexsort((parts.rank[parts.of_row[candidates]], parts.size[parts.of_row[candidates]], codes[candidates]))
    covered: set[int] = set()
    for row in candidates[order].tolist():
        component, code = parts.of_row[row], int(codes[row])
        if code in covered:
            continue
        part = assigned[component]
        if part == 0:  # came over with another class
            covered.add(code)
        elif components[part] > 1:
            components[part] -= 1
            assigned[component] = 0
            covered.add(code)


def _fill(assigned: np.ndarray, parts: Components, shares: np.ndarray) -> None:
    """Give every part that should have rows at least one component: the smallest one of the fullest part."""
    for part in range(3):
        if shares[part] > 0 and not (assigned == part).any():
            components = np.bincount(assigned, minlength=3)
            giver = np.flatnonzero(assigned == components.argmax())
            assigned[giver[np.lexsort((parts.rank[giver], parts.size[giver]))[0]]] = part
