"""What each preset tries, cheapest first. A preset names its config sections and yields candidates in order."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from consilience.core.config import Part as ConfigPart
from consilience.core.config import encode
from consilience.core.progress import Deadline, Reporter
from consilience.core.threads import sensible
from consilience.evaluate import point
from consilience.models.base import Member
from consilience.models.classic import Classic, fit_classic
from consilience.models.config import ClassicConfig, DeepConfig
from consilience.tasks.base import Task
from consilience.train.config import TrainConfig, refuse_idle
from consilience.workflows.candidates import Candidate
from consilience.workflows.config import RunConfig
from consilience.workflows.prepare import Part, Prepared

Point = Callable[[Part, np.ndarray], dict[str, float | None]]
"""(rows, answers to them as wide as the rows' own task) -> metrics without intervals."""


def rows_point(rows: Part, answers: np.ndarray) -> dict[str, float | None]:
    return point(rows.task, answers, rows.target, rows.weights)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a preset works with."""

    prepared: Prepared
    config: RunConfig
    point: Point
    reporter: Reporter

    @property
    def train(self) -> Part:
        return self.prepared.parts["train"]

    @property
    def valid(self) -> Part:
        return self.prepared.parts["valid"]

    @property
    def task(self) -> Task:
        return self.prepared.task


class ClassicOnly:
    sections: ClassVar[tuple[str, ...]] = ("classic",)

    @staticmethod
    def candidates(setting: Setting) -> Iterator[Candidate]:
        assert setting.config.classic is not None
        yield from classic(setting, setting.config.classic)


class Deep:
    sections: ClassVar[tuple[str, ...]] = ("deep", "train")

    @staticmethod
    def candidates(setting: Setting) -> Iterator[Candidate]:
        _check(setting)
        yield from alone(setting)
        yield deep(setting)


class Pretrained:
    sections: ClassVar[tuple[str, ...]] = ("pretrained",)

    @staticmethod
    def candidates(setting: Setting) -> Iterator[Candidate]:
        yield from pretrained(setting)


class Auto:
    sections: ClassVar[tuple[str, ...]] = ("classic", "deep", "train", "pretrained")

    @staticmethod
    def candidates(setting: Setting) -> Iterator[Candidate]:
        assert setting.config.classic is not None
        _check(setting)
        yield from classic(setting, setting.config.classic)
        yield from pretrained(setting)
        yield deep(setting)


def _check(setting: Setting) -> None:
    """Before the first candidate, not when the network's turn comes."""
    assert setting.config.train is not None
    refuse_idle(setting.config.train, discrete=setting.task.discrete)


def alone(setting: Setting) -> Iterator[Candidate]:
    """A linear model of each input, to compare with, for presets without classic models of their own."""
    linear = ClassicConfig().single[:1]
    yield from classic(setting, ClassicConfig(single=linear, joined=()))


def pretrained(setting: Setting) -> Iterator[Candidate]:
    """Linear models on the vectors of frozen backbones (and the hand-made features of inputs that have none), then
    networks on the same vectors, one for each fusion. Nothing where there is no backbone."""
    config, names = setting.config.pretrained, setting.prepared.pretrained
    if not names:
        return
    assert config is not None
    learners = ClassicConfig(single=config.learners, joined=config.learners)
    alone = () if setting.config.classic is None else setting.prepared.own  # the classic models have tried those
    yield from classic(setting, learners, names=names, but=alone, preset="pretrained")
    several = len(config.fusions) > 1
    for place, (fusion, title) in enumerate(zip(config.fusions, titles(config.fusions), strict=True)):
        shape = DeepConfig(fusion=fusion, width=config.width, dropout=config.dropout)
        share = 1 / (len(config.fusions) - place + 1)
        title = f"pretrained {title}"
        made = network(setting, shape, config.train, names=names, title=title, preset="pretrained", share=share)
        yield replace(made, one_of_several=several, first=_import_training if several else None)
    if setting.prepared.unfrozen:
        fusion, names = config.fusions[0], setting.prepared.unfrozen
        shape, title = (
            DeepConfig(fusion=fusion, width=config.width, dropout=config.dropout),
            f"fine-tuned {fusion.kind}",
        )
        yield network(setting, shape, config.train, names=names, title=title, preset="pretrained", share=0.9)


def titles(parts: Sequence[ConfigPart]) -> list[str]:
    """A name for each part: its kind; where a kind stands there twice, also what differs from the kind's own defaults.
    Candidates are told apart by name, on the leaderboard and in checkpoints/."""
    kinds = Counter(part.kind for part in parts)

    def title(part: ConfigPart) -> str:
        own, usual = encode(part.config), encode(type(part.config)())
        said = " ".join(f"{key}={value}" for key, value in own.items() if value != usual[key])
        return f"{part.kind} {said}" if said and kinds[part.kind] > 1 else part.kind

    return [title(part) for part in parts]


def classic(
    setting: Setting,
    config: ClassicConfig,
    *,
    names: tuple[str, ...] = (),
    but: Collection[str] = (),
    preset: str = "classic",
) -> Iterator[Candidate]:
    """`names`: the inputs to look at; of those in `but` not each alone."""
    names = names or setting.prepared.own
    joined, single = (list(zip(parts, titles(parts), strict=True)) for parts in (config.joined, config.single))
    chosen = [(part, title, names) for part, title in joined]
    if len(names) > 1 or not chosen:  # of a single input, the learners for joined inputs are the full-strength ones
        chosen += [(part, title, (name,)) for part, title in single for name in names if name not in but]
    train, valid = setting.train, setting.valid
    worth = len(train.target) < config.refit_below and train.view.sources is valid.view.sources
    order = {part.kind: place for place, part in enumerate([*config.single, *config.joined])}
    chosen.sort(key=lambda choice: (order[choice[0].kind], len(choice[2])))
    for place, (part, title, inputs) in enumerate(chosen):

        def learn(rows: Part, seconds: float, part: ConfigPart = part, inputs: tuple[str, ...] = inputs) -> Classic:
            seed = setting.config.seed
            return fit_classic(
                part,
                rows.view,
                rows.target,
                setting.task,
                inputs=inputs,
                weights=rows.weights,
                groups=rows.groups,
                seed=seed,
                seconds=seconds,
            )

        def fit(
            deadline: Deadline, folder: Path, reporter: Reporter, learn: Any = learn
        ) -> tuple[Member, dict[str, Any]]:
            return learn(setting.train, deadline.left), {}

        def refit(member: Member, seconds: float, learn: Any = learn, part: ConfigPart = part) -> Member:
            assert isinstance(member, Classic)
            again: Member = learn(setting.train.joined(setting.valid), seconds, part=member.settled(part))
            return again

        def fold(
            member: Member, rows: np.ndarray, seconds: float, learn: Any = learn, part: ConfigPart = part
        ) -> Member:
            assert isinstance(member, Classic)
            again: Member = learn(setting.train.take(rows), seconds, part=member.settled(part))
            return again

        def subset(names: tuple[str, ...], seconds: float, learn: Any = learn) -> Member:
            member: Member = learn(setting.train, seconds, inputs=names)
            return member

        fusion = "joined features" if len(inputs) > 1 else None
        name = f"{title}[{' + '.join(inputs)}]"
        yield Candidate(
            name=name,
            preset=preset,
            fusion=fusion,
            inputs=inputs,
            fit=fit,
            share=1 / (len(chosen) - place + 2),
            refit=refit if worth else None,
            fold=fold,
            subset=subset,
        )


def deep(setting: Setting) -> Candidate:
    config = setting.config
    assert config.deep is not None
    assert config.train is not None
    names, title = setting.prepared.own, f"deep {config.deep.fusion.kind}"
    return network(setting, config.deep, config.train, names=names, title=title, preset="deep", share=1.0)


def network(
    setting: Setting,
    shape: DeepConfig,
    how: TrainConfig,
    *,
    names: tuple[str, ...],
    title: str,
    preset: str,
    share: float,
) -> Candidate:
    """`title`: how it is called on the leaderboard, before its inputs."""

    def fit(deadline: Deadline, folder: Path, reporter: Reporter) -> tuple[Member, dict[str, Any]]:
        return _train(setting, shape, how, names, deadline, folder, reporter)

    def subset(some: tuple[str, ...], seconds: float) -> Member:
        encoders = {n: e for n, e in shape.encoders.items() if n in some}
        with tempfile.TemporaryDirectory(prefix="consilience-") as scratch:
            smaller, within = replace(shape, encoders=encoders), Deadline(seconds)
            return _train(setting, smaller, how, some, within, Path(scratch), setting.reporter)[0]

    return Candidate(
        name=f"{title}[{' + '.join(names)}]",
        preset=preset,
        fusion=shape.fusion.kind,
        inputs=names,
        fit=fit,
        share=share,
        subset=subset,
    )


def _import_training() -> None:
    """All that a training imports, so that those in processes of their own need not each do it. Optimisers import
    torch._dynamo, a second's work, at their first step."""
    for module in ("torch._dynamo", "consilience.train.run", "consilience.modalities.frozen.encoders.vectors"):
        import_module(module)


def _train(
    setting: Setting,
    shape: DeepConfig,
    how: TrainConfig,
    names: tuple[str, ...],
    deadline: Deadline,
    folder: Path,
    reporter: Reporter,
) -> tuple[Member, dict[str, Any]]:
    import torch

    from consilience.models.network import Network, build
    from consilience.train.run import pick_device, seed_everything, train

    config, prepared, task = setting.config, setting.prepared, setting.task
    seed_everything(config.seed)
    torch.set_num_threads(config.threads or sensible())
    shapes: Mapping[str, Any] = {name: prepared.inputs[name].built_from() for name in names}
    network = build(shape, shapes, task)
    network.model.to(pick_device(how))
    for name in names:
        if (backbone := prepared.inputs[name].backbone) is not None and backbone.config.cut:
            assert config.pretrained is not None
            network.unfreeze(name, backbone.upper_weights(), pace=config.pretrained.pace)
    valid = setting.valid
    rows, target, weights = valid.learnable()

    def validate(model: Any) -> tuple[float, float]:
        scores = Network(model, task, config=network.config, built_from=shapes).scores(valid.view)
        if not np.isfinite(scores).all():  # diverged: worse than anything
            return float("-inf"), float("inf")
        value = setting.point(valid, valid.widen(task.activate(scores)))[task.primary]
        counts = None if weights is None else torch.from_numpy(weights)
        loss = float(task.loss(torch.from_numpy(scores[rows]), torch.from_numpy(target), weights=counts))
        sign = 1.0 if task.greater_is_better else -1.0
        return sign * (value if value is not None else float("-inf")), loss

    history = train(
        network.model,
        setting.train.view,
        setting.train.target,
        task,
        how,
        weights=setting.train.weights,
        names=network.inputs,
        validate=validate,
        deadline=deadline,
        seed=config.seed,
        folder=folder,
        reporter=reporter,
    )
    facts = {"curve": history.epochs, "kept_epoch": history.best, "stopped": history.stopped}
    return network, {**facts, "earlier_cpu_seconds": history.earlier_cpu_seconds}
