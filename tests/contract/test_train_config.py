"""Every key of the training's config changes what a training leaves, on a network of two inputs."""

from __future__ import annotations

import numpy as np
import torch
from behaviour import Other, idle_keys

from consilience.core.batch import Tokens
from consilience.core.config import decode
from consilience.core.progress import Deadline, Reporter
from consilience.models.config import DeepConfig
from consilience.models.network import Network, build
from consilience.models.view import Source, View
from consilience.tasks.classification import Classification
from consilience.train.config import TrainConfig
from consilience.train.run import pick_device, train

OTHERS = {
    "optimizer": "sgd",
    "lr": 1e-4,
    "schedule": "linear",
    "weight_decay": 5.0,
    "l1": 0.1,
    "clip": 1e-3,
    "epochs": 3,
    "batch_rows": 64,
    "accumulate": 3,
    "precision": "bf16",
    "warmup": 0.8,
    "patience": Other(1, epochs=8, lr=0.3),
    "label_smoothing": 0.3,
    "focal_gamma": 2.0,
    "class_weights": "balanced",
    "modality_dropout": 0.5,
    "augment": False,
    "device": "mps",
}
"""Another value for every key."""
ROWS = 90


class Vectors:
    """A processor of cells that are vectors already."""

    def collate(self, values):
        return Tokens(values=np.stack(values)[:, None], mask=np.ones((len(values), 1), bool))

    def augment(self, tokens, rng):
        noise = rng.normal(0, 0.1, tokens.values.shape).astype(np.float32)
        return Tokens(values=tokens.values + noise, mask=tokens.mask)


def test_every_key_does_something(tmp_path):
    rng = np.random.default_rng(0)
    sources = {n: Source(values=list(rng.normal(size=(30, 4)).astype(np.float32)), processor=Vectors()) for n in "xy"}
    view = View(sources=sources, index={name: rng.integers(0, 30, ROWS) for name in "xy"}, rows=ROWS)
    target = (rng.random(ROWS) < 0.3).astype(np.int64)
    task = Classification(["a", "b"])
    inputs = {name: {"modality": "tabular", "shape": {"features": 4}} for name in "xy"}
    done = iter(range(1000))

    def look(config):
        if pick_device(config).type != "cpu":  # where it would be trained is all that can be seen of it here
            return [str(pick_device(config))]
        torch.manual_seed(0)
        network = build(decode(DeepConfig, {"width": 8, "fusion": {"kind": "concat", "hidden": 8}}), inputs, task)

        def validate(model):
            scores = Network(model, task, config=network.config, built_from=inputs).scores(view)
            loss = float(task.loss(torch.from_numpy(scores), torch.from_numpy(target)))
            return float((scores.argmax(1) == target).mean()), loss

        history = train(
            network.model, view, target, task, config, names=network.inputs, validate=validate, deadline=Deadline(100),
            seed=0, folder=tmp_path / str(next(done)), reporter=Reporter(),
        )  # fmt: skip
        return [len(history.epochs), *(p.detach().numpy().copy() for p in network.model.parameters())]

    base = {"epochs": 2, "batch_rows": 30, "device": "cpu"}
    assert idle_keys(TrainConfig, OTHERS, look, base) == []
