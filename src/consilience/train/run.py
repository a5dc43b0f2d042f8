"""Training a network, the whole of it on one screen. Knows a model, a task and a view; no modality, no fusion."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from consilience.core import memory
from consilience.core.batch import Batch
from consilience.core.precision import can_run_bf16
from consilience.core.progress import Deadline, Reporter
from consilience.core.seeding import derive, generator
from consilience.models.network import to_device
from consilience.models.view import View
from consilience.tasks.base import Task
from consilience.train import batches, checkpoint, optim, schedule
from consilience.train.config import TrainConfig


@dataclass
class History:
    """One line an epoch, for learning curves."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best: int = 0
    """Epoch (from 1) whose weights were kept."""
    stopped: str = "all epochs done"
    """Why training ended."""
    earlier_cpu_seconds: float = 0.0
    """CPU time of the epochs that were done before an interruption."""

    def add(self, epoch: int, train_loss: float, valid_loss: float, score: float, seconds: float) -> bool:
        """Whether this epoch is the best so far."""
        losses = {"train_loss": train_loss, "valid_loss": valid_loss}
        best = self.epochs[self.best - 1] if self.best else {"valid_score": -np.inf, "valid_loss": np.inf}
        self.epochs.append({"epoch": epoch, **losses, "valid_score": score, "seconds": seconds})
        if np.isfinite(train_loss) and (score, -valid_loss) > (best["valid_score"], -best["valid_loss"]):
            self.best = epoch
        return self.best == epoch

    def upto(self, cpu_seconds: float) -> dict[str, Any]:
        """What a training that goes on from here begins with, after `cpu_seconds` of this one."""
        return {
            "epochs": self.epochs,
            "best": self.best,
            "earlier_cpu_seconds": self.earlier_cpu_seconds + cpu_seconds,
        }

    def enough(self, patience: int, *, perfect: float) -> str | None:
        """Why no further epoch is worth it, or None. It depends on nothing else, so a resumed training agrees."""
        last = self.epochs[-3:]
        if last and not np.isfinite(last[-1]["train_loss"]):
            return "the loss is not finite any more; the best weights before that are kept"
        if len(last) == 3 and all(epoch["valid_score"] >= perfect for epoch in last):
            return "perfect on validation data"
        return "no better on validation data" if len(self.epochs) - self.best >= patience else None


TIME_IS_UP = "the time budget ended"
LAST = "training.safetensors"
"""The checkpoint of the last whole epoch."""

Validate = Callable[[nn.Module], tuple[float, float]]
"""Model -> (score, greater is better; loss) on validation rows."""


