"""From the numbers of an audit to its words: does an input earn its keep, and what should be looked at.

All sentences of an audit stand here, as templates, so that they can be translated in one place. Knows numbers and
names; knows no model and no metric's formula.

How an input is judged, G being what the model wins over the answer that looks at nothing:
- `unused`: the model does not look at it, and alone it is not surely better than nothing.
- `harms`: permuting it (or training without it) makes the model better, surely (the whole 95 % interval), by at least
  5 % of G.
- `does_not`: what is lost by permuting it is surely below 5 % of G; or, when the interval is wider, below 20 % of G
  with no sign of use at all: nothing surely lost, under 5 % of G on average, and alone no better than nothing. Also
  when training without it loses surely less than 5 % of G: then the other inputs say the same.
- `does_not`, too: it is an id, another value on every row, and neither alone nor by permuting it is anything surely
  won or lost.
- `earns`: something is surely lost by permuting it.
- `unclear`: none of these can be told from so few rows (of fewer than 30, only `earns` can); always, where the model
  itself is not surely better than nothing; and instead of `does_not`, `harms` and `unused` beside a column that looks
  like a leak, unless a model of the input alone surely wins less than 20 % of G.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from consilience.core.seeding import generator

SMALL, WIDE = 0.05, 0.2
"""Shares of what the model wins over nothing."""
GAP, DOUBT = 0.02, 0.08
"""Calibration error that is never worth a word; and what chance may make of it for "can be trusted" to be said."""

FEWEST = 30
"""Rows from which on it is said that something does not matter: the interval of fewer that all stayed as they were
has no width."""

Told = Mapping[str, Any]
"""{"value", "ci95"}."""

SENTENCES = {
    "earns": "{input} earns its keep: with another row's {input}, {metric} is worse by {lost} ({low} to {high}).",
    "earns_retrained": "{input} earns its keep: trained without it, {metric} is worse by {lost} ({low} to {high}).",
    "does_not": "{input} does not earn its keep: with another row's {input}, {metric} is worse by only {lost} "
    "({low} to {high}). Leaving it out saves {ms} ms a row.",
    "does_not_at_all": "{input} does not earn its keep: with another row's {input}, {metric} is no worse ({low} "
    "to {high}). Leaving it out saves {ms} ms a row.",
    "redundant": "{input} does not earn its keep: trained without it, {metric} is worse by only {lost} ({low} to "
    "{high}), so the other inputs say the same. Leaving it out saves {ms} ms a row.",
    "redundant_at_all": "{input} does not earn its keep: trained without it, {metric} is no worse ({low} to {high}), "
    "so the other inputs say the same. Leaving it out saves {ms} ms a row.",
    "id": "{input} does not earn its keep: every row has a value of its own, like an id, and no use of it shows. "
    "Leave it out.",
    "harms": "{input} harms: with another row's {input}, {metric} is better by {won} ({low} to {high}). Leave it "
    "out, or look into its cells.",
    "harms_retrained": "{input} harms: trained without it, {metric} is better by {won} ({low} to {high}). Leave "
    "it out.",
    "unused": "{input} does not earn its keep: the best model does not look at it, and alone it tells nothing.",
    "unclear_unused": "{input}: cannot be told: the best model does not look at it, but alone it tells something.",
    "unclear": "{input}: cannot be told from {rows} rows. With another row's {input}, {metric} is worse by "
    "{lost}, which may be chance ({low} to {high}).",
    "unclear_model": "{input}: cannot be told, because the model itself is not surely better than an answer that "
    "looks at nothing.",
    "unclear_leak": "{input}: cannot be told: a column that looks like a leak leaves nothing for other inputs to "
    "show. Leave that column out and audit again.",
    "target": "{column}: looks like a leak: alone it tells {power} of what there is to know about the target, "
    "everything else at most {others}. If it is not known when predicting, leave it out: --ignore {quoted}.",
    "class": "{column}: looks like a leak: alone it tells the rows of {detail} from all others ({power}). If it "
    "is filled in only once the answer is known, leave it out: --ignore {quoted}.",
    "counter": "{column}: numbers the rows. It says nothing about new rows: --ignore {quoted}.",
    "group": "{column}: rows with the same {column} nearly always have the same answer ({power}), and they are "
    "on both sides of the split, so the scores flatter. Keep them together: --group {quoted}.",
    "pair": "{column}: looks like a leak: together with {detail} it is the target. If they are not known when "
    "predicting, leave them out: --ignore {quoted}.",
    "order": "{column}: looks like a leak: it numbers the rows, and they come in the order of the target, so that "
    "alone it tells {power} of what there is to know. New rows have no such order: --ignore {quoted}.",
    "rows": "{rows} of {of} rows ({share}) were seen in training, whole: {example}.",
    "texts": "{column}: {rows} of {of} rows ({share}) hold a text that was seen in training: {example}.",
    "contents": "{column}: {rows} of {of} rows ({share}) hold content that was seen in training: {example}.",
    "near copies": "{column}: {rows} of {of} rows ({share}) hold a near copy of what was seen in training: {example}.",
    "calibrated": "The stated confidence can be trusted: it is off by {error} on average, no more than chance "
    "would do.",
    "few": "The stated confidence cannot be faulted from so few rows: it is off by {error} on average, where chance "
    "alone may make that {chance}.",
    "too sure": "The model is too sure of itself: it states {confidence} on average and is right on {accuracy} "
    "(calibration error {error}).",
    "not sure enough": "The model is not sure enough: it states {confidence} on average and is right on "
    "{accuracy} (calibration error {error}).",
    "uneven": "The stated confidence is off by {error} on average: too sure on some rows, not sure enough on others.",
    "clean": "Nothing suspicious was found: no leak, no copies across the split, no input that does not earn its keep.",
    "clean_inputs": "No input was found that does not earn its keep.",
}
FINDINGS = ("does_not", "harms", "unused")


def judge(
    *,
    used: bool,
    rows: int,
    gain: Told,
    permuted: Told | None,
    alone: Told | None,
    retrained: Told | None,
    is_id: bool = False,
) -> tuple[str, str]:
    """(verdict, the sentence's key), from so many `rows`. `gain`: what the model wins over nothing; `permuted`,
    `retrained`: what is lost when the input is permuted, or left out of the training; `alone`: what it wins over
    nothing alone. `is_id`: each row has a value of its own, from which nothing about new rows can be learned."""
    if is_id and rows >= FEWEST and not any(told is not None and (_low(told) or 0.0) > 0 for told in (permuted, alone)):
        return ("does_not" if used else "unused"), "id"
    if not used:
        sure = alone is not None and (_low(alone) or 0.0) > 0
        return ("unclear", "unclear_unused") if sure else ("unused", "unused")
    won = gain["value"] or 0.0
    if permuted is None or permuted["value"] is None or won <= 0 or (_low(gain) or 0.0) <= 0:
        return "unclear", "unclear_model"
    small, wide, lost = SMALL * won, WIDE * won, permuted["value"]
    if rows < FEWEST:
        return ("earns", "earns") if (_low(permuted) or 0.0) > 0 else ("unclear", "unclear")
    if retrained is not None and _below(retrained, 0.0) and retrained["value"] <= -small:
        return "harms", "harms_retrained"
    if _below(permuted, 0.0) and lost <= -small:
        return "harms", "harms"
    no_sign = (_low(permuted) or 0.0) <= 0 and lost < small and (alone is None or (_low(alone) or 0.0) <= 0)
    if _below(permuted, small) or (no_sign and _below(permuted, wide)):
        return "does_not", "does_not" if lost > 0 else "does_not_at_all"
    if retrained is not None and _below(retrained, small):
        return "does_not", "redundant" if retrained["value"] > 0 else "redundant_at_all"
    if (_low(permuted) or 0.0) > 0:
        return "earns", "earns"
    if retrained is not None and (_low(retrained) or 0.0) > 0:
        return "earns", "earns_retrained"
    return "unclear", "unclear"


def tells_nothing(alone: Told | None, gain: Told) -> bool:
    """Whether a model of an input alone surely wins next to nothing. Then it is of no use beside a leak either, which
    else leaves nothing to be seen of what the others are worth."""
    return alone is not None and _below(alone, WIDE * (gain["value"] or 0.0))


def say(key: str, **facts: Any) -> str:
    return SENTENCES[key].format(**facts)


def calibration(bins: Sequence[Mapping[str, Any]], *, seed: int) -> dict[str, Any] | None:
    """{"calibrated", "error", "chance", "confidence", "accuracy", "says"} from the bins of a reliability diagram.

    `chance`: the error that 95 % of perfectly calibrated models would stay below with as many rows in each bin. `says`
    is the sentence's key. None without bins.
    """
    if not bins:
        return None
    rows = np.array([b["rows"] for b in bins], np.float64)
    stated, right = (np.array([b[key] for b in bins], np.float64) for key in ("confidence", "accuracy"))
    share = rows / rows.sum()
    error = float((share * np.abs(stated - right)).sum())
    drawn = (
        generator(seed, "calibration").binomial(rows.astype(np.int64), np.clip(stated, 0, 1), (400, len(rows))) / rows
    )
    chance = float(np.quantile((share * np.abs(drawn - stated)).sum(1), 0.95))
    bias = float((share * (stated - right)).sum())
    fine = error <= max(chance, GAP)
    way = "uneven" if abs(bias) < error / 2 else "too sure" if bias > 0 else "not sure enough"
    says = way if not fine else "calibrated" if chance <= DOUBT and rows.sum() >= FEWEST else "few"
    return {
        "calibrated": fine,
        "error": error,
        "chance": chance,
        "confidence": float((share * stated).sum()),
        "accuracy": float((share * right).sum()),
        "says": says,
    }


def _low(told: Told) -> float | None:
    return told["ci95"][0] if told["ci95"] is not None else told["value"]


def _below(told: Told, bound: float) -> bool:
    """Surely below: the whole interval is."""
    return told["ci95"] is not None and told["ci95"][1] < bound
