"""What each input does for a model, in numbers: alone, left out, permuted, in every subset; and what it costs.

The numbers of an audit that come from asking the model. Trains only what is handed in as a recipe, while there is time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from consilience.bundle.model import Input, encodings, load_inputs, make_view, same_cells
from consilience.core.config import Part as ConfigPart
from consilience.core.progress import Deadline, Reporter
from consilience.core.seeding import generator
from consilience.evaluate.paired import Judge, Scores, difference
from consilience.explain import shapley
from consilience.explain.ablation import Remembered, Subset, orders, subsets
from consilience.fusion import DECISION_FUSIONS
from consilience.models.pooled import fit_rule
from consilience.models.view import View
from consilience.workflows.config import AuditConfig
from consilience.workflows.ensembles import folds
from consilience.workflows.prepare import Part
from consilience.workflows.subject import Asked, Subject

MASKED, RETRAINED, ALONE = "masked", "retrained", "fitted alone"
_LEAST_ROWS = 200
"""Rows that are audited however slow the model is."""
_COST_ROWS = 64


class Examination:
    """The numbers of one subject, asked for one after the other while there is time; `skipped` says what was not."""

    def __init__(self, subject: Subject, config: AuditConfig, *, seed: int, deadline: Deadline) -> None:
        self.config, self.seed, self.deadline = config, seed, deadline
        self.skipped: list[str] = []
        used = {n: subject.inputs[n] for n in subject.member.inputs}
        self.ways = same_cells(used)
        self.names = tuple(self.ways)
        self.subject = self._fewer(subject)
        self.held = self.subject.held
        self._model = Asked(member=subject.member, view=self.held.view, ways=self.ways)
        self._asked = Remembered(self._model)
        self.full_answers = self.held.widen(self._asked.answers(frozenset(self.names)))
        self.judge = Judge(
            self.held.task,
            subject.task.primary,
            self.full_answers,
            self.held.target,
            groups=self.held.groups,
            weights=self.held.weights,
            seed=seed,
            resamples=config.resamples,
        )
        self.full = self.judge.scores(self.full_answers)

    @property
    def _every_way(self) -> dict[str, tuple[str, ...]]:
        """Like `ways`, with those that the model itself does not take."""
        return same_cells(self.subject.inputs)

    def _fewer(self, subject: Subject) -> Subject:
        """The subject with as many of its rows as can be answered often enough in the time there is."""
        rows, most = len(subject.held.target), min(len(subject.held.target), self.config.rows)
        few = subject.held.view.take(np.arange(min(rows, _LEAST_ROWS)))
        subject.member.predict(few)  # features are computed once, now
        started = time.perf_counter()
        subject.member.predict(few)
        each = (time.perf_counter() - started) / max(1, len(few))
        calls = len(self.names) * (1 + self.config.permutations) + 2 ** min(len(self.names), shapley.EXACT)
        most = max(_LEAST_ROWS, min(most, int(self.deadline.left / 2 / max(1e-9, calls * each))))
        if most >= rows:
            return subject
        self.skipped.append(f"{most:,} of the {rows:,} rows are audited, drawn at random")
        chosen = np.sort(generator(self.seed, "audited rows").permutation(rows)[:most])
        return replace(subject, held=subject.held.take(chosen))

    def _score(self, answers: np.ndarray) -> Scores:
        return self.judge.scores(self.held.widen(answers))

    def value(self, kept: Subset) -> Scores:
        return self._score(self._asked.answers(kept))

    @property
    def nothing(self) -> Scores:
        """Of the answer that looks at nothing; without one, of the model with every input missing."""
        constant = self.subject.constant
        if constant is None:
            return self.value(frozenset())
        return self._score(np.tile(constant, (len(self.held.target), 1)))

    def line(self, name: str, inputs: Sequence[str], how: str, scores: Scores, against: Scores) -> dict[str, Any]:
        return {
            "name": name,
            "inputs": sorted(inputs),
            "how": how,
            **self.judge.told(scores),
            "gain": difference(against - scores),
        }

    def missing(self) -> dict[str, Scores]:
        """By input: what is lost when it is missing on every row."""
        every = frozenset(self.names)
        return {name: self.full - self.value(every - {name}) for name in self.names}

    def permuted(self) -> dict[str, Scores]:
        """By input: what is lost when every row has another row's; the mean over several permutations."""
        asked, out = self._model, {}
        for name in self.names:
            rng = generator(self.seed, "permuted", name)
            drawn = [
                self._score(asked.shuffled(name, order)) for order in orders(asked.rows, self.config.permutations, rng)
            ]
            out[name] = self.full - np.mean(drawn, axis=0) if drawn else np.zeros_like(self.full)
        return out

    def baselines(self) -> tuple[list[dict[str, Any]], dict[str, Scores]]:
        """Simple models beside the model, and by input the scores of a model of it alone: fitted alone where there is
        one, else the model with all others missing."""
        subject, against = self.subject, self.full
        lines, alone, answers = [], {}, {}
        if subject.constant is not None:
            lines.append(self.line(subject.baseline, (), "constant", self.nothing, against))
        for name in sorted({*self.names, *subject.alone}):
            if name in subject.alone:
                called, member = subject.alone[name]
                answers[called] = member.predict(self.held.view)
                alone[name] = self._score(answers[called])
                lines.append(self.line(called, [name], ALONE, alone[name], against))
            elif len(self.names) > 1:
                alone[name] = self.value(frozenset({name}))
                lines.append(self.line(f"{subject.name}, {name} only", [name], MASKED, alone[name], against))
        if len(answers) > 1:
            for kind in ("average", "stack"):
                fused = self._fused(kind, answers)
                if fused is not None:
                    title = f"{kind} of single inputs"
                    lines.append(self.line(title, list(subject.alone), kind, self._score(fused), against))
        return lines, alone

    def _fused(self, kind: str, answers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """A rule over the models of single inputs. It learns from validation rows; where those are the rows it is
        scored on, from the other folds of them."""
        subject, task = self.subject, self.subject.task
        if subject.valid is None:
            return None
        rule = ConfigPart(kind=kind, config=DECISION_FUSIONS.load(kind).Config())

        def learned(from_answers: Mapping[str, np.ndarray], part: Part) -> Any:
            known, target, weights = part.learnable()
            return fit_rule(rule, {n: a[known] for n, a in from_answers.items()}, target, task, weights=weights)

        if subject.on == "validation":
            out = np.empty_like(next(iter(answers.values())))
            for rows in folds(self.held.groups, seed=self.seed):
                others = np.setdiff1d(np.arange(len(self.held.target)), rows)
                if not len(others):
                    return None
                fitted = learned({n: a[others] for n, a in answers.items()}, self.held.take(others))
                out[rows] = fitted.fuse({n: a[rows] for n, a in answers.items()})
            return out
        before = {called: member.predict(subject.valid.view) for called, member in subject.alone.values()}
        return np.asarray(learned(before, subject.valid).fuse(answers))

    def shapley(self) -> dict[str, Any]:
        """{"exact", "permutations", "total", "values": {input: {"value", "ci95"}}}: of the metric, inputs outside a
        subset missing."""
        whole = len(self.names) <= shapley.EXACT
        permutations = 0 if whole else self.config.orders
        found = (
            shapley.exact(self.value, self.names)
            if whole
            else shapley.sampled(
                self.value, self.names, permutations=permutations, rng=generator(self.seed, "orders of inputs")
            )
        )
        total = self.full - self.value(frozenset())
        return {
            "exact": whole,
            "permutations": permutations,
            "none": self.judge.told(self.value(frozenset())),
            "total": difference(total),
            "values": {name: difference(scores) for name, scores in found.items()},
        }

    def subsets(self) -> list[dict[str, Any]]:
        """Every subset of inputs, the model masked to it; of more than six inputs, each alone and each left out."""
        every = frozenset(self.names)
        if len(self.names) <= shapley.EXACT:
            wanted = list(subsets(self.names))
        else:
            wanted = list(
                dict.fromkeys(
                    [frozenset(), *(frozenset({n}) for n in self.names), *(every - {n} for n in self.names), every]
                )
            )
        out = []
        for kept in wanted:
            scores = self.value(kept)
            told = {**self.judge.told(scores), "loss": difference(self.full - scores)}
            out.append({"inputs": sorted(kept), "masked": told, "retrained": None})
        return out

    def retrained(self, lines: list[dict[str, Any]], *, every: bool) -> dict[str, Scores]:
        """Fit the recipe again without each input (with `every`, on every subset in `lines`, larger ones first) and
        note it in `lines`, as long as there is time. By input: what is lost when it is left out of the training."""
        recipe, lost = self.subject.recipe, dict[str, Scores]()
        if recipe is None or len(self.names) < 2:
            return {}
        whole = self._score(recipe.member.predict(self.held.view))
        wanted = [line for line in lines if 0 < len(line["inputs"]) < len(self.names)]
        wanted = sorted(wanted, key=lambda line: -len(line["inputs"]))
        done = 0
        for line in wanted:
            if not every and len(line["inputs"]) < len(self.names) - 1:
                continue
            if self.deadline.left < 1.5 * recipe.cpu_seconds:
                self.skipped.append(f"{recipe.name} was retrained on {done:,} subsets of inputs; then time was up")
                break
            kept = {n for name in line["inputs"] for n in self._every_way[name]}
            some = tuple(n for n in recipe.member.inputs if n in kept)
            scores = self._score(recipe.fit(some, self.deadline.left).predict(self.held.view))
            line["retrained"] = {**self.judge.told(scores), "loss": difference(whole - scores)}
            done += 1
            gone = set(self.names) - set(line["inputs"])
            if len(gone) == 1:
                lost[gone.pop()] = whole - scores
        return lost

    def cost(self, reporter: Reporter) -> dict[str, dict[str, float]]:
        """By input: milliseconds a row to load it, and to answer with it instead of without; MB of its preprocessing in
        the bundle."""
        held, out = self.held, {}
        rows = held.rows[: min(_COST_ROWS, len(held.rows))]
        table = held.table.take(rows)
        for name, ways in self.ways.items():
            given = {n: self.subject.inputs[n] for n in ways}
            started = time.perf_counter()
            loaded = load_inputs(
                table,
                {n: one.plan for n, one in given.items()},
                {n: one.config for n, one in given.items()},
                self.subject.limits,
                workers=0,
                encodings=encodings(given),
            )
            load = 1000 * (time.perf_counter() - started) / len(rows)
            fresh = make_view(loaded, given)
            others = held.view.take(np.arange(len(rows)))
            others = others.without([n for other in self.names if other != name for n in self.ways[other]])
            view = replace(others, sources={**others.sources, **fresh.sources}, index={**others.index, **fresh.index})
            out[name] = {
                "load_ms": round(load, 4),
                "answer_ms": round(max(0.0, self._timed(view) - self._timed(view.without(ways))) / len(rows), 4),
                "megabytes": round(sum(map(_size, given.values())) / 1e6, 4),
            }
        return out

    def _timed(self, view: View) -> float:
        """Milliseconds of one call."""
        started = time.perf_counter()
        self.subject.member.predict(view)
        return 1000 * (time.perf_counter() - started)


def _size(given: Input) -> int:
    """Bytes of an input's preprocessing."""
    state = given.processor.state()
    arrays = sum(array.nbytes for array in state.arrays.values())
    meta = len(json.dumps(state.meta, default=str, ensure_ascii=False).encode("utf-8", "replace"))
    return arrays + meta + sum(map(len, state.files.values()))
