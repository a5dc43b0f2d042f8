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


Validate = Callable[[nn.Module], tuple[float, float]]
"""Model -> (score, greater is better; loss) on validation rows."""


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
    device = next(model.parameters()).device
    optimizer = optim.build(config, model)
    weights = _class_weights(task, target, config, device)
    rng = generator(seed, "batches")
    anchor = view.index[batches.anchor(view, names)]
    steps = sum(1 for _ in batches.epoch(anchor, rows=config.batch_rows, rng=np.random.default_rng(0)))
    total, done, share = config.epochs * steps, 0, 0.0
    history, best, perfect = History(), (-np.inf, -np.inf), 0
    kept = _weights_of(model)
    checked = time.monotonic()
    validate(model)  # only to know how long it takes: the last one, and the one by who asked for this, must fit in
    per_check = time.monotonic() - checked
    per_step = 0.0
    with reporter.bar("training", total) as advance:
        try:
            for number in range(1, config.epochs + 1):
                started, losses = time.monotonic(), []
                model.train()
                for rows in batches.epoch(anchor, rows=config.batch_rows, rng=rng):
                    # Once it is clear that the time will not do for all epochs, the schedule ends with the time.
                    short = per_step > 0 and per_step * (total - done) + per_check * config.epochs > deadline.left
                    share = max(share, deadline.elapsed / deadline.seconds if short else done / total)
                    for group in optimizer.param_groups:
                        group["lr"] = config.lr * warmup_cosine(share, warmup=config.warmup)
                    batch, goal = _draw(view, rows, names, target, config, rng, device)
                    scores = model(batch).values["scores"]
                    loss = task.loss(scores, goal, class_weights=weights, label_smoothing=config.label_smoothing)
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    if config.clip:
                        nn.utils.clip_grad_norm_(model.parameters(), config.clip)
                    optimizer.step()
                    losses.append(loss.detach())
                    done += 1
                    if done % 10 == 0 or done == steps:
                        per_step = (time.monotonic() - started) / len(losses)
                    advance(done, f"epoch {number}")
                    if deadline.left < 2 * per_check + per_step:
                        history.stopped = "the time budget ended"
                        break
                checked = time.monotonic()
                score, valid_loss = validate(model)
                per_check = time.monotonic() - checked
                line = {"epoch": number, "train_loss": float(torch.stack(losses).mean()), "valid_loss": valid_loss}
                history.epochs.append({**line, "valid_score": score, "seconds": time.monotonic() - started})
                if not np.isfinite(line["train_loss"]):
                    history.stopped = "the loss is not finite any more; the best weights before that are kept"
                    break
                if (score, -valid_loss) > best:
                    best, history.best, kept = (score, -valid_loss), number, _weights_of(model)
                checkpoint.save(folder, "last", model.state_dict(), {"epoch": number, "history": history.epochs})
                perfect = perfect + 1 if task.greater_is_better and score >= 1.0 else 0
                if history.stopped == "the time budget ended":
                    break
                if number - history.best >= config.patience or perfect >= 3:
                    history.stopped = "no better on validation data" if perfect < 3 else "perfect on validation data"
                    break
        except KeyboardInterrupt:
            history.stopped = "interrupted"
            raise
        finally:
            model.load_state_dict(kept)
            model.eval()
    return history


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
