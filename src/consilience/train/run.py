"""Training a network, the whole of it on one screen. Knows a model, a task and a view; no modality, no fusion."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from consilience.core.batch import Batch
from consilience.core.progress import Deadline, Reporter
from consilience.core.seeding import derive, generator
from consilience.models.network import to_device
from consilience.models.view import View
from consilience.tasks.base import Task
from consilience.train import batches, checkpoint, optim
from consilience.train.config import TrainConfig
from consilience.train.schedule import warmup_cosine


@dataclass
class History:
    """One line an epoch, for learning curves."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best: int = 0
    """Epoch (from 1) whose weights were kept."""
    stopped: str = "all epochs done"
    """Why training ended."""

    def add(self, epoch: int, train_loss: float, valid_loss: float, score: float, seconds: float) -> None:
        losses = {"train_loss": train_loss, "valid_loss": valid_loss}
        self.epochs.append({"epoch": epoch, **losses, "valid_score": score, "seconds": seconds})


TIME_IS_UP = "the time budget ended"

Validate = Callable[[nn.Module], tuple[float, float]]
"""Model -> (score, greater is better; loss) on validation rows."""


class _Pace:
    """How far the training is along its schedule, and whether the time will do."""

    def __init__(self, config: TrainConfig, steps: int, deadline: Deadline, check_seconds: float) -> None:
        """`steps` of an epoch; `check_seconds`: what one look at the validation rows takes."""
        self.config, self.deadline, self.check_seconds = config, deadline, check_seconds
        self.total, self.done, self.step_seconds, self._share = config.epochs * steps, 0, 0.0, 0.0
        self._sample = min(10, steps)

    def share(self) -> float:
        """Share of the schedule that is over, never falling. Once it is clear that the time will not do for all epochs,
        the schedule ends with the time."""
        ahead = self.step_seconds * (self.total - self.done) + self.check_seconds * self.config.epochs
        short = self.step_seconds > 0 and ahead > self.deadline.left
        self._share = max(
            self._share, self.deadline.elapsed / self.deadline.seconds if short else self.done / self.total
        )
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


def train(
    model: nn.Module,
    view: View,
    target: np.ndarray,
    task: Task,
    config: TrainConfig,
    *,
    names: Sequence[str],
    validate: Validate,
    deadline: Deadline,
    seed: int,
    folder: Path,
    reporter: Reporter,
) -> History:
    """Train `model` in place on all rows of `view`; at the end it holds the weights of the best validation score.

    Deterministic under `seed` on a CPU unless the deadline cuts it short. On Ctrl-C it holds the best weights so far.
    """
    anchor = view.index[batches.anchor(view, names)]
    steps = sum(1 for _ in batches.epoch(anchor, rows=config.batch_rows, rng=np.random.default_rng(0)))
    started = time.monotonic()
    validate(model)  # only to know how long it takes
    pace = _Pace(config, steps, deadline, time.monotonic() - started)
    step = _Stepper(model, view, target, task, config, names, generator(seed, "batches"))
    history, best, perfect, kept = History(), (-np.inf, -np.inf), 0, _weights_of(model)
    try:
        with reporter.bar("training", pace.total) as advance:
            for number in range(1, config.epochs + 1):
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
                history.add(number, loss, valid_loss, score, time.monotonic() - started)
                if not np.isfinite(loss):
                    history.stopped = "the loss is not finite any more; the best weights before that are kept"
                    break
                if (score, -valid_loss) > best:
                    best, history.best, kept = (score, -valid_loss), number, _weights_of(model)
                checkpoint.save(folder, "last", model.state_dict(), {"epoch": number, "history": history.epochs})
                perfect = perfect + 1 if task.greater_is_better and score >= 1.0 else 0
                if history.stopped == TIME_IS_UP:
                    break
                if perfect >= 3 or number - history.best >= config.patience:
                    history.stopped = f"{'perfect' if perfect >= 3 else 'no better'} on validation data"
                    break
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
    ) -> None:
        self.model, self.view, self.target, self.task = model, view, target, task
        self.config, self.names, self.rng = config, names, rng
        self.device = next(model.parameters()).device
        self.optimizer = optim.build(config, model)
        self.class_weights = _class_weights(task, target, config, self.device)

    def __call__(self, rows: np.ndarray, *, share: float) -> Tensor:
        """The loss of `rows`, detached. `share`: how much of the schedule is over, 0 to 1."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * warmup_cosine(share, warmup=config.warmup)
        batch, goal = _draw(self.view, rows, self.names, self.target, config, self.rng, self.device)
        scores = self.model(batch).values["scores"]
        weights = self.class_weights
        loss = self.task.loss(scores, goal, class_weights=weights, label_smoothing=config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self.optimizer.step()
        detached: Tensor = loss.detach()
        return detached


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


def _class_weights(task: Task, target: np.ndarray, config: TrainConfig, device: torch.device) -> Tensor | None:
    if config.class_weights == "none" or not task.discrete:
        return None
    counts = np.bincount(target, minlength=task.width)
    present = counts > 0
    weights = np.where(present, len(target) / (present.sum() * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32, device=device)


def _weights_of(model: nn.Module) -> dict[str, Any]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def pick_device(config: TrainConfig) -> torch.device:
    if config.device != "auto":
        return torch.device(config.device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def seed_everything(seed: int) -> None:
    torch.manual_seed(derive(seed, "torch"))