class _Pace:
    """How far the training is along its schedule, and whether the time will do."""

    def __init__(self, config: TrainConfig, steps: int, deadline: Deadline, check_seconds: float) -> None:
        """`steps` of an epoch; `check_seconds`: what one look at the validation rows takes."""
        self.config, self.deadline, self.check_seconds = config, deadline, check_seconds
        self.total, self.done, self.step_seconds = config.epochs * steps, 0, 0.0
        self._share = self._begun = 0.0
        self._sample = min(10, steps)

    def share(self) -> float:
        """Share of the schedule that is over, never falling. Once it is clear that the time will not do for all epochs,
        the schedule ends with the time."""
        ahead = self.step_seconds * (self.total - self.done) + self.check_seconds * self.config.epochs
        short = self.step_seconds > 0 and ahead > self.deadline.left
        passed = self.deadline.elapsed / self.deadline.seconds if short else 0.0
        self._share = max(self._share, self._begun + (1 - self._begun) * passed if short else self.done / self.total)
        return self._share

    def stepped(self, since: float, steps: int) -> None:
        """One more step; `steps` of them were done since the moment `since`."""
        self.done += 1
        if steps % self._sample == 0:
            self.step_seconds = (time.monotonic() - since) / steps

    @property
    def over(self) -> bool:
        """Only enough time is left to look at the validation rows, here and once more by who asked for the training."""
        return self.deadline.left < 2 * self.check_seconds + self.step_seconds

    def state(self) -> dict[str, Any]:
        return {"done": self.done, "share": self._share}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from `state`; what is left of the schedule has the time of this deadline."""
        self.done, self._share, self._begun = state["done"], state["share"], state["share"]


def train(
    model: nn.Module,
    view: View,
    target: np.ndarray,
    task: Task,
    config: TrainConfig,
    *,
    names: Sequence[str],
    weights: np.ndarray | None = None,
    validate: Validate,
    deadline: Deadline,
    seed: int,
    folder: Path,
    reporter: Reporter,
) -> History:
    """Train `model` in place on all rows of `view`; at the end it holds the weights of the best validation score.

    `weights` [N]: how much each row counts in the loss, 1 on average.

    Deterministic under `seed` on a CPU unless the deadline cuts it short. On Ctrl-C it holds the best weights so far.
    Every epoch leaves a checkpoint in `folder`; a training that finds one there goes on from it, to the same end.
    """
    anchor = view.index[batches.anchor(view, names)]
    steps = sum(1 for _ in batches.epoch(anchor, rows=config.batch_rows, rng=np.random.default_rng(0)))
    began, started = time.process_time(), time.monotonic()
    for kind in fp32_layers(model, config):
        reporter.say(f"this processor has no bf16 {kind}: those layers are trained in fp32, the others in bf16")
    validate(model)  # only to know how long it takes
    pace = _Pace(config, steps, deadline, time.monotonic() - started)
    step = _Stepper(model, view, target, task, config, names, generator(seed, "batches"), weights)
    history, kept = History(), _weights_of(model)
    if (found := checkpoint.load(folder / LAST, model, step.optimizer, step.rng)) is not None:
        kept, meta = found
        history = History(**meta["history"])
        pace.resume(meta["pace"])
        reporter.say(f"training goes on after epoch {len(history.epochs)}")
    perfect = 1.0 if task.greater_is_better else np.inf
    try:
        with memory.reused(), reporter.bar("training", pace.total) as advance:
            for number in range(len(history.epochs) + 1, config.epochs + 1):
                reason = history.enough(config.patience, perfect=perfect)
                if reason or (history.epochs and pace.over):
                    history.stopped = reason or TIME_IS_UP
                    break
                started, losses = time.monotonic(), []
                model.train()
                for rows in batches.epoch(anchor, rows=config.batch_rows, rng=step.rng):
                    losses.append(step(rows, share=pace.share()))
                    pace.stepped(started, len(losses))
                    advance(pace.done, f"epoch {number}")
                    if pace.over:
                        history.stopped = TIME_IS_UP
                        break
                loss, (score, valid_loss) = float(torch.stack(losses).mean()), validate(model)
                if history.add(number, loss, valid_loss, score, time.monotonic() - started):
                    kept = _weights_of(model)
                meta = {"history": history.upto(time.process_time() - began), "pace": pace.state()}
                checkpoint.save(folder / LAST, model, step.optimizer, step.rng, kept=kept, meta=meta)
    finally:  # also on Ctrl-C
        model.load_state_dict(kept)
        model.eval()
    return history


class _Stepper:
    """One optimisation step: draw the batch, augment, drop inputs, loss, gradient, move."""

    def __init__(
        self,
        model: nn.Module,
        view: View,
        target: np.ndarray,
        task: Task,
        config: TrainConfig,
        names: Sequence[str],
        rng: np.random.Generator,
        weights: np.ndarray | None = None,
    ) -> None:
        self.model, self.view, self.target, self.task = model, view, target, task
        self.config, self.names, self.rng = config, names, rng
        self.device = next(model.parameters()).device
        self.optimizer = optim.build(config, model)
        self.weights = weights
        self.class_weights = _class_weights(task, target, weights, config, self.device)
        self.half = bf16(config, self.device)

    def __call__(self, rows: np.ndarray, *, share: float) -> Tensor:
        """The loss of `rows`, detached. `share`: how much of the schedule is over, 0 to 1."""
        config = self.config
        rate = config.lr * schedule.factor(config.schedule, share, warmup=config.warmup)
        optim.pace(self.optimizer, lr=rate, momentum=schedule.momentum(config.schedule, share, warmup=config.warmup))
        batch, goal = _draw(self.view, rows, self.names, self.target, config, self.rng, self.device)
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.device)
        counts = None if self.weights is None else torch.from_numpy(self.weights[rows]).to(self.device, torch.float32)
        whole = self._mass(goal)
        for part, chosen in batches.parts(batch, config.accumulate):
            own = None if counts is None else counts[chosen]
            mine = self._loss(part, goal[chosen], own) * self._mass(goal[chosen]) / whole
            mine.backward()
            loss += mine.detach()
        if config.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        optim.move(self.optimizer)
        return loss

    def _loss(self, batch: Batch, goal: Tensor, weights: Tensor | None) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            out = self.model(batch).values
        loss = self._against(out["scores"], goal, weights)
        for scores, there in zip(out.get("alone", ()), out.get("present", ()), strict=True):
            if there.any():  # of all rows: where an input is missing it has nothing to answer for
                own = None if weights is None else weights[there]
                share = self._mass(goal[there]) / self._mass(goal) / len(out["alone"])
                loss = loss + cast(float, self.model.auxiliary) * share * self._against(scores[there], goal[there], own)
        return loss

    def _against(self, scores: Tensor, goal: Tensor, weights: Tensor | None) -> Tensor:
        config = self.config
        loss: Tensor = self.task.loss(
            scores.float(),
            goal,
            weights=weights,
            class_weights=self.class_weights,
            label_smoothing=config.label_smoothing,
            focal_gamma=config.focal_gamma,
        )
        return loss

    def _mass(self, goal: Tensor) -> Any:
        """What the mean loss of these rows is a mean over."""
        return self.task.mass(goal, self.class_weights)


def _draw(
    view: View,
    rows: np.ndarray,
    names: Sequence[str],
    target: np.ndarray,
    config: TrainConfig,
    rng: np.random.Generator,
    device: torch.device,
) -> tuple[Batch, Tensor]:
    """One step's batch on the device, augmented and with inputs dropped as the config says."""
    drop = None
    if config.modality_dropout and len(names) > 1:
        out = rng.random((len(rows), len(names))) < config.modality_dropout
        out[np.arange(len(rows)), rng.integers(len(names), size=len(rows))] = False
        drop = {name: out[:, m] for m, name in enumerate(names)}
    batch = view.batch(rows, names, rng=rng if config.augment else None, drop=drop)
    return to_device(batch, device), torch.from_numpy(target[rows]).to(device)


def _class_weights(
    task: Task, target: np.ndarray, weights: np.ndarray | None, config: TrainConfig, device: torch.device
) -> Tensor | None:
    found = None if config.class_weights == "none" else task.class_weights(target, weights)
    return None if found is None else torch.tensor(found, dtype=torch.float32, device=device)


def _weights_of(model: nn.Module) -> dict[str, Any]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def pick_device(config: TrainConfig) -> torch.device:
    if config.device != "auto":
        return torch.device(config.device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether training multiplies in bf16: on a GPU that has it, and elsewhere when asked to."""
    if config.precision != "auto":
        return config.precision == "bf16"
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def fp32_layers(model: nn.Module, config: TrainConfig) -> list[str]:
    """Kinds of layers of a model that stay in fp32 when the rest is trained in bf16: the device cannot do otherwise."""
    device = next(model.parameters()).device
    if not bf16(config, device):
        return []
    kinds = {type(layer) for layer in model.modules() if isinstance(layer, nn.RNNBase)}
    return sorted(kind.__name__ for kind in kinds if not can_run_bf16(kind, device.type))


def seed_everything(seed: int) -> None:
    torch.manual_seed(derive(seed, "torch"))
