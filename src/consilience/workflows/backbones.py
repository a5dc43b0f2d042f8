"""Which backbone encodes which input: the settings, and what the user named -> folders of weights.

Knows no modality: what is named is a modality of the table of modalities, or an input. Nothing is downloaded unless the
user names a model of the hub and allows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from consilience.core.config import Part, parts
from consilience.core.errors import BadCell, ConfigError, UserError
from consilience.core.limits import Limits
from consilience.core.optional import need
from consilience.data.infer import InputPlan
from consilience.fusion import FEATURE_FUSIONS
from consilience.modalities import MODALITIES
from consilience.modalities.backbone import Backbone, BackboneConfig, find_backbone
from consilience.modalities.base import ColumnSample
from consilience.models.learners import LEARNERS
from consilience.models.weights import packaged
from consilience.train.config import TrainConfig

FOLDER = "CONSILIENCE_BACKBONES"
"""Environment variable: the folder that backbones are looked for in when none is named."""
CUT_SHORT = 0.02
"""Share of cells that are not read to their end from which on it is said."""
PACKAGE, HUB = "package:", "hub:"


@dataclass(frozen=True, kw_only=True)
class PretrainedConfig:
    backbones: dict[str, str] = field(default_factory=dict)
    """By modality or input: a folder of weights, package:NAME (weights that a package ships) or hub:ID."""
    folder: str | None = None
    """Where backbones are looked for when none is named: FOLDER/MODALITY. When not given, $CONSILIENCE_BACKBONES."""
    allow_download: bool = False
    """Let hub:ID fetch what this machine does not have yet."""
    keep: BackboneConfig = field(default_factory=BackboneConfig)
    """What is kept of a cell."""
    batch: int = 32
    """Cells encoded at once, at most."""
    device: str = "auto"
    """Where cells are encoded: "cpu", "cuda", "mps", or "auto": the fastest that is there."""
    learners: tuple[Part, ...] = parts(LEARNERS, "linear")
    """Learners fitted on the vectors of each input alone, and of all joined. Inputs without a backbone take part with
    their hand-made features; alone only where the preset has no classic models."""
    fusions: tuple[Part, ...] = parts(FEATURE_FUSIONS, "concat", "gated", "film")
    """Feature-level fusions, each trained on the same stored vectors."""
    width: int = 128
    """Width every input is brought to before fusion."""
    dropout: float = 0.2
    """Dropout on every input's vector before fusion, 0 to 1."""
    unfreeze: int = 0
    """Last layers of every backbone that are trained along in one more network, from their pretrained weights on; what
    enters them is stored once. 0: none."""
    pace: float = 0.05
    """Learning rate of those layers, as a share of train.lr."""
    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=30, lr=1e-3, patience=6))
    """How these networks are trained."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.width < 1:
            raise ValueError("batch and width must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must be at least 0 and below 1")
        if self.keep.cut:
            raise ValueError("keep.cut follows from unfreeze: set that, and leave keep.cut at 0")
        if self.unfreeze and not self.fusions:
            raise ValueError("unfreeze needs a fusion to train the layers with: name one in fusions")
        if self.unfreeze < 0 or not 0 < self.pace <= 1:
            raise ValueError("unfreeze may not be negative, and pace must be above 0 and at most 1")


@dataclass(frozen=True, kw_only=True)
class FrozenView:
    """A second way of looking at the columns of an input: through a backbone."""

    of: str
    plan: InputPlan
    backbone: Backbone


def frozen_views(plans: Mapping[str, InputPlan], config: PretrainedConfig, *, needed: bool) -> dict[str, FrozenView]:
    """By the name of the view, `input@backbone`. Raises UserError for what is named and not there, and, when they are
    `needed`, where there are none."""
    unknown = [key for key in config.backbones if key not in plans and key not in MODALITIES]
    if unknown:
        known = ", ".join([*MODALITIES, *(name for name in plans if name not in MODALITIES)])
        raise ConfigError([f"pretrained.backbones.{key}: neither a modality nor an input ({known})" for key in unknown])
    device, made = pick_device(config.device), dict[tuple[str, ...], Backbone]()
    views = {}
    for name, plan in plans.items():
        reference = config.backbones.get(_key(name, plan, config)) or _found(config, plan.modality)
        if reference is None:
            continue
        if (plan.modality, reference) not in made:
            made[plan.modality, reference] = _backbone(plan.modality, reference, config, device)
        backbone = made[plan.modality, reference]
        looks = [backbone]
        if config.unfreeze:
            if (plan.modality, reference, "cut") not in made:
                made[plan.modality, reference, "cut"] = backbone.without_last(config.unfreeze)
            looks.append(made[plan.modality, reference, "cut"])
        for look in looks:
            view = f"{name}@{look.name}"
            views[view] = FrozenView(of=name, plan=replace(plan, name=view), backbone=look)
    if needed and not views:
        unused = "".join(f"{note}. " for note in idle(plans, config))
        raise UserError(
            f"{unused}The preset 'pretrained' needs weights for at least one input: --backbone MODALITY=FOLDER, or "
            f"MODALITY=package:NAME for weights that a package ships, or a folder of them in ${FOLDER}"
        )
    return views


def cut_short(view: FrozenView, samples: Sequence[ColumnSample], config: Any, limits: Limits) -> str | None:
    """What to say of cells that the view's backbone does not read to their end; None where it reads nearly all."""
    if view.backbone.reads_whole:
        return None
    modality, root = MODALITIES.load(view.plan.modality)(), samples[0].root
    values = []
    for cell in zip(*(sample.cells for sample in samples), strict=False):
        with suppress(BadCell):
            if not modality.missing(cell) and (value := modality.load(cell, config, root, limits)[0]) is not None:
                values.append(value)
    count, where = view.backbone.cut_short(values)
    if count <= CUT_SHORT * len(values):
        return None
    share = f"{count / len(values):.0%}"
    return (
        f"{view.of}: {view.backbone.name} stops {where}, and {share} of the cells are longer; it does not see the rest "
        "of them. Where the end matters, choose a backbone that reads more, or add the preset classic"
    )


