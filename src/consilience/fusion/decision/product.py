"""Product of experts (Hinton 2002): answers multiplied, so a confident "no" of one model is a veto. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.core.errors import UserError, unknown
from consilience.core.state import State
from consilience.fusion.base import Answers, DecisionFusion
from consilience.fusion.decision.answers import counted, fallback, logs, mean, stack


class Product(DecisionFusion):
    """Classes: the normalised product of the models' probabilities, each to the power `sharpness` / models that have
    an answer (1: the geometric mean, which does not mistake models that agree for independent evidence).
    Numbers: the product of normal distributions, which is the mean weighted by 1 / (mean squared error of the model on
    validation rows).
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        sharpness: float = 1.0
        """1 takes the models for saying the same thing, the number of models for independent of each other. Of numbers
        it is the power of the weights."""

        def __post_init__(self) -> None:
            if not self.sharpness > 0:
                raise ValueError(f"sharpness must be above 0, not {self.sharpness}")

    def __init__(
        self, *, names: tuple[str, ...], precision: np.ndarray, power: np.ndarray, otherwise: np.ndarray
    ) -> None:
        self._names, self._precision, self._power, self._otherwise = names, precision, power, otherwise

    @classmethod
    def fit(
        cls,
        config: Product.Config,
        answers: Answers,
        target: np.ndarray,
        *,
        discrete: bool,
        weights: np.ndarray | None = None,
    ) -> Product:
        names = tuple(sorted(answers))
        values, there = stack(answers, names)
        precision = np.zeros(0)
        if not discrete:
            each = counted(weights, len(target))
            error = np.where(there, values[:, :, 0] - target, 0.0) ** 2
            held = there @ each
            mse = error @ each / np.where(held > 0, held, 1.0)
            spread = _variance(target, each)
            mse = np.where(held > 0, mse, spread)  # a model that never answered is worth what the mean is
            precision = (spread / np.maximum(mse, 1e-6 * spread)) ** config.sharpness
        otherwise = fallback(target, values.shape[2], discrete=discrete, weights=weights)
        return cls(names=names, precision=precision, power=np.array([config.sharpness]), otherwise=otherwise)

    def fuse(self, answers: Answers) -> np.ndarray:
        for name in answers:
            if name not in self._names:
                raise UserError(f"{unknown('model', name, self._names)} It had no part in learning the rule.")
        known = [m for m, name in enumerate(self._names) if name in answers]
        values, there = stack(answers, [self._names[m] for m in known])
        if len(self._precision):
            return mean(values, there, self._precision[known], self._otherwise)
        powers = self._power[0] * logs(values, there).mean(0)
        powers = np.exp(powers - powers.max(1, keepdims=True))
        return np.where(np.any(there, axis=0)[:, None], powers / powers.sum(1, keepdims=True), self._otherwise)

    def state(self) -> State:
        arrays = {"precision": self._precision, "power": self._power, "otherwise": self._otherwise}
        return State(arrays=arrays, meta={"names": list(self._names)})

    @classmethod
    def restore(cls, state: State) -> Product:
        return cls(names=tuple(state.meta["names"]), **state.arrays)


def _variance(target: np.ndarray, weights: np.ndarray) -> float:
    if not weights.sum() > 0:
        return 1.0
    centred = target - np.average(target, weights=weights)
    return max(float(np.average(centred**2, weights=weights)), 1e-300)
