"""Stacking (Wolpert 1992): a small linear model over the models' answers. Knows models by name; it must be given
answers to rows that the models were not fitted on (workflows/ensembles.py makes them)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.core.errors import UserError, unknown
from consilience.core.state import State
from consilience.fusion.base import Answers, DecisionFusion
from consilience.fusion.decision.answers import counted, fallback, filled, logs, mean, stack


class Stack(DecisionFusion):
    """Classes: softmax(sum over models of w[m, k] log p[m, k] + b[k]). Numbers: sum of w[m] times the answer + b.

    Weights are pulled towards the plain mean of the models, so that few rows change little. On a row where a model has
    no answer, the plain mean of the others is the answer.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        pull: float = 20.0
        """Strength of the pull towards the plain mean, in rows."""
        max_iter: int = 200
        """Steps of the solver, at most."""

        def __post_init__(self) -> None:
            if not self.pull > 0:
                raise ValueError(f"pull must be above 0, not {self.pull}")
            if self.max_iter < 1:
                raise ValueError(f"max_iter must be at least 1, not {self.max_iter}")

    def __init__(
        self, *, names: tuple[str, ...], weights: np.ndarray, bias: np.ndarray, otherwise: np.ndarray, discrete: bool
    ) -> None:
        """`weights` [M, K], `bias` [K]."""
        self._names, self._weights, self._bias = names, weights, bias
        self._otherwise, self._discrete = otherwise, discrete

    @classmethod
    def fit(
        cls,
        config: Stack.Config,
        answers: Answers,
        target: np.ndarray,
        *,
        discrete: bool,
        weights: np.ndarray | None = None,
    ) -> Stack:
        names = tuple(sorted(answers))
        values, there = stack(answers, names)
        width = values.shape[2]
        otherwise = fallback(target, width, discrete=discrete, weights=weights)
        each = counted(weights, len(target))
        found, bias = np.full((len(names), width), 1 / len(names)), np.zeros(width)
        some = np.flatnonzero(there.any(0))
        if len(some) and len(names) > 1:
            learn = _softmax_weights if discrete else _ridge_weights
            found, bias = learn(values[:, some], there[:, some], target[some], each[some], config)
        return cls(names=names, weights=found, bias=bias, otherwise=otherwise, discrete=discrete)

    def fuse(self, answers: Answers) -> np.ndarray:
        for name in answers:
            if name not in self._names:
                raise UserError(f"{unknown('model', name, self._names)} It had no part in learning the weights.")
        blank = np.full_like(np.asarray(next(iter(answers.values())), np.float64), np.nan)
        values, there = stack({name: answers.get(name, blank) for name in self._names}, self._names)
        if not self._discrete:
            out = (filled(values, there) * self._weights[:, None]).sum(0) + self._bias
        else:
            scores = (logs(values, there) * self._weights[:, None]).sum(0) + self._bias
            powers = np.exp(scores - scores.max(1, keepdims=True))
            out = powers / powers.sum(1, keepdims=True)
        return np.where(np.all(there, axis=0)[:, None], out, mean(values, there, np.ones(len(values)), self._otherwise))

    def state(self) -> State:
        arrays = {"weights": self._weights, "bias": self._bias, "otherwise": self._otherwise}
        return State(arrays=arrays, meta={"names": list(self._names), "discrete": self._discrete})

    @classmethod
    def restore(cls, state: State) -> Stack:
        return cls(names=tuple(state.meta["names"]), discrete=state.meta["discrete"], **state.arrays)


def _softmax_weights(
    values: np.ndarray, there: np.ndarray, target: np.ndarray, each: np.ndarray, config: Stack.Config
) -> tuple[np.ndarray, np.ndarray]:
    from scipy.optimize import minimize

    inputs = logs(values, there).transpose(2, 1, 0)  # [K, N, M]
    width, rows, models = inputs.shape
    columns = np.concatenate([inputs, np.ones((width, rows, 1))], axis=2)  # the last one's weight is the bias
    start = np.repeat(np.append(np.full(models, 1 / models), 0.0)[None], width, axis=0)
    at = np.arange(rows), target

    def scores(found: np.ndarray) -> np.ndarray:
        return np.stack([own @ one for own, one in zip(columns, found, strict=True)], axis=1)  # [N, K]

    # Models are much alike, so that the loss is a narrow valley: in coordinates in which the curvature at the start is
    # that of a round bowl for each class, the solver needs few steps.
    powers = np.exp(_below_zero(scores(start)))
    shares = powers / powers.sum(1, keepdims=True)
    bent = each[:, None] * shares * (1 - shares)
    hessian = np.stack([(own * of[:, None]).T @ own for own, of in zip(columns, bent.T, strict=True)])
    ease = np.linalg.inv(np.linalg.cholesky(hessian + config.pull * np.eye(models + 1)))  # [K, M + 1, M + 1]

    def place(flat: np.ndarray) -> np.ndarray:
        return start + np.einsum("kji,kj->ki", ease, flat.reshape(width, -1))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        found = place(flat)
        said = _below_zero(scores(found))
        powers = np.exp(said)
        sums = powers.sum(1)
        value = float(each @ (np.log(sums) - said[at]) + 0.5 * config.pull * ((found - start) ** 2).sum())
        slope = powers / sums[:, None]
        slope[at] -= 1.0
        slope *= each[:, None]
        steep = np.stack([own.T @ of for own, of in zip(columns, slope.T, strict=True)])
        steep += config.pull * (found - start)
        return value, np.einsum("kij,kj->ki", ease, steep).ravel()

    options = {"maxiter": config.max_iter}
    found = place(minimize(loss, np.zeros(start.size), jac=True, method="L-BFGS-B", options=options).x)
    return np.ascontiguousarray(found[:, :-1].T), np.ascontiguousarray(found[:, -1])


def _below_zero(scores: np.ndarray) -> np.ndarray:
    """The scores of each row less the largest of them."""
    below: np.ndarray = scores - scores.max(1, keepdims=True)
    return below


def _ridge_weights(
    values: np.ndarray, there: np.ndarray, target: np.ndarray, each: np.ndarray, config: Stack.Config
) -> tuple[np.ndarray, np.ndarray]:
    """Closed form, on answers scaled by the spread of the target: `max_iter` plays no part."""
    inputs = filled(values, there)[:, :, 0]
    middle = np.average(target, weights=each)
    spread = float(np.sqrt(np.average((target - middle) ** 2, weights=each))) or 1.0
    centre = np.average(inputs, axis=1, weights=each)[:, None]
    scaled = (inputs - centre) / spread
    even = np.full(len(inputs), 1 / len(inputs))
    rest = (target - middle) / spread - even @ scaled
    change = np.linalg.solve((scaled * each) @ scaled.T + config.pull * np.eye(len(inputs)), (scaled * each) @ rest)
    weights = even + change
    return weights[:, None], np.array([middle - float(weights @ centre[:, 0])])
