"""Decision-level rules over the best models: what they learn from, and what they are worth. Knows no rule by name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from consilience.core.config import Part as ConfigPart
from consilience.core.progress import Deadline
from consilience.core.seeding import generator
from consilience.fusion.base import DecisionFusion
from consilience.fusion.decision.select import Select
from consilience.models.base import Member
from consilience.models.ensemble import Ensemble
from consilience.models.pooled import Pooled, fit_rule, says
from consilience.workflows.config import RunConfig
from consilience.workflows.leaderboard import About, Entry, Refit, measure, rank
from consilience.workflows.prepare import Prepared
from consilience.workflows.presets import titles


@dataclass(frozen=True, kw_only=True)
class _Practice:
    """Rows that rules learn from: answers of models that were not fitted on them, by model."""

    answers: Mapping[str, np.ndarray]
    target: np.ndarray
    weights: np.ndarray | None
    folds: Sequence[np.ndarray]
    """The rows of each fold: whoever answered them was fitted on the others."""


def ensembles(entries: Sequence[Entry], prepared: Prepared, config: RunConfig, *, deadline: Deadline) -> list[Entry]:
    """The entries, and after them every rule of the config over the best models, as long as there is time.

    A small table's validation rows are too few to learn from, so rules learn from out-of-fold answers on its training
    rows (stacking, Wolpert 1992), where there is time for that; else from the validation rows. Either way a rule's
    score is of answers to validation rows it was not learned on, so it competes on equal terms. Out-of-fold answers
    stay with their entries, for the choice among them.
    """
    models = sorted((e for e in entries if e.inputs), key=lambda e: rank(e, prepared.task), reverse=True)
    if len(models) < 2 or not deadline.left > 0:
        return list(entries)
    started = time.process_time()
    folded = _out_of_fold(models, prepared, config, deadline)
    spent = time.process_time() - started
    best = models[: config.ensemble.best] if folded is None else [e for e in models if e.name in folded.answers]
    picked = {e.name: e for e in best}
    known = {} if folded is None else folded.answers
    slowest = 0.0
    made = [replace(e, practice=known.get(e.name)) for e in entries]
    for rule, title in zip(config.ensemble.rules, titles(config.ensemble.rules), strict=True):
        cpu, begin = time.process_time(), time.monotonic()
        if deadline.left < slowest:
            break
        practice = None
        if folded is None:
            fitted, fused = _learn_on_validation(rule, picked, prepared, config)
        else:
            fitted, fused = _learn(folded, rule, picked, prepared, config)
            practice = _cross(folded, rule, prepared)
        member = Ensemble({name: e.member for name, e in picked.items()}, fitted, kind=rule.kind).pruned()
        about = About(
            name=f"{title} of {len(member.members)}",
            preset="ensemble",
            fusion=rule.kind,
            cpu_seconds=time.process_time() - cpu + spent / len(config.ensemble.rules),
            facts={"members": list(member.members), "learned_on": "validation" if folded is None else "out of fold"},
            refit=_refit_parts(member, picked),
        )
        made.append(
            Entry(
                about=about,
                member=member,
                answers=fused,
                measured=measure(prepared, fused, "valid", seed=config.seed),
                ms_per_row=sum(picked[name].ms_per_row for name in member.members),
                practice=practice,
            )
        )
        slowest = max(slowest, time.monotonic() - begin)
    return made


def _learn(
    practice: _Practice, rule: ConfigPart, picked: Mapping[str, Entry], prepared: Prepared, config: RunConfig
) -> tuple[DecisionFusion | Pooled, np.ndarray]:
    """The rule learned from `practice`, and its answers to the validation rows."""
    fitted = fit_rule(rule, practice.answers, practice.target, prepared.task, weights=practice.weights)
    return fitted, fitted.fuse({name: e.answers for name, e in picked.items()})


def _cross(practice: _Practice, rule: ConfigPart, prepared: Prepared) -> np.ndarray:
    """Answers of the rule to the rows of `practice`, each by one that was learned from the other folds."""
    fused = np.empty_like(next(iter(practice.answers.values())))
    for rows in practice.folds:
        others = np.setdiff1d(np.arange(len(fused)), rows)
        weights = None if practice.weights is None else practice.weights[others]
        answers = {name: a[others] for name, a in practice.answers.items()}
        fitted = fit_rule(rule, answers, practice.target[others], prepared.task, weights=weights)
        fused[rows] = fitted.fuse({name: a[rows] for name, a in practice.answers.items()})
    return fused


def _learn_on_validation(
    rule: ConfigPart, picked: Mapping[str, Entry], prepared: Prepared, config: RunConfig
) -> tuple[DecisionFusion | Pooled, np.ndarray]:
    """The rule learned from all validation rows; the answers are those of rules learned from the other folds of them,
    which keep dependent rows together."""
    valid = prepared.parts["valid"]
    answers = {name: e.answers for name, e in picked.items()}
    known, target, weights = valid.learnable()

    def learn(some: np.ndarray) -> DecisionFusion | Pooled:
        own = None if weights is None else weights[some]
        return fit_rule(rule, {n: a[known[some]] for n, a in answers.items()}, target[some], prepared.task, weights=own)

    fused = np.empty_like(next(iter(answers.values())))
    for rows in folds(valid.groups, seed=config.seed):
        fitted = learn(np.flatnonzero(~np.isin(known, rows)))
        fused[rows] = fitted.fuse({n: a[rows] for n, a in answers.items()})
    return learn(np.arange(len(known))), fused


def _out_of_fold(
    models: Sequence[Entry], prepared: Prepared, config: RunConfig, deadline: Deadline
) -> _Practice | None:
    """Answers to every training row by the best models, each fitted on the other folds; None for a large table, or
    where time is short."""
    settings, foldable = config.ensemble, [e for e in models if e.about.fold is not None]
    if not settings.folds or len(foldable) < 2:
        return None
    train = prepared.parts["train"]
    if len(train.target) >= settings.fold_below:
        return None
    chosen = _complementary(foldable, prepared, settings.folded)
    if len(chosen) < 2 or settings.folds * sum(e.about.cpu_seconds for e in chosen) > deadline.left / 4:
        return None
    parts = list(folds(train.groups, seed=config.seed, count=settings.folds))
    if len(parts) < 2:
        return None
    answers = {e.name: np.empty((len(train.target), prepared.task.width)) for e in chosen}
    for rows in parts:
        others = np.setdiff1d(np.arange(len(train.target)), rows)
        held = train.view.take(rows)
        for entry in chosen:
            assert entry.about.fold is not None
            member = entry.about.fold(others, deadline.left / 4)
            answers[entry.name][rows] = member.predict(held)
    return _Practice(answers=answers, target=train.target, weights=train.weights, folds=parts)


def _complementary(models: Sequence[Entry], prepared: Prepared, most: int) -> list[Entry]:
    """The models that together answer the validation rows best: fitting a model once per fold is worth it only for
    those that add something."""
    known, target, weights = prepared.parts["valid"].learnable()
    answers = {e.name: e.answers[known] for e in models}
    select = ConfigPart(kind="select", config=Select.Config())
    bag = says(fit_rule(select, answers, target, prepared.task, weights=weights), answers)
    chosen = sorted((e for e in models if bag[e.name]), key=lambda e: (-bag[e.name], e.name))
    return chosen[:most]


def _refit_parts(ensemble: Ensemble, picked: dict[str, Entry]) -> Refit | None:
    """The same rule over members that are fitted again, where that is worth it."""
    again = {name: fit for name in ensemble.members if (fit := picked[name].about.refit) is not None}
    if not again:
        return None

    def refit(seconds: float) -> Member:
        fresh = {name: fit(seconds / len(again)) for name, fit in again.items()}
        return Ensemble({**ensemble.members, **fresh}, ensemble.rule, kind=ensemble.rule_kind)

    return refit


def folds(groups: np.ndarray, *, seed: int, count: int = 5) -> Iterator[np.ndarray]:
    """Row numbers of each fold; rows of one group (>= 0) are in one fold, -1 is a group of its own."""
    own = np.where(groups < 0, np.arange(len(groups)), len(groups) + np.unique(groups, return_inverse=True)[1])
    _, number = np.unique(own, return_inverse=True)
    fold = generator(seed, "ensemble").permutation(int(number.max()) + 1)[number] % count
    yield from (rows for rows in (np.flatnonzero(fold == f) for f in range(count)) if len(rows))