def _key(name: str, plan: InputPlan, config: PretrainedConfig) -> str:
    """By which name the settings speak of an input."""
    return name if name in config.backbones else plan.modality


def idle(plans: Mapping[str, InputPlan], config: PretrainedConfig) -> list[str]:
    """What to say of the backbones that no input of the table has a use for."""
    used = {_key(name, plan, config) for name, plan in plans.items()}
    return [
        f"backbone {key}={reference} is not used: the table has no input for it ({', '.join(plans)})"
        for key, reference in config.backbones.items()
        if key not in used
    ]


def _found(config: PretrainedConfig, modality: str) -> str | None:
    """The folder of the modality in the folder of backbones, when there is one."""
    root = config.folder or os.environ.get(FOLDER)
    folder = Path(root) / modality if root else None
    return str(folder) if folder is not None and folder.is_dir() else None


def _backbone(modality: str, reference: str, config: PretrainedConfig, device: str) -> Backbone:
    part = MODALITIES.load(modality)
    if not part.backbones:
        raise UserError(f"backbone {modality}={reference}: there are no backbones of this modality")
    folder, name = locate(reference, allow_download=config.allow_download)
    return find_backbone(part.backbones, folder, config.keep, name=name, device=device)


def locate(reference: str, *, allow_download: bool) -> tuple[Path, str]:
    """The folder of what the user named, and a short name for it."""
    if reference.startswith(PACKAGE):
        name = reference.removeprefix(PACKAGE)
        return packaged(name), name
    if reference.startswith(HUB):
        return _from_hub(reference.removeprefix(HUB), allow_download), _tidy(reference.rpartition("/")[2])
    folder = Path(reference).expanduser()
    if not folder.is_dir():
        from consilience.models.weights import PACKAGED

        raise UserError(
            f"backbone {reference}: there is no such folder. Give the folder of a model, package:NAME "
            f"({', '.join(PACKAGED)}), or hub:ID with --allow-download"
        )
    return folder, _tidy(folder.resolve().name)


def _from_hub(name: str, allow_download: bool) -> Path:
    """The folder of a model of the hub; fetched only when that is allowed."""
    hub = need("huggingface_hub", extra="pretrained", to="use a model of the hub")
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "pytorch_model*.bin"]
    try:
        return Path(hub.snapshot_download(name, local_files_only=not allow_download, allow_patterns=wanted))
    except Exception as error:  # a dozen types: of the hub, of HTTP, of the file system
        if not allow_download:
            raise UserError(
                f"backbone hub:{name}: not on this machine, and nothing is downloaded unless you allow it: "
                "--allow-download"
            ) from error
        reason = str(error).strip().splitlines()
        raise UserError(
            f"backbone hub:{name}: cannot be downloaded ({type(error).__name__}: {reason[0] if reason else ''}). "
            "Without a connection, copy its folder to this machine and give the path"
        ) from error


def _tidy(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-") or "backbone"


def pick_device(wanted: str) -> str:
    """The device by name. torch is asked only where it has to be."""
    if wanted != "auto":
        return wanted
    torch = need("torch", extra="pretrained", to="use a pretrained backbone")
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def references(words: list[str]) -> dict[str, str]:
    """`KEY=WEIGHTS` words of the command line -> by key."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, reference = word.partition("=")
        if not equals or not key or not reference:
            raise UserError(
                f"--backbone {word!r}: write it as KEY=FOLDER, KEY=package:NAME or KEY=hub:ID, where KEY is a "
                "modality or an input"
            )
        if key in found:
            raise UserError(f"--backbone {word!r}: {key} is given twice")
        found[key] = reference
    return found


def about(views: Mapping[str, FrozenView]) -> dict[str, Any]:
    """By view: what the run remembers of its backbone."""
    return {name: view.backbone.fingerprint for name, view in views.items()}
